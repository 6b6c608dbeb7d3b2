//! `verigrad doctor`: is every kernel right on this device?

use std::io::IsTerminal;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::DeviceArgs;
use crate::cli::device::options::options as device_options;
use crate::cli::failure::{Failure, Unknown};
use crate::cli::output;
use crate::exec::{self, CpuExecutor, DeviceChoice};
use crate::ops::entries;
use crate::verify::{
    DoctorOptions, DoctorProgress, OpReport, diagnose, diagnose_in_parallel, render,
};

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
    /// Only the op of exactly this name
    #[arg(long, requires = "op")]
    exact: bool,
    /// Print the names of the ops, and check none
    #[arg(long)]
    list: bool,
    /// Threads, each of which opens the device and checks cases [default: one for each core, at most
    /// 16]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Most threads that are started without being asked for.
const MOST_JOBS: usize = 16;

/// Checks all kernels on a GPU, or those of the CPU, and prints what was found.
pub(in crate::cli) fn check(args: &DoctorArgs) -> Result<(), Failure> {
    let is_asked = |name: &str| if args.exact { name == args.op } else { name.contains(&args.op) };
    if !entries().any(|entry| is_asked(entry.name)) {
        let names: Vec<&str> = entries().map(|entry| entry.name).collect();
        return Err(Unknown(format!(
            "there is no op whose name {} {:?}; there are {}",
            if args.exact { "is" } else { "contains" },
            args.op,
            names.join(", ")
        ))
        .into());
    }
    if args.list {
        for entry in entries().filter(|entry| entry.name.contains(&args.op)) {
            output::line(format_args!("{}", entry.name));
        }
        return Ok(());
    }
    let choice: DeviceChoice = args.device.device.parse()?;
    let (large, quick, exact) = (args.large, args.quick, args.exact);
    let options = DoctorOptions { large, quick, exact, filter: args.op.clone() };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores.min(MOST_JOBS));
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    if let (Some(bar), Ok(style)) =
        (&bar, ProgressStyle::with_template("[{bar:24}] {pos}/{len}  {msg}"))
    {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut tell = |progress: DoctorProgress<'_>| {
        if let Some(bar) = &bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(format!("{} {}", progress.op, progress.case));
        }
        let Some(verdict) = progress.verdict else { return };
        match &bar {
            Some(bar) => bar.println(first_verdict(verdict)),
            None => output::note(format_args!("{}", first_verdict(verdict))),
        }
    };
    let report = if choice == DeviceChoice::Cpu {
        // Its kernels take the cores by themselves.
        diagnose(&mut CpuExecutor::new(), &options, &mut tell)
    } else {
        let device = device_options()?;
        let open = || exec::open_gpu_with(&choice, &device);
        diagnose_in_parallel(&open, jobs, &options, &mut tell)?
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if args.json {
        output::json(&report)?;
    } else {
        output::text(format_args!("{}", render(&report)));
    }
    if report.is_healthy() {
        Ok(())
    } else {
        Err(format!("{} checks failed on {}", report.failed(), report.device.name).into())
    }
}

/// One line on an op as soon as its last case is done.
fn first_verdict(op: &OpReport) -> String {
    let verdict = match op.failed {
        0 => "right".to_owned(),
        failed => format!("{failed} CHECKS FAILED"),
    };
    format!("{:<28} {:>4} kernels, {verdict}", op.op, op.lowerings)
}
