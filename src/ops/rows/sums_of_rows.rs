//! Sums over the rows of many tensors at once: the gradients of all biases.

use serde::{Deserialize, Serialize};

use super::reduce::{elements_of_parts, sum_in_parts};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, grid,
};
use crate::ops::kit::{of_dtype, rows_of};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y_i[c] = sum_r x_i[r, c]`, for every input. Inputs: f32 of any shapes, whose last dimensions are the
/// columns. Outputs: `[columns]` for each. `compile` makes it of [`crate::ops::SumRows`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumsOfRows {}

/// Neighboring columns of one workgroup, which it loads together.
const BLOCK: usize = 32;
/// Invocations that share the rows of a column.
const LANES: usize = 8;
/// Rows that each of them adds in the first stage.
const PER_LANE: usize = 16;
/// Most splits of the rows, so that the second stage has little to do.
const MOST_SPLITS: usize = 512;

/// One of the sums, in one stage.
struct Part {
    /// Name of the binding that is read, and the first element that is.
    from: (String, usize),
    /// Name of the binding that is written, and the first element that is.
    to: (String, usize),
    rows: usize,
    columns: usize,
    /// Rows of a split; each split has sums of its own.
    split: usize,
}

impl Part {
    fn splits(&self) -> usize {
        self.rows.div_ceil(self.split)
    }

    fn workgroups(&self) -> usize {
        self.splits() * self.columns.div_ceil(BLOCK)
    }

    /// The functions that add and store the sums of a workgroup, the `at`-th of this part.
    fn functions(&self, number: usize) -> String {
        let Self { from: (x, x_first), to: (y, y_first), rows, columns, split } = self;
        let blocks = columns.div_ceil(BLOCK);
        format!(
            "
// Part {number}: sums over {split} of {rows} rows of {columns} columns.
fn sum{number}(at: u32, column_lane: u32, lane: u32) -> f32 {{
  let column = (at % {blocks}u) * BLOCK + column_lane;
  if column >= {columns}u {{ return 0.0; }}
  let first = (at / {blocks}u) * {split}u;
  let end = min(first + {split}u, {rows}u);
  var sum = 0.0;
  for (var row = first + lane; row < end; row += LANES) {{
    sum += {x}[{x_first}u + row * {columns}u + column];
  }}
  return sum;
}}

fn store{number}(at: u32, column_lane: u32, sum: f32) {{
  let column = (at % {blocks}u) * BLOCK + column_lane;
  if column < {columns}u {{ {y}[{y_first}u + (at / {blocks}u) * {columns}u + column] = sum; }}
}}
"
        )
    }
}

/// A stage that computes all parts; bindings are added by the caller.
fn stage(parts: &[Part], declarations: &str, caps: &Caps) -> Kernel {
    let (mut functions, mut sums, mut stores) = (String::new(), String::new(), String::new());
    let mut first = 0;
    for (number, part) in parts.iter().enumerate() {
        let end = first + part.workgroups();
        functions += &part.functions(number);
        sums += &format!(
            "  if workgroup < {end}u {{ return sum{number}(workgroup - {first}u, column_lane, lane); \
             }}\n"
        );
        stores += &format!(
            "  if workgroup < {end}u {{ store{number}(workgroup - {first}u, column_lane, sum); return; \
             }}\n"
        );
        first = end;
    }
    Kernel::new("sums_of_rows")
        .constant("BLOCK", BLOCK)
        .constant("LANES", LANES)
        .file(declarations)
        .file(&functions)
        .file(&format!(
            "\nfn sum_of(workgroup: u32, column_lane: u32, lane: u32) -> f32 {{\n{sums}  return \
             0.0;\n}}\n\nfn store(workgroup: u32, column_lane: u32, sum: f32) {{\n{stores}}}\n"
        ))
        .file(include_str!("../../../shaders/common/workgroup_index.wgsl"))
        .file(include_str!("../../../shaders/rows/sums_of_rows.wgsl"))
        .workgroups(grid(first, caps))
}

fn declare(binding: usize, access: &str, name: &str) -> String {
    format!("@group(0) @binding({binding}) var<storage, {access}> {name}: array<f32>;\n")
}

impl SumsOfRows {
    /// Most tensors that a kernel of a device can take: each is bound for itself.
    pub fn most_inputs(caps: &Caps) -> usize {
        // More would make the texts long.
        const MOST: u32 = 16;
        // In one stage, each also has a result.
        (caps.max_storage_buffers / 2).min(MOST) as usize
    }
}

impl OpDef for SumsOfRows {
    const NAME: &'static str = "sums_of_rows";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        if inputs.is_empty() {
            return Err(ShapeError::new(Self::NAME, "takes at least one tensor"));
        }
        let columns = |x: &TensorType| {
            of_dtype(Self::NAME, ("x", x), DType::F32)?;
            rows_of(Self::NAME, ("x", x))?;
            Ok(TensorType::f32([x.rows_columns().1]))
        };
        inputs.iter().map(columns).collect()
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        for input in 0..io.inputs.count() {
            let (x, (_, columns)) = (io.inputs.float(input), io.inputs.ty(input).rows_columns());
            for (c, y) in io.outputs.float(input).iter_mut().enumerate() {
                *y = T::from_f64(x.iter().skip(c).step_by(columns).map(|x| x.to_f64()).sum());
            }
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let count = sig.inputs.len();
        if count > Self::most_inputs(caps) {
            return Vec::new();
        }
        let split = |rows: usize| (LANES * PER_LANE).max(rows.div_ceil(MOST_SPLITS));
        let mut partial = 0;
        let mut first = Vec::with_capacity(count);
        let mut second = Vec::with_capacity(count);
        for (number, x) in sig.inputs.iter().enumerate() {
            let (rows, columns) = x.rows_columns();
            let (x, y) = ((format!("x{number}"), 0), (format!("y{number}"), 0));
            let to = ("partial".to_owned(), partial);
            let part = Part { from: x, to: to.clone(), rows, columns, split: split(rows) };
            let splits = part.splits();
            partial += splits * columns;
            first.push(part);
            second.push(Part { from: to, to: y, rows: splits, columns, split: splits });
        }
        let inputs: String = (0..count).map(|i| declare(i, "read", &format!("x{i}"))).collect();
        if first.iter().all(|part| part.splits() == 1) {
            for (part, last) in first.iter_mut().zip(second) {
                part.to = last.to;
            }
            let outputs = (0..count).map(|o| declare(count + o, "read_write", &format!("y{o}")));
            let kernel = stage(&first, &(inputs + &outputs.collect::<String>()), caps);
            let kernel = (0..count).map(Operand::Input).fold(kernel, Kernel::read);
            let kernel = (0..count).map(Operand::Output).fold(kernel, Kernel::write);
            return vec![Lowering::single("one_stage", kernel)];
        }
        let declarations = inputs + &declare(count, "read_write", "partial");
        let kernel = stage(&first, &declarations, caps);
        let kernel = (0..count).map(Operand::Input).fold(kernel, Kernel::read);
        let outputs = (0..count).map(|o| declare(1 + o, "read_write", &format!("y{o}")));
        let declarations = declare(0, "read", "partial") + &outputs.collect::<String>();
        let last = stage(&second, &declarations, caps).read(Operand::Scratch(0));
        let last = (0..count).map(Operand::Output).fold(last, Kernel::write);
        vec![Lowering {
            variant: "two_stages".to_owned(),
            scratch: vec![partial * size_of::<f32>()],
            kernels: vec![kernel.write(Operand::Scratch(0)), last],
        }]
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let lengths: Vec<usize> = sig.inputs.iter().map(elements_of_parts).collect();
        let scratch = lengths.iter().copied().max().unwrap_or(0);
        let run = move |io: &mut HostIo<'_, f32>, parts: &mut [f32]| {
            for (input, &length) in lengths.iter().enumerate() {
                let y = io.outputs.float(input);
                sum_in_parts(io.inputs.float(input), &mut parts[..length], y);
            }
        };
        vec![HostKernel::new("row_parts", run).with_scratch(scratch)]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let rows = sig.inputs.iter().map(|x| x.rows_columns().0).max();
        Tolerance::sum_of(rows.unwrap_or(1))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs.iter().map(TensorType::elements).sum::<usize>())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, inputs: &[&[usize]]| {
            let case = Case::new(name, SumsOfRows {}).forward_only();
            inputs.iter().fold(case, |case, dims| case.normal(*dims))
        };
        let mut cases = vec![
            case("one", &[&[1, 1]]),
            case("short", &[&[128, 10], &[67, 33], &[1, 100]]),
            case("long", &[&[129, 7], &[2, 3, 5, 64], &[4099, 36]]),
            case("splits", &[&[70_001, 2], &[257, 129]]),
            case("bench_mnist_cnn", &[&[128, 10], &[128, 64], &[128, 128]]).bench(),
        ];
        cases.push(
            Case::new("non_finite", SumsOfRows {})
                .input(TensorType::f32([300, 5]), Fill::Special)
                .normal([3, 3])
                .forward_only(),
        );
        cases
    }
}
