//! `verigrad find-batch`, `find-lr`, `sweep` and `cross-validate`.

use std::time::{Duration, Instant};

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

const GRID: [&str; 8] = [
    "sweep",
    "tiny.toml",
    "--device",
    "cpu",
    "--set-grid",
    "optimizer.learning_rate=0.000001,0.01",
    "--folder",
    "found",
];

/// A grid with two seeds: everything is trained once, sorted, and kept; more seeds come behind.
#[test]
fn a_sweep_trains_sorts_and_keeps() {
    let folder = folder_with_recipe();
    let two = [&GRID[..], &["--seeds", "2", "--set", "data.validation=0.2"]].concat();
    let text = succeeds(folder.path(), &two);
    for part in [
        "  1/4  optimizer.learning_rate=0.000001  seed 1",
        "  4/4  optimizer.learning_rate=0.01  seed 2",
        "validation_accuracy of the best epoch",
        "best     --set optimizer.learning_rate=0.01",
        "left in  found",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("sha256"), "what each training prints is left out:\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let found = record(folder.path(), "found/result.json");
    let run = |trial: u64| folder.path().join(format!("found/trials/{trial:03}/tiny-1"));
    let modified = |trial| fs::metadata(run(trial).join("result.json")).and_then(|m| m.modified());
    let before: Vec<_> = (1..=4).map(|trial| modified(trial).expect("a result")).collect();
    // The mean is that of the best epochs of both runs.
    let best_of = |trial: u64| {
        let run = RunDir::open(&run(trial)).expect("a run");
        let epochs = run.epochs().expect("readable");
        epochs.iter().filter_map(|epoch| epoch.validation_accuracy).fold(0.0, f64::max)
    };
    let (a, b) = (best_of(2), best_of(4));
    let first = &found["settings"][0];
    assert_eq!(first["values"], serde_json::json!(["0.01"]));
    let close = |value: &serde_json::Value, expected: f64| {
        assert!((value.as_f64().expect("a number") - expected).abs() < 1e-12, "{value} {expected}");
    };
    close(&first["best"]["mean"], (a + b) / 2.0);
    close(&first["best"]["deviation"], (a - b).abs() / 2.0_f64.sqrt());
    let csv = fs::read_to_string(folder.path().join("found/trials.csv")).expect("a table");
    assert!(csv.lines().count() == 5 && csv.contains(",finished,"), "{csv}");
    let page = fs::read_to_string(folder.path().join("found/report.html")).expect("a page");
    for part in ["id=\"metric\"", "learning_rate=0.01", "trials/004/tiny-1"] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(!page.contains("://") && !page.contains("NaN"));

    // Nothing is left to do; then a third seed.
    let text = succeeds(folder.path(), &["sweep", "--folder", "found"]);
    assert!(text.contains("4 of 4 are trained already"), "{text}");
    assert_eq!(record(folder.path(), "found/result.json"), found);
    let three = [&GRID[..], &["--seeds", "3", "--set", "data.validation=0.2"]].concat();
    let more = json(folder.path(), &three);
    assert_eq!(more["trials"].as_array().map(Vec::len), Some(6));
    for (trial, before) in (1..=4).zip(before) {
        assert_eq!(modified(trial).expect("a result"), before, "trial {trial} is as it was");
    }

    fails(folder.path(), &GRID, 1, &["another search", "--set differ"]);
    fails(folder.path(), &["sweep", "tiny.toml"], 2, &["--set-grid"]);
    fails(folder.path(), &["sweep", "--folder", "none"], 1, &["none", "no search"]);
    let wrong = ["sweep", "tiny.toml", "--set-grid", "batch_size=16,0"];
    fails(folder.path(), &wrong, 2, &["batch_size=0"]);
    let range = ["sweep", "tiny.toml", "--range", "batch_size=16..32"];
    fails(folder.path(), &range, 2, &["--random"]);
    assert!(!folder.path().join("runs").exists(), "what is refused leaves no folder");
}

/// A setting that diverges is told and kept, and the others go on; draws are in their ranges.
#[test]
fn failures_of_a_setting_end_no_sweep() {
    let folder = folder_with_recipe();
    let grid = ["--set-grid", "optimizer.learning_rate=1e30,0.01"];
    let text =
        succeeds(folder.path(), &[&["sweep", "tiny.toml", "--device", "cpu"], &grid[..]].concat());
    assert!(text.contains("failed: the loss became"), "{text}");
    assert!(text.contains("left in  runs/tiny-sweep-1"), "{text}");
    let found = record(folder.path(), "runs/tiny-sweep-1/result.json");
    assert_eq!(found["settings"][1]["failed"], 1);
    let text = succeeds(folder.path(), &["sweep", "--folder", "runs/tiny-sweep-1"]);
    assert!(text.contains("2 of 2 are trained already"), "a failure is not repeated: {text}");

    let draws = ["--random", "4", "--set-grid", "optimizer.type=adam,rmsprop", "--set", "epochs=1"];
    let range = ["--range", "optimizer.learning_rate=1e-3..1e-1:log"];
    let drawn = [&["sweep", "tiny.toml", "--device", "cpu"], &draws[..], &range].concat();
    let found = json(folder.path(), &drawn);
    let trials = found["trials"].as_array().expect("a list");
    assert_eq!(trials.len(), 4);
    for trial in trials {
        let rate: f64 = trial["values"][1].as_str().expect("text").parse().expect("a number");
        assert!((1e-3..=1e-1).contains(&rate), "{rate}");
    }
    let again = json(folder.path(), &drawn);
    let values = |found: &serde_json::Value| {
        let trials = found["trials"].as_array().expect("a list").clone();
        trials
            .iter()
            .map(|trial| (trial["values"].clone(), trial["best"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&found), "by seed");
}

/// Trials that lie behind end early, and say so.
#[test]
fn trials_behind_the_median_are_pruned() {
    let folder = folder_with_recipe();
    let grid = ["--set-grid", "optimizer.learning_rate=0.02,0.01,0.03,1e-7,0.015"];
    let prune = ["--prune", "--warmup-epochs", "1", "--warmup-trials", "3", "--set", "epochs=6"];
    let args = [&["sweep", "tiny.toml", "--device", "cpu"], &grid[..], &prune].concat();
    let found = json(folder.path(), &args);
    let trial = &found["trials"][3];
    assert_eq!((&trial["outcome"], &trial["epochs"]), (&"pruned".into(), &2.into()), "{trial}");
    let why = trial["ended"].as_str().expect("text");
    assert!(why.starts_with("pruned after epoch 2") && why.contains("median of 3 others"), "{why}");
    assert_eq!(found["trials"][0]["epochs"], 6);
    // The run itself says the same.
    let run = record(folder.path(), "runs/tiny-sweep-1/trials/004/tiny-1/result.json");
    assert_eq!(run["ended"], trial["ended"]);
    assert_eq!(found["settings"][4]["pruned"], 1, "it is the last one: {}", found["settings"]);
}

/// Each fold is held out once; mean and deviation are those of the folds.
#[test]
fn folds_are_held_out_in_turn() {
    let folder = folder_with_recipe();
    let cross = ["cross-validate", "tiny.toml", "--device", "cpu", "--folds", "4"];
    let text = succeeds(folder.path(), &cross);
    assert!(text.contains("fold  seed") && text.contains("mean"), "{text}");
    assert!(text.contains("left in  runs/tiny-cross-validate-1"), "{text}");
    let found = record(folder.path(), "runs/tiny-cross-validate-1/result.json");
    let trials = found["trials"].as_array().expect("a list");
    let folds: Vec<_> =
        trials.iter().map(|trial| trial["fold"].as_u64().expect("a fold")).collect();
    assert_eq!((folds, &found["settings"][0]["best"]["n"]), (vec![1, 2, 3, 4], &4.into()));
    let run = folder.path().join("runs/tiny-cross-validate-1/trials/003/tiny-1");
    let recipe = fs::read_to_string(run.join("recipe.toml")).expect("a recipe");
    assert!(recipe.contains("folds = 4") && recipe.contains("fold = 3"), "{recipe}");
    let steps = fs::read_to_string(run.join("steps.csv")).expect("steps");
    // 240 of 320 images in batches of 16, three epochs.
    assert_eq!(steps.lines().count(), 1 + 3 * 15);
    // The run is whole: `eval` finds the fold again.
    let run = run.to_str().expect("a UTF-8 path");
    let eval = json(folder.path(), &["eval", run, "--split", "validation", "--device", "cpu"]);
    assert!(eval.to_string().contains("80"), "80 images are held out: {eval}");
    fails(folder.path(), &["cross-validate", "tiny.toml", "--folds", "1"], 2, &["--folds"]);
    let many = ["cross-validate", "tiny.toml", "--device", "cpu", "--folds", "400"];
    fails(folder.path(), &many, 1, &["folds", "320"]);
    let both = [&cross[..], &["--set", "data.validation=0.1"]].concat();
    fails(folder.path(), &both, 2, &["validation"]);
}

/// A signal ends a sweep with what it has; the same folder goes on, with the same figures as if nothing
/// had happened.
#[cfg(unix)]
#[test]
fn an_interrupted_sweep_goes_on() {
    let straight = folder_with_recipe();
    let longer = [&GRID[..], &["--set", "epochs=12", "--set", "checkpoint.every=7"]].concat();
    succeeds(straight.path(), &longer);
    let folder = folder_with_recipe();
    let child = super::resume::start(folder.path(), &longer);
    // In the second trial.
    let checkpoints = folder.path().join("found/trials/002/tiny-1/checkpoint");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !checkpoints.is_dir() {
        assert!(Instant::now() < deadline, "no second trial");
        std::thread::yield_now();
    }
    super::resume::signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted after 1 of 2 trials"), "{said}");
    assert!(said.contains("verigrad sweep --folder found") && !said.contains("error:"), "{said}");
    let kept = record(folder.path(), "found/result.json");
    assert_eq!((&kept["missing"], kept["trials"].as_array().map(Vec::len)), (&1.into(), Some(1)));
    succeeds(folder.path(), &["sweep", "--folder", "found", "--device", "cpu"]);
    let figures = |folder: &Path| {
        let record = record(folder, "found/result.json");
        let trials = record["trials"].as_array().expect("a list").clone();
        let of = |trial: &serde_json::Value| {
            ["best", "best_epoch", "last", "epochs", "ended"].map(|key| trial[key].to_string())
        };
        trials.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(figures(folder.path()), figures(straight.path()));
}
