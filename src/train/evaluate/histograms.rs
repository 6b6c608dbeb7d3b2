//! Histograms of weights and gradients as records: those that the device counted, and those of given
//! weights.

use crate::exec::Executor;
use crate::ops::{Histogram, HistogramCounts};
use crate::train::TrainError;
use crate::train::recipe::histograms::HistogramsConfig;
use crate::train::step::histograms::{GRADIENTS, HistogramOf, WEIGHTS, counted};
use crate::train::step::model::ModelPrograms;
use crate::train::store::records::histograms::HistogramRecord;

impl HistogramsConfig {
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
