//! The plan of a search: what it trains, in which order. Its folder keeps it, as `search.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::cli::inputs::loading::RecipeText;
use crate::input::{self, MOST_OF_A_TEXT};
use crate::train::{Recipe, TrainError, write_atomically};

/// Name of the file.
const PLAN: &str = "search.json";

/// When trials end early: those whose best value is worse than the median of the others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Pruning {
    /// Epochs after which none is ended yet.
    pub warmup_epochs: u32,
    /// Other trials that must have come as far.
    pub warmup_trials: usize,
}

/// What a search trains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Plan {
    /// The recipe.
    pub recipe: RecipeText,
    /// What is changed in all trials.
    pub set: Vec<String>,
    /// What is changed from setting to setting.
    pub keys: Vec<String>,
    /// The values of each setting, in the order of the keys.
    pub settings: Vec<Vec<String>>,
    /// Seeds of each setting: that of the recipe, the next one, and so on.
    pub seeds: u64,
    /// Folds of the training set, of which each is held out once.
    pub folds: Option<usize>,
    /// When trials end early, if they do.
    pub pruning: Option<Pruning>,
}

/// One training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Trial {
    /// Its number, from one.
    pub number: usize,
    /// Number of its setting.
    pub setting: usize,
    /// What is added to the seed of the recipe.
    pub seed: u64,
    /// The fold that is held out, from one.
    pub fold: Option<usize>,
}

impl Plan {
    /// The trials in their order: all settings once, and again with the next fold or seed. So a search
    /// that ends early has seen all settings, and more seeds come behind the others.
    pub fn trials(&self) -> Vec<Trial> {
        let folds: Vec<Option<usize>> = match self.folds {
            Some(folds) => (1..=folds).map(Some).collect(),
            None => vec![None],
        };
        let mut trials = Vec::new();
        for seed in 0..self.seeds {
            for &fold in &folds {
                for setting in 0..self.settings.len() {
                    trials.push(Trial { number: trials.len() + 1, setting, seed, fold });
                }
            }
        }
        trials
    }

    /// The recipe of a trial.
    pub fn recipe_of(&self, trial: &Trial) -> Result<Recipe, TrainError> {
        let seed = self.recipe.parse(&self.set)?.seed;
        let mut set = self.set.clone();
        set.extend(self.pairs(trial));
        if trial.seed > 0 {
            let seed = seed.checked_add(trial.seed).ok_or_else(|| TrainError::Override {
                given: "seed".to_owned(),
                message: "there are no more seeds; choose a lower one".to_owned(),
            })?;
            set.push(format!("seed={seed}"));
        }
        if let Some((folds, fold)) = self.folds.zip(trial.fold) {
            set.extend([format!("data.folds={folds}"), format!("data.fold={fold}")]);
        }
        self.recipe.parse(&set)
    }

    /// The changes of a setting, as `--set` takes them.
    pub fn pairs(&self, trial: &Trial) -> Vec<String> {
        let values = self.settings.get(trial.setting).map_or(&[][..], Vec::as_slice);
        let pairs = self.keys.iter().zip(values);
        pairs.map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Demands that every recipe can be read, before any is trained.
    pub fn check(&self) -> Result<(), Failure> {
        for key in &self.keys {
            let taken = [("seed", self.seeds > 1), ("data.fold", true), ("data.folds", true)];
            if taken.iter().any(|(name, is_taken)| key == name && *is_taken) {
                return Err(
                    format!("{key} is what --seeds and --folds change; leave it out").into()
                );
            }
        }
        // The last ones have the highest seed and fold.
        let trials = self.trials();
        let first = trials.iter().take(self.settings.len());
        for trial in first.chain(trials.last()) {
            self.recipe_of(trial)?;
        }
        Ok(())
    }

    /// The plan of the search in `folder`; where it has none yet, `given` becomes it. Where it has one,
    /// what is given must be the same search, but for more seeds and other pruning.
    pub fn of_folder(folder: &Path, given: Option<Self>) -> Result<Self, Failure> {
        let path = folder.join(PLAN);
        let kept = Self::kept_in(folder)?;
        let plan = match (kept, given) {
            (None, None) => {
                return Err(format!(
                    "{} holds no search to go on with: say which recipe and values to try",
                    folder.display()
                )
                .into());
            }
            (None, Some(given)) => given,
            (Some(kept), None) => kept,
            (Some(kept), Some(given)) => {
                if let Some(what) = kept.difference(&given) {
                    return Err(format!(
                        "{} holds another search: {what}; choose another --folder, or go on with \
                         --folder alone",
                        folder.display()
                    )
                    .into());
                }
                Self { seeds: given.seeds.max(kept.seeds), pruning: given.pruning, ..kept }
            }
        };
        plan.check()?;
        let text = serde_json::to_string_pretty(&plan)? + "\n";
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        write_atomically(&path, text.as_bytes())?;
        Ok(plan)
    }

    /// The plan that a folder has, where it has one.
    pub fn kept_in(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join(PLAN);
        if !path.is_file() {
            return Ok(None);
        }
        let text = input::read_text(&path, MOST_OF_A_TEXT)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let plan = serde_json::from_str(&text);
        Ok(Some(
            plan.map_err(|error| format!("{} is no plan of a search: {error}", path.display()))?,
        ))
    }

    /// How another plan differs in what decides the trials that there are; none where it does not.
    fn difference(&self, other: &Self) -> Option<String> {
        let differs = [
            ("the recipe", self.recipe != other.recipe),
            ("--set", self.set != other.set),
            ("the keys", self.keys != other.keys),
            ("the values", self.settings != other.settings),
            ("--folds", self.folds != other.folds),
        ];
        let what = differs.iter().find(|(_, differs)| *differs)?.0;
        Some(format!("{what} differ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            recipe: RecipeText::read("digits").expect("built in"),
            set: vec!["epochs=2".to_owned()],
            keys: vec!["batch_size".to_owned(), "optimizer.type".to_owned()],
            settings: vec![
                vec!["32".to_owned(), "adam".to_owned()],
                vec!["64".to_owned(), "rmsprop".to_owned()],
            ],
            seeds: 2,
            folds: Some(3),
            pruning: None,
        }
    }

    #[test]
    fn trials_go_through_all_settings_first() {
        let plan = plan();
        let trials = plan.trials();
        assert_eq!(trials.len(), 12);
        assert_eq!(trials[3], Trial { number: 4, setting: 1, seed: 0, fold: Some(2) });
        let recipe = plan.recipe_of(&trials[11]).expect("valid");
        assert_eq!((recipe.epochs, recipe.batch_size, recipe.seed), (2, 64, 2));
        assert_eq!((recipe.data.folds, recipe.data.fold), (Some(3), Some(3)));
        let more = Plan { seeds: 3, ..plan.clone() };
        assert_eq!(more.trials()[..12], trials, "more seeds come behind");
    }

    #[test]
    fn a_folder_keeps_its_plan() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("search");
        let told = |result: Result<Plan, Failure>| result.expect_err("refused").to_string();
        assert!(told(Plan::of_folder(&folder, None)).contains("no search to go on with"));
        let first = Plan::of_folder(&folder, Some(plan())).expect("new");
        assert_eq!(Plan::of_folder(&folder, None).expect("kept"), first);
        let pruning = Some(Pruning { warmup_epochs: 1, warmup_trials: 2 });
        let more = Plan { seeds: 4, pruning, ..plan() };
        assert_eq!(Plan::of_folder(&folder, Some(more.clone())).expect("more seeds"), more);
        let fewer = Plan::of_folder(&folder, Some(plan())).expect("those that are there stay");
        assert_eq!((fewer.seeds, fewer.pruning), (4, None));
        let other = Plan { set: Vec::new(), ..plan() };
        assert!(told(Plan::of_folder(&folder, Some(other))).contains("--set differ"));
        std::fs::write(folder.join(PLAN), "{").expect("a file");
        assert!(told(Plan::of_folder(&folder, None)).contains("no plan of a search"));
    }

    #[test]
    fn recipes_that_cannot_be_are_found_before_the_start() {
        let wrong = Plan {
            settings: vec![
                vec!["32".to_owned(), "adam".to_owned()],
                vec!["0".to_owned(), "adam".to_owned()],
            ],
            ..plan()
        };
        let error = wrong.check().expect_err("a batch of 0").to_string();
        assert!(error.contains("batch_size=0"), "{error}");
        let seed = Plan { keys: vec!["seed".to_owned(), "epochs".to_owned()], ..plan() };
        assert!(seed.check().expect_err("seeds").to_string().contains("--seeds"));
    }
}
