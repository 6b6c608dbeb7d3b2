//! What becomes of a mutant.

use std::collections::{BTreeSet, HashMap};

use naga::back::spv::{Options, WriterFlags, write_vec};
use naga::compact::{KeepUnused, compact};
use naga::front::wgsl::parse_str;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::graph::Lowering;
use verigrad::verify::{CaseCheck, Failure};

use super::population::{Instance, Mutant, Population};
use super::tally::given;

/// Pipelines after which a device is opened anew: compiled kernels take a megabyte each.
const MOST_PIPELINES: usize = 500;
/// Most checks of one mutant.
const MOST_CHECKS: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The text is no kernel, or the same one.
    Invalid,
    Rejected,
    Survived {
        checks: usize,
        ops: String,
    },
}

/// A device, and the references of the cases that were needed.
pub struct Tester<'a> {
    adapter: &'a wgpu::Adapter,
    population: &'a Population,
    most_checks: usize,
    executor: Option<GpuExecutor>,
    references: HashMap<usize, CaseCheck<'a>>,
}

impl<'a> Tester<'a> {
    pub fn new(adapter: &'a wgpu::Adapter, population: &'a Population) -> Self {
        let most_checks = given("VERIGRAD_MUTANTS_CHECKS").unwrap_or(MOST_CHECKS);
        Self { adapter, population, most_checks, executor: None, references: HashMap::new() }
    }

    pub fn fate(&mut self, mutant: &Mutant) -> Fate {
        let mut checks = 0;
        let mut ops = BTreeSet::new();
        for instance in self.population.instances(mutant) {
            if checks == self.most_checks {
                break;
            }
            let Some(lowering) = self.mutated(mutant, instance) else { continue };
            checks += 1;
            ops.insert(self.population.subjects[instance.subject].op);
            if self.check(instance, &lowering).is_err() {
                return Fate::Rejected;
            }
        }
        if checks == 0 {
            return Fate::Invalid;
        }
        Fate::Survived { checks, ops: ops.into_iter().collect::<Vec<_>>().join(", ") }
    }

    /// The lowering with the change; none where that is no kernel, or the same one.
    fn mutated(&self, mutant: &Mutant, instance: Instance) -> Option<Lowering> {
        let mut lowering =
            self.population.subjects[instance.subject].lowerings[instance.lowering].clone();
        let kernel = &mut lowering.kernels[instance.kernel];
        let mut lines: Vec<String> = kernel.source.lines().map(str::to_owned).collect();
        let line = &mut lines[instance.line];
        *line = (self.population.mutate)(line).get(mutant.change)?.apply(line);
        let changed = lines.join("\n") + "\n";
        let differs = compiled(&changed)? != compiled(&kernel.source)?;
        kernel.source = changed;
        differs.then_some(lowering)
    }

    fn check(&mut self, instance: Instance, lowering: &Lowering) -> Result<(), Failure> {
        if self.executor.as_ref().is_some_and(|executor| executor.pipelines() > MOST_PIPELINES) {
            self.executor = None;
        }
        let executor = self
            .executor
            .get_or_insert_with(|| GpuExecutor::open(self.adapter).expect("the adapter opens"));
        let subject = &self.population.subjects[instance.subject];
        let reference = self.references.entry(instance.subject).or_insert_with(|| {
            CaseCheck::new(&subject.case, &subject.sig).expect("cases have valid shapes")
        });
        let outcome = reference.check(executor, lowering);
        if outcome.is_err() {
            // What a mutant left must not fail the next one.
            executor.unload_all();
        }
        if matches!(outcome, Err(Failure::Exec(_))) {
            self.executor = None;
        }
        outcome
    }
}

/// What a device sees of a text: SPIR-V without names and without what is not used. None where it is no
/// kernel.
pub fn compiled(text: &str) -> Option<Vec<u32>> {
    let mut module = parse_str(text).ok()?;
    // Those with names would be kept.
    for (_, constant) in module.constants.iter_mut() {
        constant.name = None;
    }
    compact(&mut module, KeepUnused::No);
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .ok()?;
    let mut options = Options::default();
    options.flags.remove(WriterFlags::DEBUG);
    write_vec(&module, &info, &options, None).ok()
}
