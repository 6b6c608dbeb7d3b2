//! A layer and a loss of one's own: gates, and a loss that asks for the 90th percentile.
//!
//! Run: `cargo run --example own_layer_and_loss`. Prints `about nine tenths of the targets lie below`
#![expect(clippy::print_stdout, reason = "an example prints")]

use verigrad::data::{Dataset, Targets};
use verigrad::error::ShapeError;
use verigrad::graph::{Graph, Value};
use verigrad::model::{Fit, Model, ModelError};
use verigrad::nn::{Activation, Init, LayerDef, ModelBuilder};
use verigrad::ops::{Activate, Binary, Matmul, Scale, View};
use verigrad::train::{Answers, Loss};

/// `y = sigmoid(x a) * (x b)`: a gate, and what it lets through.
#[derive(Debug)]
struct Gated(usize);

impl LayerDef for Gated {
    fn stem(&self) -> &'static str {
        "gated"
    }

    fn add(&self, builder: &mut ModelBuilder<'_>, x: Value) -> Result<Value, ShapeError> {
        let (_, features) = builder.ty(x).rows_columns();
        let mut times = |name: &str| {
            let shape = [features, self.0];
            let weight = builder.weight(name, shape, Init::GlorotUniform, shape.into());
            builder.push(Matmul::default(), &[x, weight])
        };
        let (gate, value) = (times("gate")?, times("value")?);
        let gate = builder.activation(gate, Activation::Sigmoid)?;
        builder.push(Binary::MULTIPLY, &[gate, value])
    }
}

/// `max(0.9 d, -0.1 d)` with `d = target - output`: smallest where nine tenths of the targets lie below.
fn pinball(graph: &mut Graph, y: Value, known: Answers) -> Result<Value, ShapeError> {
    const RELU: Activate = Activate { function: Activation::Relu };
    let target = known.targets.ok_or_else(|| ShapeError::new("pinball", "takes numbers"))?;
    let opposite = graph.push(Scale::NEGATE, &[y])?;
    let d = graph.push(Binary::ADD, &[target, opposite])?;
    let parts = [graph.push(RELU, &[d])?, graph.push(Scale { factor: -0.1 }, &[d])?];
    let losses = graph.push(Binary::ADD, &parts)?;
    graph.push(View::reshape([graph.ty(losses).elements()]), &[losses])
}

fn main() -> Result<(), ModelError> {
    let number = |i: u16| f32::from(i) / 50.0 - 1.0;
    let inputs: Vec<f32> = (0..100).flat_map(|i| [number(i), 1.0]).collect();
    let noisy: Vec<f32> = (0..100).map(|i| number(i) + number(i * 37 % 100)).collect();
    let targets = Targets::numbers([1], noisy.clone());
    let data = Dataset::of_numbers("noise", [2], inputs.clone(), targets, vec![])?;
    let mut model = Model::new([2]).add(Gated(8)).add(Gated(1)).loss(Loss::custom(pinball));
    model.fit(&data, &Fit { epochs: 1200, batch_size: 100, ..Fit::default() })?;
    let outputs = model.predict(&inputs)?.values;
    let below = outputs.iter().zip(&noisy).filter(|(y, target)| target < y).count();
    assert!(below.abs_diff(90) < 4, "{below} of 100");
    println!("about nine tenths of the targets lie below");
    Ok(())
}
