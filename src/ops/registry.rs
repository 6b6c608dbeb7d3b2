//! The registry: every op with its cases. Tests, `doctor`, benchmarks and `inspect` iterate over it.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::graph::{Caps, Case, Op, OpDef};
use crate::ops;

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

    /// The entry of the op type `O`.
    pub const fn of<O: OpDef>() -> Self {
        Self { name: O::NAME, from_attributes: parse::<O>, cases: O::cases }
    }
}

fn parse<O: OpDef>(attributes: Json) -> Result<Arc<dyn Op>, serde_json::Error> {
    serde_json::from_value::<O>(attributes).map(|op| Arc::new(op) as Arc<dyn Op>)
}

/// Every op, in the order of the tables that are printed from it.
pub static REGISTRY: &[OpEntry] = &[
    OpEntry::of::<ops::Conv2d>(),
    OpEntry::of::<ops::Conv2dInputGrad>(),
    OpEntry::of::<ops::Conv2dWeightGrad>(),
    OpEntry::of::<ops::Matmul>(),
    OpEntry::of::<ops::Activate>(),
    OpEntry::of::<ops::ActivateGrad>(),
    OpEntry::of::<ops::BatchNorm>(),
    OpEntry::of::<ops::BatchNormGrad>(),
    OpEntry::of::<ops::BatchNormInference>(),
    OpEntry::of::<ops::BatchNormInferenceGrad>(),
    OpEntry::of::<ops::BatchNormMaxPool2d>(),
    OpEntry::of::<ops::ProductStatistics>(),
    OpEntry::of::<ops::RunningAverage>(),
    OpEntry::of::<ops::Binary>(),
    OpEntry::of::<ops::Concat>(),
    OpEntry::of::<ops::Slice>(),
    OpEntry::of::<ops::PadZeros>(),
    OpEntry::of::<ops::Dropout>(),
    OpEntry::of::<ops::ElementwiseChain>(),
    OpEntry::of::<ops::LocalResponseNorm>(),
    OpEntry::of::<ops::LocalResponseNormGrad>(),
    OpEntry::of::<ops::MaxPool2d>(),
    OpEntry::of::<ops::MaxPool2dGrad>(),
    OpEntry::of::<ops::AvgPool2d>(),
    OpEntry::of::<ops::AvgPool2dGrad>(),
    OpEntry::of::<ops::AdaptiveAvgPool2d>(),
    OpEntry::of::<ops::AdaptiveAvgPool2dGrad>(),
    OpEntry::of::<ops::GlobalAvgPool2d>(),
    OpEntry::of::<ops::GlobalAvgPool2dGrad>(),
    OpEntry::of::<ops::ResizeBilinear>(),
    OpEntry::of::<ops::ResizeBilinearGrad>(),
    OpEntry::of::<ops::Scale>(),
    OpEntry::of::<ops::Broadcast>(),
    OpEntry::of::<ops::Cast>(),
    OpEntry::of::<ops::SumRows>(),
    OpEntry::of::<ops::SumColumns>(),
    OpEntry::of::<ops::Reduce>(),
    OpEntry::of::<ops::ReduceMaxGrad>(),
    OpEntry::of::<ops::Softmax>(),
    OpEntry::of::<ops::SoftmaxGrad>(),
    OpEntry::of::<ops::LogSoftmax>(),
    OpEntry::of::<ops::LogSoftmaxGrad>(),
    OpEntry::of::<ops::SoftmaxCrossEntropy>(),
    OpEntry::of::<ops::SoftCrossEntropy>(),
    OpEntry::of::<ops::MeanCrossEntropy>(),
    OpEntry::of::<ops::EndStep>(),
    OpEntry::of::<ops::TallyBatch>(),
    OpEntry::of::<ops::SumsOfRows>(),
    OpEntry::of::<ops::MeanSquaredError>(),
    OpEntry::of::<ops::ClassWeights>(),
    OpEntry::of::<ops::MaskedMean>(),
    OpEntry::of::<ops::MaskedMeanGrad>(),
    OpEntry::of::<ops::Argmax>(),
    OpEntry::of::<ops::CorrectCount>(),
    OpEntry::of::<ops::ConfusionMatrix>(),
    OpEntry::of::<ops::View>(),
    OpEntry::of::<ops::Pack>(),
    OpEntry::of::<ops::GatherBatch>(),
    OpEntry::of::<ops::GatherRows>(),
    OpEntry::of::<ops::AugmentBatch>(),
    OpEntry::of::<ops::MixBatch>(),
    OpEntry::of::<ops::LearningRate>(),
    OpEntry::of::<ops::Adam>(),
    OpEntry::of::<ops::Sgd>(),
    OpEntry::of::<ops::RmsProp>(),
    OpEntry::of::<ops::WeightAverage>(),
    OpEntry::of::<ops::Hypergradient>(),
    OpEntry::of::<ops::GlobalNorm>(),
    OpEntry::of::<ops::ClipByNorm>(),
    OpEntry::of::<ops::ClipByValue>(),
    OpEntry::of::<ops::ClearGaps>(),
    OpEntry::of::<ops::Guarded>(),
    OpEntry::of::<ops::Unscale>(),
    OpEntry::of::<ops::UpdateLossScale>(),
    OpEntry::of::<ops::Advance>(),
    OpEntry::of::<ops::Accumulate>(),
    OpEntry::of::<ops::Record>(),
    OpEntry::of::<ops::Full>(),
    OpEntry::of::<ops::Histogram>(),
    OpEntry::of::<ops::AttackStep>(),
    OpEntry::of::<ops::FakeQuantize>(),
];

/// All entries of the registry.
pub fn entries() -> impl Iterator<Item = &'static OpEntry> {
    REGISTRY.iter()
}

/// The entry called `name`.
pub fn find(name: &str) -> Option<&'static OpEntry> {
    entries().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::graph::Signature;

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

    /// Storing operands in 16 bits changes neither the number of operations nor the length of sums,
    /// on which tolerances rest.
    #[test]
    fn work_and_sums_do_not_depend_on_how_operands_are_stored() {
        let mut checked = 0;
        for case in entries().flat_map(|entry| (entry.cases)()) {
            let signature = |case: &Case| {
                let inputs: Vec<_> = case.inputs.iter().map(|i| i.ty.clone()).collect();
                let outputs = case.op.infer(&inputs).expect("cases have valid shapes");
                Signature { inputs, outputs }
            };
            let sig = signature(&case);
            for half in case.in_half() {
                let stored = signature(&half);
                let name = format!("{} {}", half.op.name(), half.name);
                let (cost, own) = (half.op.cost(&stored), case.op.cost(&sig));
                assert_eq!(cost.flop, own.flop, "{name}");
                // Buffers hold whole words, so that one element of 16 bits takes as much as one of 32.
                assert!(cost.bytes <= own.bytes, "{name}");
                let [length, own] = [&stored, &sig].map(|sig| half.op.tolerance(sig, ""));
                assert_eq!(length.reduction_len, own.reduction_len, "{name}");
                checked += 1;
            }
        }
        assert!(checked > 100, "{checked}");
    }

    /// Every kernel is valid WGSL and stays within WebGPU's default limits.
    #[test]
    fn lowerings_are_valid_under_default_limits() {
        let caps = Caps { f16: true, ..Caps::webgpu_default() };
        for entry in entries() {
            for case in entry.cases_for(&caps) {
                let inputs: Vec<_> = case.inputs.iter().map(|i| i.ty.clone()).collect();
                let outputs = case.op.infer(&inputs).expect("cases have valid shapes");
                let sig = Signature { inputs, outputs };
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
