//! Training with activations in 16 bits: it learns as in 32 bits, survives overflows, and takes less
//! memory.

use verigrad::compile::{Picks, Program, Role};
use verigrad::data::{Splits, load};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor, ShadowExecutor};
use verigrad::graph::Caps;
use verigrad::tensor::{DType, HostTensor};
use verigrad::train::{
    EpochResult, Feed, LossScale, ModelPrograms, Observer, ObserverError, Progress, Recipe,
    Trainer, sha256_of_weights,
};

fn gpu() -> GpuExecutor {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    GpuExecutor::open(adapter).expect("the adapter opens")
}

fn digits(precision: &str) -> (Recipe, Splits) {
    let set = [
        &format!("precision=\"{precision}\""),
        "epochs=2",
        "batch_size=32",
        "data.train_size=3200",
        "data.test_size=1000",
    ];
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::builtin("digits", &set).expect("a built-in recipe");
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// Keeps what the last epoch gave.
#[derive(Default)]
struct Last(Option<EpochResult>);

impl Observer for Last {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(
        &mut self,
        result: &EpochResult,
        _: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        self.0 = Some(result.clone());
        Ok(())
    }
}

fn trained(executor: &mut dyn Executor, precision: &str) -> EpochResult {
    let (recipe, data) = digits(precision);
    let mut last = Last::default();
    let mut trainer = Trainer::new(executor, &recipe, data).expect("a trainer");
    let before = trainer.allocations();
    trainer.run(&mut last).expect("the run ends well");
    assert_eq!(trainer.allocations(), before, "no buffer is allocated while training");
    last.0.expect("two epochs")
}

/// On a thousand images, two runs of one accuracy near 0.9 differ by 0.01 in one standard deviation
/// of their difference; three of them are allowed.
#[test]
fn a_model_learns_in_16_bits_as_in_32() {
    let in_32 = trained(&mut gpu(), "f32");
    assert_eq!(in_32.loss_scale, None);
    for in_16 in [trained(&mut gpu(), "f16"), trained(&mut CpuExecutor::new(), "f16")] {
        let (wide, half) = (in_32.test.accuracy, in_16.test.accuracy);
        assert!(wide > 0.8 && half > wide - 0.03, "{half} in 16 bits, {wide} in 32");
        let scaling = in_16.loss_scale.expect("16 bits need loss scaling");
        // Each skipped step halves the scale, and 200 steps are too few to double it.
        assert_eq!(scaling.scale, 65_536.0 / 2.0_f32.powi(scaling.skipped.cast_signed()));
        assert!(scaling.skipped < 10, "{scaling:?}");
    }
}

#[test]
fn an_overflow_halves_the_scale_and_leaves_the_weights_unharmed() {
    let (mut on_gpu, mut on_cpu) = (gpu(), CpuExecutor::new());
    for (on_a_gpu, by_norm) in [(true, None), (true, Some(1.0)), (false, None), (false, Some(1.0))]
    {
        let executor: &mut dyn Executor = if on_a_gpu { &mut on_gpu } else { &mut on_cpu };
        executor.unload_all();
        let (mut recipe, data) = digits("f16");
        // The norm of what overflows is no number, nor is what is clipped by it.
        recipe.clipping.by_norm = by_norm;
        let mut trainer = Trainer::new(executor, &recipe, data).expect("a trainer");
        trainer.run_steps(3).expect("steps");
        let before = sha256_of_weights(&trainer.weights().expect("weights"));
        let skipped = trainer.loss_scale().expect("a scale").expect("16 bits").skipped;
        trainer.set_loss_scale(f32::MAX).expect("a write");
        trainer.run_steps(2).expect("steps");
        assert_eq!(before, sha256_of_weights(&trainer.weights().expect("weights")));
        let scaling = trainer.loss_scale().expect("a scale");
        let expected = LossScale { scale: f32::MAX / 4.0, skipped: skipped + 2 };
        assert_eq!(scaling, Some(expected));
        trainer.set_loss_scale(1024.0).expect("a write");
        trainer.run_steps(1).expect("a step");
        assert_ne!(before, sha256_of_weights(&trainer.weights().expect("weights")));
        let scaling = trainer.loss_scale().expect("a scale");
        assert_eq!(scaling, Some(LossScale { scale: 1024.0, ..expected }));
        let losses = trainer.losses().expect("losses");
        assert!(losses[..6].iter().all(|loss| loss.is_finite()), "{:?}", &losses[..6]);
    }
}

/// A small model with every kind of layer, also those without a form in 16 bits.
fn every_layer() -> Recipe {
    let text = r#"
name = "every-layer"
precision = "f16"
epochs = 1
batch_size = 8
data = { dataset = "synthetic-digits", train_size = 64, test_size = 24 }
optimizer = { type = "sgd", learning_rate = 0.05, momentum = 0.9 }
clipping = { by_norm = 1.0 }
layers = [
  { type = "conv2d", out_channels = 8, kernel_size = 3, stride = 2, padding = "same", bias = false },
  { type = "batch_norm" },
  { type = "activation", function = "silu" },
  { type = "residual", activation = "relu", layers = [
      { type = "conv2d", out_channels = 8, kernel_size = 3, padding = 1, groups = 8 },
      { type = "conv2d", out_channels = 8, kernel_size = 1, activation = "gelu" },
      { type = "batch_norm" } ] },
  { type = "concat", branches = [
      [],
      [ { type = "conv2d", out_channels = 5, kernel_size = 3, padding = [2, 2, 2, 2], dilation = 2 } ] ] },
  { type = "local_response_norm" },
  { type = "max_pool2d", window = 3, stride = 2 },
  { type = "avg_pool2d", window = 2, stride = 1, padding = 1, count_include_pad = true },
  { type = "dropout", rate = 0.25 },
  { type = "upsample2d", factor = [2, 1] },
  { type = "upsample2d", factor = [1, 2], method = "bilinear" },
  { type = "conv_transpose2d", out_channels = 6, kernel_size = 3, stride = 2, padding = 1, output_padding = 1, bias = false },
  { type = "conv2d", out_channels = 7, kernel_size = 3 },
  { type = "global_avg_pool2d" },
  { type = "dense", units = 15, activation = "tanh" },
  { type = "batch_norm" },
  { type = "dense", units = 10 },
]
"#;
    Recipe::parse("every-layer", text, &[]).expect("a valid recipe")
}

/// Every step of training agrees with the reference, which rounds where the device does, and two
/// runs give the same bits.
#[test]
fn every_layer_agrees_with_the_reference_and_is_reproducible() {
    let recipe = every_layer();
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let mut hashes = Vec::new();
    for executor in [&mut ShadowExecutor::new(gpu()) as &mut dyn Executor, &mut gpu()] {
        let mut trainer = Trainer::new(executor, &recipe, data.clone()).expect("a trainer");
        trainer.run_steps(6).expect("no divergence");
        hashes.push(sha256_of_weights(&trainer.weights().expect("weights")));
    }
    assert_eq!(hashes[0], hashes[1]);
}

fn program(precision: &str, caps: &Caps) -> Result<Program, String> {
    let (recipe, data) = digits(precision);
    let feed = Feed::plan("train", &data.train, recipe.batch_size, false, caps);
    let model = ModelPrograms::of_recipe(&recipe, &data.train).expect("the model fits its data");
    model.training(&recipe, &feed, caps, &Picks::default()).map_err(|error| error.to_string())
}

#[test]
fn parameters_stay_in_32_bits_and_activations_take_half_the_memory() {
    let caps = Caps { f16: true, ..Caps::webgpu_default() };
    let [wide, half] = ["f32", "f16"].map(|precision| program(precision, &caps).expect("compiles"));
    let (wide_bytes, half_bytes) = (wide.bytes_of(Role::Slot), half.bytes_of(Role::Slot));
    assert!(half_bytes * 3 < wide_bytes * 2, "{half_bytes} bytes instead of {wide_bytes}");
    let lasting = |operand: &&verigrad::compile::OperandAt| {
        matches!(half.buffers[operand.region.buffer].role, Role::State | Role::Arena)
    };
    let operands = half.steps.iter().flat_map(|step| step.inputs.iter().chain(&step.outputs));
    let in_half = operands.filter(lasting).filter(|operand| operand.ty.dtype == DType::F16);
    assert_eq!(in_half.count(), 0, "states and gradients of parameters are f32");
}

#[test]
fn a_device_without_f16_is_told_so() {
    let error = program("f16", &Caps::webgpu_default()).expect_err("no f16 there");
    assert!(error.contains("f16") && error.contains("precision = \"f32\""), "{error}");
    let error = Recipe::builtin("digits", &["precision=\"f8\"".to_owned()]).expect_err("no such");
    assert!(error.to_string().contains("f8"), "{error}");
}

/// A small model with running statistics, in parts or in one.
fn normalized(accumulate: usize) -> Recipe {
    let text = format!(
        r#"
name = "normalized"
precision = "f16"
epochs = 1
batch_size = 16
accumulate = {accumulate}
data = {{ dataset = "synthetic-digits", train_size = 128, test_size = 24 }}
optimizer = {{ type = "sgd", learning_rate = 0.05 }}
layers = [
  {{ type = "conv2d", out_channels = 4, kernel_size = 3, stride = 2, bias = false }},
  {{ type = "batch_norm" }},
  {{ type = "flatten" }},
  {{ type = "dense", units = 10 }},
]
"#
    );
    Recipe::parse("normalized", &text, &[]).expect("a valid recipe")
}

/// The first layer's weights of `weights`, multiplied.
fn scaled(weights: &[(String, HostTensor)], factor: f32) -> Vec<(String, HostTensor)> {
    let scaled = weights.iter().map(|(name, tensor)| {
        let values: Vec<f32> = tensor.f32s().iter().map(|value| value * factor).collect();
        let values = HostTensor::from_f32(tensor.ty().shape.clone(), &values);
        let unchanged = name != "conv1.weight";
        let tensor = if unchanged { tensor.clone() } else { values.expect("as many values") };
        (name.clone(), tensor)
    });
    scaled.collect()
}

/// A step that overflows, in its gradients only or already in its activations, leaves running
/// statistics as they were, bit for bit; the steps after it are as if it had not been.
#[test]
fn an_overflow_leaves_running_statistics_unharmed() {
    for accumulate in [1, 2] {
        let recipe = normalized(accumulate);
        let data = load(&recipe.data, None).expect("synthetic digits need no files");
        let executors: [&mut dyn Executor; 2] = [&mut gpu(), &mut CpuExecutor::new()];
        for executor in executors {
            let mut trainer = Trainer::new(executor, &recipe, data.clone()).expect("a trainer");
            trainer.run_steps(1).expect("a step");
            let before = trainer.weights().expect("weights");
            let running: Vec<&str> = before
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| name.contains("running"))
                .collect();
            assert_eq!(running, ["norm1.running_mean", "norm1.running_variance"]);

            trainer.set_loss_scale(f32::MAX).expect("a write");
            trainer.run_steps(1).expect("a step");
            let after = trainer.weights().expect("weights");
            assert_eq!(sha256_of_weights(&before), sha256_of_weights(&after));

            // Activations beyond f16, whose statistics are no numbers.
            let huge = scaled(&before, 1e9);
            trainer.set_weights(&huge).expect("they fit");
            trainer.set_loss_scale(1024.0).expect("a write");
            trainer.run_steps(1).expect("a step");
            let after = trainer.weights().expect("weights");
            assert_eq!(sha256_of_weights(&huge), sha256_of_weights(&after));
            let skipped = trainer.loss_scale().expect("a scale").expect("16 bits").skipped;
            assert_eq!(skipped, 2, "both steps overflowed");

            trainer.set_weights(&before).expect("they fit");
            trainer.run_steps(1).expect("a step");
            let after = trainer.weights().expect("weights");
            for ((name, old), (_, new)) in before.iter().zip(&after) {
                assert!(new.f32s().iter().all(|value| value.is_finite()), "{name}");
                assert_ne!(old, new, "{name} moves in a good step");
            }
        }
    }
}
