//! Reductions over rows, over columns or over all elements.

mod gpu;

pub use gpu::{Over, ReduceFunction};

use serde::{Deserialize, Serialize};

use super::broadcast::Broadcast;
use super::reduce_max_grad::ReduceMaxGrad;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Lowering, OpDef, Signature, Vjp,
};
use crate::ops::kit::{name_of, operands, rows_of};
use crate::tensor::parallel::{for_each_chunk, for_each_element};
use crate::tensor::{Real, TensorType, Tolerance};
use gpu::lowerings;

/// `y[c] = sum_r x[r, c]`. Input: any shape, whose last dimension is the columns. Output:
/// `[columns]`. The gradient of a bias.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumRows {}

/// `y[r] = sum_c x[r, c]`. Input: any shape, whose last dimension is the columns. Output: `[rows]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumColumns {}

/// Sum, mean or maximum over rows (`[columns]` remain), over columns (`[rows]` remain) or over all
/// elements (`[1]` remains). Input: any shape, whose last dimension is the columns.
///
/// The gradient of a maximum goes to the first element that is largest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reduce {
    /// What becomes of the elements.
    pub function: ReduceFunction,
    /// Which elements become one.
    #[serde(default)]
    pub over: Over,
}

/// Sums of activations, such as the gradient of a bias, stay f32.
const SUM_OF_HALVES: &[HalfForm] = &[HalfForm::new(&[0], &[])];

impl Reduce {
    /// The sum of all elements.
    pub const SUM: Self = Self { function: ReduceFunction::Sum, over: Over::All };
    /// The mean of all elements.
    pub const MEAN: Self = Self { function: ReduceFunction::Mean, over: Over::All };
    const SUM_ROWS: Self = Self { function: ReduceFunction::Sum, over: Over::Rows };
    const SUM_COLUMNS: Self = Self { function: ReduceFunction::Sum, over: Over::Columns };

    fn infer_as(&self, op: &str, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(op, inputs)?;
        rows_of(op, ("x", x))?;
        Ok(vec![TensorType::f32(self.over.result(x))])
    }

    fn combine(&self, elements: impl Iterator<Item = f64>) -> f64 {
        match self.function {
            ReduceFunction::Sum => elements.sum(),
            ReduceFunction::Mean => {
                let (sum, count) = elements.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
                sum / count
            }
            // NaN must stay NaN, which f64::max would hide.
            ReduceFunction::Max => {
                elements.fold(f64::NEG_INFINITY, |m, x| if x > m || x.is_nan() { x } else { m })
            }
        }
    }

    fn vjp_of(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let x = v.ty(v.x(0));
        #[expect(clippy::cast_precision_loss, reason = "a length, far below 2^53")]
        let scale = match self.function {
            ReduceFunction::Mean => 1.0 / self.over.length(&x) as f64,
            ReduceFunction::Sum | ReduceFunction::Max => 1.0,
        };
        let dx = if self.function == ReduceFunction::Max {
            let x = v.x(0);
            v.push(ReduceMaxGrad { over: self.over }, &[x, dy])?
        } else {
            v.push(Broadcast { shape: x.shape, over: self.over, scale }, &[dy])?
        };
        v.set(0, dx);
        Ok(())
    }

    fn tolerance_for(&self, x: &TensorType) -> Tolerance {
        let length = self.over.length(x);
        match self.function {
            ReduceFunction::Sum => Tolerance::sum_of(length),
            ReduceFunction::Mean => Tolerance::sum_of(length).plus_ulps(1.0),
            ReduceFunction::Max => Tolerance::EXACT,
        }
    }
}

impl OpDef for SumRows {
    const NAME: &'static str = "sum_rows";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Reduce::SUM_ROWS.infer_as(Self::NAME, inputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        Reduce::SUM_ROWS.reference(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        lowerings(ReduceFunction::Sum, Over::Rows, &sig.inputs[0], caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let run = move |io: &mut HostIo<'_, f32>, parts: &mut [f32]| {
            sum_in_parts(io.inputs.float(0), parts, io.outputs.float(0));
        };
        let scratch = elements_of_parts(&sig.inputs[0]);
        vec![HostKernel::new("row_parts", run).with_scratch(scratch)]
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        SUM_OF_HALVES
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Reduce::SUM_ROWS.vjp_of(v)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        Reduce::SUM_ROWS.tolerance_for(&sig.inputs[0])
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let name = |dims: [usize; 2]| format!("{}x{}", dims[0], dims[1]);
        let mut cases: Vec<Case> = [[1, 1], [1, 7], [129, 1], [67, 3], [65, 4]]
            .into_iter()
            .map(|dims| Case::new(name(dims), SumRows {}).normal(dims))
            .collect();
        // Tails of splits, of blocks and of vectors.
        for dims in [[257, 33], [4099, 36], [2053, 130], [1500, 1]] {
            cases.push(Case::new(name(dims), SumRows {}).normal(dims).forward_only());
        }
        cases.push(Case::new("rank_4", SumRows {}).normal([2, 3, 5, 6]));
        for dims in [vec![128, 26, 26, 32], vec![128, 11, 11, 64], vec![128, 128]] {
            let joined: Vec<String> = dims.iter().map(usize::to_string).collect();
            cases.push(
                Case::new(format!("bench_{}", joined.join("x")), SumRows {}).normal(dims).bench(),
            );
        }
        cases
    }
}

impl OpDef for SumColumns {
    const NAME: &'static str = "sum_columns";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Reduce::SUM_COLUMNS.infer_as(Self::NAME, inputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        Reduce::SUM_COLUMNS.reference(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        lowerings(ReduceFunction::Sum, Over::Columns, &sig.inputs[0], caps)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        SUM_OF_HALVES
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        Reduce::SUM_COLUMNS.vjp_of(v)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        Reduce::SUM_COLUMNS.tolerance_for(&sig.inputs[0])
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let name = |dims: [usize; 2]| format!("{}x{}", dims[0], dims[1]);
        let mut cases: Vec<Case> = [[1, 1], [7, 1], [3, 129], [5, 4]]
            .into_iter()
            .map(|dims| Case::new(name(dims), SumColumns {}).normal(dims))
            .collect();
        for dims in [[33, 257], [3, 5000], [70_001, 3]] {
            cases.push(Case::new(name(dims), SumColumns {}).normal(dims).forward_only());
        }
        cases.push(Case::new("bench_1024x1024", SumColumns {}).normal([1024, 1024]).bench());
        cases
    }
}

impl OpDef for Reduce {
    const NAME: &'static str = "reduce";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        self.infer_as(Self::NAME, inputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (rows, columns) = io.inputs.ty(0).rows_columns();
        for_each_element(io.outputs.float(0), &|o, y| {
            let (first, step, count) = match self.over {
                Over::Rows => (o, columns, rows),
                Over::Columns => (o * columns, 1, columns),
                Over::All => (0, 1, rows * columns),
            };
            let elements = x[first..].iter().step_by(step).take(count).map(|x| x.to_f64());
            *y = T::from_f64(self.combine(elements));
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        lowerings(self.function, self.over, &sig.inputs[0], caps)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        if self.function == ReduceFunction::Sum { SUM_OF_HALVES } else { &[] }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        self.vjp_of(v)
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        self.tolerance_for(&sig.inputs[0])
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for function in [ReduceFunction::Sum, ReduceFunction::Mean, ReduceFunction::Max] {
            for over in [Over::Rows, Over::Columns, Over::All] {
                let prefix = format!("{}_{}", name_of(&function), name_of(&over));
                let case = |name: &str, dims: [usize; 2], fill: Fill| {
                    Case::new(format!("{prefix}_{name}"), Reduce { function, over })
                        .input(TensorType::f32(dims), fill)
                };
                // The error of a sum is judged by the largest output, so that one output must not cancel.
                let positive = || Fill::Uniform(0.1, 1.0);
                let small =
                    || if function == ReduceFunction::Max { Fill::Distinct } else { positive() };
                cases.push(case("small", [5, 8], small()));
                cases.push(case("one", [1, 1], small()));
                cases.push(case("long", [130, 67], positive()).forward_only());
                cases.push(case("non_finite", [71, 11], Fill::Special).forward_only());
            }
        }
        for over in [Over::Rows, Over::Columns, Over::All] {
            let op = Reduce { function: ReduceFunction::Max, over };
            let values = vec![-0.0, 0.0, -1e-40, f32::NEG_INFINITY, -3e38, f32::NEG_INFINITY];
            cases.push(
                Case::new(format!("max_{}_odd", name_of(&over)), op)
                    .input(TensorType::f32([3, 2]), Fill::Floats(values))
                    .forward_only(),
            );
        }
        let million = || TensorType::f32([1 << 20]);
        cases.push(
            Case::new("bench_mean_1048576", Reduce::MEAN)
                .input(million(), Fill::Uniform(0.1, 1.0))
                .bench(),
        );
        cases
    }
}

/// Elements that one task of a host kernel adds, and the most rows of them.
const PART: usize = 1 << 16;
const LONGEST_PART: usize = 1024;

/// Rows of a part.
fn part_rows(columns: usize) -> usize {
    (PART / columns.max(1)).clamp(1, LONGEST_PART)
}

/// Elements of the sums of all parts of `x`.
pub(super) fn elements_of_parts(x: &TensorType) -> usize {
    let (rows, columns) = x.rows_columns();
    rows.div_ceil(part_rows(columns)) * columns
}

/// `y[c] = sum_r x[r, c]`: first those of parts, then theirs.
pub(super) fn sum_in_parts(x: &[f32], parts: &mut [f32], y: &mut [f32]) {
    let (columns, part_rows) = (y.len(), part_rows(y.len()));
    for_each_chunk(parts, columns, &|part, sums| {
        let first = part * part_rows * columns;
        add_rows(&x[first..x.len().min(first + part_rows * columns)], sums);
    });
    add_rows(parts, y);
}

/// `y[c] = sum_r x[r, c]` in the order of the rows, on one thread.
fn add_rows(x: &[f32], y: &mut [f32]) {
    y.fill(0.0);
    for row in x.chunks_exact(y.len().max(1)) {
        for (y, x) in y.iter_mut().zip(row) {
            *y += x;
        }
    }
}
