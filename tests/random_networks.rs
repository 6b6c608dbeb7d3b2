//! Random networks, trained for a few steps under four judges: nothing fails, the GPU agrees with the
//! reference after every op, fused ops agree with single ones, and a run that goes on from a checkpoint
//! ends with the bits of one that was never interrupted. What fails is shrunk to the smallest recipe that
//! still does.
//!
//! Networks come by seed. `VERIGRAD_NETWORKS=1000 cargo test --test random_networks` draws so many,
//! `VERIGRAD_NETWORKS_SEED` others.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "training/checkpoints.rs"]
mod checkpoints;
#[path = "random_networks/network.rs"]
mod network;
#[path = "training/stop_at.rs"]
mod stop_at;

use std::fmt::Display;

use checkpoints::Checkpoints;
use network::{Network, network};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use stop_at::StopAt;
use verigrad::compile::Picks;
use verigrad::data::load;
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor, ShadowExecutor};
use verigrad::tensor::HostTensor;
use verigrad::train::{Checkpoint, CheckpointEvery, Recipe, Trainer};

type Judged = Result<(), String>;
type Weights = Vec<(String, HostTensor)>;

/// A number from the environment.
fn given(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

/// Lets `judge` look at networks, and reports the smallest that it rejects. `share` of the networks that
/// are asked for are drawn, since some judges take longer.
fn judge(count: u32, judge: impl Fn(&Network) -> Judged) {
    let cases = given("VERIGRAD_NETWORKS").unwrap_or(count);
    let seed = given("VERIGRAD_NETWORKS_SEED").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng)
        .run(&network(), |network| judge(&network).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, network)) => {
            panic!("{why}\n\nof this recipe:\n{}", network.toml())
        }
        Err(error) => panic!("{error}"),
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// A trainer of a network on a device, after `steps`.
fn with_trainer<T>(
    network: &Network,
    executor: &mut dyn Executor,
    work: impl FnOnce(&mut Trainer<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let recipe = Recipe::parse("random", &network.toml(), &[]).map_err(text)?;
    let data = load(&recipe.data, None).map_err(text)?;
    let mut trainer = Trainer::new(executor, &recipe, data).map_err(text)?;
    work(&mut trainer)
}

#[test]
fn a_gpu_agrees_with_the_reference() {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    judge(16, |network| {
        let gpu = GpuExecutor::open(adapter).map_err(text)?;
        let network = if gpu.caps().f16 { network.clone() } else { network.in_f32() };
        with_trainer(&network, &mut ShadowExecutor::new(gpu), |trainer| {
            trainer.run_steps(2).map_err(text)?;
            trainer.losses().map_err(text)?;
            Ok(())
        })
    });
}

/// Networks on which judge or kernel were wrong once. Here the loss was scaled by 65,536, which made terms
/// of 160 cancel to -0.5: half a unit in their last place was taken for a fault.
const FAILED_ONCE: [&str; 1] = [r#"
name = "a smoothed target beside its probability, in a scaled loss"
seed = 164
epochs = 1
batch_size = 4
precision = "f16"
label_smoothing = 0.1
layers = [
  { type = "flatten" },
  { type = "dense", units = 31, activation = "gelu" },
  { type = "batch_norm" },
  { type = "dense" }
]
optimizer = { type = "sgd", learning_rate = 0.01 }
data = { dataset = "synthetic-digits", train_size = 16, test_size = 9 }
"#];

#[test]
fn networks_that_failed_once_pass() {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    for text in FAILED_ONCE {
        let recipe = Recipe::parse("one that failed", text, &[]).expect("it is valid");
        let data = load(&recipe.data, None).expect("it is drawn");
        let mut shadow = ShadowExecutor::new(GpuExecutor::open(adapter).expect("it opens"));
        let mut trainer = Trainer::new(&mut shadow, &recipe, data).expect("it fits");
        trainer.run_steps(2).unwrap_or_else(|error| panic!("{}: {error}", recipe.name));
    }
}

#[test]
fn fused_ops_agree_with_single_ones() {
    judge(60, |network| {
        let network = network.smooth();
        let steps = |unfused: bool| {
            let mut cpu = CpuExecutor::new();
            let mut picks = Picks::default();
            picks.unfused = unfused;
            cpu.pin(picks);
            with_trainer(&network, &mut cpu, |trainer| {
                let before = trainer.weights().map_err(text)?;
                trainer.run_steps(1).map_err(text)?;
                let loss = trainer.losses().map_err(text)?[0];
                Ok((before, trainer.weights().map_err(text)?, loss))
            })
        };
        let (before, fused, fused_loss) = steps(false)?;
        let (_, single, single_loss) = steps(true)?;
        if (fused_loss - single_loss).abs() > 1e-4 * single_loss.abs() {
            return Err(format!("the loss is {fused_loss} fused and {single_loss} unfused"));
        }
        same_updates(&before, &fused, &single)
    });
}

fn floats(tensor: &HostTensor) -> Vec<f64> {
    tensor.floats().into_iter().map(f64::from).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Whether two steps from the same weights went to the same place. A gradient that is the rest of what
/// cancels is judged beside the largest.
fn same_updates(before: &Weights, one: &Weights, other: &Weights) -> Judged {
    let step = |after: &Weights, i: usize| {
        let (before, after) = (floats(&before[i].1), floats(&after[i].1));
        before.into_iter().zip(after).map(|(before, after)| after - before).collect::<Vec<f64>>()
    };
    let steps: Vec<_> = (0..before.len()).map(|i| (step(one, i), step(other, i))).collect();
    let largest = steps.iter().map(|(_, b)| norm(b.iter().copied())).fold(0.0, f64::max);
    for ((name, _), (a, b)) in before.iter().zip(&steps) {
        let apart = norm(a.iter().zip(b).map(|(a, b)| a - b));
        let allowed = 1e-2 * norm(b.iter().copied()) + 1e-3 * largest;
        if apart > allowed {
            return Err(format!(
                "the steps of {name} are {apart:.3e} apart, allowed {allowed:.3e}"
            ));
        }
    }
    Ok(())
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    judge(60, |network| {
        // Each run is on a device that knows nothing of the others.
        let last = |from: Option<&Checkpoint>, stops: Vec<u64>| {
            with_trainer(network, &mut CpuExecutor::new(), |trainer| {
                trainer.make_checkpoints(CheckpointEvery::Steps(1000)).map_err(text)?;
                trainer.add_hook(Box::new(StopAt(stops)));
                if let Some(checkpoint) = from {
                    trainer.restore(checkpoint).map_err(text)?;
                }
                let mut last = Checkpoints::default();
                trainer.run(&mut last).map_err(text)?;
                last.0.pop().ok_or_else(|| "a run ends without a checkpoint".to_owned())
            })
        };
        let straight = last(None, Vec::new())?;
        let stopped = last(None, vec![2])?;
        let resumed = last(Some(&stopped), Vec::new())?;
        let (straight, resumed) = (straight.device_states(), resumed.device_states());
        match straight.iter().find(|(name, bytes)| resumed.get(*name) != Some(bytes)) {
            Some((name, _)) => Err(format!("{name} differs after going on from a checkpoint")),
            None => Ok(()),
        }
    });
}
