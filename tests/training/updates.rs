//! Frozen layers, rates of layers, batches in parts and moving averages, on GPU and CPU.

use std::collections::BTreeMap;

use verigrad::compile::Role;
use verigrad::data::Splits;
use verigrad::exec::{CpuExecutor, Executor};
use verigrad::train::{ClassWeightsConfig, Recipe, Trainer};

use super::gpu;
use super::small::{ADAM, SGD, difference, small, weights_after};

/// Both kinds of devices.
fn devices() -> [Box<dyn Executor>; 2] {
    [Box::new(gpu()), Box::new(CpuExecutor::new())]
}

/// Names of the ops of a training step.
fn ops_of((recipe, data): &(Recipe, Splits)) -> Vec<String> {
    let mut gpu = gpu();
    let trainer = Trainer::new(&mut gpu, recipe, data.clone()).expect("a trainer");
    trainer.program().steps.iter().map(|step| step.op.name().to_owned()).collect()
}

#[test]
fn frozen_layers_stay_bit_equal_and_cost_no_gradient() {
    let freeze = "freeze = [\"conv*\", \"norm1\"]";
    for optimizer in [SGD, ADAM, "optimizer = { type = \"rmsprop\", learning_rate = 0.003 }"] {
        let frozen = small(&format!("{freeze}\n{optimizer}"), &[]);
        for mut device in devices() {
            let (recipe, data) = &frozen;
            let mut trainer =
                Trainer::new(device.as_mut(), recipe, data.clone()).expect("a trainer");
            let before: BTreeMap<_, _> = trainer.weights().expect("weights").into_iter().collect();
            trainer.run_steps(10).expect("steps");
            for (name, tensor) in trainer.weights().expect("weights") {
                let stays = name.starts_with("conv") || name.starts_with("norm");
                assert_eq!(before[&name] == tensor, stays, "{name}");
            }
        }
    }
    let frozen = ops_of(&small(&format!("{freeze}\n{SGD}"), &[]));
    let free = ops_of(&small(SGD, &[]));
    let needs_gradient = |op: &String| {
        op.ends_with("_grad") && (op.starts_with("conv2d") || op.starts_with("batch_norm"))
    };
    assert!(free.iter().any(needs_gradient), "{free:?}");
    assert!(!frozen.iter().any(needs_gradient), "{frozen:?}");
}

#[test]
fn a_factor_is_a_smaller_rate() {
    // Without batch norm, which takes the bias before it away: only rounding moves that.
    let plain = |set: &[&str]| {
        let (mut recipe, data) = small(SGD, set);
        recipe.layers.remove(1);
        (recipe, data)
    };
    let whole = plain(&[]);
    let mut factor = plain(&[]);
    factor.0.learning_rate_factors = BTreeMap::from([("*".to_owned(), 0.1)]);
    let smaller = plain(&["optimizer.learning_rate=0.005"]);
    for ((mut one, mut two), mut three) in devices().into_iter().zip(devices()).zip(devices()) {
        let whole = weights_after(one.as_mut(), &whole, 5);
        let factor = weights_after(two.as_mut(), &factor, 5);
        let smaller = weights_after(three.as_mut(), &smaller, 5);
        let (same, other) = (difference(&factor, &smaller), difference(&whole, &smaller));
        assert!(same < 1e-4 && other > 1e-2, "{same} and {other}");
    }
}

#[test]
fn patterns_that_fit_nothing_are_refused() {
    let refused = |freeze: &str| {
        let (recipe, data) = small(&format!("freeze = [\"{freeze}\"]\n{SGD}"), &[]);
        let mut cpu = CpuExecutor::new();
        Trainer::new(&mut cpu, &recipe, data).expect_err("it cannot be").to_string()
    };
    let text = refused("convolution1");
    assert!(text.contains("convolution1"), "{text}");
    assert!(text.contains("conv1, norm1, dense1, dense2"), "{text}");
    let text = refused("*");
    assert!(text.contains("every layer is frozen"), "{text}");
}

#[test]
fn parts_of_a_batch_add_up_to_it() {
    // Without batch norm, whose statistics depend on the parts. 160 images leave a part of a batch:
    // the last step of an epoch has labels that do not count.
    let plain = |extra: &str| {
        let (mut recipe, data) = small(extra, &["batch_size=48"]);
        recipe.layers.remove(1);
        (recipe, data)
    };
    let whole = plain(SGD);
    let on_gpu = weights_after(&mut gpu(), &whole, 5);
    let on_cpu = weights_after(&mut CpuExecutor::new(), &whole, 5);
    for parts in [2, 5] {
        let divided = plain(&format!("accumulate = {parts}\n{SGD}"));
        let divided_on_gpu = weights_after(&mut gpu(), &divided, 5);
        let divided_on_cpu = weights_after(&mut CpuExecutor::new(), &divided, 5);
        for (whole, divided) in [(&on_gpu, &divided_on_gpu), (&on_cpu, &divided_on_cpu)] {
            let difference = difference(whole, divided);
            assert!(difference < 1e-4, "{parts} parts: {difference}");
        }
    }
}

/// The sum of 40 losses at a fortieth of the rate, whole and in parts, also of a batch whose last
/// labels do not count.
#[test]
fn a_sum_of_losses_is_their_mean_times_their_number() {
    let plain = |extra: &str, rate: f32, batch: usize| {
        let rate = format!("optimizer.learning_rate={rate}");
        let batch = format!("batch_size={batch}");
        let (mut recipe, data) = small(&format!("{extra}\n{SGD}"), &[&rate, &batch]);
        recipe.layers.remove(1);
        (recipe, data)
    };
    const SUM: &str = "loss_reduction = \"sum\"";
    let mean = plain("", 0.05, 40);
    let sum = plain(SUM, 0.05 / 40.0, 40);
    let incomplete = plain(SUM, 0.05 / 48.0, 48);
    let in_parts = plain(&format!("{SUM}\naccumulate = 3"), 0.05 / 48.0, 48);
    let too_large = plain(SUM, 0.05, 40);
    let results = |recipe: &(Recipe, Splits)| {
        devices().map(|mut device| weights_after(device.as_mut(), recipe, 5))
    };
    let mean = results(&mean);
    for (a, b) in mean.iter().zip(&results(&sum)) {
        assert!(difference(a, b) < 1e-4, "{}", difference(a, b));
    }
    for (a, b) in results(&incomplete).iter().zip(&results(&in_parts)) {
        assert!(difference(a, b) < 1e-4, "{}", difference(a, b));
    }
    for (a, b) in mean.iter().zip(&results(&too_large)) {
        assert!(difference(a, b) > 1e-2, "the rate counts");
    }
}

/// Weights are relative in a mean and absolute in a sum, also in parts and where labels do not count.
#[test]
fn class_weights_count_as_in_pytorch() {
    let plain = |extra: &str, rate: f32| {
        let rate = format!("optimizer.learning_rate={rate}");
        let (mut recipe, data) = small(&format!("{extra}\n{SGD}"), &[&rate, "batch_size=48"]);
        recipe.layers.remove(1);
        (recipe, data)
    };
    const TWO: &str = "class_weights = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]";
    const UNEVEN: &str = "class_weights = { \"0\" = 5.0, \"3\" = 0.1, \"7\" = 0.0 }";
    const SUM: &str = "loss_reduction = \"sum\"";
    let alike = [
        (plain("", 0.05), plain(TWO, 0.05)),
        (plain(SUM, 0.002), plain(&format!("{SUM}\n{TWO}"), 0.001)),
        (plain(UNEVEN, 0.05), plain(&format!("{UNEVEN}\naccumulate = 3"), 0.05)),
    ];
    let results = |recipe: &(Recipe, Splits)| {
        devices().map(|mut device| weights_after(device.as_mut(), recipe, 5))
    };
    for (a, b) in &alike {
        for (a, b) in results(a).iter().zip(&results(b)) {
            assert!(difference(a, b) < 1e-4, "{}", difference(a, b));
        }
    }
    for (a, b) in results(&alike[0].0).iter().zip(&results(&alike[2].0)) {
        assert!(difference(a, b) > 1e-2, "the weights count");
    }
}

/// Images of classes that weigh nothing might as well have no label.
#[test]
fn classes_that_weigh_nothing_teach_nothing() {
    let (mut recipe, data) = small(SGD, &["optimizer.learning_rate=0.05"]);
    recipe.layers.remove(1);
    let mut unlabeled = data.clone();
    for label in unlabeled.train.labels.iter_mut().filter(|label| **label > 4) {
        *label = u32::MAX;
    }
    let names = (5..10).map(|name| (name.to_string(), 0.0)).collect();
    let weighted =
        Recipe { class_weights: Some(ClassWeightsConfig::ByName(names)), ..recipe.clone() };
    for (mut one, mut two) in devices().into_iter().zip(devices()) {
        let without = weights_after(one.as_mut(), &(recipe.clone(), unlabeled.clone()), 5);
        let weighted = weights_after(two.as_mut(), &(weighted.clone(), data.clone()), 5);
        assert!(difference(&without, &weighted) < 1e-4, "{}", difference(&without, &weighted));
    }
}

#[test]
fn parts_need_less_memory_and_change_running_statistics_in_turn() {
    let planned = |extra: &str| {
        let (recipe, data) = small(&format!("{extra}\n{SGD}"), &["batch_size=160"]);
        let mut gpu = gpu();
        let mut trainer = Trainer::new(&mut gpu, &recipe, data).expect("a trainer");
        trainer.run_steps(1).expect("a step");
        let weights: BTreeMap<_, _> = trainer.weights().expect("weights").into_iter().collect();
        let slots = trainer.program().bytes_of(Role::Slot);
        (slots, weights["norm1.running_variance"].f32s().to_vec())
    };
    let (whole, _) = planned("");
    let (parts, variances) = planned("accumulate = 8");
    assert!(parts < whole, "{parts} bytes, not {whole}");
    // Eight updates by a tenth leave 0.43 of the initial one, where one leaves 0.9.
    assert!(variances.iter().all(|&variance| variance < 0.85), "{variances:?}");
}

#[test]
fn the_moving_average_is_that_of_the_host() {
    let plain = small(ADAM, &[]);
    let averaged = small(&format!("ema = {{ decay = 0.8 }}\n{ADAM}"), &[]);
    for (mut one, mut two) in devices().into_iter().zip(devices()) {
        let mut raw = Trainer::new(one.as_mut(), &plain.0, plain.1.clone()).expect("a trainer");
        let mut ema =
            Trainer::new(two.as_mut(), &averaged.0, averaged.1.clone()).expect("a trainer");
        let mut expected: Vec<Vec<f64>> = Vec::new();
        for (_, tensor) in raw.weights().expect("weights") {
            expected.push(tensor.f32s().iter().map(|&x| f64::from(x)).collect());
        }
        for step in 0..12 {
            raw.run_steps(1).expect("a step");
            ema.run_steps(1).expect("a step");
            let kept = f64::min(0.8, (1.0 + f64::from(step)) / (10.0 + f64::from(step)));
            let averages = ema.weights().expect("weights");
            let tensors = raw.weights().expect("weights").into_iter().zip(&averages);
            for (((name, raw), (_, average)), expected) in tensors.zip(&mut expected) {
                // Running statistics are not averaged.
                let kept = if name.contains("running") { 0.0 } else { kept };
                let elements = raw.f32s().iter().zip(average.f32s()).zip(expected);
                for ((raw, average), expected) in elements {
                    *expected = kept * *expected + (1.0 - kept) * f64::from(*raw);
                    let error = (f64::from(*average) - *expected).abs();
                    assert!(error < 1e-6 * expected.abs().max(1.0), "step {step}: {name}");
                }
            }
        }
    }
}
