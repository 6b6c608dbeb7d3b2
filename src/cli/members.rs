//! Runs and recipes as `compare` and `ensemble` take them: a run is used as it is, a recipe is
//! trained first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::args::{DataArgs, DeviceArgs, RecipeArgs};
use super::device::open::{PickArgs, on_device, open_device};
use super::failure::{Failure, Interrupted};
use super::inputs::loading::{load_recipe, read_data, recipe_of};
use super::inputs::stored_run::{StoredRun, Which};
use super::inputs::trained::in_words;
use super::interrupt;
use super::output;
use super::session::start::{TrainArgs, train};
use super::session::training::Ended;
use crate::data::{DataConfig, Dataset, Splits};
use crate::exec::Executor;
use crate::train::{Predictions, Recipe, RunDir, SplitEvaluation, TrainError};

/// How members are trained and evaluated.
#[derive(Debug, Args)]
pub(super) struct MemberArgs {
    /// Change a value of each recipe that is trained: `epochs=1`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Which weights [default: best where a validation split chose them, else last]
    #[arg(long, value_enum)]
    pub weights: Option<Which>,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub picks: PickArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder of run directories
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
}

impl MemberArgs {
    /// What trains a member.
    fn training_of(&self, recipe: RecipeArgs) -> TrainArgs {
        TrainArgs {
            recipe,
            device: self.device.clone(),
            picks: self.picks.clone(),
            data: self.data.clone(),
            runs: self.runs.clone(),
            ..TrainArgs::default_run()
        }
    }
}

/// A run, or a recipe to be trained.
pub(super) enum Member {
    /// The folder of a run.
    Run(RunDir),
    /// A recipe as its arguments give it.
    Recipe(Box<(RecipeArgs, Recipe)>),
}

impl Member {
    /// What `name` names: a folder, else a recipe.
    pub fn find(name: &str, set: &[String]) -> Result<Self, Failure> {
        let path = Path::new(name);
        let is_recipe_file = path.extension().is_some_and(|extension| extension == "toml");
        if !is_recipe_file && (path.is_dir() || path.components().count() > 1) {
            return Ok(Self::Run(RunDir::open(path)?));
        }
        let args = RecipeArgs { recipe: name.to_owned(), set: set.to_vec() };
        let recipe = load_recipe(&args)?;
        Ok(Self::Recipe(Box::new((args, recipe))))
    }

    /// What to call it in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Run(dir) => dir.path().display().to_string(),
            Self::Recipe(recipe) => recipe.0.recipe.clone(),
        }
    }

    /// The recipe.
    pub fn recipe(&self) -> Result<Recipe, Failure> {
        match self {
            Self::Run(dir) => recipe_of(dir),
            Self::Recipe(recipe) => Ok(recipe.1.clone()),
        }
    }
}

/// Demands that all members tell the same classes apart, before any of them is trained; returns
/// their names.
pub(super) fn shared_classes(
    members: &[Member],
    data: &mut DataOfRecipes<'_>,
) -> Result<Vec<String>, Failure> {
    let mut first: Option<(String, Vec<String>)> = None;
    for member in members {
        let (classes, task) = match member {
            Member::Run(dir) => {
                let model = dir.model()?;
                (model.classes, model.task)
            }
            Member::Recipe(recipe) => {
                let test = data.test_set(&recipe.1)?;
                (test.classes.clone(), test.task())
            }
        };
        if !task.is_classification() {
            return Err(format!("{}: {}", member.name(), TrainError::NoClasses { task }).into());
        }
        match &first {
            Some((name, shared)) if *shared != classes => {
                return Err(format!(
                    "{name} tells {} apart, {} {}; all must have been trained on the same classes",
                    in_words(shared),
                    member.name(),
                    in_words(&classes)
                )
                .into());
            }
            Some(_) => {}
            None => first = Some((member.name(), classes)),
        }
    }
    first.map(|(_, classes)| classes).ok_or_else(|| "no runs and no recipes were named".into())
}

/// The runs of members; those that are recipes are trained. `command` is what is called.
pub(super) fn obtain_all(
    members: Vec<Member>,
    args: &MemberArgs,
    data: &mut DataOfRecipes<'_>,
    command: &str,
) -> Result<Vec<RunDir>, Failure> {
    // From here on: a signal in one training, or between two, ends the whole command.
    interrupt::flag()?;
    let n = members.len();
    let mut dirs = Vec::with_capacity(n);
    let mut left = members.into_iter();
    while let Some(member) = left.next() {
        let place = (dirs.len() + 1, n);
        let (named, recipe) = match member {
            Member::Run(dir) => {
                dirs.push(dir);
                continue;
            }
            Member::Recipe(recipe) => *recipe,
        };
        let name = named.recipe.clone();
        let ended = match interrupt::has_come() {
            true => None,
            false => Some(obtain(named, recipe, args, data, place)?),
        };
        let interrupted = ended.as_ref().is_none_or(|ended| ended.interrupted);
        if !interrupted && let Some(ended) = ended {
            dirs.push(ended.run_dir);
            continue;
        }
        let mut names: Vec<String> =
            dirs.iter().map(|dir| dir.path().display().to_string()).collect();
        let cut = ended.map(|ended| ended.run_dir.path().display().to_string());
        let first = cut.as_ref().map(|cut| format!("  verigrad train --resume {cut}\n"));
        names.push(cut.unwrap_or(name));
        names.extend(left.map(|member| member.name()));
        return Err(Interrupted(format!(
            "\ninterrupted at {} of {n}; what was trained is kept. Go on with\n{}  verigrad \
             {command} {}\nand the options as before",
            place.0,
            first.unwrap_or_default(),
            names.join(" ")
        ))
        .into());
    }
    Ok(dirs)
}

/// What is said once a command is interrupted when all its members are there.
pub(super) fn interrupted_behind(dirs: &[RunDir], command: &str) -> Failure {
    let names: Vec<String> = dirs.iter().map(|dir| dir.path().display().to_string()).collect();
    let names = names.join(" ");
    Interrupted(format!(
        "\ninterrupted; all members are trained. Go on with\n  verigrad {command} {names}\nand the \
         options as before"
    ))
    .into()
}

/// Trains a member. `place` says which of how many it is.
fn obtain(
    named: RecipeArgs,
    recipe: Recipe,
    args: &MemberArgs,
    data: &mut DataOfRecipes<'_>,
    place: (usize, usize),
) -> Result<Ended, Failure> {
    output::line(format_args!("\n== {} of {}: {}", place.0, place.1, named.recipe));
    let data = data.splits_for_training(&recipe)?;
    train(&args.training_of(named), recipe, data, &Vec::new)
}

/// The data sets of recipes; read once where one recipe after another has the same. Pixels to train on
/// are kept as long as a member is still to be trained.
pub(super) struct DataOfRecipes<'a> {
    args: &'a DataArgs,
    last: Option<(DataConfig, Arc<Splits>)>,
    /// Members that are still to be trained.
    trainings: usize,
}

impl<'a> DataOfRecipes<'a> {
    /// Nothing is read yet.
    pub fn new(args: &'a DataArgs, members: &[Member]) -> Self {
        let trainings = members.iter().filter(|member| matches!(member, Member::Recipe(_))).count();
        Self::for_trainings(args, trainings)
    }

    /// The same for so many trainings.
    pub fn for_trainings(args: &'a DataArgs, trainings: usize) -> Self {
        Self { args, last: None, trainings }
    }

    fn splits(&mut self, recipe: &Recipe) -> Result<&Arc<Splits>, Failure> {
        let read = match self.last.take() {
            Some(last) if is_of(&last, &recipe.data) => last,
            _ => {
                let splits = read_data(recipe, self.args)?;
                let splits = if self.trainings == 0 { for_evaluation(&splits) } else { splits };
                (recipe.data.clone(), splits.into())
            }
        };
        Ok(&self.last.insert(read).1)
    }

    /// All splits of a recipe's set, for one of the trainings. The last one is alone with them, so
    /// that it may give up what it no longer needs.
    pub fn splits_for_training(&mut self, recipe: &Recipe) -> Result<Arc<Splits>, Failure> {
        let splits = self.splits(recipe)?.clone();
        self.trainings = self.trainings.saturating_sub(1);
        if self.trainings == 0 {
            self.last = Some((recipe.data.clone(), for_evaluation(&splits).into()));
        }
        Ok(splits)
    }

    /// The test set of a recipe.
    pub fn test_set(&mut self, recipe: &Recipe) -> Result<&Dataset, Failure> {
        Ok(&self.splits(recipe)?.test)
    }
}

/// Whether a set was read as a recipe says, or as the run of such a recipe says afterwards.
fn is_of((config, splits): &(DataConfig, Arc<Splits>), wanted: &DataConfig) -> bool {
    let mut as_read = config.clone();
    as_read.as_read(splits);
    as_read.skip_damaged |= wanted.skip_damaged;
    config == wanted || as_read == *wanted
}

/// The same splits without the pixels to train on.
fn for_evaluation(splits: &Splits) -> Splits {
    let train = &splits.train;
    Splits {
        train: Dataset {
            name: train.name.clone(),
            images: Vec::new(),
            labels: train.labels.clone(),
            classes: train.classes.clone(),
            pictures: train.pictures.clone(),
            examples: train.examples.clone(),
            targets: train.targets.clone(),
            ..*train
        },
        validation: splits.validation.clone(),
        test: splits.test.clone(),
        account: splits.account.clone(),
    }
}

/// Evaluates runs on their test sets, all on one device.
pub(super) struct TestBench<'a> {
    args: &'a MemberArgs,
    executor: Option<Box<dyn Executor>>,
}

impl<'a> TestBench<'a> {
    pub fn new(args: &'a MemberArgs) -> Self {
        Self { args, executor: None }
    }

    /// Evaluates a run; its folder stays as it is.
    pub fn evaluate(
        &mut self,
        run: &StoredRun,
        data: &Dataset,
    ) -> Result<(SplitEvaluation, Predictions), Failure> {
        run.trained.check_data(data)?;
        let batch = run.trained.recipe.evaluation_batch();
        on_device(
            &mut self.executor,
            &mut || open_device(&self.args.device, &self.args.picks),
            &mut |executor| {
                let (figures, predicted) = run.trained.predict(executor, "test", data, batch)?;
                Ok((figures, predicted.into_classes()?))
            },
        )
    }
}

/// Name of a run: that of its folder.
pub(super) fn name_of(path: &Path) -> String {
    // Behind a link or `..` the name is that of the folder itself.
    let found = path.canonicalize();
    let path = found.as_deref().unwrap_or(path);
    path.file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
