//! Loss and accuracy of a pass over a data set.

/// Sums of an evaluation, as the device keeps them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Mean loss per example.
    pub loss: f64,
    /// Part of the examples whose most likely class is the label; NaN for a model that does not classify.
    pub accuracy: f64,
    /// Number of examples.
    pub examples: u64,
}

impl Metrics {
    /// The same of a model that does not classify: nothing is right or wrong.
    pub(in crate::train) fn of_model(self, classifies: bool) -> Self {
        if classifies { self } else { Self { accuracy: f64::NAN, ..self } }
    }
}

/// Means from sums.
pub(in crate::train) fn metrics(loss_sum: f64, correct: u32, counted: u32) -> Metrics {
    let n = f64::from(counted.max(1));
    Metrics { loss: loss_sum / n, accuracy: f64::from(correct) / n, examples: counted.into() }
}
