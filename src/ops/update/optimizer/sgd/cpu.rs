//! Stochastic gradient descent on the CPU: one pass over the elements in f32, which the compiler
//! vectorizes.

use crate::graph::{HostIo, HostKernel};
use crate::ops::update::optimizer::Sgd;
use crate::ops::update::optimizer::cpu_blocks::{flushed, for_each_part};
use crate::tensor::Real;

/// What all elements of a step share, rounded once.
#[derive(Debug, Clone, Copy)]
struct Rates {
    learning_rate: f32,
    /// Factors of the velocity and of the gradient in the new velocity.
    kept: f32,
    added: f32,
    /// Factors of the gradient and of the new velocity in the direction.
    gradient: f32,
    velocity: f32,
}

pub(in crate::ops::update::optimizer) fn kernels(op: &Sgd) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("blocks", move |io, _| run(&op, io))]
}

fn run(op: &Sgd, io: &mut HostIo<'_, f32>) {
    let grads = io.inputs.float(1);
    let is_first = io.inputs.u32(4)[0] == 0;
    let momentum = f32::from_f64(op.momentum);
    let rates = Rates {
        learning_rate: io.inputs.float(3)[0],
        kept: momentum,
        added: if is_first { 1.0 } else { f32::from_f64(1.0 - op.dampening) },
        gradient: if op.nesterov { 1.0 } else { 0.0 },
        velocity: if op.nesterov { momentum } else { 1.0 },
    };
    for_each_part(io.outputs.floats(), op.decayed, &op.rates, &|part, state| {
        let grads = &grads[part.first..part.first + state[0].len()];
        let decay = part.decay(op.weight_decay);
        let rates = Rates { learning_rate: part.rate(rates.learning_rate), ..rates };
        if op.momentum == 0.0 {
            let [params, _] = state;
            descend(rates.learning_rate, decay, grads, params);
        } else if is_first {
            // Whatever the velocity holds, even NaN.
            let [params, velocity] = state;
            velocity.fill(0.0);
            rates.update(decay, grads, [params, velocity]);
        } else {
            rates.update(decay, grads, state);
        }
    });
}

fn descend(learning_rate: f32, decay: f32, grads: &[f32], params: &mut [f32]) {
    for (param, grad) in params.iter_mut().zip(grads) {
        *param -= learning_rate * (grad + decay * *param);
    }
}

impl Rates {
    fn update(self, decay: f32, grads: &[f32], [params, velocity]: [&mut [f32]; 2]) {
        for ((param, velocity), grad) in params.iter_mut().zip(velocity).zip(grads) {
            let g = grad + decay * *param;
            // Without gradients a velocity would become subnormal, which processors are slow with.
            let v = flushed(self.kept * *velocity + self.added * g, f32::MIN_POSITIVE);
            *param -= self.learning_rate * (self.gradient * g + self.velocity * v);
            *velocity = v;
        }
    }
}
