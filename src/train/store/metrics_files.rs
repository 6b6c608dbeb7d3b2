//! The files of a run directory that grow with the run: `metrics.csv` and `metrics.jsonl`,
//! `steps.csv`, `histograms.jsonl`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::files::{FileError, append, write_atomically};
use super::records::csv::{CsvRow, header, lines, parse, readable};
use super::records::histograms::HistogramRecord;
use super::records::metrics::{EpochRecord, StepRecord};
use super::run_dir::{RunDir, RunDirError, read_if_there};
use crate::input::{self, MOST_OF_A_TEXT};

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

    /// Brings the metrics files to where a checkpoint was taken, after `epochs` epochs and `steps`
    /// steps: what came later is removed, also from files that others append to (each line of a
    /// `.jsonl` file that names a later `epoch`), and so are lines that were cut off when a run was
    /// killed. `known` is what the checkpoint knows of those epochs.
    ///
    /// What was lost or damaged is made again from `known`; else what can be read stays. Tells what
    /// was, in words; a damaged file is kept beside the new one, as `NAME.damaged`.
    ///
    /// # Errors
    /// When a file cannot be read or replaced.
    pub fn restore_metrics(
        &self,
        epochs: u32,
        steps: u64,
        known: Option<&[EpochRecord]>,
    ) -> Result<Vec<String>, RunDirError> {
        let expected = usize::try_from(epochs).unwrap_or(usize::MAX);
        let is_in_order = |rows: &[EpochRecord]| {
            rows.len() == expected && (1..).zip(rows).all(|(number, row)| row.epoch == number)
        };
        let rows =
            Rows { keep: &|row: &EpochRecord| row.epoch <= epochs, is_in_order: &is_in_order };
        let mut told = Vec::new();
        told.extend(self.restore_rows(METRICS_CSV, &rows, known)?);
        let expected = usize::try_from(steps).unwrap_or(usize::MAX);
        let is_in_order = |rows: &[StepRecord]| {
            rows.len() == expected && (1..).zip(rows).all(|(number, row)| row.step == number)
        };
        let rows = Rows { keep: &|row: &StepRecord| row.step <= steps, is_in_order: &is_in_order };
        told.extend(self.restore_rows(STEPS, &rows, None)?);
        if let Some(known) = known {
            let rows: Result<Vec<String>, _> = known.iter().map(serde_json::to_string).collect();
            let path = self.path().join(METRICS_JSONL);
            let rows = rows.map_err(|source| RunDirError::Json { path: path.clone(), source })?;
            let text: String = rows.into_iter().map(|row| row + "\n").collect();
            let found = String::from_utf8_lossy(&bytes_if_there(&path)?).into_owned();
            if !found.starts_with(&text) {
                told.push(replace_damaged(&path, &text, "is made again from the checkpoint")?);
            }
        }
        let list = |source| FileError::of("list the folder", self.path())(source);
        for entry in fs::read_dir(self.path()).map_err(list)? {
            let path = entry.map_err(list)?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                let is_ours = path.ends_with(METRICS_JSONL) || path.ends_with(HISTOGRAMS);
                told.extend(truncate_json_lines(&path, epochs, is_ours)?);
            }
        }
        Ok(told)
    }

    /// Restores one CSV file; tells what was wrong with it.
    fn restore_rows<R: CsvRow>(
        &self,
        name: &str,
        rows: &Rows<'_, R>,
        known: Option<&[R]>,
    ) -> Result<Option<String>, RunDirError> {
        let path = self.path().join(name);
        let found = bytes_if_there(&path)?;
        let (mut read, bad) = readable::<R>(&String::from_utf8_lossy(&found));
        read.retain(rows.keep);
        let text = header::<R>() + &lines(&read);
        let wanted = known.map_or_else(|| text.clone(), |known| header::<R>() + &lines(known));
        let is_whole = bad.is_none() && (rows.is_in_order)(&read) && text == wanted;
        if is_whole {
            if text.as_bytes() != found && !found.is_empty() {
                write_atomically(&path, text.as_bytes())?;
            }
            return Ok(None);
        }
        let what = match (known, bad) {
            (Some(_), _) => "is made again from the checkpoint".to_owned(),
            (None, Some(line)) => format!("line {line} is none of this version; the others stay"),
            (None, None) => format!("the {} rows that are left of it stay", read.len()),
        };
        replace_damaged(&path, &wanted, &what).map(Some)
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

/// Which rows of a file stay, and when they are all that there should be.
struct Rows<'a, R> {
    keep: &'a dyn Fn(&R) -> bool,
    is_in_order: &'a dyn Fn(&[R]) -> bool,
}

/// The content of a file; empty where there is none.
fn bytes_if_there(path: &Path) -> Result<Vec<u8>, FileError> {
    match input::read(path, MOST_OF_A_TEXT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(FileError::of("read", path)),
    }
}

/// Puts a damaged file aside and writes what is left of it; tells so.
fn replace_damaged(path: &Path, text: &str, what: &str) -> Result<String, RunDirError> {
    if !path.exists() {
        write_atomically(path, text.as_bytes())?;
        return Ok(format!("{} was lost: {what}", path.display()));
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside).map_err(FileError::of("rename", path))?;
    write_atomically(path, text.as_bytes())?;
    Ok(format!("{} was damaged: {what}; as it was, it is {}", path.display(), aside.display()))
}

/// Removes the lines of epochs after the first `epochs` ones, and a last line that was cut off. Of a
/// file that is ours, lines that are no JSON go, too, which is told.
fn truncate_json_lines(
    path: &Path,
    epochs: u32,
    is_ours: bool,
) -> Result<Option<String>, RunDirError> {
    let found = bytes_if_there(path)?;
    let text = String::from_utf8_lossy(&found);
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let is_later = |line: &str| {
        json(line).and_then(|json| json.get("epoch")?.as_u64()).is_some_and(|at| at > epochs.into())
    };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let whole: Vec<&str> = whole.filter(|line| !is_later(line)).collect();
    let kept: String =
        whole.iter().copied().filter(|line| !is_ours || json(line).is_some()).collect();
    if whole.len() > kept.lines().count() {
        let what = "lines that are no JSON are left out";
        return replace_damaged(path, &kept, what).map(Some);
    }
    if kept.as_bytes() != found {
        write_atomically(path, kept.as_bytes())?;
    }
    Ok(None)
}
