//! A run directory as later commands use it: its model and its weights.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::loading::recipe_of;
use super::trained::TrainedModel;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::tensor::HostTensor;
use crate::train::{
    EvaluatedWeights, ModelPrograms, PendingWeights, Recipe, RunDir, WeightsError, check_finite,
    check_hash, load_weights, sha256_of_weights,
};

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

/// Demands the weights that `result.json` names, where it does.
fn check_result(
    dir: &RunDir,
    which: Which,
    file: &Path,
    weights: &[(String, HostTensor)],
) -> Result<(), WeightsError> {
    let result = match dir.result() {
        Ok(Some(result)) => result,
        // It has not ended yet.
        Ok(None) => return Ok(()),
        Err(error) => {
            output::note(format_args!(
                "note: {error}; the weights are checked by what their own file says"
            ));
            return Ok(());
        }
    };
    let expected = match which {
        Which::Last => Some(result.weights_sha256),
        Which::Best => result.weights_best_sha256,
    };
    let by = dir.result_path().display().to_string();
    match expected {
        Some(expected) => check_hash(file, &by, &expected, sha256_of_weights(weights)),
        None => Ok(()),
    }
}

/// A run whose weights were read and fit its model.
pub(in crate::cli) struct StoredRun {
    pub dir: RunDir,
    pub which: Which,
    pub trained: TrainedModel,
}

impl StoredRun {
    /// Reads a run; without `which`, the weights that [`Which::of_recipe`] says.
    pub fn open(path: &Path, which: Option<Which>) -> Result<Self, Failure> {
        let dir = RunDir::open(path)?;
        let recipe = recipe_of(&dir)?;
        let record = dir.model()?;
        let normalization = record.normalization_in(&recipe.data)?;
        let classes = record.classes.len();
        let model = ModelPrograms::without_data(&recipe, record.image, classes, normalization)?;
        let which = which.unwrap_or_else(|| Which::of_recipe(&recipe));
        let file = which.file_in(&dir);
        // A run that has ended had some: their file is missed.
        let has_ended = dir.result_path().exists();
        if !has_ended && !file.exists() && !dir.weights_last().exists() {
            return Err(format!(
                "{} has no {} yet: weights are written at the end of each epoch, and its first one is \
                 not over; wait for it, or go on with verigrad train --resume {0}",
                path.display(),
                file.file_name().unwrap_or_default().display()
            )
            .into());
        }
        let tensors = load_weights(&file)?;
        let weights = PendingWeights::check(&model, &tensors)?;
        check_result(&dir, which, &file, &model.ordered(&tensors))?;
        check_finite(&file, &tensors)?;
        let trained = TrainedModel { recipe, record, model, tensors, weights };
        Ok(Self { dir, which, trained })
    }

    /// Tells which weights are used: the same line in all commands.
    pub fn tell_weights(&self) {
        output::line(format_args!("weights  {}", self.which.name()));
    }
}
