//! Pixels to numbers: `(pixel / 255 - mean) / std`, per channel or per pixel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataError, Dataset};
use crate::tensor::parallel::map_indices;

/// Statistics of the training split, to normalize by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statistics {
    /// Mean and standard deviation of each channel.
    PerChannel,
    /// Mean and standard deviation of each pixel of an image; a small number is added to the latter,
    /// since pixels at the border may be the same in all images.
    PerPixel,
}

impl Statistics {
    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::PerChannel => "per-channel",
            Self::PerPixel => "per-pixel",
        }
    }
}

/// The numbers that stand for pixels: `y = (pixel / 255 - mean) / std`, per channel or per pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Mean of `pixel / 255`: `[channels]`, or `[height, width, channels]`.
    pub mean: Vec<f32>,
    /// Standard deviation of `pixel / 255`, as many numbers, each above 0.
    pub std: Vec<f32>,
}

/// Examples of which sums are taken at once.
const CHUNK: usize = 512;

/// Examples that stand for a training set whose pixels are not in memory: the first ones, for its order is
/// drawn by seed.
pub(super) const SAMPLE: usize = 2048;

impl Normalization {
    /// Checks and takes one mean and one standard deviation per channel.
    ///
    /// # Errors
    ///
    /// If a list does not hold one finite value per channel, or a `std` is not above 0.
    pub fn new(channels: usize, mean: Vec<f32>, std: Vec<f32>) -> Result<Self, DataError> {
        let limits = [("mean", &mean, f32::MIN), ("std", &std, f32::MIN_POSITIVE)];
        for (key, values, least) in limits {
            if values.len() != channels {
                let problem = format!(
                    "{} value(s) given: expected one per channel, the images have {channels}",
                    values.len()
                );
                return Err(DataError::config(key, problem));
            }
            if let Some(value) = values.iter().find(|v| !v.is_finite() || **v < least) {
                let problem = format!(
                    "{value} given: expected finite values{}",
                    if key == "std" { " above 0" } else { "" }
                );
                return Err(DataError::config(key, problem));
            }
        }
        Ok(Self { mean, std })
    }

    /// Computes the statistics of a set, by integers and so in any order of examples; `epsilon` is
    /// added to the standard deviation. Of a set whose pixels are not in memory, the first 2,048 examples
    /// count.
    ///
    /// # Errors
    ///
    /// If the set holds no pixels, a standard deviation is not above zero, or a file cannot be used.
    pub fn computed(
        train: &Dataset,
        statistics: Statistics,
        epsilon: f64,
    ) -> Result<Self, DataError> {
        let (image, channels) = (train.image_len().max(1), train.channels.max(1));
        let groups = match statistics {
            Statistics::PerChannel => channels,
            Statistics::PerPixel => image,
        };
        let mut totals = vec![[0_u64; 2]; groups];
        let mut add = |i: usize, sums: [u64; 2]| {
            let total = &mut totals[i % groups];
            *total = [total[0] + sums[0], total[1] + sums[1]];
        };
        let examples = match train.pictures.as_ref().filter(|pictures| pictures.streams()) {
            Some(pictures) => {
                let n = SAMPLE.min(pictures.len());
                pictures.sums(n)?.iter().enumerate().for_each(|(i, &sums)| add(i, sums));
                n
            }
            None => {
                for sums in sums_in_memory(&train.images, image) {
                    sums.iter().enumerate().for_each(|(i, &sums)| add(i, sums.map(u64::from)));
                }
                train.images.len() / image
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "sums of bytes, below 2^53")]
        let number = |n: u64| n as f64;
        let count = number((examples * (image / groups)) as u64);
        let mut normalization = Self { mean: Vec::new(), std: Vec::new() };
        for [sum, squares] in totals {
            let mean = number(sum) / count;
            // Both terms are exact up to 2^53, so that little cancels.
            let variance = (number(squares) / count - mean * mean).max(0.0);
            let std = variance.sqrt() / 255.0 + epsilon;
            #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
            let pair = ((mean / 255.0) as f32, std as f32);
            if !pair.1.is_normal() {
                let problem = format!(
                    "the training images of {} are all the same{}: give mean and std, or a larger \
                     epsilon",
                    train.name,
                    if count > 0.0 { "" } else { ", for there are none" }
                );
                return Err(DataError::config("normalization", problem));
            }
            normalization.mean.push(pair.0);
            normalization.std.push(pair.1);
        }
        Ok(normalization)
    }

    /// Whether each pixel has numbers of its own, for images of so many channels.
    pub fn is_per_pixel(&self, channels: usize) -> bool {
        self.mean.len() != channels
    }

    /// That of inputs that are no pixels: they stay as they are.
    pub(crate) fn none(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// One mean and standard deviation per channel: these, or their averages over the pixels.
    #[must_use]
    pub fn of_channels(&self, channels: usize) -> Self {
        let average = |values: &[f32]| {
            if values.len() == channels {
                return values.to_vec();
            }
            let of_channel = |channel: usize| values.iter().skip(channel).step_by(channels.max(1));
            let mean = |channel: usize| {
                let sum: f64 = of_channel(channel).map(|&value| f64::from(value)).sum();
                #[expect(clippy::cast_precision_loss, reason = "a count of pixels")]
                let count = of_channel(channel).count().max(1) as f64;
                #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
                let mean = (sum / count) as f32;
                mean
            };
            (0..channels).map(mean).collect()
        };
        Self { mean: average(&self.mean), std: average(&self.std) }
    }

    /// The numbers for `pixels` `[n, height, width, channels]`, in the same layout.
    pub fn apply(&self, pixels: &[u8]) -> Vec<f32> {
        let numbers = self.mean.iter().zip(&self.std).cycle();
        let normalize = |(&pixel, (mean, std))| (f32::from(pixel) / 255.0 - mean) / std;
        pixels.iter().zip(numbers).map(normalize).collect()
    }

    /// Numbers `[n, height, width, channels]` as pixels again, in 0..=255: the nearest ones.
    pub fn pixels(&self, numbers: &[f32]) -> Vec<u8> {
        let statistics = self.mean.iter().zip(&self.std).cycle();
        let pixel = |(&number, (mean, std)): (&f32, (&f32, &f32))| {
            let value = (number * std + mean) * 255.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let pixel = value.round().clamp(0.0, 255.0) as u8;
            pixel
        };
        numbers.iter().zip(statistics).map(pixel).collect()
    }
}

/// Sums of bytes and of their squares, for each element of an image, of one part of the images after the
/// other.
fn sums_in_memory(images: &[u8], image: usize) -> Vec<Vec<[u32; 2]>> {
    let bytes_of_chunk = CHUNK * image;
    map_indices(images.len().div_ceil(bytes_of_chunk), &|chunk| {
        let bytes = &images[chunk * bytes_of_chunk..];
        let bytes = &bytes[..bytes.len().min(bytes_of_chunk)];
        let mut sums = vec![[0_u32; 2]; image];
        for example in bytes.chunks_exact(image) {
            for (sums, &byte) in sums.iter_mut().zip(example) {
                let byte = u32::from(byte);
                *sums = [sums[0] + byte, sums[1] + byte * byte];
            }
        }
        sums
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_numbers() {
        let normalization = Normalization::new(2, vec![0.0, 0.5], vec![1.0, 0.25]).expect("valid");
        assert_eq!(normalization.apply(&[255, 255, 0, 0]), [1.0, 2.0, 0.0, -2.0]);
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let message = |channels, mean: &[f32], std: &[f32]| {
            Normalization::new(channels, mean.to_vec(), std.to_vec()).expect_err("bad").to_string()
        };
        assert!(message(3, &[0.5], &[1.0; 3]).contains("mean: 1 value(s) given"));
        assert!(message(1, &[0.5], &[0.0]).contains("std: 0 given: expected finite values above"));
        assert!(message(1, &[f32::NAN], &[1.0]).contains("mean: NaN given"));
        assert!(message(1, &[0.0], &[f32::INFINITY]).contains("std: inf given"));
    }

    fn set(images: Vec<u8>, size: [usize; 3]) -> Dataset {
        let n = images.len() / size.iter().product::<usize>();
        Dataset::new("set", images, vec![0; n], size, vec!["a".to_owned()]).expect("it fits")
    }

    #[test]
    fn statistics_are_those_of_the_training_split() {
        // Two images of two pixels with two channels.
        let images = set(vec![0, 255, 255, 255, 51, 0, 102, 51], [1, 2, 2]);
        let per_channel =
            Normalization::computed(&images, Statistics::PerChannel, 0.0).expect("computed");
        // 0, 1, 0.2, 0.4 and 1, 1, 0, 0.2.
        assert_eq!(per_channel.mean, [0.4, 0.55]);
        let std = [0.14_f64.sqrt(), 0.207_5_f64.sqrt()];
        for (got, expected) in per_channel.std.iter().zip(std) {
            assert!((f64::from(*got) - expected).abs() < 1e-7, "{got}, {expected}");
        }
        assert!(!per_channel.is_per_pixel(2));
        let per_pixel =
            Normalization::computed(&images, Statistics::PerPixel, 1e-3).expect("computed");
        assert_eq!(per_pixel.mean, [0.1, 0.5, 0.7, 0.6]);
        assert_eq!(per_pixel.std, [0.101, 0.501, 0.301, 0.401]);
        assert!(per_pixel.is_per_pixel(2));
        assert_eq!(per_pixel.of_channels(2).mean, [0.4, 0.55]);
        let x = per_pixel.apply(&images.images);
        assert_eq!(per_pixel.pixels(&x), images.images);
    }

    #[test]
    fn sums_of_many_images_are_exact() {
        let images: Vec<u8> = (0..3000_u32).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect();
        let found = Normalization::computed(&set(images, [1, 1, 1]), Statistics::PerChannel, 0.0);
        let found = found.expect("computed");
        assert_eq!(found.mean, [1.0 / 3.0]);
        assert!((found.std[0] - (2.0_f32 / 9.0).sqrt()).abs() < 1e-7, "{:?}", found.std);
    }

    #[test]
    fn images_that_are_all_the_same_are_refused() {
        for (statistics, images) in
            [(Statistics::PerChannel, vec![7; 8]), (Statistics::PerPixel, vec![1, 2, 1, 2])]
        {
            let images = set(images, [1, 2, 1]);
            let error = Normalization::computed(&images, statistics, 0.0).expect_err("no spread");
            assert!(error.to_string().contains("all the same"), "{error}");
            assert!(Normalization::computed(&images, statistics, 1e-10).is_ok());
        }
    }
}
