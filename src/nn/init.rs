//! Initial weights.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tensor::{HostTensor, Shape};

/// How a parameter starts.
///
/// The fans of a convolution are those of PyTorch and Keras: `fan_in` counts the inputs of one group,
/// `fan_out` all outputs. A bias has the fans of its layer's weights. Normal numbers are not cut off, as in
/// PyTorch; Keras draws `glorot_normal`, `he_normal` and `lecun_normal` again beyond two deviations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010): Keras'
    /// default, and that of layers here.
    #[default]
    GlorotUniform,
    /// Normal with variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010).
    GlorotNormal,
    /// Uniform in `±sqrt(6 / fan_in)` (He et al., 2015).
    HeUniform,
    /// Normal with variance `2 / fan_in` (He et al., 2015).
    HeNormal,
    /// Normal with variance `2 / fan_out`: what torchvision gives the convolutions
    /// of ResNet, VGG and MobileNet.
    HeNormalFanOut,
    /// Uniform in `±sqrt(3 / fan_in)` (LeCun et al., 1998).
    LecunUniform,
    /// Normal with variance `1 / fan_in` (LeCun et al., 1998).
    LecunNormal,
    /// Uniform in `±1 / sqrt(fan_in)`: PyTorch's default, for weights and for biases.
    TorchUniform,
    /// Normal with this standard deviation.
    Normal(#[schemars(range(min = 0))] f32),
    /// Normal with this standard deviation, drawn again beyond two of them.
    TruncatedNormal(#[schemars(range(min = 0))] f32),
    /// Uniform between minus and plus this number.
    Uniform(#[schemars(range(min = 0))] f32),
    /// This number everywhere.
    Constant(f32),
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

impl Init {
    pub(super) const fn zeros() -> Self {
        Self::Zeros
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn is_zeros(&self) -> bool {
        *self == Self::Zeros
    }

    /// A tensor of initial values. The same seed and name give the same values on every machine.
    pub fn tensor(
        self,
        seed: u64,
        name: &str,
        shape: &Shape,
        fan_in: usize,
        fan_out: usize,
    ) -> HostTensor {
        let digest =
            Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name.as_bytes()).finalize();
        let mut rng = ChaCha8Rng::from_seed(digest.into());
        #[expect(clippy::cast_precision_loss, reason = "fans are far below 2^24")]
        let [fan_in, fan_out, fan_both] =
            [fan_in, fan_out, fan_in + fan_out].map(|fan| fan.max(1) as f32);
        let n = shape.elements();
        let mut uniform =
            |bound: f32| -> Vec<f32> { (0..n).map(|_| rng.random_range(-bound..=bound)).collect() };
        let values = match self {
            Self::GlorotUniform => uniform((6.0 / fan_both).sqrt()),
            Self::HeUniform => uniform((6.0 / fan_in).sqrt()),
            Self::LecunUniform => uniform((3.0 / fan_in).sqrt()),
            Self::TorchUniform => uniform(1.0 / fan_in.sqrt()),
            Self::Uniform(bound) => uniform(sound(bound)),
            Self::GlorotNormal => normal((2.0 / fan_both).sqrt(), n, &mut rng),
            Self::HeNormal => normal((2.0 / fan_in).sqrt(), n, &mut rng),
            Self::HeNormalFanOut => normal((2.0 / fan_out).sqrt(), n, &mut rng),
            Self::LecunNormal => normal((1.0 / fan_in).sqrt(), n, &mut rng),
            Self::Normal(deviation) => normal(sound(deviation), n, &mut rng),
            Self::TruncatedNormal(deviation) => truncated(sound(deviation), n, &mut rng),
            Self::Constant(value) => vec![value; n],
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
        };
        HostTensor::from_f32(shape.clone(), &values).expect("one value per element")
    }
}

/// A negative or non-finite extent in a recipe gives zeros, which training then shows.
fn sound(extent: f32) -> f32 {
    if extent.is_finite() { extent.max(0.0) } else { 0.0 }
}

fn normal(deviation: f32, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    match Normal::new(0.0, deviation) {
        Ok(distribution) => (0..n).map(|_| distribution.sample(rng)).collect(),
        Err(_) => vec![0.0; n],
    }
}

fn truncated(deviation: f32, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let Ok(distribution) = Normal::new(0.0, deviation) else { return vec![0.0; n] };
    let mut draw = || loop {
        let value: f32 = distribution.sample(rng);
        if value.abs() <= 2.0 * deviation {
            return value;
        }
    };
    (0..n).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_and_the_name_decide() {
        let shape = Shape::from([100, 50]);
        let make = |seed, name| Init::HeNormal.tensor(seed, name, &shape, 100, 50);
        assert_eq!(make(1, "a"), make(1, "a"));
        assert_ne!(make(1, "a"), make(2, "a"));
        assert_ne!(make(1, "a"), make(1, "b"));
        let tensor = make(1, "a");
        let variance = tensor.f32s().iter().map(|v| v * v).sum::<f32>() / 5000.0;
        assert!((variance - 0.02).abs() < 0.002, "{variance}");
    }

    #[test]
    fn each_has_the_spread_it_names() {
        use Init::*;
        // Variance and largest magnitude for a fan-in of 100 and a fan-out of 50.
        let uniform = |bound: f32| (bound * bound / 3.0, bound);
        let any = f32::INFINITY;
        for (init, (variance, bound)) in [
            (GlorotUniform, uniform((6.0_f32 / 150.0).sqrt())),
            (GlorotNormal, (2.0 / 150.0, any)),
            (HeUniform, uniform((6.0_f32 / 100.0).sqrt())),
            (HeNormalFanOut, (2.0 / 50.0, any)),
            (LecunUniform, uniform((3.0_f32 / 100.0).sqrt())),
            (LecunNormal, (1.0 / 100.0, any)),
            (TorchUniform, uniform(0.1)),
            (Normal(0.3), (0.09, any)),
            // The variance of a normal distribution that is cut at two deviations is 0.774 of it.
            (TruncatedNormal(0.3), (0.774 * 0.09, 0.6)),
            (Uniform(0.2), uniform(0.2)),
            (Uniform(f32::NAN), (0.0, 0.0)),
            (Normal(-1.0), (0.0, 0.0)),
            (Constant(0.5), (0.25, 0.5)),
        ] {
            let tensor = init.tensor(7, "w", &Shape::from([100, 500]), 100, 50);
            let found = tensor.f32s().iter().map(|v| v * v).sum::<f32>() / 50_000.0;
            assert!((found - variance).abs() <= 0.05 * variance, "{init:?}: {found}, {variance}");
            assert!(tensor.f32s().iter().all(|v| v.abs() <= bound), "{init:?}");
        }
    }
}
