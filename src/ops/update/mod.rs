//! What changes from step to step: parameters, rates, running statistics, counters.

pub(super) mod clear_gaps;
pub(super) mod end_step;
pub(super) mod histogram;
pub(super) mod learning_rate;
pub(super) mod loss_scale;
pub(super) mod optimizer;
pub(super) mod running_average;
pub(super) mod state;
pub(super) mod tally_batch;

pub use clear_gaps::ClearGaps;
pub use end_step::EndStep;
pub use histogram::{Histogram, HistogramCounts};
pub use learning_rate::{Anneal, LearningRate, Schedule};
pub use loss_scale::{Unscale, UpdateLossScale};
pub use optimizer::{
    Adam, ClipByNorm, ClipByValue, GlobalNorm, Guarded, Hypergradient, InPlaceUpdate, RateRange,
    RmsProp, Sgd, WeightAverage,
};
pub use running_average::{AverageRange, RunningAverage};
pub use state::{Accumulate, Advance, Full, Record};
pub use tally_batch::TallyBatch;
