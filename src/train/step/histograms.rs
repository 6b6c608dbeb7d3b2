//! Histograms of weights and gradients: the nodes that count them, and the counts as records.

use super::model::ModelPrograms;
use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Graph, Value};
use crate::nn::ArenaEntry;
use crate::ops::{Histogram, HistogramCounts};
use crate::tensor::TensorType;
use crate::train::TrainError;
use crate::train::recipe::histograms::HistogramsConfig;
use crate::train::store::records::histograms::{HistogramOf, HistogramRecord};

const WEIGHTS: &str = "histograms/weights";
const GRADIENTS: &str = "histograms/gradients";

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

    /// Reads what the last step of an epoch counted.
    pub(in crate::train) fn read(
        &self,
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        (epoch, step): (u32, u64),
    ) -> Result<Vec<HistogramRecord>, TrainError> {
        let mut records = Vec::new();
        for (name, of) in [(WEIGHTS, HistogramOf::Weights), (GRADIENTS, HistogramOf::Gradients)] {
            let counts: Vec<u32> = bytemuck::pod_collect_to_vec(&executor.read_now(name)?);
            let rows = counts.chunks(Histogram::columns(self.bins));
            records.extend(counted(model, of).zip(rows).map(|(entry, row)| HistogramRecord {
                epoch,
                step,
                parameter: entry.spec.name.clone(),
                of,
                counts: HistogramCounts::from_row(row),
            }));
        }
        let place = |record: &HistogramRecord| {
            model.parameters.iter().position(|spec| spec.name == record.parameter)
        };
        // In the order of the layers, each with its gradient.
        records.sort_by_key(place);
        Ok(records)
    }
}

/// The parameters that are counted: those that are frozen have no gradients.
fn counted(model: &ModelPrograms, of: HistogramOf) -> impl Iterator<Item = &ArenaEntry> {
    model.arena.entries.iter().filter(move |entry| {
        of == HistogramOf::Weights || !model.layer_rates.is_frozen(&entry.spec.name)
    })
}

/// The histograms of given weights: parameters only, as they are after an epoch.
pub fn histograms_of_weights(
    model: &ModelPrograms,
    parameters: &[f32],
    (epoch, step): (u32, u64),
    bins: usize,
) -> Vec<HistogramRecord> {
    let of = |spec: &crate::nn::ParameterSpec| {
        let entry = model.arena.find(&spec.name)?;
        let values = parameters.get(entry.offset..entry.offset + spec.shape.elements())?;
        let counts = HistogramCounts::of(values, bins);
        let parameter = spec.name.clone();
        Some(HistogramRecord { epoch, step, parameter, of: HistogramOf::Weights, counts })
    };
    model.parameters.iter().filter_map(of).collect()
}
