//! The tuner: planted wrong variants, however fast, are never picked; picks make the same bits.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "broken/planted.rs"]
mod planted;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use planted::{Plant, Planted, is_plain};
use verigrad::compile::{Picks, compile};
use verigrad::data::load;
use verigrad::exec::{DeviceChoice, Executor, GpuExecutor, open_gpu};
use verigrad::graph::{Case, Graph, Op, Signature};
use verigrad::ops::{Conv2d, Conv2dInputGrad, ConvGeometry, Matmul, entries};
use verigrad::tensor::TensorType;
use verigrad::train::{Recipe, RunPrograms};
use verigrad::tune::{Candidate, Outcome, Task, store, tasks, tune, tune_task};
use verigrad::verify::sample_positions;

fn gpu() -> GpuExecutor {
    open_gpu(&DeviceChoice::Gpu).expect("a GPU adapter, e.g. from mesa-vulkan-drivers")
}

/// A small case of each op that runs floats through several variants, tails included.
fn tuned_cases() -> Vec<Case> {
    let wanted = ["matmul", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "max_pool2d"];
    let cases = wanted.iter().flat_map(|name| {
        let entry = entries().find(|entry| entry.name == *name);
        let entry = entry.unwrap_or_else(|| panic!("no op is called {name}"));
        let large = |case: &Case| case.inputs[0].ty.elements() > 100;
        (entry.cases)().into_iter().filter(move |case| !case.bench && large(case)).take(1)
    });
    cases.collect()
}

fn task(op: Arc<dyn Op>, inputs: Vec<TensorType>) -> Task {
    let outputs = op.infer(&inputs).expect("cases have valid shapes");
    Task { scope: "planted".to_owned(), op, sig: Signature { inputs, outputs } }
}

/// Cases so large that most of their elements are compared with a variant, not with the reference.
fn large_cases() -> Vec<Case> {
    let same = || ConvGeometry::new(1, 1);
    let conv = Case::new("conv", Conv2d::new(same()));
    let grad = Case::new("grad", Conv2dInputGrad::new(same(), [16, 16]));
    vec![
        Case::new("matmul", Matmul::default()).normal([512, 512]).normal([512, 512]),
        conv.normal([16, 16, 16, 32]).normal([3, 3, 32, 64]),
        grad.normal([16, 16, 16, 64]).normal([3, 3, 32, 64]),
    ]
}

/// Whether the sample of the reference leaves out what a plant has spoiled.
fn is_outside_of_the_sample(case: &Case, outputs: &[TensorType]) -> bool {
    let name = format!("{}/tune/sample 0", case.op.name());
    let positions = sample_positions(&name, outputs[0].dims(), 4096);
    let spoiled = Plant::inner_element(outputs[0].elements());
    positions.len() > 3000 && !positions.contains(&spoiled)
}

/// A wrong variant that stands for the reference, under the name of one that is right on small cases,
/// is found out by those that disagree with it.
#[test]
fn a_wrong_variant_that_is_trusted_is_found_out() {
    let mut gpu = gpu();
    for case in large_cases() {
        let op: Arc<dyn Op> = Arc::new(Planted::posing(case.op.clone()));
        let task = task(op, case.inputs.iter().map(|input| input.ty.clone()).collect());
        assert!(is_outside_of_the_sample(&case, &task.sig.outputs), "{}", case.name);
        let tuned = tune_task(&mut gpu, &task).expect("the device works");
        let mut others = 0;
        for Candidate { lowering, outcome, .. } in &tuned.candidates {
            let dropped = matches!(outcome, Outcome::Dropped(_));
            let slow = matches!(outcome, Outcome::Slow(_));
            let poses = is_plain(&lowering.variant);
            assert!(dropped == poses || poses && slow, "{} {outcome:?}", lowering.variant);
            others += usize::from(!poses && !slow);
        }
        assert!(others > 0, "{}", case.name);
        let pick = tuned.pick().expect("something is picked");
        assert!(!is_plain(&pick.lowering.variant));
    }
}

#[test]
fn planted_wrong_variants_are_never_picked() {
    let mut gpu = gpu();
    for case in tuned_cases().into_iter().chain(large_cases()) {
        let op: Arc<dyn Op> = Arc::new(Planted::new(case.op.clone()));
        let inputs = case.inputs.iter().map(|input| input.ty.clone()).collect();
        let tuned = tune_task(&mut gpu, &task(op, inputs)).expect("the device works");
        let name = format!("{} {}", case.op.name(), case.name);
        let is_planted = |variant: &str| variant.starts_with("planted");
        let mut planted = 0;
        for candidate in &tuned.candidates {
            let Candidate { lowering, outcome, .. } = candidate;
            let dropped = matches!(outcome, Outcome::Dropped(_));
            assert_eq!(dropped, is_planted(&lowering.variant), "{name}: {lowering:?} {outcome:?}");
            planted += usize::from(dropped);
            // These are dropped for what they compute, and not because they do not compile.
            let computes = ["Inexact", "OneElement", "LastElement"];
            if let Outcome::Dropped(reason) = outcome
                && computes.iter().any(|plant| lowering.variant.ends_with(plant))
            {
                assert!(reason.contains("the reference says"), "{name}: {reason}");
            }
        }
        assert_eq!(planted, Plant::ALL.len(), "{name}");
        let pick = tuned.pick().unwrap_or_else(|| panic!("{name}: nothing was picked"));
        assert!(!is_planted(&pick.lowering.variant), "{name}");
    }
}

#[test]
fn nothing_is_begun_after_the_budget() {
    let mut gpu = gpu();
    let case = &large_cases()[0];
    let task = task(case.op.clone(), case.inputs.iter().map(|input| input.ty.clone()).collect());
    let picks = tune(&mut gpu, &[task], Some(Duration::ZERO), &mut |_| panic!("no op is begun"));
    assert!(picks.expect("the device works").is_empty());
}

/// A preset whose kernels have changed since would be void without anyone noticing.
#[test]
fn the_preset_of_this_device_is_current() {
    let gpu = gpu();
    let Some(preset) = store::preset(gpu.info()) else { return };
    let recipe = Recipe::builtin("digits", &[]).expect("it is built in");
    let data = load(&recipe.data, None).expect("it needs no files");
    let caps = gpu.caps();
    let programs = RunPrograms::compile(&recipe, &data, caps, &preset).expect("it fits");
    let missing = tasks(&programs.iter().collect::<Vec<_>>(), caps, &preset);
    let names: Vec<String> =
        missing.iter().map(|task| format!("{} {}", task.scope, task.op.name())).collect();
    assert!(
        names.is_empty(),
        "kernels of {} have changed; run `verigrad tune RECIPE --device gpu -o FILE` for the file of \
         {} in assets/tuned, once for each built-in recipe: {names:?}",
        recipe.name,
        gpu.info()
    );
}

/// A right variant that stands behind the others can win, so that tuning is no formality; and the
/// program compiled from the picks uses it.
#[test]
fn picks_decide_what_is_compiled() {
    let mut gpu = gpu();
    let mut graph = Graph::default();
    let a = graph.source("a", TensorType::f32([64, 64]));
    let b = graph.source("b", TensorType::f32([64, 64]));
    let y = graph.push(Matmul::default(), &[a, b]).expect("shapes fit");
    graph.output("y", y);
    let caps = gpu.caps().clone();
    let guess = compile("p", &graph, &caps, &|_, _, _| 0).expect("it fits");
    let found = tasks(&[&guess], &caps, &Picks::default());
    assert_eq!(found.len(), 1);
    let mut seen = 0;
    let measured = tune(&mut gpu, &found, None, &mut |progress| {
        let dropped = |c: &Candidate| matches!(c.outcome, Outcome::Dropped(_));
        assert!(!progress.tuned.candidates.iter().any(dropped), "{:?}", progress.tuned);
        assert_eq!(progress.picks.iter().count(), progress.done);
        seen += 1;
        ControlFlow::Continue(())
    });
    let measured = measured.expect("the device works");
    assert_eq!(seen, 1);
    let chosen = compile("p", &graph, &caps, &|op, sig, all| measured.choose(op, sig, all));
    let picked = measured.iter().next().expect("one pick").variant.clone();
    assert_eq!(chosen.expect("it fits").steps[0].variant, picked);
    assert!(tasks(&[&guess], &caps, &measured).is_empty(), "what has a pick is not measured again");

    let info = gpu.info().clone();
    let last = compile("p", &graph, &caps, &|_, _, all| all.len() - 1).expect("it fits");
    let recorded = Picks::of_program(&info.name, &info.driver, &last);
    let again = compile("p", &graph, &caps, &|op, sig, all| recorded.choose(op, sig, all));
    let again = again.expect("it fits");
    assert_ne!(again.steps[0].variant, guess.steps[0].variant);
    assert_eq!(again.kernels, last.kernels, "a record of a program makes the same kernels");
}
