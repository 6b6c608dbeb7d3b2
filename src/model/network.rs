//! A model: its layers and weights, and what can be done with them.

use std::collections::BTreeMap;
use std::fmt;

use super::error::ModelError;
use super::fit::{self, Epoch, Fit, History};
use super::metric::{Known, Metric};
use super::outputs::Outputs;
use super::session::Session;
use crate::data::{DataError, Dataset, Normalization, TargetKind, TargetMut, Task};
use crate::exec::DeviceChoice;
use crate::nn::{Layer, LayerSummary, ModelConfig, Precision, summarize};
use crate::tensor::HostTensor;
use crate::train::{Evaluator, Hook, Loss, ModelPrograms, PendingWeights, Trainer};

/// Most inputs that are predicted or evaluated at a time.
const AT_ONCE: usize = 64;

/// A model: layers with their weights, from an input to what is compared with a target.
///
/// It runs on a real GPU where there is one, else on the faster of a software GPU and the CPU; [`Model::on`]
/// chooses. The device is opened when it is first needed, and kept.
///
/// ```
/// use verigrad::model::Model;
/// use verigrad::nn::{Conv2d, Dense, Flatten, MaxPool2d};
///
/// let model = Model::new([28, 28, 1])
///     .add(Conv2d::new(32, 3).relu())
///     .add(MaxPool2d::new(2))
///     .add(Flatten {})
///     .add(Dense::new(10));
/// assert_eq!(model.summary()?.iter().map(|layer| layer.parameters).sum::<usize>(), 54_410);
/// assert_eq!(Model::from_toml(&model.to_toml()?)?.layers(), model.layers());
/// # Ok::<(), verigrad::model::ModelError>(())
/// ```
pub struct Model {
    pub(super) input: Vec<usize>,
    pub(super) layers: Vec<Layer>,
    /// The well-known model that the layers are of.
    pub(super) config: Option<ModelConfig>,
    pub(super) loss: Loss,
    pub(super) classes: Vec<String>,
    seed: u64,
    device: DeviceChoice,
    /// How 8-bit pixels become numbers, once it has been trained on such.
    pub(super) normalization: Option<Normalization>,
    /// The weights by name, once there are other ones than the initial ones.
    pub(super) weights: BTreeMap<String, HostTensor>,
    session: Option<Session>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("input", &self.input)
            .field("layers", &self.layers)
            .field("loss", &self.loss)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

/// How good a model is on some data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluated {
    /// Mean loss.
    pub loss: f64,
    /// Part of the labels that are the most likely class, in [0, 1]; none where examples are not of one
    /// class.
    pub accuracy: Option<f64>,
    /// Number of examples.
    pub examples: u64,
}

impl Model {
    /// A model without layers yet, for inputs of a shape: `[height, width, channels]` for images, `[features]`
    /// for rows of a table.
    pub fn new(input: impl Into<Vec<usize>>) -> Self {
        Self {
            input: input.into(),
            layers: Vec::new(),
            config: None,
            loss: Loss::CrossEntropy,
            classes: Vec::new(),
            seed: 1,
            device: DeviceChoice::Auto,
            normalization: None,
            weights: BTreeMap::new(),
            session: None,
        }
    }

    /// A well-known model for images `[height, width, channels]`. Its layers go by torchvision's names in
    /// [`Self::load_weights`].
    pub fn known(config: ModelConfig, image: [usize; 3]) -> Self {
        Self { layers: config.plan().layers, config: Some(config), ..Self::new(image) }
    }

    /// With another layer at the end.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the word of Keras; models are no numbers")]
    pub fn add(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self.config = None;
        self.changed()
    }

    /// With more layers at the end.
    #[must_use]
    pub fn add_all(self, layers: impl IntoIterator<Item = Layer>) -> Self {
        layers.into_iter().fold(self, Self::add)
    }

    /// With another loss than cross-entropy.
    #[must_use]
    pub fn loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// With names of the classes; those of the data it is trained on by default.
    #[must_use]
    pub fn classes(self, classes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { classes: classes.into_iter().map(Into::into).collect(), ..self.changed() }
    }

    /// With another seed of the initial weights than 1.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self.changed() }
    }

    /// On a device that is not chosen automatically.
    #[must_use]
    pub fn on(self, device: DeviceChoice) -> Self {
        Self { device, session: None, ..self }
    }

    /// Shape of an input.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Names of the classes, where there are such.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// Name, output, parameters and work of each layer.
    ///
    /// # Errors
    /// When the layers do not fit.
    pub fn summary(&self) -> Result<Vec<LayerSummary>, ModelError> {
        self.check()?;
        let layers = Layer::with_classes(&self.layers, self.classes.len());
        Ok(summarize(&layers, &self.input, Precision::F32)?)
    }

    /// The device that it runs on, which is opened.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn device(&mut self) -> Result<String, ModelError> {
        Ok(self.session()?.device())
    }

    fn session(&mut self) -> Result<&mut Session, ModelError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.device)?,
        };
        Ok(self.session.insert(session))
    }

    fn check(&self) -> Result<(), ModelError> {
        Layer::check_all(&self.layers).map_err(|(key, message)| ModelError::Layer { key, message })
    }

    /// The model laid out, without data.
    pub(super) fn programs(&self) -> Result<ModelPrograms, ModelError> {
        self.check()?;
        let (classes, normalization) = (self.classes.len(), self.pixel_normalization());
        Ok(ModelPrograms::of_inputs(&self.layers, &self.input, classes, normalization)?)
    }

    /// The weights by name, in the order of the layers: `conv1.weight` `[height, width, in, out]`,
    /// `dense1.weight` `[in, out]`. Before it was trained or loaded, initial ones.
    ///
    /// # Errors
    /// When the layers do not fit.
    pub fn weights(&self) -> Result<Vec<(String, HostTensor)>, ModelError> {
        let programs = self.programs()?;
        Ok(programs.ordered(&self.weights_of(&programs)?))
    }

    pub(super) fn weights_of(
        &self,
        programs: &ModelPrograms,
    ) -> Result<BTreeMap<String, HostTensor>, ModelError> {
        if !self.weights.is_empty() {
            return Ok(self.weights.clone());
        }
        programs.initial_weights(self.seed).map(|all| all.into_iter().collect()).map_err(Into::into)
    }

    /// Takes other weights; all of them, by name and of the shapes of [`Self::weights`].
    pub fn set_weights(&mut self, weights: impl IntoIterator<Item = (String, HostTensor)>) {
        self.weights = weights.into_iter().collect();
        self.forget();
    }

    /// Prepares the next prediction anew.
    fn forget(&mut self) {
        if let Some(session) = &mut self.session {
            session.forget();
        }
    }

    fn changed(mut self) -> Self {
        self.forget();
        self
    }

    /// How 8-bit pixels become numbers: divided by 255 where it was not trained.
    fn pixel_normalization(&self) -> Normalization {
        let channels = self.input.last().copied().unwrap_or(1);
        self.normalization.clone().unwrap_or(Normalization::none(channels))
    }

    /// Trains on data. Called again, it goes on from the weights that it has, with a fresh optimizer.
    ///
    /// # Errors
    /// When layers, loss and data do not go together, the loss is no number any more, or the device
    /// fails. The model then keeps its weights.
    pub fn fit(&mut self, data: &Dataset, fit: &Fit) -> Result<History, ModelError> {
        self.fit_with(data, fit, Vec::new(), &mut |_| {})
    }

    /// As [`Self::fit`]; `each` is told of every epoch, and `hooks` watch it from inside and may end it.
    ///
    /// # Errors
    /// As for [`Self::fit`], or when a hook gives one.
    pub fn fit_with(
        &mut self,
        data: &Dataset,
        fit: &Fit,
        hooks: Vec<Box<dyn Hook>>,
        each: &mut dyn FnMut(&Epoch),
    ) -> Result<History, ModelError> {
        self.check()?;
        self.check_data(data)?;
        if let Some(validation) = &fit.validation {
            self.check_data(validation)?;
        }
        let recipe = fit.recipe(&self.layers, &self.loss, data)?;
        let (splits, weights, seed) = (fit.splits(data)?, self.weights.clone(), self.seed);
        let mut trainer = Trainer::new(self.session()?.cleared(), &recipe, splits)?;
        let weights = match weights.is_empty() {
            true => trainer.model().initial_weights(seed)?,
            false => weights.into_iter().collect(),
        };
        trainer.set_weights(&weights)?;
        let history = fit::run(&mut trainer, hooks, each)?;
        let weights = trainer.weights()?;
        let normalization = trainer.model().normalization().clone();
        self.normalization = data.examples.is_none().then_some(normalization);
        self.classes.clone_from(&data.classes);
        self.set_weights(weights);
        Ok(history)
    }

    /// Makes sure that data have the inputs and the classes of the model.
    fn check_data(&self, data: &Dataset) -> Result<(), ModelError> {
        let error = |problem: String| {
            let name = data.name.clone();
            Err(DataError::Inconsistent { name, problem }.into())
        };
        if data.input() != self.input {
            let (given, expected) = (data.input(), &self.input);
            return error(format!("inputs have shape {given:?}: the model expects {expected:?}"));
        }
        if !self.classes.is_empty() && data.classes != self.classes {
            let (given, expected) = (data.classes.join(", "), self.classes.join(", "));
            return error(format!("its classes are {given}: those of the model are {expected}"));
        }
        Ok(())
    }

    /// Loss and accuracy on data.
    ///
    /// # Errors
    /// When model and data do not go together, or the device fails.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluated, ModelError> {
        self.check()?;
        self.check_data(data)?;
        let recipe = Fit::default().recipe(&self.layers, &self.loss, data)?;
        let mut programs = ModelPrograms::of_recipe(&recipe, data)?;
        if let Some(normalization) = &self.normalization {
            programs = programs.with_normalization(normalization.clone());
        }
        let weights = PendingWeights::check(&programs, &self.weights_of(&programs)?)?;
        let executor = self.session()?.cleared();
        let evaluator = Evaluator::new(executor, &programs, "evaluation", data, AT_ONCE)?;
        weights.write(executor)?;
        let metrics = evaluator.run(executor, data)?;
        let (loss, accuracy) = (metrics.loss, fit::accuracy(metrics));
        Ok(Evaluated { loss, accuracy, examples: metrics.examples })
    }

    /// Numbers of one's own choice on data, in the order of the metrics.
    ///
    /// # Errors
    /// When model and data do not go together, or the device fails.
    pub fn measure(
        &mut self,
        data: &Dataset,
        metrics: &[&dyn Metric],
    ) -> Result<Vec<f64>, ModelError> {
        self.check_data(data)?;
        let (inputs, known) = self.read(data)?;
        let outputs = self.predict(&inputs)?;
        Ok(metrics.iter().map(|metric| metric.value(&outputs, &known)).collect())
    }

    /// Inputs as the first layer takes them, and what is known of them.
    fn read(&self, data: &Dataset) -> Result<(Vec<f32>, Known), ModelError> {
        let width = self.input.iter().product::<usize>();
        let mut inputs = vec![0.0; data.len() * width];
        let mut known = Known::default();
        let Some(examples) = &data.examples else {
            let normalization = self.pixel_normalization();
            for (i, input) in inputs.chunks_mut(width.max(1)).enumerate() {
                input.copy_from_slice(&normalization.apply(&data.pixels(i)?));
            }
            match data.task() {
                Task::Classification => known.labels.clone_from(&data.labels),
                _ => {
                    known.numbers = (0..data.len())
                        .filter_map(|i| data.targets_of(i))
                        .flatten()
                        .copied()
                        .collect()
                }
            }
            return Ok((inputs, known));
        };
        let each = data.target().elements();
        match data.target() {
            TargetKind::Numbers(_) => known.numbers = vec![0.0; data.len() * each],
            _ => known.labels = vec![0; data.len() * each],
        }
        for (i, input) in inputs.chunks_mut(width.max(1)).enumerate() {
            let target = match data.target() {
                TargetKind::Numbers(_) => {
                    TargetMut::Numbers(&mut known.numbers[i * each..][..each])
                }
                _ => TargetMut::Classes(&mut known.labels[i * each..][..each]),
            };
            examples.read(i, input, target).map_err(|problem| {
                let (name, problem) = (data.name.clone(), format!("example {i}: {problem}"));
                DataError::Inconsistent { name, problem }
            })?;
        }
        Ok((inputs, known))
    }

    /// What the model makes of one input or several, `[n, input]`, as numbers that its first layer takes.
    ///
    /// # Errors
    /// When these are no inputs, or the device fails.
    pub fn predict(&mut self, inputs: &[f32]) -> Result<Outputs, ModelError> {
        let expected = self.input.iter().product::<usize>().max(1);
        if inputs.is_empty() || !inputs.len().is_multiple_of(expected) {
            return Err(ModelError::Inputs { given: inputs.len(), expected });
        }
        let n = inputs.len() / expected;
        let batch = n.min(AT_ONCE);
        if !self.session()?.is_ready(batch) {
            let programs = self.programs()?;
            let weights = self.weights_of(&programs)?;
            self.session()?.prepare(&programs, &weights, batch)?;
        }
        let mut padded = inputs.to_vec();
        padded.resize(n.next_multiple_of(batch) * expected, 0.0);
        let Outputs { mut values, shape } = self.session()?.predict(&padded, batch * expected)?;
        values.truncate(n * shape.iter().product::<usize>());
        Ok(Outputs { values, shape })
    }

    /// The same for 8-bit images `[n, height, width, channels]`, with the normalization that it was
    /// trained with; divided by 255 where it was not trained.
    ///
    /// # Errors
    /// When these are no images of the model, or the device fails.
    pub fn predict_images(&mut self, images: &[u8]) -> Result<Outputs, ModelError> {
        let expected = self.input.iter().product::<usize>().max(1);
        let normalization = self.pixel_normalization();
        let inputs: Vec<f32> =
            images.chunks(expected).flat_map(|pixels| normalization.apply(pixels)).collect();
        self.predict(&inputs)
    }
}
