//! Published data sets from the network: from one mirror or the next, resumed where a download broke off,
//! checked by their SHA-256 before anything uses them.

mod catalog;
mod download;
pub(super) mod offer;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::failure::{Failure, Interrupted};
use crate::cli::output;
use crate::report::format::grouped;
pub(super) use catalog::Published;
use catalog::{Form, PublishedFile};
use download::{Downloader, FetchError, Patience};

/// Gets a set into `folder`, the folder of the data sets; `mirrors` come before those that are known.
/// Files that are there are kept where they are what was published.
pub(super) fn get(
    set: &Published,
    folder: &Path,
    mirrors: &[String],
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let mirrors: Vec<String> = mirrors.iter().chain(&set.mirrors).cloned().collect();
    let downloader = Downloader::new(&mirrors, Patience::default(), interrupted);
    fetch(set, folder, &downloader).map_err(|error| match error {
        FetchError::Interrupted { .. } => Interrupted(error.to_string()).into(),
        error => Failure::from(error),
    })
}

/// Downloads what is missing, and unpacks it.
fn fetch(set: &Published, folder: &Path, downloader: &Downloader<'_>) -> Result<(), FetchError> {
    let into = match set.form {
        Form::Files => folder.join(&set.folder),
        Form::Archive => folder.to_owned(),
    };
    fs::create_dir_all(&into).map_err(FetchError::write(&into))?;
    for file in &set.files {
        let path = into.join(&file.name);
        if !download::is_whole(file, &path) {
            let bar = bar(file);
            let from = downloader.file(file, &into, &|at| bar.set_position(at));
            bar.finish_and_clear();
            let size = grouped(usize::try_from(file.bytes).unwrap_or(usize::MAX));
            output::line(format_args!("got      {}: {size} bytes from {}", file.name, from?));
        }
        if set.form == Form::Archive {
            unpack::unpack(&path, &set.folder, folder)?;
            // What is in it lies beside it now.
            fs::remove_file(&path).map_err(FetchError::write(&path))?;
        }
    }
    Ok(())
}

/// A bar of progress, which shows on terminals only.
fn bar(file: &PublishedFile) -> ProgressBar {
    if output::is_silent() {
        return ProgressBar::hidden();
    }
    let template = "{prefix}  {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    let bar = ProgressBar::new(file.bytes).with_prefix(file.name.clone());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Where a set lies once it is there.
pub(super) fn place(set: &Published, folder: &Path) -> PathBuf {
    folder.join(&set.folder)
}

#[cfg(test)]
mod tests;
