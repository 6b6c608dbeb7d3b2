//! Recipes and data sets, as arguments name them.

use std::path::Path;
use std::time::Instant;

use crate::cli::args::{DataArgs, RecipeArgs};
use crate::cli::failure::Failure;
use crate::data::{self, Dataset, Splits};
use crate::train::{Recipe, RunDir, TrainError};

/// The recipe that the arguments name.
pub(in crate::cli) fn load_recipe(args: &RecipeArgs) -> Result<Recipe, TrainError> {
    let path = Path::new(&args.recipe);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Recipe::builtin(&args.recipe, &args.set);
    }
    let text = std::fs::read_to_string(path).map_err(|error| TrainError::Recipe {
        recipe: args.recipe.clone(),
        message: format!("the file cannot be read: {error}"),
    })?;
    Recipe::parse(&args.recipe, &text, &args.set)
}

/// The data set of a recipe.
pub(in crate::cli) fn read_data(recipe: &Recipe, args: &DataArgs) -> Result<Splits, TrainError> {
    let started = Instant::now();
    let data = data::load(&recipe.data, args.data_dir.as_deref())?;
    log::info!(
        "read {}: {} training, {} validation, {} test images in {:.0} ms",
        data.train.name,
        data.train.len(),
        data.validation.as_ref().map_or(0, Dataset::len),
        data.test.len(),
        1e3 * started.elapsed().as_secs_f64()
    );
    Ok(data)
}

/// Height, width and channels of a set's images.
pub(in crate::cli) fn image_of(data: &Dataset) -> [usize; 3] {
    [data.height, data.width, data.channels]
}

/// The recipe of a run.
pub(in crate::cli) fn recipe_of(dir: &RunDir) -> Result<Recipe, Failure> {
    let origin = dir.path().join("recipe.toml").display().to_string();
    Ok(Recipe::parse(&origin, &dir.recipe()?, &[])?)
}
