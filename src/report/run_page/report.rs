//! The page of one run, `report.html`, and its pictures as files.

use std::path::{Path, PathBuf};

use super::super::ReportError;
use super::super::html::Page;
use super::classes::classes;
use super::distribution::distribution;
use super::files::Pictures;
use super::headline::headline;
use super::inside::inside;
use super::kernels::kernels;
use super::layers::layers;
use super::predictions::predictions;
use super::reproduction::reproduction;
use super::run::Run;
use super::sources::Sources;
use super::targets::targets;
use super::training::training;
use crate::train::{Predicted, RunDir, write_atomically};

/// Writes the page of a run to `path`, and its pictures into the run directory; gives `path` back.
/// What the run directory lacks is said in its place.
///
/// # Errors
/// When the run cannot be read, or a file cannot be written.
pub fn write_run_report(
    dir: &RunDir,
    path: &Path,
    sources: &Sources<'_>,
) -> Result<PathBuf, ReportError> {
    let run = Run::read(dir, sources)?;
    let mut pictures = Pictures::create(dir)?;
    let lead = run.recipe.as_ref().map_or_else(String::new, |recipe| recipe.description.clone());
    let mut page = Page::new(&run.facts.name, &lead);
    headline(&mut page, &run);
    training(&mut page, &run, &mut pictures)?;
    match &run.predictions {
        Some(Predicted::Targets(predictions)) => {
            targets(&mut page, &run, (predictions, sources), &mut pictures)?;
        }
        _ => {
            classes(&mut page, &run, &mut pictures)?;
            predictions(&mut page, &run, sources, &mut pictures)?;
        }
    }
    inside(&mut page, &run, sources, &mut pictures)?;
    distribution(&mut page, dir, sources, &mut pictures)?;
    layers(&mut page, &run, &mut pictures)?;
    kernels(&mut page, dir)?;
    reproduction(&mut page, &run);
    write_atomically(path, page.finish().as_bytes())?;
    Ok(path.to_owned())
}
