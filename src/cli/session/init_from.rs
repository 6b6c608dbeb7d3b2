//! `--init-from` and `--freeze`: a training that starts from the weights of another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::{StoredRun, classes_differ};
use crate::cli::output;
use crate::tensor::HostTensor;
use crate::train::{
    CLASSES_KEY, Exchange, ModelPrograms, Recipe, Trainer, check_finite, load_weights,
    read_safetensors, weights_metadata,
};

/// Arguments that say where weights come from and which of them stay.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct InitArgs {
    /// Start from the weights of a run (those that `eval` takes), or from a weight file, ours or
    /// PyTorch's; layers that do not fit by name and shape start afresh, and so does the last one
    /// where the classes are others
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
    pub fn apply(
        &self,
        trainer: &mut Trainer<'_>,
        recipe: &Recipe,
        classes: &[String],
    ) -> Result<(), Failure> {
        let Some(path) = &self.init_from else { return Ok(()) };
        let Source { file, tensors, classes: trained, layout } = match path.is_dir() {
            true => Source::of_run(path)?,
            false => Source::of_file(path, recipe, trainer.model())?,
        };
        check_finite(&file, &tensors)?;
        let differ = trained.and_then(|trained| classes_differ(&trained, classes));
        let report = trainer.init_from(&tensors, differ.is_none())?;
        output::line(format_args!("weights  from {}{layout}", file.display()));
        output::line(format_args!("{report}"));
        if let (Some(how), Some(head)) = (differ, &report.head) {
            output::line(format_args!("fresh    {head}: the classes are others: {how}"));
        }
        Ok(())
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
        let (file, tensors) = (run.which.file_in(&run.dir), run.tensors);
        Ok(Self { file, tensors, classes: Some(run.record.classes), layout: "" })
    }

    /// Those of a file. Names and layout are ours where its metadata tell that we wrote them so, else
    /// PyTorch's, as in what `weights export` writes for it.
    fn of_file(path: &Path, recipe: &Recipe, model: &ModelPrograms) -> Result<Self, Failure> {
        let metadata = weights_metadata(path)?;
        let is_ours = metadata.get("format").is_none_or(|format| format != "pt")
            && OUR_KEYS.iter().any(|key| metadata.contains_key(*key));
        let classes = metadata.get(CLASSES_KEY).and_then(|text| serde_json::from_str(text).ok());
        let (tensors, layout) = if is_ours {
            (load_weights(path)?, "")
        } else {
            let exchange = Exchange::of(recipe.model.as_ref(), model)?;
            let tensors = exchange.from_torch_in_part(read_safetensors(path)?)?;
            (tensors, ", in the names and layouts of PyTorch")
        };
        Ok(Self { file: path.to_owned(), tensors, classes, layout })
    }
}

/// Keys of metadata that files have whose weights lie as ours do.
const OUR_KEYS: [&str; 3] = ["epoch", "layers", "verigrad_sha256"];
