//! `verigrad cross-validate`: one training for each fold of the training set, which is held out.

use std::process::ExitCode;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::inputs::loading::RecipeText;
use crate::cli::search::plan::Plan;
use crate::cli::search::searcher::{self, TrialArgs};

/// Arguments of `verigrad cross-validate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CrossValidateArgs {
    /// Name of a built-in recipe (see `verigrad recipes`), or path to a .toml file
    #[arg(value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// Change a value of the recipe
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Number of folds [default: 5]: each has as many examples of every class as can be
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1000))]
    folds: Option<u64>,
    /// Seeds of each fold: that of the recipe, the next one, and so on [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    #[command(flatten)]
    trials: TrialArgs,
}

/// Trains the folds that are not trained yet, and tells mean and deviation.
pub(in crate::cli) fn run(args: &CrossValidateArgs) -> Result<ExitCode, Failure> {
    let is_given = args.recipe.is_some() || !args.set.is_empty() || args.folds.is_some();
    // What is not said, the folder knows, or it is the default.
    let knows = args.trials.folder.as_ref().is_some_and(|folder| folder.is_dir());
    let given = match is_given || args.seeds.is_some() || !knows {
        true => Some(Plan {
            recipe: RecipeText::read(args.recipe.as_deref().unwrap_or("digits"))?,
            set: args.set.clone(),
            keys: Vec::new(),
            settings: vec![Vec::new()],
            seeds: args.seeds.unwrap_or(1),
            folds: Some(usize::try_from(args.folds.unwrap_or(5))?),
            pruning: None,
        }),
        false => None,
    };
    searcher::run(&args.trials, given, "cross-validate")
}
