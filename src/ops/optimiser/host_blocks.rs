//! Blocks of arenas for the optimisers' host kernels.

use crate::tensor::Real;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};

/// Below this magnitude, the share of a squared gradient in an average would be subnormal.
pub(super) const LEAST_SQUARED: f32 = 1e-17;

/// Zero in the place of a number below `least`.
#[inline]
pub(super) fn flushed(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// Work on a part of the arenas: its first element, the strength of its weight decay, its elements.
type Work<'a, const N: usize> = dyn Fn(usize, f32, [&mut [f32]; N]) + Sync + 'a;

/// Calls `work` with parts of the arenas that decay, the first `decayed` elements, or do not.
pub(super) fn for_each_part<const N: usize>(
    state: [&mut [f32]; N],
    decayed: usize,
    weight_decay: f64,
    work: &Work<'_, N>,
) {
    let weight_decay = f32::from_f64(weight_decay);
    for_each_chunk_of(state, [BLOCK; N], &|block, state: [&mut [f32]; N]| {
        let first = block * BLOCK;
        let len = state.first().map_or(0, |arena| arena.len());
        let middle = decayed.saturating_sub(first).min(len);
        let mut parts = state.map(|arena| arena.split_at_mut(middle));
        if middle > 0 {
            work(first, weight_decay, parts.each_mut().map(|(front, _)| &mut **front));
        }
        if middle < len {
            work(first + middle, 0.0, parts.map(|(_, back)| back));
        }
    });
}
