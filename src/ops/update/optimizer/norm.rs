//! The norm of all gradients together.

use serde::{Deserialize, Serialize};

use super::partial_sums::PartialSums;
use super::{check_arenas, widths};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
    runs_of_rows,
};
use crate::ops::kit::operands;
use crate::tensor::parallel::{BLOCK, for_each_chunk};
use crate::tensor::{Real, TensorType, Tolerance};

/// `norm = sqrt(sum_i grads[i]^2)`. Input: `grads` f32 `[p]`, each element of which counts: gaps in
/// an arena must hold zeros. Output: f32 `[1]`.
///
/// Squares neither overflow nor vanish on the way (Blue, 1978). A NaN or an infinity in `grads`
/// gives one in the norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalNorm {}

/// Invocations of a workgroup, a power of two: the workgroup sums as a binary tree.
const WORKGROUP_SIZE: usize = 256;

/// Elements that an invocation sums, where that takes no more than [`MAX_GROUPS`] workgroups.
const ELEMENTS_PER_INVOCATION: usize = 8;

/// Most workgroups of the first stage: one partial sum for each invocation of the second.
const MAX_GROUPS: usize = WORKGROUP_SIZE;

/// Workgroups of the first stage over `elements`, of one or four floats.
fn groups(elements: usize) -> usize {
    elements.div_ceil(WORKGROUP_SIZE * ELEMENTS_PER_INVOCATION).clamp(1, MAX_GROUPS)
}

impl GlobalNorm {
    /// Both stages, reading `width` floats at a time; the first one for each of the `runs` into which
    /// bindings cut the gradients, whose sums of squares are one row for the second.
    fn lowering(variant: &str, runs: &[Part], width: usize, caps: &Caps) -> Lowering {
        /// Bytes of a partial sum: three floats, padded to four.
        const PARTIAL_BYTES: usize = 16;
        let sums = PartialSums::new(runs, width, groups, PARTIAL_BYTES);
        let stage = |name: &str, groups: usize, elements: usize| {
            Kernel::new(name)
                .constant("WORKGROUP_SIZE", WORKGROUP_SIZE)
                .constant("GROUPS", groups)
                .constant("ELEMENTS", elements)
                .file(include_str!("../../../../shaders/common/norm_sums.wgsl"))
        };
        let elements = runs.iter().map(|run| run.count).sum::<usize>() / width;
        let total = stage("global_norm_total", sums.groups(), elements)
            .file(include_str!("../../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../../shaders/update/global_norm_total.wgsl"))
            .read(PartialSums::ALL)
            .write(Operand::Output(0));
        let partial = |groups: usize, elements: usize, sums: Operand| {
            stage("global_norm_partial", groups, elements)
                .file(super::lane_file(width))
                .file(include_str!("../../../../shaders/update/global_norm_partial.wgsl"))
                .workgroups([u32::try_from(groups).unwrap_or(u32::MAX), 1, 1])
                .read(Operand::Input(0))
                .write(sums)
        };
        sums.lowering(variant, &partial, &[Operand::Input(0)], total, caps)
    }
}

/// In f64, where squares neither overflow nor vanish; several sums at once, for vectors.
fn sum_of_squares(x: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for x in x.chunks(sums.len()) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    sums.iter().sum()
}

impl OpDef for GlobalNorm {
    const NAME: &'static str = "global_norm";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [grads] = operands(Self::NAME, inputs)?;
        check_arenas(Self::NAME, &[("grads", grads)], 0, &[])?;
        Ok(vec![TensorType::f32([1])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let sum: f64 = io.inputs.float(0).iter().map(|grad| grad.to_f64().powi(2)).sum();
        io.outputs.float(0).fill(T::from_f64(sum.sqrt()));
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let p = sig.inputs[0].elements();
        let Some(runs) = runs_of_rows(p, &[1], caps) else { return Vec::new() };
        let variants = widths(p);
        variants.map(|(variant, width)| Self::lowering(variant, &runs, width, caps)).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let run = |io: &mut HostIo<'_, f32>, norms: &mut [f32]| {
            let grads = io.inputs.float(0);
            for_each_chunk(norms, 1, &|block, norm| {
                let grads = &grads[block * BLOCK..grads.len().min((block + 1) * BLOCK)];
                norm.fill(f32::from_f64(sum_of_squares(grads).sqrt()));
            });
            let norm = f32::from_f64(sum_of_squares(norms).sqrt());
            io.outputs.float(0).fill(norm);
        };
        let blocks = sig.inputs[0].elements().div_ceil(BLOCK);
        vec![HostKernel::new("blocks", run).with_scratch(blocks)]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // All squares are positive, so that the error of their sum grows with the number of
        // additions that one of them passes through: those of one invocation, then two trees.
        let p = sig.inputs[0].elements();
        let trees = 2 * WORKGROUP_SIZE.ilog2() as usize;
        let additions = p.div_ceil(groups(p) * WORKGROUP_SIZE) + trees;
        // The ranges are put together by two roots of 4.5 ulps, a quotient and its scale of 2.5
        // each, a sum and two products.
        const TOGETHER: f64 = 2.0 * 4.5 + 2.0 * 2.5 + 1.5;
        Tolerance::sum_of(additions).plus_ulps(TOGETHER)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 2 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, p: usize, grads: Fill| {
            Case::new(name, GlobalNorm {}).input(TensorType::f32([p]), grads).forward_only()
        };
        let floats =
            |name: &str, values: &[f32]| case(name, values.len(), Fill::Floats(values.to_vec()));
        let mut cases: Vec<Case> = super::SIZES
            .into_iter()
            .chain([2049, 8192, 1_000_003])
            .map(|p| case(&format!("normal_{p}"), p, Fill::Normal))
            .collect();
        cases.extend([
            floats("zeros", &[0.0; 5]),
            floats("three_four", &[3.0, -4.0]),
            floats("huge", &[3e37, -4e37, 0.0, 1.0]),
            floats("tiny", &[3e-37, -4e-37, 0.0]),
            floats("huge_and_medium", &[4e14, -3e14, 2e14, 1e14, 1e3]),
            floats("medium_and_tiny", &[1e-15, 5e-16, -5e-16, 2e-15]),
            floats("all_ranges", &[1e25, 1.0, 1e-25]),
            floats("infinite", &[1.0, f32::NEG_INFINITY, 2.0]),
            floats("nan", &[1.0, 2.0, f32::NAN, 0.0]),
            floats("nan_and_huge", &[1e30, f32::NAN]),
            case("non_finite", 5000, Fill::Special),
            case("bench_mnist_cnn", super::MNIST_CNN, Fill::Normal).bench(),
            case("bench_cifar_alexnet", super::CIFAR_ALEXNET, Fill::Normal).bench(),
        ]);
        cases
    }
}
