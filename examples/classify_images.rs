//! Classifies images that are in memory: bars that lie or stand, in noise.
//!
//! Run: `cargo run --example classify_images`. Expected output (the last line):
//! `accuracy 1.00; the first image shows a standing bar, the second a lying one`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use verigrad::data::Dataset;
use verigrad::model::{Fit, Model};
use verigrad::nn::{BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};

/// `n` images of 12x12 pixels in a row, and what each shows.
fn bars(n: u32, seed: u64) -> (Vec<u8>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut images, labels) = (Vec::new(), (0..n).map(|i| (i + 1) % 2).collect::<Vec<u32>>());
    for &label in &labels {
        let bar = rng.random_range(1..11);
        for (row, column) in (0..12).flat_map(|row| (0..12).map(move |column| (row, column))) {
            let is_bar = bar == if label == 1 { column } else { row };
            images.push(rng.random_range(0..100) + if is_bar { 150 } else { 0 });
        }
    }
    (images, labels)
}

fn main() -> Result<(), Box<dyn Error>> {
    let data = |n, seed| {
        let (images, labels) = bars(n, seed);
        let classes = ["lying", "standing"].map(str::to_owned).to_vec();
        Dataset::new("bars", images, labels, [12, 12, 1], classes)
    };
    let (train, test) = (data(800, 1)?, data(200, 2)?);

    let mut model = Model::new([12, 12, 1])
        .add(Conv2d::new(8, 3).same().relu())
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(16, 3).same().no_bias())
        .add(BatchNorm::default())
        .add(verigrad::nn::Activation::Relu)
        .add(GlobalAvgPool2d {})
        .add(Dense::classes());
    let fit = Fit { epochs: 8, batch_size: 32, validation: Some(test.clone()), ..Fit::default() };
    model.fit_with(&train, &fit, Vec::new(), &mut |epoch| {
        let accuracy = epoch.validation_accuracy.unwrap_or_default();
        println!("epoch {}: loss {:.3}, accuracy {accuracy:.3}", epoch.epoch, epoch.loss);
    })?;

    let accuracy = model.evaluate(&test)?.accuracy.ok_or("examples have labels")?;
    let classes = model.predict_images(&test.images[..2 * 144])?.classes();
    let [first, second] = [classes[0], classes[1]].map(|class| &model.class_names()[class]);
    println!(
        "accuracy {accuracy:.2}; the first image shows a {first} bar, the second a {second} one"
    );
    Ok(())
}
