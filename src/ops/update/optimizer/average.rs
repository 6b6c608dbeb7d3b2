//! The moving average of all parameters, which evaluation may use in their place.

use serde::{Deserialize, Serialize};

use super::{check_arenas, check_numbers, constant, lanes, widths};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::{operands, scalar};
use crate::ops::update::state::integer;
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `average' = average + w (params - average)`, in place, where `w` is the larger of `1 - decay` and
/// `9 / (10 + step)`: at first the average forgets faster, so that initial values do not linger (as
/// TensorFlow's `ExponentialMovingAverage` with a number of updates).
///
/// Inputs: `average`, `params` f32 `[p]`, `step` u32 `[1]`: the steps completed before this one.
/// Output: `average'`, in the place of `average`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightAverage {
    /// Part of the average that stays, in [0, 1).
    pub decay: f64,
}

impl WeightAverage {
    /// Weight of the parameters after `step` steps.
    fn weight(&self, step: u32) -> f64 {
        (1.0 - self.decay).max(9.0 / (10.0 + f64::from(step)))
    }
}

impl OpDef for WeightAverage {
    const NAME: &'static str = "weight_average";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [average, params, step] = operands(Self::NAME, inputs)?;
        check_arenas(Self::NAME, &[("average", average), ("params", params)], 0, &[])?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        check_numbers(Self::NAME, &[("decay", self.decay)], &[])?;
        Ok(vec![average.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let weight = self.weight(io.inputs.u32(2)[0]);
        let params = io.inputs.float(1);
        for (average, param) in io.outputs.float(0).iter_mut().zip(params) {
            let old = average.to_f64();
            *average = T::from_f64(old + weight * (param.to_f64() - old));
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.outputs[0].elements();
        widths(p)
            .map(|(variant, width)| {
                let kernel =
                    constant(Kernel::new("weight_average"), "ONE_MINUS_DECAY", 1.0 - self.decay);
                let kernel = lanes(kernel, p, width, caps)
                    .file(include_str!("../../../../shaders/update/weight_average.wgsl"))
                    .read(Operand::Input(1))
                    .read(Operand::Input(2))
                    .update(Operand::Output(0));
                Lowering::single(variant, kernel)
            })
            .collect()
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        vec![HostKernel::new("blocks", move |io, _| {
            let weight = f32::from_f64(op.weight(io.inputs.u32(2)[0]));
            let params = io.inputs.float(1);
            for_each_block(io.outputs.float(0), &|first, average| {
                for (average, param) in average.iter_mut().zip(&params[first..]) {
                    *average += weight * (param - *average);
                }
            });
        })]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The average and two terms of the product; its weight is a rounded sum and WebGPU's 2.5
        // ulps for a division.
        Tolerance::sum_of(3).plus_ulps(3.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 3 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, decay: f64, p: usize, step: u32, params: Fill| {
            let (step_type, step_fill) = integer(step);
            Case::new(name, WeightAverage { decay })
                .normal([p])
                .input(TensorType::f32([p]), params)
                .input(step_type, step_fill)
                .forward_only()
        };
        let mut cases: Vec<Case> = super::SIZES
            .into_iter()
            .map(|p| case(&format!("slow_{p}"), 0.999, p, 100_000, Fill::Normal))
            .collect();
        for step in [0, 1, 8990, 8991, u32::MAX] {
            cases.push(case(&format!("at_step_{step}"), 0.999, 67, step, Fill::Normal));
        }
        cases.push(case("long", 0.9, 1501, 9, Fill::Normal));
        cases.push(case("none", 0.0, 64, 5, Fill::Normal));
        cases.push(case("non_finite", 0.9, 128, 200, Fill::Special));
        cases.push(case("many_workgroups", 0.99, 65_536 * 64 + 3, 1000, Fill::Normal));
        for (name, p) in [("mnist_cnn", super::MNIST_CNN), ("cifar_alexnet", super::CIFAR_ALEXNET)]
        {
            cases.push(case(&format!("bench_{name}"), 0.999, p, 10_000, Fill::Normal).bench());
        }
        cases
    }
}
