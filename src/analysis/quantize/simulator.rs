//! A model on a device whose activations can be put on grids, layer by layer.

use std::collections::BTreeMap;

use super::Grid;
use super::products::through;
use crate::analysis::model_graph::{ModelGraph, PIXELS, load, read_floats, write_statistics};
use crate::analysis::pixels::PixelBatches;
use crate::data::Dataset;
use crate::exec::{Executor, ProgramId};
use crate::ops::SoftmaxCrossEntropy;
use crate::ops::{Argmax, FakeQuantize, IGNORED_LABEL, Over, Reduce, ReduceFunction, Scale};
use crate::tensor::TensorType;
use crate::train::{ModelPrograms, TrainError};

/// Name of the program that finds ranges.
const RANGES: &str = "analysis/ranges";
/// Name of the program that computes on grids.
const QUANTIZED: &str = "analysis/quantized";
const LABELS: &str = "analysis/labels";

/// Figures of a pass over a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedFigures {
    /// Part of the examples whose most likely class is the label.
    pub accuracy: f64,
    /// Mean loss per example.
    pub loss: f64,
    /// Logits `[examples, classes]`.
    pub logits: Vec<f32>,
}

impl SimulatedFigures {
    /// The root of the mean square of the change of the logits, relative to that of the logits of
    /// `before`.
    pub fn logits_change(&self, before: &Self) -> f64 {
        let square = |value: f64| value * value;
        let pairs = self.logits.iter().zip(&before.logits);
        let change: f64 = pairs.map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
        let size: f64 = before.logits.iter().map(|&logit| square(f64::from(logit))).sum();
        if size > 0.0 { (change / size).sqrt() } else { 0.0 }
    }
}

/// Finds the ranges of activations, and computes with grids in the place of activations. Weights are
/// those that the executor holds.
#[derive(Debug)]
pub struct Simulator {
    ranges: ProgramId,
    quantized: ProgramId,
    batch: usize,
    classes: usize,
    layers: Vec<String>,
}

impl Simulator {
    /// Compiles and loads the programs for batches of `batch` images. No activation is quantized until
    /// [`Self::set_grids`] says so.
    ///
    /// # Errors
    /// When the programs do not fit the device, or it fails.
    pub fn new(
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        batch: usize,
    ) -> Result<Self, TrainError> {
        let ModelGraph { graph, logits, .. } = ModelGraph::new(model, batch)?;
        let mut layers = Vec::new();
        let (ranges, []) = through(&graph, [], &mut |graph, layer, x| {
            let largest = Reduce { function: ReduceFunction::Max, over: Over::All };
            let high = graph.push(largest.clone(), &[x])?;
            let negative = graph.push(Scale::NEGATE, &[x])?;
            let low = graph.push(largest, &[negative])?;
            graph.output(&format!("{layer}/high"), high);
            graph.output(&format!("{layer}/minus_low"), low);
            layers.push(layer.to_owned());
            Ok(x)
        })?;
        let ranges = load(executor, RANGES, &ranges)?;
        let (mut graph, [logits]) = through(&graph, [logits], &mut |graph, layer, x| {
            let grid = graph.source(&grid_of(layer), TensorType::f32([3]));
            graph.push(FakeQuantize {}, &[x, grid])
        })?;
        graph.set_scope("metrics");
        let labels = graph.source(LABELS, TensorType::u32([batch]));
        let [losses, _residual] =
            graph.push_multi(SoftmaxCrossEntropy { label_smoothing: 0.0 }, &[logits, labels])?;
        let predictions = graph.push(Argmax {}, &[logits])?;
        for (name, value) in [("logits", logits), ("losses", losses), ("predictions", predictions)]
        {
            graph.output(name, value);
        }
        let quantized = load(executor, QUANTIZED, &graph)?;
        write_statistics(executor, model)?;
        Ok(Self { ranges, quantized, batch, classes: model.classes(), layers })
    }

    /// The convolutions and dense layers, whose weights and inputs can be quantized.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// The grids that hold all that the layers read for the images of `data`.
    ///
    /// # Errors
    /// When an activation is not finite, which names the layer, or the device fails.
    pub fn calibrate(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
    ) -> Result<BTreeMap<String, Grid>, TrainError> {
        let mut found = vec![[0.0_f32; 2]; self.layers.len()];
        let batches = PixelBatches::of_size(data, self.batch);
        for range in batches.ranges() {
            executor.write(PIXELS, 0, bytemuck::cast_slice(&batches.pixels(&range)?))?;
            executor.run(self.ranges, 1)?;
            for (layer, found) in self.layers.iter().zip(&mut found) {
                for (end, found) in ["minus_low", "high"].into_iter().zip(found) {
                    let value = read_floats(executor, &format!("{RANGES}/{layer}/{end}"))?[0];
                    if !value.is_finite() {
                        return Err(TrainError::Weights(format!(
                            "{layer} reads activations that are not finite"
                        )));
                    }
                    *found = found.max(value);
                }
            }
        }
        let grids = self.layers.iter().zip(found);
        Ok(grids.map(|(layer, [low, high])| (layer.clone(), Grid::of_range(-low, high))).collect())
    }

    /// Puts what layers read on grids; layers that `grids` does not name read it as it is.
    ///
    /// # Errors
    /// When the device fails.
    pub fn set_grids(
        &self,
        executor: &mut dyn Executor,
        grids: &BTreeMap<String, Grid>,
    ) -> Result<(), TrainError> {
        for layer in &self.layers {
            let grid = grids.get(layer).copied().unwrap_or(Grid::NONE);
            executor.write(&grid_of(layer), 0, bytemuck::cast_slice(&grid.numbers()))?;
        }
        Ok(())
    }

    /// Evaluates the model on a data set.
    ///
    /// # Errors
    /// When the device fails.
    pub fn evaluate(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
    ) -> Result<SimulatedFigures, TrainError> {
        let batches = PixelBatches::of_size(data, self.batch);
        let (mut loss, mut correct, mut logits) = (0.0, 0_u32, Vec::new());
        for range in batches.ranges() {
            executor.write(PIXELS, 0, bytemuck::cast_slice(&batches.pixels(&range)?))?;
            let mut labels = data.labels[range.clone()].to_vec();
            labels.resize(self.batch, IGNORED_LABEL);
            executor.write(LABELS, 0, bytemuck::cast_slice(&labels))?;
            executor.run(self.quantized, 1)?;
            let losses = read_floats(executor, &format!("{QUANTIZED}/losses"))?;
            loss += losses.iter().take(range.len()).map(|&loss| f64::from(loss)).sum::<f64>();
            let predictions = executor.read_now(&format!("{QUANTIZED}/predictions"))?;
            let predictions: Vec<u32> = bytemuck::pod_collect_to_vec(&predictions);
            let pairs = predictions.iter().zip(&labels).take(range.len());
            correct += pairs.map(|(a, b)| u32::from(a == b)).sum::<u32>();
            let rows = read_floats(executor, &format!("{QUANTIZED}/logits"))?;
            logits.extend(rows.into_iter().take(range.len() * self.classes));
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of examples, far below 2^53")]
        let n = data.len().max(1) as f64;
        Ok(SimulatedFigures { accuracy: f64::from(correct) / n, loss: loss / n, logits })
    }
}

fn grid_of(layer: &str) -> String {
    format!("analysis/grid/{layer}")
}
