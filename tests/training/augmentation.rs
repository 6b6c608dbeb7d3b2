//! Augmented batches as training gets them: the same on every device, from a window as from the whole
//! set, and after any number of steps; and runs that train on them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a small test"
)]

use std::sync::Arc;

use verigrad::compile::{Picks, compile};
use verigrad::data::{Dataset, Normalization, load};
use verigrad::exec::{CpuExecutor, Executor};
use verigrad::graph::{Caps, Graph};
use verigrad::ops::{Advance, Augment, FillMode, Flip, PaddingMode};
use verigrad::tensor::TensorType;
use verigrad::train::{Fed, Feed, Recipe};

use super::{SmallDevice, gpu, recipe, train, weights_hash};

const BATCH: usize = 24;

fn everything() -> Augment {
    Augment {
        crop_padding: 3,
        crop_mode: PaddingMode::Reflect,
        flip: Flip::Alternating,
        rotation: 15.0,
        translation: 0.1,
        zoom: 0.15,
        shear: 8.0,
        fill: FillMode::Reflect,
        cutout: 6,
        brightness: 0.3,
        contrast: 0.2,
    }
}

/// Color images, no two alike.
fn images(n: usize) -> Dataset {
    let size = [20, 18, 3];
    let bytes = n * size.iter().product::<usize>();
    let pixels = (0..bytes as u64).map(|i| (i * i / 7 + i * 31 + i / 999) as u8).collect();
    let labels = (0..n as u32).map(|i| i % 5).collect();
    let classes = (0..5).map(|class| class.to_string()).collect();
    Dataset::new("images", pixels, labels, size, classes).expect("it fits")
}

/// The batches of some steps without normalization, as levels from 0 to 65,280, and their labels.
fn batches(
    executor: &mut dyn Executor,
    data: &Dataset,
    first: u32,
    steps: u32,
) -> Vec<(Vec<u32>, Vec<u32>)> {
    let caps = executor.caps().clone();
    let feed = Feed::plan("train", data, BATCH, false, &caps);
    let mut graph = Graph::default();
    let step = graph.source("step", TensorType::u32([1]));
    let plain = Normalization::new(3, vec![0.0; 3], vec![1.0; 3]).expect("three channels");
    let Fed { x, labels: y, .. } = feed
        .add_augmented_to(&mut graph, &plain, step, (&everything(), 9))
        .expect("the augmentation fits");
    graph.output("x", x);
    graph.output("y", y);
    graph.push(Advance {}, &[step]).expect("a counter");
    let picks = Picks::default();
    let program =
        compile("train", &graph, &caps, &|op, sig, all| picks.choose(op, sig, all)).expect("valid");
    let id = executor.load(Arc::new(program)).expect("it fits");
    feed.upload(executor, data).expect("written");
    executor.write("step", 0, &first.to_le_bytes()).expect("written");
    let per_epoch = feed.steps_per_epoch() as u64;
    let mut found = Vec::new();
    for step in u64::from(first)..u64::from(first + steps) {
        let order = feed.epoch_order(3, (step / per_epoch) as u32, true);
        let begin = step / per_epoch * per_epoch;
        let mut pass = feed.start_pass(executor, order, begin, None).expect("written");
        feed.prepare(executor, data, &mut pass, step, 1).expect("written");
        executor.run(id, 1).expect("it runs");
        let x: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now("train/x").expect("x"));
        let y = bytemuck::pod_collect_to_vec(&executor.read_now("train/y").expect("y"));
        let levels = x.iter().map(|x| {
            let level = x * 65_280.0;
            assert!((level - level.round()).abs() < 0.01, "{level} is no level");
            level.round() as u32
        });
        found.push((levels.collect(), y));
    }
    found
}

#[test]
fn augmented_batches_are_the_same_everywhere_and_from_any_step_on() {
    // The last batch of an epoch, that of step 17, has rows without an example.
    let data = images(420);
    let expected = batches(&mut CpuExecutor::new(), &data, 0, 20);
    assert!(expected.windows(2).all(|pair| pair[0].0 != pair[1].0), "steps differ");
    assert_eq!(expected[17].1[12..], [u32::MAX; 12]);
    let on_gpu = batches(&mut gpu(), &data, 0, 20);
    for (step, (cpu, gpu)) in expected.iter().zip(&on_gpu).enumerate() {
        assert!(cpu == gpu, "step {step} differs between CPU and GPU");
    }
    // A run that is resumed at step 13.
    assert!(batches(&mut CpuExecutor::new(), &data, 13, 7) == expected[13..]);
    assert!(batches(&mut gpu(), &data, 13, 7) == expected[13..]);
    // Four buffers of 96 images hold less than the set.
    let caps = Caps { max_binding_bytes: 96 * 20 * 18 * 3, ..CpuExecutor::new().caps().clone() };
    assert!(!Feed::plan("train", &data, BATCH, false, &caps).is_resident());
    let mut small = SmallDevice { inner: CpuExecutor::new(), caps };
    assert!(batches(&mut small, &data, 0, 20) == expected, "streamed batches differ");
}

fn augmented_digits(extra: &[&str]) -> Recipe {
    let set = [
        "batch_size=16",
        "data.train_size=320",
        "data.test_size=64",
        "augment.rotation=10",
        "augment.translation=0.06",
        "augment.random_crop={ padding = 2 }",
    ];
    recipe("digits", &[&set, extra].concat())
}

#[test]
fn augmented_and_mixed_runs_train_alike_on_all_devices() {
    for extra in [
        &["data.normalization=\"per-channel\"", "augment.contrast=0.2"][..],
        &["data.normalization=\"per-pixel\"", "data.epsilon=0.1"],
        &["augment.mixup=0.2", "augment.cutmix=1.0", "label_smoothing=0.1"],
    ] {
        let recipe = augmented_digits(extra);
        let data = load(&recipe.data, None).expect("synthetic digits need no files");
        let on_cpu = train(&mut CpuExecutor::new(), &recipe, &data, 20);
        let on_gpu = train(&mut gpu(), &recipe, &data, 20);
        for (step, (gpu, cpu)) in on_gpu.iter().zip(&on_cpu).enumerate() {
            let difference = (gpu - cpu).abs() / cpu.abs().max(1e-3);
            assert!(
                difference < 1e-3,
                "{extra:?}, step {step}: {gpu} on the GPU, {cpu} on the CPU"
            );
        }
        let hash = weights_hash(&mut CpuExecutor::new(), &recipe, &data);
        assert_eq!(hash, weights_hash(&mut CpuExecutor::new(), &recipe, &data), "{extra:?}");
    }
}

#[test]
fn augmentation_that_does_not_fit_is_refused_by_name() {
    let refused = |set: &str| {
        let set = [set.to_owned()];
        match Recipe::builtin("digits", &set) {
            Err(error) => error.to_string(),
            Ok(recipe) => {
                let data = load(&recipe.data, None).expect("synthetic digits need no files");
                let mut cpu = CpuExecutor::new();
                let trainer = verigrad::train::Trainer::new(&mut cpu, &recipe, data);
                trainer.map(|_| ()).expect_err("it does not fit").to_string()
            }
        }
    };
    for (set, expected) in [
        ("augment.random_crop={ padding = 28 }", "a padding of 28 pixels is too much"),
        ("augment.cutout=29", "a square of 29 pixels is larger"),
        ("augment.rotation=-3", "--set augment.rotation=-3: must lie in [0, 179.999], degrees"),
        ("augment.mixup=-1", "--set augment.mixup=-1: must be 0 for none"),
        ("augment.contrast=0.5", "the data have none: give [data] mean"),
        ("augment.rotate=3", "unknown field `rotate`"),
    ] {
        let message = refused(set);
        assert!(message.contains(expected), "{set}: {message}");
    }
}
