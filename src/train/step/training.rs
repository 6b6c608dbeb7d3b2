//! The graph of one training step: batch, forward, backward, update, metrics, counters.

use super::batch::{Batch, Mixing};
use super::compiled::compiled;
use super::feed::Feed;
use super::gradients::{BatchGradients, BatchInput, fold_seed};
use super::loss_scaling::LossScaling;
use super::model::ModelPrograms;
use super::names::{AVERAGE, LOSS_LOG, RATE_FACTOR, RATE_LOG, STEP};
use crate::compile::{CompileError, Picks, Program};
use crate::error::ShapeError;
use crate::graph::{Caps, Graph, Value};
use crate::ops::{Binary, EndStep, Unscale, WeightAverage};
use crate::tensor::TensorType;
use crate::train::Recipe;
use crate::train::recipe::ema::EmaConfig;
use crate::train::recipe::optimizer::Arenas;

/// Values of a training graph that tests look at.
#[derive(Debug, Clone)]
pub struct TrainingGraph {
    /// The whole step.
    pub graph: Graph,
    /// Mean loss of the batch, `[1]`.
    pub loss: Value,
}

impl ModelPrograms {
    /// The graph of one training step: batch, forward, backward, update, metrics, counters.
    ///
    /// # Errors
    /// When an op rejects its operands.
    pub fn training_graph(
        &self,
        recipe: &Recipe,
        feed: &Feed,
    ) -> Result<TrainingGraph, ShapeError> {
        let mut graph = Graph::default();
        graph.set_scope("batch");
        let step = graph.source(STEP, TensorType::u32([1]));
        let batch = self.training_batch(&mut graph, recipe, feed, step)?;
        let labels = batch.labels;
        let scaling = LossScaling::of(self.precision, &mut graph);
        let scale = scaling.as_ref().map(|scaling| scaling.scale);
        let batch = BatchInput { batch, step, scale };
        let BatchGradients { logits, losses, loss, gradients, parameters, states } =
            self.gradients(&mut graph, recipe, batch)?;

        graph.set_scope("update");
        let (gradients, overflow) = match &scaling {
            Some(scaling) => {
                let [gradients, overflow] =
                    graph.push_multi(Unscale {}, &[gradients, scaling.scale])?;
                (gradients, Some(overflow))
            }
            None => (gradients, None),
        };
        states.push(&mut graph, &self.arena, overflow)?;
        let unclipped = gradients;
        let gradients = recipe.clipping.apply(&mut graph, gradients)?;
        let mut rate = self.rate(&mut graph, recipe, feed, step)?;
        if let Some(parameters) = parameters {
            let (decayed, rates) = (self.arena.decayed, self.rates().to_vec());
            let arenas = Arenas { parameters, gradients, decayed, rates };
            let updates = scaling.as_ref().map_or(step, |scaling| scaling.updates);
            let optimizer = &recipe.optimizer;
            if let Some(learned) = optimizer.learned_rate(&mut graph, &arenas, updates, overflow)? {
                rate = learned;
            }
            let new = optimizer.update(&mut graph, arenas, rate, updates, overflow)?;
            if let Some(EmaConfig { decay }) = recipe.ema {
                let average = graph.source(AVERAGE, graph.ty(new).clone());
                graph.push(WeightAverage { decay }, &[average, new, step])?;
            }
            if let Some(histograms) = recipe.histograms {
                let values = [new, unclipped, step];
                histograms.add(&mut graph, self, feed.steps_per_epoch(), values)?;
            }
        }
        if let (Some(scaling), Some(overflow)) = (scaling, overflow) {
            scaling.adapt(&mut graph, overflow)?;
        }

        graph.set_scope("metrics");
        let ring = TensorType::f32([feed.steps_per_epoch()]);
        let loss_log = graph.source(LOSS_LOG, ring.clone());
        let rate_log = graph.source(RATE_LOG, ring);
        let correct = graph.source("train/correct", TensorType::u32([2]));
        let counted = self.counted_outputs(&mut graph, logits, losses)?;
        let inputs = [loss_log, rate_log, correct, step, losses, counted, labels, rate];
        graph.push_multi::<4>(EndStep {}, &inputs)?;
        Ok(TrainingGraph { graph, loss })
    }

    /// Adds the nodes that make the batch of `step` as training sees it: augmented.
    pub(in crate::train) fn training_batch(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        feed: &Feed,
        step: Value,
    ) -> Result<Batch, ShapeError> {
        let mixing = Mixing {
            classes: self.classes(),
            label_smoothing: recipe.label_smoothing,
            seed: fold_seed(recipe.seed),
        };
        let normalization = self.normalization();
        let batch = recipe.augment.add_batch(graph, feed, normalization, step, &mixing)?;
        let factors = self.loss_factors(graph, recipe.loss_reduction, batch.labels)?;
        Ok(Batch { factors, ..batch })
    }

    /// Compiles the training step for a device, with the variants of `picks`.
    ///
    /// # Errors
    /// When an op rejects its operands, or the program does not fit the device.
    pub fn training(
        &self,
        recipe: &Recipe,
        feed: &Feed,
        caps: &Caps,
        picks: &Picks,
    ) -> Result<Program, CompileError> {
        let training = self.training_graph(recipe, feed)?;
        compiled("train", &training.graph, caps, picks)
    }

    /// Adds the learning rate of a step: that of the schedule, lowered as a plateau asks for.
    fn rate(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        feed: &Feed,
        step: Value,
    ) -> Result<Value, ShapeError> {
        let base = recipe.optimizer.learning_rate();
        let rate = recipe.schedule.learning_rate(base, feed.steps_per_epoch(), recipe.epochs)?;
        let rate = graph.push(rate, &[step])?;
        if recipe.plateau.is_none() {
            return Ok(rate);
        }
        let factor = graph.source(RATE_FACTOR, TensorType::f32([1]));
        graph.push(Binary::MULTIPLY, &[rate, factor])
    }
}
