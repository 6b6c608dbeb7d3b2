//! The graph of an evaluation: forward, loss, counts, predictions.

use super::compiled::compiled;
use super::feed::Feed;
use super::model::{ModelPrograms, TOP};
use crate::compile::{CompileError, Picks, Program};
use crate::error::ShapeError;
use crate::graph::{Caps, Graph, Value};
use crate::nn::Mode;
use crate::ops::{
    Accumulate, Advance, Argmax, ConfusionMatrix, CorrectCount, Softmax, SoftmaxCrossEntropy,
    SumColumns, View,
};
use crate::tensor::TensorType;

impl ModelPrograms {
    /// Compiles the evaluation of one batch of the set that `feed`, named `name`, brings: adds to
    /// its metrics, and keeps the outputs `probabilities` `[batch, classes]` and `predictions`, u32
    /// `[batch]`.
    ///
    /// # Errors
    /// When an op rejects its operands, or the program does not fit the device.
    pub fn evaluation(
        &self,
        name: &str,
        feed: &Feed,
        caps: &Caps,
        picks: &Picks,
    ) -> Result<Program, CompileError> {
        let mut graph = Graph::default();
        graph.set_scope("batch");
        let step = graph.source(&format!("{name}/step"), TensorType::u32([1]));
        let (x, labels) = feed.add_to(&mut graph, self.normalization(), step)?;
        let mut builder =
            self.builder(&mut graph, Mode::Evaluate).with_parameters(self.evaluated());
        let logits = builder.layers(&self.layers, x)?;
        graph.set_scope("metrics");
        let [losses, _residual] =
            graph.push_multi(SoftmaxCrossEntropy { label_smoothing: 0.0 }, &[logits, labels])?;
        let row = graph.push(View::reshape([1, feed.batch()]), &[losses])?;
        let sum = graph.push(SumColumns {}, &[row])?;
        let total = graph.source(&format!("{name}/loss"), TensorType::f32([1]));
        graph.push(Accumulate {}, &[total, sum])?;
        accumulate_correct(&mut graph, &format!("{name}/correct"), 1, logits, labels)?;
        if self.counts_top() {
            accumulate_correct(&mut graph, &format!("{name}/top5"), TOP, logits, labels)?;
        }
        let predictions = graph.push(Argmax {}, &[logits])?;
        graph.output("predictions", predictions);
        if self.counts_confusion() {
            let counts = TensorType::u32([self.classes(), self.classes()]);
            let total = graph.source(&format!("{name}/confusion"), counts);
            graph.push(ConfusionMatrix {}, &[total, predictions, labels])?;
        }
        let probabilities = graph.push(Softmax {}, &[logits])?;
        graph.output("probabilities", probabilities);
        graph.push(Advance {}, &[step])?;
        compiled(name, &graph, caps, picks)
    }
}

/// Adds the number of examples whose label is among the `k` most likely classes, and of all that
/// have a label, to the state `total` `u32[2]`.
pub(super) fn accumulate_correct(
    graph: &mut Graph,
    total: &str,
    k: usize,
    logits: Value,
    labels: Value,
) -> Result<(), ShapeError> {
    let correct = graph.push(CorrectCount { k }, &[logits, labels])?;
    let total = graph.source(total, TensorType::u32([2]));
    graph.push(Accumulate {}, &[total, correct])?;
    Ok(())
}
