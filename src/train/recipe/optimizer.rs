//! Optimizers as recipes describe them, and the nodes that they become.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Graph, Op, Value};
use crate::ops::{
    Adam, ClipByNorm, ClipByValue, GlobalNorm, Guarded, Hypergradient, RateRange, RmsProp, Sgd,
};
use crate::tensor::TensorType;

/// The optimizer. Weight decay applies to weights, not to biases and normalization; PyTorch and Keras
/// apply it to whatever they are given or not told to exclude.
///
/// Formulas and defaults are PyTorch's. Keras differs: its `epsilon` is 1e-7; Adam and AdamW add it
/// before the bias correction, where its effect fades in, and RMSprop adds it inside the root (outside,
/// `sqrt(epsilon)` comes near). Its RMSprop decays by 0.9 (`rho`) where PyTorch's `alpha` is 0.99; its
/// AdamW has a `weight_decay` of 0.004 where PyTorch's is 0.01, and its `weight_decay` is decoupled in
/// every optimizer. Velocities of Keras hold the learning rate, so that a change of the rate takes
/// effect later than here.
///
/// With `hypergradient` above zero the rate learns, too: after each step it moves by that times the
/// product of the gradient and the direction of the step before (Baydin et al., "Online Learning
/// Rate Adaptation with Hypergradient Descent", 2018), no lower than a thousandth of
/// `learning_rate`. The schedule must then be constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam (Kingma and Ba, 2015); weight decay is added to the gradient.
    ///
    /// ```toml
    /// [optimizer]
    /// type = "adam"
    /// learning_rate = 1e-3
    /// ```
    Adam {
        /// Step size.
        #[schemars(extend("exclusiveMinimum" = 0))]
        learning_rate: f32,
        /// Decay of the mean of gradients.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta1: f64,
        /// Decay of the mean of squared gradients.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta2: f64,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        epsilon: f64,
        /// Strength of weight decay.
        #[serde(default)]
        #[schemars(range(min = 0))]
        weight_decay: f64,
        /// Rate at which the learning rate learns; 0 for not at all.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(!skip_serializing_if, range(min = 0))]
        hypergradient: f64,
    },
    /// AdamW (Loshchilov and Hutter, 2019): decoupled weight decay.
    ///
    /// ```toml
    /// [optimizer]
    /// type = "adamw"
    /// learning_rate = 1e-3
    /// weight_decay = 0.05
    /// ```
    Adamw {
        /// Step size.
        #[schemars(extend("exclusiveMinimum" = 0))]
        learning_rate: f32,
        /// Decay of the mean of gradients.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta1: f64,
        /// Decay of the mean of squared gradients.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta2: f64,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        epsilon: f64,
        /// Strength of weight decay.
        #[serde(default = "decoupled_decay")]
        #[schemars(range(min = 0))]
        weight_decay: f64,
        /// Rate at which the learning rate learns; 0 for not at all.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(!skip_serializing_if, range(min = 0))]
        hypergradient: f64,
    },
    /// Stochastic gradient descent.
    ///
    /// ```toml
    /// [optimizer]
    /// type = "sgd"
    /// learning_rate = 0.1
    /// momentum = 0.9
    /// nesterov = true
    /// weight_decay = 5e-4
    /// ```
    Sgd {
        /// Step size.
        #[schemars(extend("exclusiveMinimum" = 0))]
        learning_rate: f32,
        /// Part of the velocity that is kept.
        #[serde(default)]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        momentum: f64,
        /// Part of the gradient that does not enter the velocity.
        #[serde(default)]
        #[schemars(range(min = 0, max = 1))]
        dampening: f64,
        /// Looks ahead along the velocity.
        #[serde(default)]
        nesterov: bool,
        /// Strength of weight decay.
        #[serde(default)]
        #[schemars(range(min = 0))]
        weight_decay: f64,
        /// Rate at which the learning rate learns; 0 for not at all.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(!skip_serializing_if, range(min = 0))]
        hypergradient: f64,
    },
    /// RMSprop (Hinton, 2012).
    ///
    /// ```toml
    /// [optimizer]
    /// type = "rmsprop"
    /// learning_rate = 1e-3
    /// alpha = 0.9
    /// ```
    #[serde(rename = "rmsprop")]
    RmsProp {
        /// Step size.
        #[schemars(extend("exclusiveMinimum" = 0))]
        learning_rate: f32,
        /// Decay of the mean of squared gradients.
        #[serde(default = "alpha")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        alpha: f64,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        epsilon: f64,
        /// Part of the velocity that is kept.
        #[serde(default)]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        momentum: f64,
        /// Strength of weight decay.
        #[serde(default)]
        #[schemars(range(min = 0))]
        weight_decay: f64,
    },
}

/// Name of the learned rate `[1]`.
pub(in crate::train) const LEARNED_RATE: &str = "hypergradient/rate";
/// Name of the parameters before the last step, by which the rate learns.
pub(in crate::train) const PREVIOUS: &str = "hypergradient/previous";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

const fn beta1() -> f64 {
    0.9
}

const fn beta2() -> f64 {
    0.999
}

const fn epsilon() -> f64 {
    1e-8
}

const fn alpha() -> f64 {
    0.99
}

const fn decoupled_decay() -> f64 {
    0.01
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam {
            learning_rate: 1e-3,
            beta1: beta1(),
            beta2: beta2(),
            epsilon: epsilon(),
            weight_decay: 0.0,
            hypergradient: 0.0,
        }
    }
}

/// Bounds of gradients.
///
/// ```toml
/// [clipping]
/// by_norm = 1.0
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clipping {
    /// Each element is clamped to plus or minus this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub by_value: Option<f32>,
    /// The gradient of the whole model is scaled down to this Euclidean norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub by_norm: Option<f32>,
}

impl Clipping {
    /// Says which key below `clipping` holds a number that cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        let by_value = Self { by_norm: None, ..*self };
        let by_norm = Self { by_value: None, ..*self };
        for (key, limit) in [("by_value", self.by_value), ("by_norm", self.by_norm)] {
            if let Some(limit) = limit.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
                return Err((key, format!("must be positive and finite, it is {limit}")));
            }
        }
        for (key, clipping) in [("by_value", by_value), ("by_norm", by_norm)] {
            let mut graph = Graph::default();
            let gradients = graph.source("gradients", TensorType::f32([1]));
            clipping.apply(&mut graph, gradients).map_err(|error| (key, error.message))?;
        }
        Ok(())
    }

    /// Whether gradients are left as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the nodes that bound `gradients` `[p]` in place.
    ///
    /// # Errors
    /// When the bounds are no positive numbers.
    pub fn apply(&self, graph: &mut Graph, gradients: Value) -> Result<Value, ShapeError> {
        let mut gradients = gradients;
        if let Some(limit) = self.by_value {
            gradients = graph.push(ClipByValue { limit }, &[gradients])?;
        }
        if let Some(max_norm) = self.by_norm {
            let norm = graph.push(GlobalNorm {}, &[gradients])?;
            gradients = graph.push(ClipByNorm { max_norm }, &[gradients, norm])?;
        }
        Ok(gradients)
    }
}

/// What an optimizer works on.
#[derive(Debug, Clone)]
pub struct Arenas {
    /// All parameters, `[p]`.
    pub parameters: Value,
    /// Their gradients, `[p]`.
    pub gradients: Value,
    /// Elements at the front that get weight decay.
    pub decayed: usize,
    /// Learning rates of ranges.
    pub rates: Vec<RateRange>,
}

/// Adds a node that does nothing where the `skip` that may be given is set.
fn push_guarded(
    graph: &mut Graph,
    op: Arc<dyn Op>,
    mut inputs: Vec<Value>,
    skip: Option<Value>,
) -> Result<Vec<Value>, ShapeError> {
    match skip {
        Some(flag) => {
            inputs.push(flag);
            graph.push_node(Arc::new(Guarded::of(op.as_ref())?), &inputs)
        }
        None => graph.push_node(op, &inputs),
    }
}

impl OptimizerConfig {
    /// Adam with PyTorch's defaults: `beta1` 0.9, `beta2` 0.999, `epsilon` 1e-8.
    pub fn adam(learning_rate: f32) -> Self {
        let (beta1, beta2, epsilon) = (beta1(), beta2(), epsilon());
        Self::Adam { learning_rate, beta1, beta2, epsilon, weight_decay: 0.0, hypergradient: 0.0 }
    }

    /// AdamW with PyTorch's defaults, and this weight decay.
    pub fn adamw(learning_rate: f32, weight_decay: f64) -> Self {
        let (beta1, beta2, epsilon) = (beta1(), beta2(), epsilon());
        Self::Adamw { learning_rate, beta1, beta2, epsilon, weight_decay, hypergradient: 0.0 }
    }

    /// Stochastic gradient descent with momentum, in [0, 1).
    pub fn sgd(learning_rate: f32, momentum: f64) -> Self {
        let (dampening, weight_decay, hypergradient) = (0.0, 0.0, 0.0);
        let nesterov = false;
        Self::Sgd { learning_rate, momentum, dampening, nesterov, weight_decay, hypergradient }
    }

    /// Step size before the schedule.
    pub const fn learning_rate(&self) -> f32 {
        match self {
            Self::Adam { learning_rate, .. }
            | Self::Adamw { learning_rate, .. }
            | Self::Sgd { learning_rate, .. }
            | Self::RmsProp { learning_rate, .. } => *learning_rate,
        }
    }

    /// Says which key below `optimizer` holds a number that cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        // Nesterov's message also names what it needs.
        const NUMBERS: [&str; 9] = [
            "hypergradient",
            "nesterov",
            "beta1",
            "beta2",
            "alpha",
            "epsilon",
            "weight_decay",
            "momentum",
            "dampening",
        ];
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate > 0.0) {
            let message = format!("learning_rate must be a positive number, it is {rate}");
            return Err(("learning_rate", message));
        }
        if let Self::Adam { epsilon, .. }
        | Self::Adamw { epsilon, .. }
        | Self::RmsProp { epsilon, .. } = *self
            && !(epsilon >= f64::from(f32::MIN_POSITIVE) && epsilon <= f64::from(f32::MAX))
        {
            let message = format!(
                "epsilon must be above 0 (1.2e-38 or more) and finite, or a gradient of zero divides \
                 zero by zero; it is {epsilon}"
            );
            return Err(("epsilon", message));
        }
        if let Self::Sgd { momentum, .. } | Self::RmsProp { momentum, .. } = *self
            && !(0.0..1.0).contains(&momentum)
        {
            return Err(("momentum", format!("momentum must lie in [0, 1), it is {momentum}")));
        }
        if let Self::Sgd { dampening, .. } = *self
            && !(0.0..=1.0).contains(&dampening)
        {
            return Err(("dampening", format!("dampening must lie in [0, 1], it is {dampening}")));
        }
        // The ops know what their numbers may be: an arena of one element asks them.
        let mut graph = Graph::default();
        let arena = TensorType::f32([1]);
        let [parameters, gradients, rate] =
            ["parameters", "gradients", "rate"].map(|name| graph.source(name, arena.clone()));
        let step = graph.source("step", TensorType::u32([1]));
        let arenas = Arenas { parameters, gradients, decayed: 1, rates: Vec::new() };
        let learned = self.learned_rate(&mut graph, &arenas, step, None);
        let updated = learned.and_then(|_| self.update(&mut graph, arenas, rate, step, None));
        updated.map(|_| ()).map_err(|error| {
            let named = NUMBERS.into_iter().find(|name| error.message.contains(name));
            (named.unwrap_or("type"), error.message)
        })
    }

    /// Names of the optimizer's states, each of the size of the arena.
    pub const fn states(&self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } | Self::Adamw { .. } => &["optimizer/m", "optimizer/v"],
            Self::Sgd { .. } => &["optimizer/velocity"],
            Self::RmsProp { .. } => &["optimizer/square", "optimizer/velocity"],
        }
    }

    /// Adds the node that updates the parameters in place by their gradients, unless the `skip`
    /// u32 `[1]` that may be given is set. `step` counts the updates before this one. Gives the new
    /// parameters.
    ///
    /// # Errors
    /// When the op rejects its attributes.
    pub fn update(
        &self,
        graph: &mut Graph,
        arenas: Arenas,
        learning_rate: Value,
        step: Value,
        skip: Option<Value>,
    ) -> Result<Value, ShapeError> {
        let Arenas { parameters, gradients, decayed, rates } = arenas;
        let arena = TensorType::f32(graph.ty(parameters).shape.clone());
        let states: Vec<Value> =
            self.states().iter().map(|name| graph.source(name, arena.clone())).collect();
        let mut inputs = vec![parameters, gradients];
        inputs.extend(states);
        inputs.push(learning_rate);
        let needs_step = !matches!(self, Self::RmsProp { .. });
        inputs.extend(needs_step.then_some(step));
        let op: Arc<dyn Op> = match *self {
            Self::Adam { beta1, beta2, epsilon, weight_decay, .. }
            | Self::Adamw { beta1, beta2, epsilon, weight_decay, .. } => {
                let decoupled = matches!(self, Self::Adamw { .. });
                Arc::new(Adam { beta1, beta2, epsilon, weight_decay, decoupled, decayed, rates })
            }
            Self::Sgd { momentum, dampening, nesterov, weight_decay, .. } => {
                Arc::new(Sgd { momentum, dampening, nesterov, weight_decay, decayed, rates })
            }
            Self::RmsProp { alpha, epsilon, momentum, weight_decay, .. } => {
                Arc::new(RmsProp { alpha, epsilon, momentum, weight_decay, decayed, rates })
            }
        };
        let outputs = push_guarded(graph, op, inputs, skip)?;
        Ok(outputs[0])
    }

    /// How fast the learning rate itself learns; zero for not at all.
    pub const fn hypergradient(&self) -> f64 {
        match self {
            Self::Adam { hypergradient, .. }
            | Self::Adamw { hypergradient, .. }
            | Self::Sgd { hypergradient, .. } => *hypergradient,
            Self::RmsProp { .. } => 0.0,
        }
    }

    /// Adds the node by which the learning rate learns, where it does, and gives that rate.
    ///
    /// # Errors
    /// When the op rejects its attributes.
    pub fn learned_rate(
        &self,
        graph: &mut Graph,
        arenas: &Arenas,
        step: Value,
        skip: Option<Value>,
    ) -> Result<Option<Value>, ShapeError> {
        /// The learned rate does not fall below this part of the first one.
        const LEAST: f64 = 1e-3;
        let strength = self.hypergradient();
        if strength == 0.0 {
            return Ok(None);
        }
        let op = Hypergradient { strength, floor: LEAST * f64::from(self.learning_rate()) };
        let previous = graph.source(PREVIOUS, graph.ty(arenas.parameters).clone());
        let rate = graph.source(LEARNED_RATE, TensorType::f32([1]));
        let inputs = vec![arenas.gradients, arenas.parameters, previous, rate, step];
        let outputs = push_guarded(graph, Arc::new(op), inputs, skip)?;
        Ok(Some(outputs[1]))
    }
}
