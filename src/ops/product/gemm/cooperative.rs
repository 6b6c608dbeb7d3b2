//! Products by cooperative matrices, whose elements the lanes of a subgroup hold together, and which
//! GPUs multiply in units of their own: for a left factor that is stored as f16.
//!
//! The products of two f16 are exact in f32, in which they are summed. Parameters are f32: a right
//! factor that is not f16 becomes the sum of two, each of which is multiplied, so that the result is
//! as precise as those of other kernels.

use super::tile::{Body, Plan, Tile};
use super::{Form, Task, for_each, for_pairs};
use crate::graph::{Caps, Kernel, Lowering, Operand};

/// Rows and columns of a subgroup's sums, in matrices.
const BLOCKS: [usize; 2] = [4, 2];
/// Subgroups of a workgroup along the rows and along the columns.
const SUBGROUPS_PER_SIDE: usize = 2;
const SUBGROUPS: usize = SUBGROUPS_PER_SIDE * SUBGROUPS_PER_SIDE;
/// Matrices along the terms that lie in workgroup memory at once.
const DEPTH: usize = 2;
/// Vectors by which rows in workgroup memory are padded: a matrix must start at a multiple of 16 bytes.
const PADDING: usize = 2;
/// Vectors by which rows of sums are padded there.
const SUMS_PADDING: usize = 1;

/// Matrices of a device, on a product.
struct Matrices {
    /// Rows and columns.
    size: usize,
    /// Lanes of a subgroup.
    lanes: usize,
    form: Form,
    /// Whether the right factor is stored as f16, too.
    b_is_half: bool,
}

/// The lowerings that the device has matrices and workgroup memory for, best guess first, where
/// `is_half` names the operands that are stored as f16. As those of other kernels, their texts have
/// f32 in place of f16.
pub(super) fn lowerings(
    task: &Task,
    is_half: &dyn Fn(Operand) -> bool,
    caps: &Caps,
) -> Vec<Lowering> {
    let (Some(size), Some(lanes)) = (caps.cooperative_size, caps.subgroup_size) else {
        return Vec::new();
    };
    let [size, lanes] = [size as usize, lanes as usize];
    // Matrices of smaller products would be mostly empty.
    if !is_half(task.a) || 2 * task.result_rows() < size || 2 * task.product.n < size {
        return Vec::new();
    }
    let matrices = Matrices { size, lanes, form: task.form, b_is_half: is_half(task.b) };
    let tiles = BLOCKS.into_iter().map(|block| matrices.tile(block));
    let tiles = tiles.filter(|tile| matrices.fit(tile, caps));
    let plans = Plan::candidates(tiles, task, caps);
    plans.iter().map(|plan| matrices.lowering(plan, task, caps)).collect()
}

impl Matrices {
    /// The tile of subgroups with `block` x `block` matrices.
    fn tile(&self, block: usize) -> Tile {
        let side = block * self.size;
        Tile {
            rows: SUBGROUPS_PER_SIDE * side,
            columns: SUBGROUPS_PER_SIDE * side,
            depth: DEPTH * self.size,
            block: [side, side],
            lanes: self.lanes,
        }
    }

    /// Vectors of a row of the tile of `a`, which lies as `a` does in memory.
    fn a_row4(&self, tile: &Tile) -> usize {
        match self.form {
            Form::Rows => tile.depth / 4,
            Form::Columns => tile.rows / 4,
        }
    }

    /// Vectors of both tiles, padding included.
    fn vectors(&self, tile: &Tile) -> [usize; 2] {
        let a_row4 = self.a_row4(tile);
        let a_rows = tile.rows * tile.depth / 4 / a_row4;
        [a_rows * (a_row4 + PADDING), tile.depth * (tile.columns / 4 + PADDING)]
    }

    fn fit(&self, tile: &Tile, caps: &Caps) -> bool {
        const HALF_BYTES: usize = 2;
        let [a, b] = self.vectors(tile);
        let b_tiles = if self.b_is_half { 1 } else { 2 };
        let sums = SUBGROUPS * self.size * (tile.block[1] + 4 * SUMS_PADDING) * size_of::<f32>();
        let even = |side: usize| (side * tile.depth / 4).is_multiple_of(tile.invocations());
        tile.fits(4 * HALF_BYTES * (a + b_tiles * b) + sums, caps)
            && even(tile.rows)
            && even(tile.columns)
    }

    fn lowering(&self, plan: &Plan, task: &Task, caps: &Caps) -> Lowering {
        let tile = &plan.tile;
        let kernel = plan.kernel("cooperative", "vec4<f16>", task, caps);
        let kernel = self.with_matrices(kernel, tile).file(&self.main(tile));
        // Directives come before everything else.
        let source = format!("enable wgpu_cooperative_matrix;\n{}", kernel.source);
        let Tile { rows, columns, depth, .. } = tile;
        let variant = format!("cooperative_{rows}x{columns}x{depth}");
        task.lowering(&variant, Kernel { source, ..kernel }, plan.splits, caps)
    }

    fn with_matrices(&self, kernel: Kernel, tile: &Tile) -> Kernel {
        let [a_vectors, b_vectors] = self.vectors(tile);
        let matrix = format!("coop_mat{0}x{0}", self.size);
        kernel
            .constant("SIZE", self.size)
            .constant("LANES", self.lanes)
            .constant("SUBGROUPS", SUBGROUPS)
            .constant("SUMS_PADDING", SUMS_PADDING)
            .constant("A_ROW4", self.a_row4(tile))
            .constant("A_PITCH", self.a_row4(tile) + PADDING)
            .constant("B_PITCH", tile.columns / 4 + PADDING)
            .constant("A_VECTORS", a_vectors)
            .constant("B_VECTORS", b_vectors)
            .alias("LEFT", &format!("{matrix}<f16, A>"))
            .alias("RIGHT", &format!("{matrix}<f16, B>"))
            .alias("SUMS", &format!("{matrix}<f32, C>"))
            .file(include_str!("../../../../shaders/product/gemm/cooperative.wgsl"))
            .file(if self.b_is_half {
                include_str!("../../../../shaders/product/gemm/cooperative_b_half.wgsl")
            } else {
                include_str!("../../../../shaders/product/gemm/cooperative_b_float.wgsl")
            })
    }

    fn main(&self, tile: &Tile) -> String {
        let block = tile.block[0] / self.size;
        let sums = for_pairs(block, block, &|i, j| format!("  var y{i}_{j} = SUMS();\n"));
        // The transposed functions are those for matrices whose rows lie in memory one by one.
        let left = for_each(block, &|i| match self.form {
            Form::Rows => {
                let at = format!("(row + {i}u * SIZE) * A_PITCH + k / 4u");
                format!("      let a{i} = coopLoadT<LEFT>(&tile_a[{at}], A_PITCH);\n")
            }
            Form::Columns => {
                let at = format!("k * A_PITCH + row / 4u + {i}u * SIZE4");
                format!("      let a{i} = coopLoad<LEFT>(&tile_a[{at}], A_PITCH);\n")
            }
        });
        let parts: &[&str] = if self.b_is_half { &["tile_b"] } else { &["tile_b", "tile_b_rest"] };
        let products = |part: &&str| {
            for_each(block, &|j| {
                let at = format!("k * B_PITCH + n4 + {j}u * SIZE4");
                let load =
                    format!("      let {part}{j} = coopLoadT<RIGHT>(&{part}[{at}], B_PITCH);\n");
                load + &for_each(block, &|i| {
                    format!("      y{i}_{j} = coopMultiplyAdd(a{i}, {part}{j}, y{i}_{j});\n")
                })
            })
        };
        let products: String = parts.iter().map(products).collect();
        let results = for_each(block, &|i| {
            let stores = for_each(block, &|j| {
                let place = format!("first_sum(subgroup) + {j}u * SIZE4");
                format!("  coopStoreT(y{i}_{j}, &sums[{place}], SUMS_PITCH);\n")
            });
            let place = format!("first_row + row + {i}u * SIZE, group, first_n4 + n4");
            format!(
                "  workgroupBarrier();
{stores}  workgroupBarrier();
  store_sums(split, {place}, subgroup, lane);
"
            )
        });
        let body = Body {
            parameters: "  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
",
            sums: format!(
                "  let row = subgroup / WORKERS_N * BLOCK_ROWS;
  let n4 = subgroup % WORKERS_N * SUMS_ROW4;
{sums}"
            ),
            put: &|letter, i| {
                format!("    put_{letter}(local_index + {i}u * INVOCATIONS, next_{letter}{i});\n")
            },
            products: format!(
                "    for (var k = 0u; k < TILE_DEPTH; k += SIZE) {{\n{left}{products}    }}\n"
            ),
            results,
        };
        body.main(tile, self.form)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::compile::check_kernel;
    use crate::graph::Signature;
    use crate::ops::find;

    /// Every product that is stored as f16 has kernels for matrices of both sizes, all valid.
    #[test]
    fn kernels_are_valid_for_every_size() {
        const OPS: [&str; 4] = ["matmul", "conv2d", "conv2d_input_grad", "conv2d_weight_grad"];
        for (size, lanes) in [(8, 8), (8, 32), (16, 32), (16, 64)] {
            let caps = Caps {
                f16: true,
                subgroup_size: Some(lanes),
                cooperative_size: Some(size),
                max_workgroup_storage: 48 << 10,
                ..Caps::webgpu_default()
            };
            for op in OPS {
                let mut variants = BTreeSet::new();
                for case in find(op).expect("it is registered").cases_for(&caps) {
                    let inputs: Vec<_> = case.inputs.iter().map(|i| i.ty.clone()).collect();
                    let outputs = case.op.infer(&inputs).expect("cases have valid shapes");
                    let lowerings = case.op.lowerings(&Signature { inputs, outputs }, &caps);
                    let by_matrices = |l: &Lowering| l.variant.starts_with("cooperative");
                    for lowering in lowerings.into_iter().filter(by_matrices) {
                        for kernel in &lowering.kernels {
                            check_kernel(kernel, &caps).expect("a valid kernel");
                        }
                        variants.insert(lowering.variant);
                    }
                }
                assert!(!variants.is_empty(), "{op}, matrices of {size}");
            }
        }
    }
}
