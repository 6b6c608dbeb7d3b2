//! The pictures of a run as files of their own, in the folder `pictures` of its directory.

use std::fs;
use std::path::PathBuf;

use super::super::ReportError;
use super::super::draw::{Drawing, svg_file};
use crate::train::{FileError, RunDir, write_atomically};

/// Folder of a run's pictures.
const PICTURES: &str = "pictures";

/// Where the pictures of a run go.
pub(super) struct Pictures {
    folder: PathBuf,
}

impl Pictures {
    pub fn create(dir: &RunDir) -> Result<Self, ReportError> {
        let folder = dir.path().join(PICTURES);
        fs::create_dir_all(&folder).map_err(FileError::of("create the folder", &folder))?;
        Ok(Self { folder })
    }

    pub fn svg(&mut self, name: &str, label: &str, drawing: &Drawing) -> Result<(), ReportError> {
        let path = self.folder.join(format!("{name}.svg"));
        Ok(write_atomically(&path, svg_file(drawing, label).as_bytes())?)
    }

    pub fn png(&mut self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        Ok(write_atomically(&self.folder.join(format!("{name}.png")), bytes)?)
    }
}
