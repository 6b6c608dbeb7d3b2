//! The end of a run: its result, and its figures on every split.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::recorder::WeightsLabel;
use crate::cli::device::memory;
use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::Which;
use crate::cli::output;
use crate::cli::text::figures::{essence, headline};
use crate::report::format::{duration, loss};
use crate::train::{
    Evaluation, Predicted, Recipe, RunDir, RunResult, SplitEvaluation, Stop, StopReason, Trainer,
    load_weights, sha256_of_weights,
};

/// What a model achieves on each split, and what it predicts for the test set.
pub(super) type Evaluated = (BTreeMap<String, SplitEvaluation>, Predicted);

/// Evaluates and keeps the weights of a run that is to have no epoch, with a checkpoint, from which
/// `epochs` can be raised.
pub(super) fn keep_initial(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    recipe: &Recipe,
    classes: &[String],
    (stop, interrupted): (&Stop, &AtomicBool),
) -> Result<Evaluated, Failure> {
    let weights = trainer.weights()?;
    let checkpoint = trainer.checkpoint(Some(stop.clone()))?;
    run_dir.checkpoints().save(&checkpoint, recipe.checkpoint.keep)?;
    let by_name = weights.iter().cloned().collect();
    let evaluated = trainer.evaluate_splits(&by_name, Some(interrupted))?;
    let test_accuracy = evaluated.0.get("test").map_or(f64::NAN, |test| test.accuracy);
    let label = WeightsLabel { epoch: 0, test_accuracy, classes };
    label.save(&run_dir.weights_last(), &weights)?;
    label.save(&run_dir.weights_best(), &weights)?;
    Ok(evaluated)
}

/// Writes what the run came to, and tells it. `initial` are the figures on the test set of weights that
/// were not trained.
pub(super) fn conclude(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    (recipe, classes): (&Recipe, &[String]),
    stop: &Stop,
    initial: Option<&SplitEvaluation>,
) -> Result<(), Failure> {
    let weights = trainer.weights()?;
    let hash = sha256_of_weights(&weights);
    // A run without a row has a result nevertheless: its weights are what counts.
    let rows = run_dir.epochs()?;
    let last = rows.last();
    let epochs = last.map_or_else(|| trainer.epochs_done(), |row| row.epoch);
    let accuracy = last.and_then(|row| row.test_accuracy).or(initial.map(|test| test.accuracy));
    let accuracy = accuracy.unwrap_or(f64::NAN);
    let (best_epoch, best_test_accuracy, best_hash) = match trainer.best() {
        Some(best) => (best.epoch, best.test_accuracy, Some(sha256_of_weights(best.weights))),
        None => (epochs, accuracy, initial.map(|_| hash.clone())),
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
        planned_bytes: trainer.memory_plan().tensors,
        planned_host_bytes: trainer.memory_plan().host(),
        epochs,
        steps: trainer.steps(),
        ended: stop.reason.to_string(),
        best_epoch,
        best_test_accuracy,
        test_accuracy: shown
            .and_then(|row| row.test_accuracy)
            .or(initial.map(|test| test.accuracy)),
        test_loss: shown.and_then(|row| row.test_loss).or(initial.map(|test| test.loss)),
        seconds: trainer.run_time().as_secs_f64(),
        sessions: trainer.sessions(),
        weights_sha256: hash,
        weights_best_sha256: best_hash,
    };
    run_dir.write_result(&result)?;
    if stop.reason != StopReason::Completed {
        output::line(format_args!("\nended    {}", stop.reason));
    }
    let has_classes = trainer.model().classifies();
    let reached = match has_classes {
        true => format!("accuracy {:.2} %", 100.0 * result.test_accuracy.unwrap_or(f64::NAN)),
        false => format!("loss {}", loss(result.test_loss.unwrap_or(f64::NAN))),
    };
    if initial.is_some() {
        output::line(format_args!("\ntest {reached}, without an epoch of training"));
    } else {
        let best_row = rows.iter().find(|row| row.epoch == result.best_epoch);
        let at_best = match has_classes {
            true => format!("{:.2} %", 100.0 * result.best_test_accuracy),
            false => loss(best_row.and_then(|row| row.test_loss).unwrap_or(f64::NAN)),
        };
        output::line(format_args!(
            "\ntest {reached} after {} epoch{}, {at_best} at best (epoch {}), in {}",
            result.epochs,
            if result.epochs == 1 { "" } else { "s" },
            result.best_epoch,
            duration(trainer.run_time())
        ));
    }
    output::line(format_args!("weights  sha256 {}", result.weights_sha256));
    if run_dir.curves().is_file() {
        output::line(format_args!("curves   {}", run_dir.curves().display()));
    }
    Ok(())
}

/// Evaluates a trained model on every split unless that was done, and leaves `evaluation.json` and
/// `predictions.csv`.
pub(super) fn evaluate_end(
    trainer: &mut Trainer<'_>,
    run_dir: &RunDir,
    (recipe, classes): (&Recipe, &[String]),
    evaluated: Option<Evaluated>,
    interrupted: &AtomicBool,
) -> Result<(), Failure> {
    let which = Which::of_recipe(recipe);
    let (splits, predictions) = match evaluated {
        Some(evaluated) => evaluated,
        None => {
            let weights = load_weights(&which.file_in(run_dir))?;
            trainer.evaluate_splits(&weights, Some(interrupted))?
        }
    };
    output::line(format_args!("\nweights  {}", which.name()));
    for name in ["train", "validation", "test"] {
        if let Some(split) = splits.get(name) {
            output::line(format_args!("{}", headline(name, split)));
        }
    }
    if let Some(test) = splits.get("test") {
        output::text(format_args!("{}", essence(test)));
    }
    run_dir.write_evaluation(&Evaluation {
        weights: which.evaluated(),
        classes: classes.to_vec(),
        splits,
    })?;
    run_dir.write_predictions(&predictions)?;
    if let Some(peak) = memory::peak() {
        log::info!("memory: {peak} bytes at most, those of the process itself among them");
    }
    Ok(())
}
