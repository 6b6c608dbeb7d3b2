//! How matrix products run on a GPU.

use super::{Matmul, Sizes};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::gemm::{self, ColumnTile, Product, RowTile, VECTOR};

/// Every variant, best guess first.
pub(super) fn lowerings(op: &Matmul, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let mut lowerings = Vec::new();
    lowerings.extend(by_subgroups(op, sizes, caps));
    lowerings.push(one_per_thread(op, sizes, caps));
    lowerings
}

/// One output element per invocation: any sizes.
fn one_per_thread(op: &Matmul, &Sizes { m, k, n }: &Sizes, caps: &Caps) -> Lowering {
    let kernel = Kernel::new("matmul")
        .constant("M", m)
        .constant("K", k)
        .constant("N", n)
        .constant("A_TRANSPOSED", usize::from(op.transpose_a))
        .constant("B_TRANSPOSED", usize::from(op.transpose_b))
        .flat(m * n, 64, caps);
    let kernel = bind(op, gemm::elements("f32", kernel, op.activation), Operand::Input(1))
        .file(include_str!("../../../shaders/matmul.wgsl"));
    Lowering::single("one_per_thread", kernel)
}

/// Tiles of rows and columns, one per subgroup, where the sizes that are read as vectors come in
/// fours. A transposed `b` is transposed into scratch memory first.
fn by_subgroups(op: &Matmul, &Sizes { m, k, n }: &Sizes, caps: &Caps) -> Option<Lowering> {
    let lanes = gemm::shuffling_lanes(caps)?;
    let along_a = if op.transpose_a { m } else { k };
    if !along_a.is_multiple_of(4) || !n.is_multiple_of(4) {
        return None;
    }
    let b = if op.transpose_b { Operand::Scratch(0) } else { Operand::Input(1) };
    let kernel = |name| {
        let kernel = gemm::elements(VECTOR, Kernel::new(name), op.activation);
        bind(op, kernel, b).file(include_str!("../../../shaders/gemm/matmul_rows.wgsl"))
    };
    let (variant, product) = if op.transpose_a {
        let product = Product { m: k, n, groups: 1, taps: 1, tap_k: m };
        let tile = ColumnTile::for_columns(n, lanes);
        (tile.variant(), tile.finish(kernel("gemm_columns"), &product, 1, lanes, caps))
    } else {
        let product = Product { m, n, groups: 1, taps: 1, tap_k: k };
        let tile = RowTile::for_columns(n, lanes);
        (tile.variant(), tile.finish(kernel("gemm_rows"), &product, lanes, caps))
    };
    if !op.transpose_b {
        return Some(Lowering::single(&variant, product));
    }
    let swap = gemm::swap_axes(Operand::Input(1), b, [1, n, 1, k], caps);
    let scratch = vec![k * n * size_of::<f32>()];
    Some(Lowering { variant, scratch, kernels: vec![swap, product] })
}

/// Binds `a`, `b`, the bias if there is one, and `y`, and adds the file that declares them.
fn bind(op: &Matmul, kernel: Kernel, b: Operand) -> Kernel {
    let kernel = kernel.read(Operand::Input(0)).read(b);
    let kernel = if op.bias { kernel.read(Operand::Input(2)) } else { kernel };
    kernel.write(Operand::Output(0)).file(gemm::bindings(op.bias))
}
