//! The key `loss`: what training makes small.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Task;
use crate::error::ShapeError;
use crate::graph::{Activation, Graph, Value};
use crate::ops::{
    Activate, Binary, Broadcast, Concat, Full, MeanSquaredError, Over, Reduce, ReduceFunction,
    Scale, SoftCrossEntropy, SoftmaxCrossEntropy, View,
};
use crate::tensor::DType;

/// What training makes small: a loss for each example, of which the mean is taken over a batch.
///
/// Outputs are those of the model, `[n, ...]`; targets have the same shape, but for classes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Cross-entropy of the softmax of logits `[n, classes]`, from labels or from probabilities
    /// `[n, classes]`: PyTorch's `CrossEntropyLoss`. With logits `[n, ..., classes]` and a label for each
    /// place `[n, ...]`, as in segmentation, the mean over the places; those without a label count as zero.
    #[default]
    CrossEntropy,
    /// Binary cross-entropy of the sigmoid of logits, from targets in [0, 1]: the mean over the outputs of an
    /// example, `log(1 + exp(x)) - t x`; PyTorch's `BCEWithLogitsLoss`. For examples of several classes.
    BinaryCrossEntropy,
    /// `(x - t)^2`, the mean over the outputs of an example: PyTorch's `MSELoss`.
    MeanSquaredError,
    /// `|x - t|`, the mean over the outputs of an example: PyTorch's `L1Loss`.
    MeanAbsoluteError,
    /// `d^2 / 2` up to a difference `d` of `delta`, `delta (|d| - delta / 2)` beyond: the mean over the outputs
    /// of an example (Huber, 1964); PyTorch's `HuberLoss`.
    ///
    /// ```toml
    /// [loss]
    /// huber = { delta = 1.0 }
    /// ```
    Huber {
        /// Where it becomes linear, above 0; PyTorch's and Keras' default is 1.
        #[schemars(extend("exclusiveMinimum" = 0))]
        delta: f32,
    },
    /// A loss of one's own, in code only.
    #[serde(skip)]
    Custom(CustomLoss),
}

/// What a batch is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// Labels `[n]`; zeros where examples have other targets.
    pub labels: Value,
    /// Targets that are no labels of whole examples, `[n, ...]`.
    pub targets: Option<Value>,
}

/// A function that adds a loss of one's own to a graph.
type AddLoss = dyn Fn(&mut Graph, Value, Answers) -> Result<Value, ShapeError> + Send + Sync;

/// A loss of one's own. Two are the same if they are copies of one.
#[derive(Clone)]
pub struct CustomLoss(Arc<AddLoss>);

impl fmt::Debug for CustomLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a loss of one's own")
    }
}

impl PartialEq for CustomLoss {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Loss {
    /// A loss of one's own: `add` adds nodes behind the outputs of the model `[n, ...]`, and gives a loss
    /// for each example `[n]`, or one number `[1]` for the whole batch. Everything it is made of must have a
    /// gradient.
    pub fn custom(
        add: impl Fn(&mut Graph, Value, Answers) -> Result<Value, ShapeError> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(CustomLoss(Arc::new(add)))
    }

    /// What is made small where a recipe does not say.
    pub fn of_task(task: Task) -> Self {
        match task {
            Task::Classification => Self::CrossEntropy,
            Task::Regression => Self::MeanSquaredError,
            Task::MultiLabel => Self::BinaryCrossEntropy,
        }
    }

    /// Whether this is the default.
    pub(in crate::train) fn is_cross_entropy(&self) -> bool {
        *self == Self::CrossEntropy
    }

    /// Says what is wrong with its numbers.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::Huber { delta } if !(delta.is_normal() && *delta > 0.0) => {
                Err(("delta", format!("must be above 0 and finite, it is {delta}")))
            }
            _ => Ok(()),
        }
    }

    /// Adds the losses of each example `[n]`. Where a row has no example, what they are is not said.
    ///
    /// # Errors
    /// When outputs and targets do not go together.
    pub fn losses(
        &self,
        graph: &mut Graph,
        outputs: Value,
        answers: Answers,
        label_smoothing: f32,
    ) -> Result<Value, ShapeError> {
        let n = graph.ty(outputs).dims().first().copied().unwrap_or(0);
        match (self, answers.targets) {
            (Self::CrossEntropy, targets) => {
                cross_entropy(graph, outputs, (answers.labels, targets), label_smoothing)
            }
            (Self::Custom(custom), _) => {
                let losses = (custom.0)(graph, outputs, answers)?;
                match graph.ty(losses).dims() {
                    &[rows] if rows == n => Ok(losses),
                    [1] => {
                        let shape = [n].into();
                        let op = Broadcast { shape, over: Over::All, scale: 1.0 };
                        graph.push(op, &[losses])
                    }
                    dims => Err(ShapeError::new(
                        "loss",
                        format!(
                            "must give [{n}], a loss for each example, or [1]; it gave {dims:?}"
                        ),
                    )),
                }
            }
            (_, None) => Err(ShapeError::new(
                "loss",
                format!(
                    "{self:?} compares numbers, and the data set has labels: give it numbers as targets, or \
                     use cross-entropy"
                ),
            )),
            (_, Some(targets)) => {
                same_shape(graph, outputs, targets)?;
                match self {
                    Self::MeanSquaredError => mean_squared(graph, outputs, targets, n),
                    Self::BinaryCrossEntropy => binary_cross_entropy(graph, outputs, targets, n),
                    Self::Huber { delta } => huber(graph, outputs, targets, (n, *delta)),
                    _ => {
                        let distance = distance(graph, outputs, targets)?;
                        mean_of_rows(graph, distance, n)
                    }
                }
            }
        }
    }
}

fn same_shape(graph: &Graph, outputs: Value, targets: Value) -> Result<(), ShapeError> {
    let (x, t) = (graph.ty(outputs), graph.ty(targets));
    if x == t {
        return Ok(());
    }
    Err(ShapeError::new(
        "loss",
        format!("the model gives {x}, the targets are {t}: expected the same"),
    ))
}

/// The mean of each example's elements, `[n]`.
fn mean_of_rows(graph: &mut Graph, x: Value, n: usize) -> Result<Value, ShapeError> {
    let each = graph.ty(x).elements() / n.max(1);
    let rows = graph.push(View::reshape([n, each]), &[x])?;
    graph.push(Reduce { function: ReduceFunction::Mean, over: Over::Columns }, &[rows])
}

fn cross_entropy(
    graph: &mut Graph,
    logits: Value,
    (labels, targets): (Value, Option<Value>),
    label_smoothing: f32,
) -> Result<Value, ShapeError> {
    let loss = SoftmaxCrossEntropy { label_smoothing };
    let Some(targets) = targets else {
        let [losses, _residual] = graph.push_multi(loss, &[logits, labels])?;
        return Ok(losses);
    };
    if graph.ty(targets).dtype == DType::F32 {
        if label_smoothing > 0.0 {
            let message = "label_smoothing takes labels: smooth the probabilities themselves";
            return Err(ShapeError::new("loss", message));
        }
        let [losses, _residual] = graph.push_multi(SoftCrossEntropy {}, &[logits, targets])?;
        return Ok(losses);
    }
    let (places, classes) = graph.ty(logits).rows_columns();
    let dims = graph.ty(logits).dims();
    if dims.split_last().map(|(_, places)| places) != Some(graph.ty(targets).dims()) {
        let (x, t) = (graph.ty(logits), graph.ty(targets));
        let message =
            format!("the model gives {x}, the labels are {t}: expected logits for each label");
        return Err(ShapeError::new("loss", message));
    }
    let n = dims[0];
    let logits = graph.push(View::reshape([places, classes]), &[logits])?;
    let labels = graph.push(View::reshape([places]), &[targets])?;
    let [losses, _residual] = graph.push_multi(loss, &[logits, labels])?;
    mean_of_rows(graph, losses, n)
}

fn mean_squared(graph: &mut Graph, x: Value, t: Value, n: usize) -> Result<Value, ShapeError> {
    let each = graph.ty(x).elements() / n.max(1);
    let x = graph.push(View::reshape([n, each]), &[x])?;
    let t = graph.push(View::reshape([n, each]), &[t])?;
    let [losses, _residual] = graph.push_multi(MeanSquaredError {}, &[x, t])?;
    Ok(losses)
}

/// Two classes of logits `x` and 0 have the probabilities `sigmoid(x)` and `1 - sigmoid(x)`.
fn binary_cross_entropy(
    graph: &mut Graph,
    x: Value,
    t: Value,
    n: usize,
) -> Result<Value, ShapeError> {
    let elements = graph.ty(x).elements();
    let column = View::reshape([elements, 1]);
    let (x, t) = (graph.push(column.clone(), &[x])?, graph.push(column, &[t])?);
    let filled = |value| Full { value, shape: [elements, 1].into() };
    let zeros = graph.push(filled(0.0), &[])?;
    let ones = graph.push(filled(1.0), &[])?;
    let opposite = graph.push(Scale::NEGATE, &[t])?;
    let rest = graph.push(Binary::ADD, &[opposite, ones])?;
    let logits = graph.push(Concat { axis: 1 }, &[x, zeros])?;
    let targets = graph.push(Concat { axis: 1 }, &[t, rest])?;
    let [losses, _residual] = graph.push_multi(SoftCrossEntropy {}, &[logits, targets])?;
    mean_of_rows(graph, losses, n)
}

/// `|x - t|`, whose derivative at 0 is 0.
fn distance(graph: &mut Graph, x: Value, t: Value) -> Result<Value, ShapeError> {
    let opposite = graph.push(Scale::NEGATE, &[t])?;
    let above = graph.push(Binary::ADD, &[x, opposite])?;
    let below = graph.push(Scale::NEGATE, &[above])?;
    let relu = Activate { function: Activation::Relu };
    let (above, below) = (graph.push(relu.clone(), &[above])?, graph.push(relu, &[below])?);
    graph.push(Binary::ADD, &[above, below])
}

/// `c (d - c / 2)` with the distance `d` and `c = min(d, delta)`.
fn huber(
    graph: &mut Graph,
    x: Value,
    t: Value,
    (n, delta): (usize, f32),
) -> Result<Value, ShapeError> {
    let delta = f64::from(delta);
    let distance = distance(graph, x, t)?;
    let sixths = graph.push(Scale { factor: 6.0 / delta }, &[distance])?;
    let clipped = graph.push(Activate { function: Activation::Relu6 }, &[sixths])?;
    let clipped = graph.push(Scale { factor: delta / 6.0 }, &[clipped])?;
    let half = graph.push(Scale { factor: -0.5 }, &[clipped])?;
    let rest = graph.push(Binary::ADD, &[distance, half])?;
    let losses = graph.push(Binary::MULTIPLY, &[clipped, rest])?;
    mean_of_rows(graph, losses, n)
}
