//! A training whose loss is no number: its steps are kept, and the first bad number is named.

use std::fs;

use super::{stderr, verigrad};

#[test]
fn a_diverged_run_keeps_its_steps_and_names_the_first_bad_number() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rate = "optimizer={type=\"sgd\",learning_rate=1e20}";
    let args = ["train", "digits", "--device", "cpu", "--set", rate, "--set", "schedule={}"];
    let small = ["--set", "data.train_size=640", "--set", "clipping.by_norm=1e30"];
    let output = verigrad(folder.path(), &[&args[..], &small[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = stderr(&output);
    for part in [
        "at step 2",
        "lower the learning rate",
        "the first bad number is in step 2 (epoch 1), the forward pass of",
        "the device is right",
        "steps before it are repeated",
    ] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    assert!(!told.contains("clip gradients"), "it is set already:\n{told}");
    let steps = folder.path().join("runs").join("digits-1").join("steps.csv");
    let steps = fs::read_to_string(steps).expect("the steps are kept");
    assert_eq!(steps.lines().count(), 3, "a header and two steps:\n{steps}");
}
