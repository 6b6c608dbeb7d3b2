//! `verigrad doctor`: is every kernel right on this device?

use std::io::IsTerminal;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::DeviceArgs;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::exec::{self, DeviceChoice};
use crate::verify::{DoctorOptions, DoctorProgress, diagnose, render};

/// Arguments of `verigrad doctor`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    /// Only ops whose name contains this text
    #[arg(default_value = "", hide_default_value = true)]
    op: String,
    #[command(flatten)]
    device: DeviceArgs,
    /// Also check the large shapes of real models: minutes, mostly for their references
    #[arg(long)]
    large: bool,
    /// Leave out the gradient rules, which do not depend on the device
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks all kernels on a GPU and prints what was found.
pub(in crate::cli) fn check(args: &DoctorArgs) -> Result<(), Failure> {
    let choice: DeviceChoice = args.device.device.parse()?;
    let mut gpu = exec::open_gpu(&choice)?;
    let options = DoctorOptions { large: args.large, quick: args.quick, filter: args.op.clone() };
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    if let (Some(bar), Ok(style)) =
        (&bar, ProgressStyle::with_template("[{bar:24}] {pos}/{len}  {msg}"))
    {
        bar.set_style(style.progress_chars("=> "));
    }
    let report = diagnose(&mut gpu, &options, &mut |progress: DoctorProgress<'_>| {
        if let Some(bar) = &bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(format!("{} {}", progress.op, progress.case));
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if args.json {
        output::line(format_args!("{}", serde_json::to_string_pretty(&report)?));
    } else {
        output::text(format_args!("{}", render(&report)));
    }
    if report.is_healthy() {
        Ok(())
    } else {
        Err(format!("{} checks failed on {}", report.failed(), report.device.name).into())
    }
}
