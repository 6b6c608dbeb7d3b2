//! The graphs of a run: one training step (forward, backward, update, metrics), and evaluation.

use super::feed::Feed;
use super::loss_scaling::LossScaling;
use super::optimizer::Arenas;
use super::{Recipe, TrainError};
use crate::compile::{CompileError, Picks, Program, backward, compile};
use crate::data::{Dataset, Normalization, Splits};
use crate::error::ShapeError;
use crate::graph::{Caps, Graph, Value};
use crate::nn::{Arena, Layer, Mode, ModelBuilder, ParameterSpec, Precision, StateSpec};
use crate::ops::{
    Accumulate, Advance, CorrectCount, Fill, MaskedMean, Pack, Record, Softmax,
    SoftmaxCrossEntropy, SumColumns, Unscale, View,
};
use crate::tensor::TensorType;

/// Name of the source that counts completed steps.
pub(super) const STEP: &str = "step";
/// Name of the ring of losses, one per step of an epoch.
pub(super) const LOSS_LOG: &str = "train/loss_log";
/// Name of the ring of learning rates, one per step of an epoch.
pub(super) const RATE_LOG: &str = "train/rate_log";
/// Evaluation also counts labels among this many most likely classes, where there are more.
pub(super) const TOP: usize = 5;

/// A model with its parameters laid out, ready to make programs.
#[derive(Debug, Clone)]
pub struct ModelPrograms {
    layers: Vec<Layer>,
    image: [usize; 3],
    classes: usize,
    normalization: Normalization,
    precision: Precision,
    /// All parameters.
    pub arena: Arena,
    /// States that training changes without a gradient.
    pub states: Vec<StateSpec>,
    /// Parameters in the order of the layers.
    pub parameters: Vec<ParameterSpec>,
}

/// Sums of an evaluation, as the device keeps them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Mean loss per example.
    pub loss: f64,
    /// Part of the examples whose most likely class is the label.
    pub accuracy: f64,
    /// Number of examples.
    pub examples: u64,
}

/// Values of a training graph that tests look at.
#[derive(Debug, Clone)]
pub struct TrainingGraph {
    /// The whole step.
    pub graph: Graph,
    /// Mean loss of the batch, `[1]`.
    pub loss: Value,
}

impl ModelPrograms {
    /// Lays out the model of a recipe for images of `[h, w, c]` and a number of classes.
    ///
    /// # Errors
    /// When the layers do not fit the images, or do not end in one logit per class.
    pub fn new(
        layers: &[Layer],
        image: [usize; 3],
        classes: usize,
        normalization: Normalization,
    ) -> Result<Self, TrainError> {
        let layers = Layer::with_classes(layers, classes);
        let [h, w, c] = image;
        let mut graph = Graph::default();
        // Two images, since statistics of a batch need at least two values.
        let x = graph.source("x", TensorType::f32([2, h, w, c]));
        let step = graph.source(STEP, TensorType::u32([1]));
        let mut builder = ModelBuilder::new(&mut graph, Mode::Train { seed: 0, step }, None);
        let logits = builder.layers(&layers, x)?;
        let (parameters, states) = (builder.parameters().to_vec(), builder.states().to_vec());
        if graph.ty(logits).dims() != [2, classes] {
            return Err(TrainError::Model(ShapeError::new(
                "model",
                format!(
                    "the last layer gives {} per image, the data set has {classes} classes; end \
                     with a dense layer of {classes} units",
                    crate::tensor::Shape::from(graph.ty(logits).dims()[1..].to_vec())
                ),
            )));
        }
        let arena = Arena::new(&parameters);
        let precision = Precision::F32;
        Ok(Self { layers, image, classes, normalization, precision, arena, states, parameters })
    }

    /// Stores activations in another precision.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Lays out the model of a recipe for a data set.
    ///
    /// # Errors
    /// As for [`Self::new`], and when the recipe's normalisation does not fit the images.
    pub fn of_recipe(recipe: &Recipe, data: &Dataset) -> Result<Self, TrainError> {
        let image = [data.height, data.width, data.channels];
        let normalization = recipe.data.normalization(data.channels)?;
        let model = Self::new(&recipe.layers, image, data.classes.len(), normalization)?;
        Ok(model.with_precision(recipe.precision))
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Height, width and channels of an image.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

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
        let (x, labels) = feed.add_to(&mut graph, &self.normalization, step)?;

        let mode = Mode::Train { seed: fold_seed(recipe.seed), step };
        let mut builder =
            ModelBuilder::new(&mut graph, mode, Some(&self.arena)).with_precision(self.precision);
        let logits = builder.layers(&self.layers, x)?;
        let (specs, values) = (builder.parameters().to_vec(), builder.parameter_values().to_vec());
        let parameters = builder.arena_value();

        graph.set_scope("loss");
        let label_smoothing = recipe.label_smoothing;
        let [losses, _residual] =
            graph.push_multi(SoftmaxCrossEntropy { label_smoothing }, &[logits, labels])?;
        let loss = graph.push(MaskedMean {}, &[losses, labels])?;
        let scaling = LossScaling::of(self.precision, &mut graph);
        let seed = match &scaling {
            Some(scaling) => scaling.scale,
            None => graph.push(Fill { value: 1.0, shape: [1].into() }, &[])?,
        };
        let gradients = backward(&mut graph, &[(loss, seed)], &values)?;

        graph.set_scope("update");
        let gradients = self.pack_gradients(&mut graph, &specs, gradients)?;
        let (gradients, overflow) = match &scaling {
            Some(scaling) => {
                let [gradients, overflow] =
                    graph.push_multi(Unscale {}, &[gradients, scaling.scale])?;
                (gradients, Some(overflow))
            }
            None => (gradients, None),
        };
        let gradients = recipe.clipping.apply(&mut graph, gradients)?;
        let base = recipe.optimizer.learning_rate();
        let rate = recipe.schedule.learning_rate(base, feed.steps_per_epoch(), recipe.epochs)?;
        let rate = graph.push(rate, &[step])?;
        if let Some(parameters) = parameters {
            let decayed = self.arena.decayed;
            let updates = scaling.as_ref().map_or(step, |scaling| scaling.updates);
            let arenas = Arenas { parameters, gradients, decayed };
            recipe.optimizer.update(&mut graph, arenas, rate, updates, overflow)?;
        }
        if let (Some(scaling), Some(overflow)) = (scaling, overflow) {
            scaling.adapt(&mut graph, overflow)?;
        }

        graph.set_scope("metrics");
        let ring = TensorType::f32([feed.steps_per_epoch()]);
        let loss_log = graph.source(LOSS_LOG, ring.clone());
        graph.push(Record {}, &[loss_log, loss, step])?;
        let rate_log = graph.source(RATE_LOG, ring);
        graph.push(Record {}, &[rate_log, rate, step])?;
        accumulate_correct(&mut graph, "train", logits, labels)?;
        graph.push(Advance {}, &[step])?;
        Ok(TrainingGraph { graph, loss })
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
        compile("train", &training.graph, caps, &|op, sig, all| picks.choose(op, sig, all))
    }

    /// Compiles the evaluation of one batch of the set that `feed`, named `name`, brings: adds to
    /// its metrics, and keeps class probabilities as the output `probabilities` `[batch, classes]`.
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
        let (x, labels) = feed.add_to(&mut graph, &self.normalization, step)?;
        let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, Some(&self.arena))
            .with_precision(self.precision);
        let logits = builder.layers(&self.layers, x)?;
        graph.set_scope("metrics");
        let [losses, _residual] =
            graph.push_multi(SoftmaxCrossEntropy { label_smoothing: 0.0 }, &[logits, labels])?;
        let row = graph.push(View::reshape([1, feed.batch()]), &[losses])?;
        let sum = graph.push(SumColumns {}, &[row])?;
        let total = graph.source(&format!("{name}/loss"), TensorType::f32([1]));
        graph.push(Accumulate {}, &[total, sum])?;
        accumulate_correct(&mut graph, name, logits, labels)?;
        let probabilities = graph.push(Softmax {}, &[logits])?;
        graph.output("probabilities", probabilities);
        graph.push(Advance {}, &[step])?;
        compile(name, &graph, caps, &|op, sig, all| picks.choose(op, sig, all))
    }

    /// Puts the gradients into the order of the arena. A parameter that the loss does not depend
    /// on has a gradient of zeros.
    fn pack_gradients(
        &self,
        graph: &mut Graph,
        specs: &[ParameterSpec],
        gradients: Vec<Option<Value>>,
    ) -> Result<Value, ShapeError> {
        let mut packed = Vec::with_capacity(self.arena.entries.len());
        for entry in &self.arena.entries {
            let position = specs.iter().position(|spec| spec.name == entry.spec.name);
            let gradient = match position.and_then(|position| gradients[position]) {
                Some(gradient) => gradient,
                None => graph.push(Fill { value: 0.0, shape: entry.spec.shape.clone() }, &[])?,
            };
            packed.push(gradient);
        }
        let offsets = self.arena.entries.iter().map(|entry| entry.offset).collect();
        graph.push(Pack { offsets, elements: self.arena.elements }, &packed)
    }
}

/// The programs of a recipe on its data: training and evaluation, as a trainer compiles them.
///
/// # Errors
/// When the model does not fit the data, or a program does not fit the device.
pub fn compile_all(
    recipe: &Recipe,
    data: &Splits,
    caps: &Caps,
    picks: &Picks,
) -> Result<Vec<Program>, TrainError> {
    let (train, batch) = (&data.train, recipe.batch_size);
    let model = ModelPrograms::of_recipe(recipe, train)?;
    let feed = Feed::plan("train", train, batch, recipe.drops_last(), caps);
    let mut programs = vec![model.training(recipe, &feed, caps, picks)?];
    let sets = [("test", Some(&data.test)), ("validation", data.validation.as_ref())];
    for (name, set) in sets {
        if let Some(set) = set {
            let feed = Feed::plan(name, set, batch, false, caps);
            programs.push(model.evaluation(name, &feed, caps, picks)?);
        }
    }
    Ok(programs)
}

/// Adds the number of correct and of counted examples to `name/correct` `u32[2]`.
fn accumulate_correct(
    graph: &mut Graph,
    name: &str,
    logits: Value,
    labels: Value,
) -> Result<(), ShapeError> {
    let correct = graph.push(CorrectCount {}, &[logits, labels])?;
    let total = graph.source(&format!("{name}/correct"), TensorType::u32([2]));
    graph.push(Accumulate {}, &[total, correct])?;
    Ok(())
}

/// 32 bits that depend on all 64 of a seed.
fn fold_seed(seed: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h]).rotate_left(16)
}
