//! What ends a run early or changes how it goes on, and weights from another run.

use std::collections::BTreeMap;

use verigrad::exec::CpuExecutor;
use verigrad::tensor::HostTensor;
use verigrad::train::{
    EpochResult, Observer, ObserverError, Progress, Recipe, StopReason, TrainError, Trainer,
};

use super::small::{ADAM, SGD, Weights, small};
use verigrad::data::Splits;

/// Keeps what a run tells.
#[derive(Default)]
struct Kept {
    epochs: Vec<EpochResult>,
    weights: Vec<Weights>,
}

impl Observer for Kept {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(
        &mut self,
        result: &EpochResult,
        weights: &[(String, HostTensor)],
    ) -> Result<(), ObserverError> {
        self.epochs.push(result.clone());
        self.weights.push(weights.to_vec());
        Ok(())
    }
}

fn run((recipe, data): &(Recipe, Splits)) -> (StopReason, Kept, Weights) {
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, recipe, data.clone()).expect("a trainer");
    let mut kept = Kept::default();
    let stop = trainer.run(&mut kept).expect("a run");
    let weights = trainer.weights().expect("weights");
    (stop.reason, kept, weights)
}

#[test]
fn budgets_end_a_run_where_they_say() {
    let text = |budget: &str| format!("budget = {{ {budget} }}\n{SGD}");
    let (reason, kept, weights) = run(&small(&text("steps = 17"), &["epochs=5"]));
    assert_eq!(reason, StopReason::Budget("the budget of 17 steps is spent".to_owned()));
    let ends: Vec<u64> = kept.epochs.iter().map(|epoch| epoch.steps).collect();
    assert_eq!(ends, [10, 17], "the second epoch is cut short and evaluated");
    assert_eq!(kept.epochs[1].step_losses.len(), 7);
    assert_eq!(kept.weights.last(), Some(&weights));
    let (reason, kept, _) = run(&small(&text("minutes = 1e-9"), &["epochs=5"]));
    assert!(matches!(reason, StopReason::Budget(_)), "{reason:?}");
    assert_eq!(kept.epochs.len(), 1);
}

#[test]
fn early_stopping_restores_the_best_weights() {
    let section =
        "early_stopping = { monitor = \"validation_loss\", patience = 2, restore_best = true }";
    // A rate so large that the loss soon goes up and down.
    let optimizer = "optimizer = { type = \"sgd\", learning_rate = 0.3, momentum = 0.9 }";
    let set = ["epochs=40", "data.validation=0.2"];
    let (reason, kept, weights) = run(&small(&format!("{section}\n{optimizer}"), &set));
    assert!(matches!(reason, StopReason::Early(_)), "{reason:?}");
    let losses: Vec<f64> =
        kept.epochs.iter().map(|epoch| epoch.validation.expect("a split").loss).collect();
    let best = (0..losses.len()).reduce(|a, b| if losses[b] < losses[a] { b } else { a });
    let best = best.expect("an epoch");
    assert_eq!(best + 2, losses.len() - 1, "{losses:?}");
    assert_eq!(kept.weights[best], weights);
    assert_eq!(kept.epochs.iter().rposition(|epoch| epoch.best), Some(best));
}

#[test]
fn a_plateau_lowers_the_rate_without_new_programs() {
    let section = "plateau = { monitor = \"train_loss\", factor = 0.5, patience = 1, \
                   min_delta = 9.0, min_rate = 0.02 }";
    let (reason, kept, _) = run(&small(&format!("{section}\n{SGD}"), &["epochs=4"]));
    assert_eq!(reason, StopReason::Completed);
    let rates: Vec<f32> =
        kept.epochs.iter().map(|epoch| epoch.step_losses[0].learning_rate).collect();
    for (rate, expected) in rates.iter().zip([0.05, 0.05, 0.025, 0.02]) {
        assert!((rate - expected).abs() < 1e-8, "{rates:?}");
    }
}

#[test]
fn a_monitor_without_its_split_is_refused() {
    let text = "name = \"x\"\nepochs = 1\nbatch_size = 8\n\
                early_stopping = { monitor = \"validation_loss\" }\n\
                layers = [{ type = \"flatten\" }]\n\
                [data]\ndataset = \"synthetic-digits\"\n";
    let error = Recipe::parse("x.toml", text, &[]).expect_err("no split").to_string();
    assert!(error.contains("line 4: early_stopping.monitor"), "{error}");
    assert!(error.contains("data.validation") && error.contains("test_loss"), "{error}");
    let set = ["data.validation=0.1".to_owned()];
    let recipe = Recipe::parse("x.toml", text, &set).expect("there is a split");
    assert!(recipe.looks_at_test().is_empty());
    let text = text.replace("monitor = \"validation_loss\"", "");
    let recipe = Recipe::parse("x.toml", &text, &[]).expect("the test split is watched");
    assert_eq!(recipe.looks_at_test(), ["early_stopping"]);
}

#[test]
fn the_rate_learns_as_its_derivative_says() {
    let strength = 1e-4;
    for optimizer in ["\"sgd\", learning_rate = 0.02", "\"adam\", learning_rate = 0.002"] {
        let text = format!("optimizer = {{ type = {optimizer}, hypergradient = {strength} }}");
        let (mut recipe, data) = small(&text, &[]);
        // Single steps take the examples as they come.
        recipe.shuffle = false;
        let (_, kept, _) = run(&(recipe.clone(), data.clone()));
        let rates: Vec<f64> =
            kept.epochs[0].step_losses.iter().map(|step| f64::from(step.learning_rate)).collect();
        assert!(rates.iter().any(|rate| (rate / rates[0] - 1.0).abs() > 0.01), "{rates:?}");
        if optimizer.contains("adam") {
            continue;
        }
        // The direction of a step of SGD is its gradient, so that weights show both factors.
        let mut cpu = CpuExecutor::new();
        let mut trainer = Trainer::new(&mut cpu, &recipe, data).expect("a trainer");
        let flat = |trainer: &mut Trainer<'_>| -> Vec<f64> {
            let mut weights = trainer.weights().expect("weights");
            weights.retain(|(name, _)| !name.contains("running"));
            weights.iter().flat_map(|(_, t)| t.f32s()).map(|&x| f64::from(x)).collect()
        };
        let mut before = flat(&mut trainer);
        let mut last: Option<Vec<f64>> = None;
        for (step, &rate) in rates.iter().enumerate() {
            trainer.run_steps(1).expect("a step");
            let after = flat(&mut trainer);
            let pairs = before.iter().zip(&after);
            let gradient: Vec<f64> = pairs.map(|(before, after)| (before - after) / rate).collect();
            if let Some(last) = &last {
                let product: f64 = gradient.iter().zip(last).map(|(a, b)| a * b).sum();
                let expected = rates[step - 1] + strength * product;
                assert!((rate - expected).abs() < 1e-4 * rate, "step {step}: {rate}, {expected}");
            }
            (before, last) = (after, Some(gradient));
        }
    }
}

#[test]
fn evaluation_uses_the_moving_average() {
    let text = format!("ema = {{ decay = 0.9 }}\n{ADAM}");
    let (averaged, data) = small(&text, &["epochs=2"]);
    let (_, kept, weights) = run(&(averaged, data.clone()));
    assert_eq!(kept.weights.last(), Some(&weights), "the average is what is kept");
    // A run that starts from these weights and does not move gives the same figures.
    let (mut still, _) = small(SGD, &["optimizer.learning_rate=1e-30"]);
    still.freeze = vec!["norm1".to_owned()];
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &still, data).expect("a trainer");
    trainer.set_weights(&weights).expect("they fit");
    let mut again = Kept::default();
    trainer.run(&mut again).expect("a run");
    let figures = |kept: &Kept| kept.epochs.last().map(|epoch| epoch.test);
    assert_eq!(figures(&again), figures(&kept));
}

#[test]
fn layers_that_fit_are_taken_over() {
    let (recipe, data) = small(SGD, &[]);
    let (_, _, trained) = run(&(recipe, data.clone()));
    let trained: BTreeMap<_, _> = trained.into_iter().collect();
    // Another last hidden layer, and one more behind it.
    let (mut other, _) = small(&format!("freeze = [\"conv1\"]\n{SGD}"), &["layers.5.units=12"]);
    other.layers.push(small(SGD, &[]).0.layers.remove(5));
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &other, data).expect("a trainer");
    let fresh: BTreeMap<_, _> = trainer.weights().expect("weights").into_iter().collect();
    let report = trainer.init_from(&trained, true).expect("layers fit");
    assert_eq!(report.loaded, ["conv1", "norm1", "dense1"]);
    let (layer, why) = &report.misfits[0];
    assert_eq!(layer, "dense2");
    assert!(why.contains("[16, 12]") && why.contains("[16, 10]"), "{why}");
    assert_eq!(report.missing, ["dense3"]);
    assert!(report.unused.is_empty());
    let text = report.to_string();
    assert!(text.starts_with("loaded   conv1, norm1, dense1\nfresh    dense2: "), "{text}");
    for (name, tensor) in trainer.weights().expect("weights") {
        let is_fresh = name.starts_with("dense2") || name.starts_with("dense3");
        let source = if is_fresh { &fresh } else { &trained };
        assert_eq!(tensor, source[&name], "{name}");
    }
    trainer.run_steps(3).expect("steps");
    let after: BTreeMap<_, _> = trainer.weights().expect("weights").into_iter().collect();
    assert_eq!(after["conv1.weight"], trained["conv1.weight"], "it is frozen");
    assert_ne!(after["dense1.weight"], trained["dense1.weight"], "it learns");
    let stranger = BTreeMap::from([("other1.weight".to_owned(), trained["conv1.weight"].clone())]);
    let error = trainer.init_from(&stranger, true).expect_err("nothing fits");
    assert!(matches!(error, TrainError::Weights(_)), "{error}");
    assert!(error.to_string().contains("other1"), "{error}");
}
