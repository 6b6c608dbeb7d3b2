//! Counts how often each class is taken for each other one.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{IGNORED_LABEL, labels_of, of_dtype, operands};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `total'[l, p] = total[l, p] + rows with label l and prediction p`, in place, modulo 2^32. Inputs:
/// `total` u32 `[classes, classes]`, `predictions` u32 `[n]`, `labels` u32 `[n]`. Rows whose label or
/// prediction is no class, such as [`IGNORED_LABEL`], are not counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfusionMatrix {}

impl OpDef for ConfusionMatrix {
    const NAME: &'static str = "confusion_matrix";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [total, predictions, labels] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("total", total), DType::U32)?;
        let [rows, columns] = total.ranked(Self::NAME, "total")?;
        if rows != columns || rows == 0 {
            let shape = &total.shape;
            let message = format!("total must be [classes, classes], it is {shape}");
            return Err(ShapeError::new(Self::NAME, message));
        }
        of_dtype(Self::NAME, ("predictions", predictions), DType::U32)?;
        let [n] = predictions.ranked(Self::NAME, "predictions")?;
        labels_of(Self::NAME, n, labels)?;
        Ok(vec![total.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let [classes, _] = io.inputs.dims(0);
        let (predictions, labels) = (io.inputs.u32(1), io.inputs.u32(2));
        let total = io.outputs.u32(0);
        for (&prediction, &label) in predictions.iter().zip(labels) {
            let (label, prediction) = (label as usize, prediction as usize);
            if label < classes && prediction < classes {
                let count = &mut total[label * classes + prediction];
                *count = count.wrapping_add(1);
            }
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new("confusion_matrix")
            .constant("CLASSES", sig.inputs[0].dims()[0])
            .flat(sig.inputs[1].elements(), 64, caps)
            .file(include_str!("../../../shaders/loss/confusion_matrix.wgsl"))
            .read(Operand::Input(1))
            .read(Operand::Input(2))
            .write(Operand::Output(0));
        vec![Lowering::single("row_per_thread", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let classes = inputs.first().and_then(|total| total.dims().last().copied()).unwrap_or(1);
        let bound = u32::try_from(classes).unwrap_or(u32::MAX);
        vec![Fill::Labels(1000), Fill::Labels(bound), Fill::LabelsOrIgnored(bound)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Labels and predictions are read, and one count of each row is read and written.
        let rows = sig.inputs[1].elements() as u64;
        Cost { flop: rows, bytes: 16 * rows }
    }

    fn cases() -> Vec<Case> {
        let case = |rows: usize, classes: usize| {
            let bound = u32::try_from(classes).unwrap_or(u32::MAX);
            Case::new(format!("{rows}_of_{classes}"), ConfusionMatrix {})
                .input(TensorType::u32([classes, classes]), Fill::Labels(1000))
                .input(TensorType::u32([rows]), Fill::Labels(bound))
                .input(TensorType::u32([rows]), Fill::LabelsOrIgnored(bound))
                .forward_only()
        };
        let given = |name: &str, total: [u32; 4], predictions: &[u32], labels: &[u32]| {
            let integers = |values: &[u32]| Fill::Integers(values.to_vec());
            Case::new(name, ConfusionMatrix {})
                .input(TensorType::u32([2, 2]), integers(&total))
                .input(TensorType::u32([predictions.len()]), integers(predictions))
                .input(TensorType::u32([labels.len()]), integers(labels))
                .forward_only()
        };
        let mut cases: Vec<Case> = [(1, 1), (5, 3), (64, 10), (129, 10), (70, 101), (4099, 2)]
            .into_iter()
            .map(|(rows, classes)| case(rows, classes))
            .collect();
        // More invocations than one dimension of a dispatch has workgroups for.
        cases.push(case(65_536 * 64 + 3, 2));
        cases.push(given("no_class", [0, 1, 2, 3], &[0, 2, 1], &[2, 1, u32::MAX - 1]));
        cases.push(given("all_ignored", [4, 5, 6, 7], &[0, 1], &[IGNORED_LABEL; 2]));
        cases.push(given("wraps", [u32::MAX, 0, 0, 0], &[0, 0], &[0, 0]));
        let mut bench = case(128, 10).bench();
        bench.name = "bench_128_of_10".to_owned();
        cases.push(bench);
        cases
    }
}
