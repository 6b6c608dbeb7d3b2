//! Losses, and how well predictions fit their labels.

pub(super) mod accuracy;
pub(super) mod class_weights;
pub(super) mod confusion_matrix;
pub(super) mod masked_mean;
pub(super) mod mean_cross_entropy;
pub(super) mod mean_squared_error;
pub(super) mod soft_cross_entropy;
pub(super) mod softmax_cross_entropy;

pub use accuracy::{Argmax, CorrectCount};
pub use class_weights::ClassWeights;
pub use confusion_matrix::ConfusionMatrix;
pub use masked_mean::{MaskedMean, MaskedMeanGrad};
pub use mean_cross_entropy::MeanCrossEntropy;
pub use mean_squared_error::MeanSquaredError;
pub use soft_cross_entropy::SoftCrossEntropy;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
