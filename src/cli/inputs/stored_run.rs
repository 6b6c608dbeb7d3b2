//! A run directory as later commands use it: its model, its weights, and the data it was trained on.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::loading::{image_of, recipe_of};
use crate::cli::args::DeviceArgs;
use crate::cli::device::open::PickArgs;
use crate::cli::failure::Failure;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::train::{
    EvaluatedWeights, Evaluator, ModelPrograms, ModelRecord, PendingWeights, Predictions, Recipe,
    RunDir, SplitEvaluation, TrainError, load_weights,
};

/// A run and its weights.
#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Run directory, e.g. runs/digits-1
    pub run: PathBuf,
    /// Which weights [default: best where a validation split chose them, else last]
    #[arg(long, value_enum)]
    pub weights: Option<Which>,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub picks: PickArgs,
}

/// Which weights of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Which {
    /// Those with the best accuracy
    Best,
    /// Those after the last epoch
    Last,
}

impl Which {
    /// The best weights where a validation split chose them; else the last ones, since choosing by
    /// the test set would flatter the figures on it.
    pub fn of_recipe(recipe: &Recipe) -> Self {
        if recipe.has_validation() { Self::Best } else { Self::Last }
    }

    /// Where a run keeps them.
    pub fn file_in(self, dir: &RunDir) -> PathBuf {
        match self {
            Self::Best => dir.weights_best(),
            Self::Last => dir.weights_last(),
        }
    }

    /// As records name them.
    pub fn evaluated(self) -> EvaluatedWeights {
        match self {
            Self::Best => EvaluatedWeights::Best,
            Self::Last => EvaluatedWeights::Last,
        }
    }

    /// Those that records name; none of a run's own for an ensemble.
    pub fn of_record(weights: EvaluatedWeights) -> Option<Self> {
        match weights {
            EvaluatedWeights::Best => Some(Self::Best),
            EvaluatedWeights::Last => Some(Self::Last),
            EvaluatedWeights::Ensemble => None,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        self.evaluated().name()
    }
}

/// A run whose weights were read and fit its model.
pub(in crate::cli) struct StoredRun {
    pub dir: RunDir,
    pub recipe: Recipe,
    pub record: ModelRecord,
    pub which: Which,
    pub model: ModelPrograms,
    pub weights: PendingWeights,
}

impl StoredRun {
    /// Reads a run; without `which`, the weights that [`Which::of_recipe`] says.
    pub fn open(path: &Path, which: Option<Which>) -> Result<Self, Failure> {
        let dir = RunDir::open(path)?;
        let recipe = recipe_of(&dir)?;
        let record = dir.model()?;
        let normalization = record.normalization_in(&recipe.data)?;
        let classes = record.classes.len();
        let model = ModelPrograms::new(&recipe.layers, record.image, classes, normalization)?
            .with_precision(recipe.precision);
        let which = which.unwrap_or_else(|| Which::of_recipe(&recipe));
        let weights = PendingWeights::check(&model, &load_weights(&which.file_in(&dir))?)?;
        Ok(Self { dir, recipe, record, which, model, weights })
    }

    /// Checks that a set has the images and classes that the run was trained on.
    pub fn check_data(&self, data: &Dataset) -> Result<(), TrainError> {
        let record = &self.record;
        if image_of(data) == record.image && data.classes == record.classes {
            return Ok(());
        }
        Err(TrainError::Weights(format!(
            "they were trained on images of {:?} in {} classes, {} has images of {:?} in {} classes \
             (or other names)",
            record.image,
            record.classes.len(),
            data.name,
            image_of(data),
            data.classes.len()
        )))
    }

    /// Evaluates the run on a set, with the prediction for each example.
    pub fn predict(
        &self,
        executor: &mut dyn Executor,
        name: &str,
        data: &Dataset,
        batch: usize,
    ) -> Result<(SplitEvaluation, Predictions), TrainError> {
        let evaluator = Evaluator::new(executor, &self.model, name, data, batch)?;
        self.weights.write(executor)?;
        evaluator.predict(executor, data)
    }
}
