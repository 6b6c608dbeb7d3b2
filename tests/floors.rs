//! Invariants of the source tree: one-way floors, no circles of files or rooms, one place for wgpu,
//! few places for files and output, no orphaned shader, short files.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "floors/circles.rs"]
mod circles;
#[path = "floors/house.rs"]
mod house;
#[path = "floors/lexer.rs"]
mod lexer;
#[path = "floors/modules.rs"]
mod modules;
#[path = "floors/planted.rs"]
mod planted;
#[path = "floors/reading.rs"]
mod reading;
#[path = "floors/wing.rs"]
mod wing;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lexer::{blank_test_modules, blank_text_and_comments, paths_from, words};

/// Floor of each top-level module. A file may use its own floor or a lower one.
const FLOORS: &[(&str, usize)] = &[
    ("error", 0),
    ("input", 0),
    ("tensor", 0),
    ("graph", 1),
    ("ops", 2),
    ("compile", 3),
    ("exec", 4),
    ("verify", 5),
    ("nn", 5),
    ("data", 5),
    ("train", 6),
    ("bench", 6),
    ("tune", 6),
    ("report", 7),
    ("analysis", 7),
    ("model", 7),
    ("onnx", 7),
    ("cli", 8),
];

/// Where files, the environment and standard output may be used.
const MAY_TOUCH_THE_WORLD: &[&str] = &[
    "src/main.rs",
    "src/analysis/quantize/file",
    "src/cli",
    "src/data",
    "src/input",
    "src/report",
    "src/train/run/checkpoint",
    "src/train/store/exchange",
    "src/train/store/files",
    "src/train/store/metrics_files",
    "src/train/store/run_dir",
    "src/train/store/tensorboard",
    "src/train/store/weights",
    "src/tune/store",
    "src/tune/verdicts",
];
/// Where files are opened for reading: those of users in one place; those of the system; and folders,
/// to have them on the disk.
const MAY_OPEN: &[&str] = &[
    "src/input.rs",
    "src/cli/device/memory.rs",
    "src/cli/interrupt.rs",
    "src/train/store/files.rs",
];
/// Only here is wgpu named.
const MAY_NAME_WGPU: &str = "src/exec/gpu/";
/// Lines of the longest Rust file.
const MAX_RUST_LINES: usize = 500;
/// Lines of the longest shader.
const MAX_WGSL_LINES: usize = 150;

/// A Rust file below `src/`, without comments, texts and test modules.
struct SourceFile {
    /// Path from the root of the repository, with `/`.
    path: String,
    /// Code; line numbers are those of the file.
    code: String,
    /// Names of the modules from the crate root to this file.
    modules: Vec<String>,
}

impl SourceFile {
    /// Floor of the file; none for `lib.rs` and `main.rs`, which stand above all floors.
    fn floor(&self) -> Option<usize> {
        let top = self.modules.first()?;
        let known = FLOORS.iter().find(|(module, _)| module == top);
        let (_, floor) =
            known.unwrap_or_else(|| panic!("{}: module {top} has no floor in FLOORS", self.path));
        Some(*floor)
    }

    fn may_touch_the_world(&self) -> bool {
        MAY_TOUCH_THE_WORLD.iter().any(|allowed| {
            self.path
                .strip_prefix(allowed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
        })
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `directory` with the given extension.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(directory)];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.expect("a directory can be listed").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("files lie below the root");
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn sources() -> Vec<SourceFile> {
    let all = files("src", "rs").into_iter().map(|path| {
        let code = blank_test_modules(&blank_text_and_comments(&read(&path)));
        let path = relative(&path);
        let stem = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let modules = match stem {
            "lib" | "main" => Vec::new(),
            _ => stem.split('/').map(str::to_owned).collect(),
        };
        SourceFile { path, code, modules }
    });
    all.collect()
}

fn report(what: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{what}:\n  {}", violations.join("\n  "));
}

#[test]
fn no_file_uses_a_higher_floor() {
    let mut violations = Vec::new();
    for file in sources() {
        let Some(own) = file.floor() else { continue };
        for (line, module) in paths_from(&file.code, "crate", file.modules.len()) {
            let used = FLOORS.iter().find(|(name, _)| *name == module);
            if let Some((_, floor)) = used.filter(|(_, floor)| *floor > own) {
                let at = format!("{}:{line}", file.path);
                violations
                    .push(format!("{at}: {module} is floor {floor}, this file is floor {own}"));
            }
        }
    }
    report("floors are one-way", &violations);
}

#[test]
fn wgpu_is_named_in_one_directory() {
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| !file.path.starts_with(MAY_NAME_WGPU)) {
        let named = words(&file.code).filter(|(_, word)| *word == "wgpu");
        violations.extend(named.map(|(line, _)| format!("{}:{line}", file.path)));
    }
    report("wgpu is named outside src/exec/gpu", &violations);
}

#[test]
fn files_environment_and_output_are_used_at_the_edges_only() {
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| !file.may_touch_the_world()) {
        let from_std = paths_from(&file.code, "std", usize::MAX);
        for (line, module) in from_std.iter().filter(|(_, m)| m == "fs" || m == "env") {
            violations.push(format!("{}:{line}: std::{module}", file.path));
        }
        let printing = ["println", "eprintln", "print", "eprint", "dbg"];
        for (line, word) in words(&file.code).filter(|(_, word)| printing.contains(word)) {
            if file.code.lines().nth(line - 1).is_some_and(|l| l.contains(&format!("{word}!"))) {
                violations.push(format!("{}:{line}: {word}!", file.path));
            }
        }
    }
    report("files, environment and output belong to the edges", &violations);
}

/// What a user names may be a pipe, a device or a terabyte: one place opens it and bounds it.
#[test]
fn files_are_opened_for_reading_in_one_place() {
    let opening = ["fs::read(", "fs::read_to_string(", "File::open(", "ImageReader::open("];
    let mut violations = Vec::new();
    let is_test = |file: &&SourceFile| file.path.ends_with("/tests.rs");
    let may_not = |file: &&SourceFile| !MAY_OPEN.contains(&file.path.as_str());
    for file in sources().iter().filter(may_not).filter(|file| !is_test(file)) {
        for (line, text) in (1..).zip(file.code.lines()) {
            if let Some(call) = opening.iter().find(|call| text.contains(*call)) {
                violations.push(format!("{}:{line}: {call}...); use crate::input", file.path));
            }
        }
    }
    report("files are opened outside src/input.rs", &violations);
}

#[test]
fn every_shader_is_included_by_rust() {
    let mut included = BTreeSet::new();
    for path in files("src", "rs") {
        let text = read(&path);
        let directory = path.parent().expect("a file has a directory");
        for part in text.split("include_str!(\"").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            let target = directory.join(name);
            let target = target.canonicalize();
            included.insert(target.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
    let orphans: Vec<String> = files("shaders", "wgsl")
        .iter()
        .filter(|path| !path.canonicalize().is_ok_and(|path| included.contains(&path)))
        .map(|path| relative(path))
        .collect();
    report("shaders that no Rust file includes", &orphans);
}

#[test]
fn files_stay_short() {
    let rust = ["src", "tests", "benches", "examples"].into_iter().flat_map(|d| files(d, "rs"));
    let rust = rust.map(|path| (path, MAX_RUST_LINES));
    let wgsl = files("shaders", "wgsl").into_iter().map(|path| (path, MAX_WGSL_LINES));
    let long: Vec<String> = rust
        .chain(wgsl)
        .map(|(path, limit)| (relative(&path), read(&path).lines().count(), limit))
        .filter(|(_, lines, limit)| lines > limit)
        .map(|(path, lines, limit)| format!("{path}: {lines} lines, at most {limit}"))
        .collect();
    report("split these by concept", &long);
}
