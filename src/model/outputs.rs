//! What a model gives.

/// What a model gives for one input or more.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// Numbers `[n, shape]`: of a model that classifies, logits.
    pub values: Vec<f32>,
    /// Shape of what it gives for one input.
    pub shape: Vec<usize>,
}

impl Outputs {
    /// Number of inputs.
    pub fn len(&self) -> usize {
        self.values.len() / self.width()
    }

    /// Whether there was no input.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn width(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }

    /// The numbers of each input.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.width())
    }

    /// The place of the largest number of each last dimension: the most likely class of each input, or of
    /// each place. The first of equals.
    pub fn classes(&self) -> Vec<usize> {
        let classes = self.shape.last().copied().unwrap_or(1).max(1);
        let largest = |row: &[f32]| {
            let places = row.iter().enumerate();
            places
                .fold(
                    (0, f32::NEG_INFINITY),
                    |best, (i, &x)| if x > best.1 { (i, x) } else { best },
                )
                .0
        };
        self.values.chunks(classes).map(largest).collect()
    }

    /// `exp(x) / sum exp(x)` over the last dimension: from logits the probabilities of classes.
    #[must_use]
    pub fn softmax(mut self) -> Self {
        let classes = self.shape.last().copied().unwrap_or(1).max(1);
        for row in self.values.chunks_mut(classes) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|x| *x = (*x - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        self
    }

    /// `1 / (1 + exp(-x))`: from the logits of [`Loss::BinaryCrossEntropy`](crate::train::Loss) the
    /// probability of each class.
    #[must_use]
    pub fn sigmoid(mut self) -> Self {
        self.values.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_the_largest_is_the_class() {
        let outputs = Outputs { values: vec![1.0, 3.0, 2.0, -1000.0, 0.0, 1000.0], shape: vec![3] };
        assert_eq!((outputs.len(), outputs.classes()), (2, vec![1, 2]));
        let p = outputs.softmax();
        for row in p.rows() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
        assert!((p.values[1] - 0.665_240_95).abs() < 1e-6);
        let halves = Outputs { values: vec![0.0; 4], shape: vec![2] }.sigmoid();
        assert_eq!(halves.values, [0.5; 4]);
    }
}
