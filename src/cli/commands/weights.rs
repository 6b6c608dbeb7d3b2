//! `verigrad weights`: weights of a run for other programs, and weights of other programs for a recipe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::export_onnx::export_onnx;
use crate::cli::args::{DataArgs, RecipeArgs};
use crate::cli::failure::{Failure, Unknown};
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::inputs::stored_run::{StoredRun, Which};
use crate::cli::inputs::trained::TrainedModel;
use crate::cli::inputs::weight_file::{Extent, SelectionArgs, weights_of};
use crate::cli::output;
use crate::data::Normalization;
use crate::report::format::grouped;
use crate::tensor::HostTensor;
use crate::train::{
    CLASSES_KEY, Exchange, FileLayout, ModelPrograms, PendingWeights, Recipe, WeightFile,
    save_weights, write_npz,
};

/// What to do with weights.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WeightsCommand {
    /// Write the weights of a run for other programs
    Export(ExportArgs),
    /// Convert weights of PyTorch, Keras or NumPy into those of a recipe
    Import(ImportArgs),
}

/// What a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Safetensors with the names and layouts of PyTorch (torchvision's for models it has)
    Torch,
    /// HDF5 for load_weights of Keras: FILE.weights.h5 in the layout of Keras 3, FILE.h5 in that of Keras 2
    Keras,
    /// NPZ of NumPy, names and layouts of verigrad
    Npz,
    /// Safetensors, names and layouts of verigrad
    Safetensors,
    /// The whole model as ONNX, from pixels to probabilities
    Onnx,
}

/// Names and layouts in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImportFormat {
    /// Names and layouts of PyTorch (torchvision's for models it has)
    Torch,
    /// Layers of Keras, by their order
    Keras,
    /// Names and layouts of verigrad
    Npz,
    /// Names and layouts of verigrad
    Safetensors,
}

/// Arguments of `verigrad weights export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// Run directory, e.g. runs/digits-1
    run: PathBuf,
    /// Which weights [default: best where a validation split chose them, else last]
    #[arg(long, value_enum)]
    weights: Option<Which>,
    /// Names and layouts
    #[arg(long, value_enum, default_value = "torch")]
    format: ExportFormat,
    /// As ONNX, with the 8-bit weights and grids that `verigrad analyze quantize` wrote for the run
    #[arg(long)]
    int8: bool,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Arguments of `verigrad weights import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// A file of weights: .safetensors, .pt or .pth, .weights.h5, .h5 or .keras, .npz
    file: PathBuf,
    /// Name of a built-in recipe, or path to a .toml file: the model that the weights are for
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: String,
    /// Change a value of the recipe: `model.depth=34`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Names and layouts [default: keras and npz for files of Keras and NumPy, else those that the
    /// file's metadata tell, else torch]
    #[arg(long, value_enum)]
    format: Option<ImportFormat>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Number of classes, for recipes on image folders [default: those of the folder]
    #[arg(long)]
    classes: Option<usize>,
    /// The .safetensors file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs `verigrad weights`.
pub(in crate::cli) fn run(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::Export(args) => export(args),
        WeightsCommand::Import(args) => import(args),
    }
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    if args.int8 && args.format != ExportFormat::Onnx {
        let problem = "--int8 goes with --format onnx: the other formats hold floats";
        return Err(Unknown(problem.to_owned()).into());
    }
    let run = StoredRun::open(&args.run, args.weights)?;
    let TrainedModel { recipe, model, tensors: weights, record, .. } = &run.trained;
    let classes = serde_json::json!(record.classes).to_string();
    let exchange = || Exchange::of(recipe.model.as_ref(), model);
    let tensors = match args.format {
        ExportFormat::Onnx => return export_onnx(&run, args.int8, &args.output),
        ExportFormat::Keras => {
            let weights = exchange()?.to_keras(weights)?;
            weights.write(&args.output)?;
            run.tell_weights();
            report(&args.output, weights.counts());
            return Ok(());
        }
        ExportFormat::Npz => {
            let tensors = exchange()?.from_own(weights)?;
            write_npz(&args.output, &tensors)?;
            tensors
        }
        ExportFormat::Torch => {
            let tensors = exchange()?.to_torch(weights)?;
            // PyTorch's own loaders look for this key.
            let format = ("format", "pt".to_owned());
            let metadata = [format, ("recipe", recipe.name.clone()), (CLASSES_KEY, classes)];
            save_weights(&args.output, &tensors, &named(metadata))?;
            tensors
        }
        ExportFormat::Safetensors => {
            let tensors = exchange()?.from_own(weights)?;
            let metadata = [("recipe", recipe.name.clone()), (CLASSES_KEY, classes)];
            save_weights(&args.output, &tensors, &named(metadata))?;
            tensors
        }
    };
    run.tell_weights();
    report(&args.output, counts(&tensors));
    Ok(())
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let recipe = RecipeArgs { recipe: args.recipe.clone(), set: args.set.clone() };
    let recipe = load_recipe(&recipe)?;
    let model = model_of(&recipe, args)?;
    let file = WeightFile::read(&args.file)?;
    let layout = match args.format {
        None => file.layout(),
        Some(ImportFormat::Torch) => FileLayout::Torch,
        Some(ImportFormat::Keras) => FileLayout::Keras,
        Some(ImportFormat::Npz | ImportFormat::Safetensors) => FileLayout::Own,
    };
    let target = (&recipe, &model);
    let tensors = weights_of(&file, target, layout, &args.selection, Extent::Whole)?;
    PendingWeights::check(&model, &tensors)?;
    let tensors = model.ordered(&tensors);
    let mut metadata = named([("recipe", recipe.name.clone())]);
    if let Some(classes) = file.classes() {
        metadata.insert(CLASSES_KEY.to_owned(), serde_json::json!(classes).to_string());
    }
    save_weights(&args.output, &tensors, &metadata)?;
    report(&args.output, counts(&tensors));
    Ok(())
}

/// The model of a recipe; its data are read only where they alone tell its images or classes.
fn model_of(recipe: &Recipe, args: &ImportArgs) -> Result<ModelPrograms, Failure> {
    let classes = args.classes.or(recipe.data.dataset.classes());
    let known = recipe.data.image().zip(classes);
    if let Some((image, classes)) = known {
        // Pixels have no part in the exchange.
        let [_, _, channels] = image;
        let normalization = Normalization::new(channels, vec![0.0; channels], vec![1.0; channels])?;
        return Ok(ModelPrograms::without_data(recipe, image, classes, normalization)?);
    }
    Ok(ModelPrograms::of_recipe(recipe, &read_data(recipe, &args.data)?.train)?)
}

fn named<const N: usize>(metadata: [(&str, String); N]) -> BTreeMap<String, String> {
    metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Number of tensors, and of all their numbers.
fn counts(tensors: &[(String, HostTensor)]) -> (usize, usize) {
    (tensors.len(), tensors.iter().map(|(_, tensor)| tensor.ty().elements()).sum())
}

fn report(path: &Path, (tensors, numbers): (usize, usize)) {
    let numbers = grouped(numbers);
    output::line(format_args!("{}: {tensors} tensors, {numbers} numbers", path.display()));
}
