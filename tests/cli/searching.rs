//! `verigrad find-batch` and `find-lr`.

use super::*;

/// A tiny model, whose epochs take moments.
const RECIPE: &str = r#"
name = "tiny"
epochs = 3
batch_size = 16
data = { dataset = "synthetic-digits", train_size = 320, test_size = 60 }
optimizer = { type = "adam", learning_rate = 0.01 }
layers = [
  { type = "flatten" },
  { type = "dense", units = 32, activation = "relu" },
  { type = "dense", units = 10 },
]
"#;

fn folder_with_recipe() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("tiny.toml"), RECIPE).expect("a file");
    folder
}

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    let text = succeeds(folder, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| unreachable!("{error}: {text}"))
}

fn record(folder: &Path, path: &str) -> serde_json::Value {
    let text = fs::read_to_string(folder.join(path)).expect(path);
    serde_json::from_str(&text).expect("JSON")
}

/// The plan of the largest batch fits into the memory that there is; that of the next one does not.
#[test]
fn the_largest_batch_is_found_by_the_plan() {
    let folder = folder_with_recipe();
    let find = ["find-batch", "tiny.toml", "--device", "cpu"];
    let text = succeeds(folder.path(), &find);
    assert!(text.contains("320: the whole training set fits"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let free = json(folder.path(), &find);
    let needs = |batch: u64, found: &serde_json::Value| {
        let tried = found["tried"].as_array().expect("a list").clone();
        let plan = tried.into_iter().find(|plan| plan["batch_size"] == batch).expect("tried");
        // The data set is there already.
        let data = 380 * (28 * 28 + 4);
        let bytes = |key: &str| plan[key].as_u64().expect("it compiles");
        bytes("device_bytes") + bytes("host_bytes") - data
    };
    let limit = (needs(64, &free) + needs(128, &free)) / 2;
    let memory = limit.to_string();
    let found = json(folder.path(), &[&find[..], &["--memory", &memory]].concat());
    let largest = found["batch_size"].as_u64().expect("one fits");
    assert!((65..128).contains(&largest), "{largest}");
    assert!(needs(largest, &found) <= limit && needs(largest + 1, &found) > limit);
    let text = succeeds(folder.path(), &[&find[..], &["--memory", &memory]].concat());
    assert!(text.contains(&format!("--set batch_size={largest}")), "{text}");
    assert!(text.contains(&format!("next     {}: it needs", largest + 1)), "{text}");
    let none = [&find[..], &["--memory", "1KiB"]].concat();
    fails(folder.path(), &none, 1, &["not even the smallest batch"]);
    fails(folder.path(), &[&find[..], &["--memory", "much"]].concat(), 2, &["16GiB"]);
}

#[test]
fn a_learning_rate_is_found_and_drawn() {
    let folder = folder_with_recipe();
    let find = ["find-lr", "tiny.toml", "--device", "cpu"];
    let text = succeeds(folder.path(), &find);
    for part in ["step     1   learning rate 1.0e-7", "advice", "--set optimizer.learning_rate="] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let left = folder.path().join("runs/tiny-find-lr-1");
    assert!(image::open(left.join("curve.png")).is_ok());
    let csv = fs::read_to_string(left.join("curve.csv")).expect("a curve");
    let rows: Vec<Vec<f64>> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|field| field.parse().unwrap_or(f64::NAN)).collect())
        .collect();
    let found = record(folder.path(), "runs/tiny-find-lr-1/result.json");
    assert_eq!(found["points"].as_array().map(Vec::len), Some(rows.len()));
    // The rates that the device had, one factor apart.
    let factor = 1e8_f64.powf(1.0 / 99.0);
    for (step, row) in (0..).zip(&rows) {
        let expected = 1e-7 * factor.powi(step);
        assert!((row[1] / expected - 1.0).abs() < 1e-5, "step {step}: {}", row[1]);
    }
    let advice = found["advice"]["steepest"].as_f64().expect("the loss falls");
    assert!((1e-4..1.0).contains(&advice), "{advice}");

    // The same steps again give the same losses; other ends, other steps.
    let again = json(folder.path(), &find);
    assert_eq!(again["points"], found["points"]);
    let few = ["--from", "1e-3", "--to", "1e-1", "--steps", "20"];
    let few = json(folder.path(), &[&find[..], &few].concat());
    assert_eq!(few["points"].as_array().map(Vec::len), Some(20));
    // It ends once the loss has exploded; where it never fell, there is no advice.
    let explodes = ["--set", "optimizer.type=sgd", "--from", "10", "--to", "1e6", "--steps", "40"];
    let exploded = json(folder.path(), &[&find[..], &explodes].concat());
    let points = exploded["points"].as_array().expect("a list");
    assert!(points.len() < 40, "{} steps", points.len());
    assert!(exploded["advice"].is_null(), "{}", exploded["advice"]);
    fails(folder.path(), &[&find[..], &["--from", "20"]].concat(), 1, &["must be below"]);
    fails(folder.path(), &[&find[..], &["--from", "0"]].concat(), 2, &["above 0"]);
    let learns = ["--set", "optimizer.hypergradient=0.01"];
    fails(folder.path(), &[&find[..], &learns].concat(), 2, &["hypergradient"]);
}

/// A test that is interrupted keeps its curve, and the same command takes the steps that are left.
#[cfg(unix)]
#[test]
fn an_interrupted_range_test_goes_on() {
    use std::io::{BufRead as _, BufReader};
    let find = ["find-lr", "tiny.toml", "--device", "cpu", "--steps", "1200", "--to", "0.1"];
    let straight = folder_with_recipe();
    let straight = json(straight.path(), &find);
    let folder = folder_with_recipe();
    let mut child = super::resume::start(folder.path(), &find);
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for line in lines {
        if line.expect("text").starts_with("step     1 ") {
            super::resume::signal(&child, "-INT");
        }
    }
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("The same command goes on") && !said.contains("error:"), "{said}");
    let kept = record(folder.path(), "runs/tiny-find-lr-1/result.json");
    let steps = kept["points"].as_array().map_or(0, Vec::len);
    assert!((1..1200).contains(&steps), "{steps}");
    // Another range is another test; the same one goes on, once.
    let other = [&find[..4], &["--to", "0.1"]].concat();
    let other = json(folder.path(), &[&other[..], &["--steps", "30"]].concat());
    assert_eq!(other["steps"], 30);
    let text = succeeds(folder.path(), &find);
    assert!(
        text.contains(&format!("resumed  after {steps} steps, in runs/tiny-find-lr-1")),
        "{text}"
    );
    let whole = record(folder.path(), "runs/tiny-find-lr-1/result.json");
    assert_eq!(whole["points"], straight["points"]);
    assert!(!folder.path().join("runs/tiny-find-lr-1/checkpoint").exists());
}
