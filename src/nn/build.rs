//! Layers to graph nodes.

use std::collections::HashMap;
use std::sync::Arc;

use super::parameters::RUNNING_STATISTICS;
use super::{Arena, Init, LayerRates, ParameterSpec, Precision, StateSpec, StateUpdates};
use crate::error::ShapeError;
use crate::graph::{Activation, Graph, Op, Value};
use crate::ops::{Activate, Binary, Cast, Dropout, View};
use crate::tensor::{DType, Shape, TensorType};

/// What reaches an element of the output, and what an element of the input reaches.
type Fans = (usize, usize);

/// Name of the source that holds all parameters.
const PARAMETERS: &str = "parameters";

/// Whether layers that differ between training and evaluation train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout; `step` is a source `u32[1]`.
    Train {
        /// Seed of dropout masks.
        seed: u32,
        /// Number of steps completed.
        step: Value,
    },
    /// Running statistics, no dropout.
    Evaluate,
}

/// Adds a model's layers to a graph.
///
/// Parameters are views into the arena where one is given, else sources of their own; either way
/// the builder collects their specifications.
///
/// ```
/// use verigrad::graph::Graph;
/// use verigrad::nn::{Dense, Flatten, Mode, ModelBuilder, layers};
/// use verigrad::tensor::TensorType;
///
/// let layers = layers![Flatten {}, Dense::new(10)];
/// let mut graph = Graph::default();
/// let x = graph.source("x", TensorType::f32([32, 28, 28, 1]));
/// let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
/// let logits = builder.layers(&layers, x)?;
/// let parameters: usize = builder.parameters().iter().map(|p| p.shape.elements()).sum();
/// assert_eq!((graph.ty(logits).dims(), parameters), ([32, 10].as_slice(), 7850));
/// # Ok::<(), verigrad::error::ShapeError>(())
/// ```
#[derive(Debug)]
pub struct ModelBuilder<'g> {
    graph: &'g mut Graph,
    mode: Mode,
    precision: Precision,
    arena: Option<(&'g Arena, Value)>,
    parameters: Vec<ParameterSpec>,
    values: Vec<Value>,
    states: Vec<StateSpec>,
    /// The layer at hand.
    name: String,
    prefix: String,
    counts: HashMap<String, usize>,
    dropout_streams: u32,
    outputs: Vec<(String, Value)>,
    rates: Option<&'g LayerRates>,
    updates: StateUpdates,
}

impl<'g> ModelBuilder<'g> {
    /// Starts a model.
    pub fn new(graph: &'g mut Graph, mode: Mode, arena: Option<&'g Arena>) -> Self {
        let arena = arena.map(|arena| {
            let all = graph.source(PARAMETERS, TensorType::f32([arena.elements]));
            (arena, all)
        });
        Self {
            graph,
            mode,
            precision: Precision::F32,
            arena,
            parameters: Vec::new(),
            values: Vec::new(),
            states: Vec::new(),
            name: String::new(),
            prefix: String::new(),
            counts: HashMap::new(),
            dropout_streams: 0,
            outputs: Vec::new(),
            rates: None,
            updates: StateUpdates::default(),
        }
    }

    /// Reads the parameters from another source than the one that training changes.
    #[must_use]
    pub fn with_parameters(mut self, source: &str) -> Self {
        self.arena = self.arena.map(|(arena, _)| {
            (arena, self.graph.source(source, TensorType::f32([arena.elements])))
        });
        self
    }

    /// Has normalization that is frozen use and keep its running statistics.
    #[must_use]
    pub fn with_rates(self, rates: &'g LayerRates) -> Self {
        Self { rates: Some(rates), ..self }
    }

    /// What training does to running statistics: nothing, until the updates are added.
    pub fn into_updates(self) -> StateUpdates {
        self.updates
    }

    /// Stores activations in another precision. What goes in and comes out stays f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The parameters, in the order of the layers.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// The graph values of [`Self::parameters`].
    pub fn parameter_values(&self) -> &[Value] {
        &self.values
    }

    /// The arena's value, where one was given.
    pub fn arena_value(&self) -> Option<Value> {
        self.arena.map(|(_, value)| value)
    }

    /// States that training changes without a gradient.
    pub fn states(&self) -> &[StateSpec] {
        &self.states
    }

    /// Name and output of each layer, outermost layers only.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// The graph under construction.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// Type and shape of a value.
    pub fn ty(&self, x: Value) -> &TensorType {
        self.graph.ty(x)
    }

    /// Whether batch statistics and dropout are those of training.
    pub fn is_training(&self) -> bool {
        self.mode != Mode::Evaluate
    }

    /// Whether the layer at hand is frozen.
    pub fn is_frozen(&self) -> bool {
        self.rates.is_some_and(|rates| rates.is_frozen(&self.name))
    }

    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether no layer is around those that are added.
    pub(super) fn is_outermost(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Adds a layer whose name has a stem: `conv1`, `conv2`, ...: layers of a kind are counted within the
    /// layer around them. Its name is in errors.
    pub(super) fn named(
        &mut self,
        stem: &str,
        add: impl FnOnce(&mut Self) -> Result<Value, ShapeError>,
    ) -> Result<Value, ShapeError> {
        let name = self.next_name(stem);
        let outer = std::mem::replace(&mut self.name, name.clone());
        self.graph.set_scope(name.clone());
        let y = add(self).map_err(|error| naming(error, &name));
        self.name = outer;
        let y = y?;
        if self.is_outermost() {
            self.outputs.push((name, y));
        }
        Ok(y)
    }

    /// Adds layers inside the layer at hand, under its name and that of a branch, which may be empty.
    pub(super) fn below<T>(&mut self, branch: &str, add: impl FnOnce(&mut Self) -> T) -> T {
        let suffix = if branch.is_empty() { String::new() } else { format!("{branch}.") };
        let inner = format!("{}.{suffix}", self.name);
        let outer = std::mem::replace(&mut self.prefix, inner);
        let result = add(self);
        self.prefix = outer;
        self.graph.set_scope(self.name.clone());
        result
    }

    pub(super) fn cast(&mut self, x: Value, to: DType) -> Result<Value, ShapeError> {
        if self.graph.ty(x).dtype == to { Ok(x) } else { self.graph.push(Cast { to }, &[x]) }
    }

    /// Adds an op on activations; where it has no form for 16 bits, between casts.
    ///
    /// # Errors
    /// When it rejects its operands.
    pub fn push(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, ShapeError> {
        let types: Vec<TensorType> = inputs.iter().map(|&x| self.graph.ty(x).clone()).collect();
        let op: Arc<dyn Op> = Arc::new(op);
        if types.iter().all(|ty| ty.dtype != DType::F16) || op.infer(&types).is_ok() {
            return Ok(self.graph.push_node(op, inputs)?[0]);
        }
        let inputs = inputs.iter().map(|&x| match self.graph.ty(x).dtype {
            DType::F16 => self.cast(x, DType::F32),
            _ => Ok(x),
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let y = self.graph.push_node(op, &inputs)?[0];
        self.cast(y, DType::F16)
    }

    /// Adds a bias `[channels]`, where there is one, and a function.
    pub(super) fn bias_and_activation(
        &mut self,
        mut y: Value,
        bias: Option<(Init, Fans)>,
        channels: usize,
        activation: Activation,
    ) -> Result<Value, ShapeError> {
        if let Some((init, fans)) = bias {
            let bias = self.vector("bias", channels, init, fans);
            y = self.graph.push(Binary::BIAS, &[y, bias])?;
        }
        self.activation(y, activation)
    }

    /// Applies an activation function, element by element.
    ///
    /// # Errors
    /// When `x` is no float.
    pub fn activation(&mut self, x: Value, function: Activation) -> Result<Value, ShapeError> {
        match function {
            Activation::Identity => Ok(x),
            function => self.push(Activate { function }, &[x]),
        }
    }

    /// In training, zeroes a part `rate` of the elements, in [0, 1), by chance, and scales the others.
    ///
    /// # Errors
    /// When the rate is none.
    pub fn dropout(&mut self, x: Value, rate: f32) -> Result<Value, ShapeError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(ShapeError::new(
                "dropout",
                format!("rate must lie in [0, 1), it is {rate}"),
            ));
        }
        let stream = self.dropout_streams;
        self.dropout_streams += 1;
        match self.mode {
            Mode::Train { seed, step } if rate > 0.0 => {
                self.push(Dropout { rate, seed, stream }, &[x, step])
            }
            _ => Ok(x),
        }
    }

    /// `conv1`, `conv2`, ...: layers of a kind are counted within the layer around them.
    fn next_name(&mut self, stem: &str) -> String {
        let key = format!("{}{stem}", self.prefix);
        let count = self.counts.entry(key.clone()).or_insert(0);
        *count += 1;
        format!("{key}{count}")
    }

    /// A parameter of the layer at hand that weight decay applies to.
    pub fn weight(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        init: Init,
        (fan_in, fan_out): Fans,
    ) -> Value {
        let (name, shape) = (format!("{}.{name}", self.name), shape.into());
        self.parameter(ParameterSpec { name, shape, init, fan_in, fan_out, decay: true })
    }

    /// A parameter `[elements]` of the layer at hand that no weight decay applies to. Biases start by
    /// the fans of the layer's weights, as in PyTorch.
    pub fn vector(
        &mut self,
        name: &str,
        elements: usize,
        init: Init,
        (fan_in, fan_out): Fans,
    ) -> Value {
        let (name, shape) = (format!("{}.{name}", self.name), Shape::from([elements]));
        self.parameter(ParameterSpec { name, shape, init, fan_in, fan_out, decay: false })
    }

    fn parameter(&mut self, spec: ParameterSpec) -> Value {
        let own = TensorType::f32(spec.shape.clone());
        let placed = self.arena.and_then(|(arena, all)| {
            let entry = arena.find(&spec.name)?;
            let view = View { offset: entry.offset, shape: spec.shape.clone() };
            self.graph.push(view, &[all]).ok()
        });
        let value = placed.unwrap_or_else(|| self.graph.source(&spec.name, own));
        self.parameters.push(spec);
        self.values.push(value);
        value
    }

    /// A state `[elements]` of the layer at hand, which training changes without a gradient.
    pub(super) fn state(&mut self, name: &str, elements: usize, initial: f32) -> Value {
        let (name, shape) = (format!("{}.{name}", self.name), Shape::from([elements]));
        let spec = StateSpec { name, shape, initial };
        let placed = self.arena.and_then(|(arena, _)| {
            let offset = arena.find_state(&spec.name)?.offset;
            let all = TensorType::f32([arena.state_elements]);
            let all = self.graph.source(RUNNING_STATISTICS, all);
            self.graph.push(View { offset, shape: spec.shape.clone() }, &[all]).ok()
        });
        let value = placed
            .unwrap_or_else(|| self.graph.source(&spec.name, TensorType::f32(spec.shape.clone())));
        self.states.push(spec);
        value
    }

    /// Notes that a state of the layer at hand moves toward `value`, by weight and factor.
    pub(super) fn note_state(&mut self, name: &str, numbers: (f32, f32), value: Value) {
        self.updates.note(&format!("{}.{name}", self.name), numbers, value);
    }
}

/// Adds the layer's name to an error that does not have it.
fn naming(error: ShapeError, layer: &str) -> ShapeError {
    if error.message.contains(&format!("(in {layer}")) {
        return error;
    }
    ShapeError { op: error.op, message: format!("{} (in {layer})", error.message) }
}
