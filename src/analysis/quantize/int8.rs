//! Weights in 8 bits: whole numbers from -127 to 127 with one scale for each output channel.

use crate::error::ShapeError;
use crate::tensor::{HostTensor, Shape};

/// The largest number: the range is symmetric, so that zero is zero.
const LARGEST: f32 = 127.0;

/// How many scales a tensor of weights has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// One for each output channel: the last dimension of convolution and dense weights.
    PerChannel,
    /// One.
    PerTensor,
}

/// A tensor of weights in 8 bits: element `i` stands for `values[i] * scales[i % scales.len()]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Tensor {
    /// Its shape; output channels are the last dimension.
    pub shape: Shape,
    /// The numbers, from -127 to 127.
    pub values: Vec<i8>,
    /// What one of them is worth: one for each output channel, or one.
    pub scales: Vec<f32>,
}

impl Int8Tensor {
    /// The nearest numbers, with the smallest scales that reach the largest weights. Weights are off
    /// by at most half a scale.
    ///
    /// # Errors
    /// When a weight is not finite.
    pub fn quantize(weights: &HostTensor, granularity: Granularity) -> Result<Self, ShapeError> {
        let (shape, weights) = (weights.ty().shape.clone(), weights.f32s());
        if let Some(weight) = weights.iter().find(|weight| !weight.is_finite()) {
            let problem = format!("weights must be finite to be quantized, one is {weight}");
            return Err(ShapeError::new("quantize", problem));
        }
        let channels = match granularity {
            Granularity::PerChannel => shape.dims().last().copied().unwrap_or(1).max(1),
            Granularity::PerTensor => 1,
        };
        let mut scales = vec![0.0_f32; channels];
        for row in weights.chunks(channels) {
            for (scale, weight) in scales.iter_mut().zip(row) {
                *scale = scale.max(weight.abs());
            }
        }
        for scale in &mut scales {
            // Of a channel of zeros, any scale will do.
            *scale = if *scale > 0.0 { (*scale / LARGEST).max(f32::MIN_POSITIVE) } else { 1.0 };
        }
        let nearest = |(weight, scale): (&f32, &f32)| {
            let value = (weight / scale).round_ties_even().clamp(-LARGEST, LARGEST);
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within i8")]
            let value = value as i8;
            value
        };
        let values = weights.iter().zip(scales.iter().cycle()).map(nearest).collect();
        Ok(Self { shape, values, scales })
    }

    /// The weights that the numbers stand for.
    ///
    /// # Errors
    /// When there are not as many numbers as the shape has elements.
    pub fn dequantize(&self) -> Result<HostTensor, ShapeError> {
        let scales = self.scales.iter().cycle();
        let weights: Vec<f32> = self
            .values
            .iter()
            .zip(scales)
            .map(|(&value, scale)| f32::from(value) * scale)
            .collect();
        HostTensor::from_f32(self.shape.clone(), &weights)
    }

    /// Bytes of numbers and scales.
    pub fn bytes(&self) -> usize {
        self.values.len() + 4 * self.scales.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dims: &[usize], values: &[f32]) -> HostTensor {
        HostTensor::from_f32(dims, values).expect("as many")
    }

    #[test]
    fn weights_are_off_by_half_a_scale_at_most() {
        let values: Vec<f32> = (0..3 * 40_u8)
            .map(|i| (f32::from(i) * 1.7).sin() * [0.01, 1.0, 90.0][usize::from(i) % 3])
            .collect();
        let weights = tensor(&[2, 2, 10, 3], &values);
        for granularity in [Granularity::PerChannel, Granularity::PerTensor] {
            let quantized = Int8Tensor::quantize(&weights, granularity).expect("finite");
            let again = quantized.dequantize().expect("as many");
            assert_eq!(again.ty(), weights.ty());
            for (i, (a, b)) in again.f32s().iter().zip(weights.f32s()).enumerate() {
                let scale = quantized.scales[i % quantized.scales.len()];
                // The quotient and the product are rounded.
                assert!((a - b).abs() <= 0.5 * scale * (1.0 + 1e-4), "{a} for {b}, scale {scale}");
            }
            // What 8 bits hold comes back.
            let twice = Int8Tensor::quantize(&again, granularity).expect("finite");
            assert_eq!(twice.values, quantized.values);
        }
        let per_channel = Int8Tensor::quantize(&weights, Granularity::PerChannel).expect("finite");
        assert_eq!((per_channel.scales.len(), per_channel.bytes()), (3, 120 + 12));
        for channel in 0..3 {
            let of_channel = per_channel.values.iter().skip(channel).step_by(3);
            assert_eq!(of_channel.map(|v| v.unsigned_abs()).max(), Some(127));
        }
    }

    #[test]
    fn zeros_stay_and_what_is_not_finite_is_refused() {
        let zeros = tensor(&[2, 2], &[0.0, 1.0, 0.0, -2.0]);
        let quantized = Int8Tensor::quantize(&zeros, Granularity::PerChannel).expect("finite");
        assert_eq!(quantized.values, [0, 64, 0, -127]);
        assert_eq!(quantized.dequantize().expect("as many").f32s()[0].to_bits(), 0);
        let tiny = tensor(&[2], &[1e-45, -1e-45]);
        Int8Tensor::quantize(&tiny, Granularity::PerTensor).expect("finite");
        for bad in [f32::NAN, f32::INFINITY] {
            let weights = tensor(&[2], &[1.0, bad]);
            Int8Tensor::quantize(&weights, Granularity::PerTensor).expect_err("not finite");
        }
    }
}
