//! A small model on few drawn digits, and comparisons of its weights.

use verigrad::data::{Splits, load};
use verigrad::exec::Executor;
use verigrad::tensor::HostTensor;
use verigrad::train::{Recipe, Trainer};

pub type Weights = Vec<(String, HostTensor)>;

pub const SGD: &str = "optimizer = { type = \"sgd\", learning_rate = 0.05, momentum = 0.9 }";
pub const ADAM: &str = "optimizer = { type = \"adam\", learning_rate = 0.003 }";

/// The model, with more keys: 160 images in batches of 16.
pub fn small(extra: &str, set: &[&str]) -> (Recipe, Splits) {
    let text = format!(
        r#"
name = "small"
epochs = 1
batch_size = 16
{extra}
data = {{ dataset = "synthetic-digits", train_size = 160, test_size = 32 }}
layers = [
  {{ type = "conv2d", out_channels = 4, kernel_size = 3, stride = 2 }},
  {{ type = "batch_norm" }},
  {{ type = "activation", function = "relu" }},
  {{ type = "flatten" }},
  {{ type = "dense", units = 16, activation = "relu" }},
  {{ type = "dense", units = 10 }},
]
"#
    );
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::parse("small", &text, &set).expect("a valid recipe");
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

pub fn weights_after(
    executor: &mut dyn Executor,
    (recipe, data): &(Recipe, Splits),
    steps: u32,
) -> Weights {
    let mut trainer = Trainer::new(executor, recipe, data.clone()).expect("a trainer");
    trainer.run_steps(steps).expect("steps");
    trainer.weights().expect("weights")
}

/// The largest difference of two sets of weights, relative to the largest weight of each tensor.
pub fn difference(a: &Weights, b: &Weights) -> f32 {
    let mut largest = 0.0_f32;
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(name, other);
        let scale = a.f32s().iter().fold(1e-3_f32, |scale, x| scale.max(x.abs()));
        for (a, b) in a.f32s().iter().zip(b.f32s()) {
            largest = largest.max((a - b).abs() / scale);
        }
    }
    largest
}
