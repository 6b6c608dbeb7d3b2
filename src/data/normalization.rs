//! Pixels to numbers: `(pixel / 255 - mean) / std`, per channel.

use super::DataError;

/// The numbers that stand for pixels: `y = (pixel / 255 - mean) / std`, per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// Mean of `pixel / 255`: `[channels]`.
    pub mean: Vec<f32>,
    /// Standard deviation of `pixel / 255`: `[channels]`, each above 0.
    pub std: Vec<f32>,
}

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

    /// The numbers for `pixels` `[n, height, width, channels]`, in the same layout.
    pub fn apply(&self, pixels: &[u8]) -> Vec<f32> {
        let per_channel = self.mean.iter().zip(&self.std).cycle();
        let normalize = |(&pixel, (mean, std))| (f32::from(pixel) / 255.0 - mean) / std;
        pixels.iter().zip(per_channel).map(normalize).collect()
    }
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
}
