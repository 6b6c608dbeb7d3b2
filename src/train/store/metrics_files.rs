//! The files of a run directory that grow with the run: `metrics.csv` and `metrics.jsonl`,
//! `steps.csv`, `histograms.jsonl`.

use std::fs;
use std::path::Path;

use super::files::{FileError, append, read_text, write_atomically};
use super::records::csv::{CsvRow, header, lines, parse};
use super::records::histograms::HistogramRecord;
use super::records::metrics::{EpochRecord, StepRecord};
use super::run_dir::{RunDir, RunDirError, read_if_there};

pub(super) const METRICS_CSV: &str = "metrics.csv";
pub(super) const METRICS_JSONL: &str = "metrics.jsonl";
pub(super) const STEPS: &str = "steps.csv";
const HISTOGRAMS: &str = "histograms.jsonl";

impl RunDir {
    /// Appends one epoch to `metrics.csv` and to `metrics.jsonl`.
    ///
    /// # Errors
    /// When a file cannot be written; neither is left with half a line.
    pub fn append_epoch(&self, record: &EpochRecord) -> Result<(), RunDirError> {
        let jsonl = self.path().join(METRICS_JSONL);
        let json = serde_json::to_string(record)
            .map_err(|source| RunDirError::Json { path: jsonl.clone(), source })?;
        self.append_rows(METRICS_CSV, std::slice::from_ref(record))?;
        Ok(append(&jsonl, "", &(json + "\n"))?)
    }

    /// The epochs in `metrics.csv`, in the order written; none when there is no such file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no record.
    pub fn epochs(&self) -> Result<Vec<EpochRecord>, RunDirError> {
        self.read_rows(METRICS_CSV)
    }

    /// Appends steps to `steps.csv`, in one write.
    ///
    /// # Errors
    /// When the file cannot be written; it is not left with half a line.
    pub fn append_steps(&self, records: &[StepRecord]) -> Result<(), RunDirError> {
        self.append_rows(STEPS, records)
    }

    /// The steps in `steps.csv`, in the order written; none when there is no such file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no record.
    pub fn steps(&self) -> Result<Vec<StepRecord>, RunDirError> {
        self.read_rows(STEPS)
    }

    /// Appends the histograms of an epoch to `histograms.jsonl`, in one write.
    ///
    /// # Errors
    /// When the file cannot be written; it is not left with half a line.
    pub fn append_histograms(&self, records: &[HistogramRecord]) -> Result<(), RunDirError> {
        let path = self.path().join(HISTOGRAMS);
        let mut lines = String::new();
        for record in records {
            let json = serde_json::to_string(record)
                .map_err(|source| RunDirError::Json { path: path.clone(), source })?;
            lines.push_str(&json);
            lines.push('\n');
        }
        if lines.is_empty() { Ok(()) } else { Ok(append(&path, "", &lines)?) }
    }

    /// The histograms in `histograms.jsonl`, in the order written; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no record.
    pub fn histograms(&self) -> Result<Vec<HistogramRecord>, RunDirError> {
        let path = self.path().join(HISTOGRAMS);
        let text = read_if_there(&path)?.unwrap_or_default();
        let record = |(line, text)| {
            serde_json::from_str(text)
                .map_err(|_| RunDirError::Record { path: path.clone(), line: line + 1 })
        };
        text.lines().enumerate().map(record).collect()
    }

    /// Removes what came after the first `epochs` epochs and their `steps` steps from the metrics
    /// files, also from those that others append to: each line of a `.jsonl` file that names a later
    /// `epoch`. Lines that were cut off when a run was killed go, too.
    ///
    /// # Errors
    /// When a file cannot be read or replaced, or a line of `metrics.csv` or `steps.csv` is no
    /// record.
    pub fn truncate(&self, epochs: u32, steps: u64) -> Result<(), RunDirError> {
        self.retain_rows::<EpochRecord>(METRICS_CSV, |row| row.epoch <= epochs)?;
        self.retain_rows::<StepRecord>(STEPS, |row| row.step <= steps)?;
        let list = |source| FileError::of("list the folder", self.path())(source);
        for entry in fs::read_dir(self.path()).map_err(list)? {
            let path = entry.map_err(list)?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                truncate_json_lines(&path, epochs)?;
            }
        }
        Ok(())
    }

    fn retain_rows<R: CsvRow>(
        &self,
        name: &str,
        keep: impl Fn(&R) -> bool,
    ) -> Result<(), RunDirError> {
        let path = self.path().join(name);
        let mut rows: Vec<R> = self.read_rows(name)?;
        rows.retain(keep);
        if path.exists() {
            write_atomically(&path, (header::<R>() + &lines(&rows)).as_bytes())?;
        }
        Ok(())
    }

    fn append_rows<R: CsvRow>(&self, name: &str, rows: &[R]) -> Result<(), RunDirError> {
        Ok(append(&self.path().join(name), &header::<R>(), &lines(rows))?)
    }

    fn read_rows<R: CsvRow>(&self, name: &str) -> Result<Vec<R>, RunDirError> {
        let path = self.path().join(name);
        let Some(text) = read_if_there(&path)? else { return Ok(Vec::new()) };
        parse(&text).map_err(|line| RunDirError::Record { path, line })
    }
}

/// Removes the lines of epochs after the first `epochs` ones, and a last line that was cut off.
fn truncate_json_lines(path: &Path, epochs: u32) -> Result<(), RunDirError> {
    let is_later = |line: &str| {
        let json: Option<serde_json::Value> = serde_json::from_str(line).ok();
        json.and_then(|json| json.get("epoch")?.as_u64()).is_some_and(|at| at > epochs.into())
    };
    let text = read_text(path)?;
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let kept: String = whole.filter(|line| !is_later(line)).collect();
    if kept != text {
        write_atomically(path, kept.as_bytes())?;
    }
    Ok(())
}
