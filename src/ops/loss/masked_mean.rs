//! The mean of per-row losses over the rows that have a label.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{IGNORED_LABEL, labels_of, of_dtype, operands, single_workgroup, sum_ulps};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Mean of the rows that are not ignored, 0 when all are. Inputs: rows f32 `[n]`, labels u32
/// `[n]`. Output: `[1]`.
///
/// A value of an ignored row is not read into the sum, not even a NaN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedMean {}

/// Gradient of [`MaskedMean`]: `dy / max(1, count)` for the rows that are not ignored, else 0.
/// Inputs: labels u32 `[n]`, dy `[1]`. Output: `[n]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedMeanGrad {}

/// Number of labels that are not ignored, at least one, as a divisor.
fn divisor(labels: &[u32]) -> f64 {
    let count = labels.iter().filter(|&&label| label != IGNORED_LABEL).count();
    f64::from(u32::try_from(count.max(1)).expect("labels are indexed by u32"))
}

/// A kernel of one workgroup over `rows` labels.
fn one_workgroup(name: &str, rows: usize) -> Kernel {
    Kernel::new(name)
        .constant("ROWS", rows)
        .constant("WORKGROUP_SIZE", single_workgroup(rows))
        .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
        .read(Operand::Input(0))
        .read(Operand::Input(1))
        .write(Operand::Output(0))
}

impl OpDef for MaskedMean {
    const NAME: &'static str = "masked_mean";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [rows, labels] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("rows", rows), DType::F32)?;
        let [count] = rows.ranked(Self::NAME, "rows")?;
        labels_of(Self::NAME, count, labels)?;
        Ok(vec![TensorType::f32([1])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (rows, labels) = (io.inputs.float(0), io.inputs.u32(1));
        let counted = rows.iter().zip(labels).filter(|&(_, &label)| label != IGNORED_LABEL);
        let sum: f64 = counted.map(|(row, _)| row.to_f64()).sum();
        io.outputs.float(0).fill(T::from_f64(sum / divisor(labels)));
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = one_workgroup("masked_mean", sig.inputs[0].elements())
            .file(include_str!("../../../shaders/loss/masked_mean.wgsl"));
        vec![Lowering::single("one_workgroup", kernel)]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let labels = v.x(1);
        let drows = v.push(MaskedMeanGrad {}, &[labels, dy])?;
        v.set(0, drows);
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Losses are not negative, so that the error is relative; the quotient adds 2.5 ulps.
        Tolerance::ulps(sum_ulps(sig.inputs[0].elements()) + 3.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let rows = |n: usize| (TensorType::f32([n]), Fill::Uniform(0.0, 5.0));
        let case = |name: String, n: usize, labels: Fill| {
            let (ty, fill) = rows(n);
            Case::new(name, MaskedMean {}).input(ty, fill).input(TensorType::u32([n]), labels)
        };
        let mut cases: Vec<Case> =
            ROWS.into_iter().map(|n| case(format!("{n}"), n, Fill::LabelsOrIgnored(10))).collect();
        cases.push(case("all_counted".to_owned(), 100, Fill::Labels(10)));
        cases.push(case("all_ignored".to_owned(), 9, Fill::Integers(vec![IGNORED_LABEL; 9])));
        cases.push(
            Case::new("ignored_nan", MaskedMean {})
                .input(TensorType::f32([3]), Fill::Floats(vec![1.5, f32::NAN, 2.0]))
                .input(TensorType::u32([3]), Fill::Integers(vec![0, IGNORED_LABEL, 7]))
                .forward_only(),
        );
        cases.push(
            Case::new("counted_nan", MaskedMean {})
                .input(TensorType::f32([3]), Fill::Floats(vec![1.5, f32::NAN, 2.0]))
                .input(TensorType::u32([3]), Fill::Integers(vec![0, 1, 7]))
                .forward_only(),
        );
        cases.push(case("many_rows".to_owned(), 70_001, Fill::LabelsOrIgnored(10)).forward_only());
        cases.push(case("bench_128".to_owned(), 128, Fill::Labels(10)).bench());
        cases
    }
}

impl OpDef for MaskedMeanGrad {
    const NAME: &'static str = "masked_mean_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [labels, dy] = operands(Self::NAME, inputs)?;
        let [rows] = labels.ranked(Self::NAME, "labels")?;
        labels_of(Self::NAME, rows, labels)?;
        of_dtype(Self::NAME, ("dy", dy), DType::F32)?;
        if dy.dims() != [1] {
            return Err(ShapeError::new(
                Self::NAME,
                format!("dy must have shape [1], it has {}", dy.shape),
            ));
        }
        Ok(vec![TensorType::f32([rows])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (labels, dy) = (io.inputs.u32(0), io.inputs.float(1));
        let share = dy.first().map_or(0.0, |dy| dy.to_f64()) / divisor(labels);
        for (row, &label) in io.outputs.float(0).iter_mut().zip(labels) {
            *row = T::from_f64(if label == IGNORED_LABEL { 0.0 } else { share });
        }
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = one_workgroup("masked_mean_grad", sig.inputs[0].elements())
            .file(include_str!("../../../shaders/loss/masked_mean_grad.wgsl"));
        vec![Lowering::single("one_workgroup", kernel)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // WebGPU grants division 2.5 ulp.
        Tolerance::ulps(2.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: String, n: usize, labels: Fill| {
            Case::new(name, MaskedMeanGrad {})
                .input(TensorType::u32([n]), labels)
                .normal([1])
                .forward_only()
        };
        let mut cases: Vec<Case> =
            ROWS.into_iter().map(|n| case(format!("{n}"), n, Fill::LabelsOrIgnored(10))).collect();
        cases.push(case("all_ignored".to_owned(), 9, Fill::Integers(vec![IGNORED_LABEL; 9])));
        cases.push(case("many_rows".to_owned(), 70_001, Fill::LabelsOrIgnored(10)));
        cases.push(case("bench_128".to_owned(), 128, Fill::Labels(10)).bench());
        cases
    }
}

/// Numbers of rows that fill no workgroup, one, or one and a part.
const ROWS: [usize; 4] = [1, 37, 256, 1009];
