//! One step of an adversarial attack: up the sign of the gradient, within a ball around the image.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature,
};
use crate::ops::kit::{Lanes, of_dtype, operands, same_type, scalar};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `x' = clamp(clamp(x + step_size sign(g), original - epsilon, original + epsilon), 0, 1)`, in
/// place: a step that makes the loss larger, and the projection on the images that differ by at most
/// `epsilon` in each pixel.
///
/// Inputs: `x`, `g` (the gradient of the loss by `x`), `original`, f32 of one shape; `epsilon` and
/// `step_size`, f32 `[1]`, not negative. Output: `x'`, in the place of `x`. The sign of zero and of
/// NaN is zero. Sources: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial
/// Examples", 2014, for one step of `epsilon`; Madry et al., "Towards Deep Learning Models Resistant
/// to Adversarial Attacks", 2017, for several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackStep {}

impl OpDef for AttackStep {
    const NAME: &'static str = "attack_step";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, g, original, epsilon, step_size] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        same_type(Self::NAME, ("x", x), ("g", g))?;
        same_type(Self::NAME, ("x", x), ("original", original))?;
        scalar(Self::NAME, ("epsilon", epsilon), DType::F32)?;
        scalar(Self::NAME, ("step_size", step_size), DType::F32)?;
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (gradient, original) = (io.inputs.float(1), io.inputs.float(2));
        let epsilon = io.inputs.float(3)[0].to_f64();
        let step_size = io.inputs.float(4)[0].to_f64();
        for (i, x) in io.outputs.float(0).iter_mut().enumerate() {
            let (g, center) = (gradient[i].to_f64(), original[i].to_f64());
            let sign = if g > 0.0 {
                1.0
            } else if g < 0.0 {
                -1.0
            } else {
                0.0
            };
            let moved = x.to_f64() + step_size * sign;
            let near = moved.max(center - epsilon).min(center + epsilon);
            *x = T::from_f64(near.clamp(0.0, 1.0));
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("attack_step", sig.outputs[0].elements(), caps, |kernel, _| {
            let kernel = kernel
                .file(include_str!("../../../shaders/common/float_bits_each.wgsl"))
                .file(include_str!("../../../shaders/analysis/attack_step.wgsl"));
            let kernel = (1..5).map(Operand::Input).fold(kernel, Kernel::read);
            kernel.update(Operand::Output(0))
        })
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![HostKernel::new("blocks", |io, _| {
            let (gradient, original) = (io.inputs.float(1), io.inputs.float(2));
            let (epsilon, step_size) = (io.inputs.float(3)[0], io.inputs.float(4)[0]);
            for_each_block(io.outputs.float(0), &|start, x| {
                let operands = gradient[start..].iter().zip(&original[start..]);
                for (x, (&g, center)) in x.iter_mut().zip(operands) {
                    let sign = f32::from(i8::from(g > 0.0) - i8::from(g < 0.0));
                    let near = (*x + step_size * sign).max(center - epsilon).min(center + epsilon);
                    *x = near.clamp(0.0, 1.0);
                }
            });
        })]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let fill = |i: usize| if i == 1 { Fill::Normal } else { Fill::Uniform(0.0, 1.0) };
        (0..inputs.len()).map(fill).collect()
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The result lies between 0 and 1. A product by a sign is exact, and a sum or a difference
        // is rounded by half an ulp of at most two, which is one of one.
        Tolerance::ulps(1.0).plus_absolute_ulps(1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // The sign, a product, three sums and four comparisons.
        Cost::of(sig, 9 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let number =
            |case: Case, value: f32| case.input(TensorType::f32([1]), Fill::Floats(vec![value]));
        let case = |name: &str, dims: &[usize], g: Fill, [epsilon, step_size]: [f32; 2]| {
            let image = TensorType::f32(dims);
            let case = Case::new(name, AttackStep {})
                .input(image.clone(), Fill::Uniform(0.0, 1.0))
                .input(image.clone(), g)
                .input(image, Fill::Uniform(0.0, 1.0))
                .forward_only();
            number(number(case, epsilon), step_size)
        };
        let normal = || Fill::Normal;
        let tiny = vec![0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1e30, -1e30];
        vec![
            case("one_element", &[1], normal(), [0.3, 0.1]),
            case("tail", &[7, 13], normal(), [0.3, 0.1]),
            case("vectors", &[4, 16], normal(), [0.3, 0.1]),
            case("no_ball", &[2, 4, 4, 3], normal(), [0.0, 0.5]),
            case("no_step", &[2, 4, 4, 3], normal(), [0.1, 0.0]),
            case("far", &[2, 5, 5, 1], normal(), [10.0, 7.0]),
            case("signs_of_small_numbers", &[8], Fill::Floats(tiny.clone()), [0.5, 0.25]),
            case("signs_one_by_one", &[7], Fill::Floats(tiny[1..].to_vec()), [0.5, 0.25]),
            case("non_finite", &[129], Fill::Special, [0.2, 0.1]),
            case("non_finite_vectors", &[128], Fill::Special, [0.2, 0.1]),
            case("many_workgroups", &[65_536 * 64 + 3], normal(), [0.2, 0.1]),
            case("bench_128x28x28x1", &[128, 28, 28, 1], normal(), [0.1, 0.01]).bench(),
        ]
    }
}
