//! The run directory: everything that one training run leaves on disk.
//!
//! ```
//! use verigrad::train::{EpochRecord, RunDir};
//! # let folder = std::env::temp_dir().join(format!("verigrad-doc-{}", std::process::id()));
//! let run = RunDir::create(&folder, "mnist-cnn")?;
//! assert!(run.path().ends_with("mnist-cnn-1"));
//! assert_eq!(run.epochs()?, Vec::<EpochRecord>::new());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::files::{FileError, read_text, write_atomically};
use super::records::evaluation::Evaluation;
use super::records::model::ModelRecord;
use super::records::plan::RunPlan;
use super::records::predictions::{Predicted, Predictions};
use super::records::result::RunResult;
use super::records::targets::TargetPredictions;
use crate::data::{DataAccount, Task};
use crate::exec::DeviceInfo;
use crate::input;

const RECIPE: &str = "recipe.toml";
const DEVICE: &str = "device.json";
const MODEL: &str = "model.json";
const DATA: &str = "data.json";
const PLAN: &str = "plan.json";
const LOCK: &str = ".lock";
const RESULT: &str = "result.json";
const EVALUATION: &str = "evaluation.json";
const PREDICTIONS: &str = "predictions.csv";
const KERNELS: &str = "kernels.toml";

/// How often a lock is tried, and how long between: who only looks at it holds it for an instant.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Why a run directory cannot be used.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder does not hold a run.
    #[error("{} is no run directory: it has no recipe.toml; give a folder below runs/", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains in it.
    #[error(
        "another process is training in {}; wait until it has ended, or stop it with Ctrl-C",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A line of a metrics file is not what verigrad writes.
    #[error("{}, line {line}: not a record of this version; remove the line", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A value cannot be written as JSON, or a file does not hold what it should.
    #[error("{}: no JSON of this version", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
}

/// Keeps other processes from training in a run directory, as long as it lives.
#[derive(Debug)]
pub struct RunLock {
    _file: fs::File,
}

/// A folder that holds one run: recipe, device, metrics, weights and results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Creates `<root>/<recipe_name>-<number>` with the number after the highest one in use.
    /// Processes that create runs at the same time get different ones. Characters that a file name
    /// should not have become `-`.
    ///
    /// # Errors
    /// When `root` cannot be created, listed or written.
    pub fn create(root: &Path, recipe_name: &str) -> Result<Self, RunDirError> {
        fs::create_dir_all(root).map_err(FileError::of("create the folder", root))?;
        let stem = file_name_of(recipe_name);
        let mut number = highest_number(root, &stem)? + 1;
        loop {
            let path = root.join(format!("{stem}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Another process took the number since the listing.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(FileError::of("create the run", &path)(error).into()),
            }
        }
    }

    /// Opens the folder of a run.
    ///
    /// # Errors
    /// When `path` does not exist or holds no `recipe.toml`.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        fs::metadata(path).map_err(FileError::of("open the run", path))?;
        if path.join(RECIPE).is_file() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(RunDirError::NoRun { path: path.to_owned() })
        }
    }

    /// Opens a folder that holds something else than one run, such as several that belong together, or makes
    /// it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of_several(path: &Path) -> Result<Self, RunDirError> {
        fs::create_dir_all(path).map_err(FileError::of("create the folder", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the weights after the last epoch are.
    pub fn weights_last(&self) -> PathBuf {
        self.path.join("weights-last.safetensors")
    }

    /// Where the weights with the best accuracy are.
    pub fn weights_best(&self) -> PathBuf {
        self.path.join("weights-best.safetensors")
    }

    /// Where the picture of the curves is.
    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.png")
    }

    /// Makes sure that no other process trains in this folder while the lock is held. A process that
    /// is killed holds it no longer.
    ///
    /// # Errors
    /// When another process has it, or the file `.lock` cannot be made.
    pub fn lock(&self) -> Result<RunLock, RunDirError> {
        let path = self.path.join(LOCK);
        let file = fs::File::create(&path).map_err(FileError::of("create", &path))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_TRIES),
                // A file system without locks protects from nothing, and is no reason not to train.
                Err(TryLockError::Error(_)) | Ok(()) => return Ok(RunLock { _file: file }),
            }
        }
        Err(RunDirError::InUse { path: self.path.clone() })
    }

    /// Whether a process trains in this folder; none is seen where the file system has no locks.
    pub fn is_in_use(&self) -> bool {
        let Ok((file, _)) = input::open(&self.path.join(LOCK), input::MOST_OF_A_TEXT) else {
            return false;
        };
        // With the file, a lock that was got ends here.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Where a file of an analysis of the model is: in the folder `analysis`, which is made.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn analysis_file(&self, name: &str) -> Result<PathBuf, RunDirError> {
        let folder = self.path.join("analysis");
        fs::create_dir_all(&folder).map_err(FileError::of("create the folder", &folder))?;
        Ok(folder.join(name))
    }

    /// Where the outcome of the run is.
    pub fn result_path(&self) -> PathBuf {
        self.path.join(RESULT)
    }

    /// Writes the recipe, as TOML with every default filled in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_recipe(&self, toml: &str) -> Result<(), RunDirError> {
        Ok(write_atomically(&self.path.join(RECIPE), toml.as_bytes())?)
    }

    /// The recipe that [`RunDir::write_recipe`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recipe(&self) -> Result<String, RunDirError> {
        Ok(read_text(&self.path.join(RECIPE))?)
    }

    /// Writes `device.json`: the device that the run used.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_device(&self, device: &DeviceInfo) -> Result<(), RunDirError> {
        write_json(&self.path.join(DEVICE), device)
    }

    /// The device that [`RunDir::write_device`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn device(&self) -> Result<Option<DeviceInfo>, RunDirError> {
        read_json(&self.path.join(DEVICE))
    }

    /// Writes `summary.txt`: layers, shapes, parameters and memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_summary(&self, text: &str) -> Result<(), RunDirError> {
        Ok(write_atomically(&self.path.join("summary.txt"), text.as_bytes())?)
    }

    /// Writes `kernels.toml`: the variant of each kernel, which `--picks` takes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kernels(&self, toml: &str) -> Result<(), RunDirError> {
        Ok(write_atomically(&self.path.join(KERNELS), toml.as_bytes())?)
    }

    /// The text that [`RunDir::write_kernels`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kernels(&self) -> Result<Option<String>, RunDirError> {
        Ok(read_if_there(&self.path.join(KERNELS))?)
    }

    /// Removes `result.json`, for the run goes on.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove_result(&self) -> Result<(), RunDirError> {
        let path = self.result_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::of("remove", &path)(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Writes `result.json`: the outcome of the run, or of the comparison or ensemble that the folder
    /// is of.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_result(&self, result: &impl Serialize) -> Result<(), RunDirError> {
        write_json(&self.result_path(), result)
    }

    /// The outcome of the run; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of no run.
    pub fn result(&self) -> Result<Option<RunResult>, RunDirError> {
        read_json(&self.result_path())
    }

    /// Writes `model.json`: what the model takes and gives, so that it can be used without its data.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_model(&self, model: &ModelRecord) -> Result<(), RunDirError> {
        write_json(&self.path.join(MODEL), model)
    }

    /// Writes `plan.json`: what the run needs, as planned.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_plan(&self, plan: &RunPlan) -> Result<(), RunDirError> {
        write_json(&self.path.join(PLAN), plan)
    }

    /// The plan that [`RunDir::write_plan`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn plan(&self) -> Result<Option<RunPlan>, RunDirError> {
        read_json(&self.path.join(PLAN))
    }

    /// Writes `data.json`: what was read of the data set, and what was not.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_data(&self, account: &DataAccount) -> Result<(), RunDirError> {
        write_json(&self.path.join(DATA), account)
    }

    /// The account that [`RunDir::write_data`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn data(&self) -> Result<Option<DataAccount>, RunDirError> {
        read_json(&self.path.join(DATA))
    }

    /// The record that [`RunDir::write_model`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn model(&self) -> Result<ModelRecord, RunDirError> {
        let path = self.path.join(MODEL);
        let text = read_text(&path)?;
        serde_json::from_str(&text).map_err(|source| RunDirError::Json { path, source })
    }

    /// Where the figures of each split are.
    pub fn evaluation_path(&self) -> PathBuf {
        self.path.join(EVALUATION)
    }

    /// Where the predictions for the test set are.
    pub fn predictions_path(&self) -> PathBuf {
        self.path.join(PREDICTIONS)
    }

    /// Writes `evaluation.json`: what the model achieves on each split.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_evaluation(&self, evaluation: &Evaluation) -> Result<(), RunDirError> {
        write_json(&self.evaluation_path(), evaluation)
    }

    /// The figures that [`RunDir::write_evaluation`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn evaluation(&self) -> Result<Option<Evaluation>, RunDirError> {
        read_json(&self.evaluation_path())
    }

    /// Writes `predictions.csv`: what the model predicts for the test set; of many classes the most likely.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_predictions(&self, predictions: &Predicted) -> Result<(), RunDirError> {
        Ok(write_atomically(&self.predictions_path(), predictions.to_csv().as_bytes())?)
    }

    /// The predictions that [`RunDir::write_predictions`] wrote; none when there is no such file.
    ///
    /// # Errors
    /// When the file or that of the classes cannot be read, or a line of it is none that it would write.
    pub fn predictions(&self) -> Result<Option<Predicted>, RunDirError> {
        let path = self.predictions_path();
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        let ModelRecord { classes, task, .. } = self.model()?;
        let read = match task {
            Task::Classification => {
                Predictions::parse(&text, classes.len()).map(Predicted::Classes)
            }
            _ => TargetPredictions::parse(&text, classes, task).map(Predicted::Targets),
        };
        read.map(Some).map_err(|line| RunDirError::Record { path, line })
    }
}

/// The text of a file; none when there is no such file.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The record in a JSON file; none when there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunDirError> {
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|source| RunDirError::Json { path: path.to_owned(), source })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunDirError> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|source| RunDirError::Json { path: path.to_owned(), source })?;
    Ok(write_atomically(path, (json + "\n").as_bytes())?)
}

/// The recipe's name with only letters, digits, `.`, `_` and `-`, fit for every file system.
fn file_name_of(recipe_name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = recipe_name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "run".to_owned() } else { name.to_owned() }
}

/// The highest number of a `<stem>-<number>` in `root`; zero when there is none.
fn highest_number(root: &Path, stem: &str) -> Result<u32, RunDirError> {
    let error = |source| FileError::of("list the folder", root)(source);
    let mut highest = 0;
    for entry in fs::read_dir(root).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(stem)?.strip_prefix('-')?.parse::<u32>().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

#[cfg(test)]
mod tests;
