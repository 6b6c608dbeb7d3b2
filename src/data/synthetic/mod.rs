//! A set of digits that the program draws itself, so that training needs no download.
//!
//! Each digit is a few pen strokes in one of several writing styles, bent, slanted, turned,
//! stretched and moved at random, drawn with a random pen onto slightly dirty paper. Example `i`
//! of a part comes from a random stream of its own, keyed by seed, part and `i`: the pixels depend
//! neither on the number of threads nor on the size of the set, and a larger set starts with the
//! examples of a smaller one. Only operations that IEEE 754 rounds exactly are used, so the pixels
//! are also the same on every platform.

mod glyphs;
mod hand;
mod pen;

use rayon::prelude::*;

use super::stream::{Purpose, Stream};
use super::{DataError, Dataset};
use hand::write_digit;
use pen::{AREA, SIDE};

/// Name of the set in recipes and messages.
pub const NAME: &str = "synthetic-digits";

/// Training examples drawn where a recipe does not say.
pub const DEFAULT_TRAIN_SIZE: usize = 10_000;

/// Test examples drawn where a recipe does not say.
pub const DEFAULT_TEST_SIZE: usize = 2_000;

/// More examples than this are refused: at 784 bytes each they would fill 7.8 GB.
pub(super) const MAX_SIZE: usize = 10_000_000;

/// Refuses numbers of examples that cannot be drawn.
pub(super) fn check_size(key: &'static str, n: usize) -> Result<(), DataError> {
    if n == 0 || n > MAX_SIZE {
        let problem = format!("{n} examples asked for: expected 1 to {MAX_SIZE}");
        return Err(DataError::config(key, problem));
    }
    Ok(())
}

/// The part of the synthetic set to draw; the parts share no random stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Examples to train on.
    Train,
    /// Examples to report on.
    Test,
}

/// Draws `n` examples `[n, 28, 28, 1]`, light on dark; example `i` shows the digit `i % 10`.
///
/// # Errors
///
/// If `n` is 0 or above ten million.
pub fn generate(part: Part, n: usize, seed: u64) -> Result<Dataset, DataError> {
    let (key, purpose) = match part {
        Part::Train => ("train_size", Purpose::SyntheticTrain),
        Part::Test => ("test_size", Purpose::SyntheticTest),
    };
    check_size(key, n)?;
    let mut images = vec![0; n * AREA];
    images.par_chunks_exact_mut(AREA).enumerate().for_each(|(index, image)| {
        let key = u64::try_from(index).expect("MAX_SIZE fits in 64 bits");
        write_digit(index % 10, &mut Stream::new(seed, purpose, key), image);
    });
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let labels = (0..10).cycle().take(n).collect();
    Dataset::new(NAME, images, labels, [usize::from(SIDE), usize::from(SIDE), 1], classes)
}

#[cfg(test)]
mod tests;
