//! Signals to commands that train more than once, and to runs that must outlive their terminal.

use super::resume::{RESUME, TRAIN, folder_with_recipe, signal, start, succeeds, wait_for_step};
use super::*;

/// One signal ends the whole command, whichever training it meets; what is there is named.
#[test]
fn comparisons_and_ensembles_end_with_their_training() {
    let commands: [(&str, &[&str]); 3] = [
        ("-INT", &["compare", "tiny.toml", "tiny.toml"]),
        ("-TERM", &["ensemble", "tiny.toml", "--members", "2"]),
        ("-TERM", &["ensemble", "tiny.toml", "tiny.toml"]),
    ];
    for (name, command) in commands {
        let folder = folder_with_recipe();
        let args = [command, &["--device", "cpu", "--set", "epochs=100000"][..]].concat();
        let child = start(folder.path(), &args);
        wait_for_step(folder.path(), 28);
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        let (told, said) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(130), "{args:?}: {said}");
        assert!(said.contains("interrupted at 1 of 2"), "{said}");
        assert!(said.contains("verigrad train --resume runs/tiny-1"), "{said}");
        assert!(said.contains(&format!("verigrad {} runs/tiny-1 tiny.toml", command[0])), "{said}");
        assert!(!said.contains("error:"), "{said}");
        assert!(told.contains("everything is saved"), "{told}");
        let runs = fs::read_dir(folder.path().join("runs")).expect("a folder").count();
        assert_eq!(runs, 1, "no second training was begun");
    }
}

/// The run of a command that was started by `nohup` goes on when the terminal goes away.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = folder_with_recipe();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_verigrad")]);
    command.args(TRAIN).current_dir(folder.path()).stdout(std::process::Stdio::piped());
    let child = command.spawn().expect("sh runs");
    wait_for_step(folder.path(), 28);
    signal(&child, "-HUP");
    assert!(child.wait_with_output().expect("it ends").status.success());
    assert!(folder.path().join("runs/tiny-1/result.json").is_file());
}

/// A run whose last evaluation was interrupted has a result and no figures: going on makes them.
#[test]
fn a_run_without_its_last_evaluation_goes_on() {
    let folder = folder_with_recipe();
    succeeds(folder.path(), &TRAIN);
    let evaluation = folder.path().join("runs/tiny-1/evaluation.json");
    let before = fs::read(&evaluation).expect("it is there");
    fs::remove_file(&evaluation).expect("it is there");
    succeeds(folder.path(), &RESUME);
    assert_eq!(fs::read(&evaluation).expect("it is there again"), before);
}
