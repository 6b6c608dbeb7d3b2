//! `--init-from` and `--freeze`: a training that starts from the weights of another one.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::train::{Recipe, RunDir, Trainer, load_weights};

/// Arguments that say where weights come from and which of them stay.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct InitArgs {
    /// Start from the best weights of a run, or from a weight file; layers that do not fit by name
    /// and shape start afresh
    #[arg(long, value_name = "RUN|FILE")]
    init_from: Option<PathBuf>,
    /// Keep a layer as it is, by its name, in which * stands for any text; may be given repeatedly
    #[arg(long, value_name = "LAYER")]
    freeze: Vec<String>,
}

impl InitArgs {
    /// Adds the layers that stay to those of the recipe.
    pub fn freeze_in(&self, recipe: &mut Recipe) {
        let new = self.freeze.iter().filter(|layer| !recipe.freeze.contains(layer));
        let new: Vec<String> = new.cloned().collect();
        recipe.freeze.extend(new);
    }

    /// Takes over the weights, and says which.
    pub fn apply(&self, trainer: &mut Trainer<'_>) -> Result<(), Failure> {
        let Some(path) = &self.init_from else { return Ok(()) };
        let file = if path.is_dir() { RunDir::open(path)?.weights_best() } else { path.clone() };
        let report = trainer.init_from(&load_weights(&file)?)?;
        output::line(format_args!("weights  from {}", file.display()));
        output::line(format_args!("{report}"));
        Ok(())
    }
}
