//! Callbacks: hooks that recipes ask for. They end a run or change how it goes on.

mod budget;
mod early_stopping;
#[cfg(test)]
mod keras;
mod non_finite;
mod plateau;
pub(super) mod restored;

use super::hook::Hook;
use crate::train::Recipe;

/// The hooks of a recipe.
pub(in crate::train) fn of_recipe(recipe: &Recipe) -> Vec<Box<dyn Hook>> {
    let mut hooks: Vec<Box<dyn Hook>> = Vec::new();
    if recipe.precision.is_f32() {
        hooks.push(Box::new(non_finite::NonFinite { advice: recipe.advice_if_diverged() }));
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
