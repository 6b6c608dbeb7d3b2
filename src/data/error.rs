//! What can go wrong while a data set is configured, found, read or drawn.

use std::path::{Path, PathBuf};

/// A failure of dataset reading; every message names the file or the key at fault and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The files of a known set lie in none of the folders looked in.
    #[error(
        "{dataset}: files missing from {}: expected {}; {advice}",
        join_paths(.looked_in),
        .expected.join(", ")
    )]
    Missing {
        /// Name of the set, as in [`DataConfig`](super::DataConfig).
        dataset: &'static str,
        /// Folders looked in, in order.
        looked_in: Vec<PathBuf>,
        /// Files that were expected and not found, by their canonical names.
        expected: Vec<String>,
        /// How to get the files and tell the program where they are.
        advice: String,
    },
    /// A file or folder could not be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system, or the gzip decoder, said.
        source: std::io::Error,
    },
    /// An image file could not be decoded.
    #[error("cannot decode {}: {problem}; replace the file or remove it from the set", .path.display())]
    Decode {
        /// The image file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Images of a folder cannot be used.
    #[error(
        "{}: {n} of {of} images cannot be used:{list}\nreplace or remove them, or go on without them: \
         --skip-damaged, or skip_damaged = true in [data]",
        .path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// How many cannot be used.
        n: usize,
        /// Of so many.
        of: usize,
        /// The first of them, each in a line of its own, with what is wrong.
        list: String,
    },
    /// A file or folder was read, and holds something else than it should.
    #[error("{}: {problem}", .path.display())]
    Malformed {
        /// The file or folder.
        path: PathBuf,
        /// What was found, what was expected and what to do.
        problem: String,
    },
    /// A key of the data configuration has a value that cannot be used.
    #[error("data configuration: {key}: {problem}")]
    Config {
        /// The key, as written in a recipe.
        key: &'static str,
        /// What was given, what was expected and what to do.
        problem: String,
    },
    /// The parts of a data set do not fit together.
    #[error("data set {name}: {problem}")]
    Inconsistent {
        /// Name of the set.
        name: String,
        /// What was given and what was expected.
        problem: String,
    },
}

impl DataError {
    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    pub(super) fn undecodable(path: &Path, problem: String) -> Self {
        Self::Decode { path: path.to_path_buf(), problem }
    }

    /// What is wrong with a file, without its name.
    pub(super) fn problem(&self) -> String {
        match self {
            Self::Decode { problem, .. } => problem.clone(),
            Self::Read { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    pub(super) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_path_buf(), problem: problem.into() }
    }

    pub(super) fn config(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Config { key, problem: problem.into() }
    }
}

fn join_paths(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(" and ")
}
