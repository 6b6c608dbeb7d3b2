//! Where results go: full disks, readers that go away, pipes and links, and names that would steer a
//! terminal or run in a spreadsheet.

use std::process::Stdio;

use verigrad::train::{Recipe, builtin_recipes};

use super::*;

/// The binary in `folder` with its output on `/dev/full`, which answers every write as a full disk.
#[cfg(target_os = "linux")]
fn into_full(folder: &Path, args: &[&str]) -> Output {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder)
        .env_remove("VERIGRAD_DATA")
        .stdout(full)
        .output()
        .expect("the binary starts")
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for args in [&["recipes"][..], &["--help"], &["--version"], &["summary", "digits"]] {
        let output = into_full(folder.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("standard output could not be written"), "{args:?}");
    }
    // Another failure keeps its own code.
    let output = into_full(folder.path(), &["eval", "absent"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(into_full(folder.path(), &["train", "nosuch"]).status.code(), Some(2));
}

/// A training ends well whose reader went away, and so does a listing.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let train = ["train", "digits", "--device", "cpu", "--set", "epochs=1"];
    let small = ["--set", "data.train_size=64", "--set", "data.test_size=20"];
    for args in [&["recipes"][..], &[&train[..], &small].concat()] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_verigrad"))
            .args(args)
            .current_dir(folder.path())
            .env_remove("VERIGRAD_DATA")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
    assert!(folder.path().join("runs/digits-1/result.json").is_file());
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_written_through() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("target.csv"), "old").expect("a file");
    symlink("target.csv", at("link.csv")).expect("a link");
    assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs").success());
    let export = |output: &str| {
        let sizes = ["--set", "data.train_size=20", "--set", "data.test_size=5"];
        let args = [&["data", "export", "digits", "-o", output], &sizes[..]].concat();
        let output = verigrad(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).expect("it can be read"));
    export("pipe");
    let piped = reader.join().expect("no panic");
    export("link.csv");
    export("/dev/null");
    export("plain.csv");
    let plain = fs::read_to_string(at("plain.csv")).expect("a file");
    assert!(plain.lines().count() > 5, "{plain}");
    assert_eq!(piped, plain);
    assert_eq!(fs::read_to_string(at("target.csv")).expect("a file"), plain);
    assert!(fs::symlink_metadata(at("link.csv")).expect("it is there").is_symlink());
    assert!(fs::metadata(at("pipe")).expect("it is there").file_type().is_fifo());
    assert!(fs::metadata("/dev/null").expect("it is there").file_type().is_char_device());
}

/// A recipe whose name rings the bell, a class that is a formula, and folders of classes whose names hold an
/// escape sequence and a line feed, which are refused.
#[cfg(unix)]
#[test]
fn names_neither_steer_the_terminal_nor_run_in_a_spreadsheet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let classes =
        [("data", "=cmd|x"), ("data", "b"), ("line", "new\nline"), ("red", "red\u{1b}[31m")];
    for (number, (data, class)) in (0..).zip(classes) {
        for split in ["train", "test"] {
            let place = folder.path().join(data).join(split).join(class);
            fs::create_dir_all(&place).expect("a folder");
            for i in 0..4_u8 {
                let pixel = image::Rgb([80 * number + i, 200, 10]);
                let picture = image::RgbImage::from_pixel(4, 4, pixel);
                picture.save(place.join(format!("{i}.png"))).expect("a picture");
            }
        }
    }
    let recipe = "name = \"bell\\u0007\"\nepochs = 1\nbatch_size = 4\nlayers = [{ type = \"flatten\" }, \
                  { type = \"dense\" }]\n[data]\ndataset = \"folder\"\npath = \"data\"\n[optimizer]\n\
                  type = \"sgd\"\nlearning_rate = 0.1\n";
    fs::write(folder.path().join("r.toml"), recipe).expect("a file");
    let picture = folder.path().join("data/test/=cmd|x/0.png");
    let picture = picture.to_str().expect("a UTF-8 path");
    let commands: [&[&str]; 7] = [
        &["train", "r.toml", "--device", "cpu", "--data-dir", "."],
        &["eval", "runs/bell--1", "--device", "cpu", "--data-dir", "."],
        &["predict", "runs/bell--1", picture, "--device", "cpu", "--csv", "p.csv"],
        &["data", "list", "--data-dir", "."],
        &["train", "\u{1b}[31mnosuch"],
        &["train", "r.toml", "--set", "data.path=line"],
        &["train", "r.toml", "--set", "data.path=red"],
    ];
    for args in commands {
        let output = verigrad(folder.path(), args);
        let text = stdout(&output) + &stderr(&output);
        let raw = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{args:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("line")), "{args:?}: {text}");
        let refused = args[1].contains("nosuch") || args.contains(&"--set");
        assert_ne!(output.status.success(), refused, "{args:?}: {text}");
    }
    let csv = fs::read_to_string(folder.path().join("p.csv")).expect("it was asked for");
    for field in csv.lines().skip(1).flat_map(|line| line.split(',')) {
        assert!(!field.starts_with(['=', '+', '@']), "{csv}");
    }
}

/// What `--json` prints is JSON and nothing else, and `--quiet` prints nothing at all.
#[test]
fn json_is_alone_and_quiet_is_quiet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sizes = ["--set", "epochs=1", "--set", "data.train_size=64", "--set", "data.test_size=20"];
    let train = [&["train", "digits", "--device", "cpu", "--quiet"], &sizes[..]].concat();
    let output = verigrad(folder.path(), &train);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stdout(&output));
    let picture = image::GrayImage::from_pixel(28, 28, image::Luma([9]));
    picture.save(folder.path().join("p.png")).expect("a picture");
    let json = |args: &[&str]| -> serde_json::Value {
        let output = verigrad(folder.path(), &[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        let text = stdout(&output);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| unreachable!("{args:?}: {error}: {text}"))
    };
    let eval = json(&["eval", "runs/digits-1", "--device", "cpu"]);
    assert_eq!((&eval["weights"], &eval["split"]), (&"last".into(), &"test".into()));
    assert_eq!(eval["figures"]["examples"], 20);
    let predict = json(&["predict", "runs/digits-1", "p.png", "--device", "cpu"]);
    let image = &predict["images"][0];
    let probabilities = image["probabilities"].as_array().expect("a list");
    let sum: f64 = probabilities.iter().filter_map(|p| p["probability"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-5 && image["class"].is_string(), "{image}");
    let summary = json(&["summary", "mnist-cnn"]);
    assert_eq!(summary["parameters"], 232_650);
    assert!(summary["layers"][0]["flop"].is_u64(), "{summary}");
    let recipes = json(&["recipes"]);
    let of_name = |name: &str| {
        let list = recipes.as_array().expect("a list").iter();
        list.clone().find(|recipe| recipe["name"] == name).cloned().expect(name)
    };
    assert_eq!(of_name("mnist-cnn")["parameters"], 232_650);
    let sets = json(&["data", "list", "--data-dir", "."]);
    assert_eq!(sets[0]["dataset"], "synthetic-digits");
    assert!(sets[0]["classes"] == 10 && sets[1]["missing_from"].is_array(), "{sets}");
    for device in json(&["devices"]).as_array().expect("a list") {
        let limits = &device["limits"];
        assert!(limits.is_null() || limits["workgroups per dimension"].is_u64(), "{device}");
    }
}

#[test]
fn recipes_are_shown_and_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = |args: &[&str]| {
        let output = verigrad(folder.path(), args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    for builtin in builtin_recipes().iter().step_by(4) {
        let name = builtin.name;
        assert_eq!(told(&["recipes", "show", name]), builtin.text);
        let full = told(&["recipes", "show", name, "--full"]);
        let read = Recipe::parse(name, &full, &[]).expect("it can be read");
        assert_eq!(read, Recipe::builtin(name, &[]).expect("built in"), "{full}");
    }
    let changed = told(&["recipes", "show", "digits", "--set", "epochs=7"]);
    assert_eq!(Recipe::parse("digits", &changed, &[]).expect("it can be read").epochs, 7);

    let text = builtin_recipes()[0].text;
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    write("fine.toml", text);
    write("typo.toml", &text.replace("batch_size", "batch_sise"));
    write(
        "misfit.toml",
        &format!("{text}\n[[layers]]\ntype = \"conv2d\"\nout_channels = 4\nkernel_size = 3\n"),
    );
    let fine = told(&["recipes", "check", "fine.toml", "mnist-cnn"]);
    assert!(fine.contains("fine.toml: a recipe on synthetic-digits"), "{fine}");
    assert!(fine.contains("mnist-cnn: a recipe on mnist, 232,650 parameters"), "{fine}");
    let check = ["recipes", "check", "typo.toml", "fine.toml", "misfit.toml", "none.toml"];
    let parts = ["batch_sise", "misfit.toml", "none.toml", "3 of 4"];
    fails(folder.path(), &check, 1, &parts);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fails(folder.path(), &["doctor", "nosuchop"], 2, &["\"nosuchop\"", "there are", "matmul"]);
    fails(folder.path(), &["doctor", "matmu", "--exact"], 2, &["is \"matmu\"", "matmul"]);
    fails(folder.path(), &["train", "digits", "--device", ""], 2, &["--device"]);
    let help = stdout(&verigrad(folder.path(), &["--help"]));
    assert!(help.contains("Train CNNs on any GPU"), "{help}");
    assert!(help.contains("Without a command, verigrad trains"), "{help}");
    let recipe = "name = \"a\"\nepochs = 1\nbatch_size = 1\n[data]\ndataset = \"synthetic-digits\"\n\
                  [optimizer]\ntype = \"sgd\"\nlearning_rate = 0.1\n[[layers]]\ntype = \"dense\"\n\
                  unitz = 16\n";
    fs::write(folder.path().join("r.toml"), recipe).expect("a file");
    fails(folder.path(), &["summary", "r.toml"], 2, &["r.toml: line 11: layers.0.unitz"]);
}

/// Without a folder for sockets, the library of a display that drivers ask for stays silent.
#[cfg(target_os = "linux")]
#[test]
fn no_line_of_a_driver_comes_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .arg("devices")
        .current_dir(folder.path())
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}
