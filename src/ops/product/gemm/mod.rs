//! Matrix products in tiles: the fast kernels that matmul and the convolutions share.
//!
//! A [`Task`] says what is multiplied and where it lies. Subgroup kernels suit devices on which a
//! load costs as much as dozens of multiplications; tiled kernels suit GPUs, and so do cooperative
//! matrices, for factors in 16 bits. All read factors whose sizes come in fours as vectors, and others
//! as scalars.

mod blocks;
mod chunks;
mod cooperative;
mod estimate;
mod form;
mod frame;
mod pipelined;
mod stages;
mod subgroup_columns;
mod subgroup_rows;
mod task;
mod tile;
mod tiled;
mod variants;

pub use blocks::Blocks;
pub use form::{Form, Product};
pub use task::{ChunkedLowering, Task};

use super::tail::ProductTail;
use crate::graph::{Caps, Kernel, Operand};
use crate::ops::kit::Lanes;

/// Four adjacent elements as the element type of an operand.
pub const VECTOR: &str = "vec4<f32>";

/// Lanes of a subgroup, where kernels may shuffle and subgroups are small enough to lie along the
/// columns of a product.
pub fn shuffling_lanes(caps: &Caps) -> Option<usize> {
    /// Beyond this the tiles of one subgroup would be wider than most layers.
    const MAX_LANES: u32 = 16;
    let fits = |lanes: &u32| (2..=MAX_LANES).contains(lanes) && lanes.is_power_of_two();
    let lanes = caps.subgroup_size.filter(fits)?;
    usize::try_from(lanes).ok()
}

/// Type of the elements of an operand whose rows have `count` elements.
pub fn width_of(count: usize) -> &'static str {
    if count.is_multiple_of(4) { VECTOR } else { "f32" }
}

/// Copies rows of `columns` elements, filled up with zeros to the next multiple of four.
pub fn pad_columns(x: Operand, y: Operand, [rows, columns]: [usize; 2], caps: &Caps) -> Kernel {
    pad_runs(x, y, [rows, columns, columns.next_multiple_of(4)], caps)
}

/// Copies runs of `run` elements to the starts of those of `pitch` elements, filled up with zeros.
pub fn pad_runs(x: Operand, y: Operand, [runs, run, pitch]: [usize; 3], caps: &Caps) -> Kernel {
    Kernel::new("pad_zeros")
        .constant("BEFORE", 0)
        .constant("RUN", run)
        .constant("Y_PITCH", pitch)
        .alias("WORDS", "u32")
        .flat(runs * pitch, 64, caps)
        .file(include_str!("../../../../shaders/layout/pad_zeros.wgsl"))
        .read(x)
        .write(y)
}

/// Adds constants to the prelude of a kernel.
pub fn with_constants(kernel: Kernel, constants: &[(&str, usize)]) -> Kernel {
    constants.iter().fold(kernel, |kernel, &(name, value)| kernel.constant(name, value))
}

/// Declares and binds the factors `a` and `b`, what the tail needs, and `y`, whose elements have
/// the given types, and adds the tail. Those of `y` are called `FLOATS`.
pub fn with_operands(kernel: Kernel, [a, b, y]: [(Operand, &str); 3], tail: ProductTail) -> Kernel {
    let kernel = kernel
        .alias("A_TYPE", a.1)
        .alias("B_TYPE", b.1)
        .alias("Y_TYPE", y.1)
        .alias("FLOATS", "Y_TYPE")
        .read(a.0)
        .read(b.0);
    let kernel = match tail.bias_input() {
        Some(bias) => kernel
            .read(Operand::Input(bias))
            .file(include_str!("../../../../shaders/common/binary_bias_bindings.wgsl")),
        None => kernel.file(include_str!("../../../../shaders/common/binary_bindings.wgsl")),
    };
    let lanes = if y.1 == VECTOR { Lanes::Four } else { Lanes::One };
    with_tail(kernel.write(y.0), tail, lanes)
}

/// Adds the function `tail` of elements of type `FLOATS`, and binds what it reads.
fn with_tail(kernel: Kernel, tail: ProductTail, lanes: Lanes) -> Kernel {
    let kernel = kernel.activation(tail.function()).file(lanes.activation_file());
    let kernel = match tail.residual_input() {
        Some(residual) => kernel
            .read_floats("residual", Operand::Input(residual))
            .file(include_str!("../../../../shaders/common/with_residual.wgsl")),
        None => kernel.file(include_str!("../../../../shaders/common/without_residual.wgsl")),
    };
    match tail.value_input() {
        Some(value) => kernel
            .read_floats("value", Operand::Input(value))
            .file(include_str!("../../../../shaders/common/tail_derivative.wgsl")),
        None => kernel.file(include_str!("../../../../shaders/common/tail_activation.wgsl")),
    }
}

/// Swaps rows and columns of `x` `[outer, rows, middle, columns]`.
pub fn swap_axes(
    x: Operand,
    y: Operand,
    [outer, rows, middle, columns]: [usize; 4],
    caps: &Caps,
) -> Kernel {
    let in_fours = rows.is_multiple_of(4) && columns.is_multiple_of(4);
    let (name, square, file) = if in_fours {
        ("swap_axes_fours", 16, include_str!("../../../../shaders/product/swap_axes_fours.wgsl"))
    } else {
        ("swap_axes", 1, include_str!("../../../../shaders/product/swap_axes.wgsl"))
    };
    Kernel::new(name)
        .constant("ROWS", rows)
        .constant("MIDDLE", middle)
        .constant("COLUMNS", columns)
        .flat(outer * rows * middle * columns / square, 64, caps)
        .file(file)
        .read(x)
        .write(y)
}

/// Binds `x`, what the tail needs, and `y`, whose elements have as many numbers as `lanes`, and adds
/// bias and tail as the function `finish`.
pub fn with_epilogue(
    kernel: Kernel,
    x: Operand,
    y: Operand,
    lanes: Lanes,
    tail: ProductTail,
) -> Kernel {
    let kernel = kernel.read(x);
    let kernel = match tail.bias_input() {
        Some(bias) => kernel
            .read(Operand::Input(bias))
            .file(include_str!("../../../../shaders/common/unary_bias_bindings.wgsl")),
        None => kernel.file(include_str!("../../../../shaders/common/unary_bindings.wgsl")),
    };
    with_tail(kernel.write(y), tail, lanes).file(lanes.epilogue_file())
}

/// Most terms that one invocation adds in loops. Software devices leave loops after 65,535 turns of
/// all loops of an invocation together, without an error.
pub const MAX_TERMS: usize = 50_000;

/// Shares into which a sum of `terms` is cut, where one share makes `tiles` workgroups: enough for
/// `wanted_tiles`, but none shorter than `least_terms`, nor longer than [`MAX_TERMS`].
pub fn splits(terms: usize, least_terms: usize, tiles: usize, wanted_tiles: usize) -> usize {
    let wanted = wanted_tiles.div_ceil(tiles.max(1)).min(terms / least_terms);
    let wanted = wanted.max(terms.div_ceil(MAX_TERMS)).max(1);
    // As many shares as have terms once the length of each is rounded up.
    terms.div_ceil(terms.div_ceil(wanted).max(1)).max(1)
}

/// One line for each index below `count`.
pub fn for_each(count: usize, line: &dyn Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// One line for each pair of indices.
fn for_pairs(rows: usize, columns: usize, line: &dyn Fn(usize, usize) -> String) -> String {
    (0..rows).flat_map(|i| (0..columns).map(move |j| line(i, j))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_has_terms_and_none_is_too_short() {
        for (terms, least, tiles) in [(1, 1, 1), (5, 2, 1), (1000, 64, 3), (97, 10, 2), (8, 16, 1)]
        {
            let splits = splits(terms, least, tiles, 64);
            let length = terms.div_ceil(splits);
            assert!((splits - 1) * length < terms, "{terms} terms in {splits} shares");
            assert!(splits == 1 || length >= least, "{length} terms in a share");
        }
        assert!(1_000_000_usize.div_ceil(splits(1_000_000, 1_000_000, 1, 1)) <= MAX_TERMS);
    }
}
