//! What is shown of made runs, drawn on a terminal in memory.

use std::fs;
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::cells::Look;
use super::draw::draw;
use super::plain;
use super::run::State;
use super::view::{Flow, View};
use crate::exec::DeviceInfo;
use crate::train::{
    EpochRecord, EvaluatedWeights, Evaluation, Metrics, Recipe, RunDir, RunPlan, RunResult,
    SplitEvaluation, StepRecord,
};

/// An epoch of ten steps; the losses fall, and the accuracies rise.
pub(super) fn epoch(epoch: u32) -> EpochRecord {
    let loss = 1.0 / f64::from(epoch);
    EpochRecord {
        epoch,
        step: 10 * u64::from(epoch),
        train_loss: loss,
        train_accuracy: 1.0 - loss / 2.0,
        validation_loss: None,
        validation_accuracy: None,
        test_loss: Some(1.5 * loss),
        test_accuracy: Some(1.0 - loss / 4.0),
        learning_rate: 1e-3,
        seconds: 2.0,
        images_per_second: 1234.0,
        loss_scale: None,
        skipped_steps: None,
    }
}

/// A run of `digits` in `root` with so many epochs of ten.
fn made(root: &Path, name: &str, epochs: u32) -> RunDir {
    fs::create_dir_all(root.join(name)).expect("a folder");
    fs::write(root.join(name).join("recipe.toml"), "").expect("a file");
    let run = RunDir::open(&root.join(name)).expect("it has a recipe");
    let recipe = Recipe::builtin("digits", &["epochs=10".to_owned()]).expect("built in");
    run.write_recipe(&recipe.to_toml().expect("TOML")).expect("written");
    run.write_device(&DeviceInfo::cpu_reference()).expect("written");
    let plan = RunPlan { parameters: 27_562, planned_bytes: 3 << 20, planned_host_bytes: 5 << 20 };
    run.write_plan(&plan).expect("written");
    (1..=epochs).for_each(|number| append(&run, number));
    run
}

fn append(run: &RunDir, number: u32) {
    run.append_epoch(&epoch(number)).expect("written");
    let step =
        |i| StepRecord { step: u64::from(10 * number - 10 + i), loss: 1.0, learning_rate: 1e-3 };
    run.append_steps(&(1..=10).map(step).collect::<Vec<_>>()).expect("written");
}

/// What a run leaves at its end: of `classes`, of which the second is taken for the first.
fn end(run: &RunDir, classes: &[&str]) {
    let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
    let mut confusion = vec![vec![0; classes.len()]; classes.len()];
    (0..classes.len()).for_each(|class| confusion[class][class] = 9);
    confusion[1][0] = 7;
    let metrics = Metrics { loss: 0.5, accuracy: 0.75, examples: 1000 };
    let split = SplitEvaluation::new(metrics, None, confusion, &classes);
    run.write_evaluation(&Evaluation {
        weights: EvaluatedWeights::Best,
        classes,
        splits: [("test".to_owned(), split)].into(),
    })
    .expect("written");
    run.write_result(&RunResult {
        verigrad: "0.1.0".to_owned(),
        recipe: "digits".to_owned(),
        device: DeviceInfo::cpu(),
        parameters: 27_562,
        planned_bytes: 3 << 20,
        planned_host_bytes: 5 << 20,
        epochs: 10,
        steps: 100,
        ended: "all epochs are done".to_owned(),
        best_epoch: 10,
        best_test_accuracy: 0.975,
        test_accuracy: Some(0.975),
        test_loss: Some(0.15),
        seconds: 25.0,
        sessions: 1,
        weights_sha256: "00".to_owned(),
        weights_best_sha256: None,
    })
    .expect("written");
}

fn open(named: &[&Path]) -> View {
    let named = named.iter().map(|path| path.to_path_buf()).collect();
    View::open(named, "absent".into()).expect("there are runs")
}

/// What a terminal of this size shows.
fn screen(view: &View, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("in memory");
    let look = Look { colors: true, keys: true };
    terminal
        .draw(|frame| draw(view, look, frame.area(), frame.buffer_mut()))
        .expect("nothing can fail");
    plain::text_of(terminal.backend().buffer())
}

fn press(view: &mut View, code: KeyCode) -> Flow {
    view.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn shows(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "no {part:?} in:\n{screen}");
    }
}

#[test]
fn a_run_that_has_ended_is_shown_with_all_that_it_left() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "digits-1", 10);
    end(&run, &["zero", "one", "two"]);
    let view = open(&[run.path()]);
    let screen = screen(&view, 120, 44);
    shows(&screen, &["digits-1  ended  10 of 10 epochs", "all epochs are done after 25.0 s"]);
    shows(&screen, &["test 97.50 % loss 0.1500", "best 97.50 % in epoch 10", "1,234 images/s"]);
    shows(&screen, &["CPU executor (cpu, reference code", "memory 3.0 MiB, on the host 5.0 MiB"]);
    shows(&screen, &["loss  train 0.1000  test 0.1500", "accuracy  train 95.00 %  test 97.50 %"]);
    shows(&screen, &["learning rate  1.00e-3", "test set, best weights, 1,000 images"]);
    // 9 of 16 and 9 of 9.
    shows(&screen, &["zero               56.2 % 100.0 %  72.0 %       9   one taken for zero  7"]);
    shows(&screen, &["one               100.0 %  56.2 %  72.0 %      16"]);
    // The ends of the axes of loss, accuracy, and what stays as it is.
    shows(
        &screen,
        &[
            "1.500 \u{2502}",
            "0.1000\u{2502}",
            "97.50 %\u{2502}",
            "50.00 %\u{2502}",
            "1.10e-3\u{2502}",
            "9.00e-4\u{2502}",
        ],
    );
}

/// The curve of a falling loss begins at the top left and ends at the bottom right of its chart.
#[test]
fn a_falling_loss_falls() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "digits-1", 10);
    let text = screen(&open(&[run.path()]), 60, 40);
    let lines: Vec<&str> =
        text.lines().skip_while(|line| !line.starts_with("loss")).skip(1).collect();
    let drawn = |line: &str| {
        let cells = line.chars().take(28).enumerate();
        cells
            .filter(|(_, c)| ('\u{2801}'..='\u{28ff}').contains(c))
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<usize>> =
        lines.iter().map(|line| drawn(line)).take_while(|cells| !cells.is_empty()).collect();
    assert!(rows.len() > 4, "{text}");
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert!(first[0] < last[0] && first[first.len() - 1] < last[last.len() - 1], "{text}");
}

#[test]
fn files_that_grow_are_read_again_and_half_lines_wait() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "digits-1", 0);
    let lock = run.lock().expect("nobody has it");
    let mut view = open(&[run.path()]);
    shows(
        &screen(&view, 100, 30),
        &["running  0 of 10", "curves come with", "no epoch has ended yet"],
    );
    append(&run, 1);
    append(&run, 2);
    // As it is while a line is written.
    let path = run.path().join("metrics.csv");
    let whole = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, format!("{whole}3,30,0.33")).expect("written");
    view.refresh();
    shows(&screen(&view, 100, 30), &["running  2 of 10", "about", "left", "train 0.5000"]);
    // A line that is no epoch is told, and what was read before stays.
    fs::write(&path, format!("{whole}nonsense\n")).expect("written");
    view.refresh();
    shows(&screen(&view, 100, 30), &["2 of 10", "line 4: not a record"]);
    fs::write(&path, &whole).expect("written");
    append(&run, 3);
    view.refresh();
    let all = screen(&view, 100, 30);
    shows(&all, &["3 of 10"]);
    assert!(!all.contains("not a record"), "{all}");
    drop(lock);
    view.refresh();
    shows(&screen(&view, 100, 30), &["stopped  3 of 10", "train --resume"]);
    end(&run, &["a", "b"]);
    view.refresh();
    shows(&screen(&view, 100, 40), &["ended  3 of 10", "b taken for a  7"]);
}

#[test]
fn several_runs_are_listed_chosen_and_kept() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (made(root.path(), "one", 4), made(root.path(), "two", 5));
    let mut view = open(&[one.path(), two.path()]);
    assert_eq!(view.shown(), [0, 1], "those that were named are drawn together");
    let text = plain::text(&view, 120, 40);
    shows(&text, &["> a \u{25a0} one", "  b \u{25a0} two", "one  stopped  4 of 10", "1 of 2"]);
    let chart: String =
        text.lines().skip_while(|line| !line.contains("accuracy")).skip(1).collect();
    assert!(chart.contains("aaa") && chart.contains("bbb"), "{text}");
    assert_eq!(press(&mut view, KeyCode::Down), Flow::Stay);
    shows(&screen(&view, 120, 40), &["two  stopped  5 of 10", "2 of 2"]);
    press(&mut view, KeyCode::Down);
    assert_eq!(view.selected_place(), 1, "there is no third one");
    press(&mut view, KeyCode::Up);
    press(&mut view, KeyCode::Char(' '));
    press(&mut view, KeyCode::Down);
    assert_eq!(view.shown(), [1], "the first one is no longer kept");
    press(&mut view, KeyCode::Char('l'));
    assert!(view.log_loss);
    assert_eq!(press(&mut view, KeyCode::Char('x')), Flow::Stay);
    for leaving in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut view, leaving), Flow::Leave);
    }
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.press(control_c), Flow::Leave);
}

/// Without names, the runs of a folder are found, also those that come later; the selected one stays.
#[test]
fn runs_of_a_folder_are_found() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let error = View::open(Vec::new(), root.path().into()).expect_err("there is none").to_string();
    assert!(error.contains("there are no runs in"), "{error}");
    made(root.path(), "a-1", 1);
    fs::create_dir(root.path().join("no-run")).expect("a folder");
    fs::write(root.path().join("file"), "").expect("a file");
    let mut view = View::open(Vec::new(), root.path().into()).expect("one");
    assert_eq!(view.entries().len(), 1);
    let later = made(root.path(), "b-1", 2);
    let recipe = fs::File::options().append(true).open(later.path().join("recipe.toml"));
    let hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    recipe.and_then(|file| file.set_modified(hour)).expect("a file");
    view.refresh();
    let labels: Vec<&str> = view.entries().iter().map(|entry| entry.run.label.as_str()).collect();
    assert_eq!(labels, ["b-1", "a-1"], "the newest first");
    assert_eq!(view.selected().map(|run| run.label.as_str()), Some("a-1"));
    let no_run = root.path().join("no-run");
    for (path, part) in
        [(no_run, "is no run directory"), (root.path().join("absent"), "does not exist")]
    {
        let error = View::open(vec![path], root.path().into()).expect_err("refused").to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn every_size_is_drawn() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (made(root.path(), "one", 3), made(root.path(), "two", 0));
    end(&one, &["a", "b"]);
    for named in [&[one.path()][..], &[two.path()], &[one.path(), two.path()]] {
        let mut view = open(named);
        for log_loss in [false, true] {
            view.log_loss = log_loss;
            for columns in (1..=60).chain([79, 80, 120, 300]) {
                for rows in (1..=30).chain([50, 120]) {
                    plain::text(&view, columns, rows);
                    screen(&view, columns, rows);
                }
            }
        }
    }
    shows(&screen(&open(&[one.path()]), 10, 3), &["one"]);
}

#[test]
fn names_that_would_steer_a_terminal_are_shown() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "a\u{1b}[2J\u{202e}b", 2);
    end(&run, &["\u{1b}]0;x\u{7}", "\u{732b}\u{732b}"]);
    let recipe = fs::read_to_string(run.path().join("recipe.toml")).expect("it is there");
    fs::write(run.path().join("recipe.toml"), recipe + "\n\"\u{202e}\" = 1\n").expect("written");
    let text = screen(&open(&[run.path()]), 120, 40);
    shows(&text, &["a\\u{1b}[2J\\u{202e}b", "\u{732b}\u{732b} taken for"]);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
}

/// Ten thousand epochs are drawn in less time than there is between two looks.
#[test]
fn thousands_of_epochs_are_drawn_at_once() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "long", 1);
    let csv = run.path().join("metrics.csv");
    let text = fs::read_to_string(&csv).expect("it is there");
    let row = text.lines().nth(1).expect("a row").split_once(',').expect("a number").1.to_owned();
    let rows: String = (2..=10_000).map(|number| format!("{number},{row}\n")).collect();
    fs::write(&csv, text + &rows).expect("written");
    let view = open(&[run.path()]);
    let began = std::time::Instant::now();
    shows(&screen(&view, 200, 50), &["10000 of 10 epochs", "10000"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Numbers that are none leave gaps; a loss of zero has no logarithm.
#[test]
fn numbers_that_are_none_are_left_out() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = made(root.path(), "odd", 0);
    for (number, loss) in [(1, f64::NAN), (2, f64::INFINITY), (3, 0.0)] {
        let odd =
            EpochRecord { train_loss: loss, test_loss: None, learning_rate: loss, ..epoch(number) };
        run.append_epoch(&odd).expect("written");
    }
    let mut view = open(&[run.path()]);
    assert_eq!(view.selected().map(|run| run.state), Some(State::Stopped));
    shows(&screen(&view, 100, 30), &["loss  train 0.000"]);
    view.log_loss = true;
    shows(&screen(&view, 100, 30), &["no epoch has ended yet"]);
}

/// A search is shown by its trials.
#[test]
fn a_search_is_shown_by_its_trials() {
    use crate::cli::inputs::loading::RecipeText;
    use crate::cli::search::plan::Plan;
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("digits-sweep-1");
    let plan = Plan {
        recipe: RecipeText::read("digits").expect("built in"),
        set: Vec::new(),
        keys: vec!["batch_size".to_owned()],
        settings: vec![vec!["32".to_owned()], vec!["64".to_owned()]],
        seeds: 1,
        folds: None,
        pruning: None,
    };
    Plan::of_folder(&folder, Some(plan)).expect("new");
    let error =
        View::open(vec![folder.clone()], "absent".into()).expect_err("no trial").to_string();
    assert!(error.contains("no run"), "{error}");
    made(&folder.join("trials/002"), "digits-1", 3);
    let view = open(&[&folder]);
    shows(&screen(&view, 100, 30), &["digits-sweep-1/002 batch_size=64", "3 of 10"]);
}
