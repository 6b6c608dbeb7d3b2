//! `verigrad find-batch`.

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
