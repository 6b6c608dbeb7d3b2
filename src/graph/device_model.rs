//! What a GPU does at once, and how fast: few numbers, from which the time of a kernel is guessed.

use serde::{Deserialize, Serialize};

/// Speed of a GPU, measured once per device and driver, or assumed. Coarse on purpose: measured
/// numbers are rounded to half powers of two ([`DeviceModel::of_measurements`]), so that noise rarely
/// changes them, and guesses stay good when one of them is a step off. Programs depend on them, so
/// that runs record them with their kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceModel {
    /// Multiprocessors: each runs several workgroups at once, and all of a workgroup.
    pub processors: u32,
    /// Multiply-adds of f32 per nanosecond, of all of them.
    pub multiply_adds_per_ns: u32,
    /// Bytes that a copy reads and writes per nanosecond.
    pub bytes_per_ns: u32,
    /// Nanoseconds of a kernel that does next to nothing, and waits until the one before has ended.
    pub kernel_ns: u32,
}

/// A device as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurements {
    /// Multiply-adds per second, of one workgroup that occupies a multiprocessor.
    pub multiply_adds_of_one: f64,
    /// Multiply-adds per second, of enough workgroups for the whole device.
    pub multiply_adds: f64,
    /// Bytes that a copy reads and writes per second.
    pub bytes: f64,
    /// Seconds of a kernel that does next to nothing.
    pub kernel: f64,
}

impl DeviceModel {
    /// A GPU of medium size, for devices that have not been measured.
    pub const MEDIUM: Self =
        Self { processors: 64, multiply_adds_per_ns: 8192, bytes_per_ns: 512, kernel_ns: 5793 };

    /// The model of a measured device.
    pub fn of_measurements(measured: &Measurements) -> Self {
        let per_ns = |per_second: f64| half_power(1e-9 * per_second);
        Self {
            processors: half_power(measured.multiply_adds / measured.multiply_adds_of_one),
            multiply_adds_per_ns: per_ns(measured.multiply_adds),
            bytes_per_ns: per_ns(measured.bytes),
            kernel_ns: half_power(1e9 * measured.kernel),
        }
    }
}

/// The nearest power of the square root of two, from 1 to 2^30, as a whole number.
fn half_power(value: f64) -> u32 {
    let steps = (2.0 * value.max(1.0).log2()).round().clamp(0.0, 60.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one and 2^30"
    )]
    let power = (steps / 2.0).exp2().round() as u32;
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_rounded_to_half_powers_of_two() {
        for (value, rounded) in
            [(0.0, 1), (f64::NAN, 1), (132.0, 128), (155.0, 181), (2978.0, 2896), (1e30, 1 << 30)]
        {
            assert_eq!(half_power(value), rounded, "{value}");
        }
        let measured = Measurements {
            multiply_adds_of_one: 1.9e11,
            multiply_adds: 2.4e13,
            bytes: 2.9e12,
            kernel: 5.9e-6,
        };
        let noisy = Measurements { bytes: 3.1e12, multiply_adds: 2.3e13, ..measured };
        let model = DeviceModel::of_measurements(&measured);
        assert_eq!(model, DeviceModel::of_measurements(&noisy), "noise changes nothing");
        assert_eq!(model.processors, 128);
    }
}
