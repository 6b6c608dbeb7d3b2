//! `verigrad analyze quantize`: what 8 bits cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::analysis::{Granularity, Grid, QuantizedModel, SimulatedFigures, Simulator, weights_of};
use crate::cli::args::DataArgs;
use crate::cli::device::open::{on_device, open_device};
use crate::cli::failure::Failure;
use crate::cli::inputs::subject::{Subject, SubjectArgs};
use crate::cli::output;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::report::format::{grouped, loss};
use crate::report::{Align, Table, quoted};
use crate::tensor::HostTensor;
use crate::train::{sha256_of_weights, write_atomically};

/// The file of the quantized model, in the folder of analyses.
pub(in crate::cli) const INT8_FILE: &str = "weights-int8.safetensors";
/// Key of its metadata under which it says what the weights hash to that it was made of.
pub(in crate::cli) const MADE_OF: &str = "weights_sha256";
/// Images that are evaluated at once, at most.
const MAX_BATCH: usize = 128;
/// Layers that the table of the worst shows.
const WORST: usize = 8;

/// Arguments of `verigrad analyze quantize`.
#[derive(Debug, Args)]
pub(in crate::cli) struct QuantizeArgs {
    #[command(flatten)]
    run: SubjectArgs,
    #[command(flatten)]
    data: DataArgs,
    /// One scale for each tensor of weights rather than one for each output channel
    #[arg(long)]
    per_tensor: bool,
    /// Training images that give the ranges of activations
    #[arg(
        long,
        default_value_t = 512,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    calibration: u32,
    /// Evaluate a quantized model that this command wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["per_tensor", "calibration"])]
    evaluate: Option<PathBuf>,
}

/// A layer in 8 bits, all others in f32.
struct LayerCost {
    layer: String,
    shape: String,
    /// Error of the weights: the root of its mean square, relative to that of the weights.
    weight_error: f64,
    grid: Grid,
    /// Change of the logits, likewise.
    logits_change: f64,
    accuracy: f64,
}

/// Quantizes a run and says what it costs, or evaluates a quantized one.
pub(in crate::cli) fn run(args: &QuantizeArgs) -> Result<(), Failure> {
    let mut run = Subject::open(&args.run.what, &args.data)?;
    run.trained.needs_classes()?;
    let loaded = args.evaluate.as_deref().map(QuantizedModel::load).transpose()?;
    let splits = run.data(&args.data)?;
    run.trained.check_data(&splits.test)?;
    let mut open = || open_device(&args.run.device, &args.run.picks);
    let executor = open()?;
    let device = executor.info().to_string();
    let mut kept = Some(executor);
    output::line(format_args!("device   {device}"));
    let batch = MAX_BATCH.min(run.trained.recipe.evaluation_batch());
    if let Some(model) = loaded {
        let figures = on_device(&mut kept, &mut open, &mut |executor| {
            let simulator = Simulator::new(executor, &run.trained.model, batch)?;
            let pending = model.pending(&run.trained.model)?;
            if let Some(layer) = simulator.layers().iter().find(|l| !model.grids.contains_key(*l)) {
                return Err(format!("the file has no grid for what {layer} reads").into());
            }
            pending.write(executor)?;
            simulator.set_grids(executor, &model.grids)?;
            Ok(simulator.evaluate(executor, &splits.test)?)
        })?;
        let mut table = cost_table();
        table.row(cost_row("8 bits, from the file", &figures, model.bytes()));
        output::text(format_args!("\n{table}"));
        return Ok(());
    }

    let granularity =
        if args.per_tensor { Granularity::PerTensor } else { Granularity::PerChannel };
    let count = usize::try_from(args.calibration).unwrap_or(usize::MAX);
    let calibration = splits.train.take_first(count);
    run.tell_weights();
    output::line(format_args!(
        "ranges   of {} training images of {}",
        grouped(calibration.len()),
        calibration.name
    ));
    let weights = &run.trained.tensors;
    let float_bytes: usize = weights.values().map(|tensor| tensor.ty().bytes()).sum();
    let (model, costs, layers) = on_device(&mut kept, &mut open, &mut |executor| {
        let simulator = Simulator::new(executor, &run.trained.model, batch)?;
        run.trained.weights.write(executor)?;
        let grids = simulator.calibrate(executor, &calibration)?;
        let before = simulator.evaluate(executor, &splits.test)?;
        let model = QuantizedModel::new(weights, grids, granularity)?;
        model.pending(&run.trained.model)?.write(executor)?;
        let weights_only = simulator.evaluate(executor, &splits.test)?;
        simulator.set_grids(executor, &model.grids)?;
        let after = simulator.evaluate(executor, &splits.test)?;
        let layers = cost_of_layers(executor, &run, &simulator, (weights, &model), &calibration)?;
        let costs = [
            cost_row("f32", &before, float_bytes),
            cost_row("8-bit weights", &weights_only, model.bytes()),
            cost_row("8-bit weights and activations", &after, model.bytes()),
        ];
        Ok((model, costs, layers))
    })?;

    let mut table = cost_table();
    for cost in costs {
        table.row(cost);
    }
    output::text(format_args!("\n{table}"));
    output::text(format_args!("\n{}", layer_table(&layers)));

    let path = run.analysis_file(INT8_FILE)?;
    let metadata = BTreeMap::from([
        ("format".to_owned(), "verigrad int8, symmetric weights".to_owned()),
        ("recipe".to_owned(), run.trained.recipe.name.clone()),
        ("calibration_images".to_owned(), calibration.len().to_string()),
        (MADE_OF.to_owned(), sha256_of_weights(&run.trained.model.ordered(weights))),
    ]);
    model.save(&path, &metadata)?;
    let csv = run.analysis_file("quantize-layers.csv")?;
    write_atomically(&csv, layer_csv(&layers).as_bytes())?;
    output::line(format_args!("\nint8     {}", path.display()));
    output::line(format_args!("layers   {}", csv.display()));
    Ok(())
}

fn cost_table() -> Table {
    Table::new(&[
        ("stored as", Align::Left),
        ("accuracy", Align::Right),
        ("loss", Align::Right),
        ("bytes", Align::Right),
    ])
}

fn cost_row(name: &str, figures: &SimulatedFigures, bytes: usize) -> [String; 4] {
    [
        name.to_owned(),
        format!("{:.2} %", 100.0 * figures.accuracy),
        loss(figures.loss),
        grouped(bytes),
    ]
}

/// Each layer in 8 bits by itself, on the images of the calibration; those that change the logits
/// most come first.
fn cost_of_layers(
    executor: &mut dyn Executor,
    run: &Subject,
    simulator: &Simulator,
    (weights, model): (&BTreeMap<String, HostTensor>, &QuantizedModel),
    data: &Dataset,
) -> Result<Vec<LayerCost>, Failure> {
    run.trained.weights.write(executor)?;
    simulator.set_grids(executor, &BTreeMap::new())?;
    let before = simulator.evaluate(executor, data)?;
    let mut layers = Vec::new();
    for (layer, &grid) in &model.grids {
        let name = weights_of(layer);
        let (Some(floats), Some(int8)) = (weights.get(&name), model.weights.get(&name)) else {
            continue;
        };
        let alone = BTreeMap::from([(layer.clone(), grid)]);
        let one = QuantizedModel {
            weights: [(name.clone(), int8.clone())].into(),
            floats: weights.clone(),
            grids: alone.clone(),
        };
        one.pending(&run.trained.model)?.write(executor)?;
        simulator.set_grids(executor, &alone)?;
        let figures = simulator.evaluate(executor, data)?;
        let dequantized = int8.dequantize()?;
        layers.push(LayerCost {
            layer: layer.clone(),
            shape: int8.shape.to_string(),
            weight_error: relative_error(dequantized.f32s(), floats.f32s()),
            grid,
            logits_change: figures.logits_change(&before),
            accuracy: figures.accuracy,
        });
    }
    layers.sort_by(|a, b| b.logits_change.total_cmp(&a.logits_change));
    Ok(layers)
}

/// The root of the mean square of the difference of `a` and `b`, relative to that of `b`.
fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let pairs = a.iter().zip(b);
    let error: f64 = pairs.map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let size: f64 = b.iter().map(|&b| square(f64::from(b))).sum();
    if size > 0.0 { (error / size).sqrt() } else { 0.0 }
}

fn layer_table(layers: &[LayerCost]) -> Table {
    let mut table = Table::new(&[
        ("in 8 bits alone", Align::Left),
        ("weights", Align::Left),
        ("their error", Align::Right),
        ("input", Align::Right),
        ("logits change", Align::Right),
    ]);
    for layer in layers.iter().take(WORST) {
        let [low, high] = layer.grid.range();
        table.row([
            layer.layer.clone(),
            layer.shape.clone(),
            format!("{:.2} %", 100.0 * layer.weight_error),
            format!("{low:.2} to {high:.2}"),
            format!("{:.3} %", 100.0 * layer.logits_change),
        ]);
    }
    table
}

fn layer_csv(layers: &[LayerCost]) -> String {
    let mut text =
        "layer,shape,weight_error,input_low,input_high,logits_change,accuracy\n".to_owned();
    for cost in layers {
        let ([low, high], shape) = (cost.grid.range(), quoted(&cost.shape));
        let _ = writeln!(
            text,
            "{},{shape},{},{low},{high},{},{}",
            quoted(&cost.layer),
            cost.weight_error,
            cost.logits_change,
            cost.accuracy
        );
    }
    text
}
