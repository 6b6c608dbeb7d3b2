//! `verigrad completions`: the script by which a shell completes commands and options.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::output;

/// Arguments of `verigrad completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `command`, the whole command line.
pub(in crate::cli) fn run(args: &CompletionsArgs, mut command: Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "verigrad", &mut script);
    output::asked_for(&script);
}
