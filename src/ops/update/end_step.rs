//! The end of a training step: what it leaves behind for the host, in one dispatch.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{
    IGNORED_LABEL, labels_of, of_dtype, operands, rows_of, scalar, single_workgroup, sum_ulps,
};
use crate::ops::loss::accuracy::count_correct;
use crate::ops::update::state::integer;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Records the mean loss and the learning rate of a step, counts its right answers, and advances the
/// counter of steps: what [`crate::ops::MaskedMean`], [`crate::ops::Record`],
/// [`crate::ops::CorrectCount`], [`crate::ops::Accumulate`] and [`crate::ops::Advance`] do one by one.
///
/// Inputs: `losses` `[l]` and `rates` `[l]`, rings of the last values; `correct` u32 `[2]`; `step`
/// u32 `[1]`; `rows` `[n]`, the losses of the batch; `logits` `[n, c]`; `labels` u32 `[n]`; `rate`
/// `[1]`. Outputs, in the places of the first four: `losses'[step % l]`, the mean of the rows that have
/// a label; `rates'[step % l] = rate`; `correct'`, more by the rows whose label is the most likely class
/// and by those that have a label; `step' = step + 1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndStep {}

impl OpDef for EndStep {
    const NAME: &'static str = "end_step";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [losses, rates, correct, step, rows, logits, labels, rate] =
            operands(Self::NAME, inputs)?;
        for (name, ring) in [("losses", losses), ("rates", rates)] {
            of_dtype(Self::NAME, (name, ring), DType::F32)?;
            let [length] = ring.ranked(Self::NAME, name)?;
            if length == 0 {
                return Err(ShapeError::new(Self::NAME, format!("{name} has no entries")));
            }
        }
        of_dtype(Self::NAME, ("correct", correct), DType::U32)?;
        if correct.dims() != [2] {
            let message = format!("correct must have shape [2], it has {}", correct.shape);
            return Err(ShapeError::new(Self::NAME, message));
        }
        scalar(Self::NAME, ("step", step), DType::U32)?;
        scalar(Self::NAME, ("rate", rate), DType::F32)?;
        of_dtype(Self::NAME, ("rows", rows), DType::F32)?;
        let [count] = rows.ranked(Self::NAME, "rows")?;
        labels_of(Self::NAME, count, labels)?;
        let [n, _] = logits.ranked(Self::NAME, "logits")?;
        rows_of(Self::NAME, ("logits", logits))?;
        labels_of(Self::NAME, n, labels)?;
        Ok([losses, rates, correct, step].map(Clone::clone).to_vec())
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (rows, logits) = (io.inputs.float(4), io.inputs.float(5));
        let (labels, rate) = (io.inputs.u32(6), io.inputs.float(7)[0]);
        let [_, columns] = io.inputs.dims(5);
        let [correct, counted] = count_correct(logits, columns, labels, 1);
        let labeled = rows.iter().zip(labels).filter(|&(_, &label)| label != IGNORED_LABEL);
        let sum: f64 = labeled.map(|(row, _)| row.to_f64()).sum();
        let mean = sum / f64::from(counted.max(1));
        let step = io.outputs.u32(3)[0] as usize;
        for (output, value) in [(0, T::from_f64(mean)), (1, rate)] {
            let ring = io.outputs.float(output);
            let at = step % ring.len();
            ring[at] = value;
        }
        for (total, more) in io.outputs.u32(2).iter_mut().zip([correct, counted]) {
            *total = total.wrapping_add(more);
        }
        let step = &mut io.outputs.u32(3)[0];
        *step = step.wrapping_add(1);
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[5].rows_columns();
        let kernel = Kernel::new("end_step")
            .constant("ROWS", rows)
            .constant("COLUMNS", columns)
            .constant("LOSSES", sig.outputs[0].elements())
            .constant("RATES", sig.outputs[1].elements())
            .constant("WORKGROUP_SIZE", single_workgroup(rows))
            .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
            .file(include_str!("../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../shaders/common/exp_log.wgsl"))
            .file(include_str!("../../../shaders/common/batch_tally.wgsl"))
            .file(include_str!("../../../shaders/update/end_step.wgsl"));
        let kernel = (4..8).map(Operand::Input).fold(kernel, Kernel::read);
        let kernel = (0..4).map(Operand::Output).fold(kernel, Kernel::write);
        vec![Lowering::single("one_workgroup", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 1), (2, 2), (3, 3)]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let classes = inputs.get(5).map_or(1, |logits| logits.rows_columns().1);
        let classes = u32::try_from(classes).unwrap_or(u32::MAX);
        let fill =
            |(position, ty)| if position == 6 { Fill::Labels(classes) } else { Fill::any(ty) };
        inputs.iter().enumerate().map(fill).collect()
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Losses are not negative, so that the error is relative; the quotient adds 2.5 ulps.
        Tolerance::ulps(sum_ulps(sig.inputs[4].elements()) + 3.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Rings are written in one place.
        let read: usize = sig.inputs[4..].iter().map(TensorType::bytes).sum();
        Cost {
            flop: (sig.inputs[5].elements() + sig.inputs[4].elements()) as u64,
            bytes: read as u64 + 28,
        }
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, ring: usize, [rows, columns]: [usize; 2], step: u32| {
            let classes = u32::try_from(columns).unwrap_or(u32::MAX);
            let labels = Fill::LabelsOrIgnored(classes);
            given(
                name,
                ring,
                [rows, columns],
                step,
                [Fill::Uniform(0.0, 5.0), Fill::Normal, labels],
            )
        };
        let ignored = Fill::Integers(vec![IGNORED_LABEL; 9]);
        let mut bench = case("bench_128x10", 469, [128, 10], 1000);
        bench = bench.bench();
        vec![
            case("small", 5, [6, 3], 0),
            case("one_row", 1, [1, 1], 7),
            case("odd", 7, [67, 10], 6),
            case("wraps", 7, [129, 5], 7),
            case("largest_step", 10, [256, 2], u32::MAX),
            case("rows_1009", 3, [1009, 7], 100_001),
            case("columns_257", 3, [5, 257], 1),
            case("many_rows", 3, [10_001, 2], 1),
            given(
                "ties",
                4,
                [4, 3],
                2,
                [
                    Fill::Uniform(0.0, 5.0),
                    Fill::Floats(vec![1.0; 12]),
                    Fill::Integers(vec![0, 0, 1, 2]),
                ],
            ),
            given("all_ignored", 4, [9, 2], 2, [Fill::Uniform(0.0, 5.0), Fill::Normal, ignored]),
            given(
                "not_a_number",
                4,
                [3, 2],
                2,
                [
                    Fill::Floats(vec![1.0, f32::NAN, 2.0]),
                    Fill::Floats(vec![f32::NAN, 0.0, 1.0, f32::NAN, f32::INFINITY, 2.0]),
                    Fill::Integers(vec![0, 0, 0]),
                ],
            ),
            bench,
        ]
    }
}

fn given(
    name: &str,
    ring: usize,
    [rows, columns]: [usize; 2],
    step: u32,
    [losses, logits, labels]: [Fill; 3],
) -> Case {
    let (step_type, step_fill) = integer(step);
    Case::new(name, EndStep {})
        .normal([ring])
        .normal([ring])
        .input(TensorType::u32([2]), Fill::Integers(vec![u32::MAX, 5]))
        .input(step_type, step_fill)
        .input(TensorType::f32([rows]), losses)
        .input(TensorType::f32([rows, columns]), logits)
        .input(TensorType::u32([rows]), labels)
        .input(TensorType::f32([1]), Fill::Floats(vec![0.02]))
        .forward_only()
}
