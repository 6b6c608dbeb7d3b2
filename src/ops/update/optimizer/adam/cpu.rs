//! Adam on the CPU: one pass over the elements in f32, which the compiler vectorizes.

use crate::graph::{HostIo, HostKernel};
use crate::ops::update::optimizer::Adam;
use crate::ops::update::optimizer::cpu_blocks::{LEAST_SQUARED, Part, flushed, for_each_part};
use crate::tensor::Real;

/// What all elements of a step share, rounded once.
#[derive(Debug, Clone, Copy)]
struct Rates {
    beta1: f32,
    beta2: f32,
    complement1: f32,
    complement2: f32,
    /// `learning_rate / (1 - beta1^t)`
    step: f32,
    /// `sqrt(1 - beta2^t)`
    root: f32,
    epsilon: f32,
    /// Moments below this become zero, and gradients below the other before they are squared: the
    /// moments of parameters whose gradients vanish are subnormal in the end, with which processors
    /// compute up to a hundred times slower (WebGPU lets GPUs do the same). Without an epsilon that
    /// hides them, both are zero, and nothing is flushed.
    least: f32,
    least_squared: f32,
}

/// How weights decay: factors of the weight itself and of its share in the gradient.
#[derive(Debug, Clone, Copy)]
struct Decay {
    kept: f32,
    in_gradient: f32,
}

pub(in crate::ops::update::optimizer) fn kernels(op: &Adam) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("blocks", move |io, _| run(&op, io))]
}

fn run(op: &Adam, io: &mut HostIo<'_, f32>) {
    let grads = io.inputs.float(1);
    let learning_rate = f64::from(io.inputs.float(4)[0]);
    let t = f64::from(io.inputs.u32(5)[0]) + 1.0;
    let rates = Rates {
        beta1: f32::from_f64(op.beta1),
        beta2: f32::from_f64(op.beta2),
        complement1: f32::from_f64(1.0 - op.beta1),
        complement2: f32::from_f64(1.0 - op.beta2),
        step: f32::from_f64(learning_rate / (1.0 - op.beta1.powf(t))),
        root: f32::from_f64((1.0 - op.beta2.powf(t)).sqrt()),
        epsilon: f32::from_f64(op.epsilon),
        least: if op.epsilon > 0.0 { f32::MIN_POSITIVE } else { 0.0 },
        least_squared: if op.epsilon > 0.0 { LEAST_SQUARED } else { 0.0 },
    };
    let decay_of = |part: Part| match (part.decays, op.decoupled) {
        (false, _) => Decay { kept: 1.0, in_gradient: 0.0 },
        (true, false) => Decay { kept: 1.0, in_gradient: f32::from_f64(op.weight_decay) },
        (true, true) => {
            let kept = f32::from_f64(1.0 - part.factor * learning_rate * op.weight_decay);
            Decay { kept, in_gradient: 0.0 }
        }
    };
    for_each_part(io.outputs.floats(), op.decayed, &op.rates, &|part, state: [&mut [f32]; 3]| {
        let grads = &grads[part.first..part.first + state[0].len()];
        let rates = Rates { step: part.rate(rates.step), ..rates };
        rates.update(decay_of(part), grads, state);
    });
}

impl Rates {
    fn update(self, decay: Decay, grads: &[f32], [params, m, v]: [&mut [f32]; 3]) {
        for (((param, m), v), grad) in params.iter_mut().zip(m).zip(v).zip(grads) {
            let g = grad + decay.in_gradient * *param;
            let m_new = self.beta1 * *m + self.complement1 * g;
            let square = flushed(g, self.least_squared) * g;
            let v_new = flushed(self.beta2 * *v + self.complement2 * square, self.least);
            let denominator = v_new.sqrt() / self.root + self.epsilon;
            *param = decay.kept * *param - self.step * m_new / denominator;
            *m = flushed(m_new, self.least);
            *v = v_new;
        }
    }
}
