//! Runs that are interrupted and go on: in the same trainer, and from checkpoints.

use verigrad::train::{Checkpoint, CheckpointEvery, Metrics, StepLoss, StopReason};

use super::stop_at::StopAt;
use super::*;

/// Keeps what each epoch gave, and the last checkpoint.
#[derive(Default)]
struct Keeping {
    epochs: Vec<EpochResult>,
    checkpoint: Option<Checkpoint>,
}

impl Observer for Keeping {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(
        &mut self,
        result: &EpochResult,
        _: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        self.epochs.push(result.clone());
        Ok(())
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ObserverError> {
        self.checkpoint = Some(checkpoint.clone());
        Ok(())
    }
}

/// What a run came to: the hash of its weights and the figures of each epoch.
type Outcome = (String, Vec<(u32, Metrics, Metrics, bool, Vec<StepLoss>)>);

fn outcome(trainer: &mut Trainer<'_>, epochs: &[EpochResult]) -> Outcome {
    let figures = epochs.iter().map(|r| (r.epoch, r.train, r.test, r.best, r.step_losses.clone()));
    (sha256_of_weights(&trainer.weights().expect("weights")), figures.collect())
}

/// Small, and with whatever keeps state between steps.
fn stateful() -> (Recipe, Splits) {
    let mut recipe = every_layer();
    recipe.epochs = 3;
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// A hook ends a run after exactly the steps that it names; the run can go on as if nothing had
/// happened.
#[test]
fn a_run_that_hooks_interrupt_gives_the_same_bits() {
    let (recipe, data) = stateful();
    let run = |stops: &[u64]| {
        let mut cpu = CpuExecutor::new();
        let mut trainer = Trainer::new(&mut cpu, &recipe, data.clone()).expect("a trainer");
        trainer.add_hook(Box::new(StopAt(stops.to_vec())));
        let mut kept = Keeping::default();
        for &stop in stops {
            let ended = trainer.run(&mut kept).expect("a run");
            assert_eq!(ended.reason, StopReason::Interrupted);
            assert_eq!(trainer.steps(), stop);
        }
        let ended = trainer.run(&mut kept).expect("a run");
        assert_eq!((ended.reason, trainer.steps()), (StopReason::Completed, 24));
        outcome(&mut trainer, &kept.epochs)
    };
    let straight = run(&[]);
    // Within an epoch, at the end of one before its evaluation, and twice in one.
    assert_eq!(run(&[3]), straight);
    assert_eq!(run(&[8, 17, 21]), straight);
    assert_eq!(run(&[24]), straight);
}

/// Runs until step `stop`, and from the checkpoint of that moment on another device of the kind.
fn resumed(
    open: &dyn Fn() -> Box<dyn Executor>,
    recipe: &Recipe,
    data: &Splits,
    stop: Option<u64>,
) -> Outcome {
    let mut kept = Keeping::default();
    let mut device = open();
    let mut trainer = Trainer::new(device.as_mut(), recipe, data.clone()).expect("a trainer");
    trainer.make_checkpoints(CheckpointEvery::Steps(5)).expect("the device reads");
    trainer.add_hook(Box::new(StopAt(stop.into_iter().collect())));
    let before = trainer.allocations();
    let ended = trainer.run(&mut kept).expect("a run");
    assert_eq!(trainer.allocations(), before, "checkpoints allocate nothing");
    let last = kept.checkpoint.take().expect("the end is saved");
    assert_eq!(last.state.stop.as_ref(), Some(&ended));
    if stop.is_none() {
        return outcome(&mut trainer, &kept.epochs);
    }
    drop(trainer);
    let mut device = open();
    let mut trainer = Trainer::new(device.as_mut(), recipe, data.clone()).expect("a trainer");
    trainer.restore(&last).expect("it is of this run");
    let ended = trainer.run(&mut kept).expect("a run");
    assert_eq!((ended.reason, trainer.sessions()), (StopReason::Completed, 2));
    outcome(&mut trainer, &kept.epochs)
}

/// A checkpoint has everything: on a device that knows nothing of the run, the rest of it gives the
/// same bits.
#[test]
fn a_checkpoint_continues_on_a_fresh_device() {
    let (recipe, data) = stateful();
    let cpu: &dyn Fn() -> Box<dyn Executor> = &|| Box::new(CpuExecutor::new());
    let straight = resumed(cpu, &recipe, &data, None);
    for stop in [1, 8, 13] {
        assert_eq!(resumed(cpu, &recipe, &data, Some(stop)), straight, "step {stop}");
    }
    let on_gpu: &dyn Fn() -> Box<dyn Executor> = &|| Box::new(gpu());
    let straight = resumed(on_gpu, &recipe, &data, None);
    assert_eq!(resumed(on_gpu, &recipe, &data, Some(11)), straight);
}

/// The same where examples come through a window that was half used.
#[test]
fn a_checkpoint_continues_a_streamed_data_set() {
    let set = ["epochs=1", "batch_size=16", "data.train_size=2400", "data.test_size=64"];
    let recipe = recipe("digits", &set);
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    let caps = Caps { max_binding_bytes: 400_000, ..Caps::webgpu_default() };
    let feed = Feed::plan("train", &data.train, 16, false, &caps);
    assert!(!feed.is_resident() && feed.longest_run(0) < 150, "the window is part of an epoch");
    let small: &dyn Fn() -> Box<dyn Executor> =
        &|| Box::new(SmallDevice { inner: CpuExecutor::new(), caps: caps.clone() });
    let straight = resumed(small, &recipe, &data, None);
    assert_eq!(resumed(small, &recipe, &data, Some(21)), straight);
}

#[test]
fn a_checkpoint_of_another_model_or_data_set_is_refused() {
    let (recipe, data) = stateful();
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data.clone()).expect("a trainer");
    let checkpoint = trainer.checkpoint(None).expect("a checkpoint");
    let refused = |recipe: &Recipe, data: Splits| {
        let mut cpu = CpuExecutor::new();
        let mut trainer = Trainer::new(&mut cpu, recipe, data).expect("a trainer");
        trainer.restore(&checkpoint).expect_err("it does not fit").to_string()
    };
    let mut other = recipe.clone();
    let sgd = serde_json::json!({ "type": "sgd", "learning_rate": 0.1, "momentum": 0.9 });
    other.optimizer = serde_json::from_value(sgd).expect("an optimizer");
    let error = refused(&other, data.clone());
    assert!(error.contains("optimizer/"), "{error}");
    let mut relabeled = data.clone();
    relabeled.train.labels.swap(0, 1);
    relabeled.train.labels[0] = (relabeled.train.labels[0] + 1) % 10;
    let error = refused(&recipe, relabeled);
    assert!(error.contains("data set has changed") && error.contains("labels"), "{error}");
}
