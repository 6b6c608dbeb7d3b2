//! 8-bit post-training quantization: weights as whole numbers, activations on grids of 256 levels
//! whose ranges a few training images give. Products are computed in f32 of what 8 bits hold: what
//! integer kernels compute, up to the rounding of f32 sums.

mod file;
mod int8;
mod products;
mod simulator;

use std::collections::BTreeMap;

use crate::error::ShapeError;
use crate::tensor::HostTensor;
use crate::train::{ModelPrograms, PendingWeights, TrainError};

pub use file::QuantizedFileError;
pub use int8::{Granularity, Int8Tensor};
pub use simulator::{SimulatedFigures, Simulator};

/// The 256 levels `(0..=255 - zero_point) * scale` on which the activations that a layer reads lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Distance of two levels; zero where activations are not quantized.
    pub scale: f32,
    /// Number of the level that is zero.
    pub zero_point: u8,
}

impl Grid {
    /// Activations stay as they are.
    pub const NONE: Self = Self { scale: 0.0, zero_point: 0 };

    /// The levels from `low` to `high`, which are moved such that zero is one of them: the padding of
    /// convolutions is zero.
    pub fn of_range(low: f32, high: f32) -> Self {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
        let scale = ((high - low) / 255.0) as f32;
        if !scale.is_normal() {
            return Self::NONE;
        }
        let zero_point = (-low / f64::from(scale)).round().clamp(0.0, 255.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 255"
        )]
        let zero_point = zero_point as u8;
        Self { scale, zero_point }
    }

    /// The least and the greatest level.
    pub fn range(self) -> [f32; 2] {
        [0.0, 255.0].map(|level| (level - f32::from(self.zero_point)) * self.scale)
    }

    /// As [`crate::ops::FakeQuantize`] takes it.
    fn numbers(self) -> [f32; 3] {
        let inverse = if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 };
        [self.scale, inverse, f32::from(self.zero_point)]
    }
}

/// A model whose weights have 8 bits, and the grids of its activations.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedModel {
    /// Weights of convolutions and dense layers, by name.
    pub weights: BTreeMap<String, Int8Tensor>,
    /// All other tensors, such as biases and what belongs to batch normalization, by name.
    pub floats: BTreeMap<String, HostTensor>,
    /// Grids of what layers read, by the name of the layer.
    pub grids: BTreeMap<String, Grid>,
}

impl QuantizedModel {
    /// Quantizes the weights of the layers that `grids` names.
    ///
    /// # Errors
    /// When a layer has no weights, or they are not finite; names it.
    pub fn new(
        weights: &BTreeMap<String, HostTensor>,
        grids: BTreeMap<String, Grid>,
        granularity: Granularity,
    ) -> Result<Self, TrainError> {
        let (mut floats, mut quantized) = (weights.clone(), BTreeMap::new());
        for layer in grids.keys() {
            let name = weights_of(layer);
            let Some(tensor) = floats.remove(&name) else {
                return Err(TrainError::Weights(format!("{name} is missing")));
            };
            let tensor = Int8Tensor::quantize(&tensor, granularity)
                .map_err(|error| TrainError::Weights(format!("{name}: {}", error.message)))?;
            quantized.insert(name, tensor);
        }
        Ok(Self { weights: quantized, floats, grids })
    }

    /// All tensors as floats again, for programs that compute in f32.
    ///
    /// # Errors
    /// When a tensor does not have as many numbers as its shape says.
    pub fn dequantized(&self) -> Result<BTreeMap<String, HostTensor>, ShapeError> {
        let mut all = self.floats.clone();
        for (name, tensor) in &self.weights {
            all.insert(name.clone(), tensor.dequantize()?);
        }
        Ok(all)
    }

    /// The tensors, checked against a model.
    ///
    /// # Errors
    /// Names the first tensor that is missing, superfluous or of another shape.
    pub fn pending(&self, model: &ModelPrograms) -> Result<PendingWeights, TrainError> {
        PendingWeights::check(model, &self.dequantized()?)
    }

    /// Bytes of all numbers, scales and grids.
    pub fn bytes(&self) -> usize {
        let floats: usize = self.floats.values().map(|tensor| tensor.ty().bytes()).sum();
        let weights: usize = self.weights.values().map(Int8Tensor::bytes).sum();
        // A scale and a level.
        floats + weights + 5 * self.grids.len()
    }
}

/// The name of a layer's weights.
pub fn weights_of(layer: &str) -> String {
    format!("{layer}.weight")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{small, trained};
    use super::*;
    use crate::exec::CpuExecutor;

    #[test]
    fn grids_hold_zero_and_their_ends() {
        for (low, high) in [(0.0, 6.0), (-1.0, 3.0), (-2.0, -1.0), (0.5, 2.0), (-0.4, 0.0)] {
            let grid = Grid::of_range(low, high);
            let [least, greatest] = grid.range();
            let slack = 0.51 * grid.scale;
            assert!((least - low.min(0.0)).abs() <= slack, "{low} {high}: {grid:?}");
            assert!((greatest - high.max(0.0)).abs() <= slack, "{low} {high}: {grid:?}");
        }
        for (low, high) in [(0.0, 0.0), (1.0, f32::INFINITY), (f32::NAN, 0.0), (0.0, 1e-44)] {
            assert_eq!(Grid::of_range(low, high), Grid::NONE, "{low} {high}");
        }
    }

    #[test]
    fn a_trained_model_keeps_its_accuracy_and_a_quarter_of_its_size() {
        let small = trained();
        let mut executor = CpuExecutor::new();
        let executor = &mut executor;
        let simulator = Simulator::new(executor, &small.model, 64).expect("it compiles");
        assert_eq!(simulator.layers(), ["conv1", "dense1", "dense2"]);
        let floats = small.pending();
        floats.write(executor).expect("they fit");
        let grids = simulator.calibrate(executor, &small.data).expect("it runs");
        for granularity in [Granularity::PerChannel, Granularity::PerTensor] {
            let quantized = QuantizedModel::new(&small.weights, grids.clone(), granularity);
            let quantized = quantized.expect("its weights are finite");
            let evaluate = |executor: &mut CpuExecutor, grids: &BTreeMap<String, Grid>| {
                simulator.set_grids(executor, grids).expect("they fit");
                simulator.evaluate(executor, &small.data).expect("it runs")
            };
            floats.write(executor).expect("they fit");
            let before = evaluate(executor, &BTreeMap::new());
            quantized.pending(&small.model).expect("it fits").write(executor).expect("it fits");
            let after = evaluate(executor, &grids);
            assert!(before.accuracy > 0.8, "{}", before.accuracy);
            assert!((before.accuracy - after.accuracy).abs() <= 0.02, "{after:?}");
            assert!(before.loss != after.loss, "nothing was quantized");
            let change = after.logits_change(&before);
            assert!(change > 1e-4 && change < 0.1, "{change}");
            let bytes: usize = small.weights.values().map(|tensor| tensor.ty().bytes()).sum();
            assert!(quantized.bytes() * 3 < bytes, "{} of {bytes}", quantized.bytes());
        }
    }

    #[test]
    fn layers_without_weights_are_named() {
        let small = small(false);
        let grids: BTreeMap<_, _> = [("conv9".to_owned(), Grid::NONE)].into();
        let error = QuantizedModel::new(&small.weights, grids, Granularity::PerTensor)
            .expect_err("there is no such layer");
        assert!(error.to_string().contains("conv9.weight is missing"), "{error}");
    }
}
