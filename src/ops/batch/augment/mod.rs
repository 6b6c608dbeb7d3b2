//! Batches that are augmented while they are gathered from a data set that lies on the device.
//!
//! Everything between the bytes and their normalization is integer arithmetic: random decisions,
//! coordinates with 8 bits behind the point, and levels, which are values times 256. So a batch is the
//! same on every device, and, since nothing but the seed, the step and the example decides, in a run
//! that is resumed. Angles go through [`crate::tensor::turn`].

mod cases;
mod cpu;
mod decision;
mod gpu;
mod options;
mod reference;

use serde::{Deserialize, Serialize};

use super::gather::{FIRST_SHARD, GatherBatch, Sizes};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Signature};
use crate::ops::kit::of_dtype;
use crate::tensor::{DType, Real, TensorType, Tolerance};

pub use options::{Augment, FillMode, Flip, PaddingMode};

/// The level of a white pixel: a byte times 256.
const WHITE_LEVEL: u32 = 255 * 256;

/// The batch of a step, augmented: as [`GatherBatch`], with an [`Augment`] on the way.
///
/// Inputs: `labels`, `order` and `step` of [`GatherBatch`]; with `per_pixel`, `statistics` f32
/// `[2, h, w, c]`; then the shards of the images, u8 `[shard, h, w, c]`. Outputs: `x` f32
/// `[batch, h, w, c]`, `y` u32 `[batch]`.
///
/// A level `v` in 0..=65280 becomes `(v / 65280 - mean) / std`; with `per_pixel`,
/// `(v - statistics[0, ..]) * statistics[1, ..]`, and `mean` then is the center of the contrast only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentBatch {
    /// Which examples, and how they are normalized.
    pub gather: GatherBatch,
    /// What happens to them.
    pub augment: Augment,
    /// Whether each pixel of an image is normalized by numbers of its own, the input `statistics`.
    #[serde(default)]
    pub per_pixel: bool,
    /// Seed of the run.
    pub seed: u32,
    /// Steps of an epoch, by whose number flips alternate.
    pub steps_per_pass: usize,
}

/// The sizes that `infer` has checked.
#[derive(Debug)]
struct Layout {
    gather: Sizes,
    height: usize,
    width: usize,
    channels: usize,
    /// Position of the first shard among the inputs.
    first_shard: usize,
}

impl AugmentBatch {
    /// Position of the first shard among the inputs.
    fn first_shard(&self) -> usize {
        FIRST_SHARD + usize::from(self.per_pixel)
    }

    fn layout(&self, inputs: &[TensorType]) -> Result<Layout, ShapeError> {
        let error = |message: String| ShapeError::new("augment_batch", message);
        let mut gathered = inputs.to_vec();
        let mut statistics = None;
        if self.per_pixel {
            if inputs.len() <= FIRST_SHARD {
                return Err(error(format!("takes statistics of each pixel, not {inputs:?}")));
            }
            statistics = Some(gathered.remove(FIRST_SHARD));
        }
        let gather = self.gather.sizes(&gathered)?;
        let [height, width, channels] =
            <[usize; 3]>::try_from(gather.image_dims.clone()).map_err(|dims| {
                error(format!("images must have height, width, channels, not {dims:?}"))
            })?;
        if let Some(ty) = statistics {
            of_dtype("augment_batch", ("statistics", &ty), DType::F32)?;
            if ty.dims() != [2, height, width, channels] {
                return Err(error(format!(
                    "statistics must have shape [2, {height}, {width}, {channels}], they have {}",
                    ty.shape
                )));
            }
        }
        self.augment.check_for([height, width]).map_err(error)?;
        let fits = |n: usize| n > 0 && u32::try_from(n).is_ok();
        if !fits(self.steps_per_pass) || i32::try_from(gather.examples).is_err() {
            return Err(error(format!(
                "steps_per_pass {} must be above zero and fit 32 bits, {} examples 31 bits",
                self.steps_per_pass, gather.examples
            )));
        }
        Ok(Layout { gather, height, width, channels, first_shard: self.first_shard() })
    }

    /// The level about which contrast turns, for each channel.
    fn centers(&self, channels: usize) -> Vec<u32> {
        let level = |mean: &f32| {
            let level = (f64::from(*mean) * f64::from(WHITE_LEVEL)).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let level = level.clamp(0.0, f64::from(WHITE_LEVEL)) as u32;
            level
        };
        self.gather.mean.iter().map(level).cycle().take(channels).collect()
    }

    /// Mean and reciprocal standard deviation in levels, for each channel, as f32.
    fn in_levels(&self, channels: usize) -> Vec<[f32; 2]> {
        let white = f64::from(WHITE_LEVEL);
        #[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
        let number = |(mean, std): (&f32, &f32)| {
            [(f64::from(*mean) * white) as f32, (1.0 / (f64::from(*std) * white)) as f32]
        };
        let numbers = self.gather.mean.iter().zip(&self.gather.std).map(number);
        numbers.cycle().take(channels).collect()
    }
}

impl OpDef for AugmentBatch {
    const NAME: &'static str = "augment_batch";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let layout = self.layout(inputs)?;
        let dims = [self.gather.batch, layout.height, layout.width, layout.channels];
        Ok(vec![TensorType::f32(dims), TensorType::u32([self.gather.batch])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        reference::forward(self, io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(layout) = self.layout(&sig.inputs) else { return Vec::new() };
        vec![gpu::pixels(self, &layout, sig.inputs.len() - layout.first_shard, caps)]
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        match self.layout(&sig.inputs) {
            Ok(layout) => vec![cpu::kernel(self, &layout)],
            Err(_) => Vec::new(),
        }
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
        if let (Some(labels), Some(order)) = (inputs.first(), fills.get_mut(1)) {
            *order = Fill::Labels(u32::try_from(labels.elements()).unwrap_or(u32::MAX));
        }
        fills
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        if self.per_pixel {
            // A difference and a product of numbers that are given exactly.
            return Tolerance::ulps(2.0);
        }
        // Mean and reciprocal are rounded before the difference cancels, which counts in units of
        // the standard deviation; the product is rounded once more.
        let channels = sig.outputs[0].dims().last().copied().unwrap_or(1);
        let pairs = self.gather.mean.iter().zip(&self.gather.std).take(channels);
        let largest = pairs.map(|(mean, std)| (1.0 + mean.abs()) / std).fold(0.0_f32, f32::max);
        Tolerance::ulps(2.5).plus_absolute_ulps(f64::from(largest))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Of the data set, only the batch is read; a bilinear sample takes about twenty operations.
        let values = sig.outputs[0].elements() as u64;
        let flop = if self.augment.is_affine() { 22 } else { 2 };
        Cost { flop: flop * values, bytes: 5 * values + 3 * 4 * self.gather.batch as u64 }
    }

    fn cases() -> Vec<Case> {
        cases::cases()
    }
}

#[cfg(test)]
mod tests;
