//! Callbacks: hooks that recipes ask for. They end a run or change how it goes on.

mod budget;
mod early_stopping;
#[cfg(test)]
mod keras;
mod monitor;
mod non_finite;
mod plateau;

pub use budget::Budget;
pub use early_stopping::EarlyStoppingConfig;
pub use monitor::Monitor;
pub use plateau::PlateauConfig;

pub(super) use plateau::RATE_FACTOR;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::hook::Hook;
use super::{Recipe, TrainError};

/// The hooks of a recipe.
pub(super) fn of_recipe(recipe: &Recipe) -> Vec<Box<dyn Hook>> {
    let mut hooks: Vec<Box<dyn Hook>> = Vec::new();
    if recipe.precision.is_f32() {
        hooks.push(Box::new(non_finite::NonFinite));
    }
    // The rate changes before somebody ends the run: a resumed run then goes on with it.
    if let Some(rule) = &recipe.plateau {
        let base = recipe.optimizer.learning_rate();
        let monitor = recipe.monitor_or_loss(rule.monitor);
        hooks.push(Box::new(plateau::Plateau::new(rule, monitor, base)));
    }
    if let Some(rule) = &recipe.early_stopping {
        let monitor = recipe.monitor_or_loss(rule.monitor);
        hooks.push(Box::new(early_stopping::EarlyStopping::new(rule, monitor)));
    }
    if !recipe.budget.is_none() {
        hooks.push(Box::new(budget::BudgetHook(recipe.budget)));
    }
    hooks
}

/// What is wrong with a `min_delta`.
pub(super) fn check_delta(min_delta: f64) -> Result<(), String> {
    if min_delta.is_finite() && min_delta >= 0.0 {
        Ok(())
    } else {
        Err(format!("must not be negative, it is {min_delta}"))
    }
}

/// The state of a callback that a checkpoint kept.
fn restored<T: DeserializeOwned>(callback: &str, state: &Value) -> Result<T, TrainError> {
    serde_json::from_value(state.clone()).map_err(|_| {
        let message = format!("the checkpoint's state of {callback} is not one of this version");
        TrainError::Weights(message)
    })
}
