//! Products of operands that are larger than a binding: block by block along one of the dimensions.
//!
//! Along `m` and `n`, a block of the product is a product of its own. Along `k` the blocks are added
//! up: each takes the sum so far as its residual. Operands whose rows are cut are bound in parts, those
//! whose columns are cut have a copy of the block in scratch memory.

use super::{Matmul, Sizes, gpu};
use crate::graph::{
    Caps, Kernel, Lowering, Operand, Part, Placed, one_after_another, runs_of_rows,
};
use crate::ops::kit::Lanes;
use crate::ops::product::tail::ProductTail;

/// The dimension that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    M,
    K,
    N,
}

/// What a cut does to an operand.
#[derive(Debug, Clone, Copy)]
enum Effect {
    /// A number of elements, each block sees all of them.
    None(usize),
    /// A block has some rows of as many elements.
    Rows(usize),
    /// A block has some columns of the matrix of `rows` rows of `pitch` elements.
    Columns { rows: usize, pitch: usize },
}

/// A product cut into blocks.
struct Cut<'a> {
    op: &'a Matmul,
    sizes: &'a Sizes,
    along: Along,
    blocks: Vec<Part>,
}

/// Every variant, best guess first; none where no cut lets all operands be bound.
pub(super) fn lowerings(op: &Matmul, sizes: &Sizes, caps: &Caps) -> Vec<Lowering> {
    let cut = [Along::M, Along::K, Along::N]
        .into_iter()
        .find_map(|along| Cut::new(op, sizes, along, caps));
    cut.map_or_else(Vec::new, |cut| cut.lowerings(caps))
}

impl<'a> Cut<'a> {
    fn new(op: &'a Matmul, sizes: &'a Sizes, along: Along, caps: &Caps) -> Option<Self> {
        let mut cut = Self { op, sizes, along, blocks: Vec::new() };
        let operands = (0..op.tail().input_count()).map(Operand::Input).chain([Operand::Output(0)]);
        let mut rows = Vec::new();
        for operand in operands {
            let whole = match cut.effect(operand) {
                Effect::Rows(row) => {
                    rows.push(row);
                    continue;
                }
                Effect::None(elements) => elements,
                Effect::Columns { rows, pitch } => rows.saturating_mul(pitch),
            };
            if whole.saturating_mul(size_of::<f32>()) as u64 > caps.max_binding_bytes {
                return None;
            }
        }
        let count = match along {
            Along::M => sizes.m,
            Along::K => sizes.k,
            Along::N => sizes.n,
        };
        cut.blocks = runs_of_rows(count, &rows, caps)?;
        Some(cut)
    }

    fn effect(&self, operand: Operand) -> Effect {
        let &Sizes { m, k, n } = self.sizes;
        let (tail, input) = (self.op.tail(), |i: usize| operand == Operand::Input(i));
        let cut = |rows: usize, columns: usize, [along_rows, along_columns]: [Along; 2]| {
            if self.along == along_rows {
                Effect::Rows(columns)
            } else if self.along == along_columns {
                Effect::Columns { rows, pitch: columns }
            } else {
                Effect::None(rows * columns)
            }
        };
        if input(0) && self.op.transpose_a {
            cut(k, m, [Along::K, Along::M])
        } else if input(0) {
            cut(m, k, [Along::M, Along::K])
        } else if input(1) && self.op.transpose_b {
            cut(n, k, [Along::N, Along::K])
        } else if input(1) {
            cut(k, n, [Along::K, Along::N])
        } else if tail.bias_input().is_some_and(input) {
            if self.along == Along::N { Effect::Rows(1) } else { Effect::None(n) }
        } else {
            cut(m, n, [Along::M, Along::N])
        }
    }

    fn lowerings(&self, caps: &Caps) -> Vec<Lowering> {
        let blocks = (0..self.blocks.len()).map(|number| self.block(number, caps));
        blocks.reduce(one_after_another).unwrap_or_default()
    }

    /// The tail of a block: all of it but for blocks that are added up. Of these the first one takes
    /// the residual, and those behind it the sum so far; the last one has what follows the sum.
    fn tail(&self, number: usize) -> ProductTail {
        let tail = self.op.tail();
        if self.along != Along::K {
            return tail;
        }
        let residual = number > 0 || tail.residual;
        let is_last = number + 1 == self.blocks.len();
        if is_last {
            ProductTail { residual, ..tail }
        } else {
            ProductTail { residual, ..ProductTail::default() }
        }
    }

    /// Scratch memory of the blocks, in bytes: what `copies` are copied to, then sums so far.
    fn scratch(&self, copies: &[Operand]) -> Vec<usize> {
        let longest = self.blocks.iter().map(|block| block.count).max().unwrap_or(0);
        let copied = copies.iter().map(|&operand| match self.effect(operand) {
            Effect::Columns { rows, .. } => rows * longest,
            Effect::Rows(_) | Effect::None(_) => 0,
        });
        // A block reads one sum and writes the next.
        let sums = if self.along == Along::K { (self.blocks.len() - 1).min(2) } else { 0 };
        let elements = copied.chain(vec![self.sizes.m * self.sizes.n; sums]);
        elements.map(|elements| elements * size_of::<f32>()).collect()
    }

    /// The variants of one block.
    fn block(&self, number: usize, caps: &Caps) -> Vec<Lowering> {
        let block = self.blocks[number];
        let outer = self.op.tail();
        let operands = (0..outer.input_count()).map(Operand::Input).chain([Operand::Output(0)]);
        let is_copied = |o: &Operand| matches!(self.effect(*o), Effect::Columns { .. });
        let copies: Vec<Operand> = operands.filter(is_copied).collect();
        let scratch = self.scratch(&copies);
        let copy_of = |operand| copies.iter().position(|&o| o == operand).map(Operand::Scratch);
        let sum = |number: usize| Operand::Scratch(copies.len() + number % 2);

        let tail = self.tail(number);
        let ProductTail { bias, residual, activation, derivative } = tail;
        let inner = Matmul { bias, residual, activation, derivative, ..self.op.clone() };
        let &Sizes { m, k, n } = self.sizes;
        let sizes = match self.along {
            Along::M => Sizes { m: block.count, k, n },
            Along::K => Sizes { m, k: block.count, n },
            Along::N => Sizes { m, k, n: block.count },
        };
        let within = |operand: Operand| match self.effect(operand) {
            Effect::None(_) => Placed { operand, part: None },
            Effect::Columns { .. } => {
                Placed { operand: copy_of(operand).unwrap_or(operand), part: None }
            }
            Effect::Rows(row) => {
                let part = Part { first: block.first * row, count: block.count * row };
                Placed { operand, part: Some(part) }
            }
        };
        let is_sum = self.along == Along::K;
        let place = |operand: Operand| match operand {
            Operand::Input(i) if i < 2 => within(operand),
            Operand::Input(i) if is_sum && number > 0 && tail.residual_input() == Some(i) => {
                Placed { operand: sum(number - 1), part: None }
            }
            Operand::Input(i) => {
                let pairs = [
                    (tail.bias_input(), outer.bias_input()),
                    (tail.residual_input(), outer.residual_input()),
                    (tail.value_input(), outer.value_input()),
                ];
                let found = pairs.into_iter().find(|(inner, _)| *inner == Some(i));
                within(Operand::Input(found.and_then(|(_, outer)| outer).unwrap_or(i)))
            }
            _ if is_sum && number + 1 < self.blocks.len() => {
                Placed { operand: sum(number), part: None }
            }
            _ => within(operand),
        };
        let copy = |operand: &Operand| self.copy(*operand, copy_of(*operand)?, block, caps);
        let before: Vec<Kernel> =
            copies.iter().filter(|o| **o != Operand::Output(0)).filter_map(copy).collect();
        let after = copies.iter().find(|o| **o == Operand::Output(0)).and_then(copy);
        let lowerings = gpu::lowerings(&inner, &sizes, caps).into_iter().map(|lowering| {
            let mut lowering = lowering.placed(&scratch, &place);
            lowering.kernels.splice(0..0, before.iter().cloned());
            lowering.kernels.extend(after.clone());
            lowering
        });
        lowerings.collect()
    }

    /// Copies the columns of a block: of an input to `copy`, or from there to the output.
    fn copy(&self, operand: Operand, copy: Operand, block: Part, caps: &Caps) -> Option<Kernel> {
        let Effect::Columns { rows, pitch } = self.effect(operand) else { return None };
        let (own, other) = ((pitch, block.first), (block.count, 0));
        Some(if operand == Operand::Output(0) {
            copy_columns([copy, operand], [other, own], rows, block.count, caps)
        } else {
            copy_columns([operand, copy], [own, other], rows, block.count, caps)
        })
    }
}

/// Copies `rows` runs of `run` floats, of which each lies a pitch behind the one before, from an offset
/// on.
fn copy_columns(
    [x, y]: [Operand; 2],
    [from, to]: [(usize, usize); 2],
    rows: usize,
    run: usize,
    caps: &Caps,
) -> Kernel {
    let sizes = [run, from.0, from.1, to.0, to.1];
    let in_fours = sizes.into_iter().all(|size| size.is_multiple_of(Lanes::Four.count()));
    let (lanes, words) = if in_fours { (Lanes::Four, "vec4<f32>") } else { (Lanes::One, "f32") };
    let groups = |elements: usize| elements / lanes.count();
    Kernel::new("copy_runs")
        .alias("WORDS", words)
        .constant("RUN", groups(run))
        .constant("X_PITCH", groups(from.0))
        .constant("X_OFFSET", groups(from.1))
        .constant("Y_PITCH", groups(to.0))
        .constant("Y_OFFSET", groups(to.1))
        .flat(groups(rows * run), 64, caps)
        .file(include_str!("../../../../shaders/layout/copy_runs.wgsl"))
        .read(x)
        .write(y)
}
