//! Floor 8: the command line. Parses, prints, and turns errors into exit codes: 0 for success, 1
//! for a failed run, 2 for wrong usage, 130 for a run that was interrupted and can be resumed.

mod args;
mod commands;
mod device;
mod failure;
#[cfg(feature = "fetch")]
mod fetch;
mod inputs;
mod interrupt;
mod logging;
mod members;
mod output;
mod pages;
mod search;
mod serve;
mod session;
mod text;
mod trace;
#[cfg(feature = "watch")]
mod watch;
mod wgsl;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use commands::{
    analyze, bench, compare, completions, cross_validate, data, devices, doctor, ensemble,
    evaluate, find_batch, find_lr, inspect, man, predict, recipes, report, summary, sweep, train,
    tune, watch as watch_command, weights,
};
use device::options::tell_faults;
use logging::LogArgs;
use session::start::TrainArgs;

use crate::exec::gpu::panic_is_caught;

/// What is said below the list of commands.
const WITHOUT_COMMAND: &str = "Without a command, verigrad trains the small CNN `digits` on digits \
                               that it draws itself, as `verigrad train digits` does, into the folder \
                               runs/.";

/// Train CNNs on any GPU with kernels that were checked on your own device.
#[derive(Debug, Parser)]
#[command(name = "verigrad", version = env!("VERIGRAD_VERSION"), after_help = WITHOUT_COMMAND, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    /// Print nothing but warnings, errors and what --json asks for
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a recipe; without a name, the small CNN on synthetic digits
    Train(TrainArgs),
    /// Evaluate the weights of a run or a file: loss, accuracy, figures by class, confusion matrix
    Eval(evaluate::EvalArgs),
    /// Classify images by the weights of a run or a file
    Predict(predict::PredictArgs),
    /// Compare runs and recipes: one table, curves in one picture, accuracy by class
    Compare(compare::CompareArgs),
    /// Average the predictions of several models: of runs, or of a recipe with different seeds
    Ensemble(ensemble::EnsembleArgs),
    /// Show runs in the terminal while they train: curves, time left, figures by class
    Watch(watch_command::WatchArgs),
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
    /// Train a recipe with many settings, and sort them: grids, random draws, seeds
    Sweep(sweep::SweepArgs),
    /// Train a recipe K times, each time with another part of the training set held out
    CrossValidate(cross_validate::CrossValidateArgs),
    /// Find the largest batch of a recipe that fits this device, by the plan alone
    FindBatch(find_batch::FindBatchArgs),
    /// Find a learning rate: it rises from step to step, and the loss shows which are too high
    FindLr(find_lr::FindLrArgs),
    /// Look at data sets: as training sees them, as CSV, which there are
    Data(data::DataCommandArgs),
    /// Look into trained models: histograms of weights and gradients
    Analyze(analyze::AnalyzeArgs),
    /// Exchange weights with PyTorch, NumPy and Keras
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    /// Print the script by which a shell completes commands and options
    Completions(completions::CompletionsArgs),
    /// Write manual pages, one for each command
    Man(man::ManArgs),
    /// List the built-in recipes, print one to start from, check files
    Recipes(recipes::RecipesArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version, too, are told this way.
            output::keep(told.print());
            return end(ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2)));
        }
    };
    leave_wayland_alone();
    pass_over_caught_panics();
    cli.log.start();
    if cli.quiet {
        output::silence();
    }
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        None => {
            output::line(format_args!(
                "no command was given: this is `verigrad train digits`; --help lists the commands\n"
            ));
            train::run(&TrainArgs::default_run())
        }
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Eval(args)) => evaluate::eval(&args).map(done),
        Some(Command::Predict(args)) => predict::predict(&args).map(done),
        Some(Command::Compare(args)) => compare::compare(&args).map(done),
        Some(Command::Ensemble(args)) => ensemble::ensemble(&args).map(done),
        Some(Command::Analyze(args)) => analyze::run(&args).map(done),
        Some(Command::Watch(args)) => watch_command::run(args).map(done),
        Some(Command::Report(args)) => report::run(&args).map(done),
        Some(Command::Summary(args)) => summary::summary(&args).map(done),
        Some(Command::Inspect(args)) => inspect::inspect(&args).map(done),
        Some(Command::Devices(args)) => devices::list(&args).map(done),
        Some(Command::Doctor(args)) => doctor::check(&args).map(done),
        Some(Command::Bench(args)) => bench::measure(&args).map(done),
        Some(Command::Tune(args)) => tune::run(&args).map(done),
        Some(Command::FindBatch(args)) => find_batch::run(&args).map(done),
        Some(Command::Sweep(args)) => sweep::run(&args),
        Some(Command::CrossValidate(args)) => cross_validate::run(&args),
        Some(Command::FindLr(args)) => find_lr::run(&args).map(done),
        Some(Command::Weights(command)) => weights::run(&command).map(done),
        Some(Command::Recipes(args)) => recipes::run(&args).map(done),
        Some(Command::Completions(args)) => {
            completions::run(&args, Cli::command());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man(args)) => man::run(&args, Cli::command()).map(done),
        Some(Command::Data(args)) => data::run(&args).map(done),
    };
    end(match result {
        Ok(code) => code,
        Err(failure) => {
            let heading = if failure.is_interruption() { "" } else { "error: " };
            output::note(format_args!("{heading}{failure}"));
            failure.exit_code()
        }
    })
}

/// A panic of wgpu that becomes an error is told as that error.
fn pass_over_caught_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic_is_caught() {
            tell(panic);
        }
    }));
}

/// Drivers ask for a display while devices are listed. Where there can be none, for want of a folder
/// with its socket, Wayland's library says so on standard error, in front of all that we say: with the
/// name of a socket that is not there it keeps quiet. An environment is given at the start of a
/// program, so that the program starts once more, as the same process.
#[cfg(target_os = "linux")]
fn leave_wayland_alone() {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    let is_told = env::var_os("WAYLAND_DISPLAY").is_some();
    let has_folder = env::var_os("XDG_RUNTIME_DIR").is_some_and(|at| Path::new(&at).is_absolute());
    if let (false, false, Ok(program)) = (is_told, has_folder, env::current_exe()) {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        let mut again = std::process::Command::new(program);
        again.arg0(name).args(arguments).env("WAYLAND_DISPLAY", "/nonexistent/wayland");
        let failure = again.exec();
        // It then says its line.
        log::debug!("the program did not start again: {failure}");
    }
}

#[cfg(not(target_os = "linux"))]
fn leave_wayland_alone() {}

/// The exit code of a command that would end with `code`: what it has printed must have arrived.
fn end(code: ExitCode) -> ExitCode {
    tell_faults();
    match output::finish() {
        Ok(()) => code,
        Err(error) => {
            output::note(format_args!(
                "error: standard output could not be written, so that what was printed is not \
                 whole: {error}; free some space, or send it elsewhere"
            ));
            if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
        }
    }
}
