//! The test of the tests: kernels, host kernels, gradient rules and shape rules that are broken on
//! purpose must each be rejected by the checks that the contract test and `doctor` run.
//!
//! A defect is put into real lowerings of the registry, by replacing a piece of their WGSL text.
//! It counts as rejected when some case of the op, smallest first, meets it with the expected kind
//! of failure; the same lowering without the defect must pass.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "broken/defects.rs"]
mod defects;
#[path = "broken/flaky.rs"]
mod flaky;
#[path = "broken/host.rs"]
mod host;
#[path = "training/inner.rs"]
mod inner;
#[path = "broken/rules.rs"]
mod rules;
#[path = "broken/wrapper.rs"]
mod wrapper;

use std::io::Write as _;
use std::sync::Arc;

use defects::{Change, DEFECTS, Defect, Kind, SUBGROUP_DEFECTS};
use flaky::Flaky;
use host::BROKEN_HOST_KERNELS;
use rules::{BROKEN_RULES, BROKEN_SHAPES};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::graph::{Access, Caps, Case, Lowering};
use verigrad::ops::find;
use verigrad::verify::{
    Failure, check_gradient, check_host_kernel, check_infer, check_lowering, host_kernels,
    lowerings,
};
use wrapper::Wrapper;

/// The cases of an op that are not there for benchmarks, smallest first.
fn cases(op: &str) -> Vec<Case> {
    let entry = find(op).unwrap_or_else(|| panic!("no op is called {op}"));
    let mut cases = (entry.cases)();
    cases.extend(rules::further_cases(op));
    cases.retain(|case| !case.bench);
    cases.sort_by_key(|case| case.inputs.iter().map(|input| input.ty.bytes()).sum::<usize>());
    cases
}

fn kind_of(failure: &Failure) -> Kind {
    match failure {
        Failure::Wrong { .. } => Kind::Wrong,
        Failure::OutOfBounds { .. } => Kind::OutOfBounds,
        Failure::InputChanged { .. } => Kind::InputChanged,
        Failure::NotReproducible { .. } => Kind::NotReproducible,
        other => panic!("the defect is not what is reported: {other}"),
    }
}

/// The lowering with the defect; none where the defect does not apply to it.
fn broken(lowering: &Lowering, change: &Change) -> Option<Lowering> {
    let mut broken = lowering.clone();
    match change {
        Change::Text(pieces) => {
            let kernel = broken
                .kernels
                .iter_mut()
                .find(|kernel| pieces.iter().all(|(piece, _)| kernel.source.contains(piece)))?;
            for (piece, replacement) in *pieces {
                kernel.source = kernel.source.replace(piece, replacement);
            }
        }
        Change::WritesInput { binding, pieces } => {
            let kernel = broken.kernels.first_mut()?;
            kernel.bindings.get_mut(*binding)?.access = Access::Write;
            for (piece, replacement) in *pieces {
                assert!(kernel.source.contains(piece), "{piece} is not in {}", kernel.source);
                kernel.source = kernel.source.replace(piece, replacement);
            }
        }
        Change::WithoutKernel(index) => {
            if broken.kernels.len() < 2 {
                return None;
            }
            broken.kernels.remove(*index);
        }
    }
    Some(broken)
}

/// Looks for a case that rejects the defect; tells which one. None where no lowering that this
/// device can run holds the text to replace.
fn rejected(executor: &mut dyn Executor, defect: &Defect) -> Result<Option<String>, String> {
    let caps = executor.caps().clone();
    let mut applied = 0;
    // Those that read buffers first: most defects are in their text.
    let plain = Caps { texel_intensity: None, ..caps.clone() };
    for case in cases(defect.op) {
        let (sig, read_buffers) = lowerings(&case, &plain).expect("cases have valid shapes");
        let (_, all) = lowerings(&case, &caps).expect("cases have valid shapes");
        for lowering in read_buffers.into_iter().chain(all) {
            let Some(broken) = broken(&lowering, &defect.change) else { continue };
            applied += 1;
            let Err(failure) = check_lowering(executor, &case, &sig, &broken) else { continue };
            let at = format!("{}/{}/{}", defect.op, case.name, lowering.variant);
            if !defect.expected.contains(&kind_of(&failure)) {
                return Err(format!("{at}: expected {:?}: {failure}", defect.expected));
            }
            return match check_lowering(executor, &case, &sig, &lowering) {
                Ok(()) => Ok(Some(format!("{at}: {failure}"))),
                Err(failure) => Err(format!("{at}: fails without the defect: {failure}")),
            };
        }
    }
    match applied {
        0 => Ok(None),
        _ => Err(format!("{applied} lowerings of {} pass in spite of it", defect.op)),
    }
}

#[test]
fn broken_kernels_are_rejected() {
    let adapters = adapters();
    assert!(!adapters.is_empty(), "no GPU adapter; install one, e.g. mesa-vulkan-drivers");
    for adapter in &adapters {
        let mut executor = GpuExecutor::open(adapter).expect("the adapter opens");
        let mut survivors = Vec::new();
        let mut count = 0;
        for (defect, everywhere) in
            DEFECTS.iter().map(|d| (d, true)).chain(SUBGROUP_DEFECTS.iter().map(|d| (d, false)))
        {
            match rejected(&mut executor, defect) {
                Ok(Some(how)) => println!("{}: {how}", defect.name),
                Ok(None) if !everywhere => continue,
                Ok(None) => survivors.push(format!("{}: the text is gone", defect.name)),
                Err(why) => survivors.push(format!("{}: {why}", defect.name)),
            }
            count += 1;
        }
        let (n, device) = (count - survivors.len(), &executor.info().name);
        announce(&format!("broken kernels rejected: {n} of {count} on {device}"));
        assert!(survivors.is_empty(), "survivors:\n{}", survivors.join("\n"));
    }
}

/// A single bit that differs between two runs is seen, in any output.
#[test]
fn unstable_results_are_rejected() {
    let adapters = adapters();
    let adapter = adapters.first().expect("a GPU adapter");
    let mut flaky = Flaky::new(GpuExecutor::open(adapter).expect("the adapter opens"));
    for op in ["binary", "max_pool2d", "adam"] {
        let case = &cases(op)[0];
        let (sig, lowerings) = lowerings(case, flaky.caps()).expect("cases have valid shapes");
        flaky.start(None);
        assert_eq!(check_lowering(&mut flaky, case, &sig, &lowerings[0]), Ok(()), "{op}");
        for output in 0..sig.outputs.len() {
            flaky.start(Some(output));
            let result = check_lowering(&mut flaky, case, &sig, &lowerings[0]);
            assert_eq!(result, Err(Failure::NotReproducible { output, element: 0 }), "{op}");
        }
    }
}

#[test]
fn broken_host_kernels_are_rejected() {
    let mut survivors = Vec::new();
    for broken in BROKEN_HOST_KERNELS {
        let mut verdict = Err(format!("all cases of {} pass in spite of it", broken.op));
        for case in cases(broken.op) {
            let wrapper = Wrapper::new(case.op.clone()).with_host_kernels(broken.kernels);
            let wrapped = Case { op: Arc::new(wrapper), ..case.clone() };
            let none = |case| host_kernels(case).expect("cases have valid shapes").is_empty();
            if none(&case) || none(&wrapped) {
                continue;
            }
            let Err(failure) = check_host_kernel(&wrapped, 0) else { continue };
            let at = format!("{}/{}", broken.op, case.name);
            verdict = match check_host_kernel(&case, 0) {
                Err(failure) => Err(format!("{at}: fails without the defect: {failure}")),
                Ok(()) if kind_of(&failure) != broken.expected => Err(format!("{at}: {failure}")),
                Ok(()) => Ok(format!("{at}: {failure}")),
            };
            break;
        }
        match verdict {
            Ok(how) => println!("{}: {how}", broken.name),
            Err(why) => survivors.push(format!("{}: {why}", broken.name)),
        }
    }
    let (n, all) = (BROKEN_HOST_KERNELS.len() - survivors.len(), BROKEN_HOST_KERNELS.len());
    announce(&format!("broken host kernels rejected: {n} of {all}"));
    assert!(survivors.is_empty(), "survivors:\n{}", survivors.join("\n"));
}

#[test]
fn broken_gradient_rules_are_rejected() {
    let mut survivors = Vec::new();
    for broken in BROKEN_RULES {
        let mut verdict = Err(format!("all cases of {} pass in spite of it", broken.op));
        for case in cases(broken.op).into_iter().filter(|case| case.gradient) {
            let intact = case.clone();
            let wrapper = Wrapper::new(case.op.clone()).with_rule(broken.rule);
            let case = Case { op: Arc::new(wrapper), ..case };
            // Some cases do not feel the defect, or do not fit the wrong rule.
            if let Err(failure @ Failure::Gradient { .. }) = check_gradient(&case) {
                verdict = match check_gradient(&intact) {
                    Ok(()) => Ok(format!("{}/{}: {failure}", broken.op, case.name)),
                    Err(failure) => Err(format!("fails without the defect: {failure}")),
                };
                break;
            }
        }
        match verdict {
            Ok(how) => println!("{}: {how}", broken.name),
            Err(why) => survivors.push(format!("{}: {why}", broken.name)),
        }
    }
    let (n, all) = (BROKEN_RULES.len() - survivors.len(), BROKEN_RULES.len());
    announce(&format!("broken gradient rules rejected: {n} of {all}"));
    assert!(survivors.is_empty(), "survivors:\n{}", survivors.join("\n"));
}

#[test]
fn broken_shape_rules_are_rejected() {
    for broken in BROKEN_SHAPES {
        let case = cases(broken.op).swap_remove(0);
        assert_eq!(check_infer(&case), Ok(()), "{}", broken.name);
        let wrapper = Wrapper::new(case.op.clone()).with_shapes(broken.shapes);
        let case = Case { op: Arc::new(wrapper), ..case };
        let result = check_infer(&case);
        assert!(
            matches!(result, Err(Failure::AcceptsWrongInputs { .. })),
            "{}: {result:?}",
            broken.name
        );
    }
    announce(&format!("broken shape rules rejected: {0} of {0}", BROKEN_SHAPES.len()));
}

/// A shape rule that promises more elements than the reference fills is rejected with the kernel.
#[test]
fn a_shape_rule_that_promises_too_much_is_rejected() {
    let adapters = adapters();
    let adapter = adapters.first().expect("a GPU adapter");
    let mut executor = GpuExecutor::open(adapter).expect("the adapter opens");
    let case = cases("activate").swap_remove(0);
    let wrapper = Wrapper::new(case.op.clone()).with_shapes(rules::one_row_too_many);
    let case = Case { op: Arc::new(wrapper), ..case };
    let (sig, lowerings) = lowerings(&case, executor.caps()).expect("the rule accepts it");
    let result = check_lowering(&mut executor, &case, &sig, &lowerings[0]);
    let told = result.expect_err("it is rejected").to_string();
    assert!(told.contains("unwritten"), "{told}");
}

/// Prints a line even where the test passes: cargo captures only the print macros.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
