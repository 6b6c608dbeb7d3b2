//! Blocks of arenas for the optimizers' host kernels.

use super::ranges::{RateRange, range_at};
use crate::tensor::Real;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};

/// Below this magnitude, the share of a squared gradient in an average would be subnormal.
pub(super) const LEAST_SQUARED: f32 = 1e-17;

/// Zero in the place of a number below `least`.
#[inline]
pub(super) fn flushed(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// A part of the arenas whose elements are treated alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Its first element.
    pub first: usize,
    /// Whether it gets weight decay.
    pub decays: bool,
    /// Factor on the learning rate, not zero.
    pub factor: f64,
}

impl Part {
    /// The strength of its weight decay.
    pub fn decay(self, weight_decay: f64) -> f32 {
        if self.decays { f32::from_f64(weight_decay) } else { 0.0 }
    }

    /// Its learning rate.
    pub fn rate(self, learning_rate: f32) -> f32 {
        f32::from_f64(self.factor) * learning_rate
    }
}

/// Work on a part of the arenas and its elements.
type Work<'a, const N: usize> = dyn Fn(Part, [&mut [f32]; N]) + Sync + 'a;

/// Calls `work` with parts of the arenas that decay, the first `decayed` elements, or do not, and
/// that have one learning rate; not with those that are frozen.
pub(super) fn for_each_part<const N: usize>(
    state: [&mut [f32]; N],
    decayed: usize,
    ranges: &[RateRange],
    work: &Work<'_, N>,
) {
    for_each_chunk_of(state, [BLOCK; N], &|block, mut rest: [&mut [f32]; N]| {
        let mut first = block * BLOCK;
        loop {
            let len = rest.first().map_or(0, |arena| arena.len());
            if len == 0 {
                break;
            }
            let (end, factor) = range_at(ranges, first);
            let decays = first < decayed;
            let end = if decays { end.min(decayed) } else { end };
            let middle = (end - first).min(len);
            let mut parts = rest.map(|arena| arena.split_at_mut(middle));
            if factor != 0.0 {
                let part = Part { first, decays, factor };
                work(part, parts.each_mut().map(|(front, _)| &mut **front));
            }
            rest = parts.map(|(_, back)| back);
            first += middle;
        }
    });
}
