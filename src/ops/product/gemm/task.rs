//! What a product multiplies, and its lowerings.

use super::subgroup_columns::ColumnTile;
use super::subgroup_rows::RowTile;
use super::{
    Blocks, MAX_TERMS, VECTOR, cooperative, shuffling_lanes, tiled, width_of, with_constants,
    with_epilogue, with_operands,
};
use crate::graph::{Caps, Kernel, Lowering, Operand};
use crate::ops::kit::Lanes;
use crate::ops::product::tail::ProductTail;

/// Over what a product sums. `row(m)` finds a row of `a`, which consists of taps of `tap_k`
/// elements; `b` and `y` have `groups * n` columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `y[m, n] = sum_{tap, k} a[row(m), tap, k] b[tap, k, n]`
    Rows,
    /// `y[tap, k, n] = sum_m a[row(m), tap, k] b[m, n]`
    Columns,
}

/// Sizes of a product; a matmul has one tap and one group.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Rows of `a`.
    pub m: usize,
    /// Columns of one group.
    pub n: usize,
    /// Groups: of columns, and of the elements of a tap.
    pub groups: usize,
    /// Taps of a row of `a`.
    pub taps: usize,
    /// Elements of one tap in one group.
    pub tap_k: usize,
}

impl Product {
    /// Elements of a row of `a` in one group.
    pub fn k(&self) -> usize {
        self.taps * self.tap_k
    }

    /// Vectors of four that hold a row of `a` in one group.
    pub fn k4(&self) -> usize {
        self.k().div_ceil(4)
    }

    /// Multiply-adds of the whole product.
    pub fn multiply_adds(&self) -> usize {
        self.m * self.n * self.groups * self.k()
    }

    /// Whether the product takes so little time that kernels which compile fast are the better
    /// guess: a software device runs it in one or two milliseconds, and compiles the largest tile
    /// in two hundred. The tuner tries all.
    pub fn is_small(&self) -> bool {
        self.multiply_adds() < 1 << 25
    }

    /// Whether even that tile is more than the product needs.
    pub fn is_tiny(&self) -> bool {
        self.multiply_adds() < 1 << 21
    }

    /// The constants that every kernel of a product uses; elements of `a` hold `a_width` numbers.
    fn constants(&self, a_width: usize) -> [(&'static str, usize); 8] {
        [
            ("M", self.m),
            ("N", self.n),
            ("N4", self.n.div_ceil(4)),
            ("GROUPS", self.groups),
            ("TAPS", self.taps),
            ("TAP_K", self.tap_k),
            ("K4", self.k4()),
            ("A_WIDTH", a_width),
        ]
    }
}

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
    /// Every variant, best guess first.
    pub fn lowerings(&self, caps: &Caps) -> Vec<Lowering> {
        let by_subgroups = shuffling_lanes(caps).map(|lanes| self.by_subgroups(lanes, caps));
        let [mut first, second] = if caps.prefers_loops() {
            [by_subgroups.unwrap_or_default(), tiled::lowerings(self, caps)]
        } else {
            [tiled::lowerings(self, caps), by_subgroups.unwrap_or_default()]
        };
        first.extend(second);
        first
    }

    /// The variants that multiply cooperative matrices, best guess first, where `is_half` names the
    /// operands that are stored as f16.
    pub fn cooperative_lowerings(
        &self,
        is_half: &dyn Fn(Operand) -> bool,
        caps: &Caps,
    ) -> Vec<Lowering> {
        cooperative::lowerings(self, is_half, caps)
    }

    /// Those of [`Self::lowerings`] that can collect statistics of the result as they go, which need
    /// columns in fours, and no more than a bias behind the sum.
    pub fn chunked_lowerings(&self, caps: &Caps) -> Vec<ChunkedLowering> {
        let plain = ProductTail { bias: self.tail.bias, ..ProductTail::default() };
        if self.form != Form::Rows || !self.product.n.is_multiple_of(4) || self.tail != plain {
            return Vec::new();
        }
        let mut lowerings = tiled::chunked_lowerings(self, caps);
        if let Some(lanes) = shuffling_lanes(caps).filter(|_| self.product.k() <= MAX_TERMS) {
            let tiles = RowTile::candidates(&self.product, lanes).into_iter();
            lowerings.extend(tiles.map(|tile| ChunkedLowering {
                lowering: self.row_tile(tile, true, lanes, caps),
                chunk_rows: tile.rows,
                chunks: self.chunks(),
            }));
        }
        lowerings
    }

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

    fn by_subgroups(&self, lanes: usize, caps: &Caps) -> Vec<Lowering> {
        match self.form {
            // Longer sums need loops that software devices leave, or shares.
            Form::Rows if self.product.k() > MAX_TERMS => Vec::new(),
            Form::Rows => self.rows_by_subgroups(lanes, caps),
            Form::Columns => self.columns_by_subgroups(lanes, caps),
        }
    }

    fn rows_by_subgroups(&self, lanes: usize, caps: &Caps) -> Vec<Lowering> {
        let task = self.with_padded_columns(caps);
        let tiles = RowTile::candidates(&self.product, lanes).into_iter();
        tiles.map(|tile| task.row_tile(tile, false, lanes, caps)).collect()
    }

    /// Where columns of `b` come in fours; `chunked` kernels write statistics, too.
    fn row_tile(&self, tile: RowTile, chunked: bool, lanes: usize, caps: &Caps) -> Lowering {
        let kernel = self.kernel("subgroup_rows", 1, true);
        let kernel = if chunked { self.with_chunks(kernel) } else { kernel };
        let kernel = tile.finish(kernel, &self.product, chunked, lanes, caps);
        self.lowering(&tile.variant(), kernel, 1, caps)
    }

    fn columns_by_subgroups(&self, lanes: usize, caps: &Caps) -> Vec<Lowering> {
        /// Workgroups that occupy a device with few cores.
        const WANTED_TILES: usize = 32;
        const LEAST_TERMS: usize = 512;
        let product = &self.product;
        let lowering = |tile: ColumnTile| {
            let tiles = tile.tiles(product, lanes);
            let splits = super::splits(product.m, LEAST_TERMS, tiles, WANTED_TILES);
            let kernel = self.kernel("subgroup_columns", splits, false);
            let kernel = tile.finish(kernel, product, splits, lanes, caps);
            self.lowering(&tile.variant(), kernel, splits, caps)
        };
        ColumnTile::candidates(product, lanes).into_iter().map(lowering).collect()
    }

    /// The same task with columns of `b` that come in fours: copied to scratch memory and filled up
    /// where they do not.
    fn with_padded_columns(&self, caps: &Caps) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::check_kernel;
    use crate::graph::Activation;

    /// Every kernel is valid for each subgroup size that it is offered for.
    #[test]
    fn kernels_are_valid_for_every_subgroup_size() {
        let task = |form, tap_k, n, tail| Task {
            form,
            product: Product { m: 37, n, groups: 1, taps: 1, tap_k },
            a: Operand::Input(0),
            b: Operand::Input(1),
            y: Operand::Output(0),
            tail,
            rows: include_str!("../../../../shaders/product/gemm/matmul_rows.wgsl"),
            constants: Vec::new(),
            before: Vec::new(),
            scratch: Vec::new(),
            blocks: None,
        };
        let all = ProductTail { bias: true, residual: true, ..ProductTail::default() };
        let tails = [
            ProductTail { activation: Activation::Relu, ..all },
            ProductTail { derivative: Some(Activation::Tanh), ..all },
        ];
        for subgroup_size in [None, Some(4), Some(8), Some(16), Some(32)] {
            let caps = Caps { subgroup_size, ..Caps::webgpu_default() };
            for form in [Form::Rows, Form::Columns] {
                for (tap_k, n) in [(8, 12), (64, 128), (7, 9), (5, 8), (8, 3)] {
                    let tasks = tails.map(|tail| task(form, tap_k, n, tail));
                    for lowering in tasks.iter().flat_map(|task| task.lowerings(&caps)) {
                        for kernel in &lowering.kernels {
                            check_kernel(kernel, &caps).expect("a valid kernel");
                        }
                    }
                }
            }
        }
    }
}
