//! `verigrad watch`, through the real binary: runs that train, runs that have ended, and what is no run.

use super::*;

/// Without the view, the command is there, and says how to get one that shows runs.
#[cfg(not(feature = "watch"))]
#[test]
fn a_program_without_the_view_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fails(folder.path(), &["watch"], 2, &["without its terminal view", "--features watch"]);
    fails(folder.path(), &["watch", "--every", "x"], 2, &["from 0.1 to 3600"]);
}

#[cfg(feature = "watch")]
mod with_the_view {
    use super::super::resume::{folder_with_recipe, signal, start, wait_for_step};
    use super::*;

    fn watch(folder: &Path, args: &[&str]) -> String {
        let output = verigrad(folder, &[&["watch", "--once"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// The figures are those that the run has written.
    #[test]
    fn a_run_that_has_ended_is_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = small_run(folder.path());
        let evaluation = RunDir::open(&run).and_then(|run| run.evaluation()).expect("readable");
        let test = &evaluation.expect("it has ended").splits["test"];
        let zero = &test.per_class[0];
        for args in [&[][..], &["runs/digits-1"], &["runs"]] {
            let text = watch(folder.path(), args);
            for part in [
                "digits-1  ended  2 of 2 epochs".to_owned(),
                "all epochs are done".to_owned(),
                "CPU executor".to_owned(),
                "27,562 parameters".to_owned(),
                "test set, best weights, 100 images".to_owned(),
                format!("{:.1} % {:>7}", 100.0 * zero.f1, zero.support),
            ] {
                assert!(text.contains(&part), "{args:?}: no {part:?} in:\n{text}");
            }
            assert!(!text.contains('\u{1b}'), "no colors in plain text: {text:?}");
        }
        // Not a terminal, as here: the same without the option.
        let output = verigrad(folder.path(), &["watch", "runs/digits-1"]);
        assert_eq!(stdout(&output), watch(folder.path(), &["runs/digits-1"]));
        assert_eq!(stdout(&verigrad(folder.path(), &["watch", "--quiet"])), "");
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_trains_is_shown_and_goes_on() {
        let folder = folder_with_recipe();
        let args = ["train", "tiny.toml", "--device", "cpu", "--set", "epochs=100000"];
        let child = start(folder.path(), &args);
        wait_for_step(folder.path(), 52);
        let text = watch(folder.path(), &[]);
        assert!(text.contains("tiny-1  running  ") && text.contains(" of 100000 epochs"), "{text}");
        assert!(text.contains(" left") && text.contains("loss  "), "{text}");
        signal(&child, "-INT");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        let text = watch(folder.path(), &[]);
        assert!(text.contains("tiny-1  stopped  "), "{text}");
        assert!(text.contains("verigrad train --resume runs/tiny-1"), "{text}");
    }

    /// The trials of a search are its runs.
    #[test]
    fn a_search_is_shown_by_its_trials() {
        let folder = folder_with_recipe();
        let sweep = ["sweep", "tiny.toml", "--device", "cpu", "--set", "epochs=1"];
        let axis = ["--set-grid", "batch_size=16,32"];
        let output = verigrad(folder.path(), &[&sweep[..], &axis].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = watch(folder.path(), &["runs/tiny-sweep-1"]);
        let first = "tiny-sweep-1/001 batch_size=16  ended  1 of 1 epochs";
        assert!(text.contains(first) && text.contains("run 1 of 2"), "{text}");
        assert!(text.contains("b \u{2713} 002 batch_size=32"), "{text}");
    }

    #[test]
    fn what_is_no_run_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("empty")).expect("a folder");
        fails(
            folder.path(),
            &["watch"],
            2,
            &["there are no runs in runs", "verigrad train digits"],
        );
        fails(folder.path(), &["watch", "empty"], 1, &["empty is no run directory"]);
        fails(folder.path(), &["watch", "absent"], 1, &["absent", "does not exist"]);
        fails(folder.path(), &["watch", "--every", "0"], 2, &["from 0.1 to 3600"]);
    }
}
