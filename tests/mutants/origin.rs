//! Where a line of a kernel comes from: a file of `shaders/`, or a generator.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All lines of `shaders/`.
pub struct Files {
    by_line: HashMap<String, Vec<(String, usize)>>,
}

impl Files {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut by_line: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for path in wgsl_files(&root.join("shaders")) {
            let text = fs::read_to_string(&path).expect("a readable file");
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            for (number, line) in text.lines().enumerate() {
                let place = (name.clone(), number + 1);
                by_line.entry(line.trim().to_owned()).or_default().push(place);
            }
        }
        Self { by_line }
    }

    /// For each line of a kernel's text, file and number of the line, where it is one of a file. Lines that
    /// several files have belong to the one whose line was before.
    pub fn origins(&self, text: &str) -> Vec<Option<(String, usize)>> {
        let mut last: Option<(String, usize)> = None;
        let lines = text.lines().map(|line| {
            let places = self.by_line.get(line.trim()).map_or(&[][..], Vec::as_slice);
            let follows = |place: &&(String, usize)| {
                last.as_ref().is_some_and(|last| last.0 == place.0 && place.1 > last.1)
            };
            let place = places.iter().filter(follows).min_by_key(|place| place.1);
            let place = place.or_else(|| places.first()).cloned();
            if place.is_some() {
                last.clone_from(&place);
            }
            place
        });
        lines.collect()
    }
}

fn wgsl_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of shaders") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(wgsl_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "wgsl") {
            found.push(path);
        }
    }
    found.sort();
    found
}
