//! Mutants of the host kernels: numbers of their texts, each changed by one or to another value, which the
//! contract of the ops that use them must reject.
//!
//! A copy of the crate is made in which each number of these texts is asked for while it runs, so that all
//! mutants are built at once. `scripts/mutate --host [COUNT [SEED [TEXT]]]` draws so many by seed, of the
//! files or lines with this text. Those that make no difference are listed in `host_mutants/equivalent.txt`,
//! each with a reason.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "host_mutants/copy.rs"]
mod copy;
#[path = "mutants/filter.rs"]
mod filter;
#[path = "mutants/listed.rs"]
mod listed;
#[path = "host_mutants/number.rs"]
mod number;
#[path = "host_mutants/rewriting.rs"]
mod rewriting;
#[path = "mutants/tally.rs"]
mod tally;
#[path = "host_mutants/trials.rs"]
mod trials;

use copy::Copy;
use listed::listed;
use number::{Number, number};
use rewriting::rewritten;
use tally::{Tally, announce, filter, given};
use trials::{Fate, Mutant, Trials, draw};
use verigrad::graph::Caps;
use verigrad::ops::{OpEntry, entries};
use verigrad::verify::{CaseCheck, host_kernels, signature};

/// Checks the host kernels of an op in all its small cases, as the contract does.
fn check(entry: &OpEntry) {
    let with_half = Caps { f16: true, ..Caps::webgpu_default() };
    for case in entry.cases_for(&with_half).into_iter().filter(|case| !case.bench) {
        let count = host_kernels(&case).expect("cases have valid shapes").len();
        if count == 0 {
            continue;
        }
        let sig = signature(&case).expect("cases have valid shapes");
        let reference = CaseCheck::new(&case, &sig).expect("cases have valid shapes");
        for variant in 0..count {
            if let Err(failure) = reference.check_host_kernel(variant) {
                panic!("{}: {}: {failure}", entry.name, case.name);
            }
        }
    }
}

/// What a mutant is tried with: the copy of this test, for the ops that are named.
#[test]
#[ignore = "a part of the trials below"]
fn host_kernels_keep_their_contract() {
    let ops = std::env::var("VERIGRAD_HOST_MUTANTS_OPS").unwrap_or_default();
    let ops: Vec<&str> = ops.split_whitespace().collect();
    entries().filter(|entry| ops.contains(&entry.name)).for_each(check);
}

#[test]
#[ignore = "builds a copy of the crate: scripts/mutate --host"]
fn the_contract_rejects_mutants_of_host_kernels() {
    let count = given("VERIGRAD_MUTANTS").unwrap_or(100);
    let seed = given("VERIGRAD_MUTANTS_SEED").unwrap_or(1);
    let equivalents = listed(include_str!("host_mutants/equivalent.txt"));
    let copy = Copy::build();
    let trials = Trials::new(&copy);
    let all: Vec<Mutant> = trials.mutants();
    let stale: Vec<&String> =
        equivalents.iter().filter(|entry| !all.iter().any(|m| m.entry() == **entry)).collect();
    assert!(stale.is_empty(), "no host kernel has {stale:#?}");
    let drawn = draw(&all, count, seed, &filter());
    announce(&format!("{} mutants drawn of {}", drawn.len(), all.len()));
    let mut tally = Tally::default();
    for (mutant, fate) in trials.fates(&drawn) {
        let file = mutant.place.file.clone();
        match fate {
            Fate::Rejected => tally.rejected(file),
            Fate::Survived if equivalents.contains(&mutant.entry()) => tally.equivalent(file),
            Fate::Survived => tally.survived(file, mutant.to_string()),
        }
    }
    tally.judge();
}

#[test]
fn numbers_of_host_kernels_are_found() {
    let text = "\
const SLOPE: f32 = 0.5;
const BLOCK: usize = 8;
const fn at_build() -> usize { 7 }
fn kernel(x: &mut [f32; 4]) -> f32 {
    let part: [f32; 4] = [0.0; 4];
    match BLOCK {
        8 => x.chunks::<2>(3)[1] * SLOPE,
        _ => -0.25 + part.0,
    }
}
#[cfg(test)]
mod tests {
    fn six() -> usize { 6 }
}
";
    let (after, places) = rewritten("src/ops/some/cpu.rs", text, 10);
    let numbers: Vec<&str> =
        places.iter().map(|place| &place.line[place.columns.clone()]).collect();
    assert_eq!(numbers, ["0.0", "3", "1", "SLOPE", "0.25"]);
    let lines: Vec<usize> = places.iter().map(|place| place.line_number).collect();
    assert_eq!(lines, [5, 7, 7, 7, 8]);
    assert!(after.contains("[crate::mutants::number(10, 0.0); 4];"), "{after}");
    assert!(after.contains("chunks::<2>(crate::mutants::number(11, 3))"), "{after}");
    assert!(after.contains("_ => -crate::mutants::number(14, 0.25) + part.0"), "{after}");
    assert_eq!(places[3].changed(0), "8 => x.chunks::<2>(3)[1] * (2.0 * SLOPE),");
    assert_eq!(places[0].changes().len(), 1);
    // Elsewhere, the functions that make host kernels.
    let text = "fn infer() -> u8 { 1 }\nfn host_kernels() -> u8 { 2 }\n";
    let (_, places) = rewritten("src/ops/some/mod.rs", text, 0);
    let lines: Vec<usize> = places.iter().map(|place| place.line_number).collect();
    assert_eq!(lines, [2]);
}

#[test]
fn changed_numbers_differ() {
    assert_eq!([4_usize.changed(0), 4_usize.changed(1), 0_usize.changed(1)], [5, 3, 1]);
    assert_eq!([0.5_f32.changed(0), 0.5_f32.changed(1), 0.0_f32.changed(0)], [1.0, -0.5, 1.0]);
    assert_eq!(number(0, 7), 7, "no mutant was named");
}
