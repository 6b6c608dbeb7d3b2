//! All mutants there are: each change of each line, with the lowerings whose kernels have that line.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor as _, GpuExecutor};
use verigrad::graph::{Caps, Case, Lowering, Signature};
use verigrad::ops::entries;
use verigrad::verify::{folded_lowerings, lowerings};

use super::filter::Filter;
use super::mutation::Mutation;
use super::origin::Files;

/// A change of a line. The same line of a generator, but for its digits, is one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mutant {
    /// File of the line, or the kernel that a generator writes.
    pub place: String,
    /// Its number in the file.
    pub number: Option<usize>,
    /// The line, without digits where it is generated.
    pub line: String,
    /// The line after the change, likewise.
    pub changed: String,
    /// Which of the changes of the line.
    pub change: usize,
}

impl Mutant {
    /// Its line in the list of equivalents.
    pub fn entry(&self) -> String {
        let entry = format!("{} | {} | {}", self.place, self.line, self.changed);
        entry.trim_end().to_owned()
    }

    /// Folder of the file, or the kernel.
    pub fn family(&self) -> String {
        let folder = self.place.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        folder.unwrap_or_else(|| self.place.clone())
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.map(|number| format!(":{number}")).unwrap_or_default();
        write!(f, "{}{number} | {} | {}", self.place, self.line, self.changed)
    }
}

/// A kernel of a case that has the line of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    pub subject: usize,
    pub lowering: usize,
    pub kernel: usize,
    /// Line of its text.
    pub line: usize,
}

/// A case with all its lowerings.
pub struct Subject {
    pub op: &'static str,
    pub case: Case,
    pub sig: Signature,
    pub lowerings: Vec<Lowering>,
}

impl Subject {
    /// Elements of all operands.
    fn elements(&self) -> usize {
        let operands = self.sig.inputs.iter().chain(&self.sig.outputs);
        operands.map(|ty| ty.elements()).sum()
    }
}

type Mutate = fn(&str) -> Vec<Mutation>;

pub struct Population {
    pub subjects: Vec<Subject>,
    pub mutate: Mutate,
    mutants: BTreeMap<Mutant, Vec<Instance>>,
}

impl Population {
    /// All mutants of the kernels that the first device can run.
    pub fn new(mutate: Mutate) -> Self {
        let subjects = subjects();
        let files = Files::read();
        let mut mutants: BTreeMap<Mutant, Vec<Instance>> = BTreeMap::new();
        let mut of_line: HashMap<(String, Option<usize>, String), Vec<Mutant>> = HashMap::new();
        for (s, subject) in subjects.iter().enumerate() {
            for (l, lowering) in subject.lowerings.iter().enumerate() {
                for (k, kernel) in lowering.kernels.iter().enumerate() {
                    let origins = files.origins(&kernel.source);
                    for (n, (line, origin)) in kernel.source.lines().zip(origins).enumerate() {
                        let generated = origin.is_none();
                        let (place, number) = origin
                            .map_or_else(|| (kernel.name.clone(), None), |(f, n)| (f, Some(n)));
                        let key = (place, number, line.to_owned());
                        let made =
                            of_line.entry(key).or_insert_with_key(|(place, number, line)| {
                                made(mutate, place, *number, line, generated)
                            });
                        let instance = Instance { subject: s, lowering: l, kernel: k, line: n };
                        for mutant in made {
                            let of_mutant = mutants.entry(mutant.clone()).or_default();
                            // One line of a kernel is enough: the last, since generators begin with zeros,
                            // which can as well be subtracted as added.
                            let here = |last: &&mut Instance| {
                                (last.subject, last.lowering, last.kernel) == (s, l, k)
                            };
                            if let Some(last) = of_mutant.last_mut().filter(here) {
                                *last = instance;
                            } else {
                                of_mutant.push(instance);
                            }
                        }
                    }
                }
            }
        }
        Self { subjects, mutate, mutants }
    }

    pub fn size(&self) -> usize {
        self.mutants.len()
    }

    pub fn mutants(&self) -> impl Iterator<Item = &Mutant> {
        self.mutants.keys()
    }

    /// The kernels that have a mutant's line: one of each case, cheap cases first, before another variant of
    /// any. Which variant comes first differs from case to case. Ops, with a bias and without, take turns.
    pub fn instances(&self, mutant: &Mutant) -> Vec<Instance> {
        let mut of_case: BTreeMap<usize, Vec<Instance>> = BTreeMap::new();
        for instance in &self.mutants[mutant] {
            of_case.entry(instance.subject).or_default().push(*instance);
        }
        let mut ordered: Vec<(usize, usize, Instance)> = Vec::new();
        for (i, (subject, variants)) in of_case.into_iter().enumerate() {
            let elements = self.subjects[subject].elements();
            let first = i % variants.len();
            let turned = variants[first..].iter().chain(&variants[..first]);
            ordered.extend(turned.enumerate().map(|(turn, instance)| (turn, elements, *instance)));
        }
        ordered.sort_by_key(|&(turn, elements, _)| (turn, elements));
        let mut alike: HashMap<(&str, usize), usize> = HashMap::new();
        ordered.sort_by_cached_key(|(.., instance)| {
            let subject = &self.subjects[instance.subject];
            let before = alike.entry((subject.op, subject.sig.inputs.len())).or_default();
            *before += 1;
            *before
        });
        ordered.into_iter().map(|(.., instance)| instance).collect()
    }

    /// So many mutants by seed, of those that the filter keeps.
    pub fn draw(&self, count: usize, seed: usize, filter: &Filter) -> Vec<Mutant> {
        let mut drawn: Vec<(u64, &Mutant)> = self
            .mutants()
            .filter(|mutant| filter.keeps(mutant))
            .map(|mutant| (shuffled(&mutant.to_string(), mutant.change, seed), mutant))
            .collect();
        drawn.sort();
        drawn.truncate(count);
        drawn.into_iter().map(|(_, mutant)| mutant.clone()).collect()
    }
}

/// A number for a mutant and a seed: FNV-1a.
fn shuffled(text: &str, change: usize, seed: usize) -> u64 {
    let bytes = text.bytes().chain(change.to_le_bytes()).chain(seed.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The last bytes have moved low bits only.
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn made(
    mutate: Mutate,
    place: &str,
    number: Option<usize>,
    line: &str,
    generated: bool,
) -> Vec<Mutant> {
    let made = mutate(line).into_iter().enumerate().map(|(change, mutation)| {
        let [line, changed] = mutation.shown(line, generated);
        Mutant { place: place.to_owned(), number, line, changed, change }
    });
    made.collect()
}

/// The cases of all ops, small ones, with the lowerings of this device as it is, and as it would be without
/// subgroups and textures.
fn subjects() -> Vec<Subject> {
    let adapters = adapters();
    let adapter = adapters.first().expect("a GPU adapter; install e.g. mesa-vulkan-drivers");
    let caps = GpuExecutor::open(adapter).expect("the adapter opens").caps().clone();
    let plain = Caps { texel_intensity: None, ..caps.clone() };
    let simple = Caps { subgroup_size: None, ..plain.clone() };
    let mut subjects = Vec::new();
    for entry in entries() {
        for case in entry.cases_for(&caps).into_iter().filter(|case| !case.bench) {
            let mut all: Vec<Lowering> = Vec::new();
            let mut signature = None;
            for caps in [&caps, &plain, &simple] {
                let (sig, more) = lowerings(&case, caps).expect("cases have valid shapes");
                all.extend(
                    more.into_iter().filter(|lowering| !all.contains(lowering)).collect::<Vec<_>>(),
                );
                signature = Some(sig);
            }
            all.extend(folded_lowerings(&case, &caps).expect("cases have valid shapes"));
            let sig = signature.expect("it was just made");
            subjects.push(Subject { op: entry.name, case, sig, lowerings: all });
        }
    }
    subjects
}
