//! Whole training runs against PyTorch: the same parameters and images must give the same losses,
//! step by step, and the same parameters at the end, on the CPU executor and on every GPU. The fixture, and the rule by which both
//! sides draw parameters and images, is `assets/golden/make_training.py`.

#[path = "pytorch_training/models.rs"]
mod models;

use std::path::Path;

use safetensors::SafeTensors;
use verigrad::data::{DATA_DIR_VARIABLE, DataError, Dataset, Splits, load};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor};
use verigrad::tensor::HostTensor;
use verigrad::tensor::rng::{philox4x32, uniform};
use verigrad::train::{OptimizerConfig, Recipe, Trainer};

/// Images of a step.
const BATCH: usize = 128;
/// Distance of the stored elements of a large parameter.
const STRIDE: usize = 97;
const SEED: u32 = 2026;
/// "init" and "data" in ASCII: the second key words of the two drawings.
const INIT: u32 = 0x696e_6974;
const DATA: u32 = 0x6461_7461;
/// Pixels of an image.
const PIXELS: u32 = 28 * 28;
/// Name, shape and fan-in of each parameter, in the order of the drawing.
const PARAMETERS: [(&str, &[usize], u32); 10] = [
    ("conv1.weight", &[3, 3, 1, 32], 9),
    ("conv1.bias", &[32], 9),
    ("conv2.weight", &[3, 3, 32, 64], 288),
    ("conv2.bias", &[64], 288),
    ("dense1.weight", &[1600, 128], 1600),
    ("dense1.bias", &[128], 1600),
    ("dense2.weight", &[128, 64], 128),
    ("dense2.bias", &[64], 128),
    ("dense3.weight", &[64, 10], 64),
    ("dense3.bias", &[10], 64),
];

/// The fixture's tensors.
struct Fixture(Vec<u8>);

impl Fixture {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let bytes = std::fs::read(folder.join("mnist_cnn_training.safetensors"));
        Self(bytes.expect("the fixture is part of the repository"))
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.0).expect("a safetensors file");
        let view = tensors.tensor(name).expect("the script stores it");
        match view.dtype() {
            safetensors::Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
            _ => {
                let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
                values.into_iter().map(f64::from).collect()
            }
        }
    }
}

/// Word `i` of a stream of the generator.
fn word(i: u32, stream: u32, purpose: u32) -> u32 {
    let block = philox4x32([i / 4, stream, 0, 0], [SEED, purpose]);
    block[usize::try_from(i % 4).expect("below 4")]
}

fn initial_parameters() -> Vec<(String, HostTensor)> {
    let draw = |(t, &(name, shape, fan_in)): (u32, &(&str, &[usize], u32))| {
        let count = u32::try_from(shape.iter().product::<usize>()).expect("a few hundred thousand");
        let bound = 1.0 / f64::from(fan_in).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the rule")]
        let value = |i| (bound * (2.0 * uniform(word(i, t, INIT)) - 1.0)) as f32;
        let values: Vec<f32> = (0..count).map(value).collect();
        let tensor = HostTensor::from_f32(shape.to_vec(), &values).expect("one value per element");
        (name.to_owned(), tensor)
    };
    (0..).zip(&PARAMETERS).map(draw).collect()
}

/// Images that need no file.
fn drawn(count: u32) -> Dataset {
    let labels: Vec<u32> = (0..count).map(|i| word(i, 1, DATA) % 10).collect();
    let pixel = |i: u32, p: u32, label: u32| {
        let noise = word(PIXELS * i + p, 0, DATA) >> 26;
        let block = 4 * (p / 28 / 7) + p % 28 / 7;
        let signal = if block == label { 160 } else { 0 };
        u8::try_from(noise + signal).expect("at most 63 + 160")
    };
    let images =
        (0..count).zip(&labels).flat_map(|(i, &label)| (0..PIXELS).map(move |p| (i, p, label)));
    let images = images.map(|(i, p, label)| pixel(i, p, label)).collect();
    let classes = (0..10).map(|class| class.to_string()).collect();
    Dataset::new("drawn", images, labels, [28, 28, 1], classes).expect("one label per image")
}

fn recipe(optimizer: OptimizerConfig) -> Recipe {
    let overrides = ["epochs=1".to_owned(), "shuffle=false".to_owned()];
    let mut recipe = Recipe::builtin("mnist-cnn", &overrides).expect("a built-in recipe");
    (recipe.batch_size, recipe.optimizer) = (BATCH, optimizer);
    recipe.schedule = Default::default();
    recipe.ema = None;
    recipe
}

fn sgd() -> OptimizerConfig {
    let (learning_rate, momentum) = (0.05, 0.9);
    OptimizerConfig::Sgd {
        learning_rate,
        momentum,
        dampening: 0.0,
        nesterov: false,
        weight_decay: 0.0,
        hypergradient: 0.0,
    }
}

fn adam() -> OptimizerConfig {
    let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
    let (learning_rate, weight_decay, hypergradient) = (1e-3, 0.0, 0.0);
    OptimizerConfig::Adam { learning_rate, beta1, beta2, epsilon, weight_decay, hypergradient }
}

/// Compares values that PyTorch has in f32 and f64 with ours; gives the largest error as a part of
/// what is allowed.
///
/// Two runs in f32 that sum in different orders drift apart as a run in f32 does from one in f64,
/// which PyTorch's two show. 32 times their largest difference leaves room for luck, 8 roundings
/// for values that have not drifted yet.
fn compare(what: &str, got: &[f32], single: &[f64], double: &[f64]) -> f64 {
    assert_eq!((got.len(), single.len()), (double.len(), double.len()), "{what}");
    assert!(!got.is_empty(), "{what} is empty");
    let drift = single.iter().zip(double).map(|(s, d)| (s - d).abs()).fold(0.0, f64::max);
    let mut worst = 0.0_f64;
    for (i, (&got, double)) in got.iter().zip(double).enumerate() {
        let allowed = 32.0 * drift + 8.0 * f64::from(f32::EPSILON) * double.abs();
        let error = (f64::from(got) - double).abs();
        assert!(
            error <= allowed,
            "{what}: element {i} is {got}, PyTorch says {double} (error {error:.1e}, allowed \
             {allowed:.1e})"
        );
        if error > 0.0 {
            worst = worst.max(error / allowed);
        }
    }
    worst
}

/// Trains, and compares the loss of each step and the parameters at the end; gives a summary.
fn check(
    run: &str,
    executor: &mut dyn Executor,
    data: &Splits,
    optimizer: OptimizerConfig,
) -> String {
    let fixture = Fixture::read();
    let device = executor.info().name.clone();
    let both = |name: &str| {
        let [single, double] =
            ["f32", "f64"].map(|kind| fixture.tensor(&format!("{run}.{name}_{kind}")));
        (single, double)
    };
    let mut trainer = Trainer::new(executor, &recipe(optimizer), data.clone()).expect("it fits");
    trainer.set_weights(&initial_parameters()).expect("the model's parameters");
    let (single, losses64) = both("losses");
    trainer.run_steps(u32::try_from(losses64.len()).expect("50")).expect("the device works");
    let losses = trainer.losses().expect("the device works");
    let mut worst = compare(&format!("{run} on {device}: loss"), &losses, &single, &losses64);
    for (name, tensor) in trainer.weights().expect("the device works") {
        let stride = if tensor.f32s().len() > 1000 { STRIDE } else { 1 };
        let values: Vec<f32> = tensor.f32s().iter().copied().step_by(stride).collect();
        let (single, double) = both(&name);
        let what = format!("{run} on {device}: {name}");
        worst = worst.max(compare(&what, &values, &single, &double));
    }
    let errors = losses.iter().zip(&losses64).map(|(&got, double)| (f64::from(got) - double).abs());
    let largest = errors.fold(0.0, f64::max);
    format!(
        "{run} on {device}: {} losses, off by at most {largest:.1e}; the worst error, parameters \
         included, is {worst:.3} of the bound",
        losses.len()
    )
}

#[test]
fn both_sides_draw_the_same_parameters() {
    let fixture = Fixture::read();
    for (name, tensor) in initial_parameters() {
        let sum: f64 = tensor.f32s().iter().map(|&v| f64::from(v).abs()).sum();
        let expected = fixture.tensor(&format!("{name}.sum"))[0];
        // Only the order of the f64 sum differs.
        assert!((sum - expected).abs() <= 1e-10 * expected, "{name}: {sum} is not {expected}");
    }
}

#[test]
fn training_on_drawn_images_follows_pytorch() {
    let set = drawn(5 * 128);
    let data =
        Splits { train: set.clone(), validation: None, test: set, account: Default::default() };
    println!("{}", check("drawn", &mut CpuExecutor::new(), &data, sgd()));
    for adapter in &adapters() {
        let mut executor = GpuExecutor::open(adapter).expect("the adapter opens");
        println!("{}", check("drawn", &mut executor, &data, sgd()));
    }
}

/// Runs where the environment names a folder that has MNIST.
#[test]
fn training_on_mnist_follows_pytorch() {
    if std::env::var_os(DATA_DIR_VARIABLE).is_none() {
        eprintln!("passed over: {DATA_DIR_VARIABLE} names no folder of data sets");
        return;
    }
    let mut config = recipe(adam()).data;
    (config.first, config.first_test) = (Some(50 * BATCH), Some(BATCH));
    let data = match load(&config, None) {
        Ok(data) => data,
        Err(error @ DataError::Missing { .. }) => {
            eprintln!("passed over: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for adapter in &adapters() {
        let mut executor = GpuExecutor::open(adapter).expect("the adapter opens");
        println!("{}", check("mnist", &mut executor, &data, adam()));
    }
}
