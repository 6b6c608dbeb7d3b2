//! `verigrad summary`: the layers of a recipe.

use clap::Args;

use crate::cli::args::{DataArgs, RecipeArgs};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{image_of, load_recipe, read_data};
use crate::cli::output;
use crate::cli::text::layers::{IMAGENET_CLASSES, summary_text};
use crate::data::DataError;
use crate::nn::{Layer, summarize};
use crate::train::TrainError;

/// Arguments of `verigrad summary`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SummaryArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
                output::note(format_args!(
                    "there is no image folder: shown for {classes} classes, as ImageNet has"
                ));
                (image, classes)
            }
            (Err(error), _) => return Err(error.into()),
        },
    };
    if args.json {
        let layers = Layer::with_classes(&recipe.layers, classes);
        let layers = summarize(&layers, image, recipe.precision).map_err(TrainError::from)?;
        return Ok(output::json(&serde_json::json!({
            "recipe": recipe.name,
            "image": image,
            "classes": classes,
            "parameters": layers.iter().map(|layer| layer.parameters).sum::<usize>(),
            "flop_per_image": layers.iter().map(|layer| layer.flop).sum::<u64>(),
            "layers": layers,
        }))?);
    }
    output::text(format_args!("{}", summary_text(&recipe, image, classes)?));
    Ok(())
}
