//! `verigrad summary`: the layers of a recipe.

use clap::Args;

use crate::cli::args::{DataArgs, RecipeArgs};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{image_of, load_recipe, read_data};
use crate::cli::output;
use crate::cli::text::layers::{IMAGENET_CLASSES, summary_text};
use crate::data::DataError;
use crate::train::TrainError;

/// Arguments of `verigrad summary`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SummaryArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Prints the layers of a recipe.
pub(in crate::cli) fn summary(args: &SummaryArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let (image, classes) = match (recipe.data.image(), recipe.data.dataset.classes()) {
        (Some(image), Some(classes)) => (image, classes),
        (image, _) => match (read_data(&recipe, &args.data), image) {
            (Ok(data), _) => (image_of(&data.train), data.train.classes.len()),
            (Err(TrainError::Data(DataError::Missing { .. })), Some(image)) => {
                let classes = IMAGENET_CLASSES;
                eprintln!("there is no image folder: shown for {classes} classes, as ImageNet has");
                (image, classes)
            }
            (Err(error), _) => return Err(error.into()),
        },
    };
    output::text(format_args!("{}", summary_text(&recipe, image, classes)?));
    Ok(())
}
