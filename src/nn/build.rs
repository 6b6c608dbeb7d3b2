//! Layers to graph nodes.

use std::collections::HashMap;
use std::sync::Arc;

use super::parameters::RUNNING_STATISTICS;
use super::{Arena, Init, Layer, LayerRates, ParameterSpec, Precision, StateSpec, StateUpdates};
use crate::error::ShapeError;
use crate::graph::{Activation, Graph, Op, Value};
use crate::ops::{
    Activate, AdaptiveAvgPool2d, AvgPool2d, BatchNorm, BatchNormInference, Binary, Cast, Concat,
    Conv2d, ConvGeometry, Dropout, GlobalAvgPool2d, Matmul, MaxPool2d, NormTail, PoolGeometry,
    View,
};
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
/// use verigrad::nn::{Init, Layer, Mode, ModelBuilder};
/// use verigrad::tensor::TensorType;
///
/// let layers: Vec<Layer> = vec![
///     Layer::Flatten {},
///     Layer::Dense {
///         units: 10,
///         bias: true,
///         activation: Default::default(),
///         init: Default::default(),
///         bias_init: Init::Zeros,
///     },
/// ];
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

    /// Adds layers one after the other.
    ///
    /// # Errors
    /// When a layer cannot take the shape that reaches it; the message names the layer.
    pub fn layers(&mut self, layers: &[Layer], x: Value) -> Result<Value, ShapeError> {
        let outermost = self.prefix.is_empty();
        let x = if outermost { self.cast(x, self.precision.dtype())? } else { x };
        let y = layers.iter().try_fold(x, |x, layer| {
            let name = self.next_name(layer.stem());
            self.graph.set_scope(name.clone());
            let y = self.layer(layer, &name, x).map_err(|error| naming(error, &name))?;
            if outermost {
                self.outputs.push((name, y));
            }
            Ok::<_, ShapeError>(y)
        })?;
        if outermost { self.cast(y, DType::F32) } else { Ok(y) }
    }

    fn cast(&mut self, x: Value, to: DType) -> Result<Value, ShapeError> {
        if self.graph.ty(x).dtype == to { Ok(x) } else { self.graph.push(Cast { to }, &[x]) }
    }

    /// Adds an op on activations; where it has no form for 16 bits, between casts.
    fn push(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, ShapeError> {
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

    fn layer(&mut self, layer: &Layer, name: &str, x: Value) -> Result<Value, ShapeError> {
        match layer {
            Layer::Conv2d { .. } => self.conv2d(layer, name, x),
            Layer::Dense { units, bias, activation, init, bias_init } => {
                let [_, features] = self.graph.ty(x).ranked(
                    "dense",
                    "the input (put a flatten or global_avg_pool2d layer in front)",
                )?;
                let fans = (features, *units);
                let w = self.weight(name, [features, *units], *init, fans);
                let y = self.graph.push(Matmul::default(), &[x, w])?;
                let bias = bias.then_some((*bias_init, fans));
                self.bias_and_activation(name, y, bias, *units, *activation)
            }
            Layer::MaxPool2d { window, stride, padding, ceil_mode } => {
                let geometry = self.pool_geometry(x, *window, *stride, *padding)?;
                let geometry = PoolGeometry { ceil_mode: *ceil_mode, ..geometry };
                let [y, _index] = self.graph.push_multi(MaxPool2d { geometry }, &[x])?;
                Ok(y)
            }
            Layer::AvgPool2d { window, stride, padding, count_include_pad, ceil_mode } => {
                let geometry = self.pool_geometry(x, *window, *stride, *padding)?;
                let geometry = PoolGeometry { ceil_mode: *ceil_mode, ..geometry };
                let count_include_pad = *count_include_pad;
                self.push(AvgPool2d { geometry, count_include_pad }, &[x])
            }
            Layer::GlobalAvgPool2d {} => self.push(GlobalAvgPool2d {}, &[x]),
            Layer::AdaptiveAvgPool2d { output } => {
                self.push(AdaptiveAvgPool2d { output: output.dims() }, &[x])
            }
            Layer::Flatten {} => {
                let dims = self.graph.ty(x).dims();
                let n = dims.first().copied().unwrap_or(1);
                let features = dims.iter().skip(1).product::<usize>();
                self.graph.push(View::reshape([n, features]), &[x])
            }
            Layer::BatchNorm { momentum, epsilon, zero_init } => {
                let scale = if *zero_init { Init::Zeros } else { Init::Ones };
                self.batch_norm(name, x, (*momentum, *epsilon), scale)
            }
            Layer::Activation { function } => self.activation(x, *function),
            Layer::Dropout { rate } => self.dropout(x, *rate),
            Layer::LocalResponseNorm { form, size, alpha, beta, k } => {
                self.push(form.op(*size, *alpha, *beta, *k), &[x])
            }
            Layer::Residual { layers, shortcut, activation } => {
                let main = self.inside(name, "", layers, x)?;
                let other = self.inside(name, "shortcut", shortcut, x)?;
                self.graph.set_scope(name);
                let sum = self.push(Binary::ADD, &[main, other])?;
                self.activation(sum, *activation)
            }
            Layer::Concat { branches } => {
                let outputs = branches
                    .iter()
                    .enumerate()
                    .map(|(i, branch)| self.inside(name, &format!("branch{}", i + 1), branch, x))
                    .collect::<Result<Vec<_>, _>>()?;
                self.graph.set_scope(name);
                let rank = self.graph.ty(x).shape.rank();
                self.push(Concat { axis: rank.saturating_sub(1) }, &outputs)
            }
        }
    }

    fn conv2d(&mut self, layer: &Layer, name: &str, x: Value) -> Result<Value, ShapeError> {
        let Layer::Conv2d {
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            activation,
            init,
            bias_init,
        } = layer
        else {
            return Err(ShapeError::new("conv2d", "the layer is none"));
        };
        let [_, h, w, channels] = self.graph.ty(x).ranked("conv2d", "the input")?;
        let (kernel, stride, dilation) = (kernel_size.dims(), stride.dims(), dilation.dims());
        if *groups == 0 || channels % groups != 0 || out_channels % groups != 0 {
            return Err(ShapeError::new(
                "conv2d",
                format!(
                    "groups = {groups} must divide the {channels} input channels and the \
                     {out_channels} output channels"
                ),
            ));
        }
        let geometry = ConvGeometry {
            stride,
            padding: padding.sides([h, w], kernel, stride, dilation),
            dilation,
            groups: *groups,
        };
        let area = kernel[0].saturating_mul(kernel[1]);
        // The fan-out is that of PyTorch and Keras, which do not divide it by the groups.
        let fans = [channels / groups, *out_channels].map(|n| area.saturating_mul(n)).into();
        let shape = [kernel[0], kernel[1], channels / groups, *out_channels];
        let weight = self.weight(name, shape, *init, fans);
        let op = Conv2d::new(geometry);
        let y = self.graph.push(op, &[x, weight])?;
        let bias = bias.then_some((*bias_init, fans));
        self.bias_and_activation(name, y, bias, *out_channels, *activation)
    }

    fn bias_and_activation(
        &mut self,
        name: &str,
        mut y: Value,
        bias: Option<(Init, Fans)>,
        channels: usize,
        activation: Activation,
    ) -> Result<Value, ShapeError> {
        if let Some((init, fans)) = bias {
            let bias = self.vector(name, "bias", channels, (init, fans));
            y = self.graph.push(Binary::BIAS, &[y, bias])?;
        }
        self.activation(y, activation)
    }

    fn activation(&mut self, x: Value, function: Activation) -> Result<Value, ShapeError> {
        match function {
            Activation::Identity => Ok(x),
            function => self.push(Activate { function }, &[x]),
        }
    }

    fn batch_norm(
        &mut self,
        name: &str,
        x: Value,
        (momentum, epsilon): (f32, f32),
        scale: Init,
    ) -> Result<Value, ShapeError> {
        let (rows, channels) = self.graph.ty(x).rows_columns();
        let gamma = self.vector(name, "weight", channels, (scale, (1, 1)));
        let beta = self.vector(name, "bias", channels, (Init::Zeros, (1, 1)));
        let running_mean = self.state(name, "running_mean", channels, 0.0);
        let running_variance = self.state(name, "running_variance", channels, 1.0);
        let frozen = self.rates.is_some_and(|rates| rates.is_frozen(name));
        if self.mode == Mode::Evaluate || frozen {
            let inputs = [x, gamma, beta, running_mean, running_variance];
            let op = BatchNormInference { epsilon, tail: NormTail::default() };
            return self.graph.push(op, &inputs);
        }
        let op = BatchNorm { epsilon, tail: NormTail::default() };
        let [y, mean, variance] = self.graph.push_multi(op, &[x, gamma, beta])?;
        // The running variance is the unbiased one.
        #[expect(clippy::cast_precision_loss, reason = "row counts only scale by n / (n - 1)")]
        let unbiased = rows as f32 / (rows.max(2) - 1) as f32;
        for (state, scale, value) in
            [("running_mean", 1.0, mean), ("running_variance", unbiased, variance)]
        {
            self.updates.note(&format!("{name}.{state}"), (momentum, scale), value);
        }
        Ok(y)
    }

    fn dropout(&mut self, x: Value, rate: f32) -> Result<Value, ShapeError> {
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

    fn pool_geometry(
        &self,
        x: Value,
        window: super::Pair,
        stride: Option<super::Pair>,
        padding: super::Padding,
    ) -> Result<PoolGeometry, ShapeError> {
        let [_, h, w, _] = self.graph.ty(x).ranked("pool", "the input")?;
        let stride = stride.unwrap_or(window).dims();
        let window = window.dims();
        let padding = padding.sides([h, w], window, stride, [1, 1]);
        Ok(PoolGeometry { window, stride, padding, ceil_mode: false })
    }

    /// Layers inside a layer, under its name.
    fn inside(
        &mut self,
        name: &str,
        branch: &str,
        layers: &[Layer],
        x: Value,
    ) -> Result<Value, ShapeError> {
        let suffix = if branch.is_empty() { String::new() } else { format!("{branch}.") };
        let outer = std::mem::replace(&mut self.prefix, format!("{name}.{suffix}"));
        let result = self.layers(layers, x);
        self.prefix = outer;
        result
    }

    /// `conv1`, `conv2`, ...: layers of a kind are counted within the layer around them.
    fn next_name(&mut self, stem: &str) -> String {
        let key = format!("{}{stem}", self.prefix);
        let count = self.counts.entry(key.clone()).or_insert(0);
        *count += 1;
        format!("{key}{count}")
    }

    fn weight(
        &mut self,
        layer: &str,
        shape: impl Into<Shape>,
        init: Init,
        (fan_in, fan_out): Fans,
    ) -> Value {
        let name = format!("{layer}.weight");
        let shape = shape.into();
        self.parameter(ParameterSpec { name, shape, init, fan_in, fan_out, decay: true })
    }

    /// Biases start by the fans of the layer's weights, as in PyTorch.
    fn vector(
        &mut self,
        layer: &str,
        name: &str,
        channels: usize,
        (init, (fan_in, fan_out)): (Init, Fans),
    ) -> Value {
        self.parameter(ParameterSpec {
            name: format!("{layer}.{name}"),
            shape: Shape::from([channels]),
            init,
            fan_in,
            fan_out,
            decay: false,
        })
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

    fn state(&mut self, layer: &str, name: &str, channels: usize, initial: f32) -> Value {
        let spec =
            StateSpec { name: format!("{layer}.{name}"), shape: Shape::from([channels]), initial };
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
}

/// Adds the layer's name to an error that does not have it.
fn naming(error: ShapeError, layer: &str) -> ShapeError {
    if error.message.contains(&format!("(in {layer}")) {
        return error;
    }
    ShapeError { op: error.op, message: format!("{} (in {layer})", error.message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `torch.nn.init` and Keras count them; PyTorch's biases have those of the weights.
    #[test]
    fn biases_and_groups_have_the_fans_of_pytorch() {
        let text = "type = \"conv2d\"\nout_channels = 6\nkernel_size = 3\ngroups = 2\n";
        let layer: Layer = toml::from_str(text).expect("a layer");
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([1, 5, 5, 4]));
        let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None);
        builder.layers(&[layer], x).expect("it fits");
        assert!(builder.parameters().iter().all(|p| (p.fan_in, p.fan_out) == (18, 54)));
    }
}
