//! The checkpoints of a run: the newest ones are kept, the newest intact one is used.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use super::contents::Checkpoint;
use super::file::{self, CheckpointError};
use crate::train::store::files::{FileError, is_temporary};
use crate::train::store::run_dir::RunDir;

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
/// What the name of a damaged file ends with once it was found out.
const DAMAGED: &str = ".damaged";

/// The folder of a run's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointStore {
    run: PathBuf,
    folder: PathBuf,
}

/// A checkpoint that was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The newest intact one.
    pub checkpoint: Checkpoint,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with newer ones, if there are any.
    pub damaged: Vec<String>,
}

impl RunDir {
    /// The checkpoints, in the folder `checkpoint`.
    pub fn checkpoints(&self) -> CheckpointStore {
        CheckpointStore::new(self.path(), &self.path().join("checkpoint"))
    }
}

impl CheckpointStore {
    /// The checkpoints of the run directory `run`, in its folder `folder`.
    fn new(run: &Path, folder: &Path) -> Self {
        Self { run: run.to_owned(), folder: folder.to_owned() }
    }

    /// Saves a checkpoint, then removes all but the newest `keep`. Tells the file.
    ///
    /// # Errors
    /// When it cannot be written; those that were saved before are as they were.
    pub fn save(&self, checkpoint: &Checkpoint, keep: usize) -> Result<PathBuf, CheckpointError> {
        fs::create_dir_all(&self.folder)
            .map_err(FileError::of("create the folder", &self.folder))?;
        let path = self.folder.join(format!("{PREFIX}{:010}{SUFFIX}", checkpoint.state.step));
        let started = Instant::now();
        file::write(&path, checkpoint)?;
        log::info!(
            "checkpoint of step {}: {} bytes in {:.0} ms",
            checkpoint.state.step,
            fs::metadata(&path).map_or(0, |file| file.len()),
            1e3 * started.elapsed().as_secs_f64()
        );
        for old in self.newest_first()?.into_iter().skip(keep.max(1)) {
            // One that cannot be removed costs room and does no harm.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }

    /// Reads the newest checkpoint that is intact.
    ///
    /// # Errors
    /// When there is none; the message says what is wrong with each.
    pub fn load(&self) -> Result<Loaded, CheckpointError> {
        let mut damaged = Vec::new();
        for path in self.newest_first()? {
            match file::read(&path) {
                Ok(checkpoint) => return Ok(Loaded { checkpoint, path, damaged }),
                // One whose disk fails is as lost as one that was cut short.
                Err(error @ (CheckpointError::Damaged { .. } | CheckpointError::File(_))) => {
                    damaged.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        let run = self.run.clone();
        Err(if damaged.is_empty() {
            CheckpointError::Missing { run }
        } else {
            CheckpointError::NoneIntact { run, why: damaged }
        })
    }

    /// Reads the newest checkpoint of at most so many steps that is intact, where there is one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn load_until(&self, step: u64) -> Result<Option<Checkpoint>, CheckpointError> {
        // Their names tell: files of later steps, which may be large, are not read.
        let earlier = |path: &PathBuf| step_of(path).is_none_or(|of_file| of_file <= step);
        let earlier = self.newest_first()?.into_iter().filter(earlier);
        let mut checkpoints = earlier.filter_map(|path| file::read(&path).ok());
        Ok(checkpoints.find(|checkpoint| checkpoint.state.step <= step))
    }

    /// Puts aside what a run that goes on from `used` must not find later: newer files, which are
    /// damaged, and what writes that were killed have left.
    ///
    /// # Errors
    /// When a file cannot be renamed.
    pub fn clean_up(&self, used: &Path) -> Result<(), CheckpointError> {
        for path in self.newest_first()?.into_iter().take_while(|path| path != used) {
            let mut aside = path.clone().into_os_string();
            aside.push(DAMAGED);
            fs::rename(&path, aside).map_err(FileError::of("rename", &path))?;
        }
        for folder in [&self.folder, &self.run] {
            for name in names_in(folder)?.iter().filter(|name| is_temporary(name)) {
                let _ = fs::remove_file(folder.join(name));
            }
        }
        Ok(())
    }

    /// The files, the one of the latest step first.
    fn newest_first(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut names = names_in(&self.folder)?;
        // Steps have leading zeros: the order of names is that of steps.
        names.retain(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names.into_iter().map(|name| self.folder.join(name)).collect())
    }
}

/// The step that the name of a file tells.
fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// Names of the files in a folder; none where there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, FileError> {
    let failed = |source| FileError::of("list the folder", folder)(source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    names.collect::<io::Result<_>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::sample;
    use super::*;

    fn store(run: &Path) -> CheckpointStore {
        CheckpointStore::new(run, &run.join("checkpoint"))
    }

    #[test]
    fn the_newest_two_are_kept_and_the_newest_is_read() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let store = store(run.path());
        assert!(matches!(store.load(), Err(CheckpointError::Missing { .. })));
        for step in [9, 10, 100_000_000_000] {
            store.save(&sample(step), 2).expect("it can be written");
        }
        assert_eq!(store.newest_first().expect("a list").len(), 2);
        let loaded = store.load().expect("the newest");
        assert_eq!(loaded.checkpoint.state.step, 100_000_000_000);
        assert!(loaded.damaged.is_empty());
        let until = |step| store.load_until(step).expect("a list").map(|found| found.state.step);
        assert_eq!(until(100_000_000_000), Some(100_000_000_000));
        assert_eq!(until(99_999_999_999), Some(10));
        assert_eq!(until(9), None, "it was removed");
    }

    #[test]
    fn a_damaged_newest_one_falls_back_and_is_put_aside() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let store = store(run.path());
        store.save(&sample(9), 2).expect("it can be written");
        let newest = store.save(&sample(10), 2).expect("it can be written");
        let whole = fs::read(&newest).expect("it was written");
        fs::write(&newest, &whole[..whole.len() / 2]).expect("a cut file");
        fs::write(run.path().join("checkpoint/.step-11.123.tmp"), "cut").expect("a leftover");
        let loaded = store.load().expect("the one before");
        assert_eq!(loaded.checkpoint.state.step, 9);
        assert!(loaded.damaged[0].contains("step-0000000010"), "{:?}", loaded.damaged);
        store.clean_up(&loaded.path).expect("it can be renamed");
        let mut names = names_in(&run.path().join("checkpoint")).expect("a list");
        names.sort();
        assert_eq!(names, ["step-0000000009.safetensors", "step-0000000010.safetensors.damaged"]);

        fs::write(&loaded.path, "").expect("an empty file");
        let error = store.load().expect_err("none is left").to_string();
        assert!(error.contains("no intact checkpoint") && error.contains("step-"), "{error}");
    }

    /// A folder in the place of the file makes the write fail, as a full disk would.
    #[test]
    fn a_failed_save_keeps_what_was_saved() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let store = store(run.path());
        store.save(&sample(9), 2).expect("it can be written");
        store.save(&sample(10), 2).expect("it can be written");
        let taken = run.path().join("checkpoint/step-0000000011.safetensors");
        fs::create_dir(&taken).expect("a folder");
        store.save(&sample(11), 2).expect_err("a folder is in the way");
        fs::remove_dir(&taken).expect("it is empty");
        assert_eq!(store.newest_first().expect("a list").len(), 2);
        assert_eq!(store.load().expect("it is intact").checkpoint.state.step, 10);
    }
}
