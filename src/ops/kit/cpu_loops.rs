//! Element-wise ops on the CPU: f32 loops over blocks, which the compiler vectorizes.

use super::arithmetic::BinaryFunction;
use super::repeat::Repeat;
use crate::graph::{HostIo, HostKernel};
use crate::tensor::parallel::for_each_block;

/// `y = f(a, b)` with `b` repeated along `a`.
pub(in crate::ops) fn binary(function: BinaryFunction, repeat: Repeat) -> Vec<HostKernel> {
    let run = move |io: &mut HostIo<'_, f32>, _: &mut [f32]| {
        let (a, b) = (io.inputs.float(0), io.inputs.float(1));
        for_each_block(io.outputs.float(0), &|start, y| {
            let a = &a[start..start + y.len()];
            combine_repeated(function, repeat, start, a, b, y);
        });
    };
    vec![HostKernel::new("blocks", run)]
}

/// Elements of `y = f(a, b)` from `start` on, where `a` are as many elements, and `b` is the whole
/// small operand.
pub(in crate::ops) fn combine_repeated(
    function: BinaryFunction,
    repeat: Repeat,
    start: usize,
    a: &[f32],
    b: &[f32],
    y: &mut [f32],
) {
    for_each_run(repeat, start, y, &mut |i, y| {
        let a = &a[i - start..][..y.len()];
        let first = i / repeat.divide % repeat.modulo;
        if repeat.divide == 1 {
            combine(function, a, &b[first..first + y.len()], y);
        } else {
            combine_one(function, a, b[first], y);
        }
    });
}

/// `y = factor x` with `x` repeated.
pub(in crate::ops) fn scale(factor: f32, repeat: Repeat) -> Vec<HostKernel> {
    let run = move |io: &mut HostIo<'_, f32>, _: &mut [f32]| {
        let x = io.inputs.float(0);
        for_each_block(io.outputs.float(0), &|start, y| {
            for_each_run(repeat, start, y, &mut |i, y| {
                let first = i / repeat.divide % repeat.modulo;
                if repeat.divide == 1 {
                    combine_one(BinaryFunction::Multiply, &x[first..first + y.len()], factor, y);
                } else {
                    y.fill(factor * x[first]);
                }
            });
        });
    };
    vec![HostKernel::new("blocks", run)]
}

/// Calls `work` with the first element and the part of `y` of each run in which the small operand
/// is contiguous, or one element. `y` starts at element `start`.
fn for_each_run(
    repeat: Repeat,
    start: usize,
    y: &mut [f32],
    work: &mut dyn FnMut(usize, &mut [f32]),
) {
    let period = if repeat.divide == 1 { repeat.modulo } else { repeat.divide };
    let (mut i, mut rest) = (start, y);
    while !rest.is_empty() {
        let (run, after) = rest.split_at_mut((period - i % period).min(rest.len()));
        work(i, run);
        i += run.len();
        rest = after;
    }
}

/// `y = f(a, b)`
pub(in crate::ops) fn combine(function: BinaryFunction, a: &[f32], b: &[f32], y: &mut [f32]) {
    match function {
        BinaryFunction::Add => zip(a, b, y, |a, b| a + b),
        BinaryFunction::Subtract => zip(a, b, y, |a, b| a - b),
        BinaryFunction::Multiply => zip(a, b, y, |a, b| a * b),
        BinaryFunction::Divide => zip(a, b, y, |a, b| a / b),
    }
}

/// `y = f(a, b)` with one `b` for all elements.
pub(in crate::ops) fn combine_one(function: BinaryFunction, a: &[f32], b: f32, y: &mut [f32]) {
    match function {
        BinaryFunction::Add => map(a, y, |a| a + b),
        BinaryFunction::Subtract => map(a, y, |a| a - b),
        BinaryFunction::Multiply => map(a, y, |a| a * b),
        BinaryFunction::Divide => map(a, y, |a| a / b),
    }
}

fn zip(a: &[f32], b: &[f32], y: &mut [f32], function: impl Fn(f32, f32) -> f32) {
    for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
        *y = function(a, b);
    }
}

fn map(a: &[f32], y: &mut [f32], function: impl Fn(f32) -> f32) {
    for (y, &a) in y.iter_mut().zip(a) {
        *y = function(a);
    }
}
