//! `verigrad eval` and `verigrad predict`: uses the weights of a run.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::describe::image_of;
use super::failure::Failure;
use super::open::{PickArgs, open_device, open_quickly};
use super::output;
use super::train::read_data;
use super::{DataArgs, DeviceArgs};
use crate::data::{Dataset, decode_image};
use crate::exec::Executor;
use crate::train::{
    Evaluator, ModelPrograms, ModelRecord, PendingWeights, Recipe, RunDir, TrainError, load_weights,
};

/// Which weights of a run.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// Those with the best accuracy
    Best,
    /// Those after the last epoch
    Last,
}

/// A run and its weights.
#[derive(Debug, Args)]
struct RunArgs {
    /// Run directory, e.g. runs/digits-1
    run: PathBuf,
    /// Which weights
    #[arg(long, value_enum, default_value = "best")]
    weights: Which,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
}

/// Arguments of `verigrad eval`.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `verigrad predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    #[command(flatten)]
    run: RunArgs,
    /// PNG or JPEG files
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Invert the images: for dark digits on a light ground
    #[arg(long)]
    invert: bool,
}

/// A run, ready to be evaluated.
pub(super) struct Loaded {
    pub executor: Box<dyn Executor>,
    pub recipe: Recipe,
    record: ModelRecord,
    pub model: ModelPrograms,
    pub weights: PendingWeights,
}

/// Opens a device.
type Open = fn(&DeviceArgs, &PickArgs) -> Result<Box<dyn Executor>, Failure>;

fn load(args: &RunArgs, open: Open) -> Result<Loaded, Failure> {
    let run_dir = RunDir::open(&args.run)?;
    let origin = run_dir.path().join("recipe.toml").display().to_string();
    let recipe = Recipe::parse(&origin, &run_dir.recipe()?, &[])?;
    let record = run_dir.model()?;
    let normalization = recipe.data.normalization(record.image[2])?;
    let classes = record.classes.len();
    let model = ModelPrograms::new(&recipe.layers, record.image, classes, normalization)?
        .with_precision(recipe.precision);
    let path = match args.weights {
        Which::Best => run_dir.weights_best(),
        Which::Last => run_dir.weights_last(),
    };
    let weights = PendingWeights::check(&model, &load_weights(&path)?)?;
    let executor = open(&args.device, &args.picks)?;
    Ok(Loaded { executor, recipe, record, model, weights })
}

/// Loads a run with its best weights, on the CPU.
pub(super) fn load_on_cpu(run: &Path) -> Result<Loaded, Failure> {
    let device = DeviceArgs { device: "cpu".to_owned() };
    let args =
        RunArgs { run: run.to_owned(), weights: Which::Best, device, picks: PickArgs::auto() };
    load(&args, open_device)
}

/// Evaluates a run on its test set.
pub(super) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let mut loaded = load(&args.run, open_device)?;
    let data = read_data(&loaded.recipe, &args.data)?.test;
    if image_of(&data) != loaded.record.image || data.classes != loaded.record.classes {
        return Err(TrainError::Weights(format!(
            "they were trained on images of {:?} in {} classes, {} has images of {:?} in {} classes \
             (or other names)",
            loaded.record.image,
            loaded.record.classes.len(),
            data.name,
            image_of(&data),
            data.classes.len()
        ))
        .into());
    }
    let executor = loaded.executor.as_mut();
    output::line(format_args!("device   {}", executor.info()));
    let batch = loaded.recipe.batch_size;
    let evaluator = Evaluator::new(executor, &loaded.model, "test", &data, batch)?;
    loaded.weights.write(executor)?;
    let metrics = evaluator.run(executor, &data)?;
    output::line(format_args!(
        "test     loss {:.4}  accuracy {:.2} %  {} images",
        metrics.loss,
        100.0 * metrics.accuracy,
        metrics.examples
    ));
    Ok(())
}

/// Prints class probabilities of images.
pub(super) fn predict(args: &PredictArgs) -> Result<(), Failure> {
    let mut loaded = load(&args.run, open_quickly)?;
    let [height, width, channels] = loaded.record.image;
    let mut images = Vec::new();
    for path in &args.images {
        images.extend(decode_image(path, height, width, channels, args.invert)?);
    }
    let labels = vec![0; args.images.len()];
    let classes = loaded.record.classes.clone();
    let size = loaded.record.image;
    let data = Dataset::new("predict", images, labels, size, classes)?;
    let executor = loaded.executor.as_mut();
    let batch = data.len().min(loaded.recipe.batch_size);
    let evaluator = Evaluator::new(executor, &loaded.model, "predict", &data, batch)?;
    loaded.weights.write(executor)?;
    let probabilities = evaluator.probabilities(executor, &data)?;
    for (path, row) in args.images.iter().zip(probabilities.chunks(data.classes.len().max(1))) {
        let mut ranked: Vec<(f32, &String)> = row.iter().copied().zip(&data.classes).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        output::line(format_args!("{}", path.display()));
        for (probability, class) in ranked {
            output::line(format_args!("  {:>7.3} %  {class}", 100.0 * probability));
        }
    }
    Ok(())
}
