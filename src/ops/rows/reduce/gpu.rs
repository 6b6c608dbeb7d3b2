//! Kernels of reductions: serial or as a tree, in one stage or, for long ones, in two.

use serde::{Deserialize, Serialize};

use crate::graph::{Caps, Kernel, Lowering, Operand, grid};
use crate::ops::kit::Lanes;
use crate::tensor::{Real, Shape, TensorType};

/// What becomes of many elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReduceFunction {
    /// Their sum.
    Sum,
    /// Their sum over their number.
    Mean,
    /// The largest; NaN, where there is one.
    Max,
}

/// Which elements of a tensor, seen as `[rows, columns]`, become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Those of a column: the result is `[columns]`.
    Rows,
    /// Those of a row: the result is `[rows]`.
    Columns,
    /// All: the result is `[1]`.
    #[default]
    All,
}

impl Over {
    /// Shape of the result.
    pub(in crate::ops) fn result(self, x: &TensorType) -> Shape {
        let (rows, columns) = x.rows_columns();
        match self {
            Self::Rows => [columns].into(),
            Self::Columns => [rows].into(),
            Self::All => [1].into(),
        }
    }

    /// Number of elements that become one.
    pub(in crate::ops) fn length(self, x: &TensorType) -> usize {
        let (rows, columns) = x.rows_columns();
        match self {
            Self::Rows => rows,
            Self::Columns => columns,
            Self::All => rows * columns,
        }
    }

    /// Where the elements lie.
    pub(in crate::ops) fn span(self, x: &TensorType) -> Span {
        let (_, columns) = x.rows_columns();
        let (outputs, length) = (self.result(x).elements(), self.length(x));
        match self {
            Self::Rows => Span { outputs, length, outer: 1, inner: columns },
            Self::Columns => Span { outputs, length, outer: columns, inner: 1 },
            Self::All => Span { outputs, length, outer: 0, inner: 1 },
        }
    }
}

/// Element `k` of output `o` lies at `o * outer + k * inner`, for `o < outputs`, `k < length`.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Span {
    pub(in crate::ops) outputs: usize,
    pub(in crate::ops) length: usize,
    pub(in crate::ops) outer: usize,
    pub(in crate::ops) inner: usize,
}

/// Most invocations of a workgroup: every device has as many.
const WORKGROUP_SIZE: usize = 256;
/// Neighboring outputs of one workgroup, which it loads together.
const LARGEST_BLOCK: usize = 32;
/// Up to this length, one invocation an output is tried first.
const SHORT: usize = 64;
/// From this length on, two stages are worth their second dispatch.
const LONG: usize = 1024;
/// Longer loops of one invocation would hold up the device.
const LONGEST_SERIAL: usize = 1 << 15;
/// With so many outputs, one stage fills the device.
const MANY_OUTPUTS: usize = 1 << 14;
/// Elements that each lane of the first stage should at least add, to pay for the tree.
const PER_LANE: usize = 16;
/// Most splits of the first stage of trees, so that the second is one tree for each output.
const MOST_SPLITS: usize = 1024;

/// How the elements of an output are divided among workgroups or invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Serial,
    Tree,
}

/// Every way to reduce input 0 to output 0, best guess first.
pub(in crate::ops) fn lowerings(
    function: ReduceFunction,
    over: Over,
    x: &TensorType,
    caps: &Caps,
) -> Vec<Lowering> {
    let span = over.span(x);
    let reduction = Reduction { function, length: span.length };
    // Neighboring outputs are loaded as vectors; the order of a maximum is found in integers.
    let vectors = over == Over::Rows && function != ReduceFunction::Max;
    let lanes = if vectors { Lanes::fitting(span.outputs)[0] } else { Lanes::One };
    let span = match lanes {
        Lanes::One => span,
        Lanes::Four => Span { outputs: span.outputs / 4, inner: span.inner / 4, ..span },
    };
    let one = |walk: Walk, name: &str| {
        Lowering::single(
            &lanes.variant(name),
            reduction.stage(span, walk, lanes, [Operand::Input(0), Operand::Output(0)], caps),
        )
    };
    let two = |walk: Walk, name: &str| reduction.two_stages(span, walk, lanes, name, caps);
    let (serial, tree) = (one(Walk::Serial, "serial"), one(Walk::Tree, "tree"));
    if span.length <= SHORT {
        return vec![serial, tree];
    }
    let [two_trees, two_serial] = [two(Walk::Tree, "two_trees"), two(Walk::Serial, "two_serial")];
    let one_stage_fills = span.length < LONG || span.outputs >= MANY_OUTPUTS;
    let mut variants = match (caps.prefers_loops(), one_stage_fills) {
        (true, true) => vec![serial, two_serial, tree, two_trees],
        (true, false) => vec![two_serial, serial, tree, two_trees],
        (false, true) => vec![tree, serial, two_trees, two_serial],
        (false, false) => vec![two_trees, two_serial, tree, serial],
    };
    if span.length > LONGEST_SERIAL {
        variants.retain(|lowering| lowering.variant != lanes.variant("serial"));
    }
    variants
}

/// A reduction, apart from its stages.
#[derive(Debug, Clone, Copy)]
struct Reduction {
    function: ReduceFunction,
    /// Number of elements that become one.
    length: usize,
}

impl Reduction {
    /// Number of elements of each split of a first stage.
    fn split_length(span: Span, walk: Walk) -> usize {
        match walk {
            // Both stages are loops of one invocation: equally long.
            Walk::Serial => span.length.isqrt().max(PER_LANE),
            Walk::Tree => {
                let lanes = WORKGROUP_SIZE / block(span);
                (lanes * PER_LANE).max(span.length.div_ceil(MOST_SPLITS))
            }
        }
    }

    fn two_stages(self, span: Span, walk: Walk, lanes: Lanes, name: &str, caps: &Caps) -> Lowering {
        let split_length = Self::split_length(span, walk);
        let splits = span.length.div_ceil(split_length);
        let partial = Operand::Scratch(0);
        let second = Span { length: splits, outer: 1, inner: span.outputs, ..span };
        let first = self.kernel(span, split_length, walk, lanes, 1.0, caps);
        let elements = splits * span.outputs * lanes.count();
        Lowering {
            variant: lanes.variant(name),
            scratch: vec![elements * size_of::<f32>()],
            kernels: vec![
                first.read(Operand::Input(0)).write(partial),
                self.stage(second, walk, lanes, [partial, Operand::Output(0)], caps),
            ],
        }
    }

    /// The only or the last stage.
    fn stage(
        self,
        span: Span,
        walk: Walk,
        lanes: Lanes,
        [from, to]: [Operand; 2],
        caps: &Caps,
    ) -> Kernel {
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let scale = match self.function {
            ReduceFunction::Mean => f32::from_f64(1.0 / self.length as f64),
            ReduceFunction::Sum | ReduceFunction::Max => 1.0,
        };
        self.kernel(span, span.length, walk, lanes, scale, caps).read(from).write(to)
    }

    /// A stage without its bindings.
    fn kernel(
        self,
        span: Span,
        split_length: usize,
        walk: Walk,
        lanes: Lanes,
        scale: f32,
        caps: &Caps,
    ) -> Kernel {
        let name = match walk {
            Walk::Serial => "reduce_serial",
            Walk::Tree => "reduce_tree",
        };
        let splits = span.length.div_ceil(split_length);
        let kernel = lanes
            .declare(Kernel::new(name))
            .constant("OUTPUTS", span.outputs)
            .constant("LENGTH", span.length)
            .constant("OUTER", span.outer)
            .constant("INNER", span.inner)
            .constant("SPLIT_LENGTH", split_length);
        let kernel = match self.function {
            ReduceFunction::Max => kernel
                .file(include_str!("../../../../shaders/common/float_bits.wgsl"))
                .file(include_str!("../../../../shaders/common/reduce_max.wgsl")),
            ReduceFunction::Sum | ReduceFunction::Mean => kernel
                .constant_f32("SCALE", scale)
                .file(include_str!("../../../../shaders/common/reduce_sum.wgsl")),
        };
        match walk {
            Walk::Serial => kernel
                .flat(splits * span.outputs, 64, caps)
                .file(include_str!("../../../../shaders/rows/reduce_serial.wgsl")),
            Walk::Tree => {
                let block = block(span);
                kernel
                    .constant("SPLITS", splits)
                    .constant("BLOCK", block)
                    .constant("WORKGROUP_SIZE", workgroup_size(split_length, block))
                    .file(include_str!("../../../../shaders/common/workgroup_index.wgsl"))
                    .file(include_str!("../../../../shaders/rows/reduce_tree.wgsl"))
                    .workgroups(grid(splits * span.outputs.div_ceil(block), caps))
            }
        }
    }
}

/// Outputs of one workgroup of a tree: several where neighboring outputs lie side by side.
fn block(span: Span) -> usize {
    if span.outer == 1 { span.outputs.next_power_of_two().min(LARGEST_BLOCK) } else { 1 }
}

/// Invocations of a workgroup of a tree over `length` elements for each of `block` outputs: a power
/// of two, with some elements for each.
fn workgroup_size(length: usize, block: usize) -> usize {
    const ELEMENTS_PER_LANE: usize = 4;
    const SMALLEST: usize = 32;
    let wanted = length.div_ceil(ELEMENTS_PER_LANE).next_power_of_two() * block;
    wanted.clamp(SMALLEST, WORKGROUP_SIZE)
}
