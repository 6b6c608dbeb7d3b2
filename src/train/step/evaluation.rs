//! The graph of an evaluation: forward, loss, counts, predictions.

use std::sync::Arc;

use super::compiled::compiled;
use super::fed::Fed;
use super::feed::Feed;
use super::model::{ModelPrograms, TOP};
use crate::compile::{CompileError, Picks, Program};
use crate::graph::{Caps, Graph};
use crate::nn::Mode;
use crate::ops::{Argmax, ConfusionMatrix, Softmax, TallyBatch};
use crate::tensor::TensorType;
use crate::train::recipe::loss::Answers;

impl ModelPrograms {
    /// Compiles the evaluation of one batch of the set that `feed`, named `name`, brings: adds to
    /// its metrics, and keeps the outputs `probabilities` `[batch, classes]` and `predictions`, u32
    /// `[batch]`; those of a model that does not classify examples are `outputs` `[batch, ...]`.
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
        let Fed { x, labels, targets } = feed.add_to(&mut graph, self.normalization(), step)?;
        let mut builder =
            self.builder(&mut graph, Mode::Evaluate).with_parameters(self.evaluated());
        let logits = builder.layers(&self.layers, x)?;
        graph.set_scope("metrics");
        let answers = Answers { labels, targets };
        let losses = self.loss.losses(&mut graph, logits, answers, 0.0)?;
        let total = graph.source(&format!("{name}/loss"), TensorType::f32([1]));
        let correct = graph.source(&format!("{name}/correct"), TensorType::u32([2]));
        let mut inputs = vec![total, correct, step];
        let top = self.counts_top().then_some(TOP);
        if top.is_some() {
            inputs.push(graph.source(&format!("{name}/top5"), TensorType::u32([2])));
        }
        let counted = self.counted_outputs(&mut graph, logits, losses)?;
        inputs.extend([losses, counted, labels]);
        graph.push_node(Arc::new(TallyBatch { top }), &inputs)?;
        if !self.classifies() {
            graph.output("outputs", logits);
            return compiled(name, &graph, caps, picks);
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
        compiled(name, &graph, caps, picks)
    }
}
