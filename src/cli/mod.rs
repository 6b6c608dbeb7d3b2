//! Floor 8: the command line. Parses, prints, and turns errors into exit codes: 0 for success, 1
//! for a failed run, 2 for wrong usage, 130 for a run that was interrupted and can be resumed.

#![expect(clippy::print_stderr, reason = "this floor is what prints")]

mod args;
mod commands;
mod device;
mod failure;
mod inputs;
mod logging;
mod members;
mod output;
mod pages;
mod session;
mod text;
mod trace;
mod wgsl;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    analyze, bench, compare, data, devices, doctor, ensemble, evaluate, inspect, recipes, report,
    summary, train, tune, weights,
};
use logging::LogArgs;
use session::start::TrainArgs;

/// Train CNNs on any GPU with kernels that were checked on your own device.
#[derive(Debug, Parser)]
#[command(name = "verigrad", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a recipe; without a name, the small CNN on synthetic digits
    Train(TrainArgs),
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
    Summary(summary::SummaryArgs),
    /// Show a recipe's compiled training step: ops, variants, buffers, bytes, FLOP
    Inspect(inspect::InspectArgs),
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

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.log.start();
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        None => train::run(&TrainArgs::default_run()),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Eval(args)) => evaluate::eval(&args).map(done),
        Some(Command::Predict(args)) => evaluate::predict(&args).map(done),
        Some(Command::Compare(args)) => compare::compare(&args).map(done),
        Some(Command::Ensemble(args)) => ensemble::ensemble(&args).map(done),
        Some(Command::Analyze(args)) => analyze::run(&args).map(done),
        Some(Command::Report(args)) => report::run(&args).map(done),
        Some(Command::Summary(args)) => summary::summary(&args).map(done),
        Some(Command::Inspect(args)) => inspect::inspect(&args).map(done),
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
