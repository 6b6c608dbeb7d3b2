//! NaN and infinities live on every device: no kernel may trust a comparison of floats, a `max`, a
//! `min` or a `clamp` where one of them may come by.
//!
//! What NVIDIA's compiler was seen to do, planted compilers do to the texts, so that the cases which
//! hold NaN or an infinity show it on any device. Beside them, a list says of each comparison that is
//! left why it may be trusted.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "nan/allowed.rs"]
mod allowed;
#[path = "nan/compiler.rs"]
mod compiler;
#[path = "nan/forms.rs"]
mod forms;
#[path = "nan/old.rs"]
mod old;
#[path = "nan/reading.rs"]
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use allowed::ALLOWED;
use compiler::Compiler;
use old::{OLD, Old};
use reading::{What, sites};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::graph::{Caps, Case, Fill, Lowering};
use verigrad::ops::{entries, find};
use verigrad::verify::{CaseCheck, lowerings, signature};

/// Cases for each variant of an op, of which the same expressions change and the same inputs hold NaN.
const CASES_ALIKE: usize = 3;
/// Pipelines after which a device is opened anew: compiled kernels take a megabyte each.
const MOST_PIPELINES: usize = 500;

fn open() -> GpuExecutor {
    let adapters = adapters();
    let adapter = adapters.first().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    GpuExecutor::open(adapter).expect("the adapter opens")
}

/// Whether an input of the case may hold NaN or an infinity.
fn is_spoiled(case: &Case) -> bool {
    case.inputs.iter().any(|input| may_be_nan(&input.fill))
}

fn may_be_nan(fill: &Fill) -> bool {
    match fill {
        Fill::Special => true,
        Fill::Floats(values) => values.iter().any(|value| !value.is_finite()),
        _ => false,
    }
}

/// What a lowering of a case shares with others: its variant, which inputs hold NaN, and where floats
/// are compared. None where they are nowhere.
fn kind(case: &Case, lowering: &Lowering) -> Option<String> {
    let spoiled: Vec<bool> = case.inputs.iter().map(|input| may_be_nan(&input.fill)).collect();
    let compared = |source: &str| -> Vec<String> {
        let sites = sites(source).into_iter();
        sites.map(|site| format!("{}: {}", site.function, &source[site.range])).collect()
    };
    let compared: Vec<String> =
        lowering.kernels.iter().flat_map(|kernel| compared(&kernel.source)).collect();
    let kind = format!("{} {spoiled:?} {compared:?}", lowering.variant);
    (!compared.is_empty()).then_some(kind)
}

/// The lowering as a compiler understands it; none where nothing in it changes.
fn compiled(lowering: &Lowering, compiler: Compiler) -> Option<Lowering> {
    let mut compiled = lowering.clone();
    let mut changed = false;
    for kernel in &mut compiled.kernels {
        if let Some(source) = compiler.compile(&kernel.source) {
            kernel.source = source;
            changed = true;
        }
    }
    changed.then_some(compiled)
}

#[test]
fn no_compiler_makes_a_kernel_lose_nan() {
    let mut executor = open();
    let caps = executor.caps().clone();
    let (mut failures, mut checked, mut untouched) = (Vec::new(), 0, 0);
    for entry in entries() {
        let mut alike: BTreeMap<String, usize> = BTreeMap::new();
        let cases = entry.cases_for(&caps).into_iter();
        for case in cases.filter(|case| is_spoiled(case) && !case.bench) {
            let (sig, mut all) = lowerings(&case, &caps).expect("cases have valid shapes");
            all.retain(|lowering| {
                let kind = kind(&case, lowering);
                let Some(kind) = kind else {
                    untouched += 1;
                    return false;
                };
                let count = alike.entry(kind).or_default();
                *count += 1;
                *count <= CASES_ALIKE
            });
            if all.is_empty() {
                continue;
            }
            let reference = CaseCheck::new(&case, &sig).expect("cases have valid shapes");
            for (lowering, compiler) in
                all.iter().flat_map(|lowering| Compiler::ALL.map(|compiler| (lowering, compiler)))
            {
                let Some(compiled) = compiled(lowering, compiler) else { continue };
                if executor.pipelines() > MOST_PIPELINES {
                    executor = open();
                }
                checked += 1;
                if let Err(failure) = reference.check(&mut executor, &compiled) {
                    let at = format!("{}/{}/{}", entry.name, case.name, lowering.variant);
                    failures.push(format!("{compiler:?}: {at}: {failure}"));
                }
            }
        }
    }
    announce(&format!(
        "lowerings checked by planted compilers: {checked}; {untouched} have nothing to change"
    ));
    assert!(checked > 100, "the planted compilers changed {checked} lowerings only");
    assert!(failures.is_empty(), "{} lose NaN:\n{}", failures.len(), failures.join("\n"));
}

/// Kernels as they were before, which this device computes rightly, and a compiler made wrong.
#[test]
fn planted_compilers_find_kernels_that_trust_comparisons() {
    let mut executor = open();
    let mut survivors = Vec::new();
    for old in OLD {
        for op in old.ops {
            match found(&mut executor, old, op) {
                Ok(at) => announce(&format!("{}: {at}", old.name)),
                Err(why) => survivors.push(format!("{} in {op}: {why}", old.name)),
            }
        }
    }
    assert!(survivors.is_empty(), "survivors:\n{}", survivors.join("\n"));
}

/// The first case of an op by which a planted compiler shows what is wrong in old kernels.
fn found(executor: &mut GpuExecutor, old: &Old, op: &str) -> Result<String, String> {
    let caps = executor.caps().clone();
    let entry = find(op).unwrap_or_else(|| panic!("no op is called {op}"));
    let mut applied = 0;
    for case in (entry.cases)().into_iter().filter(|case| is_spoiled(case) && !case.bench) {
        let sig = signature(&case).expect("cases have valid shapes");
        let (_, all) = lowerings(&case, &caps).expect("cases have valid shapes");
        for mut lowering in all {
            let mut holds = false;
            for kernel in &mut lowering.kernels {
                holds |= kernel.source.contains(old.now);
                kernel.source = kernel.source.replace(old.now, old.before);
            }
            if !holds {
                continue;
            }
            applied += 1;
            let reference = CaseCheck::new(&case, &sig).expect("cases have valid shapes");
            if let Err(failure) = reference.check(executor, &lowering) {
                return Ok(format!("{op}/{}, on this device already: {failure}", case.name));
            }
            for compiler in old.compilers {
                let Some(compiled) = compiled(&lowering, *compiler) else { continue };
                if let Err(failure) = reference.check(executor, &compiled) {
                    return Ok(format!("{op}/{}/{}: {failure}", case.name, lowering.variant));
                }
            }
        }
    }
    Err(format!("{applied} lowerings pass in spite of it"))
}

/// Each place where floats are compared, in any kernel for any device, is on the list.
#[test]
fn comparisons_of_floats_are_listed_with_a_reason() {
    let real = Caps {
        subgroup_size: Some(32),
        f16: true,
        cooperative_size: Some(16),
        max_workgroup_storage: 49_152,
        max_invocations: 1024,
        ..Caps::webgpu_default()
    };
    let software = Caps {
        subgroup_size: Some(8),
        texel_intensity: Some(8),
        f16: true,
        ..Caps::webgpu_default()
    };
    let mut seen = BTreeSet::new();
    let mut places: BTreeMap<(String, String), String> = BTreeMap::new();
    for entry in entries() {
        for (case, caps) in (entry.cases)().iter().flat_map(|case| {
            [&real, &software, &Caps::webgpu_default()].map(|caps| (case.clone(), caps.clone()))
        }) {
            let (_, all) = lowerings(&case, &caps).expect("cases have valid shapes");
            for kernel in all.iter().flat_map(|lowering| &lowering.kernels) {
                // Other numbers compare no other floats.
                let shape: String = kernel.source.chars().filter(|c| !c.is_ascii_digit()).collect();
                if !seen.insert(shape) {
                    continue;
                }
                for site in sites(&kernel.source) {
                    // A select is as good as the comparison that it follows.
                    if matches!(site.what, What::Compare(..) | What::Built(_)) {
                        let written = kernel.source[site.range].to_owned();
                        let place = (site.function, written);
                        places.entry(place).or_insert_with(|| entry.name.to_owned());
                    }
                }
            }
        }
    }
    announce(&format!("texts read: {}; comparisons of floats: {}", seen.len(), places.len()));
    let listed =
        |function: &str, written: &str| ALLOWED.iter().any(|a| (a.0, a.1) == (function, written));
    let unknown = places.iter().filter(|((function, written), _)| !listed(function, written));
    let unknown: Vec<String> = unknown
        .map(|((function, written), op)| format!("{function}: {written} (in {op})"))
        .collect();
    let is_there = |a: &(&str, &str, &str)| places.contains_key(&(a.0.to_owned(), a.1.to_owned()));
    let stale: Vec<String> =
        ALLOWED.iter().filter(|a| !is_there(a)).map(|a| format!("{}: {}", a.0, a.1)).collect();
    assert!(unknown.is_empty(), "NaN may be lost here:\n  {}", unknown.join("\n  "));
    assert!(stale.is_empty(), "no longer there:\n  {}", stale.join("\n  "));
}

/// Prints a line even where the test passes: cargo captures only the print macros.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
