//! How matrix products run on a GPU.

use super::{Matmul, Sizes};
use crate::graph::{Caps, Kernel, Lowering, Operand, Work};
use crate::ops::product::gemm;
use crate::ops::product::gemm::{Form, Product, Task};

/// Every variant, best guess first.
pub(super) fn lowerings(op: &Matmul, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let general = one_per_thread(op, sizes, caps);
    if !caps.long_kernels {
        return vec![general];
    }
    let mut lowerings = task(op, sizes, caps).lowerings(caps);
    lowerings.push(general);
    lowerings
}

/// The product for tiled kernels, which want `b` as `[k, n]`: a transposed `b` is transposed into
/// scratch memory first.
pub(super) fn task(op: &Matmul, &Sizes { m, k, n }: &Sizes, caps: &Caps) -> Task {
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
        y: Operand::Output(0),
        tail: op.tail(),
        rows: include_str!("../../../../shaders/product/gemm/matmul_rows.wgsl"),
        constants: Vec::new(),
        before,
        scratch,
        blocks: None,
    }
}

/// One output element and one share of a long sum per invocation: any sizes.
fn one_per_thread(op: &Matmul, sizes: &Sizes, caps: &Caps) -> Lowering {
    let &Sizes { m, k, n } = sizes;
    let b = Operand::Input(1);
    let task = Task { b, before: Vec::new(), scratch: Vec::new(), ..task(op, sizes, caps) };
    let splits = gemm::splits(k, k.max(1), 1, 1);
    let kernel = Kernel::new("matmul")
        .constant("M", m)
        .constant("K", k)
        .constant("N", n)
        .constant("K_PER_SPLIT", k.div_ceil(splits))
        .constant("A_TRANSPOSED", usize::from(op.transpose_a))
        .constant("B_TRANSPOSED", usize::from(op.transpose_b))
        .flat(splits * m * n, 64, caps);
    let kernel = task
        .with_operands(kernel, ["f32"; 3], splits)
        .work(Work::of_loads(splits * m * n, 64, 2 * k.div_ceil(splits)))
        .file(include_str!("../../../../shaders/product/matmul.wgsl"));
    task.lowering("one_per_thread", kernel, splits, caps)
}
