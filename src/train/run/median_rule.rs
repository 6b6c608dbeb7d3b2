//! The median rule: of several trainings that are compared, one that lies behind ends early.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::callbacks::restored::restored;
use super::hook::{EpochDone, Hook};
use super::stop::{Flow, Stop, StopReason};
use crate::exec::Executor;
use crate::train::recipe::monitor::Monitor;
use crate::train::{EpochRecord, TrainError};

/// What the reason of a run that the rule ended begins with.
pub const PRUNED: &str = "pruned";

impl Monitor {
    /// Its value in a row of `metrics.csv`; none where the run lacks the split.
    pub fn value_of(self, record: &EpochRecord) -> Option<f64> {
        match self {
            Self::ValidationLoss => record.validation_loss,
            Self::ValidationAccuracy => record.validation_accuracy,
            Self::TestLoss => record.test_loss,
            Self::TestAccuracy => record.test_accuracy,
            Self::TrainLoss => Some(record.train_loss),
            Self::TrainAccuracy => Some(record.train_accuracy),
        }
    }

    /// The best value up to each epoch of a run; none before there is a number.
    pub fn best_so_far(self, epochs: &[EpochRecord]) -> Vec<Option<f64>> {
        let mut best = None;
        let until = |record: &EpochRecord| {
            let value = self.value_of(record).filter(|&value| self.improves(value, best, 0.0));
            best = value.or(best);
            best
        };
        epochs.iter().map(until).collect()
    }
}

/// Ends a run whose best value so far is worse than the median of those of other runs after as many
/// epochs: the median stopping rule of Golovin et al. (2017, "Google Vizier"), by best values.
#[derive(Debug, Clone)]
pub struct MedianRule {
    /// The metric.
    pub monitor: Monitor,
    /// The best value of each other run up to each of its epochs.
    pub others: Vec<Vec<Option<f64>>>,
    /// Epochs after which no run is ended yet.
    pub warmup_epochs: u32,
    /// Other runs that must have come as far.
    pub warmup_runs: usize,
    /// Epochs of the run: after the last one there is nothing to end.
    pub epochs: u32,
    best: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    best: Option<f64>,
}

impl MedianRule {
    /// A rule for a run of `epochs` epochs beside `others`, whose best values up to each epoch are given.
    pub fn new(
        monitor: Monitor,
        others: Vec<Vec<Option<f64>>>,
        (warmup_epochs, warmup_runs): (u32, usize),
        epochs: u32,
    ) -> Self {
        Self { monitor, others, warmup_epochs, warmup_runs, epochs, best: None }
    }

    /// Why the run ends after an epoch, counted from one, that gave `value`; none where it goes on.
    fn ends(&mut self, epoch: u32, value: Option<f64>) -> Option<String> {
        if let Some(value) = value.filter(|&value| self.monitor.improves(value, self.best, 0.0)) {
            self.best = Some(value);
        }
        let at = usize::try_from(epoch).ok()?.checked_sub(1)?;
        let others: Vec<f64> = self.others.iter().filter_map(|run| *run.get(at)?).collect();
        let is_over = epoch >= self.epochs;
        if is_over || epoch <= self.warmup_epochs || others.len() < self.warmup_runs.max(1) {
            return None;
        }
        let median = median(others.clone())?;
        let told = match self.best {
            Some(best) if self.monitor.improves(median, Some(best), 0.0) => format!("{best:.5}"),
            Some(_) => return None,
            None => "no number".to_owned(),
        };
        Some(format!(
            "{PRUNED} after epoch {epoch}: its best {} is {told}, the median of {} others {median:.5}",
            self.monitor,
            others.len()
        ))
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

impl Hook for MedianRule {
    fn name(&self) -> &'static str {
        "median_rule"
    }

    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        let value = self.monitor.value(done.result);
        Ok(match self.ends(done.result.epoch, value) {
            Some(why) => Flow::Stop(Stop::because(StopReason::Early(why))),
            None => Flow::Continue,
        })
    }

    fn state(&self) -> Value {
        serde_json::to_value(State { best: self.best }).unwrap_or_default()
    }

    fn restore(&mut self, state: &Value) -> Result<(), TrainError> {
        let State { best } = restored(self.name(), state)?;
        self.best = best;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(monitor: Monitor, others: &[&[f64]], warmup: (u32, usize)) -> MedianRule {
        let others = others.iter().map(|run| run.iter().map(|&value| Some(value)).collect());
        MedianRule::new(monitor, others.collect(), warmup, 4)
    }

    #[test]
    fn what_lies_behind_the_median_ends() {
        let others: [&[f64]; 4] = [&[0.5, 0.6, 0.7], &[0.4, 0.8], &[0.2, 0.3, 0.9], &[0.6, 0.6]];
        let new = || rule(Monitor::TestAccuracy, &others, (1, 3));
        // The medians are 0.45, 0.6, and of two runs, which are too few.
        let mut behind = new();
        assert_eq!(behind.ends(1, Some(0.1)), None, "warming up");
        let why = behind.ends(2, Some(0.59)).expect("behind");
        assert!(why.starts_with(PRUNED) && why.contains("0.59000"), "{why}");
        assert!(why.contains("median of 4 others 0.60000") && why.contains("epoch 2"), "{why}");
        let mut ahead = new();
        assert_eq!(ahead.ends(1, Some(0.6)), None);
        assert_eq!(ahead.ends(2, Some(0.0)), None, "its best counts, and a tie goes on");
        assert_eq!(ahead.ends(3, Some(0.0)), None, "two others are too few");
        assert!(new().ends(2, Some(f64::NAN)).expect("behind").contains("no number"));
        let mut loss = rule(Monitor::TestLoss, &others, (0, 1));
        assert_eq!(loss.ends(1, Some(0.44)), None);
        assert!(loss.ends(3, Some(0.81)).is_none(), "its best is 0.44");
        assert!(rule(Monitor::TestLoss, &others, (0, 1)).ends(1, Some(0.46)).is_some());
        assert_eq!(rule(Monitor::TestLoss, &[], (0, 0)).ends(1, Some(9.0)), None, "alone");
        let mut last = rule(Monitor::TestAccuracy, &[&[0.5; 4]], (0, 1));
        assert_eq!(last.ends(4, Some(0.1)), None, "all epochs are done");
    }

    #[test]
    fn its_state_survives_a_checkpoint() {
        let mut one = rule(Monitor::TestAccuracy, &[&[0.1, 0.5]], (1, 1));
        assert_eq!(one.ends(1, Some(0.7)), None);
        let mut other = rule(Monitor::TestAccuracy, &[&[0.1, 0.5]], (1, 1));
        other.restore(&one.state()).expect("it is a state");
        assert_eq!(other.ends(2, Some(0.2)), None, "the best is that of before");
        assert!(other.restore(&Value::from("nonsense")).is_err());
    }
}
