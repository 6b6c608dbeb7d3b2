//! A folder for the file that a fuzz target has read: the public functions take paths, and what opens
//! the files is to be tried with what decodes them.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder in memory where there is one.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A new folder.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self(made.expect("a temporary folder"))
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders that it lies in.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        if fs::write(&path, bytes).is_err() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            fs::write(&path, bytes).expect("it can be written");
        }
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

thread_local! {
    /// The folder of this thread, made once.
    static FOLDER: Folder = Folder::new();
}

/// Gives `read` the path of a file of this name that holds `bytes`.
pub fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| read(&folder.write(name, bytes)))
}

/// Gives `read` the folder of this thread.
pub fn with_folder<T>(read: impl FnOnce(&Folder) -> T) -> T {
    FOLDER.with(read)
}

/// An error must have a message, and a message no line of a debugger.
pub fn look_at<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
