//! The copy of the crate in which the numbers of host kernels can be changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::rewriting::{Place, rewritten};

const NUMBER: &str = include_str!("number.rs");

pub struct Copy {
    /// The tests of host kernels, compiled with the changed texts.
    pub binary: PathBuf,
    pub places: Vec<Place>,
}

impl Copy {
    /// Makes and builds the copy, below the folder of what is built.
    pub fn build() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = root.join("target/host-mutants");
        let source = copy.join("src");
        let mut places = Vec::new();
        let mut files = Vec::new();
        rust_files(&root.join("src"), &mut files);
        files.sort();
        for path in files {
            let text = fs::read_to_string(&path).expect("a readable file");
            let inner = path.strip_prefix(root).expect("below the root");
            let name = inner.display().to_string();
            let text = match name.as_str() {
                "src/lib.rs" => format!("{text}\npub mod mutants;\n"),
                name if name.starts_with("src/ops/") => {
                    let (text, more) = rewritten(name, &text, places.len());
                    places.extend(more);
                    text
                }
                _ => text,
            };
            write_if_changed(&copy.join(inner), &text);
        }
        write_if_changed(&source.join("mutants.rs"), NUMBER);
        for file in ["Cargo.toml", "Cargo.lock", "README.md"] {
            let text = fs::read_to_string(root.join(file)).expect("a readable file");
            // Another version is another package: what is built of both may lie in one folder.
            let own = concat!("name = \"verigrad\"\nversion = \"", env!("CARGO_PKG_VERSION"), '"');
            let text = text.replace(own, &own.replace(env!("CARGO_PKG_VERSION"), "0.0.0-mutants"));
            write_if_changed(&copy.join(file), &text);
        }
        for folder in ["assets", "benches", "shaders", "tests"] {
            link(&root.join(folder), &copy.join(folder));
        }
        Self { binary: built(&copy, &root.join("target")), places }
    }
}

/// Builds this test of the copy, and gives its path.
fn built(copy: &Path, target: &Path) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        // Without the program, which would take the place of the unchanged one.
        .args(["test", "--no-default-features", "--no-run", "--test", "host_mutants"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the copy does not build:\n{text}");
    // "  Executable tests/host_mutants.rs (PATH)"
    let path =
        text.lines().find_map(|line| line.rsplit_once("host_mutants.rs (")?.1.strip_suffix(')'));
    let path = PathBuf::from(path.unwrap_or_else(|| panic!("cargo names no test:\n{text}")));
    if path.is_absolute() { path } else { copy.join(path) }
}

/// What is as it was is not built again.
fn write_if_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
    fs::write(path, text).expect("a file that can be written");
}

#[cfg(unix)]
fn link(folder: &Path, at: &Path) {
    if !at.exists() {
        std::os::unix::fs::symlink(folder, at).expect("a link that can be made");
    }
}

#[cfg(not(unix))]
fn link(folder: &Path, at: &Path) {
    panic!("{} needs a link to {}", at.display(), folder.display());
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else {
            found.push(path);
        }
    }
}
