//! Looks at the metrics of a run that is under way, without waiting for it.

use std::time::{Duration, Instant};

use crate::exec::{Executor, ReadTicket};
use crate::train::TrainError;
use crate::train::step::names::LOSS_LOG;

/// Time between two looks at the metrics.
const LOOK: Duration = Duration::from_millis(250);

/// Metrics that have arrived.
pub(in crate::train) struct Seen {
    pub steps: u64,
    pub loss: f64,
    pub accuracy: f64,
    /// Losses of those steps.
    pub losses: Vec<f32>,
}

/// Reads metrics now and then, without waiting for them.
pub(in crate::train) struct Look {
    last: Instant,
    pending: Option<(u64, ReadTicket, ReadTicket)>,
}

impl Look {
    /// Looks for the first time some time after `started`.
    pub fn new(started: Instant) -> Self {
        Self { last: started, pending: None }
    }

    /// Asks for the metrics of the first `steps` steps.
    pub fn ask(&mut self, executor: &mut dyn Executor, steps: u64) -> Result<(), TrainError> {
        self.last = Instant::now();
        let correct = executor.read("train/correct")?;
        self.pending = Some((steps, executor.read(LOSS_LOG)?, correct));
        Ok(())
    }

    /// Waits for what was asked for: a ticket that is dropped would take its buffer with it.
    pub fn finish(&mut self) -> Result<(), TrainError> {
        if let Some((_, losses, correct)) = self.pending.take() {
            losses.wait()?;
            correct.wait()?;
        }
        Ok(())
    }

    /// What has arrived since the last look; asks anew now and then.
    pub fn at(
        &mut self,
        executor: &mut dyn Executor,
        steps: u64,
    ) -> Result<Option<Seen>, TrainError> {
        match self.pending.take() {
            None if self.last.elapsed() >= LOOK => self.ask(executor, steps).map(|()| None),
            None => Ok(None),
            Some((asked, mut losses, mut correct)) => {
                if losses.is_ready()? && correct.is_ready()? {
                    return Ok(Some(seen(asked, &losses.wait()?, &correct.wait()?)));
                }
                self.pending = Some((asked, losses, correct));
                Ok(None)
            }
        }
    }
}

/// The mean loss of the latest twenty steps, and the accuracy so far.
fn seen(steps: u64, losses: &[u8], correct: &[u8]) -> Seen {
    let mut losses: Vec<f32> = bytemuck::pod_collect_to_vec(losses);
    let counts: Vec<u32> = bytemuck::pod_collect_to_vec(correct);
    let end = usize::try_from(steps).unwrap_or(usize::MAX).min(losses.len());
    losses.truncate(end);
    let latest = &losses[end.saturating_sub(20)..];
    #[expect(clippy::cast_precision_loss, reason = "at most twenty")]
    let loss = latest.iter().map(|&loss| f64::from(loss)).sum::<f64>() / latest.len().max(1) as f64;
    let accuracy = f64::from(counts[0]) / f64::from(counts[1].max(1));
    Seen { steps, loss, accuracy, losses }
}
