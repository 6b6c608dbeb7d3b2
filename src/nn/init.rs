//! Initial weights.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tensor::{HostTensor, Shape};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010): Keras' default.
    #[default]
    GlorotUniform,
    /// Normal with variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010).
    GlorotNormal,
    /// Uniform in `±sqrt(6 / fan_in)` (He et al., 2015).
    HeUniform,
    /// Normal with variance `2 / fan_in` (He et al., 2015).
    HeNormal,
    /// Uniform in `±1 / sqrt(fan_in)`: PyTorch's default.
    LecunUniform,
    /// Normal with this standard deviation.
    Normal(f32),
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

impl Init {
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
        let (fan_in, fan_both) = (fan_in.max(1) as f32, (fan_in + fan_out).max(1) as f32);
        let n = shape.elements();
        let mut uniform =
            |bound: f32| -> Vec<f32> { (0..n).map(|_| rng.random_range(-bound..=bound)).collect() };
        let values = match self {
            Self::GlorotUniform => uniform((6.0 / fan_both).sqrt()),
            Self::HeUniform => uniform((6.0 / fan_in).sqrt()),
            Self::LecunUniform => uniform(1.0 / fan_in.sqrt()),
            Self::GlorotNormal => normal((2.0 / fan_both).sqrt(), n, &mut rng),
            Self::HeNormal => normal((2.0 / fan_in).sqrt(), n, &mut rng),
            Self::Normal(deviation) => normal(deviation, n, &mut rng),
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
        };
        HostTensor::from_f32(shape.clone(), &values).expect("one value per element")
    }
}

fn normal(deviation: f32, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // A negative or non-finite deviation in a recipe gives zeros, which training then shows.
    match Normal::new(0.0, deviation) {
        Ok(distribution) => (0..n).map(|_| distribution.sample(rng)).collect(),
        Err(_) => vec![0.0; n],
    }
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
}
