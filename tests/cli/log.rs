//! What `-v` tells: each program of a run is compiled once, and its data set is read once.

use std::path::Path;

use super::{stderr, verigrad};

/// Small data with all three splits.
const SMALL: [&str; 12] = [
    "--device",
    "cpu",
    "--set",
    "epochs=1",
    "--set",
    "data.train_size=160",
    "--set",
    "data.test_size=50",
    "--set",
    "data.validation=0.1",
    "--set",
    "batch_size=32",
];

/// The log of a command.
fn log(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// What the log says was compiled, and how often data were read.
fn compiled_and_read(log: &str) -> (Vec<&str>, usize) {
    let compiled = log.lines().filter_map(|line| line.split_once("compiled ")?.1.split_once(':'));
    let read = log.lines().filter(|line| line.contains("] read ")).count();
    (compiled.map(|(name, _)| name).collect(), read)
}

#[test]
fn a_command_compiles_each_program_once_and_reads_the_data_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let all = vec!["train", "test", "validation", "train_evaluation"];
    let train = log(folder, &[&["train", "digits", "-v"], &SMALL[..]].concat());
    assert_eq!(compiled_and_read(&train), (all.clone(), 1), "{train}");
    for told in ["opened CPU executor", "set up:", "first step done", "checkpoint of step 5"] {
        assert!(train.contains(told), "no {told:?} in:\n{train}");
    }
    assert!(folder.join("runs/digits-1/report.html").is_file(), "the report needs the data, too");

    let resumed = ["-v", "train", "--resume", "runs/digits-1", "--set", "epochs=2"];
    let resumed = log(folder, &resumed);
    assert_eq!(compiled_and_read(&resumed), (all.clone(), 1), "{resumed}");

    let inspected = log(folder, &[&["inspect", "digits", "-v"], &SMALL[..]].concat());
    assert_eq!(compiled_and_read(&inspected), (all.clone(), 1), "{inspected}");

    let evaluated = log(folder, &["eval", "runs/digits-1", "--device", "cpu", "-v"]);
    assert_eq!(compiled_and_read(&evaluated), (vec!["test"], 1), "{evaluated}");

    // Two trainings on the same data.
    let ensemble = ["ensemble", "digits", "--members", "2", "--runs", "members", "-v"];
    let ensemble = log(folder, &[&ensemble, &SMALL[..]].concat());
    let twice = [all.clone(), all, vec!["test", "test"]].concat();
    assert_eq!(compiled_and_read(&ensemble), (twice, 1), "{ensemble}");
}

#[test]
fn without_the_flag_nothing_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let quiet = log(folder.path(), &["inspect", "digits", "--device", "cpu"]);
    assert_eq!(quiet, "");
}
