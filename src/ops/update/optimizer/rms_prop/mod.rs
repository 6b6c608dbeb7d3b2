//! RMSprop, with momentum.

mod cpu;

use serde::{Deserialize, Serialize};

use super::ranges::range_at;
use super::{
    RateRange, check_arenas, check_numbers, check_scalars, constant, rated_lanes, sample_squares,
    widths,
};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::operands;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};
use crate::tensor::{Real, TensorType, Tolerance};

/// One step of RMSprop (Hinton, 2012), in place, as `torch.optim.RMSprop` computes it.
///
/// Inputs: `params`, `grads`, `square`, `velocity` f32 `[p]`, `learning_rate` f32 `[1]`. Outputs:
/// `params'`, `square'`, `velocity'`, in the places of the inputs.
///
/// With `g = grads + weight_decay params`: `square' = alpha square + (1 - alpha) g^2`,
/// `velocity' = momentum velocity + g / (sqrt(square') + epsilon)`,
/// `params' = params - learning_rate velocity'`. Without momentum `velocity` stays as it is, and
/// `g / (sqrt(square') + epsilon)` takes its part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsProp {
    /// Decay of the average of the squared gradients, in [0, 1).
    pub alpha: f64,
    /// Added to the root of the squares' average.
    pub epsilon: f64,
    /// Part of the velocity that stays; zero for none.
    pub momentum: f64,
    /// Strength of the weight decay.
    pub weight_decay: f64,
    /// Elements that get weight decay, from the first on.
    pub decayed: usize,
    /// Learning rates of ranges of the arena; the rate itself behind the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateRange>,
}

impl Default for RmsProp {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self {
            alpha: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            weight_decay: 0.0,
            decayed: 0,
            rates: Vec::new(),
        }
    }
}

impl RmsProp {
    /// The kernel that updates `width` elements per invocation.
    fn update(&self, p: usize, width: usize, caps: &Caps) -> Kernel {
        let with_momentum = self.momentum != 0.0;
        let (name, text) = if with_momentum {
            (
                "rms_prop_momentum",
                include_str!("../../../../../shaders/update/rms_prop_momentum.wgsl"),
            )
        } else {
            ("rms_prop", include_str!("../../../../../shaders/update/rms_prop.wgsl"))
        };
        let numbers = [
            ("ALPHA", self.alpha),
            ("ONE_MINUS_ALPHA", 1.0 - self.alpha),
            ("EPSILON", self.epsilon),
            ("MOMENTUM", self.momentum),
            ("WEIGHT_DECAY", self.weight_decay),
        ];
        let kernel = numbers
            .into_iter()
            .fold(Kernel::new(name), |kernel, (name, value)| constant(kernel, name, value))
            .constant("DECAYED", self.decayed);
        let kernel = rated_lanes(kernel, p, width, caps, &self.rates)
            .file(text)
            .read(Operand::Input(1))
            .read(Operand::Input(4))
            .update(Operand::Output(0))
            .update(Operand::Output(1));
        if with_momentum { kernel.update(Operand::Output(2)) } else { kernel }
    }
}

impl OpDef for RmsProp {
    const NAME: &'static str = "rms_prop";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [params, grads, square, velocity, learning_rate] = operands(Self::NAME, inputs)?;
        let arenas =
            [("params", params), ("grads", grads), ("square", square), ("velocity", velocity)];
        check_arenas(Self::NAME, &arenas, self.decayed, &self.rates)?;
        check_scalars(Self::NAME, learning_rate, None)?;
        let numbers = [
            ("epsilon", self.epsilon),
            ("momentum", self.momentum),
            ("weight_decay", self.weight_decay),
        ];
        check_numbers(Self::NAME, &[("alpha", self.alpha)], &numbers)?;
        Ok(vec![params.clone(), square.clone(), velocity.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let grads = io.inputs.float(1);
        let base_rate = io.inputs.float(4)[0].to_f64();
        let state = io.outputs.floats();
        for_each_chunk_of(state, [BLOCK; 3], &|block, [params, square, velocity]| {
            let elements = params.iter_mut().zip(square).zip(velocity);
            for (i, ((param, square), velocity)) in (block * BLOCK..).zip(elements) {
                let (_, factor) = range_at(&self.rates, i);
                if factor == 0.0 {
                    continue;
                }
                let learning_rate = factor * base_rate;
                let w = param.to_f64();
                let mut g = grads[i].to_f64();
                if i < self.decayed {
                    g += self.weight_decay * w;
                }
                let average = self.alpha * square.to_f64() + (1.0 - self.alpha) * g * g;
                *square = T::from_f64(average);
                let mut direction = g / (average.sqrt() + self.epsilon);
                if self.momentum != 0.0 {
                    direction += self.momentum * velocity.to_f64();
                    *velocity = T::from_f64(direction);
                }
                *param = T::from_f64(w - learning_rate * direction);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.outputs[0].elements();
        widths(p)
            .map(|(variant, width)| Lowering::single(variant, self.update(p, width, caps)))
            .collect()
    }

    fn part(&self, _sig: &Signature, part: Part) -> Option<Self> {
        let (rates, decayed) = super::ranges::of_part(&self.rates, self.decayed, part);
        Some(Self { decayed, rates, ..self.clone() })
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::kernels(self)
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0), (1, 2), (2, 3)]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        sample_squares(inputs, 2)
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Relative error of `g / (sqrt(square') + epsilon)`, in ulps: half the 2 of square',
        // WebGPU's 4.5 for `sqrt`, half for the sum, 2.5 for the division.
        const QUOTIENT: f64 = 8.5;
        // Two terms that can cancel make velocity' and params'; the product brings half an ulp,
        // the factor of a range one.
        Tolerance::sum_of(2).plus_ulps(QUOTIENT + 1.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Decay 2, square 4, quotient 3, step 2; momentum 2 more.
        let per_element = if self.momentum == 0.0 { 11 } else { 13 };
        Cost::of(sig, per_element * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let plain = RmsProp::default();
        let momentum = RmsProp { momentum: 0.9, ..plain.clone() };
        let mut cases = Vec::new();
        for p in super::SIZES {
            cases.push(case(&format!("plain_{p}"), plain.clone(), p, Fill::Normal));
            cases.push(case(&format!("momentum_{p}"), momentum.clone(), p, Fill::Normal));
        }
        for (name, op) in [("plain", &plain), ("momentum", &momentum)] {
            for (part, decayed) in [("none", 0), ("part", 62), ("all", 128)] {
                let op = RmsProp { weight_decay: 0.1, decayed, ..op.clone() };
                cases.push(case(&format!("{name}_decays_{part}"), op, 128, Fill::Normal));
            }
            cases.push(case(&format!("{name}_non_finite"), op.clone(), 128, Fill::Special));
            let zeros = || Fill::Floats(vec![0.0; 8]);
            cases.push(case(&format!("{name}_zero_gradients"), op.clone(), 8, zeros()));
            // The parameters of a unit that never fires: only epsilon prevents 0 / 0.
            let from_rest = format!("{name}_zero_gradients_from_rest");
            cases.push(case_of(&from_rest, op.clone(), 8, zeros(), zeros()));
        }
        for (name, op) in [("plain", &plain), ("momentum", &momentum)] {
            let rates = super::ranges::sample();
            let op = RmsProp { weight_decay: 0.1, decayed: 62, rates, ..op.clone() };
            cases.push(case(&format!("{name}_in_ranges"), op.clone(), 128, Fill::Normal));
            cases.push(case(&format!("{name}_in_ranges_101"), op.clone(), 101, Fill::Normal));
            cases.push(case(&format!("{name}_non_finite_in_ranges"), op, 128, Fill::Special));
        }
        let coarse = RmsProp { alpha: 0.5, epsilon: 0.1, ..momentum.clone() };
        cases.push(case("large_epsilon", coarse.clone(), 67, Fill::Normal));
        for (name, op) in [("plain", &plain), ("momentum", &momentum)] {
            let op = RmsProp { epsilon: 0.0, ..op.clone() };
            cases.push(case(&format!("{name}_without_epsilon"), op, 67, Fill::Normal));
        }
        let coarse_plain = RmsProp { momentum: 0.0, ..coarse };
        cases.push(case("large_epsilon_plain", coarse_plain, 67, Fill::Normal));
        let rates = super::ranges::sample();
        let op = RmsProp { weight_decay: 0.1, decayed: 700, rates, ..momentum.clone() };
        cases.push(case("long", op.clone(), 1501, Fill::Normal));
        cases.push(case("long_vectors", op, 1500, Fill::Normal));
        cases.push(case("many_workgroups", plain, 65_536 * 64 + 3, Fill::Normal));
        for (name, p) in [("mnist_cnn", super::MNIST_CNN), ("cifar_alexnet", super::CIFAR_ALEXNET)]
        {
            let op = RmsProp { weight_decay: 5e-4, decayed: p - 1000, ..momentum.clone() };
            cases.push(case(&format!("bench_{name}"), op, p, Fill::Normal).bench());
        }
        cases
    }
}

fn case(name: &str, op: RmsProp, p: usize, grads: Fill) -> Case {
    case_of(name, op, p, grads, Fill::Uniform(0.1, 2.0))
}

fn case_of(name: &str, op: RmsProp, p: usize, grads: Fill, square: Fill) -> Case {
    Case::new(name, op)
        .normal([p])
        .input(TensorType::f32([p]), grads)
        .input(TensorType::f32([p]), square)
        .normal([p])
        .input(TensorType::f32([1]), Fill::Floats(vec![0.02]))
        .forward_only()
}
