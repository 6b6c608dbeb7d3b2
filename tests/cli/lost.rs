//! Runs that go on although something of them, or of their data, was lost or changed.

use super::resume::{RESUME, TRAIN, folder_with_recipe, left_by, succeeds};
use super::*;

/// Whatever happened to the metrics of a run, it ends with a result, and with the metrics that it had:
/// its checkpoint knows them. The damage is told.
#[test]
fn lost_and_damaged_metrics_are_made_again() {
    let folder = folder_with_recipe();
    succeeds(folder.path(), &TRAIN);
    let whole = left_by(folder.path());
    let run = folder.path().join("runs/tiny-1");
    let csv = run.join("metrics.csv");
    let text = fs::read_to_string(&csv).expect("it is there");
    let lines: Vec<&str> = text.lines().collect();
    let middle = format!("{}\n{}\n{}\n", lines[0], lines[3], lines[4]);
    // A digit of a loss, which stays one.
    let comma = text.find("1,50,").expect("the first epoch") + 7;
    let mut flipped = text.clone().into_bytes();
    flipped[comma] ^= 1;
    let damages: [(&str, Option<Vec<u8>>); 4] = [
        ("lost", None),
        ("starts in the middle", Some(middle.into_bytes())),
        ("a flipped bit", Some(flipped)),
        ("no text", Some(b"epoch,\xff\n".to_vec())),
    ];
    for (name, damage) in damages {
        fs::remove_file(run.join("result.json")).expect("it is there");
        match &damage {
            None => fs::remove_file(&csv).expect("it is there"),
            Some(bytes) => fs::write(&csv, bytes).expect("a damaged file"),
        }
        let output = verigrad(folder.path(), &RESUME);
        let warned = stderr(&output);
        assert!(output.status.success(), "{name}: {warned}");
        assert!(warned.contains("warning: runs/tiny-1/metrics.csv was"), "{name}: {warned}");
        assert!(warned.contains("made again from the checkpoint"), "{name}: {warned}");
        assert!(left_by(folder.path()) == whole, "{name}: the files differ");
    }
}

/// Steps and histograms, which no checkpoint has, lose what cannot be read, and the run goes on.
#[test]
fn what_no_checkpoint_has_is_kept_as_far_as_it_can_be_read() {
    let folder = folder_with_recipe();
    succeeds(folder.path(), &TRAIN);
    let run = folder.path().join("runs/tiny-1");
    for file in ["steps.csv", "histograms.jsonl"] {
        let text = fs::read_to_string(run.join(file)).expect("it is there");
        let lines: Vec<&str> = text.lines().collect();
        let damaged = format!("{}\n{}?\n{}\n", lines[0], lines[1], lines[2..].join("\n"));
        fs::write(run.join(file), damaged).expect("a damaged file");
    }
    fs::remove_file(run.join("result.json")).expect("it is there");
    let output = verigrad(folder.path(), &RESUME);
    let warned = stderr(&output);
    assert!(output.status.success(), "{warned}");
    for part in ["steps.csv was damaged: line 2", "histograms.jsonl was damaged"] {
        assert!(warned.contains(part), "{warned}");
    }
    let dir = RunDir::open(&run).expect("a run");
    assert_eq!(dir.steps().expect("all lines are rows").len(), 199);
    assert!(!dir.histograms().expect("all lines are records").is_empty());
    assert!(run.join("result.json").is_file() && run.join("steps.csv.damaged").is_file());
}

/// A pixel that changed since a run began is noticed when it goes on.
#[test]
fn another_data_set_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    for (shade, class) in [(20, "dark"), (220, "light")] {
        for split in ["train", "test"] {
            let place = at("data").join(split).join(class);
            fs::create_dir_all(&place).expect("a folder");
            for i in 0..6 {
                let picture = image::GrayImage::from_pixel(4, 4, image::Luma([shade + i]));
                picture.save(place.join(format!("{i}.png"))).expect("a picture");
            }
        }
    }
    let recipe = "name = \"shades\"\nepochs = 1\nbatch_size = 4\nlayers = [{ type = \"flatten\" }, \
                  { type = \"dense\" }]\n[data]\ndataset = \"folder\"\npath = \"data\"\n[optimizer]\n\
                  type = \"sgd\"\nlearning_rate = 0.1\n";
    fs::write(at("r.toml"), recipe).expect("a file");
    succeeds(folder.path(), &["train", "r.toml", "--device", "cpu", "--data-dir", "."]);
    let resume = ["train", "--resume", "runs/shades-1", "--data-dir", ".", "--set", "epochs=2"];
    let changed = at("data/train/dark/3.png");
    let before = fs::read(&changed).expect("a picture");
    let mut picture = image::GrayImage::from_pixel(4, 4, image::Luma([23]));
    picture.put_pixel(1, 2, image::Luma([24]));
    picture.save(&changed).expect("a picture");
    fails(folder.path(), &resume, 1, &["the data set has changed", "other pixels", "new run"]);
    fs::write(&changed, before).expect("the picture as it was");
    succeeds(folder.path(), &resume);
}
