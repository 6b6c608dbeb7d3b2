//! Tests of the run directory.

use super::*;
use crate::train::store::files::append;
use crate::train::store::metrics_files::{METRICS_CSV, METRICS_JSONL, STEPS};
use crate::train::store::records::evaluation::EvaluatedWeights;
use crate::train::store::records::metrics::{EpochRecord, StepRecord};

fn record(epoch: u32) -> EpochRecord {
    EpochRecord {
        epoch,
        step: u64::from(epoch) * 100,
        train_loss: 0.25,
        train_accuracy: 0.9,
        validation_loss: None,
        validation_accuracy: None,
        test_loss: Some(0.5),
        test_accuracy: Some(0.8),
        learning_rate: 0.001,
        seconds: 1.5,
        images_per_second: 4000.0,
        loss_scale: None,
        skipped_steps: None,
    }
}

#[test]
fn numbers_count_up_and_do_not_mix_recipes() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for (recipe, expected) in
        [("a", "a-1"), ("a", "a-2"), ("a-2", "a-2-1"), ("a", "a-3"), ("../b c", "-b-c-1")]
    {
        let run = RunDir::create(root.path(), recipe).expect("a new run");
        assert_eq!(run.path(), root.path().join(expected));
    }
    fs::remove_dir(root.path().join("a-1")).expect("it is empty");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    assert!(run.path().ends_with("a-4"), "numbers are not used twice");
}

#[test]
fn a_run_is_trained_by_one_at_a_time() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    let lock = run.lock().expect("nobody has it");
    let error = run.lock().expect_err("it is taken").to_string();
    assert!(error.contains("another process") && error.contains("a-1"), "{error}");
    assert!(run.is_in_use());
    drop(lock);
    assert!(!run.is_in_use());
    run.lock().expect("it is free again");
}

/// Who looks whether a run goes on holds its lock for an instant, in which none is refused.
#[test]
fn those_who_look_at_a_lock_do_not_keep_it_from_others() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    assert!(!run.is_in_use(), "no lock yet");
    drop(run.lock().expect("nobody has it"));
    let file = fs::File::open(run.path().join(".lock")).expect("it is there");
    file.lock_shared().expect("nobody has it");
    let looking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        drop(file);
    });
    run.lock().expect("it is free in a moment");
    looking.join().expect("it ends");
}

#[test]
fn threads_get_different_runs() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let create = || RunDir::create(root.path(), "a").expect("a new run").path().to_owned();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 16);
}

#[test]
fn records_are_read_back() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    assert!(matches!(RunDir::open(run.path()), Err(RunDirError::NoRun { .. })));
    run.write_recipe("name = \"a\"\n").expect("it can be written");
    let run = RunDir::open(run.path()).expect("it is a run now");
    assert_eq!(run.recipe().expect("it was written"), "name = \"a\"\n");
    for epoch in 1..=2 {
        run.append_epoch(&record(epoch)).expect("it can be written");
        let step = StepRecord { step: 1, loss: f32::NAN, learning_rate: 0.1 };
        run.append_steps(&[step, step]).expect("it can be written");
    }
    assert_eq!(run.epochs().expect("two rows"), [record(1), record(2)]);
    assert_eq!(run.steps().expect("four rows").len(), 4);
    let jsonl = read_text(&run.path().join(METRICS_JSONL)).expect("it was written");
    let read: Vec<EpochRecord> =
        jsonl.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert_eq!(read, [record(1), record(2)]);
}

#[test]
fn truncation_leaves_whole_rows_of_the_epochs_that_are_kept() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    for epoch in 1..=3 {
        run.append_epoch(&record(epoch)).expect("it can be written");
        let step = StepRecord { step: epoch.into(), loss: 0.5, learning_rate: 0.1 };
        run.append_steps(&[step]).expect("it can be written");
    }
    for file in [STEPS, METRICS_CSV, METRICS_JSONL] {
        append(&run.path().join(file), "", "4,0.").expect("half a line");
    }
    fs::write(run.path().join("x.jsonl"), "no JSON\n{\"epoch\":3}\n").expect("a file");
    let told = run.restore_metrics(2, 2, None).expect("it can be truncated");
    assert_eq!(told, Vec::<String>::new(), "that is no damage");
    assert_eq!(run.epochs().expect("two rows"), [record(1), record(2)]);
    assert_eq!(run.steps().expect("two rows").len(), 2);
    let text = |file: &str| read_text(&run.path().join(file)).expect("it is there");
    assert_eq!(text(METRICS_JSONL).lines().count(), 2);
    assert_eq!(text("x.jsonl"), "no JSON\n");
}

/// What a damage is called, and what it leaves of a file.
type Damage<'a> = (&'a str, &'a dyn Fn(&str) -> Option<String>);

/// Whatever happened to the metrics, they are those of the checkpoint afterwards, and it is told.
#[test]
fn lost_and_damaged_metrics_are_made_again() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let damages: [Damage<'_>; 5] = [
        ("lost", &|_| None),
        ("starts in the middle", &|text| Some(text.replacen("1,", "7,", 1))),
        ("a row less", &|text| Some(text.lines().skip(1).map(|l| format!("{l}\n")).collect())),
        ("a flipped digit", &|text| Some(text.replace("0.5", "0.7"))),
        ("no text", &|text| Some(text.replace("0.5", "\u{1}"))),
    ];
    for (number, (name, damage)) in damages.into_iter().enumerate() {
        let run = RunDir::create(root.path(), &format!("a{number}")).expect("a new run");
        for epoch in 1..=3 {
            run.append_epoch(&record(epoch)).expect("it can be written");
            let step = StepRecord { step: epoch.into(), loss: 0.5, learning_rate: 0.1 };
            run.append_steps(&[step]).expect("it can be written");
        }
        for file in [METRICS_CSV, METRICS_JSONL, STEPS] {
            let path = run.path().join(file);
            let text = read_text(&path).expect("it was written");
            match damage(&text) {
                None => fs::remove_file(&path).expect("it is there"),
                Some(damaged) => fs::write(&path, damaged).expect("it can be written"),
            }
        }
        let known = [record(1), record(2)];
        let told = run.restore_metrics(2, 2, Some(&known)).expect(name);
        assert!(told.iter().any(|text| text.contains("metrics.csv")), "{name}: {told:?}");
        assert_eq!(run.epochs().expect("rows"), known, "{name}");
        let jsonl = read_text(&run.path().join(METRICS_JSONL)).expect("it was written");
        assert_eq!(jsonl.lines().count(), 2, "{name}");
        assert!(run.steps().expect("rows").iter().all(|row| row.step <= 2), "{name}");
        let again = run.restore_metrics(2, run.steps().expect("rows").len() as u64, Some(&known));
        assert!(again.expect("whole").iter().all(|text| !text.contains("metrics")), "{name}");
    }
}

#[test]
fn errors_name_the_path_and_what_to_do() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let missing = RunDir::open(&root.path().join("a-9")).expect_err("there is no such run");
    assert!(missing.to_string().contains("a-9: it does not exist"), "{missing}");
    let file = root.path().join("file");
    fs::write(&file, "").expect("a file");
    let error = RunDir::create(&file, "a").expect_err("a file holds no runs");
    assert!(error.to_string().contains("file: "), "{error}");
}

#[test]
fn evaluation_and_predictions_are_read_back_and_checked() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    assert_eq!(run.evaluation().expect("no file is no error"), None);
    assert_eq!(run.predictions().expect("no file is no error"), None);
    let classes = vec!["a".to_owned(), "b".to_owned()];
    let model = ModelRecord {
        image: [1, 1, 1],
        classes: classes.clone(),
        task: Task::Classification,
        normalization: None,
    };
    run.write_model(&model).expect("it can be written");
    let rows = vec![0.25, 0.75, 0.5, 0.5];
    let predictions = Predictions::of_probabilities(vec![1, 1], rows, 2);
    let weights = EvaluatedWeights::Last;
    let splits = [("test".to_owned(), predictions.evaluate(&classes))].into();
    let evaluation = Evaluation { weights, classes, splits };
    run.write_evaluation(&evaluation).expect("it can be written");
    let predictions = Predicted::Classes(predictions);
    run.write_predictions(&predictions).expect("it can be written");
    assert_eq!(run.evaluation().expect("it was written"), Some(evaluation));
    assert_eq!(run.predictions().expect("it was written"), Some(predictions));
    fs::write(run.evaluation_path(), "{\"weights\": 7}").expect("a damaged file");
    let error = run.evaluation().expect_err("no evaluation").to_string();
    assert!(error.contains("evaluation.json"), "{error}");
    fs::write(run.predictions_path(), "index\n").expect("a damaged file");
    let error = run.predictions().expect_err("no predictions").to_string();
    assert!(error.contains("predictions.csv, line 1"), "{error}");
}

#[test]
fn device_and_result_are_read_back_and_checked() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::create(root.path(), "a").expect("a new run");
    assert_eq!(run.device().expect("no file is no error"), None);
    assert_eq!(run.result().expect("no file is no error"), None);
    let device = DeviceInfo::cpu();
    run.write_device(&device).expect("it can be written");
    assert_eq!(run.device().expect("it was written"), Some(device));
    // As the folder of a comparison has it.
    run.write_result(&vec!["a", "b"]).expect("it can be written");
    let error = run.result().expect_err("the result of no run").to_string();
    assert!(error.contains("result.json"), "{error}");
    run.remove_result().expect("it is there");
    assert_eq!(run.result().expect("no file is no error"), None);
}
