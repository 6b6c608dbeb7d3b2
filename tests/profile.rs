//! Profiles and traces of training steps: complete, and without effect on what is trained.

use std::collections::HashSet;

use verigrad::bench::chrome_trace;
use verigrad::compile::Program;
use verigrad::data::{Splits, load};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{Clock, CpuExecutor, Executor, GpuExecutor, RunProfile};
use verigrad::train::{Recipe, Trainer, sha256_of_weights};

fn small_digits() -> (Recipe, Splits) {
    let set = ["epochs=1", "batch_size=16", "data.train_size=320", "data.test_size=32"];
    let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("a built-in recipe");
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// Profiles three steps; returns the program, the profiles and the hash of the weights.
fn profiled(executor: &mut dyn Executor) -> (Program, Vec<RunProfile>, String) {
    let (recipe, data) = small_digits();
    let mut trainer = Trainer::new(executor, &recipe, data).expect("a trainer");
    let profiles = (0..3).map(|_| trainer.profile_step().expect("a step")).collect();
    let hash = sha256_of_weights(&trainer.weights().expect("weights"));
    (trainer.program().clone(), profiles, hash)
}

/// Weights after three plain steps.
fn plain(executor: &mut dyn Executor) -> String {
    let (recipe, data) = small_digits();
    let mut trainer = Trainer::new(executor, &recipe, data).expect("a trainer");
    trainer.run_steps(3).expect("steps");
    sha256_of_weights(&trainer.weights().expect("weights"))
}

fn check(profile: &RunProfile, spans: usize) {
    assert_eq!(profile.device.len(), spans);
    let mut end = 0.0;
    for span in &profile.device {
        assert!(span.start >= end - 1e-9, "spans follow each other: {span:?} after {end}");
        assert!(span.seconds >= 0.0 && span.seconds < 60.0, "{span:?}");
        end = span.start + span.seconds;
    }
    assert!(profile.busy() > 0.0, "some dispatch takes time");
}

#[test]
fn every_dispatch_is_timed_and_the_weights_stay_the_same() {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    let open = || GpuExecutor::open(adapter).expect("the adapter opens");
    let (program, profiles, hash) = profiled(&mut open());
    assert_eq!(hash, plain(&mut open()));
    profiles.iter().for_each(|profile| check(profile, program.dispatch_count()));
    if profiles[0].clock == Clock::Timestamps {
        // The host waits until the last dispatch has ended.
        for profile in &profiles {
            let host: f64 = profile.host.iter().map(|span| span.seconds).sum();
            let busy = profile.busy();
            assert!(busy < host, "{busy} s on the device within {host} s on the host");
        }
    }

    let (program, profiles, hash) = profiled(&mut CpuExecutor::new());
    assert_eq!(hash, plain(&mut CpuExecutor::new()));
    profiles.iter().for_each(|profile| check(profile, program.steps.len()));
}

#[test]
fn a_trace_holds_every_dispatch() {
    let adapters = adapters();
    let adapter = adapters.last().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    let mut gpu = GpuExecutor::open(adapter).expect("the adapter opens");
    let (program, profiles, _) = profiled(&mut gpu);
    let text = chrome_trace(&program, "a GPU", &profiles).to_string();
    let trace: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let mut seen = HashSet::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        assert!(event["ts"].is_number() && event["dur"].is_number(), "{event}");
        let args = &event["args"];
        let Some(step) = args["step"].as_u64() else { continue };
        let step_of_program = &program.steps[usize::try_from(step).expect("a position")];
        assert_eq!(args["op"], step_of_program.op.name());
        assert_eq!(args["variant"], step_of_program.variant.as_str());
        assert_eq!(args["scope"], step_of_program.scope.as_str());
        assert_eq!(args["flop"], step_of_program.cost().flop);
        assert_eq!(args["bytes"], step_of_program.cost().bytes);
        seen.insert((args["run"].as_u64(), step, args["dispatch"].as_u64()));
    }
    assert_eq!(seen.len(), 3 * program.dispatch_count());
    let host = events.iter().filter(|event| event["tid"] == 1 && event["ph"] == "X");
    let names: HashSet<_> = host.filter_map(|event| event["name"].as_str()).collect();
    assert!(names.contains("submit") && names.contains("wait"), "{names:?}");
}
