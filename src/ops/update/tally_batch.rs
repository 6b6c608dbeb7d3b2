//! The end of a batch of an evaluation: what is counted of it, in one dispatch.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{
    IGNORED_LABEL, labels_of, of_dtype, rows_of, scalar, single_workgroup, sum_ulps,
};
use crate::ops::loss::accuracy::count_correct;
use crate::ops::update::state::integer;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Adds the losses of a batch, counts its right answers, and advances the counter of batches.
///
/// Inputs: `loss` `[1]`; `correct` u32 `[2]`; `step` u32 `[1]`; where `top` is given, `in_top` u32 `[2]`;
/// then `rows` `[n]`, the losses of the batch, `logits` `[n, c]` and `labels` u32 `[n]`. Outputs, in the
/// places of the first: `loss'`, more by the rows that have a label; `correct'`, more by the rows whose
/// label is the most likely class and by those that have a label; `step' = step + 1`; `in_top'`, more by
/// those whose label is among the `top` most likely classes and by those that have one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyBatch {
    /// Number of classes among which a label also counts, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
}

impl TallyBatch {
    /// Number of states; the losses follow.
    fn states(&self) -> usize {
        if self.top.is_some() { 4 } else { 3 }
    }
}

impl OpDef for TallyBatch {
    const NAME: &'static str = "tally_batch";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let states = self.states();
        let (Some(kept), Some([rows, logits, labels])) =
            (inputs.get(..states), inputs.get(states..))
        else {
            let message = format!("takes {states} states, losses, logits and labels");
            return Err(ShapeError::new(Self::NAME, message));
        };
        scalar(Self::NAME, ("loss", &kept[0]), DType::F32)?;
        scalar(Self::NAME, ("step", &kept[2]), DType::U32)?;
        for (name, counts) in [("correct", kept.get(1)), ("in_top", kept.get(3))] {
            if let Some(counts) = counts.filter(|counts| **counts != TensorType::u32([2])) {
                let message = format!("{name} must be u32[2], it is {counts}");
                return Err(ShapeError::new(Self::NAME, message));
            }
        }
        if self.top == Some(0) {
            return Err(ShapeError::new(Self::NAME, "top must be at least 1"));
        }
        of_dtype(Self::NAME, ("rows", rows), DType::F32)?;
        let [count] = rows.ranked(Self::NAME, "rows")?;
        labels_of(Self::NAME, count, labels)?;
        let [n, _] = logits.ranked(Self::NAME, "logits")?;
        rows_of(Self::NAME, ("logits", logits))?;
        labels_of(Self::NAME, n, labels)?;
        Ok(kept.to_vec())
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let states = self.states();
        let (rows, logits) = (io.inputs.float(states), io.inputs.float(states + 1));
        let labels = io.inputs.u32(states + 2);
        let [_, columns] = io.inputs.dims(states + 1);
        let labeled = rows.iter().zip(labels).filter(|&(_, &label)| label != IGNORED_LABEL);
        let sum: f64 = labeled.map(|(row, _)| row.to_f64()).sum();
        let loss = &mut io.outputs.float(0)[0];
        *loss = T::from_f64(loss.to_f64() + sum);
        for (output, k) in [(1, Some(1)), (3, self.top)] {
            let Some(k) = k else { continue };
            let more = count_correct(logits, columns, labels, k);
            for (total, more) in io.outputs.u32(output).iter_mut().zip(more) {
                *total = total.wrapping_add(more);
            }
        }
        let step = &mut io.outputs.u32(2)[0];
        *step = step.wrapping_add(1);
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let states = self.states();
        let (rows, columns) = sig.inputs[states + 1].rows_columns();
        let top = match self.top {
            None => "fn store_top(counts: vec3<u32>) {}\n",
            Some(_) => {
                "@group(0) @binding(6) var<storage, read_write> in_top: array<u32>;\n\
                 fn store_top(counts: vec3<u32>) {\n\
                 \x20 in_top[0] += counts.z;\n\
                 \x20 in_top[1] += counts.x;\n\
                 }\n"
            }
        };
        let kernel = Kernel::new("tally_batch")
            .constant("ROWS", rows)
            .constant("COLUMNS", columns)
            .constant("K", self.top.unwrap_or(1))
            .constant("WORKGROUP_SIZE", single_workgroup(rows))
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .file(include_str!("../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../shaders/common/exp_log.wgsl"))
            .file(include_str!("../../../shaders/common/batch_tally.wgsl"))
            .file(top)
            .file(include_str!("../../../shaders/update/tally_batch.wgsl"));
        let read = (states..states + 3).map(Operand::Input);
        let kernel = read.fold(kernel, Kernel::read);
        let kernel = (0..states).map(Operand::Output).fold(kernel, Kernel::write);
        vec![Lowering::single("one_workgroup", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        const ALL: &[(usize, usize)] = &[(0, 0), (1, 1), (2, 2), (3, 3)];
        ALL.split_at(self.states()).0
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let states = self.states();
        let classes = inputs.get(states + 1).map_or(1, |logits| logits.rows_columns().1);
        let classes = u32::try_from(classes).unwrap_or(u32::MAX);
        let labels = states + 2;
        let fill = |(at, ty)| if at == labels { Fill::Labels(classes) } else { Fill::any(ty) };
        inputs.iter().enumerate().map(fill).collect()
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Losses are not negative, so that the error is relative; the total rounds once.
        Tolerance::ulps(sum_ulps(sig.inputs[self.states()].elements()) + 1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[self.states() + 1].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (rows, columns, top) in [
            (1, 1, None),
            (6, 3, Some(2)),
            (67, 10, Some(5)),
            (129, 5, None),
            (300, 7, Some(9)),
            (5, 257, Some(5)),
            (10_001, 2, None),
        ] {
            let name = format!("{rows}x{columns}");
            let losses = Fill::Uniform(0.0, 5.0);
            cases.push(given(&name, top, [rows, columns], [losses, Fill::Normal]));
        }
        let losses = Fill::Floats(vec![1.0, f32::NAN, 2.0]);
        let logits = Fill::Floats(vec![f32::NAN, 0.0, 1.0, f32::NAN, f32::INFINITY, 2.0]);
        cases.push(given("not_a_number", Some(1), [3, 2], [losses, logits]));
        let equal = [Fill::Uniform(0.0, 5.0), Fill::Floats(vec![1.0; 12])];
        let mut ties = given("ties", Some(2), [4, 3], equal);
        if let Some(labels) = ties.inputs.last_mut() {
            labels.fill = Fill::Integers(vec![0, 0, 1, 2]);
        }
        cases.push(ties);
        let losses = Fill::Uniform(0.0, 5.0);
        cases.push(given("bench_500x10", Some(5), [500, 10], [losses, Fill::Normal]).bench());
        cases
    }
}

fn given(
    name: &str,
    top: Option<usize>,
    [rows, columns]: [usize; 2],
    [losses, logits]: [Fill; 2],
) -> Case {
    let (step_type, step_fill) = integer(u32::MAX);
    let counts = || (TensorType::u32([2]), Fill::Integers(vec![u32::MAX, 5]));
    let classes = u32::try_from(columns).unwrap_or(u32::MAX);
    let case = Case::new(name, TallyBatch { top })
        .input(TensorType::f32([1]), Fill::Floats(vec![3.5]))
        .input(counts().0, counts().1)
        .input(step_type, step_fill);
    let case = if top.is_some() { case.input(counts().0, counts().1) } else { case };
    case.input(TensorType::f32([rows]), losses)
        .input(TensorType::f32([rows, columns]), logits)
        .input(TensorType::u32([rows]), Fill::LabelsOrIgnored(classes))
        .forward_only()
}
