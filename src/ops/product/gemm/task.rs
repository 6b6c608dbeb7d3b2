//! What a product multiplies and where it lies, and the frame that all its kernels share.

use super::form::{Form, Product};
use super::{Blocks, VECTOR, width_of, with_constants, with_epilogue, with_operands};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::kit::Lanes;
use crate::ops::product::tail::ProductTail;

/// A product, where its operands lie, and what follows it.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is summed.
    pub form: Form,
    /// Sizes.
    pub product: Product,
    /// The left factor.
    pub a: Operand,
    /// The right factor.
    pub b: Operand,
    /// The result.
    pub y: Operand,
    /// What follows the sum.
    pub tail: ProductTail,
    /// WGSL file with `row_at` and `tap_at`, which find rows of `a` and their taps.
    pub rows: &'static str,
    /// Constants that this file uses.
    pub constants: Vec<(&'static str, usize)>,
    /// Kernels that prepare operands.
    pub before: Vec<Kernel>,
    /// Scratch memory that they write, in bytes.
    pub scratch: Vec<usize>,
    /// How the result lies in `y` where it is not a matrix `[m, groups * n]`; for [`Form::Rows`].
    pub blocks: Option<Blocks>,
}

/// A lowering of a product that also writes the statistics of chunks of rows of the result: means,
/// and sums of squared distances from them.
#[derive(Debug, Clone)]
pub struct ChunkedLowering {
    /// The lowering, whose scratch memory ends before that of the statistics.
    pub lowering: Lowering,
    /// Rows of a chunk; the last one may have fewer.
    pub chunk_rows: usize,
    /// Where means and sums of squares are written, `[chunks, groups * n]` each.
    pub chunks: [Operand; 2],
}

impl Task {
    /// Scratch buffers for the statistics of chunks.
    pub(super) fn chunks(&self) -> [Operand; 2] {
        [0, 1].map(|i| Operand::Scratch(self.scratch.len() + i))
    }

    /// Binds the statistics of chunks.
    pub(super) fn with_chunks(&self, kernel: Kernel) -> Kernel {
        let [mean, squares] = self.chunks();
        kernel
            .write_floats("chunk_mean", mean)
            .write_floats("chunk_squares", squares)
            .file(include_str!("../../../../shaders/product/gemm/chunks.wgsl"))
    }

    /// The same task with columns of `b` that come in fours: copied to scratch memory and filled up
    /// where they do not.
    pub(super) fn with_padded_columns(&self, caps: &Caps) -> Self {
        let Product { n, groups, .. } = self.product;
        let mut task = self.clone();
        if !n.is_multiple_of(4) {
            let rows = self.product.k() * groups;
            task.b = Operand::Scratch(task.scratch.len());
            task.scratch.push(rows * n.next_multiple_of(4) * size_of::<f32>());
            task.before.push(super::pad_columns(self.b, task.b, [rows, n], caps));
        }
        task
    }

    /// Rows of the result.
    pub(super) fn result_rows(&self) -> usize {
        match self.form {
            Form::Rows => self.product.m,
            Form::Columns => self.product.k(),
        }
    }

    /// Elements of the result that are stored.
    pub(super) fn elements(&self) -> usize {
        let product = &self.product;
        match &self.blocks {
            Some(blocks) => blocks.elements(product),
            None => self.result_rows() * product.n * product.groups,
        }
    }

    /// Prelude, operands and rows of a kernel that computes `splits` shares of the sum; the columns
    /// of `b` come in fours, or have been filled up to do so where `b_is_padded`.
    pub(super) fn kernel(&self, name: &str, splits: usize, b_is_padded: bool) -> Kernel {
        let Product { n, tap_k, .. } = self.product;
        let a = width_of(tap_k);
        let b = if b_is_padded { VECTOR } else { width_of(n) };
        let y = width_of(self.blocks.as_ref().map_or(n, |blocks| blocks.channels));
        let a_width = if a == VECTOR { 4 } else { 1 };
        let kernel = with_constants(Kernel::new(name), &self.constants);
        let kernel = with_constants(kernel, &self.product.constants(a_width));
        let file =
            |wgsl_type, vectors, scalars| if wgsl_type == VECTOR { vectors } else { scalars };
        let kernel = self
            .with_operands(kernel, [a, b, y], splits)
            .file(self.rows)
            .file(file(
                a,
                include_str!("../../../../shaders/product/gemm/a_vectors.wgsl"),
                include_str!("../../../../shaders/product/gemm/a_scalars.wgsl"),
            ))
            .file(file(
                b,
                include_str!("../../../../shaders/product/gemm/b_vectors.wgsl"),
                include_str!("../../../../shaders/product/gemm/b_scalars.wgsl"),
            ));
        let lanes = if y == VECTOR { Lanes::Four } else { Lanes::One };
        match &self.blocks {
            Some(blocks) => blocks.with_store(kernel, lanes),
            None => kernel.file(lanes.epilogue_file()).file(file(
                y,
                include_str!("../../../../shaders/product/gemm/y_vectors.wgsl"),
                include_str!("../../../../shaders/product/gemm/y_scalars.wgsl"),
            )),
        }
    }

    /// Operands of a kernel that computes `splits` shares of the sum, with elements of the types
    /// `wgsl_types`. With more than one share, the tail follows behind their sum.
    pub fn with_operands(
        &self,
        kernel: Kernel,
        [a, b, y]: [&'static str; 3],
        splits: usize,
    ) -> Kernel {
        let tail = if splits == 1 { self.tail } else { ProductTail::default() };
        let operands = [(self.a, a), (self.b, b), (self.result(splits), y)];
        with_operands(kernel, operands, tail)
    }

    /// Where a kernel writes that computes `splits` shares of the sum.
    pub fn result(&self, splits: usize) -> Operand {
        if splits == 1 { self.y } else { Operand::Scratch(self.scratch.len()) }
    }

    /// The whole lowering around a kernel that computes `splits` shares of the sum.
    pub fn lowering(&self, variant: &str, kernel: Kernel, splits: usize, caps: &Caps) -> Lowering {
        let (mut kernels, mut scratch) = (self.before.clone(), self.scratch.clone());
        kernels.push(kernel);
        if splits > 1 {
            scratch.push(splits * self.elements() * size_of::<f32>());
            kernels.push(self.sum_splits(splits, caps));
        }
        Lowering { variant: variant.to_owned(), scratch, kernels }
    }

    /// The ordered sum of shares, and what follows it.
    fn sum_splits(&self, splits: usize, caps: &Caps) -> Kernel {
        let Product { n, groups, .. } = self.product;
        let columns =
            self.blocks.as_ref().map_or(n * groups, |blocks| blocks.columns(&self.product));
        let lanes = if columns.is_multiple_of(4) { Lanes::Four } else { Lanes::One };
        let kernel = lanes
            .declare(Kernel::new("sum_splits"))
            .constant("SPLITS", splits)
            .constant("COLUMNS", columns / lanes.count())
            .flat(self.elements() / lanes.count(), 64, caps);
        let partial = self.result(splits);
        with_epilogue(kernel, partial, self.y, lanes, self.tail)
            .file(include_str!("../../../../shaders/product/sum_splits.wgsl"))
    }
}
