//! How much each row counts in a loss, by the class of its label.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{IGNORED_LABEL, labels_of, operands, single_workgroup, sum_ulps};
use crate::tensor::{Real, TensorType, Tolerance};

/// The factor on the loss of each row: `w[label]`; where `normalized`, times `count / sum of w[label]` over
/// the rows that have a label, so that the mean of the products is `sum w l / sum w`, as the `weight` of
/// PyTorch's cross-entropy.
///
/// Input: labels u32 `[n]`. Output: f32 `[n]`, 0 for labels that are no class, ignored ones among them, and
/// where all weights that were met are 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassWeights {
    /// Weight of each class; finite, not negative.
    pub weights: Vec<f32>,
    /// Whether weights are relative to those of the other rows.
    pub normalized: bool,
}

impl ClassWeights {
    /// Most classes: the text of the kernel holds the weights.
    pub const MOST_CLASSES: usize = 4096;

    fn of(&self, label: u32) -> f64 {
        self.weights.get(label as usize).map_or(0.0, |&weight| f64::from(weight))
    }

    /// The weights as a WGSL array.
    fn table(&self) -> String {
        // The debug form of f32 is the shortest text that reads back as the same value.
        let weights: Vec<String> =
            self.weights.iter().map(|weight| format!("{weight:?}")).collect();
        format!("const WEIGHTS = array<f32, {}>({});\n", weights.len(), weights.join(", "))
    }
}

impl OpDef for ClassWeights {
    const NAME: &'static str = "class_weights";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [labels] = operands(Self::NAME, inputs)?;
        let [rows] = labels.ranked(Self::NAME, "labels")?;
        labels_of(Self::NAME, rows, labels)?;
        let (count, most) = (self.weights.len(), Self::MOST_CLASSES);
        if count == 0 || count > most {
            let message = format!("expected the weights of 1 to {most} classes, there are {count}");
            return Err(ShapeError::new(Self::NAME, message));
        }
        if let Some(weight) = self.weights.iter().find(|&&w| !(w >= 0.0 && w.is_finite())) {
            let message = format!("weights must be finite and not negative, one is {weight}");
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(vec![TensorType::f32([rows])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let labels = io.inputs.u32(0);
        let counted = || labels.iter().filter(|&&label| (label as usize) < self.weights.len());
        let total: f64 = counted().map(|&label| self.of(label)).sum();
        let count: f64 = counted().map(|_| 1.0).sum();
        let share = match (self.normalized, total == 0.0) {
            (true, true) => 0.0,
            (true, false) => count / total,
            (false, _) => 1.0,
        };
        for (factor, &label) in io.outputs.float(0).iter_mut().zip(labels) {
            *factor = T::from_f64(self.of(label) * share);
        }
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let rows = sig.inputs[0].elements();
        let kernel = Kernel::new("class_weights")
            .constant("ROWS", rows)
            .constant("CLASSES", self.weights.len())
            .constant("WORKGROUP_SIZE", single_workgroup(rows))
            .constant("NORMALIZED", usize::from(self.normalized))
            .file(&self.table())
            .file(include_str!("../../../shaders/loss/class_weights.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_workgroup", kernel)]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Weights are not negative, so that the error of their sum is relative; the quotient adds 2.5 ulps,
        // the product a half.
        let sum = if self.normalized { sum_ulps(sig.inputs[0].elements()) + 2.5 } else { 0.0 };
        Tolerance::ulps(sum + 0.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 2 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let op = |weights: &[f32], normalized| Self { weights: weights.to_vec(), normalized };
        let uneven = [0.25, 3.0, 1.0e-3, 0.0, 7.5, 1.0, 2.0, 0.125, 11.0, 0.7];
        let case = |name: &str, op: Self, n: usize, labels: Fill| {
            Case::new(name, op).input(TensorType::u32([n]), labels).forward_only()
        };
        let some = || Fill::LabelsOrIgnored(10);
        let mut cases: Vec<Case> = [1, 37, 256, 1009]
            .into_iter()
            .map(|n| case(&format!("{n}"), op(&uneven, true), n, some()))
            .collect();
        cases.extend([
            case("not_normalized", op(&uneven, false), 300, some()),
            case("one_class", op(&[3.0], true), 5, Fill::LabelsOrIgnored(1)),
            case("all_ignored", op(&uneven, true), 9, Fill::Integers(vec![IGNORED_LABEL; 9])),
            case("all_weigh_nothing", op(&uneven, true), 4, Fill::Integers(vec![3; 4])),
            case("no_class", op(&uneven, true), 5, Fill::Integers(vec![9, 10, 11, 0, 1])),
            case("many_rows", op(&uneven, true), 70_001, some()),
            case("bench_128", op(&uneven, true), 128, Fill::Labels(10)).bench(),
        ]);
        cases
    }
}
