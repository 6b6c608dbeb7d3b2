//! The progress of a run: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::train::{EpochResult, Progress};

/// Time between two plain lines.
const LINE: Duration = Duration::from_secs(10);

/// Shows progress on stdout.
#[derive(Debug)]
pub(super) struct ProgressView {
    epochs: u32,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl ProgressView {
    /// A view of a run of `epochs` epochs.
    pub fn new(epochs: u32) -> Self {
        Self { epochs, bar: None, last_line: Instant::now() }
    }

    /// Shows where an epoch stands.
    pub fn show(&mut self, progress: &Progress) {
        let (epoch, epochs) = (progress.epoch, self.epochs);
        let figures = format!(
            "loss {:.4}  acc {:.2} %  {:.0} images/s",
            progress.loss,
            100.0 * progress.accuracy,
            progress.images_per_second
        );
        if std::io::stdout().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| new_bar(progress.steps_per_epoch));
            bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            bar.set_message(figures);
            bar.set_position(progress.step_in_epoch);
        } else if self.last_line.elapsed() >= LINE {
            self.last_line = Instant::now();
            let (step, steps) = (progress.step_in_epoch, progress.steps_per_epoch);
            output::line(format_args!("epoch {epoch}/{epochs}  step {step}/{steps}  {figures}"));
        }
    }

    /// Shows what an epoch gave.
    pub fn epoch(&mut self, result: &EpochResult) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let validation = result
            .validation
            .map_or(String::new(), |v| format!("  validation {:.2} %", 100.0 * v.accuracy));
        let scaling = result.loss_scale.map_or(String::new(), |scaling| {
            format!("  loss scale {}  {} steps skipped", scaling.scale, scaling.skipped)
        });
        output::line(format_args!(
            "epoch {}/{}  train loss {:.4}  train {:.2} %{validation}  test {:.2} %  {:.1} s  \
             {:.0} images/s{scaling}{}",
            result.epoch,
            self.epochs,
            result.train.loss,
            100.0 * result.train.accuracy,
            100.0 * result.test.accuracy,
            result.train_time.as_secs_f64(),
            result.images_per_second,
            if result.best { "  best" } else { "" }
        ));
        self.last_line = Instant::now();
    }
}

fn new_bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stdout());
    let template = "{prefix} [{bar:24}] {pos}/{len}  {msg}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
