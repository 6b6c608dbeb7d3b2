//! Where an axis of a chart begins and ends, and where its ticks are.

use std::ops::RangeInclusive;

/// A range with ticks at multiples of 1, 2 or 5 times a power of ten; or, for logarithms, at such numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Lower end.
    pub min: f64,
    /// Upper end.
    pub max: f64,
    /// Positions of the ticks, ascending.
    pub ticks: Vec<f64>,
    step: f64,
    /// Whether positions are exponents of ten, and labels the numbers themselves.
    is_logarithmic: bool,
}

impl Axis {
    /// An axis of the decimal logarithms of positive numbers: `values` are the numbers.
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        const MAX_STEPS: f64 = 8.0;
        const ROOM: f64 = 0.02;
        let logarithms = values.map(f64::log10).filter(|value| value.is_finite());
        let (low, high) =
            logarithms.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match high - low {
            span if span.is_nan() || span < 0.0 => (-1.0, 0.0),
            span if span < 1e-9 => (low - 0.5, high + 0.5),
            _ => (low, high),
        };
        let room = (high - low) * ROOM;
        let (min, max) = (low - room, high + room);
        let step = nice_step((high - low) / MAX_STEPS).max(1.0);
        let mut ticks = multiples(step, min, max);
        if ticks.len() < 3 {
            let powers = multiples(1.0, min.floor(), max);
            ticks = powers
                .iter()
                .flat_map(|power| [1.0_f64, 2.0, 5.0].map(|digit| power + digit.log10()))
                .filter(|tick| (min..=max).contains(tick))
                .collect();
        }
        Self { min, max, ticks, step, is_logarithmic: true }
    }

    /// The number at a position.
    pub fn value(&self, position: f64) -> f64 {
        if self.is_logarithmic { 10_f64.powf(position) } else { position }
    }

    /// An axis that begins and ends with a tick and has room for all finite `values`; from zero to
    /// one when there are none. `limits` are the values that can occur.
    pub fn around(values: impl Iterator<Item = f64>, limits: RangeInclusive<f64>) -> Self {
        const MAX_STEPS: f64 = 6.0;
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match high - low {
            span if span.is_nan() || span < 0.0 => (0.0, 1.0),
            // All values are equal: they go into the middle.
            span if span <= f64::EPSILON * high.abs() => widened(high, &limits),
            _ => (low, high),
        };
        let step = nice_step((high - low) / MAX_STEPS);
        let (min, max) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { min, max, ticks: multiples(step, min, max), step, is_logarithmic: false }
    }

    /// An axis of whole numbers from `first` to `last`, with some room on both sides.
    pub fn counting(first: u32, last: u32) -> Self {
        const MAX_STEPS: f64 = 10.0;
        const ROOM: f64 = 0.02;
        let (first, last) = (f64::from(first), f64::from(last));
        let room = if last > first { (last - first) * ROOM } else { 0.5 };
        let step = nice_step((last - first) / MAX_STEPS).max(1.0);
        let ticks = multiples(step, first, last);
        Self { min: first - room, max: last + room, ticks, step, is_logarithmic: false }
    }

    /// The text of a tick: as many decimals as tell the ticks apart.
    pub fn label(&self, tick: f64) -> String {
        const MAX_DECIMALS: usize = 4;
        const MAX_PLAIN: f64 = 1e5;
        if self.is_logarithmic {
            let number = self.value(tick);
            let plain = (1e-2..1e4).contains(&number);
            // One digit, but for rounding.
            let rounded: f64 = format!("{number:.1e}").parse().unwrap_or(number);
            return if plain { format!("{rounded}") } else { format!("{rounded:e}") };
        }
        let is_whole = |value: f64| (value - value.round()).abs() < 1e-6;
        let decimals = (0..=MAX_DECIMALS)
            .zip([1.0, 1e1, 1e2, 1e3, 1e4])
            .find_map(|(decimals, power)| is_whole(self.step * power).then_some(decimals));
        match decimals {
            Some(decimals) if self.max.abs() < MAX_PLAIN => format!("{tick:.decimals$}"),
            _ => format!("{tick:.1e}"),
        }
    }
}

/// A range around one value: a tenth of it to either side, within the limits.
fn widened(value: f64, limits: &RangeInclusive<f64>) -> (f64, f64) {
    let half = value.abs() * 0.1;
    if half == 0.0 {
        (0.0, 1.0)
    } else {
        ((value - half).max(*limits.start()), (value + half).min(*limits.end()))
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `least`.
fn nice_step(least: f64) -> f64 {
    let least = least.max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(least.log10().floor());
    // 9.99 rather than 10 would be rounding error, not a coarser step.
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The multiples of `step` from `min` to `max`, both included up to rounding.
fn multiples(step: f64, min: f64, max: f64) -> Vec<f64> {
    let slack = step * 1e-6;
    let first = ((min - slack) / step).ceil();
    // Adding zero turns -0 into 0.
    let ticks = (0..100).map(|i| (first + f64::from(i)) * step + 0.0);
    ticks.take_while(|tick| *tick <= max + slack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|&tick| axis.label(tick)).collect()
    }

    const ANY: RangeInclusive<f64> = f64::NEG_INFINITY..=f64::INFINITY;

    #[test]
    fn ticks_enclose_the_values() {
        let axis = Axis::around([0.0, 2.31, f64::NAN].into_iter(), ANY);
        assert_eq!(labels(&axis), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!((axis.min, axis.max), (0.0, 2.5));
        let axis = Axis::around([97.1, 99.2].into_iter(), 0.0..=100.0);
        assert_eq!(labels(&axis), ["97.0", "97.5", "98.0", "98.5", "99.0", "99.5"]);
    }

    #[test]
    fn no_accuracy_is_above_one_hundred() {
        let axis = Axis::around([100.0].into_iter(), 0.0..=100.0);
        assert_eq!(axis.ticks.last(), Some(&100.0));
    }

    #[test]
    fn odd_values_still_give_an_axis() {
        for values in [&[][..], &[f64::NAN], &[0.0], &[5.0, 5.0], &[-1e300, 1e300], &[1e-12]] {
            let axis = Axis::around(values.iter().copied(), ANY);
            assert!(axis.min < axis.max, "{values:?}: {axis:?}");
            assert!((2..=9).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
        }
    }

    #[test]
    fn logarithms_have_round_numbers() {
        let axis = Axis::logarithmic([1e-7, 10.0].into_iter());
        let labels_of = labels(&axis);
        assert_eq!(labels_of, ["1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "0.01", "0.1", "1", "10"]);
        assert!(axis.min < -7.0 && axis.max > 1.0 && (axis.value(-2.0) - 0.01).abs() < 1e-12);
        let narrow = Axis::logarithmic([3e-3, 4e-2].into_iter());
        assert_eq!(labels(&narrow), ["5e-3", "0.01", "0.02"]);
        for odd in [&[][..], &[f64::NAN, -1.0, 0.0], &[0.5], &[1e-300, 1e300]] {
            let axis = Axis::logarithmic(odd.iter().copied());
            assert!(
                axis.min < axis.max && (1..=9).contains(&axis.ticks.len()),
                "{odd:?}: {axis:?}"
            );
        }
    }

    #[test]
    fn epochs_are_whole_numbers() {
        assert_eq!(labels(&Axis::counting(1, 1)), ["1"]);
        assert_eq!(labels(&Axis::counting(1, 3)), ["1", "2", "3"]);
        assert_eq!(labels(&Axis::counting(1, 35)), ["5", "10", "15", "20", "25", "30", "35"]);
        assert!(Axis::counting(1, u32::MAX).ticks.len() <= 10);
    }
}
