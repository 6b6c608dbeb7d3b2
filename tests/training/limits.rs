//! Devices that bind less than a model's weights: what is larger is worked on in parts, or refused with
//! advice that fits the cause.

use verigrad::compile::{Program, kernel_files};
use verigrad::train::{LimitAdvice, RunPrograms};

use super::*;

/// An executor whose bindings hold `bytes`.
fn bounded<E: Executor>(inner: E, bytes: u64) -> SmallDevice<E> {
    let caps = Caps { max_binding_bytes: bytes, ..inner.caps().clone() };
    SmallDevice { inner, caps }
}

pub fn largest_binding(program: &Program) -> u64 {
    let bound = program.dispatches().flat_map(|dispatch| &dispatch.bindings);
    bound.map(|bound| bound.region.bytes as u64).max().unwrap_or(0)
}

fn largest_operand(program: &Program) -> u64 {
    let operands = program.steps.iter().flat_map(|step| step.inputs.iter().chain(&step.outputs));
    operands.map(|operand| operand.region.bytes as u64).max().unwrap_or(0)
}

/// Its arena takes 221 KB, of which the first weight is 201.
const DENSE: &str = r#"
layers = [
  { type = "flatten" },
  { type = "dense", units = 64, activation = "relu" },
  { type = "dense", units = 64 },
  { type = "batch_norm" },
  { type = "dense" },
]
"#;
/// More than any tensor of it, less than its arena.
const ALL_BUT_ARENAS: u64 = 208 << 10;

/// As large a weight behind a convolution, so that its layer has a gradient to hand on.
const CONVOLUTION: &str = r#"
layers = [
  { type = "conv2d", out_channels = 4, kernel_size = 3, stride = 2, padding = 1, activation = "relu" },
  { type = "flatten" },
  { type = "dense", units = 64, activation = "relu" },
  { type = "dropout", rate = 0.2 },
  { type = "dense" },
]
"#;
/// Less than half of the weight.
const HALF_A_WEIGHT: u64 = 96 << 10;

fn small_recipe(options: &str, layers: &str) -> (Recipe, Splits) {
    let text = format!(
        "name = \"small\"\nepochs = 1\nbatch_size = 8\n\
         data = {{ dataset = \"synthetic-digits\", train_size = 64, test_size = 16 }}\n\
         {options}\n{layers}"
    );
    let recipe = Recipe::parse("small", &text, &[]).expect("a valid recipe");
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// Losses and weights after an epoch.
fn trained(executor: &mut dyn Executor, recipe: &Recipe, data: &Splits) -> (Vec<f32>, Vec<f32>) {
    let mut trainer = Trainer::new(executor, recipe, data.clone()).expect("a trainer");
    trainer.run_steps(8).expect("steps");
    assert_eq!(trainer.tensor_bytes(), trainer.planned_bytes());
    let weights = trainer.weights().expect("weights");
    let weights = weights.iter().flat_map(|(_, tensor)| tensor.f32s().to_vec()).collect();
    (trainer.losses().expect("losses"), weights)
}

const OPTIMIZERS: [&str; 5] = [
    "optimizer = { type = \"adam\", learning_rate = 1e-3, weight_decay = 1e-3 }",
    "optimizer = { type = \"adamw\", learning_rate = 1e-3, weight_decay = 1e-2 }\n\
     learning_rate_factors = { dense1 = 0.5 }\nhistograms = { bins = 16 }",
    "optimizer = { type = \"sgd\", learning_rate = 0.05, momentum = 0.9, weight_decay = 1e-3 }\n\
     ema = { decay = 0.9 }\nclipping = { by_value = 0.01 }",
    "optimizer = { type = \"rmsprop\", learning_rate = 1e-3, momentum = 0.5, weight_decay = 1e-3 }\n\
     freeze = [\"dense2\"]",
    "optimizer = { type = \"sgd\", learning_rate = 0.05 }\nprecision = \"f16\"",
];

/// What works element by element gives the same bits, whatever the parts.
#[test]
fn arenas_in_parts_give_the_same_bits() {
    for options in OPTIMIZERS {
        let (recipe, data) = small_recipe(options, DENSE);
        let whole = trained(&mut gpu(), &recipe, &data);
        let parts = trained(&mut bounded(gpu(), ALL_BUT_ARENAS), &recipe, &data);
        assert!(whole.0.iter().all(|loss| loss.is_finite()), "{options}: {:?}", whole.0);
        assert!(whole == parts, "{options}: {:?} and {:?}", whole.0, parts.0);
    }
}

/// Sums over arenas and products in blocks add in another order; so do norms and learned rates.
#[test]
fn weights_and_sums_in_parts_train_alike() {
    let learned = "optimizer = { type = \"sgd\", learning_rate = 0.02, hypergradient = 1e-4 }";
    let clipped =
        "optimizer = { type = \"adam\", learning_rate = 1e-3 }\nclipping = { by_norm = 0.1 }";
    let in_turns = "optimizer = { type = \"adam\", learning_rate = 1e-3 }\naccumulate = 2";
    for options in [learned, clipped, in_turns] {
        for (layers, bytes) in [(DENSE, ALL_BUT_ARENAS), (CONVOLUTION, HALF_A_WEIGHT)] {
            let (recipe, data) = small_recipe(options, layers);
            let (whole, _) = trained(&mut gpu(), &recipe, &data);
            let (parts, _) = trained(&mut bounded(gpu(), bytes), &recipe, &data);
            for (whole, parts) in whole.iter().zip(&parts) {
                assert!(
                    (whole - parts).abs() < 1e-4 * whole.abs(),
                    "{options}: {whole} and {parts}"
                );
            }
        }
    }
}

/// The reference agrees with every op in parts, and the evaluation ends as well.
#[test]
fn the_shadow_finds_nothing_in_parts() {
    let all = "optimizer = { type = \"adamw\", learning_rate = 1e-3 }\nema = { decay = 0.9 }\n\
               clipping = { by_norm = 1.0, by_value = 0.5 }\nhistograms = { bins = 16 }";
    for precision in ["f32", "f16"] {
        let (recipe, data) =
            small_recipe(&format!("{all}\nprecision = \"{precision}\""), CONVOLUTION);
        let mut shadow = bounded(ShadowExecutor::new(gpu()), HALF_A_WEIGHT);
        let mut trainer = Trainer::new(&mut shadow, &recipe, data).expect("a trainer");
        assert!(largest_operand(trainer.program()) > 2 * HALF_A_WEIGHT);
        let texts = kernel_files(trainer.program());
        let tells_a_part = |text: &str| text.contains("input 1, bytes 0 to ");
        assert!(texts.iter().any(|file| tells_a_part(&file.text)), "{precision}");
        trainer.run(&mut Silent).expect("a run");
    }
}

/// Built-in recipes whose weights and arenas are larger than a binding, compiled for the smallest binding
/// that their activations let be: nothing bound is larger.
#[test]
fn no_binding_of_a_built_in_recipe_is_larger_than_the_limit() {
    let mut cut = 0;
    for builtin in builtin_recipes() {
        let recipe =
            recipe(builtin.name, &["schedule.warmup_steps=0", "batch_size=2", "accumulate=1"]);
        let data = blank(&recipe);
        let compiled = [18_u32, 20, 22, 24, 26, 27].into_iter().find_map(|log_bytes| {
            let caps = Caps { max_binding_bytes: 1 << log_bytes, ..Caps::webgpu_default() };
            let feed = Feed::plan("train", &data, 2, false, &caps);
            let model = ModelPrograms::of_recipe(&recipe, &data).expect("the model fits its data");
            let training = model.training(&recipe, &feed, &caps, &Picks::default()).ok()?;
            let evaluation = model.evaluation("test", &feed, &caps, &Picks::default()).ok()?;
            Some((caps.max_binding_bytes, [training, evaluation]))
        });
        let (limit, programs) = compiled
            .unwrap_or_else(|| panic!("{}: WebGPU's default limits are enough", recipe.name));
        for program in &programs {
            assert!(largest_binding(program) <= limit, "{}", recipe.name);
        }
        cut += usize::from(largest_operand(&programs[0]) > limit);
    }
    assert!(cut > 3, "only {cut} recipes have tensors in parts");
}

/// What the compiler says of a recipe on a device of given limits.
fn refused(layers: &str, batch: &str, caps: &Caps) -> (TrainError, LimitAdvice) {
    let (mut recipe, data) = small_recipe("", layers);
    recipe.batch_size = batch.parse().expect("a number");
    let error =
        RunPrograms::compile(&recipe, &data, caps, &Picks::default()).expect_err("it is large");
    match &error {
        TrainError::Limit { advice, .. } => {
            let advice = advice.clone();
            (error, advice)
        }
        other => unreachable!("no advice: {other}"),
    }
}

#[test]
fn what_cannot_be_cut_is_refused_with_what_would_fit() {
    const MANY: &str = r#"
layers = [
  { type = "conv2d", out_channels = 16, kernel_size = 3, stride = 2, padding = 1, activation = "relu" },
  { type = "flatten" },
  { type = "dense" },
]
"#;
    const WIDE: &str = r#"
layers = [
  { type = "conv2d", out_channels = 32, kernel_size = 3, padding = 1, stride = 4 },
  { type = "conv2d", out_channels = 64, kernel_size = 7, padding = 3, stride = 4 },
  { type = "global_avg_pool2d" },
  { type = "dense" },
]
"#;
    // 14 x 14 x 16 floats of an image, 12,544 bytes: 784 KiB of 64, which take 196 KiB themselves.
    let caps = Caps { max_binding_bytes: 256 << 10, ..Caps::webgpu_default() };
    let (error, advice) = refused(MANY, "64", &caps);
    let LimitAdvice::Batch { fits, parts: Some(parts) } = advice else {
        panic!("{error}");
    };
    let message = error.to_string();
    assert!(message.contains(&format!("--set batch_size={fits}")), "{message}");
    assert!(message.contains(&format!("--set accumulate={parts}")), "{message}");
    let compiles = |batch_size: usize, accumulate: usize| {
        let (recipe, data) = small_recipe("", MANY);
        let recipe = Recipe { batch_size, accumulate, ..recipe };
        RunPrograms::compile(&recipe, &data, &caps, &Picks::default()).is_ok()
    };
    assert!(compiles(fits, 1) && !compiles(fits + 1, 1) && compiles(64, parts), "{message}");

    // 7 x 7 x 32 x 64 floats, 392 KiB, whatever the batch.
    for batch in ["1", "8", "32"] {
        let (error, advice) = refused(WIDE, batch, &caps);
        assert_eq!(advice, LimitAdvice::Weight { units: Some(41) }, "{error}");
        let message = error.to_string();
        assert!(message.contains("conv2") && message.contains("[7, 7, 32, 64]"), "{message}");
        assert!(!message.contains("batch_size") && message.contains("--device cpu"), "{message}");
    }

    let caps = Caps { max_buffer_bytes: 200 << 10, ..Caps::webgpu_default() };
    let (error, advice) = refused(DENSE, "8", &caps);
    assert_eq!(advice, LimitAdvice::Weight { units: None }, "{error}");
    assert!(error.to_string().contains("buffer"), "{error}");
}
