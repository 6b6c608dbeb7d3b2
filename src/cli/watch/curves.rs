//! The points of curves: what can be drawn of what a run has recorded, and no more than can be seen.

use super::run::Run;
use crate::train::EpochRecord;

/// A point: epochs, and a value.
pub(super) type Point = (f64, f64);

/// A curve of one run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// What it is of: `train`, `test` or nothing where a chart has one for each run.
    pub of: &'static str,
    pub points: Vec<Point>,
}

/// What a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Loss,
    Accuracy,
    LearningRate,
    Throughput,
}

impl Quantity {
    /// All charts, the most important first.
    pub const ALL: [Self; 4] = [Self::Loss, Self::Accuracy, Self::LearningRate, Self::Throughput];

    /// Heading of its chart.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::LearningRate => "learning rate",
            Self::Throughput => "images/s",
        }
    }

    /// The curves of a run, at most `width` columns of points wide. What is no number is left out.
    pub fn curves(self, run: &Run, width: usize) -> Vec<Curve> {
        let epochs = run.epochs();
        let curve = |of, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
            let point = |epoch: &EpochRecord| Some((f64::from(epoch.epoch), value(epoch)?));
            Curve { of, points: thinned(epochs.iter().filter_map(point), width) }
        };
        let curves = match self {
            Self::Loss => vec![
                curve("train", &|epoch| Some(epoch.train_loss)),
                curve("validation", &|epoch| epoch.validation_loss),
                curve("test", &|epoch| epoch.test_loss),
            ],
            Self::Accuracy => vec![
                curve("train", &|epoch| Some(epoch.train_accuracy)),
                curve("validation", &|epoch| epoch.validation_accuracy),
                curve("test", &|epoch| epoch.test_accuracy),
            ],
            Self::LearningRate => vec![learning_rate(run, width)],
            Self::Throughput => vec![curve("", &|epoch| Some(epoch.images_per_second))],
        };
        curves.into_iter().filter(|curve| !curve.points.is_empty()).collect()
    }
}

/// By step, where the steps are there: schedules change it within epochs.
fn learning_rate(run: &Run, width: usize) -> Curve {
    let steps_per_epoch = run.epochs().last().and_then(|epoch| {
        let steps = u32::try_from(epoch.step).ok().filter(|&steps| steps > 0)?;
        Some(f64::from(steps) / f64::from(epoch.epoch.max(1)))
    });
    let points = match steps_per_epoch {
        Some(steps_per_epoch) if !run.steps().is_empty() => {
            let steps = run.steps().iter().filter_map(|step| {
                let number = f64::from(u32::try_from(step.step).ok()?);
                Some((number / steps_per_epoch, f64::from(step.learning_rate)))
            });
            thinned(steps, width)
        }
        _ => {
            let epochs = run.epochs().iter();
            thinned(epochs.map(|epoch| (f64::from(epoch.epoch), epoch.learning_rate)), width)
        }
    };
    Curve { of: "", points }
}

/// Of each stretch of points that share a column, the first, the lowest, the highest and the last one, so
/// that no peak is lost.
fn thinned(points: impl Iterator<Item = Point>, width: usize) -> Vec<Point> {
    let points: Vec<Point> = points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let stretch = points.len().div_ceil(width.max(1));
    if stretch <= 4 {
        return points;
    }
    let mut kept = Vec::with_capacity(4 * width);
    for stretch in points.chunks(stretch) {
        let by_value = |a: &(usize, &Point), b: &(usize, &Point)| a.1.1.total_cmp(&b.1.1);
        let lowest = stretch.iter().enumerate().min_by(by_value).map_or(0, |(at, _)| at);
        let highest = stretch.iter().enumerate().max_by(by_value).map_or(0, |(at, _)| at);
        let mut places = [0, lowest, highest, stretch.len() - 1].to_vec();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().filter_map(|at| stretch.get(at)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_keep_their_peaks() {
        let mut points: Vec<Point> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[33_333].1 = 9.0;
        points[70_001].1 = -9.0;
        points[5].1 = f64::NAN;
        points[6].1 = f64::INFINITY;
        let kept = thinned(points.iter().copied(), 100);
        assert!(kept.len() <= 400, "{}", kept.len());
        assert!(kept.contains(&(33_333.0, 9.0)) && kept.contains(&(70_001.0, -9.0)));
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0.0, 99_999.0));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "in their order");
        assert_eq!(
            thinned(points[..9].iter().copied(), 100).len(),
            7,
            "what is no number is left out"
        );
        assert_eq!(thinned([].into_iter(), 0), []);
    }
}
