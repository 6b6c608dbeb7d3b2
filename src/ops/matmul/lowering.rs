//! How matrix products run on a GPU.

use super::{Matmul, Sizes};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::gemm::{self, Form, Product, Task};

/// Every variant, best guess first.
pub(super) fn lowerings(op: &Matmul, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let mut lowerings = task(op, sizes, caps).lowerings(caps);
    lowerings.push(one_per_thread(op, sizes, caps));
    lowerings
}

/// The product for tiled kernels, which want `b` as `[k, n]`: a transposed `b` is transposed into
/// scratch memory first.
fn task(op: &Matmul, &Sizes { m, k, n }: &Sizes, caps: &Caps) -> Task {
    let (form, rows, tap_k) =
        if op.transpose_a { (Form::Columns, k, m) } else { (Form::Rows, m, k) };
    let (b, before, scratch) = if op.transpose_b {
        let b = Operand::Scratch(0);
        let swap = gemm::swap_axes(Operand::Input(1), b, [1, n, 1, k], caps);
        (b, vec![swap], vec![k * n * size_of::<f32>()])
    } else {
        (Operand::Input(1), Vec::new(), Vec::new())
    };
    Task {
        form,
        product: Product { m: rows, n, groups: 1, taps: 1, tap_k },
        a: Operand::Input(0),
        b,
        bias: op.bias.then_some(Operand::Input(2)),
        activation: op.activation,
        rows: include_str!("../../../shaders/gemm/matmul_rows.wgsl"),
        constants: Vec::new(),
        before,
        scratch,
    }
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
    let operands = [Operand::Input(0), Operand::Input(1), Operand::Output(0)].map(|o| (o, "f32"));
    let bias = op.bias.then_some(Operand::Input(2));
    let kernel = gemm::with_operands(kernel, operands, bias, op.activation)
        .file(include_str!("../../../shaders/matmul.wgsl"));
    Lowering::single("one_per_thread", kernel)
}
