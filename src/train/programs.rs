//! The graphs of a run: one training step (forward, backward, update, metrics), and evaluation.

use super::augment::{Batch, Mixing};
use super::callbacks::RATE_FACTOR;
use super::feed::{Feed, STATISTICS};
use super::gradients::{BatchGradients, BatchInput};
use super::loss_scaling::LossScaling;
use super::optimizer::Arenas;
use super::steering::EmaConfig;
use super::{Recipe, TrainError};
use crate::compile::{CompileError, Picks, Program, compile};
use crate::data::{Dataset, Normalization, Splits};
use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Caps, Graph, Value};
use crate::nn::{
    Arena, Layer, LayerRates, Mode, ModelBuilder, ParameterSpec, Precision, StateSpec,
};
use crate::ops::{
    Accumulate, Advance, Argmax, Binary, ConfusionMatrix, CorrectCount, RateRange, Record, Softmax,
    SoftmaxCrossEntropy, SumColumns, Unscale, View, WeightAverage,
};
use crate::tensor::{Real, TensorType};

/// Name of the source that counts completed steps.
pub(super) const STEP: &str = "step";
/// Name of the ring of losses, one per step of an epoch.
pub(super) const LOSS_LOG: &str = "train/loss_log";
/// Name of the ring of learning rates, one per step of an epoch.
pub(super) const RATE_LOG: &str = "train/rate_log";
/// Name of the evaluation of the training set, after the training.
pub(super) const TRAIN_EVALUATION: &str = "train_evaluation";
/// Evaluation also counts labels among this many most likely classes, where there are more.
pub(super) const TOP: usize = 5;
/// Most classes whose confusion is counted: one buffer holds all pairs, of 4 bytes each.
const MAX_CONFUSION_CLASSES: usize = 1024;

/// The level of a white pixel, as [`crate::ops::AugmentBatch`] counts them.
const WHITE_LEVEL: f64 = 65_280.0;
/// Name of the source of the parameters that training changes.
pub(super) const PARAMETERS: &str = "parameters";
/// Name of the source of their moving average.
pub(super) const AVERAGE: &str = "ema/parameters";

/// A model with its parameters laid out, ready to make programs.
#[derive(Debug, Clone)]
pub struct ModelPrograms {
    pub(super) layers: Vec<Layer>,
    image: [usize; 3],
    classes: usize,
    normalization: Normalization,
    pub(super) precision: Precision,
    /// Which layers learn at another rate or not at all.
    pub(super) layer_rates: LayerRates,
    /// The same by ranges of the arena; none where all learn alike.
    rates: Vec<RateRange>,
    /// Source of the parameters that evaluation uses.
    evaluated: &'static str,
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
        let (layer_rates, rates, evaluated) = (LayerRates::default(), Vec::new(), PARAMETERS);
        Ok(Self {
            layers,
            image,
            classes,
            normalization,
            precision,
            layer_rates,
            rates,
            evaluated,
            arena,
            states,
            parameters,
        })
    }

    /// Gives layers learning rates of their own.
    ///
    /// # Errors
    /// When a pattern applies to no parameter.
    pub fn with_rates(self, layer_rates: LayerRates) -> Result<Self, TrainError> {
        if let Some(pattern) = layer_rates.unused(&self.arena) {
            let names = self.parameters.iter().filter_map(|spec| spec.name.rsplit_once('.'));
            let mut layers: Vec<&str> = names.map(|(layer, _)| layer).collect();
            layers.dedup();
            return Err(TrainError::Model(ShapeError::new(
                "freeze and learning_rate_factors",
                format!(
                    "no layer with parameters is called {pattern:?}; there are {}",
                    layers.join(", ")
                ),
            )));
        }
        let mut rates: Vec<RateRange> = Vec::new();
        let ends = self.arena.entries.iter().skip(1).map(|entry| entry.offset);
        for (entry, end) in self.arena.entries.iter().zip(ends.chain([self.arena.elements])) {
            let factor = layer_rates.factor(&entry.spec.name);
            match rates.last_mut() {
                Some(last) if last.factor == factor => last.end = end,
                _ => rates.push(RateRange { end, factor }),
            }
        }
        if rates.iter().all(|range| range.factor == 1.0) {
            rates.clear();
        }
        Ok(Self { layer_rates, rates, ..self })
    }

    /// Has evaluation use what training says is to be evaluated: the parameters, or their moving
    /// average.
    #[must_use]
    pub(super) fn evaluating(self, recipe: &Recipe) -> Self {
        let evaluated = if recipe.ema.is_some() { AVERAGE } else { PARAMETERS };
        Self { evaluated, ..self }
    }

    /// Source of the parameters that evaluation uses.
    pub(super) fn evaluated(&self) -> &'static str {
        self.evaluated
    }

    /// Stores activations in another precision.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Lays out the model of a recipe for a data set.
    ///
    /// # Errors
    /// As for [`Self::new`], and when the recipe's normalization does not fit the images.
    pub fn of_recipe(recipe: &Recipe, data: &Dataset) -> Result<Self, TrainError> {
        let image = [data.height, data.width, data.channels];
        let normalization = recipe.data.normalization_of(data)?;
        let model = Self::new(&recipe.layers, image, data.classes.len(), normalization)?;
        model.with_precision(recipe.precision).with_rates(recipe.layer_rates())
    }

    /// The layers, the last one with a unit per class.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How pixels become numbers.
    pub fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    /// Writes the numbers by which each pixel is normalized, where a loaded program reads any.
    pub(super) fn upload_statistics(&self, executor: &mut dyn Executor) -> Result<(), TrainError> {
        if !self.normalization.is_per_pixel(self.image[2]) {
            return Ok(());
        }
        // As the gather takes them: in levels, of which white has 65,280, and as a reciprocal.
        let level = |mean: &f32| f64::from(*mean) * WHITE_LEVEL;
        let reciprocal = |std: &f32| 1.0 / (f64::from(*std) * WHITE_LEVEL);
        let means = self.normalization.mean.iter().map(level);
        let scales = self.normalization.std.iter().map(reciprocal);
        let numbers: Vec<f32> = means.chain(scales).map(f32::from_f64).collect();
        executor.write(STATISTICS, 0, bytemuck::cast_slice(&numbers))?;
        Ok(())
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether evaluation counts labels among the [`TOP`] most likely classes: `name/top5`.
    pub(super) fn counts_top(&self) -> bool {
        self.classes > TOP
    }

    /// Whether evaluation counts which class is taken for which: `name/confusion`.
    pub(super) fn counts_confusion(&self) -> bool {
        self.classes <= MAX_CONFUSION_CLASSES
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
        let batch = self.training_batch(&mut graph, recipe, feed, step)?;
        let labels = batch.labels;
        let scaling = LossScaling::of(self.precision, &mut graph);
        let scale = scaling.as_ref().map(|scaling| scaling.scale);
        let batch = BatchInput { batch, step, scale };
        let BatchGradients { logits, loss, gradients, parameters, states } =
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
        states.push(&mut graph, overflow)?;
        graph.set_scope("update");
        let unclipped = gradients;
        let gradients = recipe.clipping.apply(&mut graph, gradients)?;
        let mut rate = self.rate(&mut graph, recipe, feed, step)?;
        if let Some(parameters) = parameters {
            let (decayed, rates) = (self.arena.decayed, self.rates.clone());
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
        graph.push(Record {}, &[loss_log, loss, step])?;
        let rate_log = graph.source(RATE_LOG, ring);
        graph.push(Record {}, &[rate_log, rate, step])?;
        accumulate_correct(&mut graph, "train/correct", 1, logits, labels)?;
        graph.push(Advance {}, &[step])?;
        Ok(TrainingGraph { graph, loss })
    }

    /// Adds the nodes that make the batch of `step` as training sees it: augmented.
    pub(super) fn training_batch(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        feed: &Feed,
        step: Value,
    ) -> Result<Batch, ShapeError> {
        let mixing = Mixing {
            classes: self.classes,
            label_smoothing: recipe.label_smoothing,
            seed: fold_seed(recipe.seed),
        };
        recipe.augment.add_batch(graph, feed, &self.normalization, step, &mixing)
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
        let (x, labels) = feed.add_to(&mut graph, &self.normalization, step)?;
        let mut builder = self.builder(&mut graph, Mode::Evaluate).with_parameters(self.evaluated);
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
            let counts = TensorType::u32([self.classes, self.classes]);
            let total = graph.source(&format!("{name}/confusion"), counts);
            graph.push(ConfusionMatrix {}, &[total, predictions, labels])?;
        }
        let probabilities = graph.push(Softmax {}, &[logits])?;
        graph.output("probabilities", probabilities);
        graph.push(Advance {}, &[step])?;
        compile(name, &graph, caps, &|op, sig, all| picks.choose(op, sig, all))
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

/// The programs of a recipe on its data: training, and evaluation of each split.
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
    let model = ModelPrograms::of_recipe(recipe, train)?.evaluating(recipe);
    let feed = Feed::plan("train", train, batch, recipe.drops_last(), caps);
    let mut programs = vec![model.training(recipe, &feed, caps, picks)?];
    let sets = [("test", Some(&data.test)), ("validation", data.validation.as_ref())];
    for (name, set) in sets {
        if let Some(set) = set {
            let feed = Feed::plan(name, set, recipe.evaluation_batch(), false, caps);
            programs.push(model.evaluation(name, &feed, caps, picks)?);
        }
    }
    let feed = feed.whole_pass(TRAIN_EVALUATION, train, caps);
    programs.push(model.evaluation(TRAIN_EVALUATION, &feed, caps, picks)?);
    Ok(programs)
}

/// Adds the number of examples whose label is among the `k` most likely classes, and of all that
/// have a label, to the state `total` `u32[2]`.
fn accumulate_correct(
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

/// 32 bits that depend on all 64 of a seed.
pub(super) fn fold_seed(seed: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h]).rotate_left(16)
}
