//! Updates of running statistics, which wait until it is known whether the step counts.

use std::collections::HashMap;

use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::ops::{Guarded, RunningAverage};
use crate::tensor::TensorType;

/// What normalization in training does to one of its running statistics.
#[derive(Debug, Clone)]
struct StateUpdate {
    /// Layer, under which the node is listed.
    layer: String,
    /// Name of the state.
    state: String,
    op: RunningAverage,
    /// Statistic of the batch.
    value: Value,
}

/// Updates of running statistics by what passes of a step saw, in the order of the passes.
///
/// A pass only notes them. They are added once the gradients are there, since a step whose gradients
/// are beyond 16 bits must leave everything as it was: a statistic that is no number would stay one.
#[derive(Debug, Clone, Default)]
pub struct StateUpdates(Vec<StateUpdate>);

impl StateUpdates {
    /// Notes that `layer` moves `state` toward `value`.
    pub(super) fn note(&mut self, layer: &str, state: &str, op: RunningAverage, value: Value) {
        let state = format!("{layer}.{state}");
        self.0.push(StateUpdate { layer: layer.to_owned(), state, op, value });
    }

    /// Adds the updates of a later pass.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Adds the nodes that update the states in place, unless the `skip` u32 `[1]` that may be given
    /// is set.
    ///
    /// # Errors
    /// When an op rejects its operands.
    pub fn push(self, graph: &mut Graph, skip: Option<Value>) -> Result<(), ShapeError> {
        let mut current: HashMap<String, Value> = HashMap::new();
        for StateUpdate { layer, state, op, value } in self.0 {
            graph.set_scope(layer);
            let running = match current.get(&state) {
                Some(&running) => running,
                None => {
                    let shape = graph.ty(value).shape.clone();
                    graph.source(&state, TensorType::f32(shape))
                }
            };
            let new = match skip {
                Some(skip) => graph.push(Guarded::of(&op)?, &[running, value, skip])?,
                None => graph.push(op, &[running, value])?,
            };
            current.insert(state, new);
        }
        Ok(())
    }
}
