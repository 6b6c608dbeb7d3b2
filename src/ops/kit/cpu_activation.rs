//! Activation functions of host kernels: f32 loops over slices, which the compiler vectorizes.

use crate::graph::Activation;

/// `sqrt(8 / pi)`: twice the factor in the argument of gelu's tanh.
const GELU_SLOPE: f32 = 1.595_769;
const GELU_CUBE: f32 = 0.044_715;
/// Magnitude of the argument beyond which the derivatives of both are 0 or 1.
const GELU_FLAT: f32 = 20.0;

/// `1 / sqrt(2 pi)`
const DENSITY_AT_ZERO: f32 = 0.398_942_3;

/// `y = f(y)`
pub(in crate::ops) fn activate(function: Activation, y: &mut [f32]) {
    match function {
        Activation::Identity => {}
        // NaN must stay NaN, which f32::max would hide.
        Activation::Relu => map(y, |x| if x < 0.0 { 0.0 } else { x }),
        Activation::Relu6 => map(y, |x| x.clamp(0.0, 6.0)),
        Activation::LeakyRelu => map(y, |x| if x < 0.0 { 0.01 * x } else { x }),
        Activation::Gelu => map(y, |x| x * normal_distribution(x, (-0.5 * x * x).exp())),
        // (1 + tanh t) / 2 = 1 / (1 + exp(-2 t)), without cancellation.
        Activation::GeluTanh => map(y, |x| {
            let t2 = GELU_SLOPE * (x + GELU_CUBE * x * x * x);
            x / (1.0 + (-t2).exp())
        }),
        Activation::Sigmoid => map(y, |x| 1.0 / (1.0 + (-x).exp())),
        Activation::Tanh => map(y, f32::tanh),
        Activation::Silu => map(y, |x| x / (1.0 + (-x).exp())),
    }
}

/// `dx = dx f'`, where `y` is the function's value where that gives the derivative, else its argument.
pub(in crate::ops) fn multiply_by_derivative(function: Activation, y: &[f32], dx: &mut [f32]) {
    // A factor of zero, instead of a zero in place of the product, keeps what is not finite.
    let step = |y: f32, below: f32| if y > 0.0 { 1.0 } else { below };
    match function {
        Activation::Identity => {}
        Activation::Relu => zip(y, dx, |y, dy| dy * step(y, 0.0)),
        Activation::Relu6 => zip(y, dx, |y, dy| dy * if y > 0.0 && y < 6.0 { 1.0 } else { 0.0 }),
        Activation::LeakyRelu => zip(y, dx, |y, dy| dy * step(y, 0.01)),
        Activation::Sigmoid => zip(y, dx, |y, dy| dy * (y * (1.0 - y))),
        Activation::Tanh => zip(y, dx, |y, dy| dy * ((1.0 - y) * (1.0 + y))),
        Activation::Gelu => zip(y, dx, |x, dy| {
            let x = if x.is_finite() { x.clamp(-GELU_FLAT, GELU_FLAT) } else { x };
            let e = (-0.5 * x * x).exp();
            dy * (normal_distribution(x, e) + x * (DENSITY_AT_ZERO * e))
        }),
        Activation::GeluTanh => zip(y, dx, |x, dy| {
            // Beyond, the derivative is 0 or 1, and powers of x would overflow. There is none at
            // infinities.
            let x = if x.is_finite() { x.clamp(-GELU_FLAT, GELU_FLAT) } else { x };
            let t2 = GELU_SLOPE * (x + GELU_CUBE * x * x * x);
            let slope = GELU_SLOPE * (1.0 + 3.0 * GELU_CUBE * x * x);
            let (gate, rest) = (1.0 / (1.0 + (-t2).exp()), 1.0 / (1.0 + t2.exp()));
            dy * (gate + x * gate * rest * slope)
        }),
        Activation::Silu => zip(y, dx, |x, dy| {
            let (gate, rest) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
            dy * (gate + x * gate * rest)
        }),
    }
}

/// The normal distribution at `x`, where `e` is `exp(-x^2 / 2)`: see
/// `shaders/common/activation/normal.wgsl`.
#[inline]
fn normal_distribution(x: f32, e: f32) -> f32 {
    const TERMS: [f32; 9] = [
        -0.028_381_703,
        0.145_280_76,
        -0.271_170_68,
        0.187_194,
        -0.037_599_903,
        0.111_798_875,
        0.117_238_46,
        0.138_020_86,
        0.137_619_29,
    ];
    let s = 1.0 / (1.0 + 0.345 * x.abs());
    let tail = e * (TERMS.into_iter().fold(0.0, |p, term| p * s + term) * s);
    if x < 0.0 { tail } else { 1.0 - tail }
}

fn map(y: &mut [f32], function: impl Fn(f32) -> f32) {
    for y in y {
        *y = function(*y);
    }
}

fn zip(y: &[f32], dx: &mut [f32], function: impl Fn(f32, f32) -> f32) {
    for (dx, &y) in dx.iter_mut().zip(y) {
        *dx = function(y, *dx);
    }
}
