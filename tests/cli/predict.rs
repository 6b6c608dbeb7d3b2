//! `predict` on files and folders, and how much it tells.

use super::*;

/// A folder with a small run, and `pictures` with pictures in folders, and other files.
fn folder_with_pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = ["train", "digits", "--device", "cpu", "--set", "epochs=0"];
    let sizes = ["--set", "data.train_size=64", "--set", "data.test_size=20"];
    let output = verigrad(folder.path(), &[&args[..], &sizes].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let at = |name: &str| folder.path().join("pictures").join(name);
    fs::create_dir_all(at("deep/er")).expect("folders");
    for (i, name) in ["b.png", "a.PNG", "deep/c.png", "deep/er/d.png"].into_iter().enumerate() {
        let level = u8::try_from(40 * i).expect("few");
        let picture = image::GrayImage::from_pixel(28, 28, image::Luma([level]));
        picture.save(at(name)).expect("a picture");
    }
    for name in ["notes.txt", ".hidden.png"] {
        fs::write(at(name), "no picture").expect("a file");
    }
    folder
}

const RUN: [&str; 4] = ["predict", "runs/digits-1", "--device", "cpu"];

#[test]
fn folders_stand_for_all_pictures_in_them() {
    let folder = folder_with_pictures();
    let args = [&RUN[..], &["pictures", "--top", "1", "--csv", "p.csv"]].concat();
    let output = verigrad(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" %  ")).collect();
    let names = ["a.PNG", "b.png", "deep/c.png", "deep/er/d.png"];
    assert_eq!(lines.len(), names.len(), "{text}");
    for (line, name) in lines.iter().zip(names) {
        assert!(line.ends_with(&format!("  pictures/{name}")), "{line}");
    }
    assert!(stderr(&output).contains("1 file is passed over"), "{}", stderr(&output));
    let csv = fs::read_to_string(folder.path().join("p.csv")).expect("it was asked for");
    assert_eq!(csv.lines().count(), 1 + names.len(), "{csv}");

    fs::create_dir(folder.path().join("empty")).expect("a folder");
    let empty = [&RUN[..], &["empty"]].concat();
    fails(folder.path(), &empty, 1, &["no picture in empty", "PNG"]);
}

#[test]
fn as_many_classes_are_told_as_are_asked_for() {
    let folder = folder_with_pictures();
    let told = |more: &[&str]| {
        let output = verigrad(folder.path(), &[&RUN[..], &["pictures/b.png"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(told(&[]).matches(" %  ").count(), 10);
    let three = told(&["--top", "3"]);
    assert_eq!(three.matches(" %  ").count(), 3, "{three}");
    for (more, count) in [(&["--json"][..], 10), (&["--json", "--top", "2"], 2)] {
        let json: serde_json::Value = serde_json::from_str(&told(more)).expect("JSON");
        let image = &json["images"][0];
        let listed = image["probabilities"].as_array().expect("a list");
        assert_eq!(listed.len(), count);
        if count == 2 {
            assert_eq!(listed[0]["class"], image["class"], "the most likely one is the first");
        }
    }
    fails(folder.path(), &[&RUN[..], &["pictures", "--top", "0"]].concat(), 2, &["--top"]);
}

/// A damaged file among many is told at the end.
#[test]
fn a_bad_picture_of_a_folder_does_not_keep_the_others_back() {
    let folder = folder_with_pictures();
    fs::write(folder.path().join("pictures/bad.png"), "none").expect("a file");
    let output = verigrad(folder.path(), &[&RUN[..], &["pictures", "--top", "1"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output).matches(" %  ").count(), 4, "{}", stdout(&output));
    assert!(stderr(&output).contains("bad.png"), "{}", stderr(&output));
}

#[test]
fn doctor_checks_the_kernels_of_the_host() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = ["doctor", "scale", "--exact", "--quick", "--device", "cpu", "--json"];
    let output = verigrad(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["device"]["kind"], "cpu");
    let op = &report["ops"][0];
    // The code of a run, and each host kernel beside the reference.
    let count = |key: &str| op[key].as_u64().expect("a count");
    assert!(count("lowerings") > count("cases") && count("failed") == 0, "{op}");
    fails(folder.path(), &["doctor", "nosuchop"], 2, &["\"nosuchop\"", "conv2d", "softmax"]);
    fails(folder.path(), &["train", "digits", "--device", ""], 2, &["--device"]);
}
