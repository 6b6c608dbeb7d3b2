//! Single elements of convolutions and their gradients, by the arithmetic of the references: sums in
//! the same order, so that they are the same bits.

use super::geometry::Sizes;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use crate::graph::Inputs;
use crate::tensor::parallel::map_indices;

/// The indices `[i0, i1, i2, i3]` of the element at `position` of a tensor of these dimensions.
fn indices(position: usize, [_, d1, d2, d3]: [usize; 4]) -> [usize; 4] {
    let (rest, i3) = (position / d3, position % d3);
    let (rest, i2) = (rest / d2, rest % d2);
    [rest / d1, rest % d1, i2, i3]
}

/// Elements of the output of a convolution.
pub(super) fn forward(
    op: &Conv2d,
    sizes: &Sizes,
    inputs: &Inputs<'_, f32>,
    positions: &[usize],
) -> Vec<f64> {
    let &Sizes { h, w, c, kh, kw, oc, group_c, group_oc, .. } = sizes;
    let (x, weight) = (inputs.float(0), inputs.float(1));
    let tail = op.tail().operands(inputs);
    map_indices(positions.len(), &|p| {
        let [n, oy, ox, k] = indices(positions[p], sizes.y());
        let first = k / group_oc * group_c;
        let mut sum = 0.0_f64;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let Some(iy) = op.geometry.tap(0, oy, ky, h) else { continue };
            let Some(ix) = op.geometry.tap(1, ox, kx, w) else { continue };
            let pixel = &x[((n * h + iy) * w + ix) * c + first..][..group_c];
            let taps = &weight[(ky * kw + kx) * group_c * oc..][..group_c * oc];
            for (x, taps) in pixel.iter().zip(taps.chunks(oc)) {
                sum += f64::from(*x) * f64::from(taps[k]);
            }
        }
        tail.apply_f64(sum, positions[p], k)
    })
}

/// Elements of the gradient by the input.
pub(super) fn input_grad(
    op: &Conv2dInputGrad,
    sizes: &Sizes,
    inputs: &Inputs<'_, f32>,
    positions: &[usize],
) -> Vec<f64> {
    let &Sizes { kh, kw, oh, ow, oc, group_c, group_oc, .. } = sizes;
    let (dy, weight) = (inputs.float(0), inputs.float(1));
    let tail = op.tail().operands(inputs);
    map_indices(positions.len(), &|p| {
        let [n, iy, ix, ic] = indices(positions[p], sizes.x());
        let first = ic / group_c * group_oc;
        let mut sum = 0.0_f64;
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let Some(oy) = op.geometry.window_of(0, iy, ky, oh) else { continue };
            let Some(ox) = op.geometry.window_of(1, ix, kx, ow) else { continue };
            let pixel = &dy[((n * oh + oy) * ow + ox) * oc + first..][..group_oc];
            let tap = ((ky * kw + kx) * group_c + ic % group_c) * oc + first;
            let products = pixel.iter().zip(&weight[tap..][..group_oc]);
            sum += products.map(|(dy, tap)| f64::from(*dy) * f64::from(*tap)).sum::<f64>();
        }
        tail.apply_f64(sum, positions[p], ic)
    })
}

/// Elements of the gradient by the weights.
pub(super) fn weight_grad(
    op: &Conv2dWeightGrad,
    sizes: &Sizes,
    inputs: &Inputs<'_, f32>,
    positions: &[usize],
) -> Vec<f64> {
    let &Sizes { n: n_count, h, w, c, oh, ow, oc, group_c, group_oc, .. } = sizes;
    let (x, dy) = (inputs.float(0), inputs.float(1));
    map_indices(positions.len(), &|p| {
        let [ky, kx, ic, k] = indices(positions[p], sizes.weight());
        let channel = k / group_oc * group_c + ic;
        let mut sum = 0.0_f64;
        for (n, oy) in (0..n_count).flat_map(|n| (0..oh).map(move |oy| (n, oy))) {
            let Some(iy) = op.geometry.tap(0, oy, ky, h) else { continue };
            for ox in 0..ow {
                let Some(ix) = op.geometry.tap(1, ox, kx, w) else { continue };
                let x = x[((n * h + iy) * w + ix) * c + channel];
                sum += f64::from(x) * f64::from(dy[((n * oh + oy) * ow + ox) * oc + k]);
            }
        }
        sum
    })
}
