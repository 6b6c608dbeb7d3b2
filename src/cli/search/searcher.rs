//! Trains the trials of a plan that are not trained yet, and sums up what was found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::folders::{folder_of_trial, newest_run};
use super::plan::{Plan, Trial};
use crate::cli::args::{DataArgs, DeviceArgs};
use crate::cli::device::open::PickArgs;
use crate::cli::failure::{Failure, Interrupted};
use crate::cli::members::DataOfRecipes;
use crate::cli::session::start::{TrainArgs, go_on, train};
use crate::cli::text::search::search_text;
use crate::cli::{interrupt, output};
use crate::report::format::duration;
use crate::report::{Outcome, SearchRecord, TrialRecord, shown, write_search_report};
use crate::train::{
    EpochRecord, Hook, MedianRule, Monitor, PRUNED, Recipe, RunDir, read_text, write_atomically,
};

/// Why a trial failed, in its folder.
const FAILED: &str = "failed.txt";

/// How trials are trained, and what is printed.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrialArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub picks: PickArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder in which the folder is made, where --folder names none
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// Folder of the whole: a new one, or one that is gone on with
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Print all that each training prints
    #[arg(long)]
    pub full: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The search in a folder.
struct Searcher<'a> {
    args: &'a TrialArgs,
    /// What is called to go on.
    command: &'a str,
    plan: Plan,
    folder: RunDir,
    metric: Monitor,
    trials: Vec<Trial>,
    /// Those that are trained, and their epochs.
    done: Vec<(TrialRecord, Vec<EpochRecord>)>,
}

/// What is in the folder of a trial.
enum Found {
    /// Nothing that can be gone on with.
    Nothing,
    /// A run that has not ended.
    Open(RunDir),
    /// All of it.
    Done(Box<(TrialRecord, Vec<EpochRecord>)>),
}

/// Trains what `given`, or the plan that the folder has, says and the folder lacks; prints what was found.
pub(in crate::cli) fn run(
    args: &TrialArgs,
    given: Option<Plan>,
    command: &str,
) -> Result<ExitCode, Failure> {
    if args.json {
        output::silence();
    }
    // A signal in one training, or between two, ends the whole command.
    interrupt::flag()?;
    let path = match (&args.folder, &given) {
        (Some(folder), _) => folder.clone(),
        (None, Some(given)) => {
            given.check()?;
            let name = given.recipe.parse(&given.set)?.name;
            RunDir::create(&args.runs, &format!("{name}-{command}"))?.path().to_owned()
        }
        (None, None) => return Err("say what to try, or which --folder to go on with".into()),
    };
    let plan = Plan::of_folder(&path, given)?;
    let folder = RunDir::of_several(&path)?;
    let _lock = folder.lock()?;
    let trials = plan.trials();
    let first = trials.first().ok_or("there is nothing to try")?;
    let (metric, _) = plan.recipe_of(first)?.best_by();
    let mut searcher = Searcher { args, command, plan, folder, metric, trials, done: Vec::new() };
    let ended = searcher.train_all();
    let record = searcher.record()?;
    searcher.write(&record)?;
    ended?;
    if args.json {
        output::json(&record)?;
    }
    output::text(format_args!("\n{}", search_text(&record)));
    output::line(format_args!("\nleft in  {}", path.display()));
    match record.winner() {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => Err("no setting has succeeded in all its trials".into()),
    }
}

impl Searcher<'_> {
    fn train_all(&mut self) -> Result<(), Failure> {
        let found =
            self.trials.iter().map(|trial| self.look(trial)).collect::<Result<Vec<_>, _>>()?;
        let open = found.iter().filter(|found| !matches!(found, Found::Done(_))).count();
        if open < found.len() {
            let done = found.len() - open;
            output::line(format_args!("{done} of {} are trained already", found.len()));
        }
        let args = self.args;
        let mut data = DataOfRecipes::for_trainings(&args.data, open);
        for (trial, found) in self.trials.clone().into_iter().zip(found) {
            let found = match found {
                Found::Done(done) => {
                    self.done.push(*done);
                    continue;
                }
                found => found,
            };
            if interrupt::has_come() {
                return Err(self.interrupted());
            }
            self.tell_begin(&trial);
            let interrupted = self.train(&trial, found, &mut data)?;
            if interrupted {
                return Err(self.interrupted());
            }
            match self.look(&trial)? {
                Found::Done(done) => {
                    self.tell_end(&done.0);
                    self.done.push(*done);
                }
                _ => return Err(format!("trial {} has left no result", trial.number).into()),
            }
        }
        Ok(())
    }

    /// Trains a trial, or what is left of it; tells whether it was interrupted. What is to blame on its
    /// recipe is kept, and others go on.
    fn train(
        &self,
        trial: &Trial,
        found: Found,
        data: &mut DataOfRecipes<'_>,
    ) -> Result<bool, Failure> {
        let recipe = self.plan.recipe_of(trial)?;
        let root = self.root(trial);
        let args = TrainArgs {
            device: self.args.device.clone(),
            picks: self.args.picks.clone(),
            data: self.args.data.clone(),
            runs: root.clone(),
            ..TrainArgs::default_run()
        };
        let hooks = || self.hooks(recipe.epochs);
        let mut work = || -> Result<bool, Failure> {
            let splits = data.splits_for_training(&recipe)?;
            let ended = match &found {
                Found::Open(run) => go_on(run.path(), &args, Some(splits), &hooks)?,
                _ => train(&args, recipe.clone(), splits, &hooks)?,
            };
            Ok(ended.interrupted)
        };
        let ended = if self.args.full { work() } else { output::hushed(work) };
        match ended {
            Err(failure) if failure.is_of_recipe() && !interrupt::has_come() => {
                fs::create_dir_all(&root)?;
                write_atomically(&root.join(FAILED), format!("{failure}\n").as_bytes())?;
                Ok(false)
            }
            Err(failure) if failure.is_interruption() => Ok(true),
            Err(failure) => {
                output::note(format_args!(
                    "trial {} of {} could not be trained; what was trained is kept. Go on with\n  {}",
                    trial.number,
                    self.trials.len(),
                    self.how_to_go_on()
                ));
                Err(failure)
            }
            ended => ended,
        }
    }

    /// The hooks of the next trial: the median rule beside all that have come before.
    fn hooks(&self, epochs: u32) -> Vec<Box<dyn Hook>> {
        let Some(pruning) = self.plan.pruning else { return Vec::new() };
        let others = self.done.iter().map(|(_, epochs)| self.metric.best_so_far(epochs));
        let warmup = (pruning.warmup_epochs, pruning.warmup_trials);
        vec![Box::new(MedianRule::new(self.metric, others.collect(), warmup, epochs))]
    }

    fn root(&self, trial: &Trial) -> PathBuf {
        folder_of_trial(self.folder.path(), trial.number)
    }

    /// What is in the folder of a trial.
    fn look(&self, trial: &Trial) -> Result<Found, Failure> {
        let root = self.root(trial);
        let Some(run) = newest_run(&root) else {
            return self.failed(trial, &root, None);
        };
        if let (true, Some(result)) = (run.evaluation_path().is_file(), run.result()?) {
            let is_pruned = result.ended.starts_with(PRUNED);
            let outcome = if is_pruned { Outcome::Pruned } else { Outcome::Finished };
            let epochs = run.epochs()?;
            let record =
                self.sum_up(trial, &run, (outcome, result.ended, result.seconds), &epochs)?;
            return Ok(Found::Done(Box::new((record, epochs))));
        }
        if root.join(FAILED).is_file() {
            return self.failed(trial, &root, Some(&run));
        }
        // Before its first checkpoint there is nothing to go on with.
        Ok(match run.checkpoints().load() {
            Ok(_) => Found::Open(run),
            Err(_) => Found::Nothing,
        })
    }

    /// A trial that has failed, where it has.
    fn failed(&self, trial: &Trial, root: &Path, run: Option<&RunDir>) -> Result<Found, Failure> {
        let why = root.join(FAILED);
        if !why.is_file() {
            return Ok(Found::Nothing);
        }
        let text = read_text(&why)?;
        let why = text.lines().next().unwrap_or_default().to_owned();
        let epochs = run.map(RunDir::epochs).transpose()?.unwrap_or_default();
        let seconds = epochs.iter().map(|epoch| epoch.seconds).sum();
        let there = RunDir::of_several(root)?;
        let ended = (Outcome::Failed, why, seconds);
        let record = self.sum_up(trial, run.unwrap_or(&there), ended, &epochs)?;
        Ok(Found::Done(Box::new((record, epochs))))
    }

    fn sum_up(
        &self,
        trial: &Trial,
        run: &RunDir,
        (outcome, ended, seconds): (Outcome, String, f64),
        epochs: &[EpochRecord],
    ) -> Result<TrialRecord, Failure> {
        let value = |epoch: &EpochRecord| self.metric.value_of(epoch).filter(|v| v.is_finite());
        let mut best: Option<(&EpochRecord, f64)> = None;
        for epoch in epochs {
            if let Some(value) = value(epoch)
                && self.metric.improves(value, best.map(|best| best.1), 0.0)
            {
                best = Some((epoch, value));
            }
        }
        let run = run.path().strip_prefix(self.folder.path()).unwrap_or(run.path());
        Ok(TrialRecord {
            trial: trial.number,
            values: self.plan.settings.get(trial.setting).cloned().unwrap_or_default(),
            seed: self.plan.recipe_of(trial)?.seed,
            fold: trial.fold,
            outcome,
            ended,
            best: best.map(|best| best.1),
            best_epoch: best.map(|best| best.0.epoch),
            last: epochs.last().and_then(value),
            test_accuracy: best.and_then(|best| best.0.test_accuracy),
            epochs: epochs.last().map_or(0, |epoch| epoch.epoch),
            seconds: if seconds.is_finite() { seconds } else { 0.0 },
            run: run.display().to_string(),
        })
    }

    /// What was found so far.
    fn record(&self) -> Result<SearchRecord, Failure> {
        let name = self.plan.recipe.parse(&self.plan.set)?.name;
        let trials: Vec<TrialRecord> = self.done.iter().map(|(trial, _)| trial.clone()).collect();
        let missing = self.trials.len() - trials.len();
        let named = (name.as_str(), self.plan.keys.as_slice());
        Ok(SearchRecord::new(named, self.metric, self.plan.folds, (trials, missing)))
    }

    /// Leaves the table, the CSV file, the record and the page.
    fn write(&self, record: &SearchRecord) -> Result<(), Failure> {
        let path = self.folder.path();
        write_atomically(&path.join("table.txt"), search_text(record).as_bytes())?;
        write_atomically(&path.join("trials.csv"), record.to_csv().as_bytes())?;
        self.folder.write_result(record)?;
        let epochs: Vec<Vec<EpochRecord>> = self.done.iter().map(|(_, e)| e.clone()).collect();
        Ok(write_search_report(record, &epochs, &path.join("report.html"))?)
    }

    fn how_to_go_on(&self) -> String {
        format!("verigrad {} --folder {}", self.command, self.folder.path().display())
    }

    fn interrupted(&self) -> Failure {
        Interrupted(format!(
            "\ninterrupted after {} of {} trials; everything is saved. Go on with\n  {}\nand the options of \
             device and data as before",
            self.done.len(),
            self.trials.len(),
            self.how_to_go_on()
        ))
        .into()
    }

    fn tell_begin(&self, trial: &Trial) {
        let mut what = self.plan.pairs(trial);
        let recipe: Option<Recipe> = self.plan.recipe_of(trial).ok();
        what.extend(trial.fold.map(|fold| format!("fold {fold}")));
        if self.plan.seeds > 1 {
            what.extend(recipe.map(|recipe| format!("seed {}", recipe.seed)));
        }
        let (number, n) = (trial.number, self.trials.len());
        output::line(format_args!("{number:>3}/{n}  {}", what.join("  ")));
    }

    fn tell_end(&self, trial: &TrialRecord) {
        let TrialRecord { best, best_epoch, epochs, ended, .. } = trial;
        let seconds = std::time::Duration::try_from_secs_f64(trial.seconds).unwrap_or_default();
        let (best, time) = (shown(self.metric, *best), duration(seconds));
        let metric = self.metric;
        let text = match (trial.outcome, best_epoch) {
            (Outcome::Failed, _) => format!("failed: {ended}"),
            (Outcome::Pruned, _) => ended.clone(),
            (_, Some(epoch)) => format!("{metric} {best} in epoch {epoch} of {epochs}, in {time}"),
            (_, None) => format!("no {metric}: {ended}"),
        };
        output::line(format_args!("         {text}"));
    }
}
