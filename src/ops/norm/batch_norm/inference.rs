//! Normalization by given statistics, for evaluation.

use std::sync::Arc;

use super::channels::{Sizes, joined};
use super::{BatchNormInference, BatchNormInferenceGrad, NormTail, cpu};
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Lowering, Op,
    OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

impl OpDef for BatchNormInference {
    const NAME: &'static str = "batch_norm_inference";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let inputs = self.tail.split(Self::NAME, inputs)?;
        let [x, gamma, beta, mean, variance] = operands(Self::NAME, inputs)?;
        let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
        Sizes::check(Self::NAME, self.epsilon, x, &vectors)?;
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let (_, channels) = io.inputs.ty(0).rows_columns();
        let epsilon = f64::from(self.epsilon);
        let residual = self.tail.residual.then(|| io.inputs.float(5));
        for_each_chunk(io.outputs.float(0), channels, &|row, y| {
            let x = &x[row * channels..][..channels];
            for (c, (y, x)) in y.iter_mut().zip(x).enumerate() {
                let deviation = (variance[c].to_f64() + epsilon).sqrt();
                let normalized = (x.to_f64() - mean[c].to_f64()) / deviation;
                let scaled = normalized * gamma[c].to_f64() + beta[c].to_f64();
                *y = self.tail.apply(scaled, residual.map(|r| r[row * channels + c]));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let channels = Sizes::of(&sig.inputs[0]).channels;
        let lower = |&lanes: &Lanes| {
            let vectors = [1, 2, 3, 4].map(Operand::Input);
            let kernel = self.tail.apply_kernel(sig, self.epsilon, lanes, vectors, caps);
            Lowering::single(&lanes.variant("rows_per_thread"), kernel)
        };
        Lanes::fitting(channels).iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::inference(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const WITH_RESIDUAL: &[HalfForm] = &[HalfForm::new(&[0, 5], &[0])];
        if self.tail.residual { WITH_RESIDUAL } else { HalfForm::FIRST }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dz = self.tail.gradient(v, dy)?;
        let op = BatchNormInferenceGrad { epsilon: self.epsilon };
        let operands = [v.x(0), v.x(1), v.x(3), v.x(4), dz];
        let gradients: [_; 3] = v.push_multi(op, &operands)?;
        for (i, gradient) in gradients.into_iter().enumerate() {
            v.set(i, gradient);
        }
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Square root and division have 2.5 ulp each; the sum of both signs rounds relative to its
        // terms, which are of the size of one in the cases.
        let activation = self.tail.activation;
        Tolerance::ulps(8.0 + activation.ulps())
            .plus_absolute_ulps(16.0 + activation.absolute_ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let tail = usize::from(self.tail.residual);
        Cost::of(sig, (3 + tail) * sig.inputs[0].elements())
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        let tail = self.tail.with(epilogue)?;
        Some(Arc::new(Self { tail, ..self.clone() }))
    }

    fn cases() -> Vec<Case> {
        let with_tail = |name: String, tail: NormTail, epsilon: f32, dims: &[usize], x: Fill| {
            let channels = dims.last().copied().unwrap_or(1);
            Case::new(name, BatchNormInference { epsilon, tail })
                .input(TensorType::f32(dims), x)
                .normal([channels])
                .normal([channels])
                .normal([channels])
                .input(TensorType::f32([channels]), Fill::Uniform(0.5, 2.0))
                .constant(3)
                .constant(4)
        };
        let case = |name: String, epsilon: f32, dims: &[usize], x: Fill| {
            with_tail(name, NormTail::default(), epsilon, dims, x)
        };
        let mut cases = Vec::new();
        for (residual, activation) in [(true, Activation::Identity), (true, Activation::Relu)] {
            for dims in [[2, 3, 5, 3], [2, 3, 5, 8]] {
                let name = format!("tail_{activation:?}_{}", joined(&dims)).to_lowercase();
                let tail = NormTail { residual, activation };
                let spoiled =
                    with_tail(format!("non_finite_{name}"), tail, 1e-5, &dims, Fill::Normal);
                let added = (TensorType::f32(dims), Fill::Special);
                cases.push(spoiled.input(added.0, added.1).forward_only());
                cases.push(with_tail(name, tail, 1e-5, &dims, Fill::Normal).normal(dims));
            }
        }
        for activation in [Activation::Relu, Activation::Relu6, Activation::Tanh] {
            for dims in [[5, 9], [5, 12]] {
                let name = format!("non_finite_{activation:?}_{}", joined(&dims)).to_lowercase();
                let tail = NormTail { residual: false, activation };
                cases.push(with_tail(name, tail, 1e-5, &dims, Fill::Special).forward_only());
            }
        }
        for dims in [&[1, 1][..], &[1, 7], &[17, 5], &[9, 8], &[2, 3, 4, 3], &[5, 1, 2, 4]] {
            cases.push(case(joined(dims), 1e-5, dims, Fill::Normal));
        }
        cases.push(case("large_epsilon".to_owned(), 0.1, &[7, 3], Fill::Normal));
        cases.push(case("non_finite".to_owned(), 1e-5, &[5, 12], Fill::Special).forward_only());
        for dims in [&[128, 26, 26, 32][..], &[64, 16, 16, 192], &[128, 128]] {
            cases.push(case(format!("bench_{}", joined(dims)), 1e-5, dims, Fill::Normal).bench());
        }
        cases
    }
}
