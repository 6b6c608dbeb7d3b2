//! Recipes and data sets, as arguments name them.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::cli::args::{DataArgs, RecipeArgs};
use crate::cli::device::memory;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::text::account::warnings;
use crate::data::{self, DataError, Dataset, DatasetKind, Splits};
use crate::input;
use crate::train::{Recipe, RunDir, TrainError, builtin_recipes};

/// Bytes of a recipe at most.
const MOST_OF_A_RECIPE: u64 = 4 << 20;

/// The recipe that the arguments name. A relative path of images in the file of a recipe is looked for
/// beside that file first.
pub(in crate::cli) fn load_recipe(args: &RecipeArgs) -> Result<Recipe, TrainError> {
    RecipeText::read(&args.recipe)?.parse(&args.set)
}

/// The text of a recipe, of which several are made by changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct RecipeText {
    /// Its name, or the path of its file.
    pub origin: String,
    /// The text.
    pub text: String,
}

impl RecipeText {
    /// The text of a built-in recipe or a file.
    pub fn read(origin: &str) -> Result<Self, TrainError> {
        let path = Path::new(origin);
        let text = match builtin_recipes().iter().find(|recipe| recipe.name == origin) {
            Some(builtin) => builtin.text.to_owned(),
            None if path.extension().is_none_or(|extension| extension != "toml") => {
                // It says which there are.
                Recipe::builtin(origin, &[])?;
                String::new()
            }
            None => input::read_text(path, MOST_OF_A_RECIPE).map_err(|error| {
                let message = format!("the file cannot be read: {error}");
                TrainError::Recipe { recipe: origin.to_owned(), message }
            })?,
        };
        Ok(Self { origin: origin.to_owned(), text })
    }

    /// The recipe with changes.
    pub fn parse(&self, set: &[String]) -> Result<Recipe, TrainError> {
        let mut recipe = Recipe::parse(&self.origin, &self.text, set)?;
        let given_here = set.iter().any(|set| set.trim_start().starts_with("data.path"));
        let folder = Path::new(&self.origin).parent();
        if let (false, Some(images), Some(folder)) = (given_here, &recipe.data.path, folder) {
            let beside = folder.join(images);
            if beside.is_dir() {
                recipe.data.path = Some(beside);
            }
        }
        Ok(recipe)
    }
}

/// A share of the free memory that pixels may take: a device that computes in it has them, too.
const OF_FREE_MEMORY: u64 = 4;

/// The data set of a recipe.
pub(in crate::cli) fn read_data(recipe: &Recipe, args: &DataArgs) -> Result<Splits, TrainError> {
    let started = Instant::now();
    let mut config = recipe.data.clone();
    config.skip_damaged |= args.skip_damaged && config.dataset == DatasetKind::Folder;
    let room = memory::available().map(|free| free / OF_FREE_MEMORY);
    let data = data::load_within(&config, args.data_dir.as_deref(), room)
        .map_err(|error| with_command(error, args))?;
    for warning in warnings(&data.account) {
        output::note(format_args!("warning: {warning}"));
    }
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

/// Where a set is missing, with the command that gets it.
fn with_command(error: DataError, args: &DataArgs) -> DataError {
    match error {
        DataError::Missing { dataset, looked_in, expected, advice } if cfg!(feature = "fetch") => {
            let folder = args.data_dir.as_ref();
            let folder =
                folder.map_or_else(String::new, |dir| format!(" --data-dir {}", dir.display()));
            let advice =
                format!("get them with `verigrad data get {dataset}{folder}`, or {advice}");
            DataError::Missing { dataset, looked_in, expected, advice }
        }
        error => error,
    }
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
