//! Exponential average of the statistics of batches, for evaluation.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature,
};
use crate::ops::kit::{of_dtype, operands, same_type};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `running' = (1 - momentum) running + momentum scale value`, in place.
///
/// Inputs: `running` and `value`, of one shape. Output: `running'`, in the memory of `running`.
/// With `scale = n / (n - 1)` a biased variance over `n` values becomes the unbiased one, as
/// `torch.nn.BatchNorm2d` keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningAverage {
    /// Weight of the new value, from 0 to 1.
    pub momentum: f32,
    /// Factor of the new value.
    pub scale: f32,
}

impl RunningAverage {
    /// Factors of the old and of the new value.
    fn weights(&self) -> (f64, f64) {
        let momentum = f64::from(self.momentum);
        (1.0 - momentum, momentum * f64::from(self.scale))
    }
}

impl OpDef for RunningAverage {
    const NAME: &'static str = "running_average";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [running, value] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("running", running), DType::F32)?;
        same_type(Self::NAME, ("running", running), ("value", value))?;
        if !(0.0..=1.0).contains(&self.momentum) || !self.scale.is_finite() {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "momentum must lie in [0, 1] and scale be finite, they are {} and {}",
                    self.momentum, self.scale
                ),
            ));
        }
        Ok(vec![running.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (keep, add) = self.weights();
        let value = io.inputs.float(1);
        for (running, value) in io.outputs.float(0).iter_mut().zip(value) {
            *running = T::from_f64(keep * running.to_f64() + add * value.to_f64());
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (keep, add) = self.weights();
        let kernel = Kernel::new("running_average")
            .constant_f32("KEEP", f32::from_f64(keep))
            .constant_f32("ADD", f32::from_f64(add))
            .flat(sig.outputs[0].elements(), 64, caps)
            .file(include_str!("../../../shaders/update/running_average.wgsl"))
            .read(Operand::Input(1))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let (keep, add) = self.weights();
        let (keep, add) = (f32::from_f64(keep), f32::from_f64(add));
        vec![HostKernel::new("loop", move |io, _| {
            let value = io.inputs.float(1);
            for (running, value) in io.outputs.float(0).iter_mut().zip(value) {
                *running = keep * *running + add * value;
            }
        })]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Two rounded weights, two products and a sum of both signs, of terms of the size of one.
        Tolerance::ulps(3.0).plus_absolute_ulps(8.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 3 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, momentum: f32, scale: f32, dims: &[usize]| {
            Case::new(name, RunningAverage { momentum, scale })
                .normal(dims)
                .normal(dims)
                .forward_only()
        };
        vec![
            case("one_element", 0.1, 1.0, &[1]),
            case("tail", 0.1, 1.0, &[67]),
            Case::new("non_finite", RunningAverage { momentum: 0.1, scale: 1.0 })
                .normal([41])
                .input(TensorType::f32([41]), Fill::NonFinite)
                .forward_only(),
            case("unbiased", 0.1, 128.0 / 127.0, &[32]),
            case("momentum_0", 0.0, 1.0, &[5]),
            case("momentum_1", 1.0, 2.0, &[5]),
        ]
    }
}
