//! Regression: a table of numbers in, numbers out; with metrics, early stopping, and a file.
//!
//! Run: `cargo run --example regression`. Expected output (the last line):
//! `at (0.5, 0) it says 1.0`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use verigrad::data::{Dataset, Targets};
use verigrad::model::{Fit, MeanAbsoluteError, Model, RSquared};
use verigrad::nn::{Activation, Dense};
use verigrad::train::{EarlyStoppingConfig, Loss, OptimizerConfig};

/// `sin(3 a) - b^2 + noise`, at `n` places.
fn measured(n: usize, seed: u64) -> Result<Dataset, Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs: Vec<f32> = (0..2 * n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let noisy = |x: &[f32]| (3.0 * x[0]).sin() - x[1] * x[1] + rng.random_range(-0.05..0.05);
    let targets = Targets::numbers([1], inputs.chunks(2).map(noisy).collect());
    Ok(Dataset::of_numbers("measured", [2], inputs, targets, vec![])?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = (measured(2000, 1)?, measured(500, 2)?);
    let mut model = Model::new([2])
        .add(Dense::new(64).activation(Activation::Tanh))
        .add(Dense::new(64).activation(Activation::Tanh))
        .add(Dense::new(1))
        .loss(Loss::Huber { delta: 1.0 });
    let early_stopping = EarlyStoppingConfig { patience: 10, ..EarlyStoppingConfig::default() };
    let history = model.fit(
        &train,
        &Fit {
            epochs: 60,
            optimizer: OptimizerConfig::adam(3e-3),
            validation: Some(test.clone()),
            early_stopping: Some(early_stopping),
            ..Fit::default()
        },
    )?;
    println!("{} epochs, loss {:.4}", history.epochs.len(), history.last().loss);

    let path = std::env::temp_dir().join("verigrad_regression.safetensors");
    model.save(&path)?;
    let mut model = Model::load(&path)?;
    let measures = model.measure(&test, &[&RSquared, &MeanAbsoluteError])?;
    println!("explains {:.3} of the variance, off by {:.3}", measures[0], measures[1]);
    println!("at (0.5, 0) it says {:.1}", model.predict(&[0.5, 0.0])?.values[0]);
    Ok(())
}
