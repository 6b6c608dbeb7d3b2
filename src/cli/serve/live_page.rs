//! The page of a run as its files are now.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::cli::args::DataArgs;
use crate::cli::failure::Failure;
use crate::cli::pages::{TestSet, write};
use crate::input::{self, MOST_OF_A_TEXT};
use crate::report::format::visible;
use crate::train::RunDir;

/// Files whose change makes another page.
const FILES: [&str; 12] = [
    "recipe.toml",
    "device.json",
    "kernels.toml",
    "model.json",
    "metrics.csv",
    "steps.csv",
    "histograms.jsonl",
    "weights-last.safetensors",
    "weights-best.safetensors",
    "evaluation.json",
    "predictions.csv",
    "result.json",
];

/// What keeps an open page as new as its run.
pub(super) const SCRIPT: &str = include_str!("../../../assets/report/live.js");

/// The page of a run.
#[derive(Debug)]
pub(in crate::cli) struct LivePage {
    run: RunDir,
    page: PathBuf,
    data: DataArgs,
    /// The newest page that could be made, and the version that it is of.
    made: Option<Made>,
}

/// A page.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// Of which files.
    pub version: String,
    /// The page, with the script that keeps it new.
    pub html: Vec<u8>,
}

impl LivePage {
    /// The page of `run`, which is also written to the file `page`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(run: RunDir, page: PathBuf, data: DataArgs) -> Result<Self, Failure> {
        let mut live = Self { run, page, data, made: None };
        live.made = Some(live.make(live.version())?);
        Ok(live)
    }

    /// What the page is of: another text for other files.
    pub(super) fn version(&self) -> String {
        let mut hash = Sha256::new();
        for name in FILES {
            let file = fs::metadata(self.run.path().join(name)).ok();
            let stamp = file.map(|file| (file.len(), file.modified().ok()));
            hash.update(format!("{name} {stamp:?}\n"));
        }
        hash.update(format!("{}", self.run.is_in_use()));
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The page of the files as they are. Where it cannot be made, as while files are written, it is the last
    /// one that could.
    ///
    /// # Errors
    /// Says why there is none.
    pub(super) fn newest(&mut self) -> Result<Made, String> {
        let version = self.version();
        if let Some(made) = self.made.as_ref().filter(|made| made.version == version) {
            return Ok(made.clone());
        }
        match (self.make(version), &self.made) {
            (Ok(made), _) => {
                self.made = Some(made.clone());
                Ok(made)
            }
            (Err(failure), Some(before)) => {
                log::warn!("the page could not be made anew: {failure}");
                Ok(before.clone())
            }
            (Err(failure), None) => Err(visible(&failure.to_string()).into_owned()),
        }
    }

    fn make(&self, version: String) -> Result<Made, Failure> {
        // What takes long waits for the end of the run, which has the processor.
        let test = match self.run.is_in_use() {
            true => TestSet::LeftOut,
            false => TestSet::LiesIn(&self.data),
        };
        write(self.run.path(), &self.page, test)?;
        let html = input::read_text(&self.page, MOST_OF_A_TEXT)
            .map_err(|error| format!("{} cannot be read: {error}", self.page.display()))?;
        let script =
            format!("<script src=\"/live.js\" data-version=\"{version}\"></script>\n</body>");
        Ok(Made { version, html: html.replacen("</body>", &script, 1).into_bytes() })
    }
}
