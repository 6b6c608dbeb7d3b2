//! Dynamic loss scaling: gradients are kept within the range of f16 by a factor on the loss.
//!
//! Source: Micikevicius et al., "Mixed Precision Training", 2018, section 3.2; the rule for the
//! factor is that of `torch.amp.GradScaler`.

use serde::{Deserialize, Serialize};

use super::state::integer;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Part, Signature, runs_of_rows,
};
use crate::ops::kit::{Lanes, of_dtype, operands, scalar};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Divides gradients by the factor on the loss, in place, and says whether any of them is no number.
///
/// Inputs: `grads` f32 `[p]`, `scale` f32 `[1]`. Outputs: `grads'` in the place of `grads`, and
/// `overflow` u32 `[1]`: 1 where an element is infinite or NaN, else 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unscale {}

/// Lowers the factor after a step that overflowed, and raises it after many that did not.
///
/// Inputs: `scale` f32 `[1]`; `good_steps`, `skipped` and `updates`, u32 `[1]`; `overflow` u32 `[1]`.
/// Outputs, in the places of the first four inputs: after an overflow `backoff scale`, 0,
/// `skipped + 1` and `updates`; else `scale`, `good_steps + 1`, `skipped` and `updates + 1`, where
/// `good_steps` starts again from 0 when it reaches `interval`, and the scale becomes `growth scale`,
/// unless that is infinite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateLossScale {
    /// Factor of the scale after many good steps.
    pub growth: f32,
    /// Factor of the scale after an overflow.
    pub backoff: f32,
    /// Good steps in a row after which the scale grows.
    pub interval: u32,
}

impl Default for UpdateLossScale {
    /// The numbers of `torch.amp.GradScaler`.
    fn default() -> Self {
        Self { growth: 2.0, backoff: 0.5, interval: 2000 }
    }
}

impl OpDef for Unscale {
    const NAME: &'static str = "unscale";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [grads, scale] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("grads", grads), DType::F32)?;
        let [_] = grads.ranked::<1>(Self::NAME, "grads")?;
        scalar(Self::NAME, ("scale", scale), DType::F32)?;
        Ok(vec![grads.clone(), TensorType::u32([1])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let scale = io.inputs.float(1)[0].to_f64();
        let mut overflow = 0;
        for grad in io.outputs.float(0) {
            if !grad.to_f64().is_finite() {
                overflow = 1;
            }
            *grad = T::from_f64(grad.to_f64() / scale);
        }
        io.outputs.u32(1)[0] = overflow;
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let elements = sig.outputs[0].elements();
        let Some(runs) = runs_of_rows(elements, &[1], caps) else { return Vec::new() };
        let clear = Kernel::new("clear_flag")
            .file(include_str!("../../../shaders/update/clear_flag.wgsl"))
            .write(Operand::Output(1));
        let unscale = |lanes: Lanes, run: Part| {
            let mut kernel = lanes
                .declare(Kernel::new("unscale"))
                .flat(run.count / lanes.count(), 64, caps)
                .file(include_str!("../../../shaders/common/float_bits_each.wgsl"))
                .file(include_str!("../../../shaders/update/unscale.wgsl"))
                .read(Operand::Input(1))
                .write(Operand::Output(0))
                .write(Operand::Output(1));
            if runs.len() > 1 {
                kernel.bindings[1] = kernel.bindings[1].part(run);
            }
            kernel
        };
        let variants = Lanes::fitting(elements).iter().map(|&lanes| {
            let parts = runs.iter().map(|&run| unscale(lanes, run));
            Lowering {
                variant: lanes.variant("one_per_thread"),
                scratch: Vec::new(),
                kernels: [clear.clone()].into_iter().chain(parts).collect(),
            }
        });
        variants.collect()
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // WebGPU grants the inverse 2.5 ulps; the product is rounded, and the reference.
        Tolerance::ulps(3.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, p: usize, grads: Fill, scale: f32| {
            Case::new(name, Unscale {})
                .input(TensorType::f32([p]), grads)
                .input(TensorType::f32([1]), Fill::Floats(vec![scale]))
                .forward_only()
        };
        let one = |name: &str, value: f32| {
            let mut values = vec![1.0; 1028];
            values[777] = value;
            case(name, values.len(), Fill::Floats(values), 1024.0)
        };
        vec![
            case("one", 1, Fill::Normal, 65_536.0),
            case("odd", 67, Fill::Normal, 65_536.0),
            case("vectors", 252, Fill::Normal, 3.0),
            case("non_finite", 300, Fill::Special, 0.5),
            case("long", 1501, Fill::Normal, 4.0),
            one("one_nan", f32::NAN),
            one("one_infinity", f32::INFINITY),
            one("one_negative_infinity", f32::NEG_INFINITY),
            one("largest_is_finite", f32::MAX),
            case("many_workgroups", 65_536 * 64 + 3, Fill::Normal, 2.0),
            case("bench_mnist_cnn", 232_704, Fill::Normal, 65_536.0).bench(),
        ]
    }
}

impl OpDef for UpdateLossScale {
    const NAME: &'static str = "update_loss_scale";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [scale, good_steps, skipped, updates, overflow] = operands(Self::NAME, inputs)?;
        scalar(Self::NAME, ("scale", scale), DType::F32)?;
        for count in [("good_steps", good_steps), ("skipped", skipped), ("updates", updates)] {
            scalar(Self::NAME, count, DType::U32)?;
        }
        scalar(Self::NAME, ("overflow", overflow), DType::U32)?;
        let positive = |factor: f32| factor.is_finite() && factor > 0.0;
        if !positive(self.growth) || !positive(self.backoff) || self.interval == 0 {
            let message = format!(
                "growth, backoff and interval must be positive numbers, they are {}, {} and {}",
                self.growth, self.backoff, self.interval
            );
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(inputs[..4].to_vec())
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let overflow = io.inputs.u32(4)[0] != 0;
        let scale = io.outputs.float(0)[0].to_f64();
        let good_steps = io.outputs.u32(1)[0].wrapping_add(1);
        let grows = !overflow && good_steps == self.interval;
        let factor = if overflow {
            self.backoff
        } else if grows && scale * f64::from(self.growth) <= f64::from(f32::MAX) {
            self.growth
        } else {
            1.0
        };
        io.outputs.float(0)[0] = T::from_f64(scale * f64::from(factor));
        io.outputs.u32(1)[0] = if overflow || grows { 0 } else { good_steps };
        let counted = if overflow { 2 } else { 3 };
        let count = &mut io.outputs.u32(counted)[0];
        *count = count.wrapping_add(1);
    }

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new("update_loss_scale")
            .constant_f32("GROWTH", self.growth)
            .constant_f32("BACKOFF", self.backoff)
            .constant_f32("LARGEST", f32::MAX / self.growth.max(1.0))
            .constant("INTERVAL", self.interval as usize)
            .file(include_str!("../../../shaders/update/update_loss_scale.wgsl"))
            .read(Operand::Input(4));
        let kernel = (0..4).map(Operand::Output).fold(kernel, Kernel::write);
        vec![Lowering::single("one_invocation", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 1), (2, 2), (3, 3)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::ulps(1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 1)
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, scale: f32, counts: [u32; 3], overflow: u32| {
            let op = UpdateLossScale { interval: 5, ..UpdateLossScale::default() };
            let scaled = Case::new(name, op)
                .input(TensorType::f32([1]), Fill::Floats(vec![scale]))
                .forward_only();
            let integers = counts.into_iter().chain([overflow]).map(integer);
            integers.fold(scaled, |case, (ty, fill)| case.input(ty, fill))
        };
        vec![
            case("good", 65_536.0, [0, 3, 7], 0),
            case("grows", 65_536.0, [4, 0, 11], 0),
            case("overflow", 65_536.0, [4, 0, 11], 1),
            case("stays_finite", 2e38, [4, 1, 2], 0),
            case("grows_to_the_largest", f32::MAX / 2.0, [4, 1, 2], 0),
            case("overflow_when_small", 1.0, [0, 30, 2], 1),
        ]
    }
}
