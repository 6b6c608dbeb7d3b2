//! RMSprop on the CPU: one pass over the elements in f32, which the compiler vectorizes.

use crate::graph::{HostIo, HostKernel};
use crate::ops::update::optimizer::RmsProp;
use crate::ops::update::optimizer::cpu_blocks::{LEAST_SQUARED, flushed, for_each_part};
use crate::tensor::Real;

/// What all elements of a step share, rounded once.
#[derive(Debug, Clone, Copy)]
struct Rates {
    learning_rate: f32,
    alpha: f32,
    complement: f32,
    momentum: f32,
    epsilon: f32,
    /// Averages below this become zero, and gradients below the other before they are squared, as
    /// Adam's do.
    least: f32,
    least_squared: f32,
}

pub(in crate::ops::update::optimizer) fn kernels(op: &RmsProp) -> Vec<HostKernel> {
    let op = op.clone();
    vec![HostKernel::new("blocks", move |io, _| run(&op, io))]
}

fn run(op: &RmsProp, io: &mut HostIo<'_, f32>) {
    let grads = io.inputs.float(1);
    let hidden = op.epsilon > 0.0;
    let rates = Rates {
        learning_rate: io.inputs.float(4)[0],
        alpha: f32::from_f64(op.alpha),
        complement: f32::from_f64(1.0 - op.alpha),
        momentum: f32::from_f64(op.momentum),
        epsilon: f32::from_f64(op.epsilon),
        least: if hidden { f32::MIN_POSITIVE } else { 0.0 },
        least_squared: if hidden { LEAST_SQUARED } else { 0.0 },
    };
    for_each_part(io.outputs.floats(), op.decayed, &op.rates, &|part, state| {
        let grads = &grads[part.first..part.first + state[0].len()];
        let decay = part.decay(op.weight_decay);
        let rates = Rates { learning_rate: part.rate(rates.learning_rate), ..rates };
        let [params, square, velocity] = state;
        if op.momentum == 0.0 {
            rates.update(decay, grads, [params, square]);
        } else {
            rates.update_velocity(decay, grads, [params, square, velocity]);
        }
    });
}

impl Rates {
    /// The new average of the squares.
    #[inline]
    fn average(self, g: f32, square: f32) -> f32 {
        let added = self.complement * flushed(g, self.least_squared) * g;
        flushed(self.alpha * square + added, self.least)
    }

    fn update(self, decay: f32, grads: &[f32], [params, square]: [&mut [f32]; 2]) {
        for ((param, square), grad) in params.iter_mut().zip(square).zip(grads) {
            let g = grad + decay * *param;
            let average = self.average(g, *square);
            *square = average;
            *param -= self.learning_rate * (g / (average.sqrt() + self.epsilon));
        }
    }

    fn update_velocity(self, decay: f32, grads: &[f32], state: [&mut [f32]; 3]) {
        let [params, square, velocity] = state;
        let elements = params.iter_mut().zip(square).zip(velocity).zip(grads);
        for (((param, square), velocity), grad) in elements {
            let g = grad + decay * *param;
            let average = self.average(g, *square);
            let direction = self.momentum * *velocity + g / (average.sqrt() + self.epsilon);
            let direction = flushed(direction, f32::MIN_POSITIVE);
            *square = average;
            *velocity = direction;
            *param -= self.learning_rate * direction;
        }
    }
}
