//! A graph by hand: fits `y = x w` by gradient descent, on the CPU executor.
//!
//! Run: `cargo run --example linear_regression`. Expected output (the last line):
//! `w = [2.00, -1.00, 0.50]`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::Arc;

use verigrad::compile::{backward, compile};
use verigrad::exec::{CpuExecutor, Executor};
use verigrad::graph::Graph;
use verigrad::ops::{Full, Matmul, MeanSquaredError, Sgd, SumColumns, View};
use verigrad::tensor::TensorType;

fn main() -> Result<(), Box<dyn Error>> {
    let (n, mut graph) = (64, Graph::default());
    let x = graph.source("x", TensorType::f32([n, 3]));
    let target = graph.source("target", TensorType::f32([n, 1]));
    // Parameters, gradients and velocity are flat, so that one kernel updates them all.
    let parameters = graph.source("parameters", TensorType::f32([3]));
    let w = graph.push(View::reshape([3, 1]), &[parameters])?;

    let prediction = graph.push(Matmul::default(), &[x, w])?;
    let [losses, _residual] = graph.push_multi(MeanSquaredError {}, &[prediction, target])?;
    let row = graph.push(View::reshape([1, n]), &[losses])?;
    let loss = graph.push(SumColumns {}, &[row])?;
    graph.output("loss", loss);

    let one = graph.push(Full { value: 1.0, shape: [1].into() }, &[])?;
    let gradients = backward(&mut graph, &[(loss, one)], &[w])?;
    let gradient = gradients[0].ok_or("the loss depends on w")?;
    let gradient = graph.push(View::reshape([3]), &[gradient])?;

    let velocity = graph.source("velocity", TensorType::f32([3]));
    let rate = graph.push(Full { value: 0.005, shape: [1].into() }, &[])?;
    let step = graph.source("step", TensorType::u32([1]));
    let update = Sgd::default();
    graph.push_multi::<2>(update, &[parameters, gradient, velocity, rate, step])?;

    let mut executor = CpuExecutor::new();
    let program = Arc::new(compile("fit", &graph, executor.caps(), &|_, _, _| 0)?);
    let id = executor.load(program)?;

    let inputs: Vec<f32> =
        (0_u16..).take(n * 3).map(|i| f32::from(i * 37 % 101) / 50.0 - 1.0).collect();
    let targets: Vec<f32> = inputs.chunks(3).map(|x| 2.0 * x[0] - x[1] + 0.5 * x[2]).collect();
    executor.write("x", 0, bytemuck::cast_slice(&inputs))?;
    executor.write("target", 0, bytemuck::cast_slice(&targets))?;
    for round in 1..=5 {
        executor.run(id, 40)?;
        let loss: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now("fit/loss")?);
        println!("after {:>3} steps: loss {:.6}", round * 40, loss[0]);
    }
    let w: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now("parameters")?);
    println!("w = [{:.2}, {:.2}, {:.2}]", w[0], w[1], w[2]);
    Ok(())
}
