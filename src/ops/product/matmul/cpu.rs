//! Matrix products on the CPU: blocks of rows or of columns, each one product on one thread.

use super::{Matmul, Sizes};
use crate::graph::{HostIo, HostKernel};
use crate::tensor::gemm::{Matrix, multiply};
use crate::tensor::parallel::for_each_chunk;

/// Blocks that a product is split into, where it is large enough: work for as many threads.
const BLOCKS: usize = 16;
/// Fewest rows or columns of a block: both factors are packed anew for each one.
const LEAST: usize = 64;
/// Products of fewer multiply-adds stay whole.
const SMALL: usize = 1 << 16;

pub(super) fn kernels(op: &Matmul, sizes: &Sizes) -> Vec<HostKernel> {
    let &Sizes { m, k, n } = sizes;
    let op = op.clone();
    if n <= m || m * n * k <= SMALL {
        let rows = if m * n * k <= SMALL { m.max(1) } else { block(m) };
        return vec![HostKernel::new("row_blocks", move |io, _| op.by_rows(io, rows))];
    }
    let columns = block(n);
    let kernel = HostKernel::new("column_blocks", move |io, scratch| {
        op.by_columns(io, columns, scratch);
    });
    vec![kernel.with_scratch(m * n.next_multiple_of(columns))]
}

/// Rows or columns of a block: a multiple of the vector width of every processor.
fn block(count: usize) -> usize {
    count.div_ceil(BLOCKS).next_multiple_of(16).max(LEAST)
}

impl Matmul {
    fn factors<'a>(&self, io: &HostIo<'a, f32>) -> [Matrix<'a>; 2] {
        [(0, self.transpose_a), (1, self.transpose_b)].map(|(i, transpose)| {
            let [rows, columns] = io.inputs.dims(i);
            let stored = Matrix::new(io.inputs.float(i), rows, columns);
            if transpose { stored.transposed() } else { stored }
        })
    }

    fn by_rows(&self, io: &mut HostIo<'_, f32>, rows: usize) {
        let [a, b] = self.factors(io);
        let tail = self.tail().operands(&io.inputs);
        let [_, n] = io.outputs.dims(0);
        for_each_chunk(io.outputs.float(0), rows * n, &|block, y| {
            multiply(a.rows(block * rows, y.len() / n), b, y);
            tail.finish(block * rows * n, y);
        });
    }

    /// Blocks of columns do not lie together in the result: they are made in scratch memory.
    fn by_columns(&self, io: &mut HostIo<'_, f32>, columns: usize, scratch: &mut [f32]) {
        let [a, b] = self.factors(io);
        let tail = self.tail().operands(&io.inputs);
        let [m, n] = io.outputs.dims(0);
        for_each_chunk(scratch, m * columns, &|block, y| {
            let first = block * columns;
            let count = columns.min(n - first);
            multiply(a, b.columns(first, count), &mut y[..m * count]);
        });
        let scratch = &*scratch;
        for_each_chunk(io.outputs.float(0), n, &|row, y| {
            for (block, y) in y.chunks_mut(columns).enumerate() {
                let first = block * m * columns + row * y.len();
                y.copy_from_slice(&scratch[first..first + y.len()]);
            }
            tail.finish(row * n, y);
        });
    }
}
