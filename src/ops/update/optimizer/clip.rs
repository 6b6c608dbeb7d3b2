//! Gradients limited before they are applied: by their common norm, or one by one.

use serde::{Deserialize, Serialize};

use super::{check_arenas, check_numbers, lanes, widths};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::{operands, scalar};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `grads' = grads min(1, max_norm / (norm + 1e-6))`, in place, as
/// `torch.nn.utils.clip_grad_norm_` computes it.
///
/// Inputs: `grads` f32 `[p]`, `norm` f32 `[1]`. A norm of NaN makes all gradients NaN; under an
/// infinite one the finite gradients become zero and the others NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipByNorm {
    /// Largest norm.
    pub max_norm: f32,
}

/// `grads' = min(max(grads, -limit), limit)`, in place, as `torch.nn.utils.clip_grad_value_`
/// computes it: a NaN stays, an infinity becomes the limit. Input: `grads` f32 `[p]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipByValue {
    /// Largest magnitude.
    pub limit: f32,
}

/// What PyTorch adds to the norm, so that a norm of zero can be divided by.
const STABILIZER: f32 = 1e-6;

impl OpDef for ClipByNorm {
    const NAME: &'static str = "clip_by_norm";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [grads, norm] = operands(Self::NAME, inputs)?;
        check_arenas(Self::NAME, &[("grads", grads)], 0, &[])?;
        scalar(Self::NAME, ("norm", norm), DType::F32)?;
        check_numbers(Self::NAME, &[], &[("max_norm", self.max_norm.into())])?;
        Ok(vec![grads.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let norm = io.inputs.float(1)[0].to_f64();
        let ratio = f64::from(self.max_norm) / (norm + f64::from(STABILIZER));
        // Not f64::min, which would hide a NaN.
        let scale = if ratio > 1.0 { 1.0 } else { ratio };
        for_each_block(io.outputs.float(0), &|_, grads| {
            for grad in grads {
                *grad = T::from_f64(scale * grad.to_f64());
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.outputs[0].elements();
        let kernel = |width| {
            let kernel = Kernel::new("clip_by_norm")
                .constant_f32("MAX_NORM", self.max_norm)
                .constant_f32("STABILIZER", STABILIZER);
            lanes(kernel, p, width, caps)
                .file(include_str!("../../../../shaders/update/clip_by_norm.wgsl"))
                .read(Operand::Input(1))
                .update(Operand::Output(0))
        };
        widths(p).map(|(variant, width)| Lowering::single(variant, kernel(width))).collect()
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let max_norm = self.max_norm;
        vec![HostKernel::new("blocks", move |io, _| {
            let ratio = max_norm / (io.inputs.float(1)[0] + STABILIZER);
            // Not f32::min, which would hide a NaN.
            let scale = if ratio > 1.0 { 1.0 } else { ratio };
            for_each_block(io.outputs.float(0), &|_, grads| {
                for grad in grads {
                    *grad *= scale;
                }
            });
        })]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // WebGPU's 2.5 ulps for the division, half each for a sum and a product.
        Tolerance::ulps(3.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, p: usize, norm: f32, grads: Fill| {
            Case::new(name, ClipByNorm { max_norm: 0.3 })
                .input(TensorType::f32([p]), grads)
                .input(TensorType::f32([1]), Fill::Floats(vec![norm]))
                .forward_only()
        };
        let mut cases: Vec<Case> = super::SIZES
            .into_iter()
            .map(|p| case(&format!("shrinks_{p}"), p, 7.0, Fill::Normal))
            .collect();
        for (name, norm) in [
            ("zero", 0.0),
            ("below", 0.2),
            ("equal", 0.3),
            ("huge", 1e30),
            ("infinite", f32::INFINITY),
            ("nan", f32::NAN),
        ] {
            cases.push(case(&format!("norm_{name}"), 64, norm, Fill::Normal));
            cases.push(case(&format!("norm_{name}_non_finite"), 127, norm, Fill::Special));
        }
        cases.push(case("long", 1501, 0.5, Fill::Normal));
        cases.push(case("many_workgroups", 65_536 * 64 + 3, 1.0, Fill::Normal));
        cases.push(case("bench_mnist_cnn", super::MNIST_CNN, 5.0, Fill::Normal).bench());
        cases
    }
}

impl OpDef for ClipByValue {
    const NAME: &'static str = "clip_by_value";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [grads] = operands(Self::NAME, inputs)?;
        check_arenas(Self::NAME, &[("grads", grads)], 0, &[])?;
        check_numbers(Self::NAME, &[], &[("limit", self.limit.into())])?;
        Ok(vec![grads.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let limit = f64::from(self.limit);
        for_each_block(io.outputs.float(0), &|_, grads| {
            for grad in grads {
                // f64::clamp keeps a NaN.
                *grad = T::from_f64(grad.to_f64().clamp(-limit, limit));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.outputs[0].elements();
        let kernel = |width| {
            let kernel = Kernel::new("clip_by_value").constant_f32("LIMIT", self.limit);
            lanes(kernel, p, width, caps)
                .file(include_str!("../../../../shaders/update/clip_by_value.wgsl"))
                .update(Operand::Output(0))
        };
        widths(p).map(|(variant, width)| Lowering::single(variant, kernel(width))).collect()
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let limit = self.limit;
        vec![HostKernel::new("blocks", move |io, _| {
            for_each_block(io.outputs.float(0), &|_, grads| {
                for grad in grads {
                    // f32::clamp keeps a NaN.
                    *grad = grad.clamp(-limit, limit);
                }
            });
        })]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, p: usize, limit: f32, grads: Fill| {
            Case::new(name, ClipByValue { limit }).input(TensorType::f32([p]), grads).forward_only()
        };
        let mut cases: Vec<Case> = super::SIZES
            .into_iter()
            .map(|p| case(&format!("normal_{p}"), p, 0.7, Fill::Normal))
            .collect();
        cases.push(case("limit_zero", 12, 0.0, Fill::Normal));
        cases.push(case("non_finite", 128, 0.1, Fill::Special));
        cases.push(case("non_finite_tail", 127, 0.1, Fill::Special));
        cases.push(case("long", 1501, 0.5, Fill::Normal));
        cases.push(case("many_workgroups", 65_536 * 64 + 3, 1.0, Fill::Normal));
        cases.push(case("bench_mnist_cnn", super::MNIST_CNN, 0.5, Fill::Normal).bench());
        cases
    }
}
