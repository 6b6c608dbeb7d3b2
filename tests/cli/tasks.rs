//! Recipes that learn numbers, or which of several classes apply, from a table beside the pictures.

use super::{fails, stderr, stdout, verigrad};
use std::fs;
use std::path::Path;
use std::process::Output;

use image::RgbImage;

/// Pictures of 12x12 pixels, each with a square in red, in green or in both, and a table that says how wide
/// and where the red one is, and which colors there are.
const PICTURES: u32 = 120;

const MODEL: &str = r#"
[optimizer]
type = "adam"
learning_rate = 0.005
[[layers]]
type = "conv2d"
out_channels = 8
kernel_size = 3
padding = "same"
[[layers]]
type = "activation"
function = "relu"
[[layers]]
type = "flatten"
[[layers]]
type = "dense"
units = 32
[[layers]]
type = "activation"
function = "relu"
[[layers]]
type = "dense"
"#;

fn recipe(name: &str, epochs: u32, data: &str) -> String {
    format!(
        "name = \"{name}\"\nepochs = {epochs}\nbatch_size = 16\n[data]\ndataset = \"folder\"\npath = \
         \"squares\"\nlabels = \"squares.csv\"\n{data}\n{MODEL}"
    )
}

fn draw(picture: &mut RgbImage, (x, y, size): (u32, u32, u32), channel: usize) {
    for dx in 0..size {
        for dy in 0..size {
            picture.get_pixel_mut((x + dx).min(11), (y + dy).min(11)).0[channel] = 255;
        }
    }
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let squares = folder.path().join("squares");
    fs::create_dir(&squares).expect("a folder");
    let mut table = "file,size,left,colors,red,green\n".to_owned();
    for i in 0..PICTURES {
        let mut picture = RgbImage::new(12, 12);
        let (size, left) = (2 + i % 5, (i * 7) % 6);
        let (red, green) = (i % 4 != 3, i % 3 == 0);
        if red {
            draw(&mut picture, (left, i % 6, size), 0);
        }
        if green {
            draw(&mut picture, (i % 7, (i * 5) % 7, 3), 1);
        }
        let size = if red { size } else { 0 };
        picture.save(squares.join(format!("{i}.png"))).expect("a picture");
        let colors = [(red, "red"), (green, "green")];
        let colors: Vec<&str> =
            colors.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        let left = if red { f64::from(left) / 2.0 } else { 0.0 };
        table += &format!(
            "{i}.png,{size},{left},{},{},{}\n",
            colors.join("|"),
            u8::from(red),
            u8::from(green)
        );
    }
    fs::write(squares.join("squares.csv"), table).expect("a table");
    let numbers = "task = \"regression\"\ntargets = [\"size\", \"left\"]\nvalidation = 0.1";
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a recipe");
    };
    write("numbers.toml", &recipe("numbers", 25, numbers));
    let names = "task = \"multi_label\"\n";
    // The column of names has a name that is known in other tables.
    let table = fs::read_to_string(squares.join("squares.csv")).expect("a table");
    fs::write(squares.join("names.csv"), table.replacen("colors", "label", 1)).expect("a table");
    let by_name = recipe("names", 12, names).replace("squares.csv", "names.csv");
    write("names.toml", &by_name);
    let columns = "task = \"multi_label\"\ntargets = [\"green\", \"red\"]\n";
    write("columns.toml", &recipe("columns", 12, columns));
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    assert_eq!(stderr(&output).matches("warning").count(), 0, "{}", stderr(&output));
    output
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn numbers_are_learned_from_the_columns_of_a_table() {
    let folder = project();
    let folder = folder.path();
    let text = stdout(&run(folder, &["train", "numbers.toml", "--device", "cpu"]));
    for part in ["2 targets", "training: images 86", "test loss", "mean absolute error", "R²"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(!text.contains("NaN") && !text.contains("accuracy"), "{text}");
    let read = |name: &str| fs::read_to_string(folder.join("runs/numbers-1").join(name));
    let evaluation = json(&read("evaluation.json").expect("evaluation.json"));
    let test = &evaluation["splits"]["test"];
    assert_eq!(evaluation["classes"], serde_json::json!(["size", "left"]));
    let squared = test["targets"][0]["r_squared"].as_f64().expect("a number");
    assert!(squared > 0.9, "the size is plain to see: {test}");
    assert!(test["accuracy"].is_null(), "{test}");

    // The figures are those of the file of predictions, and this has the numbers of the table.
    let table = fs::read_to_string(folder.join("squares/squares.csv")).expect("a table");
    run(folder, &["eval", "runs/numbers-1", "--device", "cpu", "--csv", "test.csv"]);
    let csv = fs::read_to_string(folder.join("test.csv")).expect("a table");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("index,file,size,size predicted,left,left predicted"));
    let mut error = 0.0;
    let mut n = 0.0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| cells[i].parse::<f64>().expect("a number");
        let known = format!("{},{},{},", cells[1], number(2), number(4));
        assert!(table.lines().any(|row| row.starts_with(&known)), "no {known} in the table");
        error += (number(3) - number(2)).abs();
        n += 1.0;
    }
    assert_eq!(n, 24.0, "a fifth of 120");
    let told = test["targets"][0]["mean_absolute_error"].as_f64().expect("a number");
    assert!((error / n - told).abs() < 1e-6, "{} {told}", error / n);

    // A picture without an answer.
    let args = ["predict", "runs/numbers-1", "squares/4.png", "--device", "cpu", "--json"];
    let said = json(&stdout(&run(folder, &args)));
    let size = &said["images"][0]["values"][0];
    assert_eq!(size["target"], "size");
    assert!((size["value"].as_f64().expect("a number") - 6.0).abs() < 1.5, "{said}");

    let page = read("report.html").expect("a page");
    for part in ["id=\"targets\"", "id=\"target0\"", "Largest errors", ", predicted ", "test loss"]
    {
        assert!(page.contains(part), "no {part:?} on the page");
    }
    for absent in ["id=\"confusion\"", "NaN", "id=\"accuracy\""] {
        assert!(!page.contains(absent), "{absent:?} is on the page");
    }
}

#[test]
fn several_classes_apply_by_name_or_by_column() {
    let folder = project();
    let folder = folder.path();
    for name in ["names", "columns"] {
        let recipe = format!("{name}.toml");
        let text = stdout(&run(folder, &["train", &recipe, "--device", "cpu"]));
        assert!(text.contains("all right") && text.contains("mAP"), "{text}");
        assert!(!text.contains("NaN"), "{text}");
        let file = folder.join(format!("runs/{name}-1/evaluation.json"));
        let evaluation = json(&fs::read_to_string(file).expect("evaluation.json"));
        assert_eq!(evaluation["classes"], serde_json::json!(["green", "red"]));
        let test = &evaluation["splits"]["test"];
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let precision = number(&test["multi_label"]["mean_average_precision"]);
        assert!(precision > 0.95, "colors are plain to see: {test}");
        assert!(number(&test["accuracy"]) > 0.8, "{test}");
        assert_eq!(test["per_class"].as_array().map(Vec::len), Some(2), "{test}");
    }
    // The same classes, whichever way they are told, so the same training.
    let weights = |name: &str| {
        let result = fs::read_to_string(folder.join(format!("runs/{name}-1/result.json")));
        json(&result.expect("result.json"))["weights_sha256"].clone()
    };
    assert_eq!(weights("names"), weights("columns"));
    let args = ["predict", "runs/names-1", "squares/0.png", "--device", "cpu", "--top", "1"];
    let text = stdout(&run(folder, &args));
    assert!(text.contains(" %  red") || text.contains(" %  green"), "{text}");
}

/// Targets go with their pictures on every path: in memory, streamed, augmented, resumed, on a GPU.
#[test]
fn targets_stay_with_their_pictures() {
    let folder = project();
    let folder = folder.path();
    let sha = |args: &[&str], name: &str| {
        run(folder, &[&["train", "numbers.toml", "--device", "cpu"], args].concat());
        let result = fs::read_to_string(folder.join("runs").join(name).join("result.json"));
        json(&result.expect("result.json"))["weights_sha256"].clone()
    };
    let short = ["--set", "epochs=3", "--set", "data.image_size=[12, 12]"];
    let augmented = [&short[..], &["--set", "augment.rotation=5"]].concat();
    let whole = sha(&augmented, "numbers-1");
    let streamed = sha(&[&augmented[..], &["--set", "data.stream=true"]].concat(), "numbers-2");
    assert_eq!(whole, streamed);
    let cut = [&augmented[..], &["--set", "budget.steps=9", "--set", "data.stream=true"]].concat();
    sha(&cut, "numbers-3");
    let more = ["train", "--resume", "runs/numbers-3", "--set", "budget.steps=1000"];
    run(folder, &more);
    let result = fs::read_to_string(folder.join("runs/numbers-3/result.json"));
    assert_eq!(json(&result.expect("result.json"))["weights_sha256"], whole);
    // Every op of a step against the reference.
    let shadowed = ["train", "numbers.toml", "--device", "gpu", "--shadow", "--set", "epochs=1"];
    run(folder, &shadowed);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = project();
    let folder = folder.path();
    let fails_with = |code: i32, set: &str, parts: &[&str]| {
        let args = ["train", "numbers.toml", "--device", "cpu", "--set", set];
        fails(folder, &args, code, parts);
    };
    // What the recipe alone tells, and what the table does.
    let wrong = |set: &str, parts: &[&str]| fails_with(2, set, parts);
    let unfit = |set: &str, parts: &[&str]| fails_with(1, set, parts);
    wrong("label_smoothing=0.1", &["label_smoothing", "task = \"regression\"", "leave it out"]);
    wrong("augment.mixup=0.2", &["augment.mixup", "regression"]);
    wrong("sampler=balanced", &["sampler", "regression"]);
    wrong("class_weights=balanced", &["class_weights", "regression"]);
    wrong("best_by=test_accuracy", &["best_by", "watch a loss"]);
    wrong("data.targets=[]", &["names no column"]);
    wrong("data.targets=[\"size\", \"size\"]", &["named twice"]);
    unfit("data.targets=[\"weight\"]", &["no column \"weight\"", "size, left, colors"]);
    unfit("data.targets=[\"colors\"]", &["line 2", "colors is", "expected a number"]);
    wrong("data.task=classification", &["targets", "give a task"]);
    unfit("data.task=multi_label", &["size is \"2\"", "1 where the class applies"]);
    wrong("layers.5.units=3", &["gives [3] per example", "2 targets", "2 units"]);
    let alone = "name = \"x\"\nepochs = 1\nbatch_size = 4\ndata = { dataset = \"mnist\", task = \
                 \"regression\" }\nlayers = [{ type = \"flatten\" }, { type = \"dense\", units = 1 }]\n\
                 optimizer = { type = \"sgd\", learning_rate = 0.1 }\n";
    fs::write(folder.join("alone.toml"), alone).expect("a recipe");
    fails(folder, &["train", "alone.toml"], 2, &["needs a table of answers", "labels ="]);

    run(folder, &["train", "numbers.toml", "--device", "cpu", "--set", "epochs=1"]);
    let of_classes = "tell one of several classes";
    for command in [
        &["ensemble", "runs/numbers-1", "runs/numbers-1"][..],
        &["compare", "runs/numbers-1", "numbers.toml"],
        &["analyze", "adversarial", "runs/numbers-1"],
        &["analyze", "quantize", "runs/numbers-1"],
        &["analyze", "saliency", "runs/numbers-1"],
    ] {
        fails(folder, command, 1, &["task = \"regression\"", of_classes]);
    }
}
