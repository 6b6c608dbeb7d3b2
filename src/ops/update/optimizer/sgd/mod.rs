//! Stochastic gradient descent, with momentum.

mod cpu;

use serde::{Deserialize, Serialize};

use super::ranges::range_at;
use super::{RateRange, check_arenas, check_numbers, check_scalars, constant, rated_lanes, widths};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::operands;
use crate::ops::update::state::integer;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};
use crate::tensor::{Real, TensorType, Tolerance};

/// One step of stochastic gradient descent, in place, as `torch.optim.SGD` computes it.
///
/// Inputs: `params`, `grads`, `velocity` f32 `[p]`, `learning_rate` f32 `[1]`, `step` u32 `[1]`:
/// the steps completed before this one. Outputs: `params'`, `velocity'`, in the places of the
/// inputs.
///
/// With `g = grads + weight_decay params`: `velocity' = g` in the first step, then
/// `momentum velocity + (1 - dampening) g`; `params' = params - learning_rate velocity'`, or with
/// Nesterov's momentum `params - learning_rate (g + momentum velocity')` (Sutskever et al., 2013).
/// Without momentum `velocity` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Part of the velocity that stays; zero for none.
    pub momentum: f64,
    /// Part of the gradient that does not enter the velocity.
    pub dampening: f64,
    /// Whether the gradient is taken where the velocity leads; needs momentum without dampening.
    pub nesterov: bool,
    /// Strength of the weight decay.
    pub weight_decay: f64,
    /// Elements that get weight decay, from the first on.
    pub decayed: usize,
    /// Learning rates of ranges of the arena; the rate itself behind the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateRange>,
}

impl Sgd {
    /// The kernel that updates `width` elements per invocation.
    fn update(&self, p: usize, width: usize, caps: &Caps) -> Kernel {
        let with_momentum = self.momentum != 0.0;
        let (name, text) = if with_momentum {
            ("sgd_momentum", include_str!("../../../../../shaders/update/sgd_momentum.wgsl"))
        } else {
            ("sgd", include_str!("../../../../../shaders/update/sgd.wgsl"))
        };
        let numbers = [
            ("MOMENTUM", self.momentum),
            ("ONE_MINUS_DAMPENING", 1.0 - self.dampening),
            ("WEIGHT_DECAY", self.weight_decay),
        ];
        let kernel = numbers
            .into_iter()
            .fold(Kernel::new(name), |kernel, (name, value)| constant(kernel, name, value))
            .constant("NESTEROV", usize::from(self.nesterov))
            .constant("DECAYED", self.decayed);
        let kernel = rated_lanes(kernel, p, width, caps, &self.rates)
            .file(text)
            .read(Operand::Input(1))
            .read(Operand::Input(3));
        if with_momentum {
            kernel.read(Operand::Input(4)).update(Operand::Output(0)).update(Operand::Output(1))
        } else {
            kernel.update(Operand::Output(0))
        }
    }
}

impl OpDef for Sgd {
    const NAME: &'static str = "sgd";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [params, grads, velocity, learning_rate, step] = operands(Self::NAME, inputs)?;
        let arenas = [("params", params), ("grads", grads), ("velocity", velocity)];
        check_arenas(Self::NAME, &arenas, self.decayed, &self.rates)?;
        check_scalars(Self::NAME, learning_rate, Some(step))?;
        let numbers = [
            ("momentum", self.momentum),
            ("dampening", self.dampening),
            ("weight_decay", self.weight_decay),
        ];
        check_numbers(Self::NAME, &[], &numbers)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "nesterov needs momentum above zero and no dampening, they are {} and {}",
                    self.momentum, self.dampening
                ),
            ));
        }
        Ok(vec![params.clone(), velocity.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let grads = io.inputs.float(1);
        let base_rate = io.inputs.float(3)[0].to_f64();
        let first_step = io.inputs.u32(4)[0] == 0;
        let state = io.outputs.floats();
        for_each_chunk_of(state, [BLOCK; 2], &|block, [params, velocity]| {
            for (i, (param, velocity)) in (block * BLOCK..).zip(params.iter_mut().zip(velocity)) {
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
                let mut direction = g;
                if self.momentum != 0.0 {
                    let v = if first_step {
                        g
                    } else {
                        self.momentum * velocity.to_f64() + (1.0 - self.dampening) * g
                    };
                    *velocity = T::from_f64(v);
                    direction = if self.nesterov { g + self.momentum * v } else { v };
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
        &[(0, 0), (1, 2)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The parameter, its decay, the gradient and the velocity are added; the factor of a range
        // is rounded once.
        Tolerance::sum_of(4).plus_ulps(1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Decay, step, and with momentum the velocity, Nesterov's form included: two each.
        let per_element = if self.momentum == 0.0 { 4 } else { 9 };
        Cost::of(sig, per_element * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let plain = Sgd::default();
        let momentum = Sgd { momentum: 0.9, ..plain.clone() };
        let dampened = Sgd { dampening: 0.5, ..momentum.clone() };
        let nesterov = Sgd { nesterov: true, ..momentum.clone() };
        let mut cases = Vec::new();
        for p in super::SIZES {
            cases.push(case(&format!("plain_{p}"), plain.clone(), p, 3));
            cases.push(case(&format!("nesterov_{p}"), nesterov.clone(), p, 3));
        }
        for (name, op) in [("plain", &plain), ("momentum", &momentum)] {
            for (part, decayed) in [("none", 0), ("part", 62), ("all", 128)] {
                let op = Sgd { weight_decay: 0.1, decayed, ..op.clone() };
                cases.push(case(&format!("{name}_decays_{part}"), op, 128, 10));
            }
        }
        for (name, op) in
            [("momentum", &momentum), ("dampened", &dampened), ("nesterov", &nesterov)]
        {
            for step in [0, 1, 100_000] {
                cases.push(case(&format!("{name}_at_step_{step}"), op.clone(), 65, step));
            }
        }
        cases.push(with("non_finite", momentum.clone(), 128, 2, [Fill::Special, Fill::Normal]));
        cases.push(with("non_finite_plain", plain.clone(), 128, 2, [Fill::Special, Fill::Normal]));
        // The first step must not look at the velocity.
        cases.push(with("first_step", nesterov.clone(), 128, 0, [Fill::Normal, Fill::Special]));
        for (name, op) in [("plain", &plain), ("nesterov", &nesterov)] {
            let rates = super::ranges::sample();
            let op = Sgd { weight_decay: 0.1, decayed: 62, rates, ..op.clone() };
            cases.push(case(&format!("{name}_in_ranges"), op.clone(), 128, 10));
            cases.push(case(&format!("{name}_in_ranges_101"), op.clone(), 101, 0));
            let grads = [Fill::Special, Fill::Normal];
            cases.push(with(&format!("{name}_non_finite_in_ranges"), op, 128, 10, grads));
        }
        let rates = super::ranges::sample();
        let op = Sgd { weight_decay: 0.1, decayed: 700, rates, ..momentum.clone() };
        cases.push(case("long", op.clone(), 1501, 10));
        cases.push(case("long_vectors", op.clone(), 1500, 0));
        cases.push(case("long_vectors_later", op, 1500, 10));
        cases.push(case("many_workgroups", plain, 65_536 * 64 + 3, 4));
        for (name, p) in [("mnist_cnn", super::MNIST_CNN), ("cifar_alexnet", super::CIFAR_ALEXNET)]
        {
            let op = Sgd { weight_decay: 5e-4, decayed: p - 1000, ..momentum.clone() };
            cases.push(case(&format!("bench_{name}"), op, p, 100).bench());
        }
        cases
    }
}

fn case(name: &str, op: Sgd, p: usize, step: u32) -> Case {
    with(name, op, p, step, [Fill::Normal, Fill::Normal])
}

fn with(name: &str, op: Sgd, p: usize, step: u32, [grads, velocity]: [Fill; 2]) -> Case {
    let (step_type, step_fill) = integer(step);
    Case::new(name, op)
        .normal([p])
        .input(TensorType::f32([p]), grads)
        .input(TensorType::f32([p]), velocity)
        .input(TensorType::f32([1]), Fill::Floats(vec![0.1]))
        .input(step_type, step_fill)
        .forward_only()
}
