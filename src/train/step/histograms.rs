//! Histograms of weights and gradients: the nodes that count them.

use serde::{Deserialize, Serialize};

use super::model::ModelPrograms;
use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::nn::ArenaEntry;
use crate::ops::Histogram;
use crate::tensor::TensorType;
use crate::train::recipe::histograms::HistogramsConfig;

/// Name of the counts of weights.
pub(in crate::train) const WEIGHTS: &str = "histograms/weights";
/// Name of the counts of gradients.
pub(in crate::train) const GRADIENTS: &str = "histograms/gradients";

/// What a histogram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistogramOf {
    /// A parameter after the step.
    Weights,
    /// Its gradient in the step: of the loss alone, before it is clipped.
    Gradients,
}

impl HistogramsConfig {
    /// Adds the nodes that count `new`, the parameters after a step, and their `gradients`, in the
    /// last step of each epoch that is asked for.
    pub(in crate::train) fn add(
        &self,
        graph: &mut Graph,
        model: &ModelPrograms,
        steps_per_epoch: usize,
        [new, gradients, step]: [Value; 3],
    ) -> Result<(), ShapeError> {
        let steps = u32::try_from(steps_per_epoch).unwrap_or(u32::MAX);
        let period = self.every_epochs.saturating_mul(steps);
        for (name, of, x) in
            [(WEIGHTS, HistogramOf::Weights, new), (GRADIENTS, HistogramOf::Gradients, gradients)]
        {
            let ranges: Vec<[usize; 2]> = counted(model, of)
                .map(|entry| [entry.offset, entry.spec.shape.elements()])
                .collect();
            let counts = TensorType::u32([ranges.len(), Histogram::columns(self.bins)]);
            let counts = graph.source(name, counts);
            let op = Histogram { ranges, bins: self.bins, period };
            graph.push(op, &[x, counts, step])?;
        }
        Ok(())
    }
}

/// The parameters that are counted: those that are frozen have no gradients.
pub(in crate::train) fn counted(
    model: &ModelPrograms,
    of: HistogramOf,
) -> impl Iterator<Item = &ArenaEntry> {
    model.arena.entries.iter().filter(move |entry| {
        of == HistogramOf::Weights || !model.layer_rates.is_frozen(&entry.spec.name)
    })
}
