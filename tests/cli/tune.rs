//! The tuner through the real binary: what it has measured survives its end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::*;

const RECIPE: &str = r#"
name = "tiny"
epochs = 1
batch_size = 16
data = { dataset = "synthetic-digits", train_size = 100, test_size = 40 }
optimizer = { type = "sgd", learning_rate = 0.05 }
layers = [{ type = "flatten" }, { type = "dense", units = 10 }]
"#;

/// The picks of a file, each as op, inputs and time.
fn picks(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let table: toml::Table = text.parse().expect("the file is whole");
    let picks = table.get("pick").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    picks.iter().map(ToString::to_string).collect()
}

/// A tuner that is killed leaves its picks, and `--missing` goes on from there.
#[test]
fn a_killed_tuner_keeps_what_it_measured() {
    ended_tuner_keeps_what_it_measured(|child| {
        child.kill().expect("it can be killed");
        assert_eq!(child.wait().expect("it ends").code(), None);
    });
}

/// A tuner that is interrupted does so, too, and says how to go on.
#[cfg(unix)]
#[test]
fn an_interrupted_tuner_keeps_what_it_measured() {
    ended_tuner_keeps_what_it_measured(|child| {
        super::resume::signal(child, "-INT");
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("it is piped");
        std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
        assert!(said.contains("their picks are kept") && said.contains("--missing"), "{said}");
    });
}

/// Ends a tuner by `end` once it has its first picks.
fn ended_tuner_keeps_what_it_measured(end: impl Fn(&mut std::process::Child)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("tiny.toml"), RECIPE).expect("a file");
    let file = folder.path().join("picks.toml");
    let args = ["tune", "tiny.toml", "--device", "gpu", "-o", "picks.toml"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder.path())
        .env_remove("VERIGRAD_DATA")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let started = Instant::now();
    while !file.is_file() && started.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    end(&mut child);
    let kept = picks(&file);
    assert!(!kept.is_empty(), "nothing was kept");

    let output = verigrad(folder.path(), &[&args[..], &["--missing", "--budget", "0"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(picks(&file), kept, "no op is begun after the budget");

    let output = verigrad(folder.path(), &[&args[..], &["--missing"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let all = picks(&file);
    assert!(all.len() > kept.len(), "{}", stdout(&output));
    assert!(kept.iter().all(|pick| all.contains(pick)), "what was measured stays");
    let output = verigrad(folder.path(), &[&args[..], &["--missing"]].concat());
    assert!(stdout(&output).contains("nothing to tune"), "{}", stdout(&output));
}
