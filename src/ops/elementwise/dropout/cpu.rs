//! Dropout on the CPU: several draws of the random generator at once, which the compiler vectorizes.

use super::{DRAW, KEY_HIGH};
use crate::graph::{HostIo, HostKernel};
use crate::ops::Dropout;
use crate::tensor::Real;
use crate::tensor::parallel::for_each_block;
use crate::tensor::rng::{philox4x32, philox4x32_lanes};

/// Draws that are made at once.
const LANES: usize = 8;

pub(in crate::ops) fn kernels(op: &Dropout) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("draw_lanes", move |io, _| run(&op, io))]
}

fn run(op: &Dropout, io: &mut HostIo<'_, f32>) {
    let x = io.inputs.float(0);
    let step = io.inputs.u32(1)[0];
    for_each_block(io.outputs.float(0), &|start, y| {
        drop_elements(op, step, start, &x[start..start + y.len()], y);
    });
}

/// Elements of `y` from `start` on, which must be the first one of a draw; `x` are as many elements.
pub(in crate::ops) fn drop_elements(
    op: &Dropout,
    step: u32,
    start: usize,
    x: &[f32],
    y: &mut [f32],
) {
    let scale = f32::from_f64(op.scale());
    let threshold = threshold(op.rate);
    let key = [op.seed, KEY_HIGH];
    let mut words = [[0; DRAW]; LANES];
    let parts = y.chunks_mut(DRAW * LANES).zip(x.chunks(DRAW * LANES));
    for (part, (y, x)) in parts.enumerate() {
        let draw = u32::try_from(start / DRAW + part * LANES).expect("shapes fit 32 bits");
        if y.len() == DRAW * LANES {
            philox4x32_lanes(draw, [op.stream, step, 0], key, &mut words);
        } else {
            for (words, draw) in words.iter_mut().zip(draw..).take(y.len().div_ceil(DRAW)) {
                *words = philox4x32([draw, op.stream, step, 0], key);
            }
        }
        keep(x, words.as_flattened(), threshold, scale, y);
    }
}

/// The least 24 bits of a random word that keep an element: `bits / 2^24 >= rate`.
fn threshold(rate: f32) -> u32 {
    let bits = (f64::from(rate) * 16_777_216.0).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 2^24]")]
    let bits = bits as u32;
    bits
}

fn keep(x: &[f32], words: &[u32], threshold: u32, scale: f32, y: &mut [f32]) {
    for ((y, x), word) in y.iter_mut().zip(x).zip(words) {
        *y = if word >> 8 >= threshold { x * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::threshold;
    use crate::tensor::rng::uniform;

    #[test]
    fn the_threshold_is_the_first_number_that_is_kept() {
        for rate in [1e-9, 0.1, 0.3, 0.5, 0.999, 1.0 - f32::EPSILON] {
            let least = threshold(rate);
            assert!(uniform(least << 8) >= f64::from(rate), "{rate}");
            assert!(uniform((least - 1) << 8) < f64::from(rate), "{rate}");
        }
        assert_eq!(threshold(0.0), 0);
    }
}
