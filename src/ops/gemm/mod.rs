//! Matrix products in tiles: what the fast kernels of matmul and the convolutions share.

mod columns;
mod rows;

pub use columns::ColumnTile;
pub use rows::RowTile;

use crate::graph::{Activation, Caps, Kernel, Lowering, Operand};

/// Sizes of a product `y[m, n] = sum_{tap, k} a[row(m), tap, k] b[tap, k, n]` in each of several
/// groups of columns; a matmul has one tap and one group.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result in one group.
    pub n: usize,
    /// Groups.
    pub groups: usize,
    /// Taps of a convolution.
    pub taps: usize,
    /// Terms of one tap's sum.
    pub tap_k: usize,
}

/// Lanes of a subgroup, where kernels may shuffle and subgroups are small enough to lie along the
/// columns of a product.
pub fn shuffling_lanes(caps: &Caps) -> Option<usize> {
    /// Beyond this the tiles of one subgroup would be wider than most layers.
    const MAX_LANES: u32 = 16;
    let lanes = caps.subgroup_size.filter(|&lanes| (2..=MAX_LANES).contains(&lanes))?;
    usize::try_from(lanes).ok()
}

/// Four adjacent elements as the element type of an operand.
pub const VECTOR: &str = "vec4<f32>";

/// Prelude of kernels whose operands have elements of type `wgsl_type`, and that end in
/// `activation`.
pub fn elements(wgsl_type: &str, kernel: Kernel, activation: Activation) -> Kernel {
    operands([wgsl_type; 3], kernel, activation)
}

/// Prelude of kernels whose operands `a`, `b` and `y` have elements of the given types, and that
/// end in `activation`.
pub fn operands(wgsl_types: [&str; 3], kernel: Kernel, activation: Activation) -> Kernel {
    ["A_TYPE", "B_TYPE", "Y_TYPE"]
        .into_iter()
        .zip(wgsl_types)
        .fold(kernel, |kernel, (name, wgsl_type)| kernel.alias(name, wgsl_type))
        .activation(activation)
}

/// The binding file of two factors and, with a bias, a third vector; the caller binds in this order.
pub const fn bindings(bias: bool) -> &'static str {
    if bias {
        include_str!("../../../shaders/common/binary_bias_bindings.wgsl")
    } else {
        include_str!("../../../shaders/common/binary_bindings.wgsl")
    }
}

/// Swaps rows and columns of `x` `[outer, rows, middle, columns]`.
pub fn swap_axes(
    x: Operand,
    y: Operand,
    [outer, rows, middle, columns]: [usize; 4],
    caps: &Caps,
) -> Kernel {
    Kernel::new("swap_axes")
        .constant("ROWS", rows)
        .constant("MIDDLE", middle)
        .constant("COLUMNS", columns)
        .flat(outer * rows * middle * columns, 64, caps)
        .file(include_str!("../../../shaders/swap_axes.wgsl"))
        .read(x)
        .write(y)
}

/// Shares into which a sum over `rows` is cut, where one share makes `tiles` workgroups: enough to
/// occupy a device with few cores, and none shorter than a thousand rows or so.
pub fn splits(rows: usize, tiles: usize) -> usize {
    const ENOUGH_TILES: usize = 32;
    const ROWS_PER_SPLIT: usize = 1024;
    let wanted = ENOUGH_TILES.div_ceil(tiles.max(1)).min(rows.div_ceil(ROWS_PER_SPLIT)).max(1);
    // As many shares as have rows once each is rounded up.
    rows.div_ceil(rows.div_ceil(wanted).max(1)).max(1)
}

/// Where a kernel writes that computes `splits` shares of a sum: the output if there is only one.
pub fn partial_result(splits: usize) -> Operand {
    if splits == 1 { Operand::Output(0) } else { Operand::Scratch(0) }
}

/// A lowering whose kernel writes `splits` shares of a sum of `elements` to [`partial_result`], and
/// that then adds them in order.
pub fn with_ordered_sum(
    variant: &str,
    kernel: Kernel,
    splits: usize,
    elements: usize,
    caps: &Caps,
) -> Lowering {
    if splits == 1 {
        return Lowering::single(variant, kernel);
    }
    let sum = Kernel::new("sum_splits")
        .constant("SPLITS", splits)
        .flat(elements, 64, caps)
        .file(include_str!("../../../shaders/sum_splits.wgsl"))
        .read(Operand::Scratch(0))
        .write(Operand::Output(0));
    Lowering {
        variant: variant.to_owned(),
        scratch: vec![splits * elements * size_of::<f32>()],
        kernels: vec![kernel, sum],
    }
}

/// One line for each index below `count`.
pub fn for_each(count: usize, line: &dyn Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// One line for each pair of indices.
fn for_pairs(rows: usize, columns: usize, line: &dyn Fn(usize, usize) -> String) -> String {
    (0..rows).flat_map(|i| (0..columns).map(move |j| line(i, j))).collect()
}
