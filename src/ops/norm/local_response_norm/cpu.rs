//! Local response normalization on the CPU, row by row in f32, which the compiler vectorizes.

use crate::graph::{HostIo, HostKernel, Signature};
use crate::ops::{LocalResponseNorm, LocalResponseNormGrad};
use crate::tensor::Real;
use crate::tensor::parallel::{BLOCK, for_each_chunk, for_each_chunk_of, shares};

pub(in crate::ops) fn forward(op: &LocalResponseNorm) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("rows", move |io, _| {
        let x = io.inputs.float(0);
        let (_, channels) = io.inputs.ty(0).rows_columns();
        let rows = (BLOCK / channels).max(1);
        for_each_chunk(io.outputs.float(0), rows * channels, &|block, y| {
            let x = &x[block * rows * channels..][..y.len()];
            for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
                bases(&op, x, y);
            }
            power(op.beta, y);
            for (y, x) in y.iter_mut().zip(x) {
                *y = x / *y;
            }
        });
    })]
}

pub(in crate::ops) fn gradient(op: &LocalResponseNormGrad, sig: &Signature) -> Vec<HostKernel> {
    let forward = op.forward_op();
    let (rows, channels) = sig.inputs[0].rows_columns();
    let [each, count] = shares(rows);
    let factor = f32::from_f64(-2.0 * forward.slope() * f64::from(op.beta));
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let chunks = [each * channels, 2 * channels];
        for_each_chunk_of([io.outputs.float(0), scratch], chunks, &|share, [dx, scratch]| {
            let (bases, terms) = scratch.split_at_mut(channels);
            for (row, dx) in dx.chunks_mut(channels).enumerate() {
                let first = (share * each + row) * channels;
                let (x, dy) = (&x[first..][..channels], &dy[first..][..channels]);
                gradient_row(&forward, factor, [x, dy], [bases, terms], dx);
            }
        });
    };
    vec![HostKernel::new("rows", run).with_scratch(count * 2 * channels)]
}

/// `dx = dy s^-beta + factor x sum_j dy[j] x[j] s[j]^(-beta - 1)`
fn gradient_row(
    op: &LocalResponseNorm,
    factor: f32,
    [x, dy]: [&[f32]; 2],
    [s, terms]: [&mut [f32]; 2],
    dx: &mut [f32],
) {
    bases(op, x, s);
    dx.copy_from_slice(s);
    power(op.beta, dx);
    for ((((dx, term), s), x), dy) in dx.iter_mut().zip(&mut *terms).zip(&*s).zip(x).zip(dy) {
        *dx = dy / *dx;
        *term = *dx * x / s;
    }
    // The channels whose window holds `c` reach as far to the other side.
    s.fill(0.0);
    for_each_offset(op, s.len(), |from, to, len| {
        for (sum, term) in s[to..][..len].iter_mut().zip(&terms[from..]) {
            *sum += term;
        }
    });
    for ((dx, sum), x) in dx.iter_mut().zip(s).zip(x) {
        *dx += factor * x * *sum;
    }
}

/// The base of each channel of a row.
fn bases(op: &LocalResponseNorm, x: &[f32], s: &mut [f32]) {
    s.fill(0.0);
    for_each_offset(op, s.len(), |to, from, len| {
        for (s, x) in s[to..][..len].iter_mut().zip(&x[from..]) {
            *s += x * x;
        }
    });
    let slope = f32::from_f64(op.slope());
    for s in s {
        *s = op.k + slope * *s;
    }
}

/// Calls `work(c, j, len)` for each place in a window: channels from `j` on are there in the windows
/// of the channels from `c` on.
#[inline]
fn for_each_offset(
    op: &LocalResponseNorm,
    channels: usize,
    mut work: impl FnMut(usize, usize, usize),
) {
    let (before, after) = (op.size / 2, (op.size - 1) / 2);
    for offset in (1..channels.min(before + 1)).rev() {
        work(offset, 0, channels - offset);
    }
    for offset in 0..channels.min(after + 1) {
        work(0, offset, channels - offset);
    }
}

/// `s = s^beta`; roots where they will do, which the compiler vectorizes.
fn power(beta: f32, s: &mut [f32]) {
    if beta == 0.75 {
        s.iter_mut().for_each(|s| *s = s.sqrt() * s.sqrt().sqrt());
    } else if beta == 0.5 {
        s.iter_mut().for_each(|s| *s = s.sqrt());
    } else if beta != 1.0 {
        s.iter_mut().for_each(|s| *s = s.powf(beta));
    }
}
