//! The real binary, as a user would run it: the whole path on small data, and hostile input.

#[path = "cli/analyze.rs"]
mod analyze;
#[path = "cli/compare.rs"]
mod compare;
#[path = "cli/data.rs"]
mod data;
#[cfg(feature = "fetch")]
#[path = "cli/data_get.rs"]
mod data_get;
#[path = "cli/diverged.rs"]
mod diverged;
#[path = "cli/exchange.rs"]
mod exchange;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/histograms.rs"]
mod histograms;
#[path = "cli/log.rs"]
mod log;
#[path = "cli/lost.rs"]
mod lost;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/onnx.rs"]
mod onnx;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/pictures.rs"]
mod pictures;
#[path = "cli/predict.rs"]
mod predict;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/searching.rs"]
mod searching;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/shells.rs"]
mod shells;
#[cfg(unix)]
#[path = "cli/signals.rs"]
mod signals;
#[path = "cli/tasks.rs"]
mod tasks;
#[path = "cli/tune.rs"]
mod tune;
#[path = "cli/watch.rs"]
mod watch;
#[path = "cli/weights.rs"]
mod weights;
#[path = "cli/wgsl.rs"]
mod wgsl;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use verigrad::train::{EvaluatedWeights, Predictions, RunDir};

/// Runs the binary in `folder` without any data folder in its environment.
fn verigrad(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder)
        .env_remove("VERIGRAD_DATA")
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the binary and demands a failure with `code` whose message has all of `parts`.
fn fails(folder: &Path, args: &[&str], code: i32, parts: &[&str]) {
    let output = verigrad(folder, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(message.contains("error:"), "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{args:?}: no {part:?} in:\n{message}");
    }
}

/// A small, quick run on the CPU executor; returns its run directory.
fn small_run(folder: &Path) -> PathBuf {
    let args = [
        "train",
        "digits",
        "--device",
        "cpu",
        "--set",
        "epochs=2",
        "--set",
        "data.train_size=320",
        "--set",
        "data.test_size=100",
        "--set",
        "data.validation=0.1",
        "--set",
        "batch_size=32",
    ];
    let output = verigrad(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("test accuracy"), "{}", stdout(&output));
    folder.join("runs/digits-1")
}

#[test]
fn a_run_leaves_all_files_and_can_be_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    for file in [
        "recipe.toml",
        "device.json",
        "model.json",
        "summary.txt",
        "metrics.csv",
        "metrics.jsonl",
        "steps.csv",
        "weights-best.safetensors",
        "weights-last.safetensors",
        "curves.png",
        "result.json",
        "evaluation.json",
        "predictions.csv",
    ] {
        let size = fs::metadata(run.join(file)).map(|m| m.len()).unwrap_or(0);
        assert!(size > 0, "{file} is missing or empty");
    }
    let steps = fs::read_to_string(run.join("steps.csv")).expect("steps.csv");
    assert_eq!(steps.lines().count(), 1 + 2 * 9, "288 training images make 9 steps per epoch");
    let result = fs::read_to_string(run.join("result.json")).expect("result.json");
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(result["parameters"], 27_562);
    assert_eq!(result["steps"], 18);

    let run = run.to_str().expect("a UTF-8 path").to_owned();
    let last = ["eval", run.as_str(), "--weights", "last", "--device", "cpu"];
    let output = verigrad(folder.path(), &last);
    assert!(output.status.success(), "{}", stderr(&output));
    let accuracy = result["test_accuracy"].as_f64().expect("a number");
    let line = format!("accuracy {:.2} %", 100.0 * accuracy);
    assert!(stdout(&output).contains(&line), "{line} not in {}", stdout(&output));

    evaluation_is_kept(folder.path(), &run);

    let picture = folder.path().join("seven.png");
    image::GrayImage::from_pixel(20, 30, image::Luma([9])).save(&picture).expect("a picture");
    let picture = picture.to_str().expect("a UTF-8 path");
    let output =
        verigrad(folder.path(), &["predict", &run, picture, "--device", "cpu", "--csv", "p.csv"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let total: f64 = stdout(&output)
        .lines()
        .filter_map(|line| line.trim().split_once(" %")?.0.parse::<f64>().ok())
        .sum();
    assert!((total - 100.0).abs() < 0.1, "probabilities sum to {total} %");
    let csv = fs::read_to_string(folder.path().join("p.csv")).expect("it was asked for");
    assert!(csv.starts_with("file,prediction,class,p0,") && csv.lines().count() == 2, "{csv}");

    analyze::a_run_can_be_analyzed(folder.path(), &run);
}

/// `evaluation.json` and `predictions.csv` agree, and `eval` makes them again.
fn evaluation_is_kept(folder: &Path, run: &str) {
    let dir = RunDir::open(Path::new(run)).expect("a run");
    let evaluation = dir.evaluation().expect("it can be read").expect("training leaves it");
    // The run has a validation split, by which the best weights were chosen.
    assert_eq!(evaluation.weights, EvaluatedWeights::Best);
    assert_eq!(evaluation.splits.keys().collect::<Vec<_>>(), ["test", "train", "validation"]);
    let predictions = dir.predictions().expect("it can be read").expect("training leaves it");
    let of_classes = predictions.clone().into_classes().expect("it classifies");
    let host = of_classes.evaluate(&evaluation.classes);
    assert_eq!(host.confusion, evaluation.splits["test"].confusion);

    fs::remove_file(dir.evaluation_path()).expect("it is there");
    let csv = folder.join("validation.csv");
    let csv_name = csv.to_str().expect("a UTF-8 path");
    for args in [&["--split", "test"][..], &["--split", "validation", "--csv", csv_name]] {
        let output = verigrad(folder, &[&["eval", run, "--device", "cpu"], args].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        for part in ["macro F1", "rows are labels", "precision", "weights  best"] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    let again = dir.evaluation().expect("it can be read").expect("eval leaves it");
    assert_eq!(again.splits.len(), 2);
    assert_eq!(again.splits["test"], evaluation.splits["test"]);
    assert_eq!(again.splits["validation"], evaluation.splits["validation"]);
    let validation = fs::read_to_string(csv).expect("it was asked for");
    assert!(validation.starts_with("index,label,prediction,correct,file,class,predicted,p0,"));
    let without_names = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        [&fields[..4], &fields[7..]].concat().join(",") + "\n"
    };
    let validation: String = validation.lines().map(without_names).collect();
    let validation = Predictions::parse(&validation, 10).expect("what it writes");
    assert_eq!(validation.len(), 32);
    let confusion = validation.evaluate(&again.classes).confusion;
    assert_eq!(confusion, again.splits["validation"].confusion);
    let last = verigrad(folder, &["eval", run, "--device", "cpu", "--weights", "last"]);
    assert!(stdout(&last).contains("keeps the figures"), "{}", stdout(&last));
    assert_eq!(dir.evaluation().expect("it can be read"), Some(again), "of the best weights");
    assert_eq!(dir.predictions().expect("it can be read"), Some(predictions), "of the test set");
}

/// The page of a run has every figure, is well-formed, and refers to nothing outside its folder.
#[test]
fn a_run_leaves_a_page_that_stands_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    let name = run.to_str().expect("a UTF-8 path").to_owned();
    let output = verigrad(folder.path(), &["report", &name, "-o", "page.html"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(run.join("report.html")).expect("train writes it");
    let again = fs::read_to_string(folder.path().join("page.html")).expect("report writes it");
    assert_eq!(page, again, "the same run gives the same page");
    for id in [
        "headline",
        "loss",
        "accuracy",
        "step-loss",
        "learning-rate",
        "confusion",
        "per-class",
        "most-confused",
        "wrong",
        "right",
        "filters",
        "histograms",
        "histogram-conv1.weight",
        "kernels",
        "features-conv1",
        "features-conv2",
        "architecture",
        "layers",
        "reproduction",
    ] {
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "id {id}");
    }
    assert!(!page.contains("class=\"missing\""), "something is missing");
    assert!(!page.contains("://") && !page.contains("url(") && !page.contains("<script"));
    for attribute in ["href=\"", "src=\""] {
        for part in page.split(attribute).skip(1) {
            let target = part.split('"').next().unwrap_or_default();
            let known = target.starts_with("data:")
                || target
                    .strip_prefix('#')
                    .is_some_and(|id| page.contains(&format!("id=\"{id}\"")))
                || run.join(target).is_file();
            assert!(known, "{attribute}{target}");
        }
    }
    let mut open = Vec::new();
    let (_, body) = page.split_once("<body>").expect("a body");
    for tag in body.split('<').skip(1).filter_map(|part| part.split('>').next()) {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        if tag.starts_with('/') {
            let expected = open.pop().unwrap_or("body");
            if name != "html" {
                assert_eq!(name, expected, "nesting");
            }
        } else if !tag.ends_with('/') && name != "img" {
            open.push(name);
        }
    }
    let output = verigrad(folder.path(), &["report", &name, &name, "-o", "both.html"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let both = fs::read_to_string(folder.path().join("both.html")).expect("report writes it");
    for part in ["A tie", "id=\"accuracy\"", "id=\"parameters\"", "id=\"per-class\""] {
        assert!(both.contains(part), "no {part}");
    }
    assert!(!both.contains("://"));
    for picture in [
        "loss.svg",
        "confusion.svg",
        "per-class.svg",
        "filters.png",
        "features.png",
        "wrong.png",
        "right.png",
        "histograms.svg",
        "architecture.svg",
    ] {
        assert!(run.join("pictures").join(picture).is_file(), "{picture}");
    }
}

#[test]
fn recipes_can_be_looked_at_without_running_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = verigrad(folder.path(), &["summary", "digits"]);
    assert!(stdout(&output).contains("27,562"), "{}", stdout(&output));
    let output = verigrad(folder.path(), &["inspect", "digits", "--device", "cpu"]);
    let text = stdout(&output);
    for part in ["conv1/gradient", "conv2d_weight_grad", "adam", "memory:", "FLOP"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    let output = verigrad(folder.path(), &["inspect", "digits", "--device", "cpu", "--dot"]);
    assert!(stdout(&output).starts_with("digraph"), "{}", stdout(&output));
    let output = verigrad(folder.path(), &["inspect", "digits", "--device", "cpu", "--json"]);
    let program: verigrad::compile::Program =
        serde_json::from_slice(&output.stdout).expect("a Program can be read back");
    assert!(program.steps.len() > 20);
    let output = verigrad(folder.path(), &["devices", "--json"]);
    let devices: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(devices.as_array().is_some_and(|list| !list.is_empty()));
}

#[test]
fn wrong_usage_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    fails(folder, &["train", "digitz"], 2, &["digitz", "mnist-cnn"]);
    fails(folder, &["train", "missing.toml"], 2, &["missing.toml"]);
    fails(folder, &["train", "digits", "--device", "9"], 2, &["--device 9", "cpu"]);
    fails(folder, &["train", "digits", "--device", "quantum"], 2, &["quantum"]);
    fails(folder, &["train", "digits", "--set", "epoch=1"], 2, &["epoch=1", "epochs"]);
    fails(folder, &["train", "digits", "--nonsense"], 2, &["--nonsense"]);
    let recipe =
        verigrad::train::Recipe::builtin("digits", &[]).expect("built in").to_toml().expect("TOML");
    fs::write(folder.join("typo.toml"), recipe.replace("batch_size", "batch_sise"))
        .expect("a file");
    fails(folder, &["train", "typo.toml"], 2, &["typo.toml", "line", "batch_sise"]);
    let small = ["--device", "cpu", "--set", "data.train_size=64", "--set", "data.test_size=64"];
    let with = |set: &'static str| [["train", "digits", "--set", set].as_slice(), &small].concat();
    fails(folder, &with("layers.0.kernel_size=40"), 2, &["conv1", "40"]);
    fails(folder, &with("layers.6.units=7"), 2, &["7", "10 classes"]);
    fails(folder, &["eval", "no-such-run"], 1, &["no-such-run"]);
}

#[test]
fn broken_data_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    fails(folder, &["train", "mnist-cnn"], 1, &["train-images-idx3-ubyte", "VERIGRAD_DATA"]);

    let write_idx = |name: &str, magic: u32, dims: &[u32], bytes: &[u8]| {
        let mut content = magic.to_be_bytes().to_vec();
        content.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        content.extend(bytes);
        fs::create_dir_all(folder.join("data/mnist")).expect("a folder");
        fs::write(folder.join("data/mnist").join(name), content).expect("a file");
    };
    let images = vec![7_u8; 4 * 784];
    let complete = |labels: &[u8]| {
        for part in ["train", "t10k"] {
            write_idx(&format!("{part}-images-idx3-ubyte"), 2051, &[4, 28, 28], &images);
            write_idx(&format!("{part}-labels-idx1-ubyte"), 2049, &[4], labels);
        }
    };
    complete(&[1, 2, 3, 77]);
    fails(folder, &["train", "mnist-cnn"], 1, &["77"]);
    complete(&[1, 2, 3, 4]);
    write_idx("train-images-idx3-ubyte", 2051, &[4, 28, 28], &images[..1000]);
    fails(folder, &["train", "mnist-cnn"], 1, &["train-images-idx3-ubyte"]);
    write_idx("train-images-idx3-ubyte", 99, &[4, 28, 28], &images);
    fails(folder, &["train", "mnist-cnn"], 1, &["train-images-idx3-ubyte"]);

    let recipe =
        verigrad::train::Recipe::builtin("digits", &[]).expect("built in").to_toml().expect("TOML");
    let recipe = recipe.replace("\"synthetic-digits\"", "\"folder\"\npath = \"pictures\"");
    fs::write(folder.join("pictures.toml"), recipe).expect("a file");
    fs::create_dir_all(folder.join("pictures/cat")).expect("a folder");
    fails(folder, &["train", "pictures.toml"], 1, &["pictures"]);
    for class in ["cat", "dog"] {
        fs::create_dir_all(folder.join("pictures").join(class)).expect("a folder");
        for name in ["a.png", "b.png"] {
            let path = folder.join("pictures").join(class).join(name);
            fs::write(path, b"no picture").expect("a file");
        }
    }
    fails(folder, &["train", "pictures.toml"], 1, &[".png"]);
}

#[test]
fn broken_runs_are_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    let folder = folder.path();
    let run_name = run.to_str().expect("a UTF-8 path").to_owned();
    let eval = ["eval", run_name.as_str(), "--device", "cpu"];
    fs::write(folder.join("no.png"), b"no picture").expect("a file");
    fails(folder, &["predict", &run_name, "no.png", "--device", "cpu"], 1, &["no.png"]);

    let weights = run.join("weights-best.safetensors");
    let content = fs::read(&weights).expect("weights");
    fs::write(&weights, &content[..content.len() / 2]).expect("a file");
    fails(folder, &eval, 1, &["weights-best.safetensors"]);
    fs::write(&weights, content).expect("a file");
    let recipe = fs::read_to_string(run.join("recipe.toml")).expect("the recipe");
    fs::write(run.join("recipe.toml"), recipe.replace("units = 64", "units = 65")).expect("ok");
    fails(folder, &eval, 1, &["dense1.weight", "[400, 64]", "[400, 65]"]);

    fs::write(folder.join("a-file"), b"").expect("a file");
    fails(folder, &["train", "digits", "--device", "cpu", "--runs", "a-file"], 1, &["a-file"]);
}

/// Another run starts from the weights of a run, keeps some, and ends with its budget.
#[test]
fn a_run_starts_from_another_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    let run_name = run.to_str().expect("a UTF-8 path").to_owned();
    let small = ["train", "digits", "--device", "cpu", "--set", "data.train_size=320"];
    let small = [&small[..], &["--set", "data.test_size=32", "--set", "batch_size=32"]].concat();
    let more = ["--init-from", &run_name, "--freeze", "conv*", "--set", "budget={steps=3}"];
    let more = [&more[..], &["--set", "early_stopping={patience=2}"]].concat();
    let output = verigrad(folder.path(), &[&small[..], &more].concat());
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in [
        "weights-best.safetensors\nloaded   conv1,",
        "early_stopping watches the test set",
        "the budget of 3 steps is spent",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let recipe = fs::read_to_string(folder.path().join("runs/digits-2/recipe.toml"));
    assert!(recipe.expect("the recipe").contains("freeze = [\"conv*\"]"));
    let stranger = [&small[..], &["--init-from", "nowhere.safetensors"]].concat();
    fails(folder.path(), &stranger, 1, &["nowhere.safetensors"]);
    let typo = [&small[..], &["--freeze", "convolution"]].concat();
    fails(folder.path(), &typo, 2, &["convolution", "conv1"]);
}

/// `bench RECIPE` gives a table and JSON, and compares itself with a baseline by its exit code.
#[test]
fn a_recipe_is_measured_and_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = [
        "bench",
        "digits",
        "--device",
        "cpu",
        "--seconds",
        "0",
        "--repetitions",
        "2",
        "--steps",
        "4",
        "--set",
        "data.train_size=320",
        "--set",
        "data.test_size=32",
        "--set",
        "batch_size=16",
        "--trace",
        "trace.json",
    ];
    let json = verigrad(folder.path(), &[&args[..], &["--json"]].concat());
    let row: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one JSON object");
    // Against a baseline that took an hour, the run is faster; against one of no time, slower.
    for (seconds, code) in [(3600.0, 0), (1e-9, 1)] {
        let mut baseline = row.clone();
        for key in ["seconds", "fastest", "slowest"] {
            baseline["timing"][key] = seconds.into();
        }
        fs::write(folder.path().join("baseline.json"), baseline.to_string()).expect("a file");
        let compare = [&args[..], &["--compare", "baseline.json"]].concat();
        let output = verigrad(folder.path(), &compare);
        assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
        let verdict = if code == 0 { "faster" } else { "SLOWER" };
        let text = stdout(&output);
        assert!(text.contains(verdict), "{text}");
        for part in ["images/s", "to the first step: device", "conv2d"] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert_eq!(text.contains("MiB of host memory after 4 steps"), cfg!(target_os = "linux"));
        let trace = fs::read_to_string(folder.path().join("trace.json")).expect("a trace");
        let trace: serde_json::Value = serde_json::from_str(&trace).expect("JSON");
        assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 20));
    }
    fails(
        folder.path(),
        &["bench", "digits", "--device", "cpu", "--seconds", "0", "--compare", "nowhere.json"],
        1,
        &["nowhere.json", "cannot be read"],
    );
}
