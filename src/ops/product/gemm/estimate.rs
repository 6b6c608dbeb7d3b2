//! What the kernel of a tile has to do, from which its time is guessed.

use super::tile::Tile;
use super::{Form, Product, Task};
use crate::graph::Work;

/// Lanes of a subgroup of a GPU, which access workgroup memory together.
const LANES: usize = 32;
/// Bytes of a vector of four.
const VECTOR_BYTES: usize = 16;
/// Instructions, in multiply-adds, of storing one element.
const PER_STORE: usize = 16;
/// Multiply-adds that units for matrices do in the time of one of an ordinary unit: 16 by data sheets
/// of GPUs, of which kernels of ours have reached half.
const BY_MATRICES: usize = 8;

impl Tile {
    /// The work of `workgroups` such tiles, each of which adds `terms` terms.
    pub(super) fn work(&self, task: &Task, workgroups: usize, terms: usize) -> Work {
        let Self { rows, columns, depth, block, lanes, stages } = *self;
        let steps = terms.div_ceil(depth);
        let [a_loads, b_loads] = self.loads();
        let invocations = self.invocations();
        let products = rows * columns * depth / if lanes > 1 { BY_MATRICES } else { 1 };
        let loads = invocations * (a_loads * a_load(task) + b_loads * b_load(&task.product));
        let stores = rows * columns * PER_STORE;
        Work {
            workgroups,
            invocations,
            // Sums, what a turn multiplies at once, and vectors on their way.
            registers: (block[0] * block[1] + self.at_once()) / lanes
                + 4 * (a_loads + b_loads)
                + Work::INDEX_REGISTERS,
            workgroup_bytes: stages * depth * (rows + columns) * self.element_bytes(),
            multiply_adds: steps * (products + loads) + stores,
            accesses: steps * self.accesses(task.form),
            // For what comes from memory, and for each other; with two stages, once for both.
            waits: if stages > 1 { steps } else { 2 * steps },
        }
    }

    /// Bytes of an element in workgroup memory: cooperative matrices are f16.
    fn element_bytes(&self) -> usize {
        if self.lanes > 1 { size_of::<u16>() } else { size_of::<f32>() }
    }

    /// Numbers of both factors that a worker holds at once beside its sums: those of a term where the
    /// tiles lie term by term, as two stages do, else of four terms of the right factor.
    fn at_once(&self) -> usize {
        let [block_rows, block_columns] = self.block;
        if self.stages > 1 { block_rows + block_columns } else { 4 * block_columns }
    }

    /// Accesses of subgroups to workgroup memory while the products of `depth` terms are added.
    fn accesses(&self, form: Form) -> usize {
        let Self { depth, block: [block_rows, block_columns], lanes, .. } = *self;
        let subgroups = self.invocations().div_ceil(LANES);
        if lanes == 1 && self.stages > 1 {
            // Vectors of rows and of columns of a term, each in one access: see pipelined.rs.
            return subgroups * depth * (block_rows + block_columns) / 4;
        }
        if lanes > 1 {
            // Matrices of f16: a subgroup reads its rows and columns once.
            let bytes = depth * (block_rows + block_columns) * self.element_bytes();
            return subgroups * bytes.div_ceil(Work::ACCESS_BYTES);
        }
        let bytes = self.workers_n().min(LANES) * VECTOR_BYTES;
        let of_columns = block_columns / 4 * bytes.div_ceil(Work::ACCESS_BYTES);
        // Rows of workers whose lanes are in one subgroup.
        let worker_rows = (LANES / self.workers_n()).max(1);
        subgroups
            * match form {
                // Per vector of terms. Rows begin in the same bank: each is an access of its own.
                Form::Rows => depth / 4 * (block_rows * worker_rows + 4 * of_columns),
                Form::Columns => {
                    let bytes = worker_rows * VECTOR_BYTES;
                    depth * (block_rows / 4 * bytes.div_ceil(Work::ACCESS_BYTES) + of_columns)
                }
            }
    }
}

/// Instructions of loading a vector of the left factor: twice as many where the place of its window
/// has to be found, four times as many where its elements are loaded one by one.
fn a_load(task: &Task) -> usize {
    let windows = if task.product.taps > 1 { 2 } else { 1 };
    windows * elements_at_once(task.product.tap_k) * Work::PER_LOAD
}

/// The same of the right factor.
fn b_load(product: &Product) -> usize {
    elements_at_once(product.n) * Work::PER_LOAD
}

/// Loads of a vector, of rows of `count` elements.
fn elements_at_once(count: usize) -> usize {
    if count.is_multiple_of(4) { 1 } else { 4 }
}
