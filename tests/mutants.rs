//! Mutants of the kernels: texts with one small change, which the contract of the ops that use them must
//! reject; and texts that were written differently and mean the same, which it must not.
//!
//! Mutants are drawn by seed from every line of every kernel that this device can run, whether it comes
//! from `shaders/` or from a generator. `VERIGRAD_MUTANTS=1000` draws so many, `VERIGRAD_MUTANTS_SEED`
//! others, `VERIGRAD_MUTANTS_FILTER=norm` those whose place or line has that text, or those that a log of
//! that name tells to have survived, and
//! `VERIGRAD_MUTANTS_LOG=1` tells of each as it is tried, each with up to `VERIGRAD_MUTANTS_CHECKS` kernels.
//! `scripts/mutate` does so in slices.
//! Changes that make no difference, or none that a device must show, are listed in
//! `mutants/equivalent.txt`, each with a reason.

#[path = "mutants/equivalent.rs"]
mod equivalent;
#[path = "mutants/filter.rs"]
mod filter;
#[path = "mutants/listed.rs"]
mod listed;
#[path = "mutants/mutation.rs"]
mod mutation;
#[path = "mutants/origin.rs"]
mod origin;
#[path = "mutants/population.rs"]
mod population;
#[path = "mutants/tally.rs"]
mod tally;
#[path = "mutants/trial.rs"]
mod trial;

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use equivalent::Equivalents;
use mutation::{mutations, same_meaning};
use population::{Mutant, Population};
use tally::{Tally, announce, filter, given};
use trial::{Fate, Tester, compiled};
use verigrad::exec::gpu::adapters;

/// What becomes of mutants, tried on all cores.
fn fates<'a>(population: &'a Population, mutants: &'a [Mutant]) -> Vec<(&'a Mutant, Fate)> {
    let next = Mutex::new(mutants.iter());
    let fates = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let adapters = adapters();
                let adapter =
                    adapters.first().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
                let mut tester = Tester::new(adapter, population);
                let take = || next.lock().expect("no thread has panicked").next();
                while let Some(mutant) = take() {
                    let start = Instant::now();
                    let fate = tester.fate(mutant);
                    if std::env::var_os("VERIGRAD_MUTANTS_LOG").is_some() {
                        let seconds = start.elapsed().as_secs_f64();
                        announce(&format!("{seconds:6.1} s  {fate:?}  {mutant}"));
                    }
                    fates.lock().expect("no thread has panicked").push((mutant, fate));
                }
            });
        }
    });
    let mut fates = fates.into_inner().expect("no thread has panicked");
    fates.sort_by_key(|(mutant, _)| (*mutant).clone());
    fates
}

#[test]
fn the_contract_rejects_mutants() {
    let count = given("VERIGRAD_MUTANTS").unwrap_or(16);
    let seed = given("VERIGRAD_MUTANTS_SEED").unwrap_or(1);
    let equivalents = Equivalents::read();
    let start = Instant::now();
    let population = Population::new(mutations);
    announce(&format!("{:.1} s for {} mutants", start.elapsed().as_secs_f64(), population.size()));
    let mutants = population.draw(count, seed, &filter());
    let fates = fates(&population, &mutants);
    let mut tally = Tally::default();
    let mut invalid = 0;
    for (mutant, fate) in &fates {
        let family = mutant.family();
        match fate {
            Fate::Invalid => invalid += 1,
            Fate::Rejected => tally.rejected(family),
            Fate::Survived { .. } if equivalents.contain(mutant) => tally.equivalent(family),
            Fate::Survived { checks, ops } => {
                tally.survived(family, format!("{mutant}  ({checks} checks of {ops})"));
            }
        }
    }
    announce(&format!(
        "mutants: {} drawn of {}; {invalid} are no kernels, or the same",
        fates.len(),
        population.size()
    ));
    tally.judge();
}

#[test]
fn the_contract_accepts_other_words_for_the_same() {
    let count = given("VERIGRAD_MUTANTS").map_or(4, |count| count / 5);
    let seed = given("VERIGRAD_MUTANTS_SEED").unwrap_or(1);
    let population = Population::new(same_meaning);
    let mutants = population.draw(count, seed, &filter());
    let fates = fates(&population, &mutants);
    let rejected = fates.iter().filter(|(_, fate)| *fate == Fate::Rejected);
    let rejected: Vec<String> = rejected.map(|(mutant, _)| mutant.to_string()).collect();
    let accepted = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Survived { .. })).count();
    announce(&format!("other words for the same: {accepted} of {} accepted", fates.len()));
    assert!(accepted > 0 || !filter().is_all(), "no text was accepted");
    assert!(rejected.is_empty(), "the contract rejects\n{}", rejected.join("\n"));
}

#[test]
fn what_a_kernel_does_not_use_makes_no_other_kernel() {
    let text = |unused: &str, used: &str| {
        format!(
            "{unused}const USED: u32 = {used};\n@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n\
             @compute @workgroup_size(1)\nfn main() {{ y[0] = USED; }}\n"
        )
    };
    let one = compiled(&text("const UNUSED: u32 = 7u;\n", "3u")).expect("a kernel");
    assert_eq!(compiled(&text("const UNUSED: u32 = 8u;\n", "3u")), Some(one.clone()));
    assert_eq!(compiled(&text("", "3u")), Some(one.clone()));
    assert_ne!(compiled(&text("", "4u")), Some(one));
    assert_eq!(compiled("fn main() {"), None);
}

/// The list is as long as it must be: what is on it is still in some kernel.
#[test]
fn equivalents_are_mutants_with_a_reason() {
    let population = Population::new(mutations);
    let stale = Equivalents::read().not_among(&population);
    assert!(stale.is_empty(), "no kernel has\n{}", stale.join("\n"));
}
