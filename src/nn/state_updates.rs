//! Updates of running statistics, which wait until it is known whether the step counts.

use super::Arena;
use super::parameters::RUNNING_STATISTICS;
use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::ops::{AverageRange, Guarded, Pack, RunningAverage};
use crate::tensor::TensorType;

/// What normalization in training does to one of its running statistics.
#[derive(Debug, Clone)]
struct StateUpdate {
    /// Name of the state.
    state: String,
    /// Weight and factor of the new value.
    numbers: (f32, f32),
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
    /// Notes that `state` moves toward `value`, by the numbers of a [`RunningAverage`].
    pub(super) fn note(&mut self, state: &str, numbers: (f32, f32), value: Value) {
        self.0.push(StateUpdate { state: state.to_owned(), numbers, value });
    }

    /// Adds the updates of a later pass.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Adds a node for each pass that updates all statistics in place, unless the `skip` u32 `[1]`
    /// that may be given is set. Statistics of a batch are packed like those that they change.
    ///
    /// # Errors
    /// When an op rejects its operands.
    pub fn push(
        self,
        graph: &mut Graph,
        arena: &Arena,
        skip: Option<Value>,
    ) -> Result<(), ShapeError> {
        let mut updates = self.0;
        let all = TensorType::f32([arena.state_elements]);
        let mut running = graph.source(RUNNING_STATISTICS, all);
        while !updates.is_empty() {
            let mut pass: Vec<StateUpdate> = Vec::new();
            let mut later = Vec::new();
            for update in updates {
                let taken = pass.iter().any(|other| other.state == update.state);
                if taken { later.push(update) } else { pass.push(update) }
            }
            updates = later;
            let (op, pack, values) = together(arena, &pass);
            let values = graph.push(pack, &values)?;
            running = match skip {
                Some(skip) => graph.push(Guarded::of(&op)?, &[running, values, skip])?,
                None => graph.push(op, &[running, values])?,
            };
        }
        Ok(())
    }
}

/// The updates of a pass as one, with the values that it packs.
fn together(arena: &Arena, pass: &[StateUpdate]) -> (RunningAverage, Pack, Vec<Value>) {
    let (mut offsets, mut values) = (Vec::new(), Vec::new());
    let mut ranges: Vec<AverageRange> = Vec::new();
    let ends = arena.states.iter().skip(1).map(|entry| entry.offset);
    for (entry, end) in arena.states.iter().zip(ends.chain([arena.state_elements])) {
        let update = pass.iter().find(|update| update.state == entry.spec.name);
        if let Some(update) = update {
            offsets.push(entry.offset);
            values.push(update.value);
        }
        // Those of frozen layers stay.
        let (momentum, scale) = update.map_or((0.0, 1.0), |update| update.numbers);
        match ranges.last_mut() {
            Some(last) if (last.momentum, last.scale) == (momentum, scale) => last.end = end,
            _ => ranges.push(AverageRange { end, momentum, scale }),
        }
    }
    let last = ranges.pop();
    let (momentum, scale) = last.map_or((0.0, 1.0), |range| (range.momentum, range.scale));
    let pack = Pack { offsets, elements: arena.state_elements };
    (RunningAverage { momentum, scale, ranges }, pack, values)
}
