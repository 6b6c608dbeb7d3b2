//! Training on pictures that stay in their files, in a folder made large by links.

use std::path::Path;

use image::{Rgb, RgbImage};
use verigrad::data::DataError;
use verigrad::tensor::parallel::with_threads;
use verigrad::train::{CheckpointEvery, StopReason};

use super::checkpoints::Checkpoints;
use super::stop_at::StopAt;
use super::*;

/// Two classes of five pictures, each many times by links: `n` files to train on.
fn large_folder(n: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (class, seed) in [("a", 3_u32), ("b", 150)] {
        let [train, test] = ["train", "test"].map(|split| dir.path().join(split).join(class));
        std::fs::create_dir_all(&train).expect("a folder");
        std::fs::create_dir_all(&test).expect("a folder");
        for i in 0..5_u32 {
            let picture = RgbImage::from_fn(24 + i, 20, |x, y| {
                let value = |k: u32| u8::try_from((x * k + y * 5 + i * 17 + seed) % 256);
                Rgb([1, 2, 5].map(|k| value(k).unwrap_or(0)))
            });
            picture.save(test.join(format!("{i}.jpg"))).expect("a picture");
        }
        for i in 0..n / 2 {
            let from = test.join(format!("{}.jpg", i % 5));
            std::fs::hard_link(from, train.join(format!("{i}.jpg"))).expect("a link");
        }
    }
    dir
}

fn recipe_of(folder: &Path, stream: bool, augment: &str) -> Recipe {
    let text = format!(
        r#"
name = "large"
epochs = 2
batch_size = 16
[data]
dataset = "folder"
path = {folder:?}
image_size = [8, 8]
resize = 10
stream = {stream}
normalization = "per-channel"
[augment]
horizontal_flip = true
{augment}
[optimizer]
type = "adam"
learning_rate = 0.01
[[layers]]
type = "flatten"
[[layers]]
type = "dense"
units = 2
"#
    );
    Recipe::parse("large", &text, &[]).expect("valid")
}

/// The hash of the weights that a run ends with, which is interrupted and resumed at a step.
fn trained(recipe: &Recipe, stop: Option<u64>) -> String {
    let data = || load(&recipe.data, None).expect("pictures");
    let mut kept = Checkpoints::default();
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, recipe, data()).expect("a trainer");
    trainer.make_checkpoints(CheckpointEvery::Epoch).expect("the device reads");
    trainer.add_hook(Box::new(StopAt(stop.into_iter().collect())));
    let ended = trainer.run(&mut kept).expect("a run");
    if stop.is_none() {
        assert_eq!(ended.reason, StopReason::Completed);
        return sha256_of_weights(&trainer.weights().expect("weights"));
    }
    let checkpoint = kept.0.pop().expect("the end is saved");
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, recipe, data()).expect("a trainer");
    trainer.restore(&checkpoint).expect("it is of this run");
    trainer.run(&mut kept).expect("a run");
    sha256_of_weights(&trainer.weights().expect("weights"))
}

#[test]
fn files_train_like_memory_and_resume_with_the_same_bits() {
    let folder = large_folder(600);
    let from_memory = trained(&recipe_of(folder.path(), false, ""), None);
    let streaming = recipe_of(folder.path(), true, "");
    assert_eq!(trained(&streaming, None), from_memory);
    for stop in [1, 37, 60] {
        assert_eq!(trained(&streaming, Some(stop)), from_memory, "step {stop}");
    }
}

/// Three times as many of one class as of the other, each drawn equally often.
#[test]
fn a_balanced_order_goes_on_with_the_same_bits() {
    let folder = large_folder(200);
    for i in 0..66 {
        std::fs::remove_file(folder.path().join(format!("train/b/{i}.jpg"))).expect("a link");
    }
    let plain = |stream| recipe_of(folder.path(), stream, "");
    let balanced = |stream| {
        let text = format!("sampler = \"balanced\"\n{}", plain(stream).to_toml().expect("TOML"));
        Recipe::parse("large", &text, &[]).expect("valid")
    };
    let from_memory = trained(&balanced(false), None);
    assert_ne!(from_memory, trained(&plain(false), None));
    for stop in [None, Some(3), Some(9)] {
        assert_eq!(trained(&balanced(true), stop), from_memory, "step {stop:?}");
    }
}

/// Pixels that are not in memory are told apart by names and lengths of their files.
#[test]
fn a_file_that_changed_is_noticed_when_a_run_goes_on() {
    let folder = large_folder(60);
    let recipe = recipe_of(folder.path(), true, "");
    let data = || load(&recipe.data, None).expect("pictures");
    let mut kept = Checkpoints::default();
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data()).expect("a trainer");
    trainer.make_checkpoints(CheckpointEvery::Epoch).expect("the device reads");
    trainer.add_hook(Box::new(StopAt(vec![2])));
    trainer.run(&mut kept).expect("a run");
    let checkpoint = kept.0.pop().expect("the end is saved");
    let path = folder.path().join("train/b/7.jpg");
    let mut bytes = std::fs::read(&path).expect("a picture");
    std::fs::remove_file(&path).expect("a link");
    bytes.push(0);
    std::fs::write(&path, bytes).expect("written");
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data()).expect("a trainer");
    let error = trainer.restore(&checkpoint).expect_err("another file").to_string();
    assert!(error.contains("other files, by name or length"), "{error}");
}

#[test]
fn random_parts_are_the_same_on_any_number_of_threads_and_after_a_resume() {
    let folder = large_folder(200);
    let plain = trained(&recipe_of(folder.path(), true, ""), None);
    let recipe = recipe_of(folder.path(), true, "random_resized_crop = {}");
    let cropped = trained(&recipe, None);
    assert_ne!(cropped, plain);
    for threads in 1..=3 {
        assert_eq!(with_threads(threads, || trained(&recipe, Some(19))), Ok(cropped.clone()));
    }
    let text = recipe.to_toml().expect("TOML").replace("stream = true", "stream = false");
    let error = Recipe::parse("x", &text, &[]).expect_err("no files").to_string();
    assert!(error.contains("random_resized_crop") && error.contains("stream"), "{error}");
}

/// However large the folder is, no more pictures are in memory than two windows hold.
#[test]
fn memory_is_bounded_by_the_window() {
    let folder = large_folder(2000);
    let recipe = recipe_of(folder.path(), true, "");
    let data = load(&recipe.data, None).expect("pictures");
    let mut cpu = CpuExecutor::new();
    let feed = Feed::plan("train", &data.train, 16, false, &cpu.caps().clone());
    assert!(!feed.is_resident() && data.train.images.is_empty());
    let model = ModelPrograms::of_recipe(&recipe, &data.train).expect("a model");
    let caps = cpu.caps().clone();
    let program = model.training(&recipe, &feed, &caps, &Picks::default()).expect("it fits");
    cpu.load(Arc::new(program)).expect("it fits");
    let order = feed.epoch_order(1, 1, true);
    let mut pass = feed.start_pass(&mut cpu, order, 0, None).expect("started");
    for step in 0..feed.steps_per_epoch() as u64 {
        feed.prepare(&mut cpu, &data.train, &mut pass, step, 1).expect("read");
    }
    let (reads, late) = pass.late();
    assert!(reads == 125 && late <= reads, "{late} of {reads}");
    let most = pass.most_alive();
    assert!((1..=2 * 16 * 16).contains(&most), "{most} pictures");
}

#[test]
fn a_damaged_file_ends_the_run_by_its_name_or_is_replaced() {
    let folder = large_folder(60);
    let path = folder.path().join("train/b/7.jpg");
    std::fs::remove_file(&path).expect("a link");
    std::fs::write(&path, "no picture").expect("written");
    let mut recipe = recipe_of(folder.path(), true, "");
    recipe.data.normalization = None;
    let data = load(&recipe.data, None).expect("nothing is read yet");
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data).expect("a trainer");
    let error = trainer.run_steps(4).expect_err("a damaged file");
    let named = error.to_string().contains("train/b/7.jpg");
    assert!(named && matches!(error, TrainError::Data(DataError::Damaged { .. })), "{error}");

    recipe.data.skip_damaged = true;
    let data = load(&recipe.data, None).expect("pictures");
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data).expect("a trainer");
    trainer.run_steps(4).expect("another one takes its place");
    let found = trainer.found_damaged();
    assert_eq!(found.iter().map(|one| one.file.as_str()).collect::<Vec<_>>(), ["train/b/7.jpg"]);
}
