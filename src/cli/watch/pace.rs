//! How long a run that goes on may still take.

use std::time::{Duration, SystemTime};

use crate::train::{EpochRecord, Recipe};

/// Epochs that the time of the next ones is told from, at most.
const RECENT: usize = 5;

/// What was seen of a run's speed while it was watched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// The first epochs that were seen to end: how many, and when the last one did.
    first: Option<(u32, SystemTime)>,
    /// The last ones.
    last: Option<(u32, SystemTime)>,
}

impl Pace {
    /// Takes in that the last of `epochs` epochs ended at `time`.
    pub fn see(&mut self, epochs: u32, time: SystemTime) {
        // A run that began again has another pace.
        if self.last.is_some_and(|(last, _)| epochs < last) {
            *self = Self::default();
        }
        self.first.get_or_insert((epochs, time));
        self.last = Some((epochs, time));
    }

    /// Time of an epoch with its evaluation where two ends were seen; else the mean of what the last
    /// epochs took, without.
    fn of_an_epoch(&self, epochs: &[EpochRecord]) -> Option<Duration> {
        if let (Some((first, began)), Some((last, ended))) = (self.first, self.last)
            && last > first
            && let Ok(time) = ended.duration_since(began)
        {
            return time.checked_div(last - first);
        }
        let recent = &epochs[epochs.len().saturating_sub(RECENT)..];
        let sum: f64 = recent.iter().map(|epoch| epoch.seconds).sum();
        let total = Duration::try_from_secs_f64(sum).ok()?;
        total.checked_div(u32::try_from(recent.len()).ok()?)
    }

    /// Time until the last epoch of the recipe ends, or its budget is spent; none before an epoch has
    /// ended.
    pub fn left(
        &self,
        recipe: &Recipe,
        epochs: &[EpochRecord],
        now: SystemTime,
    ) -> Option<Duration> {
        let each = self.of_an_epoch(epochs)?;
        let missing = recipe.epochs.saturating_sub(epochs.last()?.epoch);
        let since = self.last.and_then(|(_, ended)| now.duration_since(ended).ok());
        // An epoch that takes longer than the others ends soon.
        let since = since.unwrap_or_default().min(each);
        let left = each.saturating_mul(missing).saturating_sub(since);
        let Some(budget) = recipe.budget.time() else { return Some(left) };
        let spent: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
        let spent = Duration::try_from_secs_f64(spent).unwrap_or_default();
        Some(left.min(budget.saturating_sub(spent).saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_left_follows_from_what_was_seen() {
        let recipe = Recipe::builtin("digits", &["epochs=10".to_owned()]).expect("built in");
        // Two seconds each.
        let epochs: Vec<_> = (1..=4).map(epoch).collect();
        let mut pace = Pace::default();
        assert_eq!(pace.left(&recipe, &[], at(0)), None, "no epoch has ended");
        assert_eq!(pace.left(&recipe, &epochs, at(0)), Some(Duration::from_secs(12)));
        pace.see(3, at(100));
        pace.see(4, at(103));
        // With its evaluation, an epoch takes three; one of them has gone by of the fifth.
        assert_eq!(pace.left(&recipe, &epochs, at(104)), Some(Duration::from_secs(17)));
        assert_eq!(pace.left(&recipe, &epochs, at(999)), Some(Duration::from_secs(15)));
        let mut short = recipe.clone();
        short.budget.minutes = Some(0.2);
        assert_eq!(pace.left(&short, &epochs, at(103)), Some(Duration::from_secs(4)));
        // A clock that was set back.
        pace.see(5, at(1));
        assert!(pace.left(&recipe, &epochs, at(0)).is_some());
        pace.see(1, at(200));
        assert_eq!(pace.first, Some((1, at(200))), "the run began again");
    }
}
