//! The state of dynamic loss scaling: on the device, part of the step.

use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Graph, Value};
use crate::nn::Precision;
use crate::ops::UpdateLossScale;
use crate::tensor::TensorType;
use crate::train::TrainError;

/// Factor on the loss in the first step, as in `torch.amp.GradScaler`.
const INITIAL_SCALE: f32 = 65_536.0;

const SCALE: &str = "loss_scale";
const GOOD_STEPS: &str = "loss_scale/good_steps";
const SKIPPED: &str = "loss_scale/skipped";
const UPDATES: &str = "loss_scale/updates";

/// Where loss scaling stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScale {
    /// Factor on the loss.
    pub scale: f32,
    /// Steps that overflowed, so that they changed no weight.
    pub skipped: u32,
}

/// The states of loss scaling in a training graph.
pub(in crate::train) struct LossScaling {
    /// Factor on the loss, f32 `[1]`.
    pub scale: Value,
    /// Good steps since the scale changed.
    good_steps: Value,
    /// Steps that changed no weight.
    skipped: Value,
    /// Steps that did: the count that optimizers correct their averages by.
    pub updates: Value,
}

impl LossScaling {
    /// The states, where the precision needs them.
    pub fn of(precision: Precision, graph: &mut Graph) -> Option<Self> {
        if precision.is_f32() {
            return None;
        }
        let mut count = |name| graph.source(name, TensorType::u32([1]));
        let [good_steps, skipped, updates] = [GOOD_STEPS, SKIPPED, UPDATES].map(&mut count);
        let scale = graph.source(SCALE, TensorType::f32([1]));
        Some(Self { scale, good_steps, skipped, updates })
    }

    /// Adds the node that changes the scale after a step.
    pub fn adapt(&self, graph: &mut Graph, overflow: Value) -> Result<(), ShapeError> {
        let inputs = [self.scale, self.good_steps, self.skipped, self.updates, overflow];
        graph.push_multi::<4>(UpdateLossScale::default(), &inputs).map(|_| ())
    }
}

/// Writes what the states hold before the first step.
pub(in crate::train) fn write_initial(executor: &mut dyn Executor) -> Result<(), TrainError> {
    set(executor, INITIAL_SCALE)?;
    for count in [GOOD_STEPS, SKIPPED, UPDATES] {
        executor.write(count, 0, &[0; 4])?;
    }
    Ok(())
}

/// Replaces the factor on the loss.
pub(in crate::train) fn set(executor: &mut dyn Executor, scale: f32) -> Result<(), TrainError> {
    Ok(executor.write(SCALE, 0, &scale.to_le_bytes())?)
}

/// Reads where loss scaling stands.
pub(in crate::train) fn read(executor: &mut dyn Executor) -> Result<LossScale, TrainError> {
    let scale: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now(SCALE)?);
    let skipped: Vec<u32> = bytemuck::pod_collect_to_vec(&executor.read_now(SKIPPED)?);
    Ok(LossScale { scale: scale[0], skipped: skipped[0] })
}
