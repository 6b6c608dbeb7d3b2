//! Floor 2: the ops, one file per family, and the registry that lists them all.

mod accuracy;
mod activation;
mod among;
mod attack_step;
mod augment;
mod batch_norm;
mod binary;
mod broadcast;
mod cast;
mod concat;
mod confusion_matrix;
mod conv2d;
mod cross_entropy;
mod dropout;
mod dropout_host;
mod elementwise_chain;
mod elementwise_host;
mod fake_quantize;
mod gather;
mod gather_host;
mod gemm;
mod histogram;
mod host_activation;
mod labels;
mod lanes;
mod learning_rate;
mod local_response_norm;
mod local_response_norm_host;
mod log_softmax;
mod loss;
mod loss_scale;
mod matmul;
mod mean_squared_error;
mod mix;
mod names;
mod operands;
mod optimizer;
mod pool;
mod product_tail;
mod reduce;
mod reduce_kernels;
mod reduce_max_grad;
mod registry;
mod repeat;
mod row_kernels;
mod scale;
mod soft_cross_entropy;
mod softmax;
mod state;
mod structural;

pub use accuracy::{Argmax, CorrectCount};
pub use activation::{Activate, ActivateGrad};
pub use attack_step::AttackStep;
pub use augment::{Augment, AugmentBatch, Flip, PaddingMode};
pub use batch_norm::{
    BatchNorm, BatchNormGrad, BatchNormInference, BatchNormInferenceGrad, BatchNormMaxPool2d,
    NormTail, NormalizedProduct, ProductStatistics, RunningAverage,
};
pub use binary::{Binary, BinaryFunction};
pub use broadcast::Broadcast;
pub use cast::Cast;
pub use concat::{Concat, PadZeros, Slice};
pub use confusion_matrix::ConfusionMatrix;
pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
pub use cross_entropy::SoftmaxCrossEntropy;
pub use dropout::Dropout;
pub use elementwise_chain::ElementwiseChain;
pub use fake_quantize::FakeQuantize;
pub use gather::{GatherBatch, NO_EXAMPLE};
pub use histogram::{Histogram, HistogramCounts};
pub use labels::IGNORED_LABEL;
pub use learning_rate::{Anneal, LearningRate, Schedule};
pub use local_response_norm::{LocalResponseNorm, LocalResponseNormGrad};
pub use log_softmax::{LogSoftmax, LogSoftmaxGrad};
pub use loss::{MaskedMean, MaskedMeanGrad};
pub use loss_scale::{Unscale, UpdateLossScale};
pub use matmul::Matmul;
pub use mean_squared_error::MeanSquaredError;
pub use mix::MixBatch;
pub use optimizer::{
    Adam, ClipByNorm, ClipByValue, GlobalNorm, Guarded, Hypergradient, RateRange, RmsProp, Sgd,
    WeightAverage,
};
pub use pool::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dGrad, AvgPool2d, AvgPool2dGrad, GlobalAvgPool2d,
    GlobalAvgPool2dGrad, MaxPool2d, MaxPool2dGrad, PoolGeometry,
};
pub use reduce::{Reduce, SumColumns, SumRows};
pub use reduce_kernels::{Over, ReduceFunction};
pub use reduce_max_grad::ReduceMaxGrad;
pub use registry::{OpEntry, REGISTRY, entries, find};
pub use scale::Scale;
pub use soft_cross_entropy::SoftCrossEntropy;
pub use softmax::{Softmax, SoftmaxGrad};
pub use state::{Accumulate, Advance, Fill, Record};
pub use structural::{Pack, View};
