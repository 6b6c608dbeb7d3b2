//! Floor 8: the command line. Parses, prints, and turns errors into exit codes: 0 for success, 1
//! for a failed run, 2 for wrong usage, 130 for a run that was interrupted and can be resumed.

#![expect(clippy::print_stderr, reason = "this floor is what prints")]

mod analyze;
mod bench;
mod compare;
mod comparison_text;
mod data;
mod describe;
mod devices;
mod doctor;
mod ensemble;
mod evaluate;
mod failure;
mod figures;
mod init_from;
mod interrupt;
mod members;
mod memory;
mod open;
mod output;
mod progress;
mod recipes;
mod recorder;
mod report;
mod resume;
mod session;
mod stored_run;
mod train;
mod tune;
mod weights;
mod wgsl;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::report::format;

/// Train CNNs on any GPU with kernels that were checked on your own device.
#[derive(Debug, Parser)]
#[command(name = "verigrad", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a recipe; without a name, the small CNN on synthetic digits
    Train(train::TrainArgs),
    /// Evaluate the weights of a run: loss, accuracy, figures by class, confusion matrix
    Eval(evaluate::EvalArgs),
    /// Classify images by the weights of a run
    Predict(evaluate::PredictArgs),
    /// Compare runs and recipes: one table, curves in one picture, accuracy by class
    Compare(compare::CompareArgs),
    /// Average the predictions of several models: of runs, or of a recipe with different seeds
    Ensemble(ensemble::EnsembleArgs),
    /// Write a page about runs: curves, figures per class, predictions, filters, layers
    Report(report::ReportArgs),
    /// Show a recipe's layers: shapes, parameters, FLOP, bytes
    Summary(describe::SummaryArgs),
    /// Show a recipe's compiled training step: ops, variants, buffers, bytes, FLOP
    Inspect(describe::InspectArgs),
    /// List the devices that kernels can run on
    Devices(devices::DevicesArgs),
    /// Check every kernel against its reference on your device
    Doctor(doctor::DoctorArgs),
    /// Measure kernels, or the training step of a recipe op by op
    Bench(bench::BenchArgs),
    /// Measure the variants of a recipe's kernels on this device, and keep the fastest right ones
    Tune(tune::TuneArgs),
    /// Look at data sets: as training sees them, as CSV, which there are
    Data(data::DataCommandArgs),
    /// Look into trained models: histograms of weights and gradients
    Analyze(analyze::AnalyzeArgs),
    /// Exchange weights with PyTorch, NumPy and Keras
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    /// List the built-in recipes
    Recipes,
}

/// Which recipe, and what to change in it.
#[derive(Debug, Clone, Args)]
struct RecipeArgs {
    /// Name of a built-in recipe (see `verigrad recipes`), or path to a .toml file
    #[arg(default_value = "digits", value_name = "NAME|FILE.toml")]
    recipe: String,
    /// Change a value of the recipe: `epochs=1`, `optimizer.learning_rate=0.01`,
    /// `layers.0.out_channels=16`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Where to compute.
#[derive(Debug, Clone, Args)]
struct DeviceArgs {
    /// Device: auto, cpu, gpu, a number or part of a name from `verigrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
}

/// Where data sets are.
#[derive(Debug, Clone, Args)]
struct DataArgs {
    /// Folder of the data sets [default: $VERIGRAD_DATA, else ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error"))
        .filter_module("wgpu_hal", log::LevelFilter::Off)
        .parse_default_env()
        .init();
    let cli = Cli::parse();
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        None => train::run(train::TrainArgs::default_run()),
        Some(Command::Train(args)) => train::run(args),
        Some(Command::Eval(args)) => evaluate::eval(&args).map(done),
        Some(Command::Predict(args)) => evaluate::predict(&args).map(done),
        Some(Command::Compare(args)) => compare::compare(&args).map(done),
        Some(Command::Ensemble(args)) => ensemble::ensemble(&args).map(done),
        Some(Command::Analyze(args)) => analyze::run(&args).map(done),
        Some(Command::Report(args)) => report::run(&args).map(done),
        Some(Command::Summary(args)) => describe::summary(&args).map(done),
        Some(Command::Inspect(args)) => describe::inspect(&args).map(done),
        Some(Command::Devices(args)) => devices::list(&args).map(done),
        Some(Command::Doctor(args)) => doctor::check(&args).map(done),
        Some(Command::Bench(args)) => bench::measure(&args).map(done),
        Some(Command::Tune(args)) => tune::run(&args).map(done),
        Some(Command::Weights(command)) => weights::run(&command).map(done),
        Some(Command::Recipes) => recipes::list().map(done),
        Some(Command::Data(args)) => data::run(&args).map(done),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}
