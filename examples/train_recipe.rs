//! A recipe from code: trains a small model for a few steps on whatever device there is.
//!
//! Run: `cargo run --example train_recipe`. Expected output: a falling loss, and as the last line
//! `27562 parameters, 20 steps`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use verigrad::data::load;
use verigrad::exec::{DeviceChoice, open};
use verigrad::train::{Recipe, Trainer};

fn main() -> Result<(), Box<dyn Error>> {
    let changes = ["data.train_size=640", "data.test_size=100", "batch_size=32"];
    let recipe = Recipe::builtin("digits", &changes.map(str::to_owned))?;
    let data = load(&recipe.data, None)?;
    let mut executor = open(&DeviceChoice::Auto)?.executor;
    println!("training on {}", executor.info());

    let mut trainer = Trainer::new(executor.as_mut(), &recipe, data)?;
    println!("{} bytes of memory", trainer.planned_bytes());
    for _ in 0..4 {
        trainer.run_steps(5)?;
        let done = usize::try_from(trainer.steps())?;
        let losses = trainer.losses()?;
        println!("step {done:>2}: loss {:.3}", losses[done - 1]);
    }
    println!("{} parameters, {} steps", trainer.model().arena.parameter_count(), trainer.steps());
    Ok(())
}
