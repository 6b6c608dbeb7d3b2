//! How good a model is, in numbers other than its loss: those of this crate, and one's own.

use super::outputs::Outputs;

/// What is known of the examples that a model was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Labels `[n]` or `[n, places]`, where targets are classes; `u32::MAX` where a place has none.
    pub labels: Vec<u32>,
    /// Numbers `[n, ...]`, where targets are numbers.
    pub numbers: Vec<f32>,
}

/// A number that tells how good a model is.
///
/// ```
/// use verigrad::model::{Known, Metric, Outputs};
///
/// /// The largest error.
/// struct Worst;
///
/// impl Metric for Worst {
///     fn name(&self) -> &str {
///         "worst"
///     }
///
///     fn value(&self, outputs: &Outputs, known: &Known) -> f64 {
///         let errors = outputs.values.iter().zip(&known.numbers).map(|(y, t)| f64::from((y - t).abs()));
///         errors.fold(0.0, f64::max)
///     }
/// }
/// ```
pub trait Metric {
    /// Its name.
    fn name(&self) -> &str;

    /// The number, from what the model gave for all examples and what is known of them.
    fn value(&self, outputs: &Outputs, known: &Known) -> f64;
}

/// Part of the labels that are the most likely class.
#[derive(Debug, Clone, Copy)]
pub struct Accuracy;

/// Part of the numbers that say what a logit says: above 0, or a target above one half.
#[derive(Debug, Clone, Copy)]
pub struct BinaryAccuracy;

/// Mean of `|y - t|`.
#[derive(Debug, Clone, Copy)]
pub struct MeanAbsoluteError;

/// `1 - sum (y - t)^2 / sum (t - mean t)^2`: 1 is perfect, 0 is what the mean of the targets achieves.
#[derive(Debug, Clone, Copy)]
pub struct RSquared;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

fn share(flags: impl Iterator<Item = bool>) -> f64 {
    mean(flags.map(|flag| if flag { 1.0 } else { 0.0 }))
}

fn pairs<'a>(outputs: &'a Outputs, known: &'a Known) -> impl Iterator<Item = (f64, f64)> {
    outputs.values.iter().zip(&known.numbers).map(|(&y, &t)| (f64::from(y), f64::from(t)))
}

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn value(&self, outputs: &Outputs, known: &Known) -> f64 {
        let pairs = outputs.classes().into_iter().zip(&known.labels);
        share(pairs.filter(|(_, label)| **label != u32::MAX).map(|(y, label)| y == *label as usize))
    }
}

impl Metric for BinaryAccuracy {
    fn name(&self) -> &str {
        "binary accuracy"
    }

    fn value(&self, outputs: &Outputs, known: &Known) -> f64 {
        share(pairs(outputs, known).map(|(y, t)| (y > 0.0) == (t > 0.5)))
    }
}

impl Metric for MeanAbsoluteError {
    fn name(&self) -> &str {
        "mean absolute error"
    }

    fn value(&self, outputs: &Outputs, known: &Known) -> f64 {
        mean(pairs(outputs, known).map(|(y, t)| (y - t).abs()))
    }
}

impl Metric for RSquared {
    fn name(&self) -> &str {
        "R squared"
    }

    fn value(&self, outputs: &Outputs, known: &Known) -> f64 {
        let middle = mean(pairs(outputs, known).map(|(_, t)| t));
        let left: f64 = pairs(outputs, known).map(|(y, t)| (y - t).powi(2)).sum();
        let all: f64 = pairs(outputs, known).map(|(_, t)| (t - middle).powi(2)).sum();
        1.0 - left / all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_as_their_formulas_say() {
        let outputs = Outputs { values: vec![1.0, -1.0, 3.0, 0.5], shape: vec![1] };
        let known = Known { numbers: vec![1.0, 0.0, 1.0, 0.0], ..Known::default() };
        assert_eq!(BinaryAccuracy.value(&outputs, &known), 0.75);
        assert_eq!(MeanAbsoluteError.value(&outputs, &known), 3.5 / 4.0);
        assert_eq!(RSquared.value(&outputs, &known), 1.0 - 5.25);
        let logits = Outputs { values: vec![1.0, 2.0, 5.0, 4.0, 0.0, 1.0], shape: vec![2] };
        let known = Known { labels: vec![1, 1, u32::MAX], ..Known::default() };
        assert_eq!(Accuracy.value(&logits, &known), 0.5);
    }
}
