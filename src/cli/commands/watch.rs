//! `verigrad watch`: shows runs in the terminal while they train, and afterwards.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;

/// Arguments of `verigrad watch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    /// Runs, searches, or folders of them; the curves of those that are named are drawn together
    /// [default: all in --runs, the newest first]
    #[arg(value_name = "RUN")]
    named: Vec<PathBuf>,
    /// Folder in which runs are looked for where none is named
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Seconds between two looks at the files
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    every: f64,
    /// Print one picture as plain text, and end, as always where standard output is no terminal
    #[arg(long)]
    once: bool,
}

/// A time that is worth waiting for.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds, from 0.1 to 3600".to_owned())
}

/// Shows runs.
#[cfg(feature = "watch")]
pub(in crate::cli) fn run(args: WatchArgs) -> Result<(), Failure> {
    use std::time::Duration;

    use crate::cli::watch::{self, Watching};

    let WatchArgs { named, runs, every, once } = args;
    watch::run(Watching { named, below: runs, every: Duration::from_secs_f64(every), once })
}

/// Says how to get a program that shows runs.
#[cfg(not(feature = "watch"))]
pub(in crate::cli) fn run(_: WatchArgs) -> Result<(), Failure> {
    use crate::cli::failure::Unknown;

    let how = "this verigrad was built without its terminal view: build it with `cargo install --path . \
               --features watch`, or take a binary of a release, which has it";
    Err(Unknown(how.to_owned()).into())
}
