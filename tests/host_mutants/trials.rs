//! What becomes of mutants: each runs in a process of its own, which may panic or never end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use verigrad::ops::entries;

use super::copy::Copy;
use super::filter::Filter;
use super::number::MOST_PLACES;
use super::rewriting::Place;
use super::tally::announce;

/// How many times as long as unchanged host kernels mutants may run.
const LONGER: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Rejected,
    Survived,
}

/// A change of a number, and the ops whose host kernels ask for it, fastest first.
#[derive(Debug, Clone)]
pub struct Mutant {
    pub place: Place,
    id: usize,
    change: usize,
    ops: Vec<&'static str>,
}

impl Mutant {
    /// Its line in the list of equivalents.
    pub fn entry(&self) -> String {
        format!("{} | {} | {}", self.place.file, self.place.line, self.place.changed(self.change))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, change, .. } = self;
        write!(f, "{place} | {} | {}", place.line, place.changed(*change))
    }
}

/// So many mutants by seed, of those that the filter keeps.
pub fn draw<'a>(all: &'a [Mutant], count: usize, seed: usize, filter: &Filter) -> Vec<&'a Mutant> {
    let key = |mutant: &Mutant| {
        let mixed = (2 * mutant.id + mutant.change) as u64 ^ ((seed as u64) << 32);
        let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d)
    };
    let mut drawn: Vec<&Mutant> = all.iter().filter(|mutant| filter.keeps(mutant)).collect();
    drawn.sort_by_key(|mutant| key(mutant));
    drawn.truncate(count);
    drawn
}

pub struct Trials<'a> {
    copy: &'a Copy,
    /// Time of the unchanged host kernels of each op.
    seconds: BTreeMap<&'static str, Duration>,
    /// The ops that ask for each place.
    users: BTreeMap<usize, Vec<&'static str>>,
}

impl<'a> Trials<'a> {
    /// Runs all ops unchanged, to see who asks for which number.
    pub fn new(copy: &'a Copy) -> Self {
        assert!(copy.places.len() <= MOST_PLACES, "more numbers than number.rs has room for");
        let mut seconds = BTreeMap::new();
        let mut users: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
        for entry in entries() {
            let log = tempfile::NamedTempFile::new().expect("a temporary file");
            let start = Instant::now();
            let mut command = command(&copy.binary, &[entry.name]);
            command.env("VERIGRAD_HOST_MUTANTS_SEEN", log.path());
            let status = command.status().expect("the copy runs");
            assert!(status.success(), "the host kernels of {} fail unchanged", entry.name);
            seconds.insert(entry.name, start.elapsed());
            let seen = fs::read_to_string(log.path()).expect("the log");
            let seen: BTreeSet<usize> = seen.lines().filter_map(|line| line.parse().ok()).collect();
            for place in seen {
                users.entry(place).or_default().push(entry.name);
            }
        }
        for ops in users.values_mut() {
            ops.sort_by_key(|op| seconds[op]);
        }
        Self { copy, seconds, users }
    }

    /// All mutants. Numbers that no case asks for are among them: they survive.
    pub fn mutants(&self) -> Vec<Mutant> {
        let mutants = self.copy.places.iter().enumerate().flat_map(|(id, place)| {
            let ops = self.users.get(&id).cloned().unwrap_or_default();
            place.changes().iter().map(move |&change| Mutant {
                place: place.clone(),
                id,
                change,
                ops: ops.clone(),
            })
        });
        mutants.collect()
    }

    /// What becomes of mutants, tried on all cores.
    pub fn fates<'m>(&self, mutants: &[&'m Mutant]) -> Vec<(&'m Mutant, Fate)> {
        let next = Mutex::new(mutants.iter());
        let fates = Mutex::new(Vec::new());
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let take = || next.lock().expect("no thread has panicked").next();
                    while let Some(&mutant) = take() {
                        let fate = self.fate(mutant);
                        announce(&format!("{fate:?} in {}  {mutant}", mutant.ops.join(", ")));
                        fates.lock().expect("no thread has panicked").push((mutant, fate));
                    }
                });
            }
        });
        fates.into_inner().expect("no thread has panicked")
    }

    fn fate(&self, mutant: &Mutant) -> Fate {
        let rejects = |op: &&str| {
            let mut command = command(&self.copy.binary, &[op]);
            command.env("VERIGRAD_HOST_MUTANT", format!("{} {}", mutant.id, mutant.change));
            let mut child = command.spawn().expect("the copy runs");
            let deadline = Instant::now() + LONGER * self.seconds[*op] + Duration::from_secs(10);
            loop {
                if let Some(status) = child.try_wait().expect("a child") {
                    return !status.success();
                }
                if Instant::now() > deadline {
                    // A run that does not end is one that a user would notice.
                    child.kill().expect("a child that runs");
                    child.wait().expect("a child that was killed");
                    return true;
                }
                thread::sleep(Duration::from_millis(5));
            }
        };
        if mutant.ops.iter().any(rejects) { Fate::Rejected } else { Fate::Survived }
    }
}

/// The check of the host kernels of ops in the copy.
fn command(binary: &Path, ops: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["--ignored", "--exact", "host_kernels_keep_their_contract"])
        .env("VERIGRAD_HOST_MUTANTS_OPS", ops.join(" "))
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
