//! Maximum over windows and its gradient on the CPU: channel by channel along each pixel, which the
//! compiler vectorizes.

use crate::graph::{HostIo, HostKernel};
use crate::ops::pool::geometry::PoolGeometry;
use crate::tensor::parallel::{for_each_chunk, for_each_chunk_pair};

pub(in crate::ops::pool) fn forward(geometry: &PoolGeometry) -> Vec<HostKernel> {
    let geometry = geometry.clone();
    vec![HostKernel::new("lines", move |io, _| pool(&geometry, io))]
}

pub(in crate::ops::pool) fn gradient(
    geometry: &PoolGeometry,
    input: [usize; 2],
) -> Vec<HostKernel> {
    let geometry = geometry.clone();
    vec![HostKernel::new("images", move |io, _| unpool(&geometry, input, io))]
}

/// Output lines in parallel.
fn pool(geometry: &PoolGeometry, io: &mut HostIo<'_, f32>) {
    let x = io.inputs.float(0);
    let [_, h, w, c] = io.inputs.dims(0);
    let [_, oh, ow, _] = io.outputs.dims(0);
    for_each_chunk_pair(io.outputs.float_and_u32(), [ow * c; 2], &|line, y, index| {
        let (n, oy) = (line / oh, line % oh);
        for (ox, (y, index)) in y.chunks_mut(c).zip(index.chunks_mut(c)).enumerate() {
            let mut is_first = true;
            for_each_tap(geometry, [oy, ox], [h, w], |tap, pixel| {
                let x = &x[(n * h * w + pixel) * c..][..c];
                if is_first {
                    y.copy_from_slice(x);
                    index.fill(tap);
                } else {
                    keep_larger(x, tap, y, index);
                }
                is_first = false;
            });
        }
    });
}

/// Takes elements of `x` that are larger than those of `y`; the first NaN stays. Masks take the
/// place of choices, which would become branches.
#[inline]
pub fn keep_larger(x: &[f32], tap: u32, y: &mut [f32], index: &mut [u32]) {
    for ((x, y), index) in x.iter().zip(y).zip(index) {
        let wins = (x > y) | (x.is_nan() & !y.is_nan());
        let mask = 0_u32.wrapping_sub(u32::from(wins));
        *y = f32::from_bits((x.to_bits() & mask) | (y.to_bits() & !mask));
        *index = (tap & mask) | (*index & !mask);
    }
}

/// Images in parallel.
fn unpool(geometry: &PoolGeometry, [h, w]: [usize; 2], io: &mut HostIo<'_, f32>) {
    let (index, dy) = (io.inputs.u32(0), io.inputs.float(1));
    let [_, oh, ow, c] = io.inputs.dims(1);
    for_each_chunk(io.outputs.float(0), h * w * c, &|n, dx| {
        dx.fill(0.0);
        for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
            let first = ((n * oh + oy) * ow + ox) * c;
            let (index, dy) = (&index[first..first + c], &dy[first..first + c]);
            for_each_tap(geometry, [oy, ox], [h, w], |tap, pixel| {
                let dx = &mut dx[pixel * c..][..c];
                for ((dx, &index), &dy) in dx.iter_mut().zip(index).zip(dy) {
                    *dx += if index == tap { dy } else { 0.0 };
                }
            });
        }
    });
}

/// Calls `work` with the number and the pixel of each tap of a window that is not in the padding,
/// in order.
#[inline]
pub fn for_each_tap(
    geometry: &PoolGeometry,
    [oy, ox]: [usize; 2],
    [h, w]: [usize; 2],
    mut work: impl FnMut(u32, usize),
) {
    let [kh, kw] = geometry.window;
    let mut tap = 0;
    for ky in 0..kh {
        let iy = geometry.position(0, oy, ky, h);
        for kx in 0..kw {
            if let (Some(iy), Some(ix)) = (iy, geometry.position(1, ox, kx, w)) {
                work(tap, iy * w + ix);
            }
            tap += 1;
        }
    }
}
