//! Saliency maps: how much each pixel changes the score of the class that the model sees.

use super::differentiable::DifferentiableModel;
use super::pixels::PixelBatches;
use crate::data::Dataset;
use crate::exec::Executor;
use crate::tensor::Real;
use crate::tensor::rng::{philox4x32, uniform};
use crate::train::{ModelPrograms, PendingWeights, Predictions, TrainError};

/// Second word of the random generator's key: keeps noise apart from other users of a seed.
const KEY_HIGH: u32 = 0x736d_6f6f;

/// What a map shows of the derivative `d score / d pixel`, where the score is the logit of the
/// predicted class. Of several channels, each map shows the largest magnitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SaliencyMethod {
    /// Its magnitude. Source: Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks:
    /// Visualizing Image Classification Models and Saliency Maps", 2013.
    Gradient,
    /// The magnitude of its product with the pixel: what black pixels do not add to the score does
    /// not show. Source: Shrikumar et al., "Not Just a Black Box", 2016.
    GradientTimesInput,
    /// The magnitude of its mean over noisy copies of the image. Source: Smilkov et al.,
    /// "SmoothGrad: removing noise by adding noise", 2017.
    SmoothGradient {
        /// Number of copies, at least one.
        samples: u32,
        /// Standard deviation of the noise, as a share of the image's range of pixels.
        noise: f32,
        /// Seed of the noise.
        seed: u32,
    },
}

/// What the model sees in one image, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct SaliencyMap {
    /// The predicted class.
    pub class: u32,
    /// Its probability.
    pub probability: f32,
    /// Magnitudes `[height, width]`.
    pub values: Vec<f32>,
}

/// The maps of all images of `data`, `batch` at a time.
///
/// # Errors
/// When an op of the model has no gradient, the programs do not fit the device, or it fails.
pub fn saliency(
    executor: &mut dyn Executor,
    model: &ModelPrograms,
    weights: &PendingWeights,
    data: &Dataset,
    batch: usize,
    method: SaliencyMethod,
) -> Result<Vec<SaliencyMap>, TrainError> {
    let batches = PixelBatches::new(data, batch);
    let differentiable = DifferentiableModel::new(executor, model, weights, batches.batch())?;
    let (image, classes) = (data.image_len(), model.classes());
    let mut maps = Vec::with_capacity(data.len());
    for range in batches.ranges() {
        let pixels = batches.pixels(&range)?;
        let logits = differentiable.logits(executor, &pixels)?;
        let seen = predictions(&logits, classes);
        let mut direction = vec![0.0; logits.len()];
        for (row, &class) in direction.chunks_mut(classes).zip(&seen.predictions) {
            row[class as usize] = 1.0;
        }
        let mut values = match method {
            SaliencyMethod::SmoothGradient { samples, noise, seed } => {
                let mut sums = vec![0.0_f64; pixels.len()];
                for sample in 0..samples.max(1) {
                    let noisy = with_noise(&pixels, image, noise, (range.start, sample, seed));
                    let gradient = differentiable.gradient(executor, &noisy, &direction)?;
                    for (sum, gradient) in sums.iter_mut().zip(gradient) {
                        *sum += f64::from(gradient);
                    }
                }
                let count = f64::from(samples.max(1));
                sums.into_iter().map(|sum| f32::from_f64(sum / count)).collect()
            }
            _ => differentiable.gradient(executor, &pixels, &direction)?,
        };
        if method == SaliencyMethod::GradientTimesInput {
            for (value, pixel) in values.iter_mut().zip(&pixels) {
                *value *= pixel;
            }
        }
        for (row, values) in values.chunks(image).take(range.len()).enumerate() {
            let class = seen.predictions[row];
            let probability = seen.row(row).get(class as usize).copied().unwrap_or(f32::NAN);
            let values = values.chunks(data.channels.max(1)).map(largest_magnitude).collect();
            maps.push(SaliencyMap { class, probability, values });
        }
    }
    Ok(maps)
}

/// The predictions that logits `[n, classes]` stand for; there are no labels.
fn predictions(logits: &[f32], classes: usize) -> Predictions {
    let mut probabilities = Vec::with_capacity(logits.len());
    for row in logits.chunks(classes) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers = row.iter().map(|&x| f64::from(x - largest).exp());
        let sum: f64 = powers.clone().sum();
        probabilities.extend(powers.map(|power| f32::from_f64(power / sum)));
    }
    Predictions::of_probabilities(vec![0; logits.len() / classes], probabilities, classes)
}

/// Adds normal noise to images whose first one is example `first`. It depends on example, sample and
/// seed, not on the size of the batch.
fn with_noise(
    pixels: &[f32],
    image: usize,
    noise: f32,
    (first, sample, seed): (usize, u32, u32),
) -> Vec<f32> {
    let mut noisy = Vec::with_capacity(pixels.len());
    for (example, pixels) in (first..).zip(pixels.chunks(image)) {
        let range =
            pixels.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &pixel| {
                [low.min(pixel), high.max(pixel)]
            });
        let deviation = f64::from(noise) * f64::from(range[1] - range[0]);
        let example = u32::try_from(example).unwrap_or(u32::MAX);
        for (draw, pixels) in (0_u32..).zip(pixels.chunks(4)) {
            let normal = normals(philox4x32([draw, example, sample, 0], [seed, KEY_HIGH]));
            for (pixel, normal) in pixels.iter().zip(normal) {
                noisy.push(f32::from_f64(f64::from(*pixel) + deviation * normal));
            }
        }
    }
    noisy
}

/// Four normal numbers from four random words, by Box and Muller.
fn normals(words: [u32; 4]) -> [f64; 4] {
    let pair = |a: u32, b: u32| {
        // Above zero, where the logarithm is finite.
        let radius = (-2.0 * (1.0 - uniform(a)).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * uniform(b)).sin_cos();
        [radius * cosine, radius * sine]
    };
    let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
    [a, b, c, d]
}

fn largest_magnitude(channels: &[f32]) -> f32 {
    // NaN must stay NaN, which f32::max would hide.
    let larger = |m: f32, x: &f32| if x.abs() > m || x.is_nan() { x.abs() } else { m };
    channels.iter().fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use super::super::testing::small;
    use super::*;
    use crate::exec::CpuExecutor;

    #[test]
    fn maps_do_not_depend_on_the_batch() {
        let small = small(false);
        let weights = small.pending();
        let data = small.data.clone().take_first(5);
        for method in [
            SaliencyMethod::Gradient,
            SaliencyMethod::GradientTimesInput,
            SaliencyMethod::SmoothGradient { samples: 3, noise: 0.1, seed: 7 },
        ] {
            let maps = |batch: usize| {
                let mut executor = CpuExecutor::new();
                saliency(&mut executor, &small.model, &weights, &data, batch, method).expect("maps")
            };
            let (whole, parts) = (maps(5), maps(2));
            assert_eq!(whole.len(), 5);
            for (a, b) in whole.iter().zip(&parts) {
                assert_eq!(a.class, b.class);
                assert!((a.probability - b.probability).abs() < 1e-5);
                assert_eq!(a.values.len(), 28 * 28);
                let largest = a.values.iter().copied().fold(0.0, f32::max);
                assert!(largest > 0.0);
                for (a, b) in a.values.iter().zip(&b.values) {
                    assert!(*a >= 0.0 && (a - b).abs() <= 1e-4 * largest, "{a}, {b}");
                }
            }
        }
    }

    #[test]
    fn black_pixels_have_no_gradient_times_input() {
        let small = small(false);
        let data = small.data.clone().take_first(1);
        let mut executor = CpuExecutor::new();
        let method = SaliencyMethod::GradientTimesInput;
        let maps = saliency(&mut executor, &small.model, &small.pending(), &data, 8, method)
            .expect("maps");
        for (value, &byte) in maps[0].values.iter().zip(&data.images) {
            assert!(byte > 0 || *value == 0.0);
        }
    }

    #[test]
    fn noise_is_normal_and_scaled_by_the_range() {
        let image: Vec<f32> = [0.2, 0.7].repeat(2000);
        let noisy = with_noise(&image, 4000, 0.1, (3, 0, 1));
        let errors: Vec<f64> =
            noisy.iter().zip(&image).map(|(a, b)| f64::from(a - b) / 0.05).collect();
        let mean = errors.iter().sum::<f64>() / 4000.0;
        let variance = errors.iter().map(|e| e * e).sum::<f64>() / 4000.0;
        // Five standard errors of both.
        assert!(mean.abs() < 5.0 / 4000_f64.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0_f64 / 4000.0).sqrt(), "{variance}");
        assert_eq!(noisy, with_noise(&image, 4000, 0.1, (3, 0, 1)));
        assert_ne!(noisy, with_noise(&image, 4000, 0.1, (3, 1, 1)));
    }
}
