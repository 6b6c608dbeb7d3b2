//! An op of one's own: defined here, checked by the same contract as those of verigrad, trained with.
//!
//! Then a model with it, `y = (x w)^2`, is fitted. Both run on the GPU, where there is one.
//!
//! Run: `cargo run --example custom_op`. Expected output (the last line): `w = [0.50, 2.00, 1.00]`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use verigrad::compile::{backward, compile};
use verigrad::error::ShapeError;
use verigrad::exec::{DeviceChoice, open};
use verigrad::graph::{
    Caps, Case, Cost, Graph, HostIo, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use verigrad::ops::{
    Binary, Full, Matmul, MeanSquaredError, OpEntry, Scale, Sgd, SumColumns, View,
};
use verigrad::tensor::{Real, TensorType, Tolerance};
use verigrad::verify::{DoctorOptions, diagnose_ops, render};

/// `y = x^2`, element by element. Input and output: any shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Square {}

const KERNEL: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(group, groups, local);
  if i < INVOCATIONS { y[i] = x[i] * x[i]; }
}";

impl OpDef for Square {
    const NAME: &'static str = "square";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if *x == TensorType::f32(x.shape.clone()) => Ok(vec![x.clone()]),
            _ => Err(ShapeError::new(Self::NAME, "takes one tensor of f32")),
        }
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        for (y, x) in io.outputs.float(0).iter_mut().zip(io.inputs.float(0)) {
            *y = T::from_f64(x.to_f64() * x.to_f64());
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new(Self::NAME).flat(sig.outputs[0].elements(), 64, caps).file(KERNEL);
        let kernel = kernel.read(Operand::Input(0)).write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let product = v.push(Binary::MULTIPLY, &[v.x(0), dy])?;
        let dx = v.push(Scale { factor: 2.0 }, &[product])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::ulps(1.0) // Kernel and reference round once each.
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        vec![Case::new("some", Self {}).normal([3, 7]), Case::new("one", Self {}).normal([1])]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut executor = open(&DeviceChoice::Gpu).or_else(|_| open(&DeviceChoice::Cpu))?.executor;
    let entry = OpEntry::of::<Square>();
    let report = diagnose_ops(&[&entry], executor.as_mut(), &DoctorOptions::default(), &mut |_| {});
    print!("{}", render(&report));
    report.is_healthy().then_some(()).ok_or("the contract found a fault")?;

    let (n, mut graph) = (64, Graph::default());
    let x = graph.source("x", TensorType::f32([n, 3]));
    let target = graph.source("target", TensorType::f32([n, 1]));
    let w = graph.source("w", TensorType::f32([3]));
    let column = graph.push(View::reshape([3, 1]), &[w])?;
    let sum = graph.push(Matmul::default(), &[x, column])?;
    let prediction = graph.push(Square {}, &[sum])?;
    let [losses, _] = graph.push_multi(MeanSquaredError {}, &[prediction, target])?;
    let row = graph.push(View::reshape([1, n]), &[losses])?;
    let loss = graph.push(SumColumns {}, &[row])?;
    let one = graph.push(Full { value: 1.0, shape: [1].into() }, &[])?;
    let gradient = backward(&mut graph, &[(loss, one)], &[w])?[0].ok_or("the loss depends on w")?;
    let rate = graph.push(Full { value: 0.001, shape: [1].into() }, &[])?;
    let (velocity, step) = (
        graph.source("velocity", TensorType::f32([3])),
        graph.source("step", TensorType::u32([1])),
    );
    graph.push_multi::<2>(Sgd::default(), &[w, gradient, velocity, rate, step])?;
    let program = compile("fit", &graph, executor.caps(), &|_, _, _| 0)?;
    let fit = executor.load(Arc::new(program))?;
    let number = |i: u16| f32::from(i * 37 % 101) / 50.0 - 1.0;
    let inputs: Vec<f32> = (0..).take(n * 3).map(number).collect();
    let square = |x: &[f32]| (0.5 * x[0] + 2.0 * x[1] + x[2]).powi(2);
    let targets: Vec<f32> = inputs.chunks(3).map(square).collect();
    executor.write("x", 0, bytemuck::cast_slice(&inputs))?;
    executor.write("target", 0, bytemuck::cast_slice(&targets))?;
    executor.write("w", 0, bytemuck::cast_slice(&[1.0_f32; 3]))?;
    executor.run(fit, 500)?;
    let w: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now("w")?);
    println!("w = [{:.2}, {:.2}, {:.2}]", w[0], w[1], w[2]);
    Ok(())
}
