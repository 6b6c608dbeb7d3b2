//! The contract test: every op x case x lowering against the reference, on each device that is
//! there; every host kernel likewise; every gradient rule against finite differences.
//!
//! `VERIGRAD_TEST_FILTER=conv2d` limits the run to ops whose name contains the text, and
//! `VERIGRAD_TEST_VARIANT=tiled` that on GPUs to such variants. The large
//! shapes of real models, which benchmarks use, are checked with `VERIGRAD_TEST_LARGE=1` and by
//! `verigrad doctor --large`: their references take minutes.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::graph::{Caps, Case, Lowering, Signature};
use verigrad::ops::{OpEntry, entries};
use verigrad::verify::{
    CaseCheck, check_gradient, check_host_kernel, check_infer, host_kernels, lowerings,
};

fn selected() -> impl Iterator<Item = &'static OpEntry> {
    let filter = std::env::var("VERIGRAD_TEST_FILTER").unwrap_or_default();
    entries().filter(move |entry| entry.name.contains(&filter))
}

/// Whether a variant on a GPU is to be checked.
fn is_selected(lowering: &Lowering) -> bool {
    let part = std::env::var("VERIGRAD_TEST_VARIANT").unwrap_or_default();
    lowering.variant.contains(&part)
}

/// Cases in 16 bits included: the host has them always.
fn with_half() -> Caps {
    Caps { f16: true, ..Caps::webgpu_default() }
}

fn with_large() -> bool {
    std::env::var_os("VERIGRAD_TEST_LARGE").is_some()
}

/// Without any adapter this test fails: a check that cannot run has not passed.
#[test]
fn every_lowering_matches_its_reference() {
    let adapters = adapters();
    assert!(!adapters.is_empty(), "no GPU adapter; install one, e.g. mesa-vulkan-drivers");
    let mut checked = 0;
    let mut failures = Vec::new();
    for adapter in &adapters {
        let (count, failed) = check_all_on(adapter);
        checked += count;
        failures.extend(failed);
    }
    announce(&format!("lowerings checked: {checked} on {} device(s)", adapters.len()));
    assert!(checked > 0, "the filter matches no op");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What the device may run, and what those may that do not read through textures.
fn all_lowerings(case: &Case, caps: &Caps) -> (Signature, Vec<Lowering>) {
    let (sig, mut all) = lowerings(case, caps).expect("cases have valid shapes");
    let plain = Caps { texel_intensity: None, ..caps.clone() };
    let (_, mut plain) = lowerings(case, &plain).expect("cases have valid shapes");
    plain.retain(|lowering| !all.contains(lowering));
    all.extend(plain);
    (sig, all)
}

/// Counts the lowerings checked on an adapter and names those that failed. Cases are dealt out to
/// threads, each with a device of its own, since the driver compiles on the thread that asks.
fn check_all_on(adapter: &wgpu::Adapter) -> (usize, Vec<String>) {
    const MOST_DEVICES: usize = 8;
    const MOST_PIPELINES: usize = 500;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_DEVICES);
    let caps = GpuExecutor::open(adapter).expect("the adapter opens").caps().clone();
    let cases: Vec<(&str, Case)> = selected()
        .flat_map(|entry| entry.cases_for(&caps).into_iter().map(|case| (entry.name, case)))
        .filter(|(_, case)| with_large() || !case.bench)
        .collect();
    let (next, checked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let open = || GpuExecutor::open(adapter).expect("the adapter opens");
                let mut executor = open();
                while let Some((op, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Compiled kernels take a megabyte each, as long as their device is open.
                    if executor.pipelines() > MOST_PIPELINES {
                        executor = open();
                    }
                    let (sig, mut all) = all_lowerings(case, &caps);
                    all.retain(is_selected);
                    if all.is_empty() {
                        continue;
                    }
                    let check = CaseCheck::new(case, &sig).expect("cases have valid shapes");
                    for lowering in all {
                        checked.fetch_add(1, Ordering::Relaxed);
                        if let Err(failure) = check.check(&mut executor, &lowering) {
                            let device = &executor.info().name;
                            let name = format!("{op}/{}/{}", case.name, lowering.variant);
                            let mut failures = failures.lock().expect("no thread has panicked");
                            failures.push(format!("{device}: {name}: {failure}"));
                        }
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread has panicked");
    failures.sort_unstable();
    (checked.into_inner(), failures)
}

#[test]
fn every_host_kernel_matches_its_reference() {
    let mut checked = 0;
    let mut failures = Vec::new();
    for entry in selected() {
        for case in
            entry.cases_for(&with_half()).into_iter().filter(|case| with_large() || !case.bench)
        {
            let kernels = host_kernels(&case).expect("cases have valid shapes");
            for (variant, kernel) in kernels.iter().enumerate() {
                checked += 1;
                if let Err(failure) = check_host_kernel(&case, variant) {
                    let name = format!("{}/{}/{}", entry.name, case.name, kernel.variant);
                    failures.push(format!("{name}: {failure}"));
                }
            }
        }
    }
    announce(&format!("host kernels checked: {checked}"));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_gradient_rule_matches_finite_differences() {
    let mut checked = 0;
    let mut failures = Vec::new();
    for entry in selected() {
        for case in entry.cases_for(&with_half()).into_iter().filter(|case| case.gradient) {
            checked += 1;
            if let Err(failure) = check_gradient(&case) {
                failures.push(format!("{}/{}: {failure}", entry.name, case.name));
            }
        }
    }
    announce(&format!("gradients checked: {checked}"));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn infer_rejects_wrong_inputs() {
    let mut checked = 0;
    for entry in selected() {
        for case in entry.cases_for(&with_half()) {
            checked += 1;
            if let Err(failure) = check_infer(&case) {
                panic!("{}/{}: {failure}", entry.name, case.name);
            }
        }
    }
    announce(&format!("cases checked: {checked}"));
}

/// Prints a line even where the test passes: cargo captures only the print macros.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
