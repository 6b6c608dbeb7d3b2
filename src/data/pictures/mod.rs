//! The files that the examples of an image folder are: their names, and their pixels when these are asked
//! for.

mod loader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::DataError;
use super::decode::part::RandomResizedCrop;
use super::decode::{Framing, open};
use super::stream::{Purpose, Stream};
use crate::tensor::parallel::map_indices;

pub use loader::Loader;

/// The files of a set of pictures, an example each. Clones are cheap, and one set.
#[derive(Debug, Clone)]
pub struct Pictures(Arc<List>);

#[derive(Debug)]
struct List {
    root: PathBuf,
    /// From the root on.
    paths: Vec<PathBuf>,
    /// Class of each.
    labels: Vec<u32>,
    /// How pixels are read when they are asked for; none where they are all in memory.
    reading: Option<Reading>,
    /// Files that turned out to be damaged.
    damaged: Mutex<BTreeMap<usize, String>>,
    /// Sums that are taken once: see [`Pictures::sums`].
    sums: OnceLock<Vec<[u64; 2]>>,
}

/// How pixels are read when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub framing: Framing,
    /// Whether another file of the class takes the place of a damaged one, rather than to fail.
    pub skip_damaged: bool,
}

/// Pictures of which sums are taken at once.
const SUMMED_AT_ONCE: usize = 64;

/// Random parts of pictures in one epoch of a run. The part of an example follows from these and its
/// number alone, and not from what was drawn before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crops {
    /// How parts are drawn.
    pub crop: RandomResizedCrop,
    /// Seed of the run.
    pub seed: u64,
    /// The epoch.
    pub epoch: u32,
}

impl PartialEq for Pictures {
    fn eq(&self, other: &Self) -> bool {
        let parts = |list: &List| (list.root.clone(), list.reading);
        let (a, b) = (&self.0, &other.0);
        Arc::ptr_eq(a, b) || (parts(a) == parts(b) && a.paths == b.paths && a.labels == b.labels)
    }
}

impl Eq for Pictures {}

impl Pictures {
    pub(super) fn new(
        root: &Path,
        files: impl IntoIterator<Item = (PathBuf, u32)>,
        reading: Option<Reading>,
    ) -> Self {
        let from_root = |(path, label): (PathBuf, u32)| {
            let path = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or(path);
            (path, label)
        };
        let (paths, labels) = files.into_iter().map(from_root).unzip();
        Self::of(root.to_path_buf(), paths, labels, reading)
    }

    fn of(root: PathBuf, paths: Vec<PathBuf>, labels: Vec<u32>, reading: Option<Reading>) -> Self {
        let (damaged, sums) = (Mutex::default(), OnceLock::new());
        Self(Arc::new(List { root, paths, labels, reading, damaged, sums }))
    }

    /// Number of files.
    pub(super) fn len(&self) -> usize {
        self.0.paths.len()
    }

    /// Whether pixels are read when they are asked for.
    pub(super) fn streams(&self) -> bool {
        self.0.reading.is_some()
    }

    /// The file of example `i`, from the root of the set on.
    pub(super) fn file(&self, i: usize) -> Option<&Path> {
        self.0.paths.get(i).map(PathBuf::as_path)
    }

    /// Those at `indices`, which exist, in that order.
    pub(super) fn subset(&self, indices: impl Iterator<Item = usize>) -> Self {
        let list = &self.0;
        let (paths, labels) = indices.map(|i| (list.paths[i].clone(), list.labels[i])).unzip();
        Self::of(list.root.clone(), paths, labels, list.reading)
    }

    /// The same files, for a set whose pixels are all in memory.
    pub(super) fn in_memory(&self) -> Self {
        let list = &self.0;
        Self::of(list.root.clone(), list.paths.clone(), list.labels.clone(), None)
    }

    /// The files that turned out to be damaged so far, and what is wrong with each.
    pub(super) fn damaged(&self) -> BTreeMap<usize, String> {
        self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pixels of example `i`: of a part that is drawn, or of the center.
    ///
    /// Where damaged files are to be passed over, the next file of the same class takes the place of one,
    /// in the order of the set: whatever the order in which examples are asked for.
    pub(super) fn read(&self, i: usize, crops: Option<&Crops>) -> Result<Vec<u8>, DataError> {
        let list = &self.0;
        let n = list.paths.len();
        let label = list.labels.get(i);
        let skips = list.reading.is_some_and(|reading| reading.skip_damaged);
        let others = (i + 1..n).chain(0..i).filter(|&j| skips && list.labels.get(j) == label);
        let mut last = String::new();
        for j in [i].into_iter().chain(others) {
            if skips && self.is_damaged(j) {
                continue;
            }
            match self.decode(j, crops.map(|crops| (crops, i))) {
                Ok(pixels) => return Ok(pixels),
                Err(problem) => {
                    if skips {
                        let mut damaged =
                            list.damaged.lock().unwrap_or_else(PoisonError::into_inner);
                        damaged.insert(j, problem.clone());
                    }
                    last = problem;
                }
            }
        }
        let file = list.paths.get(i).map(|path| path.display().to_string()).unwrap_or_default();
        let more = if skips { "; nor can any other of its class" } else { "" };
        let list_of_one = format!("\n  {file}: {last}{more}");
        Err(DataError::Damaged { path: list.root.clone(), n: 1, of: n, list: list_of_one })
    }

    fn is_damaged(&self, i: usize) -> bool {
        self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&i)
    }

    /// Decodes a file; the part is that which is drawn for example `of`.
    fn decode(&self, i: usize, crops: Option<(&Crops, usize)>) -> Result<Vec<u8>, String> {
        let list = &self.0;
        let reading = list.reading.ok_or("its pixels are in memory")?;
        let path = list.root.join(list.paths.get(i).ok_or("there is no such file")?);
        let image = open(&path).map_err(|error| error.problem())?;
        let size = [image.height(), image.width()];
        let part = match crops {
            Some((Crops { crop, seed, epoch }, of)) => {
                let number = u64::from(*epoch) << 32 | of as u64;
                crop.draw(size, &mut Stream::new(*seed, Purpose::RandomResizedCrop, number))
            }
            None => reading.framing.part(size),
        };
        reading.framing.pixels(image, part)
    }

    /// Sums of the bytes and of their squares over the first `n` examples, for each element of an image.
    pub(super) fn sums(&self, n: usize) -> Result<&[[u64; 2]], DataError> {
        if let Some(sums) = self.0.sums.get() {
            return Ok(sums);
        }
        let mut sums: Vec<[u64; 2]> = Vec::new();
        for first in (0..n).step_by(SUMMED_AT_ONCE) {
            let count = SUMMED_AT_ONCE.min(n - first);
            let read = map_indices(count, &|i| Some(self.read(first + i, None).map_err(Arc::new)));
            for pixels in read.into_iter().flatten() {
                let pixels = pixels.map_err(|error| self.again(&error))?;
                sums.resize(pixels.len(), [0; 2]);
                for ([sum, squares], byte) in sums.iter_mut().zip(pixels) {
                    let byte = u64::from(byte);
                    (*sum, *squares) = (*sum + byte, *squares + byte * byte);
                }
            }
        }
        Ok(self.0.sums.get_or_init(|| sums))
    }

    /// An error that several threads hold, for one of them.
    fn again(&self, error: &DataError) -> DataError {
        match error {
            DataError::Damaged { path, n, of, list } => {
                DataError::Damaged { path: path.clone(), n: *n, of: *of, list: list.clone() }
            }
            other => DataError::malformed(&self.0.root, other.to_string()),
        }
    }

    /// Names and lengths in bytes, which tell a set from another one at the cost of no pixel; the length
    /// of a file that is not there is 0.
    pub(crate) fn lengths(&self) -> Vec<(String, u64)> {
        let list = &self.0;
        map_indices(list.paths.len(), &|i| {
            let path = &list.paths[i];
            let length = fs::metadata(list.root.join(path)).map_or(0, |found| found.len());
            (path.display().to_string(), length)
        })
    }
}
