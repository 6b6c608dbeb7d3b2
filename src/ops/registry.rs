//! The registry: every op with its cases. Tests, `doctor`, benchmarks and `inspect` iterate over it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::graph::{Caps, Case, Op};

/// An op as the registry knows it.
#[derive(Debug, Clone, Copy)]
pub struct OpEntry {
    /// Registry name.
    pub name: &'static str,
    /// Builds the op from its attributes.
    pub from_attributes: fn(Json) -> Result<Arc<dyn Op>, serde_json::Error>,
    /// Cases on which the op is tested and benchmarked.
    pub cases: fn() -> Vec<Case>,
}

impl OpEntry {
    /// All cases: those of the op, and those in 16 bits where a device has them.
    pub fn cases_for(&self, caps: &Caps) -> Vec<Case> {
        let mut cases = (self.cases)();
        if caps.f16 {
            let halves: Vec<Case> = cases.iter().flat_map(Case::in_half).collect();
            cases.extend(halves);
        }
        cases
    }

    /// An entry for the op type `O`.
    pub const fn new<O: Op + DeserializeOwned>(
        name: &'static str,
        cases: fn() -> Vec<Case>,
    ) -> Self {
        Self { name, from_attributes: parse::<O>, cases }
    }
}

fn parse<O: Op + DeserializeOwned>(attributes: Json) -> Result<Arc<dyn Op>, serde_json::Error> {
    serde_json::from_value::<O>(attributes).map(|op| Arc::new(op) as Arc<dyn Op>)
}

/// Every op, in the order of the tables that are printed from it.
pub static REGISTRY: &[&[OpEntry]] = &[
    super::conv2d::ENTRIES,
    super::matmul::ENTRIES,
    super::activation::ENTRIES,
    super::batch_norm::ENTRIES,
    super::binary::ENTRIES,
    super::concat::ENTRIES,
    super::dropout::ENTRIES,
    super::elementwise_chain::ENTRIES,
    super::local_response_norm::ENTRIES,
    super::pool::ENTRIES,
    super::scale::ENTRIES,
    super::broadcast::ENTRIES,
    super::cast::ENTRIES,
    super::reduce::ENTRIES,
    super::reduce_max_grad::ENTRIES,
    super::softmax::ENTRIES,
    super::log_softmax::ENTRIES,
    super::cross_entropy::ENTRIES,
    super::soft_cross_entropy::ENTRIES,
    super::mean_squared_error::ENTRIES,
    super::loss::ENTRIES,
    super::accuracy::ENTRIES,
    super::confusion_matrix::ENTRIES,
    super::structural::ENTRIES,
    super::gather::ENTRIES,
    super::augment::ENTRIES,
    super::mix::ENTRIES,
    super::learning_rate::ENTRIES,
    super::optimizer::ENTRIES,
    super::loss_scale::ENTRIES,
    super::state::ENTRIES,
    super::histogram::ENTRIES,
    super::attack_step::ENTRIES,
    super::fake_quantize::ENTRIES,
];

/// All entries of the registry.
pub fn entries() -> impl Iterator<Item = &'static OpEntry> {
    REGISTRY.iter().copied().flatten()
}

/// The entry called `name`.
pub fn find(name: &str) -> Option<&'static OpEntry> {
    entries().find(|entry| entry.name == name)
}

/// The JSON form of an op's attributes.
pub(super) fn attributes(op: &impl serde::Serialize) -> Json {
    serde_json::to_value(op).expect("op attributes are plain numbers, names and lists")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_op_has_cases() {
        let mut names = HashSet::new();
        for entry in entries() {
            assert!(names.insert(entry.name), "{} is registered twice", entry.name);
            let cases = (entry.cases)();
            assert!(!cases.is_empty(), "{} has no cases", entry.name);
            let mut case_names = HashSet::new();
            for case in cases {
                assert!(case_names.insert(case.name.clone()), "{}: {}", entry.name, case.name);
                assert_eq!(case.op.name(), entry.name, "{}", case.name);
            }
        }
    }

    #[test]
    fn attributes_survive_a_round_trip() {
        for entry in entries() {
            for case in (entry.cases)() {
                let json = case.op.attributes();
                let again = (entry.from_attributes)(json.clone()).expect("its own attributes");
                assert_eq!(again.attributes(), json, "{}: {}", entry.name, case.name);
            }
        }
    }

    /// Every kernel is valid WGSL and stays within WebGPU's default limits.
    #[test]
    fn lowerings_are_valid_under_default_limits() {
        let caps = Caps { f16: true, ..Caps::webgpu_default() };
        for entry in entries() {
            for case in entry.cases_for(&caps) {
                let inputs: Vec<_> = case.inputs.iter().map(|i| i.ty.clone()).collect();
                let outputs = case.op.output_types(&inputs).expect("cases have valid shapes");
                let sig = crate::graph::Signature { inputs, outputs };
                let mut variants = HashSet::new();
                let lowerings = case.op.lowerings(&sig, &caps);
                assert!(!lowerings.is_empty(), "{}: {}", entry.name, case.name);
                for lowering in lowerings {
                    assert!(variants.insert(lowering.variant.clone()), "{}", lowering.variant);
                    for kernel in &lowering.kernels {
                        if let Err(error) = crate::compile::check_kernel(kernel, &caps) {
                            panic!("{} {} {}: {error}", entry.name, case.name, lowering.variant);
                        }
                    }
                }
            }
        }
    }
}
