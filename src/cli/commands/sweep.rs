//! `verigrad sweep`: a recipe with many settings, as a grid or as random draws, each with several seeds.

use std::process::ExitCode;

use clap::Args;

use crate::cli::failure::{Failure, Unknown};
use crate::cli::inputs::loading::RecipeText;
use crate::cli::search::axes::{Span, Values, settings};
use crate::cli::search::plan::{Plan, Pruning};
use crate::cli::search::searcher::{self, TrialArgs};

/// Arguments of `verigrad sweep`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SweepArgs {
    /// Name of a built-in recipe (see `verigrad recipes`), or path to a .toml file
    #[arg(value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// Change a value of the recipe in all trials
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Values to try for a key; several keys are combined: `batch_size=32,64`
    #[arg(long, value_name = "KEY=A,B,C")]
    set_grid: Vec<Values>,
    /// In place of all combinations, draw so many settings from the values and ranges
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    random: Option<u64>,
    /// Numbers to draw from: `optimizer.learning_rate=1e-4..1e-1:log`; whole ones where both ends are
    #[arg(long, value_name = "KEY=LOW..HIGH[:log]")]
    range: Vec<Span>,
    /// Seed of the draws
    #[arg(long, value_name = "SEED", default_value_t = 1, requires = "random")]
    draw_seed: u64,
    /// Seeds of each setting: that of the recipe, the next one, and so on [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// Cross-validate each setting: hold out each of so many folds of the training set once
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1000))]
    folds: Option<u64>,
    /// End trials early whose best value is worse than the median of the others' after as many epochs
    #[arg(long)]
    prune: bool,
    /// Epochs after which no trial is ended yet
    #[arg(long, value_name = "N", default_value_t = 1, requires = "prune")]
    warmup_epochs: u32,
    /// Other trials that must have come as far before one is ended
    #[arg(long, value_name = "N", default_value_t = 4, requires = "prune")]
    warmup_trials: usize,
    #[command(flatten)]
    trials: TrialArgs,
}

/// Trains the settings that are not trained yet, and sorts them.
pub(in crate::cli) fn run(args: &SweepArgs) -> Result<ExitCode, Failure> {
    searcher::run(&args.trials, plan(args)?, "sweep")
}

/// What the arguments ask for; none where they leave it to the folder.
fn plan(args: &SweepArgs) -> Result<Option<Plan>, Failure> {
    let draws = args.random.map(usize::try_from).transpose()?.map(|n| (n, args.draw_seed));
    let is_given = args.recipe.is_some()
        || !(args.set.is_empty() && args.set_grid.is_empty() && args.range.is_empty())
        || draws.is_some();
    if !is_given && args.seeds.is_none() && args.folds.is_none() {
        return Ok(None);
    }
    let found = settings(&args.set_grid, &args.range, draws).map_err(Unknown)?;
    if found.keys.is_empty() && args.seeds.is_none() && args.folds.is_none() {
        let message =
            "say what to try: --set-grid batch_size=32,64, --range with --random, or --seeds";
        return Err(Unknown(message.to_owned()).into());
    }
    if found.keys.is_empty() && draws.is_some() {
        return Err(
            Unknown("--random draws from --set-grid and --range: give some".to_owned()).into()
        );
    }
    let (warmup_epochs, warmup_trials) = (args.warmup_epochs, args.warmup_trials);
    Ok(Some(Plan {
        recipe: RecipeText::read(args.recipe.as_deref().unwrap_or("digits"))?,
        set: args.set.clone(),
        keys: found.keys,
        settings: found.settings,
        seeds: args.seeds.unwrap_or(1),
        folds: args.folds.map(usize::try_from).transpose()?,
        pruning: args.prune.then_some(Pruning { warmup_epochs, warmup_trials }),
    }))
}
