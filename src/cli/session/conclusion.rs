//! The end of a run: its result, and its figures on every split.

use std::sync::atomic::AtomicBool;

use super::recorder::WeightsLabel;
use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::Which;
use crate::cli::output;
use crate::cli::text::figures::{headline, pairs};
use crate::report::format::duration;
use crate::train::{
    Evaluation, Recipe, RunDir, RunResult, Stop, StopReason, Trainer, load_weights,
    sha256_of_weights,
};

/// Writes what the run came to, and tells it.
pub(super) fn conclude(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    recipe: &Recipe,
    classes: &[String],
    stop: &Stop,
) -> Result<(), Failure> {
    let weights = trainer.weights()?;
    let hash = sha256_of_weights(&weights);
    // A run without a row has a result nevertheless: its weights are what counts.
    let rows = run_dir.epochs()?;
    let last = rows.last();
    let epochs = last.map_or_else(|| trainer.epochs_done(), |row| row.epoch);
    let accuracy = last.and_then(|row| row.test_accuracy).unwrap_or(f64::NAN);
    let (best_epoch, best_test_accuracy, best_hash) = match trainer.best() {
        Some(best) => (best.epoch, best.test_accuracy, Some(sha256_of_weights(best.weights))),
        None => (epochs, accuracy, None),
    };
    let shown = if stop.restore_best {
        let label = WeightsLabel { epoch: best_epoch, test_accuracy: best_test_accuracy, classes };
        label.save(&run_dir.weights_last(), &weights)?;
        rows.iter().find(|row| row.epoch == best_epoch).or(last)
    } else {
        last
    };
    let result = RunResult {
        verigrad: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: recipe.name.clone(),
        device: trainer.device().clone(),
        parameters: trainer.model().arena.parameter_count(),
        planned_bytes: trainer.planned_bytes(),
        epochs,
        steps: trainer.steps(),
        ended: stop.reason.to_string(),
        best_epoch,
        best_test_accuracy,
        test_accuracy: shown.and_then(|row| row.test_accuracy),
        test_loss: shown.and_then(|row| row.test_loss),
        seconds: trainer.run_time().as_secs_f64(),
        sessions: trainer.sessions(),
        weights_sha256: hash,
        weights_best_sha256: best_hash,
    };
    run_dir.write_result(&result)?;
    if stop.reason != StopReason::Completed {
        output::line(format_args!("\nended    {}", stop.reason));
    }
    output::line(format_args!(
        "\ntest accuracy {:.2} % after {} epoch{}, {:.2} % at best (epoch {}), in {}",
        100.0 * result.test_accuracy.unwrap_or(f64::NAN),
        result.epochs,
        if result.epochs == 1 { "" } else { "s" },
        100.0 * result.best_test_accuracy,
        result.best_epoch,
        duration(trainer.run_time())
    ));
    output::line(format_args!("weights  sha256 {}", result.weights_sha256));
    output::line(format_args!("curves   {}", run_dir.curves().display()));
    Ok(())
}

/// Evaluates a trained model on every split, and leaves `evaluation.json` and `predictions.csv`.
pub(super) fn evaluate_end(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    recipe: &Recipe,
    classes: &[String],
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let which = Which::of_recipe(recipe);
    let weights = load_weights(&which.file_in(run_dir))?;
    let (splits, predictions) = trainer.evaluate_splits(&weights, Some(interrupted))?;
    output::line(format_args!("\nweights  {}", which.name()));
    for name in ["train", "validation", "test"] {
        if let Some(split) = splits.get(name) {
            output::line(format_args!("{}", headline(name, split)));
        }
    }
    if let Some(test) = splits.get("test") {
        output::text(format_args!("{}", pairs(test)));
    }
    run_dir.write_evaluation(&Evaluation {
        weights: which.evaluated(),
        classes: classes.to_vec(),
        splits,
    })?;
    Ok(run_dir.write_predictions(&predictions)?)
}
