//! The pages of runs and comparisons.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::args::DataArgs;
use super::failure::Failure;
use super::inputs::loading::read_data;
use super::inputs::stored_run::{StoredRun, Which};
use super::output;
use crate::data::Dataset;
use crate::exec::CpuExecutor;
use crate::report::{Sources, write_comparison_report, write_run_report};
use crate::train::{Recipe, RunDir};

/// What a page without images says first.
const NO_DATA: &str = "The data set cannot be read, so there are no images here.";

/// Where the images of a page come from.
pub(super) enum TestSet<'a> {
    /// The test set of the run, which was read already.
    Read(&'a Dataset),
    /// The run's recipe says which set it is, and this where it lies.
    LiesIn(&'a DataArgs),
    /// Nowhere, for the run goes on: to read and to classify it would keep the processor from training.
    LeftOut,
}

impl<'a> TestSet<'a> {
    /// The set, or why it is not there.
    fn of(self, recipe: &Recipe) -> Result<Cow<'a, Dataset>, String> {
        match self {
            Self::Read(test) => Ok(Cow::Borrowed(test)),
            Self::LiesIn(args) => match read_data(recipe, args) {
                Ok(splits) => Ok(Cow::Owned(splits.test)),
                Err(error) => Err(format!("{NO_DATA} {error}")),
            },
            Self::LeftOut => {
                Err("Images, predictions and feature maps come with the end of the run.".to_owned())
            }
        }
    }
}

/// Writes the page of a run that has just ended. Where that fails, the run has still succeeded.
pub(super) fn after_run(run: &RunDir, test: &Dataset) {
    let page = run.path().join("report.html");
    match write(run.path(), &page, TestSet::Read(test)) {
        Ok((page, _)) => output::line(format_args!("report   {}", page.display())),
        Err(error) => output::note(format_args!("note: there is no report: {error}")),
    }
}

/// Writes the page of runs that were just compared into the folder of the comparison. Where that
/// fails, the comparison has still succeeded.
pub(super) fn after_comparison(runs: &[RunDir], folder: &RunDir) {
    if let Err(error) = write_comparison_report(runs, &folder.path().join("report.html")) {
        output::note(format_args!("note: there is no report: {error}"));
    }
}

/// Writes the page of a run with all that can be had of its data set and weights; what cannot is
/// said on the page. Tells the file, and which weights were taken, if any.
pub(super) fn write(
    run: &Path,
    page: &Path,
    test: TestSet<'_>,
) -> Result<(PathBuf, Option<Which>), Failure> {
    let run_dir = RunDir::open(run)?;
    // The weights that the run's figures are of.
    let evaluation = run_dir.evaluation()?;
    let which = evaluation.and_then(|evaluation| Which::of_record(evaluation.weights));
    let stored = match StoredRun::open(run, which) {
        Ok(stored) => stored,
        Err(error) => {
            let why_no_data = format!("{NO_DATA} The run cannot be loaded: {error}");
            let sources = Sources { why_no_data, ..Sources::default() };
            let written = write_run_report(&run_dir, page, &sources)?;
            // A page without pictures is better than none; that weights are wrong is an error.
            return if error.is_of_weights() { Err(error) } else { Ok((written, None)) };
        }
    };
    let (test, why_no_data) = match test.of(&stored.trained.recipe) {
        Ok(test) => (Some(test), String::new()),
        Err(why) => (None, why),
    };
    let test = test.as_deref();
    let mut predictions = None;
    if let (Some(test), None) = (test, run_dir.predictions()?) {
        let mut executor = CpuExecutor::new();
        let batch = stored.trained.recipe.batch_size;
        predictions = Some(stored.trained.predict(&mut executor, "test", test, batch)?.1);
    }
    let sources = Sources {
        test,
        why_no_data,
        which: Some(stored.which.evaluated()),
        model: Some((&stored.trained.model, &stored.trained.weights)),
        predictions,
    };
    Ok((write_run_report(&run_dir, page, &sources)?, Some(stored.which)))
}
