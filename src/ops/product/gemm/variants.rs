//! The variants of a product: which tiles of which family suit a device, best guess first.

use super::subgroup_columns::ColumnTile;
use super::subgroup_rows::RowTile;
use super::{
    ChunkedLowering, Form, MAX_TERMS, Task, cooperative, pipelined, shuffling_lanes, splits, tiled,
};
use crate::graph::{Caps, Lowering, Operand};
use crate::ops::product::tail::ProductTail;

impl Task {
    /// Every variant. On software devices the best guess comes first; for GPUs, whose variants are
    /// ordered by their estimates, that of each family.
    pub fn lowerings(&self, caps: &Caps) -> Vec<Lowering> {
        self.of_families(usize::MAX, caps)
    }

    /// The best guesses among the variants: on GPUs, `most` of each family.
    pub fn best_lowerings(&self, most: usize, caps: &Caps) -> Vec<Lowering> {
        let mut best = self.of_families(most, caps);
        if caps.prefers_loops() {
            best.truncate(most);
        }
        best
    }

    /// At most as many variants of each family.
    fn of_families(&self, most: usize, caps: &Caps) -> Vec<Lowering> {
        let by_subgroups = shuffling_lanes(caps).map(|lanes| self.by_subgroups(lanes, caps));
        let by_subgroups = by_subgroups.unwrap_or_default();
        let [tiled, pipelined] = [tiled::lowerings(self, caps), pipelined::lowerings(self, caps)];
        let families = if caps.prefers_loops() {
            [by_subgroups, tiled, pipelined]
        } else {
            [tiled, pipelined, by_subgroups]
        };
        families.into_iter().flat_map(|family| family.into_iter().take(most)).collect()
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
        lowerings.extend(pipelined::chunked_lowerings(self, caps));
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
            let splits = splits(product.m, LEAST_TERMS, tiles, WANTED_TILES);
            let kernel = self.kernel("subgroup_columns", splits, false);
            let kernel = tile.finish(kernel, product, splits, lanes, caps);
            self.lowering(&tile.variant(), kernel, splits, caps)
        };
        ColumnTile::candidates(product, lanes).into_iter().map(lowering).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::check_kernel;
    use crate::graph::Activation;
    use crate::ops::product::gemm::Product;

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
