//! All programs of a run.

use super::feed::Feed;
use super::model::ModelPrograms;
use super::names::TRAIN_EVALUATION;
use crate::compile::{Picks, Program};
use crate::data::Splits;
use crate::graph::Caps;
use crate::train::{Recipe, TrainError};

/// The programs of a recipe on its data: training, and evaluation of each split.
///
/// # Errors
/// When the model does not fit the data, or a program does not fit the device.
pub fn compile_all(
    recipe: &Recipe,
    data: &Splits,
    caps: &Caps,
    picks: &Picks,
) -> Result<Vec<Program>, TrainError> {
    let (train, batch) = (&data.train, recipe.batch_size);
    let model = ModelPrograms::of_recipe(recipe, train)?.evaluating(recipe);
    let feed = Feed::plan("train", train, batch, recipe.drops_last(), caps);
    let mut programs = vec![model.training(recipe, &feed, caps, picks)?];
    let sets = [("test", Some(&data.test)), ("validation", data.validation.as_ref())];
    for (name, set) in sets {
        if let Some(set) = set {
            let feed = Feed::plan(name, set, recipe.evaluation_batch(), false, caps);
            programs.push(model.evaluation(name, &feed, caps, picks)?);
        }
    }
    let feed = feed.whole_pass(TRAIN_EVALUATION, train, caps);
    programs.push(model.evaluation(TRAIN_EVALUATION, &feed, caps, picks)?);
    Ok(programs)
}
