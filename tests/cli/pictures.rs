//! Pictures that stay in their files, and the names of files in what a run leaves.

use super::{stderr, stdout, verigrad};
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};

const RECIPE: &str = r#"
name = "large"
epochs = 1
batch_size = 4
sampler = "balanced"
[data]
dataset = "folder"
path = "pets"
image_size = [6, 6]
stream = true
validation = 0.2
[augment]
random_resized_crop = { scale = [0.3, 1.0] }
[optimizer]
type = "sgd"
learning_rate = 0.01
[[layers]]
type = "flatten"
[[layers]]
type = "dense"
"#;

/// Pictures of two classes, and links to them, so that one class has twice as many.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("large.toml"), RECIPE).expect("a recipe");
    let pets = folder.path().join("pets");
    for (class, value, links) in [("cat", 0, 20_u8), ("dog", 100, 10)] {
        for (split, n) in [("train", links), ("test", 5)] {
            let to = pets.join(split).join(class);
            fs::create_dir_all(&to).expect("a folder");
            for i in 0..n {
                let first = pets.join("train").join(class).join(format!("{}.png", i % 5));
                let file = to.join(format!("{i}.png"));
                if first == file {
                    let color = Rgb([value + 10 * i, i, 200 - value]);
                    RgbImage::from_pixel(9, 12, color).save(file).expect("a picture");
                } else {
                    fs::hard_link(first, file).expect("a link");
                }
            }
        }
    }
    folder
}

const TRAIN: [&str; 4] = ["train", "large.toml", "--device", "cpu"];

fn damage(root: &Path, file: &str) {
    let path = root.join("pets").join(file);
    fs::remove_file(&path).expect("a file");
    fs::write(path, "no picture").expect("written");
}

#[test]
fn pictures_stream_and_are_named_in_the_evaluation() {
    let folder = project();
    let output = verigrad(folder.path(), &TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("training: cat 16, dog 8") && text.contains("validation: cat 4, dog 2"));
    assert!(text.contains("read from their files in every epoch"), "{text}");
    let run = folder.path().join("runs/large-1");
    let recipe = fs::read_to_string(run.join("recipe.toml")).expect("a recipe");
    assert!(recipe.contains("stream = true"), "{recipe}");
    let page = fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains(": test/cat/") || page.contains(": test/dog/"));

    let eval = ["eval", "runs/large-1", "--device", "cpu", "--csv", "out.csv"];
    let output = verigrad(folder.path(), &eval);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = fs::read_to_string(folder.path().join("out.csv")).expect("a table");
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    assert_eq!(header, "index,label,prediction,correct,file,class,predicted,p0,p1");
    assert_eq!(lines.clone().count(), 10);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let class = ["cat", "dog"][fields[1].parse::<usize>().expect("a label")];
        assert_eq!((fields.len(), fields[5]), (9, class));
        assert!(fields[4].starts_with(&format!("test/{class}/")), "{line}");
    }
}

#[test]
fn damaged_pictures_that_stream_are_told() {
    let folder = project();
    for file in ["train/cat/7.png", "train/dog/8.png", "test/dog/3.png"] {
        damage(folder.path(), file);
    }
    let output = verigrad(folder.path(), &TRAIN);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("/8.png") || text.contains("/7.png") || text.contains("/3.png"),
        "{text}"
    );
    assert!(text.contains("--skip-damaged"), "{text}");

    let output = verigrad(folder.path(), &[&TRAIN[..], &["--skip-damaged"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("test: cat 5, dog 4"), "{}", stdout(&output));
    let runs = fs::read_dir(folder.path().join("runs")).expect("runs");
    let mut runs: Vec<_> = runs.flatten().map(|entry| entry.path()).collect();
    runs.sort();
    let account = runs.last().expect("a run").join("data.json");
    let account = fs::read_to_string(account).expect("an account");
    assert!(account.contains("test/dog/3.png"), "{account}");
    let replaced = ["train/cat/7.png", "train/dog/8.png"].map(|file| account.contains(file));
    assert_eq!(replaced.contains(&true), stderr(&output).contains("took their places"));
}
