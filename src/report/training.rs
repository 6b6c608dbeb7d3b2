//! The charts of a training run.

use super::axis::Axis;
use super::chart::{Chart, Line, axis_of, thinned};
use super::svg::float;
use crate::train::{EpochRecord, StepRecord};

/// Points of a chart over steps at most.
const MAX_POINTS: usize = 600;
/// Points of its smoothed curve.
const SMOOTH_POINTS: usize = 60;

/// Losses of train, validation and test over the epochs.
pub(super) fn losses(epochs: &[EpochRecord]) -> Chart {
    let lines = splits(epochs, |e| [Some(e.train_loss), e.validation_loss, e.test_loss]);
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart { lines, x: epoch_axis(epochs), y, x_name: "epoch", suffix: "", decimals: 4 }
}

/// Accuracies in percent.
pub(super) fn accuracies(epochs: &[EpochRecord]) -> Chart {
    let lines = splits(epochs, |e| {
        [Some(e.train_accuracy), e.validation_accuracy, e.test_accuracy]
            .map(|fraction| fraction.map(|fraction| 100.0 * fraction))
    });
    let y = axis_of(&lines, false, 0.0..=100.0);
    Chart { lines, x: epoch_axis(epochs), y, x_name: "epoch", suffix: " %", decimals: 2 }
}

/// Learning rate over the steps.
pub(super) fn learning_rate(steps: &[StepRecord]) -> Chart {
    let points: Vec<(f64, f64)> =
        steps.iter().map(|s| (number(s.step), f64::from(s.learning_rate))).collect();
    // Not thinned by means: a step of the schedule stays a step.
    let every = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.last().copied();
    let mut kept: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
    kept.extend(last.filter(|last| kept.last() != Some(last)));
    let lines = vec![Line { label: String::new(), color: 3, faint: false, points: kept }];
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart { lines, x: step_axis(steps), y, x_name: "step", suffix: "", decimals: 0 }
}

/// Loss of each step, and smoothed.
pub(super) fn step_losses(steps: &[StepRecord]) -> Chart {
    let points: Vec<(f64, f64)> =
        steps.iter().map(|s| (number(s.step), f64::from(s.loss))).collect();
    let every = thinned(&points, MAX_POINTS);
    let mut lines = vec![Line {
        label: String::new(),
        color: 0,
        faint: points.len() > SMOOTH_POINTS,
        points: every,
    }];
    if points.len() > SMOOTH_POINTS {
        let points = thinned(&points, SMOOTH_POINTS);
        lines.push(Line { label: "mean of neighbors".to_owned(), color: 0, faint: false, points });
    }
    let y = axis_of(&lines, true, 0.0..=f64::INFINITY);
    Chart { lines, x: step_axis(steps), y, x_name: "step", suffix: "", decimals: 0 }
}

/// The curves of the splits that have a value in any epoch.
fn splits(epochs: &[EpochRecord], of: impl Fn(&EpochRecord) -> [Option<f64>; 3]) -> Vec<Line> {
    let line = |(split, label): (usize, &str)| {
        let point = |record: &EpochRecord| Some((f64::from(record.epoch), of(record)[split]?));
        let points = epochs.iter().filter_map(point).collect();
        Line { label: label.to_owned(), color: split, faint: false, points }
    };
    let lines = ["train", "validation", "test"].into_iter().enumerate().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

pub(super) fn epoch_axis(epochs: &[EpochRecord]) -> Axis {
    let first = epochs.first().map_or(1, |record| record.epoch);
    Axis::counting(first, epochs.last().map_or(1, |record| record.epoch))
}

fn step_axis(steps: &[StepRecord]) -> Axis {
    let at = |record: Option<&StepRecord>| {
        record.map_or(1, |record| u32::try_from(record.step).unwrap_or(u32::MAX))
    };
    Axis::counting(at(steps.first()), at(steps.last()))
}

fn number(step: u64) -> f64 {
    float(usize::try_from(step).unwrap_or(usize::MAX))
}
