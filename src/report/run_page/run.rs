//! What the directory of a run holds, as far as it is there.

use std::path::PathBuf;

use super::super::ReportError;
use super::super::run_facts::{RunFacts, TEST};
use super::sources::Sources;
use crate::train::{
    EpochRecord, EvaluatedWeights, Evaluation, ModelRecord, Predicted, Recipe, RunDir, StepRecord,
};

/// What the run directory holds.
pub(super) struct Run<'a> {
    pub dir: &'a RunDir,
    pub recipe_text: String,
    pub recipe: Option<Recipe>,
    pub model: Option<ModelRecord>,
    pub epochs: Vec<EpochRecord>,
    pub steps: Vec<StepRecord>,
    pub evaluation: Option<Evaluation>,
    pub predictions: Option<Predicted>,
    pub facts: RunFacts,
}

impl<'a> Run<'a> {
    pub fn read(dir: &'a RunDir, sources: &Sources<'_>) -> Result<Self, ReportError> {
        let recipe_text = dir.recipe()?;
        let origin = dir.path().join("recipe.toml").display().to_string();
        let recipe = Recipe::parse(&origin, &recipe_text, &[]);
        let recipe = recipe.map_err(|error| log::warn!("{error}")).ok();
        let model = dir.model().map_err(|error| log::warn!("{error}")).ok();
        let (epochs, steps) = (dir.epochs()?, dir.steps()?);
        let predictions = dir.predictions()?.or_else(|| sources.predictions.clone());
        let mut evaluation = dir.evaluation()?;
        if let (None, Some(Predicted::Classes(predictions)), Some(model)) =
            (&evaluation, &predictions, &model)
        {
            let split = predictions.evaluate(&model.classes);
            evaluation = Some(Evaluation {
                weights: sources.which.unwrap_or(EvaluatedWeights::Last),
                classes: model.classes.clone(),
                splits: [(TEST.to_owned(), split)].into(),
            });
        }
        let facts = RunFacts::read(dir, &epochs, evaluation.as_ref());
        Ok(Self { dir, recipe_text, recipe, model, epochs, steps, evaluation, predictions, facts })
    }

    /// Which weights the figures are of.
    pub fn which(&self) -> EvaluatedWeights {
        self.evaluation.as_ref().map_or(EvaluatedWeights::Last, |evaluation| evaluation.weights)
    }

    /// Where those weights are.
    pub fn weights(&self) -> PathBuf {
        match self.which() {
            EvaluatedWeights::Best => self.dir.weights_best(),
            EvaluatedWeights::Last | EvaluatedWeights::Ensemble => self.dir.weights_last(),
        }
    }
}
