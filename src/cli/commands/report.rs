//! `verigrad report`: writes the pages of runs.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::DataArgs;
use crate::cli::failure::{Failure, Unknown};
use crate::cli::output;
use crate::cli::pages::{TestSet, write};
use crate::cli::serve::{LivePage, serve};
use crate::report::write_comparison_report;
use crate::train::RunDir;

/// Arguments of `verigrad report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// Run directories, e.g. runs/digits-1; several with --output are compared on one page
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where to write the page [default: report.html in each run directory]
    #[arg(long, short, value_name = "FILE.html")]
    output: Option<PathBuf>,
    /// Serve the page of one run to browsers on this machine, always as new as the run; without a port,
    /// on a free one
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    serve: Option<u16>,
    #[command(flatten)]
    data: DataArgs,
}

/// Writes pages.
pub(in crate::cli) fn run(args: &ReportArgs) -> Result<(), Failure> {
    if let Some(port) = args.serve {
        let [run] = args.runs.as_slice() else {
            let n = args.runs.len();
            return Err(Unknown(format!("--serve takes one run, {n} were given")).into());
        };
        let page = args.output.clone().unwrap_or_else(|| run.join("report.html"));
        return serve(LivePage::open(RunDir::open(run)?, page, args.data.clone())?, port);
    }
    if let (Some(page), true) = (&args.output, args.runs.len() > 1) {
        let runs =
            args.runs.iter().map(|path| RunDir::open(path)).collect::<Result<Vec<_>, _>>()?;
        let written = write_comparison_report(&runs, page)?;
        output::line(format_args!("report   {}", written.display()));
        return Ok(());
    }
    for path in &args.runs {
        let page = args.output.clone().unwrap_or_else(|| path.join("report.html"));
        let (written, which) = write(path, &page, TestSet::LiesIn(&args.data))?;
        if let Some(which) = which {
            output::line(format_args!("weights  {}", which.name()));
        }
        output::line(format_args!("report   {}", written.display()));
    }
    Ok(())
}
