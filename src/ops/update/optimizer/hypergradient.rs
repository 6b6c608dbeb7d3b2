//! A learning rate that learns.

use serde::{Deserialize, Serialize};

use super::partial_sums::PartialSums;
use super::{check_arenas, check_numbers, constant, lane_file, widths};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
    runs_of_rows,
};
use crate::ops::kit::{operands, scalar};
use crate::ops::update::state::integer;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Hypergradient descent (Baydin et al., "Online Learning Rate Adaptation with Hypergradient
/// Descent", 2018), for any optimizer: the rate moves against the derivative of the loss with
/// respect to it.
///
/// Inputs: `grads`, `params`, `previous` f32 `[p]`, `rate` f32 `[1]`, `step` u32 `[1]`: the steps
/// completed. Outputs, in the places of the inputs: `previous' = params`, and
/// `rate' = rate + strength sum_i grads[i] u[i]`, at least `floor`; in the first step `rate`.
///
/// `u = (previous - params) / rate` is the direction of the step before: its gradient for SGD, its
/// velocity with momentum, `mhat / (sqrt(vhat) + epsilon)` for Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypergradient {
    /// Rate of the learning of the rate.
    pub strength: f64,
    /// The rate does not fall below this: from zero it could not recover.
    pub floor: f64,
}

/// Invocations of a workgroup, a power of two: the workgroup sums as a binary tree.
const WORKGROUP_SIZE: usize = 256;

/// Elements that an invocation sums, where that takes no more than [`MAX_GROUPS`] workgroups.
const ELEMENTS_PER_INVOCATION: usize = 8;

/// Most workgroups of the first stage: one partial sum for each invocation of the second.
const MAX_GROUPS: usize = WORKGROUP_SIZE;

/// Workgroups of the first stage over `elements`, of one or four floats.
fn groups(elements: usize) -> usize {
    elements.div_ceil(WORKGROUP_SIZE * ELEMENTS_PER_INVOCATION).clamp(1, MAX_GROUPS)
}

impl Hypergradient {
    /// The rate after a step, from `sum_i grads[i] (previous[i] - params[i])`.
    fn moved(&self, rate: f64, sum: f64, step: u32) -> f64 {
        if step == 0 {
            return rate;
        }
        let moved = rate + self.strength * (sum / rate);
        // What is no number stays none.
        if moved < self.floor { self.floor } else { moved }
    }

    /// Both stages, reading `width` floats at a time; the first one for each of the `runs` into which
    /// bindings cut the arenas.
    fn lowering(&self, variant: &str, runs: &[Part], width: usize, caps: &Caps) -> Lowering {
        let sums = PartialSums::new(runs, width, groups, size_of::<f32>());
        let stage = |name: &str, groups: usize| {
            Kernel::new(name)
                .alias("FLOATS", "f32")
                .constant("WORKGROUP_SIZE", WORKGROUP_SIZE)
                .constant("GROUPS", groups)
                .file(include_str!("../../../../shaders/common/workgroup_total.wgsl"))
        };
        let partial = |groups: usize, elements: usize, sums: Operand| {
            stage("hypergradient_partial", groups)
                .constant("ELEMENTS", elements)
                .file(lane_file(width))
                .file(include_str!("../../../../shaders/update/hypergradient_partial.wgsl"))
                .workgroups([u32::try_from(groups).unwrap_or(u32::MAX), 1, 1])
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(Operand::Output(0))
                .write(sums)
        };
        let total = stage("hypergradient_total", sums.groups());
        let total = constant(total, "STRENGTH", self.strength);
        let total = constant(total, "FLOOR", self.floor)
            .file(include_str!("../../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../../shaders/update/hypergradient_total.wgsl"))
            .read(PartialSums::ALL)
            .read(Operand::Input(4))
            .write(Operand::Output(1));
        let arenas = [Operand::Input(0), Operand::Input(1), Operand::Output(0)];
        sums.lowering(variant, &partial, &arenas, total, caps)
    }
}

impl OpDef for Hypergradient {
    const NAME: &'static str = "hypergradient";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [grads, params, previous, rate, step] = operands(Self::NAME, inputs)?;
        let arenas = [("grads", grads), ("params", params), ("previous", previous)];
        check_arenas(Self::NAME, &arenas, 0, &[])?;
        scalar(Self::NAME, ("rate", rate), DType::F32)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        let numbers = [(Self::NAME, self.strength), ("floor", self.floor)];
        check_numbers(Self::NAME, &[], &numbers)?;
        Ok(vec![previous.clone(), rate.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (grads, params) = (io.inputs.float(0), io.inputs.float(1));
        let step = io.inputs.u32(4)[0];
        let [previous, rate] = io.outputs.floats();
        let mut sum = 0.0;
        for ((previous, param), grad) in previous.iter_mut().zip(params).zip(grads) {
            sum += grad.to_f64() * (previous.to_f64() - param.to_f64());
            *previous = *param;
        }
        rate.fill(T::from_f64(self.moved(rate[0].to_f64(), sum, step)));
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.inputs[0].elements();
        let Some(runs) = runs_of_rows(p, &[1], caps) else { return Vec::new() };
        let variants = widths(p);
        variants.map(|(variant, width)| self.lowering(variant, &runs, width, caps)).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let op = self.clone();
        let run = move |io: &mut HostIo<'_, f32>, sums: &mut [f32]| {
            let (grads, params) = (io.inputs.float(0), io.inputs.float(1));
            let step = io.inputs.u32(4)[0];
            let [previous, rate] = io.outputs.floats();
            for_each_chunk_of([sums, previous], [1, BLOCK], &|block, [sum, previous]| {
                let first = block * BLOCK;
                let elements = previous.iter_mut().zip(&params[first..]).zip(&grads[first..]);
                let mut total = 0.0;
                for ((previous, param), grad) in elements {
                    total += f64::from(*grad) * (f64::from(*previous) - f64::from(*param));
                    *previous = *param;
                }
                sum.fill(f32::from_f64(total));
            });
            let sum: f64 = sums.iter().map(|&sum| f64::from(sum)).sum();
            rate.fill(f32::from_f64(op.moved(f64::from(rate[0]), sum, step)));
        };
        let blocks = sig.inputs[0].elements().div_ceil(BLOCK);
        vec![HostKernel::new("blocks", run).with_scratch(blocks)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 2), (1, 3)]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Cases have terms of one sign. A term passes through the additions of one invocation and
        // those of two trees; the quotient takes 2.5 ulps, what remains three rounded operations.
        let p = sig.inputs[0].elements();
        let trees = 2 * WORKGROUP_SIZE.ilog2() as usize;
        let additions = p.div_ceil(groups(p) * WORKGROUP_SIZE) + trees;
        Tolerance::sum_of(additions).plus_ulps(2.5 + 3.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 3 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let learning = |p: usize| Hypergradient {
            // The rate doubles or so: neither the old one nor the sum hides behind the other.
            strength: 0.02 * 0.02 / f64::from(u32::try_from(p).unwrap_or(1)),
            floor: 2e-5,
        };
        let case = |name: &str, op: Hypergradient, p: usize, step: u32, grads: Fill| {
            let (step_type, step_fill) = integer(step);
            Case::new(name, op)
                .input(TensorType::f32([p]), grads)
                .input(TensorType::f32([p]), Fill::Uniform(-1.0, 0.0))
                .input(TensorType::f32([p]), Fill::Uniform(0.5, 1.0))
                .input(TensorType::f32([1]), Fill::Floats(vec![0.02]))
                .input(step_type, step_fill)
                .forward_only()
        };
        let positive = || Fill::Uniform(0.1, 1.0);
        let mut cases: Vec<Case> = super::SIZES
            .into_iter()
            .chain([2049, 8192, 1_000_003])
            .map(|p| case(&format!("rises_{p}"), learning(p), p, 7, positive()))
            .collect();
        cases.push(case("first_step", learning(67), 67, 0, positive()));
        cases.push(case("floor", learning(64), 64, 3, Fill::Uniform(-90.0, -80.0)));
        cases.push(case("fixed", Hypergradient { strength: 0.0, floor: 0.0 }, 8, 3, positive()));
        cases.push(case("non_finite", learning(128), 128, 3, Fill::Special));
        for value in [f32::NAN, f32::INFINITY] {
            let mut grads = vec![1.0; 67];
            grads[50] = value;
            let name = format!("one_{value}").to_lowercase();
            cases.push(case(&name, learning(67), 67, 3, Fill::Floats(grads)));
        }
        for (name, p) in [("mnist_cnn", super::MNIST_CNN), ("cifar_alexnet", super::CIFAR_ALEXNET)]
        {
            cases.push(case(&format!("bench_{name}"), learning(p), p, 100, positive()).bench());
        }
        cases
    }
}
