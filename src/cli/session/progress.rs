//! The progress of a run: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output;
use crate::report::format;
use crate::train::{EpochResult, LossScale, Metrics, Progress};

/// Time between two plain lines.
const LINE: Duration = Duration::from_secs(60);
/// A mean loss that no training comes back from: that of guesses is the logarithm of the classes.
const BEYOND_REASON: f64 = 1e6;

/// Shows progress on stdout.
#[derive(Debug)]
pub(in crate::cli) struct ProgressView {
    epochs: u32,
    /// Time that the run may take.
    budget: Option<Duration>,
    bar: Option<ProgressBar>,
    last_line: Instant,
    /// Whether a loss beyond reason was told.
    told_loss: bool,
    /// Steps of the run, and the time that it had taken, when progress was first shown.
    base: Option<(u64, Duration)>,
}

impl ProgressView {
    /// A view of a run of `epochs` epochs that may take the time `budget`.
    pub fn new(epochs: u32, budget: Option<Duration>) -> Self {
        Self { epochs, budget, bar: None, last_line: Instant::now(), told_loss: false, base: None }
    }

    /// Shows where an epoch stands.
    pub fn show(&mut self, progress: &Progress) {
        if progress.loss > BEYOND_REASON && !self.told_loss {
            self.told_loss = true;
            self.warn(&format!(
                "the loss is {:.3e} at step {}: the training diverges; Ctrl-C ends it, and a lower learning \
                 rate or [clipping] may keep it from that",
                progress.loss, progress.step
            ));
        }
        if output::is_silent() {
            return;
        }
        let figures = figures(progress, self.left(progress), self.budget);
        let (epoch, epochs) = (progress.epoch, self.epochs);
        let (step, steps) = (progress.step_in_epoch, progress.steps_per_epoch);
        if std::io::stdout().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| new_bar(steps));
            bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            bar.set_message(figures);
            bar.set_position(step);
        } else if self.last_line.elapsed() >= LINE {
            self.last_line = Instant::now();
            output::line(format_args!("epoch {epoch}/{epochs}  step {step}/{steps}  {figures}"));
        }
    }

    /// Shows that the steps of an epoch are done and its evaluation is under way.
    pub fn evaluating(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_position(bar.length().unwrap_or_default());
            bar.set_message("evaluating");
        }
    }

    /// Shows what an epoch gave.
    pub fn epoch(&mut self, result: &EpochResult) {
        self.finish();
        output::line(format_args!("{}", epoch_line(result, self.epochs)));
        self.last_line = Instant::now();
    }

    /// Says what went wrong without ending the run.
    pub fn warn(&self, text: &str) {
        let print = || output::note(format_args!("warning: {text}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Time until the run ends, evaluations included once one was seen; none before its speed is
    /// known.
    fn left(&mut self, progress: &Progress) -> Option<Duration> {
        let (first, began) = *self.base.get_or_insert((progress.step, progress.run_time));
        let done = u32::try_from(progress.step - first).ok().filter(|&done| done > 0)?;
        let total = progress.steps_per_epoch * u64::from(self.epochs);
        let per_step = progress.run_time.saturating_sub(began) / done;
        let steps = u32::try_from(total.saturating_sub(progress.step)).unwrap_or(u32::MAX);
        let left = per_step.saturating_mul(steps);
        let allowed = self.budget.map(|budget| budget.saturating_sub(progress.run_time));
        Some(allowed.map_or(left, |allowed| allowed.min(left)))
    }
}

/// At most 47 columns without a budget, so that a bar fits beside it.
fn figures(progress: &Progress, left: Option<Duration>, budget: Option<Duration>) -> String {
    let loss = format::loss(progress.loss);
    let accuracy = match progress.accuracy {
        // Nothing is right or wrong.
        share if share.is_nan() => String::new(),
        share => format!("  {:.2} %", 100.0 * share),
    };
    let mut text = format!("loss {loss}{accuracy}  {}/s", images(progress.images_per_second));
    if let Some(left) = left {
        text += &format!("  {} left", clock(left));
    }
    if let Some(budget) = budget {
        text += &format!("  {} of {}", clock(progress.run_time), clock(budget));
    }
    text
}

/// A number of images in few columns.
fn images(count: f64) -> String {
    if count < 99_999.5 { format!("{count:.0} img") } else { format!("{:.0}k img", count / 1e3) }
}

/// A duration in at most six columns.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 if minutes == 0 => format!("{seconds}s"),
        0 => format!("{minutes}m{:02}s", seconds % 60),
        1..100 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

/// What an epoch gave, in 80 columns at most unless steps were skipped. With a validation split there
/// is no room for the rate, which the bar shows.
fn epoch_line(result: &EpochResult, epochs: u32) -> String {
    let percent = |metrics: Metrics| format!("{:.2}", 100.0 * metrics.accuracy);
    let (epoch, time) = (result.epoch, short(result.train_time));
    let (loss, rate) = (format::loss(result.train.loss), images(result.images_per_second));
    let mut line = format!("epoch {epoch}/{epochs}  loss {loss}  ");
    let (train, test) = (percent(result.train), percent(result.test));
    line += &match result.validation {
        // Losses alone, where nothing is right or wrong.
        validation if result.test.accuracy.is_nan() => {
            let validation = validation.map(|found| format!("val {}  ", format::loss(found.loss)));
            let (validation, test) =
                (validation.unwrap_or_default(), format::loss(result.test.loss));
            format!("{validation}test {test}  {time}  {rate}/s")
        }
        Some(validation) => {
            let validation = percent(validation);
            format!("train {train}  val {validation}  test {test} %  {time}")
        }
        None => format!("train {train} %  test {test} %  {time}  {rate}/s"),
    };
    if let Some(LossScale { skipped: skipped @ 1.., .. }) = result.loss_scale {
        line += &format!("  {skipped} steps skipped");
    }
    line + if result.best { "  best" } else { "" }
}

/// A duration, with tenths of a second where that says something.
fn short(time: Duration) -> String {
    if time.as_secs() < 60 { format!("{:.1}s", time.as_secs_f64()) } else { clock(time) }
}

fn new_bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stdout());
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{wide_bar}] {pos}/{len}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: u64, seconds: u64) -> Progress {
        Progress {
            epoch: 12,
            step,
            step_in_epoch: 1234,
            steps_per_epoch: 1875,
            loss: 2.345_67,
            accuracy: 1.0,
            images_per_second: 1_234_567.0,
            run_time: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_line_of_progress_leaves_room_for_a_bar() {
        let text = figures(&progress(0, 0), Some(Duration::from_secs(359_999)), None);
        assert_eq!(text, "loss 2.346  100.00 %  1235k img/s  99h59m left");
        let frame = "epoch 100/100 [] 1234/1875  ".len();
        assert!(text.len() + frame <= 76, "{}", text.len() + frame);
        let numbers = Progress { accuracy: f64::NAN, ..progress(0, 0) };
        assert_eq!(figures(&numbers, None, None), "loss 2.346  1235k img/s");
        let budget = Some(Duration::from_secs(3600));
        assert!(figures(&progress(0, 60), None, budget).ends_with("1m00s of 1h00m"));
    }

    #[test]
    fn the_time_left_follows_the_speed_of_this_session_and_the_budget() {
        let mut view = ProgressView::new(2, None);
        assert_eq!(view.left(&progress(1000, 500)), None);
        // A hundred steps in ten seconds, 2,650 are left.
        assert_eq!(view.left(&progress(1100, 510)), Some(Duration::from_secs(265)));
        view.budget = Some(Duration::from_secs(600));
        assert_eq!(view.left(&progress(1100, 510)), Some(Duration::from_secs(90)));
    }

    #[test]
    fn the_line_of_an_epoch_fits_eighty_columns() {
        let metrics = Metrics { loss: 2.25, accuracy: 0.9876, examples: 60_000 };
        let mut result = EpochResult {
            epoch: 12,
            steps: 100,
            train: metrics,
            validation: None,
            test: metrics,
            train_time: Duration::from_millis(12_345),
            images_per_second: 12_345.6,
            best: true,
            step_losses: Vec::new(),
            loss_scale: None,
            histograms: Vec::new(),
        };
        let line = epoch_line(&result, 20);
        assert_eq!(
            line,
            "epoch 12/20  loss 2.250  train 98.76 %  test 98.76 %  12.3s  12346 img/s  best"
        );
        assert!(line.len() <= 80, "{}", line.len());
        let all = Metrics { accuracy: 0.9999, ..metrics };
        (result.train, result.validation, result.test) = (all, Some(all), all);
        (result.epoch, result.train_time) = (100, Duration::from_secs(3599));
        let line = epoch_line(&result, 100);
        assert_eq!(
            line,
            "epoch 100/100  loss 2.250  train 99.99  val 99.99  test 99.99 %  59m59s  best"
        );
        assert!(line.len() <= 80, "{}", line.len());
        result.loss_scale = Some(LossScale { scale: 1.0, skipped: 2 });
        assert!(epoch_line(&result, 100).ends_with("59m59s  2 steps skipped  best"));
        result.loss_scale = None;
        let numbers = Metrics { accuracy: f64::NAN, ..metrics };
        (result.train, result.validation, result.test) = (numbers, Some(numbers), numbers);
        let line = epoch_line(&result, 100);
        assert_eq!(
            line,
            "epoch 100/100  loss 2.250  val 2.250  test 2.250  59m59s  12346 img/s  best"
        );
    }
}
