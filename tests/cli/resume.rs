//! Runs that are interrupted, killed, damaged and extended, through the real binary.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// With running statistics, dropout, a velocity, a schedule and a validation set; four epochs of
/// fifty steps.
const RECIPE: &str = r#"
name = "tiny"
epochs = 4
batch_size = 16
data = { dataset = "synthetic-digits", train_size = 1000, test_size = 40, validation = 0.2 }
optimizer = { type = "sgd", learning_rate = 0.05, momentum = 0.9, nesterov = true }
schedule = { warmup_steps = 15 }
checkpoint = { every = 13 }
histograms = { bins = 16 }
layers = [
  { type = "conv2d", out_channels = 4, kernel_size = 3, stride = 2, bias = false },
  { type = "batch_norm" },
  { type = "activation", function = "relu" },
  { type = "flatten" },
  { type = "dropout", rate = 0.2 },
  { type = "dense", units = 10 },
]
"#;

pub(super) const TRAIN: [&str; 4] = ["train", "tiny.toml", "--device", "cpu"];
pub(super) const RESUME: [&str; 3] = ["train", "--resume", "runs/tiny-1"];

pub(super) fn folder_with_recipe() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("tiny.toml"), RECIPE).expect("a file");
    folder
}

pub(super) fn start(folder: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder)
        .env_remove("VERIGRAD_DATA")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

pub(super) fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// What a run leaves, but for what depends on the clock: the hash of its last weights, the weight
/// files, steps, histograms, and epochs without their last columns.
pub(super) fn left_by(folder: &Path) -> Vec<String> {
    let run = folder.join("runs/tiny-1");
    let text = |name: &str| fs::read_to_string(run.join(name)).expect(name);
    let result: serde_json::Value = serde_json::from_str(&text("result.json")).expect("JSON");
    let untimed = |line: &str| line.split(',').take(9).collect::<Vec<_>>().join(",");
    let json_epochs = text("metrics.jsonl")
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
            format!("{} {} {}", json["epoch"], json["train_loss"], json["test_loss"])
        })
        .collect::<Vec<_>>()
        .join("\n");
    let weights = |name: &str| format!("{:?}", fs::read(run.join(name)).expect(name));
    vec![
        result["weights_sha256"].to_string(),
        result["best_epoch"].to_string(),
        text("metrics.csv").lines().map(untimed).collect::<Vec<_>>().join("\n"),
        json_epochs,
        text("steps.csv"),
        text("histograms.jsonl"),
        weights("weights-best.safetensors"),
        weights("weights-last.safetensors"),
    ]
}

/// What the recipe leaves when nothing interrupts it.
pub(super) fn straight() -> Vec<String> {
    let folder = folder_with_recipe();
    succeeds(folder.path(), &TRAIN);
    left_by(folder.path())
}

/// The step of the newest checkpoint that is whole: its folder is there before it is.
fn newest_checkpoint(folder: &Path) -> Option<u64> {
    let files = fs::read_dir(folder.join("runs/tiny-1/checkpoint")).ok()?;
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let step = |name: String| {
        let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
        step.parse::<u64>().ok()
    };
    names.filter_map(step).max()
}

/// Waits until the run has a checkpoint of step `step` or a later one.
pub(super) fn wait_for_step(folder: &Path, step: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while newest_checkpoint(folder).is_none_or(|newest| newest < step) {
        assert!(Instant::now() < deadline, "no checkpoint of step {step}");
        std::thread::yield_now();
    }
}

#[cfg(unix)]
pub(super) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Whether programs that are started here end when their terminal goes away: not under `nohup`, whose choice
/// verigrad respects.
#[cfg(unix)]
fn hangs_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|m| m & 1 == 0)
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_saved_and_goes_on_with_the_same_bits() {
    let straight = straight();
    let names = ["-INT", "-TERM", "-HUP"];
    // Elsewhere than on Linux a terminal that goes away ends the run, as it does other programs.
    for name in &names[..if hangs_up() { 3 } else { 2 }] {
        let folder = folder_with_recipe();
        let child = start(folder.path(), &TRAIN);
        wait_for_step(folder.path(), 28);
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("interrupted after"), "{text}");
        assert!(text.contains("verigrad train --resume runs/tiny-1"), "{text}");
        assert!(!folder.path().join("runs/tiny-1/result.json").exists());
        let text = succeeds(folder.path(), &RESUME);
        assert!(text.contains("resumed  after"), "{text}");
        assert!(text.contains("CPU executor"), "the device is that of the run: {text}");
        assert!(left_by(folder.path()) == straight, "{name}");
    }
}

/// The command that goes on with a run that was killed: anew where it was killed before its first
/// checkpoint.
fn going_on(folder: &Path) -> &'static [&'static str] {
    if newest_checkpoint(folder).is_some() {
        return &RESUME;
    }
    let _ = fs::remove_dir_all(folder.join("runs"));
    &TRAIN
}

/// SIGKILL at moments that differ from run to run, again and again until the run is through.
#[test]
fn a_killed_run_goes_on_with_the_same_bits() {
    let began = Instant::now();
    let straight = straight();
    let whole = began.elapsed();
    let folder = folder_with_recipe();
    let (mut done, mut resumed) = (false, 0);
    for round in 0..12_u32 {
        let command = going_on(folder.path());
        resumed += u32::from(command == RESUME);
        let mut child = start(folder.path(), command);
        // Early and late ones in turn.
        let life = whole * (1 + round * 5 % 7) / 8;
        let until = Instant::now() + life;
        while Instant::now() < until && !done {
            done = child.try_wait().expect("it can be asked").is_some();
            std::thread::yield_now();
        }
        child.kill().expect("it can be killed");
        let output = child.wait_with_output().expect("it ends");
        if done {
            assert!(output.status.success(), "{}", stderr(&output));
            break;
        }
    }
    if !done {
        let command = going_on(folder.path());
        resumed += u32::from(command == RESUME);
        succeeds(folder.path(), command);
    }
    assert!(resumed > 0, "it was never killed after a checkpoint");
    assert!(left_by(folder.path()) == straight, "the files differ");
}

#[test]
fn a_torn_newest_checkpoint_falls_back_to_the_one_before() {
    let straight = straight();
    let folder = folder_with_recipe();
    let mut child = start(folder.path(), &TRAIN);
    wait_for_step(folder.path(), 28);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let checkpoints = folder.path().join("runs/tiny-1/checkpoint");
    let mut files: Vec<PathBuf> = fs::read_dir(&checkpoints)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    let newest = files.pop().expect("a checkpoint");
    let before = files.pop().expect("the one before");
    let content = fs::read(&newest).expect("its content");
    fs::write(&newest, &content[..content.len() - 100]).expect("a torn file");
    let output = verigrad(folder.path(), &RESUME);
    assert!(output.status.success(), "{}", stderr(&output));
    let warned = stderr(&output);
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(warned.contains("is damaged") && warned.contains(&name(&newest)), "{warned}");
    assert!(warned.contains(&name(&before)), "{warned}");
    assert!(left_by(folder.path()) == straight, "the files differ");
}

#[test]
fn a_finished_run_says_so_and_can_be_extended() {
    let folder = folder_with_recipe();
    let four = [&TRAIN[..], &["--set", "epochs=4", "--set", "schedule.warmup_steps=0"]].concat();
    succeeds(folder.path(), &four);
    let straight = left_by(folder.path());
    fs::remove_dir_all(folder.path().join("runs")).expect("it can be removed");
    let two = [&TRAIN[..], &["--set", "epochs=2", "--set", "schedule.warmup_steps=0"]].concat();
    succeeds(folder.path(), &two);
    let text = succeeds(folder.path(), &RESUME);
    assert!(text.contains("has finished: all epochs are done, after 100 steps"), "{text}");
    assert!(text.contains("--set epochs=4"), "{text}");
    let with = |set: &'static str| [&RESUME[..], &["--set", set]].concat();
    fails(folder.path(), &with("epochs=2"), 2, &["epochs=2", "2 epochs are done"]);
    fails(folder.path(), &with("batch_size=8"), 2, &["batch_size=8", "keeps its recipe"]);
    succeeds(folder.path(), &with("epochs=4"));
    assert!(left_by(folder.path()) == straight, "the files differ");
    let recipe = fs::read_to_string(folder.path().join("runs/tiny-1/recipe.toml")).expect("it");
    assert!(recipe.contains("epochs = 4"), "{recipe}");
}

#[test]
fn what_cannot_be_resumed_is_explained() {
    let folder = folder_with_recipe();
    let path = folder.path();
    fails(path, &["train", "--resume", "runs/no-1"], 1, &["runs/no-1", "does not exist"]);
    fails(path, &["train", "digits", "--resume", "runs/no-1"], 2, &["cannot be used with"]);
    fs::create_dir_all(path.join("runs/empty-1")).expect("a folder");
    fails(path, &["train", "--resume", "runs/empty-1"], 1, &["is no run directory"]);

    let once = [&TRAIN[..], &["--set", "epochs=1"]].concat();
    succeeds(path, &once);
    let checkpoints = path.join("runs/tiny-1/checkpoint");
    for file in fs::read_dir(&checkpoints).expect("a folder") {
        fs::write(file.expect("an entry").path(), "torn").expect("a file");
    }
    fails(path, &RESUME, 1, &["no intact checkpoint", "is damaged", "runs/tiny-1/recipe.toml"]);
    fs::remove_dir_all(&checkpoints).expect("it can be removed");
    fails(path, &RESUME, 1, &["holds no checkpoint", "runs/tiny-1/recipe.toml"]);
    let never = [&TRAIN[..], &["--set", "checkpoint.every=0"]].concat();
    fails(path, &never, 2, &["checkpoint.every", "epoch"]);
}

#[test]
fn a_run_that_is_under_way_is_left_alone() {
    let folder = folder_with_recipe();
    let mut child = start(folder.path(), &[&TRAIN[..], &["--set", "epochs=100000"]].concat());
    wait_for_step(folder.path(), 13);
    fails(folder.path(), &RESUME, 1, &["another process is training in runs/tiny-1"]);
    assert_eq!(child.try_wait().expect("it can be asked"), None, "it still trains");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// A limit on the size of files stands for a full disk: checkpoints do not fit, all else does. The
/// run goes on and says so; but when it is interrupted, work is lost, and that is a failure.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_cannot_be_saved_goes_on() {
    let limited = |folder: &Path, epochs: &str| {
        let script = "trap '' XFSZ; ulimit -f 200; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_verigrad")]).args(TRAIN);
        command.args(["--set", epochs, "--set", "layers.0.out_channels=8"]).current_dir(folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh runs")
    };
    let folder = folder_with_recipe();
    let output = limited(folder.path(), "epochs=2").wait_with_output().expect("it ends");
    let warned = stderr(&output);
    assert!(output.status.success(), "{warned}");
    for part in ["step 13 was not saved", "the disk or quota is full", "no checkpoint yet"] {
        assert!(warned.contains(part), "no {part:?} in:\n{warned}");
    }
    let run = folder.path().join("runs/tiny-1");
    assert!(run.join("result.json").is_file() && run.join("weights-last.safetensors").is_file());
    assert_eq!(fs::read_dir(run.join("checkpoint")).expect("a folder").count(), 0);

    let folder = folder_with_recipe();
    let child = limited(folder.path(), "epochs=100000");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("runs/tiny-1/metrics.csv").exists() {
        assert!(Instant::now() < deadline, "no epoch ends");
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("error: cannot write"), "{}", stderr(&output));
}
