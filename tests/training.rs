//! Training as a whole, through the library: reproducible, without allocations, and learning.

#[path = "training/augmentation.rs"]
mod augmentation;
#[path = "training/callbacks.rs"]
mod callbacks;
#[path = "training/checkpoints.rs"]
mod checkpoints;
#[path = "training/first_bad.rs"]
mod first_bad;
#[path = "training/histograms.rs"]
mod histograms;
#[path = "training/inner.rs"]
mod inner;
#[path = "training/limits.rs"]
mod limits;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/small.rs"]
mod small;
#[path = "training/stop_at.rs"]
mod stop_at;
#[path = "training/streaming.rs"]
mod streaming;
#[path = "training/updates.rs"]
mod updates;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use inner::as_inner;
use verigrad::compile::{Picks, check_kernel};
use verigrad::data::{Dataset, Splits, load};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor, ShadowExecutor};
use verigrad::graph::{Caps, Kernel};
use verigrad::tensor::HostTensor;
use verigrad::train::{
    EpochResult, Feed, ModelPrograms, Observer, ObserverError, Progress, Recipe, TrainError,
    Trainer, builtin_recipes, sha256_of_weights,
};

fn recipe(name: &str, set: &[&str]) -> Recipe {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    Recipe::builtin(name, &set).expect("a built-in recipe")
}

fn small_digits() -> (Recipe, Splits) {
    let recipe = recipe(
        "digits",
        &["epochs=1", "batch_size=16", "data.train_size=1600", "data.test_size=64"],
    );
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// A small model that has every kind of layer.
fn every_layer() -> Recipe {
    let text = r#"
name = "every-layer"
epochs = 1
batch_size = 8
label_smoothing = 0.1
data = { dataset = "synthetic-digits", train_size = 64, test_size = 24 }
optimizer = { type = "adamw", learning_rate = 1e-3 }
clipping = { by_norm = 1.0, by_value = 0.5 }
schedule = { warmup_steps = 3, decay = { exponential = { factor = 0.99 } } }
layers = [
  { type = "conv2d", out_channels = 8, kernel_size = 3, stride = 2, padding = "same", bias = false },
  { type = "batch_norm" },
  { type = "activation", function = "silu" },
  { type = "residual", activation = "relu", layers = [
      { type = "conv2d", out_channels = 8, kernel_size = 3, padding = 1, groups = 8 },
      { type = "conv2d", out_channels = 8, kernel_size = 1, activation = "gelu" } ] },
  { type = "concat", branches = [
      [],
      [ { type = "conv2d", out_channels = 4, kernel_size = 3, padding = [2, 2, 2, 2], dilation = 2 } ] ] },
  { type = "local_response_norm" },
  { type = "max_pool2d", window = 3, stride = 2 },
  { type = "adaptive_avg_pool2d", output = [4, 5] },
  { type = "activation", function = "relu6" },
  { type = "avg_pool2d", window = 2, stride = 1, padding = 1, count_include_pad = true },
  { type = "dropout", rate = 0.25 },
  { type = "global_avg_pool2d" },
  { type = "dense", units = 16, activation = "tanh" },
  { type = "batch_norm" },
  { type = "dense", units = 10 },
]
"#;
    Recipe::parse("every-layer", text, &[]).expect("a valid recipe")
}

fn gpu() -> GpuExecutor {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    GpuExecutor::open(adapter).expect("the adapter opens")
}

fn train(executor: &mut dyn Executor, recipe: &Recipe, data: &Splits, steps: u32) -> Vec<f32> {
    let mut trainer = Trainer::new(executor, recipe, data.clone()).expect("a trainer");
    let before = trainer.allocations();
    trainer.run_steps(steps).expect("steps");
    assert_eq!(trainer.allocations(), before, "no buffer is allocated while training");
    let losses = trainer.losses().expect("losses");
    losses.into_iter().take(steps as usize).collect()
}

fn weights_hash(executor: &mut dyn Executor, recipe: &Recipe, data: &Splits) -> String {
    let mut trainer = Trainer::new(executor, recipe, data.clone()).expect("a trainer");
    trainer.run_steps(20).expect("steps");
    sha256_of_weights(&trainer.weights().expect("weights"))
}

#[test]
fn two_runs_give_the_same_bits_on_each_device() {
    let (digits, data) = small_digits();
    let every = every_layer();
    let every_data = load(&every.data, None).expect("synthetic digits need no files");
    for (recipe, data) in [(&digits, &data), (&every, &every_data)] {
        let on_gpu = weights_hash(&mut gpu(), recipe, data);
        assert_eq!(on_gpu, weights_hash(&mut gpu(), recipe, data), "{} on GPU", recipe.name);
        let on_cpu = weights_hash(&mut CpuExecutor::new(), recipe, data);
        assert_eq!(on_cpu, weights_hash(&mut CpuExecutor::new(), recipe, data), "{}", recipe.name);
        let mut other = recipe.clone();
        other.seed += 1;
        assert_ne!(on_gpu, weights_hash(&mut gpu(), &other, data), "the seed matters");
    }
}

#[test]
fn devices_agree_and_the_loss_falls() {
    let (recipe, data) = small_digits();
    let on_gpu = train(&mut gpu(), &recipe, &data, 100);
    let on_cpu = train(&mut CpuExecutor::new(), &recipe, &data, 20);
    for (step, (gpu, cpu)) in on_gpu.iter().zip(&on_cpu).enumerate() {
        let difference = (gpu - cpu).abs() / cpu.abs().max(1e-3);
        assert!(difference < 1e-3, "step {step}: {gpu} on the GPU, {cpu} on the CPU");
    }
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / 10.0;
    assert!(mean(&on_gpu[90..]) < 0.8 * mean(&on_gpu[..10]), "{on_gpu:?}");
}

/// Counts nothing, keeps nothing.
struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &EpochResult, _: &[(String, HostTensor)]) -> Result<(), ObserverError> {
        Ok(())
    }
}

#[test]
fn a_whole_run_allocates_nothing_after_its_start() {
    let (mut recipe, _) = small_digits();
    recipe.epochs = 2;
    recipe.data.validation = 0.2;
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let mut gpu = gpu();
    let mut trainer = Trainer::new(&mut gpu, &recipe, data).expect("a trainer");
    let before = trainer.allocations();
    assert_eq!(trainer.tensor_bytes(), trainer.planned_bytes());
    trainer.run(&mut Silent).expect("a run");
    assert_eq!(trainer.allocations(), before);
    assert_eq!(trainer.tensor_bytes(), trainer.planned_bytes());
}

/// Every layer, compared with the reference after every single step of a program.
#[test]
fn the_shadow_executor_finds_nothing() {
    let recipe = every_layer();
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let mut shadow = ShadowExecutor::new(gpu());
    let mut trainer = Trainer::new(&mut shadow, &recipe, data).expect("a trainer");
    trainer.run_steps(3).expect("no step diverges");
    let losses = trainer.losses().expect("losses");
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
}

/// A set that is too large for the device goes through a window; the batches are the same.
#[test]
fn a_data_set_that_does_not_fit_is_streamed() {
    let set = ["batch_size=16", "data.train_size=2400", "data.test_size=64"];
    let recipe = recipe("digits", &set);
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let caps = Caps { max_binding_bytes: 400_000, ..Caps::webgpu_default() };
    let feed = Feed::plan("train", &data.train, 16, false, &caps);
    assert!(!feed.is_resident(), "four buffers of 510 images do not hold 2,400");
    let resident = train(&mut CpuExecutor::new(), &recipe, &data, 40);
    let mut small = SmallDevice { inner: CpuExecutor::new(), caps };
    let streamed = train(&mut small, &recipe, &data, 40);
    assert_eq!(resident, streamed);
}

/// What devices count is what the host counts from their predictions, on every split, and what an
/// epoch's evaluation told; also where the training set goes through a window.
#[test]
fn devices_count_what_the_host_counts() {
    let set = ["epochs=1", "batch_size=16", "data.train_size=2407", "data.test_size=67"];
    let recipe = recipe("digits", &[&set[..], &["data.validation=0.02"]].concat());
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let caps = Caps { max_binding_bytes: 400_000, ..Caps::webgpu_default() };
    let mut small = SmallDevice { inner: CpuExecutor::new(), caps };
    let (mut cpu, mut gpu) = (CpuExecutor::new(), gpu());
    let mut found = Vec::new();
    let devices: [&mut dyn Executor; 3] = [&mut cpu, &mut small, &mut gpu];
    for executor in devices {
        let mut trainer = Trainer::new(executor, &recipe, data.clone()).expect("a trainer");
        trainer.run_steps(4).expect("steps");
        let weights = trainer.weights().expect("weights").into_iter().collect();
        let (splits, predictions) = trainer.evaluate_splits(&weights, None).expect("an evaluation");
        assert_eq!(splits.keys().collect::<Vec<_>>(), ["test", "train", "validation"]);
        let examples: Vec<u64> = splits.values().map(|split| split.examples).collect();
        assert_eq!(examples, [67, 2359, 48], "no batch's rest is left out");

        let predictions = predictions.into_classes().expect("it classifies");
        let host = predictions.evaluate(&data.test.classes);
        let test = &splits["test"];
        assert_eq!(predictions.labels, data.test.labels);
        assert_eq!(test.confusion, host.confusion);
        assert_eq!(test.per_class, host.per_class);
        assert_eq!((test.accuracy, test.top5), (host.accuracy, host.top5));
        assert!((test.loss - host.loss).abs() < 1e-5 * host.loss, "{} {}", test.loss, host.loss);
        for (split, set) in [("train", &data.train), ("test", &data.test)] {
            let support: Vec<u64> = splits[split].per_class.iter().map(|c| c.support).collect();
            let counts: Vec<u64> = set.class_counts().into_iter().map(|n| n as u64).collect();
            assert_eq!(support, counts, "{split}");
        }
        // A second pass starts from zero, and training can go on.
        let (again, _) = trainer.evaluate_splits(&weights, None).expect("an evaluation");
        assert_eq!(again, splits);
        trainer.run_steps(1).expect("a step");
        let interrupted = AtomicBool::new(true);
        let error = trainer.evaluate_splits(&weights, Some(&interrupted)).expect_err("it is asked");
        assert!(matches!(error, TrainError::Interrupted), "{error}");
        found.push(splits);
    }
    let [cpu, small, _] = &found[..] else { unreachable!("three devices") };
    assert_eq!(cpu, small, "a window changes nothing");
}

/// An executor that claims smaller limits, and loads no program that is beyond them.
struct SmallDevice<E> {
    inner: E,
    caps: Caps,
}

impl<E: Executor> Executor for SmallDevice<E> {
    as_inner!();

    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn load(
        &mut self,
        program: Arc<verigrad::compile::Program>,
    ) -> Result<verigrad::exec::ProgramId, verigrad::exec::ExecError> {
        let largest = limits::largest_binding(&program);
        assert!(largest <= self.caps.max_binding_bytes, "{}", program.name);
        self.inner.load(program)
    }

    fn run(
        &mut self,
        program: verigrad::exec::ProgramId,
        steps: u32,
    ) -> Result<(), verigrad::exec::ExecError> {
        self.inner.run(program, steps)
    }

    fn run_step(
        &mut self,
        program: verigrad::exec::ProgramId,
        step: usize,
    ) -> Result<(), verigrad::exec::ExecError> {
        self.inner.run_step(program, step)
    }
}

/// Four black images in the place of a recipe's data set.
fn blank(recipe: &Recipe) -> Dataset {
    let image = recipe.data.image().expect("built-in recipes know their images");
    let classes = recipe.data.dataset.classes().unwrap_or(1000);
    // Of each pixel, no two the same: recipes may ask for their statistics.
    let pixels = (0..4).flat_map(|i| vec![i; image.iter().product::<usize>()]).collect();
    let classes = (0..classes).map(|class| class.to_string()).collect();
    Dataset::new("blank", pixels, vec![0; 4], image, classes).expect("one label per image")
}

/// Every built-in recipe compiles for a device with WebGPU's default limits, and all its kernels
/// are valid there.
#[test]
fn built_in_recipes_fit_webgpu_default_limits() {
    check_built_in_recipes(&Caps::webgpu_default());
}

/// The same where kernels read through textures, as on llvmpipe.
#[test]
fn built_in_recipes_fit_devices_that_read_textures() {
    let subgroup_size = Some(8);
    check_built_in_recipes(&Caps {
        texel_intensity: Some(0),
        subgroup_size,
        ..Caps::webgpu_default()
    });
}

fn check_built_in_recipes(caps: &Caps) {
    let mut recipes: Vec<Recipe> =
        builtin_recipes().iter().map(|r| recipe(r.name, &["schedule.warmup_steps=0"])).collect();
    let mut every_layer = every_layer();
    // A step is the whole run here.
    every_layer.schedule.warmup_steps = 0;
    recipes.push(every_layer);
    for recipe in recipes {
        let data = blank(&recipe);
        let feed = Feed::plan("train", &data, recipe.batch_size, false, caps);
        let model = ModelPrograms::of_recipe(&recipe, &data).expect("the model fits its data");
        let training = model.training(&recipe, &feed, caps, &Picks::default());
        let training = training.expect("compiles");
        let evaluation =
            model.evaluation("test", &feed, caps, &Picks::default()).expect("compiles");
        for program in [training, evaluation] {
            for dispatch in program.steps.iter().flat_map(|step| &step.dispatches) {
                let text = &program.kernels[dispatch.kernel];
                let mut kernel = Kernel::new(&text.name).file(&text.source);
                kernel.workgroups = dispatch.workgroups;
                kernel.bindings = text
                    .accesses
                    .iter()
                    .map(|&access| {
                        let operand = verigrad::graph::Operand::Input(0);
                        verigrad::graph::Binding::whole(operand, access)
                    })
                    .collect();
                assert_eq!(check_kernel(&kernel, caps), Ok(()), "{}", recipe.name);
                for bound in &dispatch.bindings {
                    assert!(bound.region.offset.is_multiple_of(256));
                    assert!(bound.region.bytes as u64 <= caps.max_binding_bytes);
                }
            }
        }
    }
}

/// The program says what a device will hold: no buffer is bound for reading and for writing in one
/// dispatch, and tensors that live at the same time never share memory.
#[test]
fn parameter_counts_are_known() {
    let count = |name: &str| {
        let recipe = recipe(name, &[]);
        let model = ModelPrograms::of_recipe(&recipe, &blank(&recipe)).expect("the model fits");
        model.arena.parameter_count()
    };
    assert_eq!(count("mnist-cnn"), 232_650);
    assert_eq!(count("mnist-mlp"), 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10);
    let torch = 784 * 512 + 512 + 512 * 128 + 128 + 128 * 10 + 10;
    assert_eq!(count("mnist-mlp-torch"), torch);
    assert_eq!(count("digits"), 27_562);
    assert_eq!(count("alexnet"), 61_100_840);
    assert_eq!(count("dense-2000"), 784 * 128 + 128 + 1280 + 10);
    assert_eq!(count("mnist-custom"), 84_090);
    assert_eq!(count("mnist-alexnet"), 2_297_162);
    assert_eq!(count("cifar10-resnet20"), 272_474);
    assert_eq!(count("cifar10-resnet18"), 11_173_962);
    let million = count("cifar10-custom");
    assert!((950_000..1_100_000).contains(&million), "{million}");
}
