//! Where the trials of a search lie, below its folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::train::RunDir;

/// Where the trial of a number, from one, has its runs, in the search of `folder`.
pub(in crate::cli) fn folder_of_trial(folder: &Path, number: usize) -> PathBuf {
    folder.join("trials").join(format!("{number:03}"))
}

/// The run with the highest number in the folder of a trial.
pub(in crate::cli) fn newest_run(root: &Path) -> Option<RunDir> {
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        name.rsplit_once('-')?.1.parse::<u32>().ok()
    };
    let paths = fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let runs = paths.filter_map(|path| Some((number(&path)?, RunDir::open(&path).ok()?)));
    Some(runs.max_by_key(|(number, _)| *number)?.1)
}
