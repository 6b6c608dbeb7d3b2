//! `verigrad inspect --wgsl`: the kernels of a program as files in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::compile::{Program, kernel_files, kernel_index};
use crate::exec::DeviceInfo;
use crate::input::{self, MOST_OF_A_TEXT};

/// Name of the table of all dispatches, by which a folder is known to be ours.
const INDEX: &str = "index.txt";

/// Why kernels cannot be written.
#[derive(Debug, Error)]
pub(super) enum WgslError {
    /// The folder cannot be written to.
    #[error("--wgsl {}: cannot be written", path.display())]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// The system's report.
        source: io::Error,
    },
    /// The path is no folder.
    #[error("--wgsl {}: is a file; name a folder", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("--wgsl {}: holds {other}, which is no kernel; name a new or an empty folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// A file that is not ours.
        other: String,
    },
    /// The CPU has no kernels.
    #[error("--wgsl: {device} runs no WGSL; pick a GPU by --device (see `verigrad devices`)")]
    NoKernels {
        /// The device.
        device: String,
    },
}

impl WgslError {
    /// Whether what was asked for cannot be.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoKernels { .. })
    }
}

/// Writes the kernels of a program and their index into `folder`, in place of those that an earlier
/// call left there. Gives the number of kernels.
///
/// # Errors
/// When the device runs no kernels, or the folder cannot be written to or holds other files.
pub(super) fn write(
    program: &Program,
    device: &DeviceInfo,
    folder: &Path,
) -> Result<usize, WgslError> {
    let files = kernel_files(program);
    if files.is_empty() {
        return Err(WgslError::NoKernels { device: device.name.clone() });
    }
    let failed = |path: &Path, source| WgslError::Write { path: path.to_owned(), source };
    if folder.is_file() {
        return Err(WgslError::NoFolder { path: folder.to_owned() });
    }
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for old in left_before(folder)? {
        fs::remove_file(&old).map_err(|error| failed(&old, error))?;
    }
    let index = format!("{device}\n{}", kernel_index(program));
    let index = std::iter::once((INDEX.to_owned(), index));
    for (name, text) in index.chain(files.iter().map(|f| (f.name.clone(), f.text.clone()))) {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(files.len())
}

/// The files in the folder, which must all be those of an earlier call: they are about to go.
fn left_before(folder: &Path) -> Result<Vec<PathBuf>, WgslError> {
    let failed = |source| WgslError::Write { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    let listed = match input::read_text(&folder.join(INDEX), MOST_OF_A_TEXT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let is_ours = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name == INDEX || is_listed(name, &listed))
    };
    if let Some(other) = found.iter().find(|path| !is_ours(path)) {
        let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(WgslError::Foreign { path: folder.to_owned(), other });
    }
    Ok(found)
}

/// Whether a line of the index ends with the name of a kernel's file.
fn is_listed(name: &str, index: &str) -> bool {
    name.ends_with(".wgsl")
        && index.lines().any(|line| line.split_whitespace().last() == Some(name))
}
