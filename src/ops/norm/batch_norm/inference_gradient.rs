//! Gradient of normalization by given statistics.

use super::channels::{Sizes, joined};
use super::gradient::{channel_gradients, gradient_case, gradient_tolerance};
use super::{BatchNormInferenceGrad, cpu};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Lowering, OpDef, Operand, Signature,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

impl OpDef for BatchNormInferenceGrad {
    const NAME: &'static str = "batch_norm_inference_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, gamma, mean, variance, dy] = operands(Self::NAME, inputs)?;
        let operands = [x, gamma, mean, variance, dy];
        Sizes::check_gradient(Self::NAME, self.epsilon, operands)?;
        Ok(vec![x.clone(), gamma.clone(), gamma.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let dy = io.inputs.float(4);
        let (_, channels) = io.inputs.ty(0).rows_columns();
        let gradients = channel_gradients(io, self.epsilon);
        let [dx, dgamma, dbeta] = io.outputs.floats();
        for_each_chunk(dx, channels, &|row, dx| {
            let dy = &dy[row * channels..][..channels];
            for (c, g) in gradients.iter().enumerate() {
                dx[c] = T::from_f64(g.gamma * g.inverse_deviation * dy[c].to_f64());
            }
        });
        for (c, g) in gradients.iter().enumerate() {
            dgamma[c] = T::from_f64(g.dgamma);
            dbeta[c] = T::from_f64(g.dbeta);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let sizes = Sizes::of(&sig.inputs[0]);
        let lower = |&lanes: &Lanes| {
            let [sums, combine] = sizes.gradient_sums(self.epsilon, lanes, caps);
            let apply = sizes
                .per_block("batch_norm_inference_grad", lanes, caps)
                .constant_f32("EPSILON", self.epsilon)
                .file(include_str!("../../../../shaders/norm/batch_norm_inference_grad.wgsl"))
                .read(Operand::Input(1))
                .read(Operand::Input(3))
                .read(Operand::Input(4))
                .write(Operand::Output(0));
            Lowering {
                variant: lanes.variant("two_stages"),
                scratch: vec![sizes.partial_bytes(); 2],
                kernels: vec![sums, combine, apply],
            }
        };
        Lanes::fitting(sizes.channels).iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::inference_gradient(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0, 4], &[0])];
        FORMS
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        gradient_tolerance(sig)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 5 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let op = || BatchNormInferenceGrad { epsilon: 1e-5 };
        let mut cases = Vec::new();
        for dims in [&[1, 1][..], &[3, 4], &[17, 5], &[2, 3, 4, 3], &[1009, 8]] {
            cases.push(gradient_case(joined(dims), op(), dims, Fill::Normal));
        }
        cases.push(gradient_case("non_finite".to_owned(), op(), &[5, 9], Fill::Special));
        cases.push(
            gradient_case("bench_64x16x16x192".to_owned(), op(), &[64, 16, 16, 192], Fill::Normal)
                .bench(),
        );
        cases
    }
}
