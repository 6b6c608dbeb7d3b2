//! `--init-from` and `--freeze`: a training that starts from the weights of another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::StoredRun;
use crate::cli::inputs::trained::{TrainedModel, classes_differ};
use crate::cli::inputs::weight_file::{Extent, SelectionArgs, weights_of};
use crate::cli::output;
use crate::tensor::HostTensor;
use crate::train::{FileLayout, ModelPrograms, Recipe, Trainer, WeightFile};

/// Arguments that say where weights come from and which of them stay.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct InitArgs {
    /// Start from the weights of a run (those that `eval` takes), or from a weight file, ours,
    /// PyTorch's or NumPy's; layers that do not fit by name and shape start afresh, and so does the last one
    /// where the classes are others
    #[arg(long, value_name = "RUN|FILE")]
    init_from: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
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
    pub fn apply(
        &self,
        trainer: &mut Trainer<'_>,
        recipe: &Recipe,
        classes: &[String],
    ) -> Result<(), Failure> {
        for line in self.take(trainer, recipe, classes)? {
            output::line(format_args!("{line}"));
        }
        Ok(())
    }

    /// Takes over the weights; the lines say which.
    pub fn take(
        &self,
        trainer: &mut Trainer<'_>,
        recipe: &Recipe,
        classes: &[String],
    ) -> Result<Vec<String>, Failure> {
        let Some(path) = &self.init_from else { return Ok(Vec::new()) };
        let Source { file, tensors, classes: trained, layout } = match path.is_dir() {
            true => Source::of_run(path)?,
            false => Source::of_file(path, (recipe, trainer.model()), &self.selection)?,
        };
        let differ = trained.and_then(|trained| classes_differ(&trained, classes));
        let report = trainer.init_from(&tensors, differ.is_none())?;
        let mut lines =
            vec![format!("weights  from {}{layout}", file.display()), report.to_string()];
        if let (Some(how), Some(head)) = (differ, &report.head) {
            lines.push(format!("fresh    {head}: the classes are others: {how}"));
        }
        Ok(lines)
    }
}

/// Weights to begin with, as the model has them, as far as it does.
struct Source {
    file: PathBuf,
    tensors: BTreeMap<String, HostTensor>,
    /// The classes that they tell apart, where that is known.
    classes: Option<Vec<String>>,
    /// How they lay in the file, to be told.
    layout: &'static str,
}

impl Source {
    /// The weights of a run: those that every other command takes.
    fn of_run(path: &Path) -> Result<Self, Failure> {
        let run = StoredRun::open(path, None)?;
        let file = run.which.file_in(&run.dir);
        let TrainedModel { tensors, record, .. } = run.trained;
        Ok(Self { file, tensors, classes: Some(record.classes), layout: "" })
    }

    /// Those of a file, in the names and layouts that it says.
    fn of_file(
        path: &Path,
        (recipe, model): (&Recipe, &ModelPrograms),
        selection: &SelectionArgs,
    ) -> Result<Self, Failure> {
        let file = WeightFile::read(path)?;
        let layout = file.layout();
        let tensors = weights_of(&file, (recipe, model), layout, selection, Extent::Part)?;
        let layout = match layout {
            FileLayout::Own => "",
            FileLayout::Torch => ", in the names and layouts of PyTorch",
            FileLayout::Keras => ", by the layers of Keras",
        };
        Ok(Self { file: path.to_owned(), tensors, classes: file.classes(), layout })
    }
}
