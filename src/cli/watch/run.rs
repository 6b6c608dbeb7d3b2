//! What is read of one run. Files that cannot be read as they are leave what was read before, and a
//! line that says so: another process writes them.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::find::Found;
use super::pace::Pace;
use crate::exec::DeviceInfo;
use crate::report::format::visible_name;
use crate::train::{EpochRecord, Evaluation, Recipe, RunDir, RunPlan, RunResult, StepRecord};

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A process trains in its folder.
    Running,
    /// It has its result.
    Ended,
    /// Neither: it was interrupted, killed, or failed.
    Stopped,
}

impl State {
    fn of(dir: &RunDir) -> Self {
        if dir.is_in_use() {
            Self::Running
        } else if dir.result_path().is_file() {
            Self::Ended
        } else {
            Self::Stopped
        }
    }
}

/// What tells that a file has changed: its size and the time of its last change.
type Stamp = (u64, Option<SystemTime>);

/// What was read of a file.
#[derive(Debug)]
struct Read<T> {
    stamp: Option<Stamp>,
    value: T,
    problem: Option<String>,
}

impl<T: Default> Read<T> {
    fn nothing() -> Self {
        Self { stamp: None, value: T::default(), problem: None }
    }

    /// Reads the file again where it has changed. A file that is gone leaves nothing.
    fn refresh<E: Display>(&mut self, path: &Path, read: impl FnOnce() -> Result<T, E>) {
        let found = fs::metadata(path).ok();
        // Before it is read: what comes later is seen the next time.
        let stamp = found.map(|file| (file.len(), file.modified().ok()));
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        match read() {
            Ok(value) => (self.value, self.problem) = (value, None),
            Err(error) => self.problem = Some(error.to_string()),
        }
    }

    /// When the file last changed.
    fn changed(&self) -> Option<SystemTime> {
        self.stamp.and_then(|(_, time)| time)
    }
}

/// A run and what was read of it so far.
#[derive(Debug)]
pub(super) struct Run {
    pub dir: RunDir,
    /// How it is called, without characters that would steer a terminal.
    pub label: String,
    /// The same where there is little room.
    pub short: String,
    pub state: State,
    pub pace: Pace,
    recipe: Read<Option<Recipe>>,
    epochs: Read<Vec<EpochRecord>>,
    steps: Read<Vec<StepRecord>>,
    device: Read<Option<DeviceInfo>>,
    plan: Read<Option<RunPlan>>,
    result: Read<Option<RunResult>>,
    evaluation: Read<Option<Evaluation>>,
}

impl Run {
    /// A run of which nothing but its state was looked at.
    pub fn new(found: &Found) -> Self {
        Self {
            state: State::of(&found.dir),
            dir: found.dir.clone(),
            label: visible_name(&found.label).into_owned(),
            short: visible_name(&found.short).into_owned(),
            pace: Pace::default(),
            recipe: Read::nothing(),
            epochs: Read::nothing(),
            steps: Read::nothing(),
            device: Read::nothing(),
            plan: Read::nothing(),
            result: Read::nothing(),
            evaluation: Read::nothing(),
        }
    }

    /// Looks whether it goes on.
    pub fn refresh_state(&mut self) {
        self.state = State::of(&self.dir);
    }

    /// Reads what has changed.
    pub fn refresh(&mut self) {
        let (dir, at) = (&self.dir, |name: &str| self.dir.path().join(name));
        self.recipe.refresh(&at("recipe.toml"), || {
            let text = dir.recipe().map_err(|error| error.to_string())?;
            let recipe = Recipe::parse("recipe.toml", &text, &[]);
            recipe.map(Some).map_err(|error| error.to_string())
        });
        self.epochs.refresh(&at("metrics.csv"), || dir.epochs());
        self.steps.refresh(&at("steps.csv"), || dir.steps());
        self.device.refresh(&at("device.json"), || dir.device());
        self.plan.refresh(&at("plan.json"), || dir.plan());
        self.result.refresh(&dir.result_path(), || dir.result());
        self.evaluation.refresh(&dir.evaluation_path(), || dir.evaluation());
        if let (Some(epoch), Some(time)) = (self.epochs.value.last(), self.epochs.changed()) {
            self.pace.see(epoch.epoch, time);
        }
        self.refresh_state();
    }

    /// Its recipe.
    pub fn recipe(&self) -> Option<&Recipe> {
        self.recipe.value.as_ref()
    }

    /// The epochs that have ended.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.epochs.value
    }

    /// The steps of those epochs.
    pub fn steps(&self) -> &[StepRecord] {
        &self.steps.value
    }

    /// Its device.
    pub fn device(&self) -> Option<&DeviceInfo> {
        self.device.value.as_ref()
    }

    /// What it came to.
    pub fn result(&self) -> Option<&RunResult> {
        self.result.value.as_ref()
    }

    /// What it needs; runs of versions that kept no plan tell it when they end.
    pub fn plan(&self) -> Option<RunPlan> {
        let of_result = |result: &RunResult| RunPlan {
            parameters: result.parameters,
            planned_bytes: result.planned_bytes,
            planned_host_bytes: result.planned_host_bytes,
        };
        self.plan.value.or_else(|| self.result().map(of_result))
    }

    /// Its figures by class.
    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.evaluation.value.as_ref()
    }

    /// What could not be read, in lines.
    pub fn problems(&self) -> Vec<&str> {
        let all = [
            &self.recipe.problem,
            &self.epochs.problem,
            &self.steps.problem,
            &self.device.problem,
            &self.plan.problem,
            &self.result.problem,
            &self.evaluation.problem,
        ];
        all.into_iter().flatten().map(String::as_str).collect()
    }
}
