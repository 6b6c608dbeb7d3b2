//! What a product multiplies, and its lowerings.

use super::subgroup_columns::ColumnTile;
use super::subgroup_rows::RowTile;
use super::{VECTOR, shuffling_lanes, sum_splits, tiled, with_constants, with_operands};
use crate::graph::{Activation, Caps, Kernel, Lowering, Operand};

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

    /// Whether both factors can be read as vectors of four.
    pub fn in_fours(&self) -> bool {
        self.n.is_multiple_of(4) && self.tap_k.is_multiple_of(4)
    }

    /// The constants that every kernel of a product uses; elements of `a` hold `a_width` numbers.
    pub fn constants(&self, a_width: usize) -> [(&'static str, usize); 6] {
        [
            ("M", self.m),
            ("N", self.n),
            ("GROUPS", self.groups),
            ("TAPS", self.taps),
            ("TAP_K", self.tap_k),
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
    /// The bias over the columns.
    pub bias: Option<Operand>,
    /// Function of the sum.
    pub activation: Activation,
    /// WGSL file with `row_at` and `tap_at`, which find rows of `a` and their taps.
    pub rows: &'static str,
    /// Constants that this file uses.
    pub constants: Vec<(&'static str, usize)>,
    /// Kernels that prepare operands.
    pub before: Vec<Kernel>,
    /// Scratch memory that they write, in bytes.
    pub scratch: Vec<usize>,
}

impl Task {
    /// Every variant, best guess first.
    pub fn lowerings(&self, caps: &Caps) -> Vec<Lowering> {
        let subgroup = shuffling_lanes(caps)
            .filter(|_| self.product.in_fours())
            .map(|lanes| self.by_subgroups(lanes, caps));
        subgroup.into_iter().chain(tiled::lowering(self, caps)).collect()
    }

    fn by_subgroups(&self, lanes: usize, caps: &Caps) -> Lowering {
        /// Workgroups that occupy a device with few cores.
        const WANTED_TILES: usize = 32;
        const LEAST_TERMS: usize = 512;
        let product = &self.product;
        match self.form {
            Form::Rows => {
                let tile = RowTile::for_columns(product.n, lanes);
                let kernel = self.kernel("subgroup_rows", VECTOR, 1);
                self.lowering(&tile.variant(), tile.finish(kernel, product, lanes, caps), 1, caps)
            }
            Form::Columns => {
                let tile = ColumnTile::for_columns(product.n, lanes);
                let tiles = tile.tiles(product, lanes);
                let splits = super::splits(product.m, LEAST_TERMS, tiles, WANTED_TILES);
                let kernel = self.kernel("subgroup_columns", VECTOR, splits);
                let kernel = tile.finish(kernel, product, splits, lanes, caps);
                self.lowering(&tile.variant(), kernel, splits, caps)
            }
        }
    }

    /// Elements of the result.
    pub(super) fn elements(&self) -> usize {
        let rows = match self.form {
            Form::Rows => self.product.m,
            Form::Columns => self.product.k(),
        };
        rows * self.product.n * self.product.groups
    }

    /// Prelude, operands and rows of a kernel that computes `splits` shares of the sum.
    pub(super) fn kernel(&self, name: &str, wgsl_type: &str, splits: usize) -> Kernel {
        let a_width = if wgsl_type == VECTOR { 4 } else { 1 };
        let kernel = with_constants(Kernel::new(name), &self.constants);
        let kernel = with_constants(kernel, &self.product.constants(a_width));
        self.with_operands(kernel, wgsl_type, splits).file(self.rows)
    }

    /// Operands of a kernel that computes `splits` shares of the sum, with elements of type
    /// `wgsl_type`. With more than one share, bias and activation follow behind their sum.
    pub fn with_operands(&self, kernel: Kernel, wgsl_type: &str, splits: usize) -> Kernel {
        let (bias, activation) =
            if splits == 1 { (self.bias, self.activation) } else { (None, Activation::Identity) };
        let operands = [self.a, self.b, self.result(splits)].map(|operand| (operand, wgsl_type));
        with_operands(kernel, operands, bias, activation)
    }

    /// Where a kernel writes that computes `splits` shares of the sum.
    pub fn result(&self, splits: usize) -> Operand {
        if splits == 1 { Operand::Output(0) } else { Operand::Scratch(self.scratch.len()) }
    }

    /// The whole lowering around a kernel that computes `splits` shares of the sum.
    pub fn lowering(&self, variant: &str, kernel: Kernel, splits: usize, caps: &Caps) -> Lowering {
        let (mut kernels, mut scratch) = (self.before.clone(), self.scratch.clone());
        kernels.push(kernel);
        if splits > 1 {
            let elements = self.elements();
            let partial = Operand::Scratch(scratch.len());
            let columns = self.product.n * self.product.groups;
            scratch.push(splits * elements * size_of::<f32>());
            kernels.push(sum_splits(
                partial,
                splits,
                elements,
                columns,
                self.bias,
                self.activation,
                caps,
            ));
        }
        Lowering { variant: variant.to_owned(), scratch, kernels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::check_kernel;

    /// Every kernel is valid for each subgroup size that it is offered for.
    #[test]
    fn kernels_are_valid_for_every_subgroup_size() {
        let task = |form, tap_k, n| Task {
            form,
            product: Product { m: 37, n, groups: 1, taps: 1, tap_k },
            a: Operand::Input(0),
            b: Operand::Input(1),
            bias: Some(Operand::Input(2)),
            activation: Activation::Relu,
            rows: include_str!("../../../shaders/gemm/matmul_rows.wgsl"),
            constants: Vec::new(),
            before: Vec::new(),
            scratch: Vec::new(),
        };
        for subgroup_size in [None, Some(4), Some(8), Some(16), Some(32)] {
            let caps = Caps { subgroup_size, ..Caps::webgpu_default() };
            for form in [Form::Rows, Form::Columns] {
                for (tap_k, n) in [(8, 12), (64, 128), (7, 9)] {
                    for lowering in task(form, tap_k, n).lowerings(&caps) {
                        for kernel in &lowering.kernels {
                            check_kernel(kernel, &caps).expect("a valid kernel");
                        }
                    }
                }
            }
        }
    }
}
