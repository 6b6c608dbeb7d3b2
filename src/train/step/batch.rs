//! The batch of a training step: augmented, mixed, and its losses.

use super::feed::Feed;
use crate::data::Normalization;
use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::ops::{Binary, MixBatch, SoftCrossEntropy, SoftmaxCrossEntropy};
use crate::train::recipe::augment::AugmentConfig;

/// A batch of a training step.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Batch {
    /// Images `[batch, h, w, c]`.
    pub x: Value,
    /// Labels `[batch]`: with mixed images, of the one that weighs more.
    pub labels: Value,
    /// Class probabilities `[batch, classes]`, where images are mixed.
    pub targets: Option<Value>,
    /// Factors on the losses `[batch]`, where examples do not all count alike.
    pub factors: Option<Value>,
}

impl AugmentConfig {
    /// Adds the nodes that make the training batch of `step`.
    ///
    /// # Errors
    /// When the augmentation does not fit the images.
    pub(in crate::train) fn add_batch(
        &self,
        graph: &mut Graph,
        feed: &Feed,
        normalization: &Normalization,
        step: Value,
        mixing: &Mixing,
    ) -> Result<Batch, ShapeError> {
        let augment = self.of_images();
        let (x, labels) =
            feed.add_augmented_to(graph, normalization, step, (&augment, mixing.seed))?;
        if self.mixup == 0.0 && self.cutmix == 0.0 {
            return Ok(Batch { x, labels, targets: None, factors: None });
        }
        let op = MixBatch {
            mixup: self.mixup,
            cutmix: self.cutmix,
            classes: mixing.classes,
            label_smoothing: mixing.label_smoothing,
            seed: mixing.seed,
        };
        let [x, targets, labels] = graph.push_multi(op, &[x, labels, step])?;
        Ok(Batch { x, labels, targets: Some(targets), factors: None })
    }
}

/// What mixed labels depend on.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Mixing {
    /// Number of classes.
    pub classes: usize,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f32,
    /// Seed of the run.
    pub seed: u32,
}

impl Batch {
    /// Adds the losses of each row `[batch]`; they are zero where a row has no example.
    ///
    /// # Errors
    /// When the logits do not fit.
    pub fn losses(
        &self,
        graph: &mut Graph,
        logits: Value,
        label_smoothing: f32,
    ) -> Result<Value, ShapeError> {
        let [losses, _residual] = match self.targets {
            Some(targets) => graph.push_multi(SoftCrossEntropy {}, &[logits, targets])?,
            None => {
                graph.push_multi(SoftmaxCrossEntropy { label_smoothing }, &[logits, self.labels])?
            }
        };
        match self.factors {
            Some(factors) => graph.push(Binary::MULTIPLY, &[losses, factors]),
            None => Ok(losses),
        }
    }
}
