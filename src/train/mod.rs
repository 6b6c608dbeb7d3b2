//! Floor 6: recipes, the step graph, the training loop, evaluation, and what a run leaves on disk.

mod augment;
mod builtin;
mod callbacks;
mod checkpoint;
mod error;
mod evaluate;
mod evaluation;
mod exchange;
mod feed;
mod files;
mod final_evaluation;
mod gradients;
mod histograms;
mod hook;
mod init_from;
mod look;
mod loss_scaling;
mod memory;
mod observer;
mod optimizer;
mod overrides;
mod predictions;
mod preview;
mod programs;
mod recipe;
mod records;
mod run;
mod run_dir;
mod schedule;
mod steering;
mod stepping;
mod trainer;
mod weights;

pub use augment::{AugmentConfig, FlipScheme, HorizontalFlip, RandomCrop};
pub use builtin::{BuiltinRecipe, builtin_recipes};
pub use callbacks::{Budget, EarlyStoppingConfig, Monitor, PlateauConfig};
pub use checkpoint::{
    Checkpoint, CheckpointConfig, CheckpointError, CheckpointEvery, CheckpointStore, DataMark,
    Loaded, RunState,
};
pub use error::{ObserverError, RunError, TrainError};
pub use evaluate::{Evaluator, PendingWeights};
pub use evaluation::{
    ClassFigures, ConfusedPair, EvaluatedWeights, Evaluation, MacroAverage, SplitEvaluation,
};
pub use exchange::{Exchange, ExchangeError, read_npz, read_safetensors, write_npz};
pub use feed::Feed;
pub use files::FileError;
pub(crate) use files::{read_text, write_atomically};
pub use gradients::LossReduction;
pub use histograms::{HistogramOf, HistogramRecord, HistogramsConfig, histograms_of_weights};
pub use hook::{EpochDone, Flow, Hook, Interrupt, StepsDone, Stop, StopReason};
pub use init_from::InitReport;
pub use loss_scaling::LossScale;
pub use memory::{check_memory, planned_bytes};
pub use observer::{EpochResult, Observer, Progress, StepLoss};
pub use optimizer::{Arenas, Clipping, OptimizerConfig};
pub use predictions::Predictions;
pub use preview::augmented_examples;
pub use programs::{Metrics, ModelPrograms, TrainingGraph, compile_all};
pub use recipe::Recipe;
pub use records::{EpochRecord, ModelRecord, StepRecord};
pub use run::BestEpoch;
pub use run_dir::{RunDir, RunDirError, RunLock};
pub use schedule::{Decay, Period, ScheduleConfig};
pub use steering::EmaConfig;
pub use stepping::SetupTimes;
pub use trainer::Trainer;
pub(crate) use weights::{Stored, save_stored};
pub use weights::{WeightsError, load_weights, save_weights, sha256_of_weights};
