//! Sine and cosine in fixed-point arithmetic, the same bits in kernels and on the host.
//!
//! Built-in sines differ between devices in their last bits, which would move sampled pixels. This is
//! CORDIC: integer additions and shifts only. The WGSL twin is `shaders/common/sine_cosine.wgsl`.
//! Source: Volder, "The CORDIC Trigonometric Computing Technique", 1959.

/// One, in the fixed-point numbers of this module and of those who compute with them.
pub const ONE: i32 = 1 << 14;

/// A quarter of a turn.
const QUARTER: i32 = 1 << 30;
/// The product of all `cos(atan(2^-i))`, times 2^28.
const GAIN: i32 = 163_008_219;
/// `atan(2^-i)`, in turns times 2^32.
const ANGLES: [i32; 18] = [
    536_870_912,
    316_933_406,
    167_458_907,
    85_004_756,
    42_667_331,
    21_354_465,
    10_679_838,
    5_340_245,
    2_670_163,
    1_335_087,
    667_544,
    333_772,
    166_886,
    83_443,
    41_722,
    20_861,
    10_430,
    5215,
];

/// Sine and cosine of an angle in turns times 2^32, times [`ONE`], off by less than 0.7.
///
/// ```
/// use verigrad::tensor::turn::{ONE, sine_cosine};
/// assert_eq!(sine_cosine(1 << 30), [ONE, 0]); // A quarter of a turn.
/// ```
#[must_use]
pub fn sine_cosine(angle: i32) -> [i32; 2] {
    // CORDIC reaches a little further than a quarter of a turn to both sides.
    let beyond = !(-QUARTER..=QUARTER).contains(&angle);
    let mut rest = if beyond { angle.wrapping_add(i32::MIN) } else { angle };
    let (mut x, mut y) = (GAIN, 0_i32);
    for (i, step) in ANGLES.iter().enumerate() {
        let (across, along) = (x >> i, y >> i);
        if rest >= 0 {
            (x, y, rest) = (x - along, y + across, rest - step);
        } else {
            (x, y, rest) = (x + along, y - across, rest + step);
        }
    }
    let rounded = [y, x].map(|v| (v + (1 << 13)) >> 14);
    if beyond { rounded.map(|v| -v) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_those_of_the_library() {
        let mut worst = 0.0_f64;
        for step in -4000_i32..=4000 {
            let angle = step * 536_000 + 77;
            let radians = f64::from(angle) / 4_294_967_296.0 * std::f64::consts::TAU;
            let [sine, cosine] = sine_cosine(angle);
            for (got, exact) in [(sine, radians.sin()), (cosine, radians.cos())] {
                worst = worst.max((f64::from(got) - exact * f64::from(ONE)).abs());
            }
        }
        assert!(worst < 0.7, "{worst}");
        assert_eq!(sine_cosine(0), [0, ONE]);
        assert_eq!(sine_cosine(i32::MIN), [0, -ONE]);
    }
}
