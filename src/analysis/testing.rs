//! A small model for the tests of this floor.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::data::{Dataset, load};
use crate::exec::CpuExecutor;
use crate::tensor::HostTensor;
use crate::tensor::rng::{philox4x32, uniform};
use crate::train::{ModelPrograms, PendingWeights, Recipe, Trainer};

/// A model, its weights, and images to look at.
pub(super) struct Small {
    pub model: ModelPrograms,
    pub weights: BTreeMap<String, HostTensor>,
    pub data: Dataset,
}

impl Small {
    pub fn pending(&self) -> PendingWeights {
        PendingWeights::check(&self.model, &self.weights).expect("the weights are the model's")
    }
}

fn recipe(normalization: &str) -> Recipe {
    let text = format!(
        r#"
name = "small"
epochs = 10
batch_size = 32
optimizer = {{ type = "adam", learning_rate = 0.005 }}
data = {{ dataset = "synthetic-digits", train_size = 960, test_size = 200, {normalization} }}
layers = [
  {{ type = "conv2d", out_channels = 6, kernel_size = 3, stride = 2 }},
  {{ type = "batch_norm" }},
  {{ type = "activation", function = "tanh" }},
  {{ type = "max_pool2d", window = 2 }},
  {{ type = "flatten" }},
  {{ type = "dropout", rate = 0.1 }},
  {{ type = "dense", units = 24, activation = "silu" }},
  {{ type = "dense", units = 10 }},
]
"#
    );
    Recipe::parse("small", &text, &[]).expect("a valid recipe")
}

/// A model with random parameters and random running statistics.
pub(super) fn small(per_pixel: bool) -> Small {
    let recipe = recipe(if per_pixel {
        "normalization = \"per-pixel\", epsilon = 0.2"
    } else {
        "mean = [0.2], std = [0.4]"
    });
    let splits = load(&recipe.data, None).expect("synthetic digits need no files");
    let model = ModelPrograms::of_recipe(&recipe, &splits.train).expect("it fits");
    let mut weights: BTreeMap<String, HostTensor> =
        model.parameters.iter().map(|spec| (spec.name.clone(), spec.initial(3))).collect();
    for (number, state) in (0..).zip(&model.states) {
        let values: Vec<f32> = (0..)
            .take(state.shape.elements())
            .map(|i| {
                #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
                let value = 0.5 + uniform(philox4x32([i, number, 0, 0], [1, 2])[0]) as f32;
                value
            })
            .collect();
        let tensor = HostTensor::from_f32(state.shape.clone(), &values).expect("as many");
        weights.insert(state.name.clone(), tensor);
    }
    Small { model, weights, data: splits.test }
}

/// A model that was trained, with the images of its test set. It is trained once.
pub(super) fn trained() -> &'static Small {
    static TRAINED: OnceLock<Small> = OnceLock::new();
    TRAINED.get_or_init(train)
}

fn train() -> Small {
    let recipe = recipe("mean = [0.0], std = [1.0]");
    let splits = load(&recipe.data, None).expect("synthetic digits need no files");
    let model = ModelPrograms::of_recipe(&recipe, &splits.train).expect("it fits");
    let mut executor = CpuExecutor::new();
    let data = splits.test.clone();
    let mut trainer = Trainer::new(&mut executor, &recipe, splits).expect("a trainer");
    trainer.run_steps(10 * 30).expect("steps");
    let weights = trainer.weights().expect("weights").into_iter().collect();
    Small { model, weights, data }
}
