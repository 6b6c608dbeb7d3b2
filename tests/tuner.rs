//! The tuner: planted wrong variants, however fast, are never picked; picks make the same bits.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "broken/planted.rs"]
mod planted;

use std::sync::Arc;

use planted::{Plant, Planted};
use verigrad::compile::{Picks, compile};
use verigrad::data::load;
use verigrad::exec::{DeviceChoice, Executor, GpuExecutor, open_gpu};
use verigrad::graph::{Case, Graph, Op, Signature};
use verigrad::ops::entries;
use verigrad::tensor::TensorType;
use verigrad::train::{Recipe, RunPrograms};
use verigrad::tune::{Candidate, Outcome, Task, store, tasks, tune, tune_task};

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

#[test]
fn planted_wrong_variants_are_never_picked() {
    let mut gpu = gpu();
    for case in tuned_cases() {
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
        }
        assert_eq!(planted, Plant::ALL.len(), "{name}");
        let pick = tuned.pick().unwrap_or_else(|| panic!("{name}: nothing was picked"));
        assert!(!is_planted(&pick.lowering.variant), "{name}");
    }
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
    let y = graph.push(verigrad::ops::Matmul::default(), &[a, b]).expect("shapes fit");
    graph.output("y", y);
    let caps = gpu.caps().clone();
    let guess = compile("p", &graph, &caps, &|_, _, _| 0).expect("it fits");
    let found = tasks(&[&guess], &caps, &Picks::default());
    assert_eq!(found.len(), 1);
    let mut seen = 0;
    let measured = tune(&mut gpu, &found, &mut |_, tuned| {
        assert!(tuned.candidates.iter().all(|c| c.seconds().is_some()), "{tuned:?}");
        seen += 1;
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
