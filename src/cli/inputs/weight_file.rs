//! Weight files beside runs: which of their tensors are meant, and what they are for a model.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::tensor::HostTensor;
use crate::train::{
    Exchange, FileLayout, Imported, ModelPrograms, Recipe, Selection, WeightFile, check_finite,
};

/// Which tensors of a weight file are meant.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct SelectionArgs {
    /// What names in a weight file have in front of the model's, such as `model.` [default: what most
    /// of them share, if anything; "" for nothing]
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Pass over tensors of a weight file, by name, in which * stands for any text; may be given
    /// repeatedly
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,
}

impl SelectionArgs {
    pub fn selection(&self) -> Selection {
        Selection { prefix: self.prefix.clone(), ignore: self.ignore.clone() }
    }
}

/// How much of a model a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Extent {
    /// All of it, and nothing else.
    Whole,
    /// What they have in common.
    Part,
}

/// The weights of a file, as the model of a recipe has them; tells what was not taken as it lay there.
pub(in crate::cli) fn weights_of(
    file: &WeightFile,
    (recipe, model): (&Recipe, &ModelPrograms),
    layout: FileLayout,
    selection: &SelectionArgs,
    extent: Extent,
) -> Result<BTreeMap<String, HostTensor>, Failure> {
    let exchange = Exchange::of(recipe.model.as_ref(), model)?;
    let selection = selection.selection();
    let in_file = |error| Failure::in_file(file.path(), error);
    let Imported { weights, taken } = match extent {
        Extent::Whole => exchange.import(file, layout, &selection).map_err(in_file)?,
        Extent::Part => exchange.import_in_part(file, layout, &selection).map_err(in_file)?,
    };
    let weights = weights.into_iter().collect();
    check_finite(file.path(), &weights)?;
    output::text(format_args!("{taken}"));
    Ok(weights)
}
