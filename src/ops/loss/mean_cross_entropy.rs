//! Cross-entropy of softmax from integer labels, with the gradient of its mean in the same kernel.

use serde::{Deserialize, Serialize};

use super::softmax_cross_entropy::SoftmaxCrossEntropy;
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{IGNORED_LABEL, row_lowerings, sample_labels, scalar};
use crate::tensor::parallel::for_each_chunk_of;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `loss[r]` as [`SoftmaxCrossEntropy`] gives it, and `gradient[r, c] = residual[r, c] seed / count`,
/// the derivative of the mean of the losses: `count` is the number of labels that are not ignored, at
/// least one.
///
/// Inputs: logits `[n, c]`, labels u32 `[n]`, and perhaps `seed` f32 `[1]`, else one. Outputs: loss
/// `[n]`, gradient `[n, c]`. `compile` makes it of the loss and what follows from the gradient of its
/// mean.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeanCrossEntropy {
    /// The losses.
    pub losses: SoftmaxCrossEntropy,
}

impl MeanCrossEntropy {
    /// Most rows: every workgroup counts the labels by itself.
    pub const MAX_ROWS: usize = 4096;
}

/// What every residual is multiplied by.
fn share(labels: &[u32], seed: f64) -> f64 {
    let count = labels.iter().filter(|&&label| label != IGNORED_LABEL).count();
    seed / f64::from(u32::try_from(count.max(1)).expect("labels are indexed by u32"))
}

impl OpDef for MeanCrossEntropy {
    const NAME: &'static str = "mean_cross_entropy";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let (own, seed) = inputs.split_at(inputs.len().min(2));
        let outputs = OpDef::infer(&self.losses, own)?;
        match seed {
            [] => {}
            [seed] => scalar(Self::NAME, ("seed", seed), DType::F32)?,
            _ => return Err(ShapeError::new(Self::NAME, "takes logits, labels and a seed")),
        }
        let rows = outputs[0].elements();
        if rows > Self::MAX_ROWS {
            let message = format!("takes at most {} rows, not {rows}", Self::MAX_ROWS);
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(outputs)
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let seed = if io.inputs.count() > 2 { io.inputs.float(2)[0].to_f64() } else { 1.0 };
        let (logits, labels) = (io.inputs.float(0), io.inputs.u32(1));
        let [_, columns] = io.inputs.dims(0);
        let share = share(labels, seed);
        let [loss, gradient] = io.outputs.floats();
        for_each_chunk_of([loss, gradient], [1, columns], &|row, [loss, gradient]| {
            let logits = &logits[row * columns..][..columns];
            loss[0] = T::from_f64(self.losses.row(logits, labels[row], gradient));
            for gradient in gradient {
                *gradient = T::from_f64(gradient.to_f64() * share);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let seed = match sig.inputs.len() {
            0..=2 => "fn seed() -> f32 { return 1.0; }\n",
            _ => {
                "@group(0) @binding(4) var<storage, read> seeds: array<f32>;\n\
                 fn seed() -> f32 { return seeds[0]; }\n"
            }
        };
        let kernel = self
            .losses
            .declare(Kernel::new("mean_cross_entropy"), columns)
            .file(seed)
            .file(include_str!("../../../shaders/loss/mean_cross_entropy.wgsl"))
            .file(include_str!("../../../shaders/loss/softmax_cross_entropy.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0))
            .write(Operand::Output(1));
        let kernel = (2..sig.inputs.len()).map(Operand::Input).fold(kernel, Kernel::read);
        row_lowerings(&kernel, rows, columns, caps)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills = sample_labels(&inputs[..inputs.len().min(2)]);
        fills.extend(inputs.iter().skip(2).map(Fill::any));
        fills
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // WebGPU grants the quotient 2.5 ulp, and the product rounds.
        OpDef::tolerance(&self.losses, sig).plus_ulps(3.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let losses = OpDef::cost(&self.losses, sig);
        Cost { flop: losses.flop + sig.inputs[0].elements() as u64, ..losses }
    }

    fn cases() -> Vec<Case> {
        let rows = |case: &Case| case.inputs[0].ty.dims()[0];
        let plain = SoftmaxCrossEntropy::cases().into_iter().filter(|c| rows(c) <= Self::MAX_ROWS);
        let mut cases: Vec<Case> = plain
            .map(|plain| {
                let losses = plain.op.downcast_ref::<SoftmaxCrossEntropy>().cloned();
                let op = MeanCrossEntropy { losses: losses.unwrap_or_default() };
                let mut case = Case::new(plain.name.clone(), op);
                case.inputs = plain.inputs;
                case.bench = plain.bench;
                case.forward_only()
            })
            .collect();
        for (name, rows, seed) in [("seeded", 67, 1024.0), ("seeded_backward", 300, -0.5)] {
            cases.push(
                Case::new(name, MeanCrossEntropy::default())
                    .normal([rows, 10])
                    .input(TensorType::u32([rows]), Fill::LabelsOrIgnored(10))
                    .input(TensorType::f32([1]), Fill::Floats(vec![seed]))
                    .forward_only(),
            );
        }
        cases
    }
}
