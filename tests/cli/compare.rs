//! `verigrad compare` and `verigrad ensemble`.

use std::fs;
use std::path::Path;

use verigrad::train::{Evaluation, Predictions, RunDir};

use super::{fails, stderr, stdout, verigrad};

/// A tiny model of its own name on the CPU.
fn tiny_recipe(folder: &Path, name: &str, units: u32, data: &str) -> String {
    let text = format!(
        "name = \"{name}\"\nepochs = 2\nbatch_size = 32\n\
         [data]\n{data}\n[optimizer]\ntype = \"adam\"\nlearning_rate = 0.01\n\
         [[layers]]\ntype = \"flatten\"\n\
         [[layers]]\ntype = \"dense\"\nunits = {units}\nactivation = \"relu\"\n\
         [[layers]]\ntype = \"dense\"\nunits = 10\n"
    );
    fs::write(folder.join(format!("{name}.toml")), text).expect("a file");
    format!("{name}.toml")
}

const TINY_DIGITS: &str = "dataset = \"synthetic-digits\"\ntrain_size = 320\ntest_size = 100";

fn json(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).expect("the file is there");
    serde_json::from_str(&text).expect("JSON")
}

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// Recipes are trained, runs are loaded; both end up in one table, one picture and three files.
#[test]
fn recipes_and_runs_are_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let small = tiny_recipe(folder, "small", 4, TINY_DIGITS);
    let large = tiny_recipe(folder, "large", 32, TINY_DIGITS);
    let text = succeeds(folder, &["compare", &small, &large, "--device", "cpu"]);
    for part in ["1 small-1", "2 large-1", "best on the test set: large-1", "accuracy on"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let dir = folder.join("runs/compare-1");
    let table = fs::read_to_string(dir.join("table.txt")).expect("a table");
    assert!(text.contains(&table) && table.lines().all(|line| line.chars().count() <= 80));
    let record = json(&dir.join("result.json"));
    assert_eq!(record["winners"], serde_json::json!([1]));
    for (i, (name, parameters)) in [("small", 3190), ("large", 25_450)].into_iter().enumerate() {
        let run = &record["runs"][i];
        let own = json(&folder.join(format!("runs/{name}-1/result.json")));
        assert_eq!(run["parameters"], parameters);
        assert_eq!(run["test_accuracy"], own["test_accuracy"], "of the last weights");
        assert_eq!((&run["epochs"], &run["weights"]), (&2.into(), &"last".into()));
        assert!(run["images_per_second"].as_f64().is_some_and(|speed| speed > 0.0));
        assert_eq!(run["class_accuracy"].as_array().map(Vec::len), Some(10));
    }
    let csv = fs::read_to_string(dir.join("table.csv")).expect("a table");
    assert_eq!(csv.lines().count(), 3);
    let csv = fs::read_to_string(dir.join("classes.csv")).expect("a table");
    assert!(csv.starts_with("class,small-1,large-1\n") && csv.lines().count() == 11);
    assert!(image::open(dir.join("curves.png")).is_ok());

    // The runs again, one of them evaluated anew, and one of them twice.
    fs::remove_file(folder.join("runs/large-1/evaluation.json")).expect("it is there");
    let runs = ["runs/large-1", "runs/small-1", "runs/large-1"];
    let text = succeeds(folder, &[&["compare"], &runs[..], &["--device", "cpu"]].concat());
    assert!(text.contains("tie on the test set: large-1, large-1"), "{text}");
    let again = json(&folder.join("runs/compare-2/result.json"));
    assert_eq!(again["runs"][0]["test_accuracy"], record["runs"][1]["test_accuracy"]);
    assert_eq!(again["runs"][1], record["runs"][0]);

    fails(folder, &["compare", &small], 1, &["at least two"]);
    fails(folder, &["compare", "runs/small-1", "runs/none-7"], 1, &["none-7", "does not exist"]);
    fails(folder, &["compare", "runs/small-1", "runs/compare-1"], 1, &["compare-1", "no run"]);
    fails(folder, &["compare", "runs/small-1", "digitz"], 2, &["digitz", "mnist-cnn"]);
    let model = folder.join("runs/small-1/model.json");
    let kept = fs::read_to_string(&model).expect("a record");
    fs::write(&model, kept.replace("\"9\"", "\"nine\"")).expect("a file");
    let both = ["compare", "runs/large-1", "runs/small-1"];
    fails(folder, &both, 1, &["runs/large-1", "runs/small-1", "same classes"]);
    fs::write(&model, kept).expect("a file");
    fs::remove_file(folder.join("runs/small-1/weights-last.safetensors")).expect("it is there");
    fails(folder, &both, 1, &["small-1/weights-last.safetensors", "does not exist"]);
    assert!(!folder.join("runs/compare-3").exists(), "a failure leaves no folder");
}

/// Members are trained where they are missing, and their probabilities are averaged.
#[test]
fn an_ensemble_averages_its_members() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let tiny = tiny_recipe(folder, "tiny", 8, TINY_DIGITS);
    let recipe = ["ensemble", tiny.as_str(), "--device", "cpu", "--members", "2"];
    let text = succeeds(folder, &recipe);
    assert!(text.contains("mean of members") && text.contains("rows are labels"), "{text}");
    let open = |name: &str| RunDir::open(&folder.join("runs").join(name)).expect("a run");
    let members: Vec<Predictions> = ["tiny-1", "tiny-2"]
        .map(|name| open(name).predictions().expect("readable").expect("training leaves it"))
        .map(|predicted| predicted.into_classes().expect("they classify"))
        .to_vec();
    assert_ne!(members[0].probabilities, members[1].probabilities, "seeds differ");
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join("runs").join(name).join("predictions.csv"));
        Predictions::parse(&text.expect("predictions"), 10).expect("what it writes")
    };
    let whole = read("tiny-ensemble-1");
    let mut correct = 0_u32;
    for example in 0..100 {
        let (a, b) = (members[0].row(example), members[1].row(example));
        for (class, p) in whole.row(example).iter().enumerate() {
            assert!((p - (a[class] + b[class]) / 2.0).abs() < 1e-7, "{example} {class}");
        }
        correct += u32::from(whole.predictions[example] == whole.labels[example]);
    }
    let dir = folder.join("runs/tiny-ensemble-1");
    let record = json(&dir.join("result.json"));
    assert_eq!(record["test_accuracy"], f64::from(correct) / 100.0);
    let member = |i: usize| &record["members"][i];
    assert_eq!((&member(0)["seed"], &member(1)["seed"]), (&1.into(), &2.into()));
    let own = json(&folder.join("runs/tiny-2/result.json"));
    assert_eq!(member(1)["test_accuracy"], own["test_accuracy"]);
    let evaluation = json(&dir.join("evaluation.json"));
    assert_eq!(evaluation["weights"], "ensemble");
    let evaluation: Evaluation = serde_json::from_value(evaluation).expect("a record");
    let host = whole.evaluate(&evaluation.classes);
    assert_eq!(evaluation.splits["test"].confusion, host.confusion);
    assert!((evaluation.splits["test"].loss - host.loss).abs() < 1e-12);

    // What is there is used; the third member is trained. A weight of one alone is that member.
    let text = succeeds(folder, &[&recipe[..5], &["3"]].concat());
    assert!(text.contains("seed 2: runs/tiny-2 is there already"), "{text}");
    assert!(folder.join("runs/tiny-3").is_dir() && !folder.join("runs/tiny-4").exists());
    let runs = ["ensemble", "runs/tiny-2", "runs/tiny-1", "--device", "cpu"];
    succeeds(folder, &[&runs[..], &["--member-weights", "1,0"]].concat());
    assert_eq!(read("tiny-ensemble-3"), members[1]);

    fails(folder, &["ensemble", "runs/tiny-1"], 1, &["one run", "several"]);
    fails(folder, &["ensemble", "runs/tiny-1", "runs/no-1"], 1, &["no-1", "does not exist"]);
    fails(folder, &["ensemble", &tiny, "--members", "0"], 2, &["--members"]);
    fails(folder, &[&runs[..], &["--member-weights", "1"]].concat(), 1, &["1 weights for 2"]);
    fails(folder, &[&runs[..], &["--member-weights", "0,0"]].concat(), 1, &["all weights"]);
    fails(folder, &[&runs[..], &["--members", "2"]].concat(), 1, &["--members"]);
    let fewer = TINY_DIGITS.replace("100", "60");
    let other = tiny_recipe(folder, "other", 8, &fewer);
    fails(folder, &["ensemble", "runs/tiny-1", &other, "--device", "cpu"], 1, &["member 2"]);
    let weights = folder.join("runs/tiny-1/weights-last.safetensors");
    fs::write(weights, "no weights").expect("a file");
    fails(folder, &runs, 1, &["tiny-1/weights-last.safetensors"]);
}
