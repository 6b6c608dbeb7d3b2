//! Data that people have: folders in many layouts, odd files, paths from anywhere.

use super::{fails, stderr, stdout, verigrad};
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};

const RECIPE: &str = r#"
name = "tiny"
epochs = 1
batch_size = 4
[data]
dataset = "folder"
path = "pets"
[optimizer]
type = "sgd"
learning_rate = 0.01
[[layers]]
type = "flatten"
[[layers]]
type = "dense"
"#;

/// `n` pictures of 4x4 pixels in each class of a folder.
fn write_classes(folder: &Path, n: u8) {
    for (class, value) in [("cat", 0), ("dog", 100)] {
        let folder = folder.join(class);
        fs::create_dir_all(&folder).expect("a folder");
        for i in 0..n {
            let picture = RgbImage::from_pixel(4, 4, Rgb([value + i; 3]));
            picture.save(folder.join(format!("{i}.png"))).expect("a picture");
        }
    }
}

/// A folder with a recipe and pictures beside it.
fn project(n: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("project")).expect("a folder");
    fs::write(folder.path().join("project/tiny.toml"), RECIPE).expect("a recipe");
    write_classes(&folder.path().join("project/pets"), n);
    folder
}

const TRAIN: [&str; 4] = ["train", "project/tiny.toml", "--device", "cpu"];

/// The pictures of a recipe lie beside it; a run finds them from any folder.
#[test]
fn paths_are_those_of_the_recipe_and_runs_keep_them() {
    let folder = project(10);
    let output = verigrad(folder.path(), &TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("training: cat 8, dog 8") && text.contains("test: cat 2, dog 2"),
        "{text}"
    );
    assert_eq!(stderr(&output).matches("warning").count(), 0, "{}", stderr(&output));

    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("runs/tiny-1");
    let run = run.to_str().expect("a UTF-8 path");
    let output = verigrad(elsewhere.path(), &["eval", run, "--device", "cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));

    // A path that is given in the command is that of the current folder.
    let given = [&TRAIN[..], &["--set", "data.path=project/pets"]].concat();
    let output = verigrad(folder.path(), &given);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_is_left_out_is_told_and_kept() {
    let folder = project(10);
    let pets = folder.path().join("project/pets");
    fs::write(pets.join("cat/x.heic"), "x").expect("written");
    fs::write(pets.join("cat/.DS_Store"), "x").expect("written");
    fs::create_dir(pets.join("dog/more")).expect("a folder");
    let picture = fs::read(pets.join("dog/0.png")).expect("a picture");
    fs::write(pets.join("dog/cut.png"), &picture[..picture.len() / 2]).expect("written");
    fs::write(pets.join("dog/page.jpg"), "<html>").expect("written");

    let parts = ["2 of 22 images cannot be used", "dog/cut.png: ", "dog/page.jpg: its content"];
    fails(folder.path(), &TRAIN, 1, &parts);
    let output = verigrad(folder.path(), &[&TRAIN[..], &["--skip-damaged"]].concat());
    let warned = stderr(&output);
    assert!(output.status.success(), "{warned}");
    for part in [
        "skipped 1 file that is no picture by its name (1 .heic), such as cat/x.heic",
        "skipped 1 folder inside of a class, such as dog/more",
        "skipped 2 damaged images, such as dog/",
    ] {
        assert!(warned.contains(part), "no {part:?} in {warned}");
    }
    assert!(!warned.contains("DS_Store"), "{warned}");

    let run = folder.path().join("runs/tiny-1");
    let account = verigrad::train::RunDir::open(&run).and_then(|run| run.data());
    let account = account.expect("it can be read").expect("it was written");
    assert_eq!((account.skipped.len(), account.damaged.len()), (3, 2));
    let used = account.splits.iter().flat_map(|split| &split.classes).map(|class| class.used);
    assert_eq!(used.sum::<usize>(), 20);
    // The run goes on without them in later commands, too.
    let run = run.to_str().expect("a UTF-8 path");
    let output = verigrad(folder.path(), &["eval", run, "--device", "cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// A folder of validation pictures chooses the best weights, without a word in the recipe.
#[test]
fn a_validation_folder_is_used() {
    let folder = project(4);
    let pets = folder.path().join("project/pets");
    fs::remove_dir_all(&pets).expect("removed");
    for part in ["Train", "Val", "Test"] {
        write_classes(&pets.join(part), 4);
    }
    let output = verigrad(folder.path(), &TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("validation: cat 4, dog 4"), "{text}");
    let run = folder.path().join("runs/tiny-1");
    let recipe = fs::read_to_string(run.join("recipe.toml")).expect("a recipe");
    assert!(recipe.contains("validation_folder = true"), "{recipe}");
    let run = run.to_str().expect("a UTF-8 path");
    let output =
        verigrad(folder.path(), &["eval", run, "--split", "validation", "--device", "cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("weights  best"), "{}", stdout(&output));
}

/// Nothing waits for a pipe or reads a device without end.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_errors_at_once() {
    let folder = project(3);
    let pipe = folder.path().join("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    fails(folder.path(), &["train", "pipe.toml"], 2, &["pipe.toml", "named pipe"]);
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.toml")).expect("a link");
    fails(folder.path(), &["train", "zero.toml"], 2, &["zero.toml", "device"]);
    for name in ["x.npz", "x.safetensors"] {
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).expect("a link");
        let args = ["weights", "import", name, "--recipe", "digits", "-o", "out.safetensors"];
        fails(folder.path(), &args, 1, &[name, "regular file"]);
    }
    // Among pictures, it is no picture.
    fs::rename(&pipe, folder.path().join("project/pets/cat/pipe.png")).expect("moved");
    let output = verigrad(folder.path(), &TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("skipped 1 entry that is no regular file"),
        "{}",
        stderr(&output)
    );
}

/// One bad file does not keep the others from being classified.
#[test]
fn predict_finishes_what_can_be_read() {
    let folder = project(6);
    let output = verigrad(folder.path(), &TRAIN);
    assert!(output.status.success(), "{}", stderr(&output));
    fs::write(folder.path().join("page.jpg"), "<html>").expect("written");
    let picture = "project/pets/cat/1.png";
    let args = ["predict", "runs/tiny-1", "page.jpg", picture, "--device", "cpu", "--csv", "p.csv"];
    fails(folder.path(), &args, 1, &["page.jpg: its content is none of PNG"]);
    let told = stdout(&verigrad(folder.path(), &args));
    assert!(told.contains(picture) && told.contains("%") && !told.contains("page.jpg"), "{told}");
    let csv = fs::read_to_string(folder.path().join("p.csv")).expect("it was asked for");
    assert!(csv.lines().count() == 2 && csv.contains(picture), "{csv}");
    let args = ["predict", "runs/tiny-1", "page.jpg", "absent.png", "--device", "cpu"];
    fails(folder.path(), &args, 1, &["2 of 2 images", "page.jpg", "absent.png"]);
}
