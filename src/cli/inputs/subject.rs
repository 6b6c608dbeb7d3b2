//! What a command looks at: the weights of a run, or a weight file with the recipe of its model.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::loading::{image_of, load_recipe, read_data};
use super::stored_run::{StoredRun, Which};
use super::trained::TrainedModel;
use super::weight_file::{Extent, SelectionArgs, weights_of};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::PickArgs;
use crate::cli::failure::{Failure, Unknown};
use crate::cli::output;
use crate::data::Splits;
use crate::train::{
    FileError, FileLayout, ModelPrograms, ModelRecord, PendingWeights, Recipe, RunDir, WeightFile,
};

/// A run or a weight file, and where to compute.
#[derive(Debug, Args)]
pub(in crate::cli) struct SubjectArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub picks: PickArgs,
}

/// A run or a weight file.
#[derive(Debug, Args)]
pub(in crate::cli) struct WhatArgs {
    /// Run directory, e.g. runs/digits-1; or with --recipe a weight file, ours, PyTorch's or NumPy's
    pub run: PathBuf,
    /// Which weights of a run [default: best where a validation split chose them, else last]
    #[arg(long, value_enum, conflicts_with = "recipe")]
    pub weights: Option<Which>,
    /// The model that a weight file is for: name of a built-in recipe, or path to a .toml file
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// With --recipe, change a value of the recipe: `model.depth=34`
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "recipe")]
    set: Vec<String>,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Where a model comes from.
enum Origin {
    Run { dir: RunDir, which: Which },
    File(PathBuf),
}

/// A model that a command looks at.
pub(in crate::cli) struct Subject {
    pub trained: TrainedModel,
    origin: Origin,
    /// Its data, where they were needed to know the model.
    read: Option<Splits>,
}

impl Subject {
    /// Reads what the arguments name. Data are read only where they alone tell a file's classes or
    /// normalization.
    pub fn open(args: &WhatArgs, data: &DataArgs) -> Result<Self, Failure> {
        match &args.recipe {
            Some(recipe) if !args.run.is_dir() => {
                let recipe = RecipeArgs { recipe: recipe.clone(), set: args.set.clone() };
                Self::of_file(&args.run, load_recipe(&recipe)?, &args.selection, data)
            }
            Some(_) => Err(Unknown(format!(
                "{} is a folder, and --recipe goes with a weight file: leave --recipe out to take a \
                 run's own, or give the file",
                args.run.display()
            ))
            .into()),
            None if args.run.is_file() => Err(Unknown(format!(
                "{} is a file: give a run directory, or with a weight file --recipe NAME|FILE.toml, \
                 which says what model it is for",
                args.run.display()
            ))
            .into()),
            None => {
                let StoredRun { dir, which, trained } = StoredRun::open(&args.run, args.weights)?;
                Ok(Self { trained, origin: Origin::Run { dir, which }, read: None })
            }
        }
    }

    fn of_file(
        path: &Path,
        recipe: Recipe,
        selection: &SelectionArgs,
        data: &DataArgs,
    ) -> Result<Self, Failure> {
        let file = WeightFile::read(path)?;
        let (record, read) = match known_record(&recipe, file.classes()) {
            Some(record) => (record, None),
            None => record_of_data(&recipe, &file, data)?,
        };
        let normalization = record.normalization_in(&recipe.data)?;
        let classes = record.classes.len();
        let model = ModelPrograms::without_data(&recipe, record.image, classes, normalization)?;
        let layout = file.layout();
        let tensors = weights_of(&file, (&recipe, &model), layout, selection, Extent::Whole)?;
        let weights = PendingWeights::check(&model, &tensors)?;
        match layout {
            FileLayout::Own => {}
            FileLayout::Torch => {
                output::line(format_args!("layout   names and layouts of PyTorch"));
            }
            FileLayout::Keras => output::line(format_args!("layout   layers of Keras")),
        }
        let trained = TrainedModel { recipe, record, model, tensors, weights };
        Ok(Self { trained, origin: Origin::File(path.to_owned()), read })
    }

    /// The data of its recipe.
    pub fn data(&mut self, args: &DataArgs) -> Result<Splits, Failure> {
        match self.read.take() {
            Some(splits) => Ok(splits),
            None => Ok(read_data(&self.trained.recipe, args)?),
        }
    }

    /// The run, and which weights of it; none for a file.
    pub fn run(&self) -> Option<(&RunDir, Which)> {
        match &self.origin {
            Origin::Run { dir, which } => Some((dir, *which)),
            Origin::File(_) => None,
        }
    }

    /// Which weights: of a run in a word, else the file.
    pub fn weights_name(&self) -> String {
        match &self.origin {
            Origin::Run { which, .. } => which.name().to_owned(),
            Origin::File(path) => path.display().to_string(),
        }
    }

    /// Tells which weights are used: the same line in all commands.
    pub fn tell_weights(&self) {
        output::line(format_args!("weights  {}", self.weights_name()));
    }

    /// Where a file of an analysis goes: into the folder `analysis` of a run, or `FILE-analysis` beside a
    /// weight file, which is made.
    pub fn analysis_file(&self, name: &str) -> Result<PathBuf, Failure> {
        match &self.origin {
            Origin::Run { dir, .. } => Ok(dir.analysis_file(name)?),
            Origin::File(path) => {
                let mut folder = path.file_stem().unwrap_or_default().to_owned();
                folder.push("-analysis");
                let folder = path.with_file_name(folder);
                fs::create_dir_all(&folder).map_err(FileError::of("create the folder", &folder))?;
                Ok(folder.join(name))
            }
        }
    }
}

/// What the model of a recipe takes and gives, with these classes; none where only the data tell.
fn known_record(recipe: &Recipe, classes: Option<Vec<String>>) -> Option<ModelRecord> {
    // Statistics of the training images are not known.
    let is_known = recipe.data.normalization.is_none();
    let (image, classes) = recipe.data.image().zip(classes)?;
    is_known.then_some(ModelRecord { image, classes, task: recipe.data.task, normalization: None })
}

/// The same with what the data tell. Where they are not there and only the names of the classes are
/// missing, numbers take their place, which is told.
fn record_of_data(
    recipe: &Recipe,
    file: &WeightFile,
    data: &DataArgs,
) -> Result<(ModelRecord, Option<Splits>), Failure> {
    let splits = match read_data(recipe, data) {
        Ok(splits) => splits,
        Err(error) => {
            let numbers = recipe.data.dataset.classes();
            let numbers = numbers.map(|count| (0..count).map(|class| class.to_string()).collect());
            let Some(record) = known_record(recipe, numbers) else { return Err(error.into()) };
            output::note(format_args!(
                "note: classes are told by number, since the data set is not there: {error}"
            ));
            return Ok((record, None));
        }
    };
    let train = &splits.train;
    let record = ModelRecord {
        image: image_of(train),
        classes: file.classes().unwrap_or_else(|| train.classes.clone()),
        task: train.task(),
        normalization: Some(recipe.data.normalization_of(train)?),
    };
    Ok((record, Some(splits)))
}
