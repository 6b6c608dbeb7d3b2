//! `verigrad analyze histograms`: how weights and gradients are distributed.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::StoredRun;
use crate::cli::output;
use crate::ops::Histogram;
use crate::report::{encode_png, histograms_png, histograms_svg};
use crate::train::{HistogramRecord, RunDir, histograms_of_weights, write_atomically};

/// Arguments of `verigrad analyze histograms`.
#[derive(Debug, Args)]
pub(in crate::cli) struct HistogramsArgs {
    /// Run directory, e.g. runs/digits-1. Where its recipe had no section `histograms`, only its
    /// weights are drawn
    run: PathBuf,
    /// Where to draw: a .png or .svg file [default: RUN/analysis/histograms.png]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw only parameters whose name contains this, e.g. conv1
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Bins of weights that were not counted in training: a power of two from 8 to 512
    #[arg(long, default_value_t = 64, value_parser = bins)]
    bins: usize,
}

fn bins(text: &str) -> Result<usize, String> {
    let bins: usize = text.parse().map_err(|_| "it is no number".to_owned())?;
    Histogram::check_bins(bins).map(|()| bins)
}

/// Draws the histograms of a run.
pub(in crate::cli) fn run(args: &HistogramsArgs) -> Result<(), Failure> {
    let run_dir = RunDir::open(&args.run)?;
    let mut records = run_dir.histograms()?;
    let name = args.run.canonicalize().unwrap_or_else(|_| args.run.clone());
    let name = name.file_name().map_or("run".into(), |name| name.to_string_lossy()).into_owned();
    let what = if records.is_empty() {
        let stored = StoredRun::open(&args.run, None)?;
        let weights = stored.weights.parameters();
        records = histograms_of_weights(&stored.model, weights, (0, 0), args.bins);
        format!("{} weights", stored.which.name())
    } else {
        epochs(&records)
    };
    records.retain(|record| record.parameter.contains(&args.only));
    if records.is_empty() {
        return Err(format!("no parameter of {name} has {:?} in its name", args.only).into());
    }
    let title = format!("{name}: {what}");
    let path = match &args.output {
        Some(path) => path.clone(),
        None => run_dir.path().join("analysis").join("histograms.png"),
    };
    if let (None, Some(folder)) = (&args.output, path.parent()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    }
    let picture = match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => encode_png(&histograms_png(&records, &title)?)?,
        Some("svg") => histograms_svg(&records, &title).into_bytes(),
        _ => return Err(format!("{}: give a name in .png or .svg", path.display()).into()),
    };
    write_atomically(&path, &picture)?;
    output::line(format_args!("{what}, {} histograms", records.len()));
    output::line(format_args!("picture  {}", path.display()));
    Ok(())
}

/// The epochs of records, in words.
fn epochs(records: &[HistogramRecord]) -> String {
    let first = records.iter().map(|record| record.epoch).min().unwrap_or(0);
    let last = records.iter().map(|record| record.epoch).max().unwrap_or(0);
    if first == last { format!("epoch {last}") } else { format!("epochs {first} to {last}") }
}
