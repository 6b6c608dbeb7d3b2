//! Seeded random streams whose values are the same on every platform and for every thread count.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a stream is for; streams of different purposes share no bits, even for equal seeds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    SyntheticTrain,
    SyntheticTest,
    ValidationSplit,
    TestSplit,
    FolderOrder,
    RandomResizedCrop,
    Folds,
}

impl Purpose {
    /// The numbers are part of the meaning of a seed: changing one changes published splits.
    fn number(self) -> u64 {
        match self {
            Self::SyntheticTrain => 1,
            Self::SyntheticTest => 2,
            Self::ValidationSplit => 3,
            Self::TestSplit => 4,
            Self::FolderOrder => 5,
            Self::RandomResizedCrop => 6,
            Self::Folds => 7,
        }
    }
}

/// A ChaCha8 stream keyed by (seed, purpose, index).
///
/// The distributions are written out here because those of the `rand` crates may change their
/// values between versions, and only add, multiply and compare are used because they round alike
/// on every platform.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        let words = [seed, purpose.number(), index];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `0.0..1.0`, a multiple of 2^-23.
    pub(super) fn unit(&mut self) -> f32 {
        // 23 random mantissa bits under the exponent of 1.0 are uniform in 1.0..2.0.
        const ONE: u32 = 0x3F80_0000;
        f32::from_bits(ONE | (self.0.next_u32() >> 9)) - 1.0
    }

    /// Uniform in `0.0..1.0`, a multiple of 2^-53.
    pub(super) fn double(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits, which f64 holds")]
        let bits = (self.0.next_u64() >> 11) as f64;
        bits * (f64::EPSILON / 2.0)
    }

    /// 32 random bits.
    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in `low..high`.
    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Whether an event of the given probability happens.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Bell-shaped with mean 0 and variance 1, within ±3.47: the sum of four uniforms (Irwin-Hall).
    pub(super) fn bell(&mut self) -> f32 {
        const INVERSE_DEVIATION: f32 = 1.732_050_8; // The sum has variance 4 / 12.
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * INVERSE_DEVIATION
    }

    /// Uniform in `0..n`, without bias; 0 where `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let Some(n) = u64::try_from(n).ok().filter(|&n| n > 0) else { return 0 };
        // Values from the last, incomplete run of n would favor the small remainders.
        let fair = u64::MAX - u64::MAX % n;
        loop {
            let value = self.0.next_u64();
            if value < fair {
                return usize::try_from(value % n).expect("the remainder is below a usize");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_words_all_matter() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).0.next_u64();
        let base = first(1, Purpose::SyntheticTrain, 2);
        assert_eq!(base, first(1, Purpose::SyntheticTrain, 2));
        assert_ne!(base, first(2, Purpose::SyntheticTrain, 2));
        assert_ne!(base, first(1, Purpose::SyntheticTest, 2));
        assert_ne!(base, first(1, Purpose::SyntheticTrain, 3));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut stream = Stream::new(7, Purpose::SyntheticTrain, 0);
        let n = 20_000_u16;
        let (mut sum, mut squares, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = f64::from(stream.bell());
            sum += x;
            squares += x * x;
            let unit = stream.unit();
            assert!((0.0..1.0).contains(&unit));
            uniform += f64::from(unit);
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.03);
        assert!((squares / n - 1.0).abs() < 0.03);
        assert!((uniform / n - 0.5).abs() < 0.01);
    }

    #[test]
    fn below_covers_its_range() {
        let mut stream = Stream::new(7, Purpose::SyntheticTrain, 0);
        let mut seen = [0; 3];
        for _ in 0..300 {
            seen[stream.below(3)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.below(1), 0);
    }
}
