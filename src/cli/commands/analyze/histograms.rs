//! `verigrad analyze histograms`: how weights and gradients are distributed.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::DataArgs;
use crate::cli::failure::Failure;
use crate::cli::inputs::subject::{Subject, WhatArgs};
use crate::cli::inputs::trained::TrainedModel;
use crate::cli::output;
use crate::ops::Histogram;
use crate::report::{encode_png, histograms_png, histograms_svg};
use crate::train::{HistogramRecord, RunDir, histograms_of_weights, write_atomically};

/// Arguments of `verigrad analyze histograms`. Where the recipe of a run had no section `histograms`, only
/// its weights are drawn.
#[derive(Debug, Args)]
pub(in crate::cli) struct HistogramsArgs {
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    data: DataArgs,
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
    let path = &args.what.run;
    let run_dir = if path.is_dir() { Some(RunDir::open(path)?) } else { None };
    let counted = run_dir.as_ref().map(RunDir::histograms).transpose()?.unwrap_or_default();
    let name = path.canonicalize().unwrap_or_else(|_| path.clone());
    let name = name.file_name().map_or("run".into(), |name| name.to_string_lossy()).into_owned();
    let file = |name: &str| run_dir.as_ref().map(|dir| dir.analysis_file(name)).transpose();
    let (mut records, what, default) = match (counted, file("histograms.png")?) {
        (counted, Some(default)) if !counted.is_empty() => {
            let what = epochs(&counted);
            (counted, what, default)
        }
        _ => {
            let subject = Subject::open(&args.what, &args.data)?;
            let TrainedModel { model, weights, .. } = &subject.trained;
            let records = histograms_of_weights(model, weights.parameters(), (0, 0), args.bins);
            let what = match subject.run() {
                Some((_, which)) => format!("{} weights", which.name()),
                None => "weights".to_owned(),
            };
            (records, what, subject.analysis_file("histograms.png")?)
        }
    };
    records.retain(|record| record.parameter.contains(&args.only));
    if records.is_empty() {
        return Err(format!("no parameter of {name} has {:?} in its name", args.only).into());
    }
    let title = format!("{name}: {what}");
    let path = args.output.clone().unwrap_or(default);
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
