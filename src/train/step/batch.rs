//! The batch of a training step: augmented, mixed, and its losses.

use super::fed::Fed;
use super::feed::Feed;
use crate::data::Normalization;
use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::ops::{Binary, MixBatch};
use crate::train::recipe::augment::AugmentConfig;
use crate::train::recipe::loss::{Answers, Loss};

/// A batch of a training step.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Batch {
    /// Inputs `[batch, ...]`, such as images `[batch, h, w, c]`.
    pub x: Value,
    /// Labels `[batch]`: with mixed images, of the one that weighs more; zeros where examples have other
    /// targets.
    pub labels: Value,
    /// Class probabilities `[batch, classes]`, where images are mixed; targets of other kinds.
    pub targets: Option<Value>,
    /// Whether images are mixed: then the targets are smoothed already.
    pub mixed: bool,
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
        let Fed { x, labels, targets } =
            feed.add_augmented_to(graph, normalization, step, (&augment, mixing.seed))?;
        if self.mixup == 0.0 && self.cutmix == 0.0 {
            return Ok(Batch { x, labels, targets, mixed: false, factors: None });
        }
        if targets.is_some() {
            let message = "mixup and cutmix take a label for each example: leave them out";
            return Err(ShapeError::new("augment", message));
        }
        let op = MixBatch {
            mixup: self.mixup,
            cutmix: self.cutmix,
            classes: mixing.classes,
            label_smoothing: mixing.label_smoothing,
            seed: mixing.seed,
        };
        let [x, targets, labels] = graph.push_multi(op, &[x, labels, step])?;
        Ok(Batch { x, labels, targets: Some(targets), mixed: true, factors: None })
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
    /// Adds the losses of each row `[batch]`; where a row has no example, they do not count.
    ///
    /// # Errors
    /// When the outputs do not fit.
    pub fn losses(
        &self,
        graph: &mut Graph,
        outputs: Value,
        (loss, label_smoothing): (&Loss, f32),
    ) -> Result<Value, ShapeError> {
        let label_smoothing = if self.mixed { 0.0 } else { label_smoothing };
        let answers = Answers { labels: self.labels, targets: self.targets };
        let losses = loss.losses(graph, outputs, answers, label_smoothing)?;
        match self.factors {
            Some(factors) => graph.push(Binary::MULTIPLY, &[losses, factors]),
            None => Ok(losses),
        }
    }
}
