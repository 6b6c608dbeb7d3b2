//! Floor 6: recipes, the step graph, the training loop, evaluation, and what a run leaves behind.

mod builtin;
mod error;
mod evaluate;
mod feed;
mod optimizer;
mod overrides;
mod programs;
mod recipe;
mod trainer;

pub use builtin::{BuiltinRecipe, builtin_recipes};
pub use error::TrainError;
pub use evaluate::{Evaluation, Evaluator, Predictor};
pub use feed::Feed;
pub use optimizer::{Clipping, OptimizerConfig};
pub use programs::{Metrics, ModelPrograms, TrainingGraph};
pub use recipe::Recipe;
pub use trainer::{EpochResult, Observer, Progress, StepLoss, Trainer};
