//! Adam and AdamW.

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
use crate::ops::update::state::integer;
use crate::tensor::parallel::{BLOCK, for_each_chunk_of};
use crate::tensor::{Real, TensorType, Tolerance};

/// One step of Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and Hutter, 2019), in place, as
/// `torch.optim.Adam` and `torch.optim.AdamW` compute it.
///
/// Inputs: `params`, `grads`, `m`, `v` f32 `[p]`, `learning_rate` f32 `[1]`, `step` u32 `[1]`: the
/// steps completed before this one. Outputs: `params'`, `m'`, `v'`, in the places of the inputs.
///
/// With `t = step + 1`: `m' = beta1 m + (1 - beta1) g`, `v' = beta2 v + (1 - beta2) g^2`,
/// `params' = params - learning_rate mhat / (sqrt(vhat) + epsilon)`, where
/// `mhat = m' / (1 - beta1^t)` and `vhat = v' / (1 - beta2^t)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Decay of the average of the gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the average of the squared gradients, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the squares' average.
    pub epsilon: f64,
    /// Strength of the weight decay.
    pub weight_decay: f64,
    /// Whether weights decay apart from the gradient (AdamW), or through it (Adam).
    pub decoupled: bool,
    /// Elements that get weight decay, from the first on.
    pub decayed: usize,
    /// Learning rates of ranges of the arena; the rate itself behind the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateRange>,
}

impl Default for Adam {
    /// PyTorch's defaults, without weight decay.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            decayed: 0,
            rates: Vec::new(),
        }
    }
}

impl Adam {
    /// The kernel that computes what all elements share.
    fn rates(&self) -> Kernel {
        let kernel = constant(Kernel::new("adam_rates"), "WEIGHT_DECAY", self.weight_decay);
        kernel
            .file(&complements_table(self.beta1, self.beta2))
            .file(include_str!("../../../../../shaders/update/adam_corrections.wgsl"))
            .file(include_str!("../../../../../shaders/update/adam_rates.wgsl"))
            .read(Operand::Input(4))
            .read(Operand::Input(5))
            .write(Operand::Scratch(0))
    }

    /// The kernel that updates `width` elements per invocation, with what all share given or
    /// computed in each.
    fn update(&self, p: usize, width: usize, given: bool, caps: &Caps) -> Kernel {
        let numbers = [
            ("BETA1", self.beta1),
            ("BETA2", self.beta2),
            ("ONE_MINUS_BETA1", 1.0 - self.beta1),
            ("ONE_MINUS_BETA2", 1.0 - self.beta2),
            ("EPSILON", self.epsilon),
            ("WEIGHT_DECAY", self.weight_decay),
        ];
        let kernel = numbers
            .into_iter()
            .fold(Kernel::new("adam"), |kernel, (name, value)| constant(kernel, name, value))
            .constant("DECOUPLED", usize::from(self.decoupled))
            .constant("DECAYED", self.decayed);
        let kernel = rated_lanes(kernel, p, width, caps, &self.rates)
            .file(include_str!("../../../../../shaders/update/adam.wgsl"))
            .read(Operand::Input(1))
            .update(Operand::Output(0))
            .update(Operand::Output(1))
            .update(Operand::Output(2));
        if given {
            return kernel
                .file(include_str!("../../../../../shaders/update/adam_rates_given.wgsl"))
                .read(Operand::Scratch(0));
        }
        kernel
            .file(&complements_table(self.beta1, self.beta2))
            .file(include_str!("../../../../../shaders/update/adam_corrections.wgsl"))
            .file(include_str!("../../../../../shaders/update/adam_rates_here.wgsl"))
            .read(Operand::Input(4))
            .read(Operand::Input(5))
    }
}

/// `1 - beta^(2^k)` of both betas for every bit `k` of a step count, as a WGSL array.
fn complements_table(beta1: f64, beta2: f64) -> String {
    // 1 - beta^(2a) = c (2 - c), where c = 1 - beta^a: free of cancellation.
    let pairs = std::iter::successors(Some([1.0 - beta1, 1.0 - beta2]), |pair| {
        Some(pair.map(|c| c * (2.0 - c)))
    });
    let texts: Vec<String> = pairs
        .take(32)
        .map(|pair| {
            let [first, second] = pair.map(f32::from_f64);
            format!("vec2<f32>({first:?}, {second:?})")
        })
        .collect();
    format!("const COMPLEMENTS = array<vec2<f32>, 32>({});\n", texts.join(", "))
}

impl OpDef for Adam {
    const NAME: &'static str = "adam";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [params, grads, m, v, learning_rate, step] = operands(Self::NAME, inputs)?;
        let arenas = [("params", params), ("grads", grads), ("m", m), ("v", v)];
        check_arenas(Self::NAME, &arenas, self.decayed, &self.rates)?;
        check_scalars(Self::NAME, learning_rate, Some(step))?;
        check_numbers(
            Self::NAME,
            &[("beta1", self.beta1), ("beta2", self.beta2)],
            &[("epsilon", self.epsilon), ("weight_decay", self.weight_decay)],
        )?;
        Ok(vec![params.clone(), m.clone(), v.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let grads = io.inputs.float(1);
        let base_rate = io.inputs.float(4)[0].to_f64();
        let t = f64::from(io.inputs.u32(5)[0]) + 1.0;
        let correction1 = 1.0 - self.beta1.powf(t);
        let correction2 = 1.0 - self.beta2.powf(t);
        let state = io.outputs.floats();
        for_each_chunk_of(state, [BLOCK; 3], &|block, [params, m, v]| {
            let elements = params.iter_mut().zip(m).zip(v);
            for (i, ((param, m), v)) in (block * BLOCK..).zip(elements) {
                let (_, factor) = range_at(&self.rates, i);
                if factor == 0.0 {
                    continue;
                }
                let learning_rate = factor * base_rate;
                let mut w = param.to_f64();
                let mut g = grads[i].to_f64();
                if i < self.decayed && self.decoupled {
                    w *= 1.0 - learning_rate * self.weight_decay;
                } else if i < self.decayed {
                    g += self.weight_decay * w;
                }
                let m_new = self.beta1 * m.to_f64() + (1.0 - self.beta1) * g;
                let v_new = self.beta2 * v.to_f64() + (1.0 - self.beta2) * g * g;
                let denominator = v_new.sqrt() / correction2.sqrt() + self.epsilon;
                *param = T::from_f64(w - learning_rate / correction1 * m_new / denominator);
                *m = T::from_f64(m_new);
                *v = T::from_f64(v_new);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        /// Bytes of the factors that all elements share: three floats.
        const RATES_BYTES: usize = 12;
        let p = sig.outputs[0].elements();
        let two = widths(p).map(|(variant, width)| Lowering {
            variant: variant.to_owned(),
            scratch: vec![RATES_BYTES],
            kernels: vec![self.rates(), self.update(p, width, true, caps)],
        });
        let one = widths(p).map(|(variant, width)| {
            let kernel = self.update(p, width, false, caps);
            Lowering::single(&format!("{variant}_alone"), kernel)
        });
        let (two, one) = (two.collect(), one.collect());
        // A software GPU starts a dispatch in no time, and has few lanes to compute rates with.
        let best: [Vec<Lowering>; 2] = if caps.prefers_loops() { [two, one] } else { [one, two] };
        best.into_iter().flatten().collect()
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
        sample_squares(inputs, 3)
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Relative error of the update, in ulps. The bias corrections: each of their additions
        // brings 2 and halves what came before, hence 4. WebGPU grants `sqrt` 4.5 and a division
        // 2.5. First rate: 4 + 2.5; second rate: 4 / 2 + 4.5 + 2.5; root of v': 4.5; two
        // products, a sum and a division: 1.5 + 2.5; m' and v': 2 each. The factor of a range: one.
        const UPDATE: f64 = 27.0;
        // The sums that make params' and m' have two terms that can cancel. Cases keep updates
        // well below the parameters, so that the error of the update is small beside them.
        Tolerance::sum_of(2).plus_ulps(UPDATE)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // The arithmetic of one element without decay: 3 + 4 + 5.
        Cost::of(sig, 12 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let plain = Adam::default();
        let decay = Adam { weight_decay: 0.1, ..plain.clone() };
        let decoupled = Adam { decoupled: true, ..decay.clone() };
        let mut cases = Vec::new();
        for p in super::SIZES {
            cases.push(case(&format!("plain_{p}"), plain.clone(), p, 0));
        }
        for (name, op) in [("adam", &decay), ("adamw", &decoupled)] {
            for (part, decayed) in [("none", 0), ("part", 62), ("all", 128)] {
                let op = Adam { decayed, ..op.clone() };
                cases.push(case(&format!("{name}_decays_{part}"), op, 128, 10));
            }
        }
        for step in [1, 2, 6, 999, 100_000, u32::MAX] {
            cases.push(case(&format!("at_step_{step}"), plain.clone(), 64, step));
        }
        for (name, op) in [("adam", &decay), ("adamw", &decoupled)] {
            let op = Adam { decayed: 33, ..op.clone() };
            cases.push(from_rest(&format!("{name}_from_rest"), op, 67, Fill::Normal));
        }
        // The parameters of a unit that never fires: only epsilon stands between 0 / 0 and them.
        let zeros = Fill::Floats(vec![0.0; 8]);
        cases.push(from_rest("zero_gradients_from_rest", plain.clone(), 8, zeros));
        let slow = Adam { beta1: 0.0, beta2: 0.999_99, epsilon: 0.1, ..plain.clone() };
        cases.push(case("other_betas", slow, 64, 12_345));
        let without_epsilon = Adam { epsilon: 0.0, ..plain.clone() };
        cases.push(case("without_epsilon", without_epsilon, 67, 10));
        cases.push(with_grads("non_finite", plain.clone(), 64, 3, Fill::Special));
        cases.push(with_grads("zero_gradients", plain.clone(), 8, 0, Fill::Floats(vec![0.0; 8])));
        cases.push(case("many_workgroups", plain.clone(), 65_536 * 64 + 3, 4));
        for (name, op) in [("adam", &decay), ("adamw", &decoupled)] {
            let op = Adam { decayed: 62, rates: super::ranges::sample(), ..op.clone() };
            cases.push(case(&format!("{name}_in_ranges"), op.clone(), 128, 10));
            cases.push(case(&format!("{name}_in_ranges_101"), op, 101, 10));
        }
        let op = Adam { decayed: 700, rates: super::ranges::sample(), ..decay.clone() };
        cases.push(case("long", op.clone(), 1501, 10));
        cases.push(case("long_vectors", op, 1500, 10));
        let op = Adam { rates: super::ranges::sample(), ..plain.clone() };
        cases.push(with_grads("non_finite_in_ranges", op, 128, 3, Fill::Special));
        for (name, p) in [("mnist_cnn", super::MNIST_CNN), ("cifar_alexnet", super::CIFAR_ALEXNET)]
        {
            let op =
                Adam { weight_decay: 0.01, decoupled: true, decayed: p - 1000, ..plain.clone() };
            cases.push(case(&format!("bench_{name}"), op, p, 100).bench());
        }
        cases
    }
}

fn case(name: &str, op: Adam, p: usize, step: u32) -> Case {
    with_grads(name, op, p, step, Fill::Normal)
}

fn with_grads(name: &str, op: Adam, p: usize, step: u32, grads: Fill) -> Case {
    case_of(name, op, p, step, [grads, Fill::Normal, Fill::Uniform(0.1, 2.0)])
}

/// The first step of a training: the averages are zero, so that nothing hides their increments.
fn from_rest(name: &str, op: Adam, p: usize, grads: Fill) -> Case {
    let zeros = || Fill::Floats(vec![0.0; p]);
    case_of(name, op, p, 0, [grads, zeros(), zeros()])
}

fn case_of(name: &str, op: Adam, p: usize, step: u32, [grads, m, v]: [Fill; 3]) -> Case {
    let (step_type, step_fill) = integer(step);
    Case::new(name, op)
        .normal([p])
        .input(TensorType::f32([p]), grads)
        .input(TensorType::f32([p]), m)
        .input(TensorType::f32([p]), v)
        .input(TensorType::f32([1]), Fill::Floats(vec![0.02]))
        .input(step_type, step_fill)
        .forward_only()
}
