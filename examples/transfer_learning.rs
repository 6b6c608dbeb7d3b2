//! Transfer learning: a ResNet takes weights that PyTorch saved under torchvision's names, keeps all layers but
//! the last as they are, and learns other classes.
//!
//! Run: `cargo run --example transfer_learning [resnet18.pth]`. Without a file, a small one of this repository
//! is taken. Expected output (the last line): `fc starts afresh; 3 classes, better than chance`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use verigrad::data::{Dataset, Targets};
use verigrad::model::{Fit, Model};
use verigrad::nn::{ModelConfig, ResNet};
use verigrad::train::OptimizerConfig;

/// The files of torchvision have a width of 1.
const SMALL: (&str, f32) = ("assets/golden/torch/resnet18_small.pth", 0.0625);

/// Images of 32x32 pixels, in one of three colors.
fn colors(n: u16) -> Result<Dataset, Box<dyn Error>> {
    let label = |i: u16| i * 7 % 3;
    let value = |(i, j): (u16, u16)| {
        let noise = f32::from((i * 31 + j * 17) % 11) / 10.0;
        if j % 3 == label(i) { 1.0 + noise } else { noise }
    };
    let inputs = (0..n).flat_map(|i| (0..32 * 32 * 3).map(move |j| value((i, j)))).collect();
    let targets = Targets::Class((0..n).map(|i| label(i).into()).collect());
    let names = ["red", "green", "blue"].map(str::to_owned).to_vec();
    Ok(Dataset::of_numbers("colors", [32, 32, 3], inputs, targets, names)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().nth(1);
    let (path, width) = given.as_deref().map_or(SMALL, |path| (path, 1.0));
    let config = ResNet { depth: 18, classes: Some(3), width, ..ResNet::default() };
    let mut model = Model::known(ModelConfig::Resnet(config), [32, 32, 3]);
    let report = model.load_weights(path)?;
    println!("{report}");

    let (train, test) = (colors(192)?, colors(48)?);
    let (freeze, optimizer) = (report.loaded.clone(), OptimizerConfig::adam(0.01));
    model.fit(&train, &Fit { epochs: 10, optimizer, freeze, ..Fit::default() })?;
    let accuracy = model.evaluate(&test)?.accuracy.ok_or("examples have labels")?;
    println!("accuracy {accuracy:.2}");
    let verdict = if accuracy > 0.5 { "better than chance" } else { "no better than chance" };
    let fresh = &report.misfits.first().ok_or("the file has as many classes")?.0;
    println!(
        "{} starts afresh; 3 classes, {verdict}",
        if fresh == "dense1" { "fc" } else { fresh }
    );
    Ok(())
}
