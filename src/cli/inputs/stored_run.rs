//! A run directory as later commands use it: its model, its weights, and the data it was trained on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::loading::{image_of, recipe_of};
use crate::cli::args::DeviceArgs;
use crate::cli::device::open::PickArgs;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::report::format::visible_name;
use crate::tensor::HostTensor;
use crate::train::{
    EvaluatedWeights, Evaluator, ModelPrograms, ModelRecord, PendingWeights, Predictions, Recipe,
    RunDir, SplitEvaluation, TrainError, WeightsError, check_finite, check_hash, load_weights,
    sha256_of_weights,
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

/// How two lists of classes differ, in words, with both lists; none where they are the same.
pub(in crate::cli) fn classes_differ(trained: &[String], found: &[String]) -> Option<String> {
    if trained == found {
        return None;
    }
    let (mut a, mut b) = (trained.to_vec(), found.to_vec());
    a.sort();
    b.sort();
    let how = if a == b { "the same ones in another order: " } else { "" };
    Some(format!("{how}trained on {}; there are {}", in_words(trained), in_words(found)))
}

/// Number and names of classes, as many as a line holds.
pub(in crate::cli) fn in_words(classes: &[String]) -> String {
    const SHOWN: usize = 8;
    let names = classes.iter().take(SHOWN).map(|name| visible_name(name));
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if classes.len() > SHOWN { ", ..." } else { "" };
    format!("{} classes ({names}{more})", classes.len())
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
    pub recipe: Recipe,
    pub record: ModelRecord,
    pub which: Which,
    pub model: ModelPrograms,
    /// The weights by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// The same, ready for a device.
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
        let file = which.file_in(&dir);
        let tensors = load_weights(&file)?;
        let weights = PendingWeights::check(&model, &tensors)?;
        check_result(&dir, which, &file, &model.ordered(&tensors))?;
        check_finite(&file, &tensors)?;
        Ok(Self { dir, recipe, record, which, model, tensors, weights })
    }

    /// Tells which weights are used: the same line in all commands.
    pub fn tell_weights(&self) {
        output::line(format_args!("weights  {}", self.which.name()));
    }

    /// Checks that a set has the images and classes that the run was trained on.
    pub fn check_data(&self, data: &Dataset) -> Result<(), TrainError> {
        let record = &self.record;
        let name = &data.name;
        if image_of(data) != record.image {
            return Err(TrainError::Weights(format!(
                "they were trained on images of {:?} (height, width, channels), {name} has images \
                 of {:?}",
                record.image,
                image_of(data)
            )));
        }
        match classes_differ(&record.classes, &data.classes) {
            None => Ok(()),
            Some(how) => Err(TrainError::Weights(format!(
                "they were trained on other classes than {name} has: {how}"
            ))),
        }
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
