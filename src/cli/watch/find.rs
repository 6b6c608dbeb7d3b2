//! Which runs are watched: those that were named, the trials of a search, those below a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::failure::{Failure, Unknown};
use crate::cli::search::folders::{folder_of_trial, newest_run};
use crate::cli::search::plan::Plan;
use crate::train::RunDir;

/// A run that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its folder.
    pub dir: RunDir,
    /// How it is called.
    pub label: String,
    /// The same where there is little room.
    pub short: String,
    /// When its last session began.
    started: SystemTime,
}

/// The runs that `named` names: each is a run, a search, or a folder of such. Without names, those in
/// the folder `below`, the newest first.
///
/// # Errors
/// When a name is no such thing, or there are no runs.
pub(super) fn find(named: &[PathBuf], below: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for path in named {
        let runs = in_folder(path)?;
        if runs.is_empty() {
            // It says that the folder is missing, or no run.
            RunDir::open(path).map_err(Failure::from)?;
        }
        found.extend(runs);
    }
    if named.is_empty() {
        if below.is_dir() {
            found = in_folder(below)?;
        }
        if found.is_empty() {
            return Err(Unknown(format!(
                "there are no runs in {}: name the folder of a run, the folder of several by --runs, or train \
                 one: verigrad train digits",
                below.display()
            ))
            .into());
        }
    }
    let mut known = HashSet::new();
    found.retain(|run| {
        let path = run.dir.path();
        known.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    });
    Ok(found)
}

/// The run that a folder is, the trials of the search that it is, or the runs and trials of all searches
/// in it, the newest first.
fn in_folder(folder: &Path) -> Result<Vec<Found>, Failure> {
    if let Some(runs) = run_or_search(folder)? {
        return Ok(runs);
    }
    let mut found = Vec::new();
    // What cannot be listed holds no run that could be shown.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // One damaged search hides no other runs.
        match run_or_search(&entry.path()) {
            Ok(runs) => found.extend(runs.unwrap_or_default()),
            Err(error) => log::warn!("{error}"),
        }
    }
    found.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| b.label.cmp(&a.label)));
    Ok(found)
}

fn run_or_search(folder: &Path) -> Result<Option<Vec<Found>>, Failure> {
    if let Ok(dir) = RunDir::open(folder) {
        let label = name_of(folder);
        return Ok(Some(vec![found(dir, label.clone(), label)]));
    }
    let Some(plan) = Plan::kept_in(folder)? else { return Ok(None) };
    let name = name_of(folder);
    let runs = plan.trials().into_iter().filter_map(|trial| {
        let dir = newest_run(&folder_of_trial(folder, trial.number))?;
        let mut what = vec![format!("{:03}", trial.number)];
        what.extend(plan.pairs(&trial));
        what.extend(trial.fold.map(|fold| format!("fold {fold}")));
        if trial.seed > 0 {
            what.push(format!("seed +{}", trial.seed));
        }
        let short = what.join(" ");
        Some(found(dir, format!("{name}/{short}"), short))
    });
    Ok(Some(runs.collect()))
}

fn found(dir: RunDir, label: String, short: String) -> Found {
    let recipe = fs::metadata(dir.path().join("recipe.toml"));
    let started = recipe.and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    Found { dir, label, short, started }
}

/// The last name of a path, also of `.` and `..`.
fn name_of(folder: &Path) -> String {
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}
