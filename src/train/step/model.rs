//! A model with its parameters laid out, ready to make programs.

use std::collections::BTreeMap;

use super::names::{AVERAGE, PARAMETERS, STATISTICS, STEP};
use crate::data::{Dataset, Normalization, TargetKind, Task};
use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Graph, Value};
use crate::nn::{
    Arena, Layer, LayerRates, Mode, ModelBuilder, ParameterSpec, Precision, StateSpec,
};
use crate::ops::{ClassWeights, RateRange, View};
use crate::tensor::{HostTensor, Real, Shape, TensorType};
use crate::train::recipe::loss::Loss;
use crate::train::recipe::loss_reduction::LossReduction;
use crate::train::{Recipe, TrainError};

/// Evaluation also counts labels among this many most likely classes, where there are more.
pub(in crate::train) const TOP: usize = 5;
/// Most classes whose confusion is counted: one buffer holds all pairs, of 4 bytes each.
const MAX_CONFUSION_CLASSES: usize = 1024;
/// The level of a white pixel, as [`crate::ops::AugmentBatch`] counts them.
const WHITE_LEVEL: f64 = 65_280.0;

/// A model with its parameters laid out, ready to make programs.
#[derive(Debug, Clone)]
pub struct ModelPrograms {
    pub(in crate::train) layers: Vec<Layer>,
    image: [usize; 3],
    /// Shape of one input; that of an image, where inputs are images.
    input: Vec<usize>,
    /// Shape of what the model gives for one input.
    outputs: Vec<usize>,
    classes: usize,
    pub(super) loss: Loss,
    /// Whether an example is of one class, and the outputs are logits `[n, classes]`.
    classifies: bool,
    task: Task,
    normalization: Normalization,
    pub(in crate::train) precision: Precision,
    /// Which layers learn at another rate or not at all.
    pub(in crate::train) layer_rates: LayerRates,
    /// The same by ranges of the arena; none where all learn alike.
    rates: Vec<RateRange>,
    /// How much examples of each class count in training; none where all count alike.
    class_weights: Option<Vec<f32>>,
    /// Source of the parameters that evaluation uses.
    evaluated: &'static str,
    /// All parameters.
    pub arena: Arena,
    /// States that training changes without a gradient.
    pub states: Vec<StateSpec>,
    /// Parameters in the order of the layers.
    pub parameters: Vec<ParameterSpec>,
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
        let model = Self::of_inputs(layers, &image, classes, normalization)?;
        model.check_outputs(Task::Classification)?;
        Ok(model)
    }

    /// Lays out the model of a recipe whose data set is not at hand, for images of `[h, w, c]` and a number of
    /// classes or targets.
    ///
    /// # Errors
    /// When the layers do not fit the images, or do not end in one output per class or target.
    pub fn without_data(
        recipe: &Recipe,
        image: [usize; 3],
        classes: usize,
        normalization: Normalization,
    ) -> Result<Self, TrainError> {
        let task = recipe.data.task;
        let model = Self::of_inputs(&recipe.layers, &image, classes, normalization)?;
        model.check_outputs(task)?;
        let (loss, classifies) = (recipe.loss.clone(), task.is_classification());
        let precision = recipe.precision;
        Ok(Self { loss, classifies, task, precision, ..model })
    }

    /// Makes sure that there is one output per class, or per target.
    fn check_outputs(&self, task: Task) -> Result<(), TrainError> {
        let (outputs, classes) = (&self.outputs, self.classes);
        if *outputs == [classes] {
            return Ok(());
        }
        Err(TrainError::Model(ShapeError::new(
            "model",
            format!(
                "the last layer gives {} per example, the data set has {classes} {}; end \
                 with a dense layer of {classes} units",
                Shape::from(outputs.clone()),
                if task == Task::Regression { "targets" } else { "classes" }
            ),
        )))
    }

    /// The same for inputs `[n, input]` and outputs of any shape.
    ///
    /// # Errors
    /// When the layers do not fit the inputs.
    pub fn of_inputs(
        layers: &[Layer],
        input: &[usize],
        classes: usize,
        normalization: Normalization,
    ) -> Result<Self, TrainError> {
        let layers = Layer::with_classes(layers, classes);
        let image = match *input {
            [h, w, c] => [h, w, c],
            _ => [1, 1, input.iter().product()],
        };
        let mut graph = Graph::default();
        // Two images, since statistics of a batch need at least two values.
        let x = graph.source("x", TensorType::f32([&[2], input].concat()));
        let step = graph.source(STEP, TensorType::u32([1]));
        let mut builder = ModelBuilder::new(&mut graph, Mode::Train { seed: 0, step }, None);
        let y = builder.layers(&layers, x)?;
        let (parameters, states) = (builder.parameters().to_vec(), builder.states().to_vec());
        let arena = Arena::new(&parameters).with_states(&states);
        let precision = Precision::F32;
        let (layer_rates, rates, evaluated) = (LayerRates::default(), Vec::new(), PARAMETERS);
        Ok(Self {
            layers,
            image,
            input: input.to_vec(),
            outputs: graph.ty(y).dims()[1..].to_vec(),
            classes,
            loss: Loss::CrossEntropy,
            classifies: true,
            task: Task::Classification,
            normalization,
            precision,
            layer_rates,
            rates,
            class_weights: None,
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
    pub(in crate::train) fn evaluating(self, recipe: &Recipe) -> Self {
        let evaluated = if recipe.ema.is_some() { AVERAGE } else { PARAMETERS };
        Self { evaluated, ..self }
    }

    /// Weighs the examples of training as a recipe says.
    ///
    /// # Errors
    /// When the data set has other classes than the weights.
    pub(in crate::train) fn weighing(
        self,
        recipe: &Recipe,
        data: &Dataset,
    ) -> Result<Self, TrainError> {
        let Some(config) = &recipe.class_weights else { return Ok(self) };
        let weights = config.resolve(data);
        let weights = weights
            .map_err(|message| TrainError::Recipe { recipe: recipe.name.clone(), message })?;
        Ok(Self { class_weights: Some(weights), ..self })
    }

    /// Adds the factors on the losses of examples, where they do not all count alike.
    ///
    /// # Errors
    /// When the labels are no labels.
    pub(super) fn loss_factors(
        &self,
        graph: &mut Graph,
        reduction: LossReduction,
        labels: Value,
    ) -> Result<Option<Value>, ShapeError> {
        let Some(weights) = &self.class_weights else { return Ok(None) };
        let op = ClassWeights { weights: weights.clone(), normalized: reduction.is_mean() };
        graph.push(op, &[labels]).map(Some)
    }

    /// Which ranges of the arena learn at a rate of their own.
    pub(super) fn rates(&self) -> &[RateRange] {
        &self.rates
    }

    /// Source of the parameters that evaluation uses.
    pub(in crate::train) fn evaluated(&self) -> &'static str {
        self.evaluated
    }

    /// Takes pixels as numbers otherwise, as where the training set of a model is not at hand.
    #[must_use]
    pub fn with_normalization(self, normalization: Normalization) -> Self {
        Self { normalization, ..self }
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
        let normalization = match data.examples {
            Some(_) => Normalization::none(data.channels),
            None => recipe.data.normalization_of(data)?,
        };
        let is_class = data.target() == TargetKind::Class;
        let mut model =
            Self::of_inputs(&recipe.layers, &data.input(), data.classes.len(), normalization)?;
        let is_own = matches!(recipe.loss, Loss::Custom(_));
        model.classifies = is_class
            && (recipe.loss.is_cross_entropy() || is_own && model.outputs == [model.classes]);
        if model.classifies && !is_own || data.targets.is_some() {
            model.check_outputs(data.task())?;
        }
        model.task = data.task();
        model.loss = recipe.loss.clone();
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
    pub(in crate::train) fn upload_statistics(
        &self,
        executor: &mut dyn Executor,
    ) -> Result<(), TrainError> {
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

    /// Weights in the order of the layers, parameters before running statistics: as training has
    /// them. Those that the model lacks are left out.
    pub fn ordered(&self, weights: &BTreeMap<String, HostTensor>) -> Vec<(String, HostTensor)> {
        let parameters = self.parameters.iter().map(|spec| &spec.name);
        let names = parameters.chain(self.states.iter().map(|state| &state.name));
        names.filter_map(|name| Some((name.clone(), weights.get(name)?.clone()))).collect()
    }

    /// Initial weights under a seed, in the order of the layers, and running statistics behind them.
    ///
    /// # Errors
    /// Never; a statistic has as many numbers as its shape says.
    pub fn initial_weights(&self, seed: u64) -> Result<Vec<(String, HostTensor)>, ShapeError> {
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|spec| Ok((spec.name.clone(), spec.initial(seed))));
        let states = self.states.iter().map(|state| {
            let values = vec![state.initial; state.shape.elements()];
            Ok((state.name.clone(), HostTensor::from_f32(state.shape.clone(), &values)?))
        });
        parameters.chain(states).collect()
    }

    /// Shape of what the model gives for one input.
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// Shape of one input.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    /// Whether an example is of one class, and the outputs are logits `[n, classes]`.
    pub fn classifies(&self) -> bool {
        self.classifies
    }

    /// What is learned of images.
    pub fn task(&self) -> Task {
        self.task
    }

    /// What right answers are counted in: logits, or, where nothing is right or wrong, a column of which
    /// nothing can be learned.
    pub(super) fn counted_outputs(
        &self,
        graph: &mut Graph,
        outputs: Value,
        losses: Value,
    ) -> Result<Value, ShapeError> {
        if self.classifies {
            return Ok(outputs);
        }
        let rows = graph.ty(losses).elements();
        graph.push(View::reshape([rows, 1]), &[losses])
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether evaluation counts labels among the [`TOP`] most likely classes: `name/top5`.
    pub(in crate::train) fn counts_top(&self) -> bool {
        self.classifies && self.classes > TOP
    }

    /// Whether evaluation counts which class is taken for which: `name/confusion`.
    pub(in crate::train) fn counts_confusion(&self) -> bool {
        self.classifies && self.classes <= MAX_CONFUSION_CLASSES
    }

    /// Height, width and channels of an image.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }
}
