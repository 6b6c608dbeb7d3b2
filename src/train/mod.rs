//! Floor 6: recipes, the step graph, the training loop, evaluation, and what a run leaves on disk.
//!
//! Five rooms, each of which uses itself and those before it: what decides a run (`recipe`), what the
//! device does in a step (`step`), what stays on disk (`store`), what can be seen of a model
//! (`evaluate`), and what happens from the first step to the last (`run`).

mod error;
mod evaluate;
mod recipe;
mod run;
mod step;
mod store;

pub use error::{LimitAdvice, ObserverError, RunError, TrainError};

pub use recipe::augment::{AugmentConfig, FlipScheme, HorizontalFlip, RandomCrop};
pub use recipe::builtin::{BuiltinRecipe, builtin_recipes};
pub use recipe::callbacks::{Budget, EarlyStoppingConfig, PlateauConfig};
pub use recipe::checkpoint::{CheckpointConfig, CheckpointEvery};
pub use recipe::class_weights::ClassWeightsConfig;
pub use recipe::ema::EmaConfig;
pub use recipe::histograms::HistogramsConfig;
pub use recipe::log::LogConfig;
pub use recipe::loss::{Answers, CustomLoss, Loss};
pub use recipe::loss_reduction::LossReduction;
pub use recipe::monitor::Monitor;
pub use recipe::optimizer::{Arenas, Clipping, OptimizerConfig};
pub use recipe::sampler::Sampler;
pub use recipe::schedule::{Decay, Period, ScheduleConfig};
pub use recipe::schema::Recipe;

pub use step::fed::Fed;
pub use step::feed::Feed;
pub use step::fitting::{BatchPlan, BatchSearch, Misfit, Room, find_batch};
pub use step::histograms::HistogramOf;
pub use step::loss_scaling::LossScale;
pub use step::memory::check_memory;
pub use step::memory_plan::MemoryPlan;
pub use step::metrics::Metrics;
pub use step::model::ModelPrograms;
pub use step::pass::Pass;
pub use step::pending_weights::PendingWeights;
pub use step::programs::{RunPrograms, planned_bytes};
pub use step::training::TrainingGraph;

pub use run::checkpoint::contents::{Checkpoint, DataMark, RunState};
pub use run::checkpoint::file::CheckpointError;
pub use run::checkpoint::folder::{CheckpointStore, Loaded};
pub use run::epoch_result::{EpochResult, Progress, StepLoss};
pub use run::first_bad::{FirstBad, Phase};
pub use run::hook::{EpochDone, Hook, Interrupt, StepsDone};
pub use run::init_from::{InitReport, take_over};
pub use run::measured::SetupTimes;
pub use run::median_rule::{MedianRule, PRUNED};
pub use run::observer::Observer;
pub use run::position::BestEpoch;
pub use run::rate_range::{RateAdvice, RateCurve, RatePoint, RateRange};
pub use run::stop::{Flow, Stop, StopReason};
pub use run::trainer::Trainer;

pub use evaluate::evaluator::Evaluator;
pub use evaluate::histograms::histograms_of_weights;
pub use evaluate::preview::augmented_examples;

pub use store::exchange::converter::{Exchange, Imported};
pub use store::exchange::error::ExchangeError;
pub use store::exchange::keras::write::KerasWeights;
pub use store::exchange::npz::write_npz;
pub use store::exchange::selection::{Selection, Taken};
pub use store::exchange::weight_file::{FileLayout, WeightFile};
pub use store::files::FileError;
pub(crate) use store::files::{read_text, write_atomically};
pub use store::records::evaluation::{
    ClassFigures, ConfusedPair, EvaluatedWeights, Evaluation, MacroAverage, MultiLabelFigures,
    SplitEvaluation, TargetFigures,
};
pub use store::records::histograms::HistogramRecord;
pub use store::records::metrics::{EpochRecord, StepRecord};
pub use store::records::model::ModelRecord;
pub use store::records::plan::RunPlan;
pub use store::records::predictions::{Predicted, Predictions, push_classes, push_probabilities};
pub use store::records::result::{EnsembleResult, MemberResult, RunResult};
pub use store::records::targets::TargetPredictions;
pub use store::run_dir::{RunDir, RunDirError, RunLock};
pub use store::tensorboard::EventLog;
pub use store::weights::{
    CLASSES_KEY, WeightsError, check_finite, check_hash, load_weights, save_weights,
    sha256_of_weights, weights_metadata,
};
pub(crate) use store::weights::{Stored, open_safetensors, save_stored};
