//! The rows of a step, out of a table on the device: inputs and targets that are no 8-bit images.

use serde::{Deserialize, Serialize};

use super::gather::{order_kernel, place};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{IGNORED_LABEL, of_dtype, operands, scalar};
use crate::ops::update::state::integer;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// The rows of a step, out of a table.
///
/// Inputs: `table` f32 or u32 `[n, ...]`, `order` u32 (the examples of an epoch in their order), `step`
/// u32 `[1]`. Output: `[batch, ...]`, of the table's type.
///
/// Row `i` is row `order[p]` of the table with `p = (step % steps_per_epoch) * batch + i`. Where `order` has
/// no entry `p`, or names an example that does not exist, it is zeros, or [`IGNORED_LABEL`] where the table
/// holds integers. Through a window, which the host refills, row `i` is what lies at position `p`: `order`,
/// as long as the table, only says which example that is, with [`NO_EXAMPLE`](super::NO_EXAMPLE) where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatherRows {
    /// Rows of a batch.
    pub batch: usize,
    /// Steps after which the order starts anew.
    pub steps_per_epoch: usize,
    /// Whether the table is a window onto a larger data set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub windowed: bool,
}

/// Copies rows, and fills those that are absent.
fn copy_rows<T: Copy>(table: &[T], y: &mut [T], row: usize, places: &[Option<usize>], absent: T) {
    for (y, place) in y.chunks_mut(row).zip(places) {
        match place {
            Some(place) => y.copy_from_slice(&table[place * row..][..row]),
            None => y.fill(absent),
        }
    }
}

impl OpDef for GatherRows {
    const NAME: &'static str = "gather_rows";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let error = |message: String| Err(ShapeError::new(Self::NAME, message));
        let [table, order, step] = operands(Self::NAME, inputs)?;
        if ![DType::F32, DType::U32].contains(&table.dtype) {
            return error(format!("table must be f32 or u32, it is {table}"));
        }
        of_dtype(Self::NAME, ("order", order), DType::U32)?;
        let [length] = order.ranked(Self::NAME, "order")?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        let Some((&examples, row)) = table.dims().split_first().filter(|_| table.elements() > 0)
        else {
            return error(format!("table must have rows of at least one element, it is {table}"));
        };
        if self.windowed && length != examples {
            return error(format!("a window of {examples} rows has an order of {length}"));
        }
        let positions = self.batch.saturating_mul(self.steps_per_epoch);
        let outputs = self.batch.saturating_mul(row.iter().product());
        if positions == 0 || [positions, outputs].iter().any(|&n| u32::try_from(n).is_err()) {
            return error(format!(
                "batch {} times steps_per_epoch {} or the elements of a row must be above zero and fit \
                 32 bits",
                self.batch, self.steps_per_epoch
            ));
        }
        let dims: Vec<usize> = [self.batch].into_iter().chain(row.iter().copied()).collect();
        Ok(vec![TensorType { dtype: table.dtype, shape: dims.into() }])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let order = io.inputs.u32(1);
        let first = (io.inputs.u32(2)[0] as usize % self.steps_per_epoch) * self.batch;
        let examples = io.inputs.ty(0).dims()[0];
        let places = (0..self.batch).map(|row| place(order, examples, first + row, self.windowed));
        let places: Vec<Option<usize>> = places.collect();
        let row = io.outputs.ty(0).elements() / self.batch;
        if io.inputs.ty(0).dtype == DType::U32 {
            copy_rows(io.inputs.u32(0), io.outputs.u32(0), row, &places, IGNORED_LABEL);
        } else {
            copy_rows(io.inputs.float(0), io.outputs.float(0), row, &places, T::from_f64(0.0));
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (table, y) = (&sig.inputs[0], &sig.outputs[0]);
        let absent = if table.dtype == DType::U32 { IGNORED_LABEL as usize } else { 0 };
        let lengths = [table.dims()[0], sig.inputs[1].elements()];
        let rows = [self.batch, self.steps_per_epoch];
        let kernel = order_kernel(Self::NAME, rows, lengths, self.windowed)
            .constant("ROW", y.elements() / self.batch)
            .constant("ABSENT", absent)
            .flat(y.elements(), 64, caps)
            .file(include_str!("../../../shaders/batch/gather_rows.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
        if let (Some(table), Some(order)) = (inputs.first(), fills.get_mut(1)) {
            let rows = table.dims().first().copied().unwrap_or(1);
            *order = Fill::Labels(u32::try_from(rows).unwrap_or(u32::MAX));
        }
        fills
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Of the table, only the batch is read.
        Cost { flop: 0, bytes: (2 * sig.outputs[0].bytes() + 4 * self.batch) as u64 }
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, op: GatherRows, table: TensorType, step: u32, order: Fill| {
            let rows = table.dims()[0];
            let fill = if table.dtype == DType::U32 { Fill::Labels(10) } else { Fill::Normal };
            let (step_type, step_fill) = integer(step);
            Case::new(name, op)
                .input(table, fill)
                .input(TensorType::u32([rows]), order)
                .input(step_type, step_fill)
                .forward_only()
        };
        let of = |batch, steps_per_epoch| GatherRows { batch, steps_per_epoch, windowed: false };
        let permuted = || Fill::Permutation;
        let window = GatherRows { windowed: true, ..of(2, 3) };
        let holes = Fill::Integers(vec![70, 3, u32::MAX, 3, 70_000, 0]);
        let unknown = Fill::Integers(vec![4, 5, 0, u32::MAX, 1]);
        let mut special = case("special", of(5, 1), TensorType::f32([5, 40]), 0, permuted());
        special.inputs[0].fill = Fill::Special;
        vec![
            case("one_element", of(1, 1), TensorType::f32([1, 1]), 0, permuted()),
            case("rows_3", of(4, 2), TensorType::f32([8, 3]), 1, permuted()),
            case("integers", of(4, 3), TensorType::u32([9]), 2, permuted()),
            case("maps", of(3, 2), TensorType::u32([6, 4, 5]), 100_000, permuted()),
            case("images", of(3, 2), TensorType::f32([6, 4, 5, 2]), 1, permuted()),
            case("tail", of(4, 3), TensorType::f32([9, 2]), 2, permuted()),
            case("largest_step", of(4, 2), TensorType::f32([9, 2]), u32::MAX, permuted()),
            case("beyond_the_order", of(4, 3), TensorType::f32([5, 3]), 2, permuted()),
            case("order_names_no_example", of(4, 1), TensorType::f32([5, 3]), 0, unknown.clone()),
            case("order_names_no_label", of(4, 1), TensorType::u32([5]), 0, unknown),
            case("window", window.clone(), TensorType::f32([6, 7]), 4, holes.clone()),
            case("window_integers", window, TensorType::u32([6, 2]), 7, holes),
            case("many_workgroups", of(270, 1), TensorType::f32([300, 601]), 0, permuted()),
            special,
            case("bench_256x784", of(256, 30), TensorType::f32([8000, 784]), 5, permuted()).bench(),
        ]
    }
}
