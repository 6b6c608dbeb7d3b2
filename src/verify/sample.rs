//! Reference values of some elements of each output, for shapes whose whole reference takes long:
//! corners, edges, and random elements.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

use super::inputs::named_rng;
use crate::graph::{Case, Signature, run_on_words};
use crate::tensor::half::round;
use crate::tensor::{DType, HostTensor, Mismatch, TensorType, Tolerance};

/// Most elements of an output that are computed.
const MOST: usize = 4096;
/// Fewest, however much work one of them is.
const FEWEST: usize = 4;
/// Products that the elements of an output may take, but for the fewest.
const PRODUCTS: u64 = 1 << 27;
/// Share of the whole reference that a sample may take, at most.
const SHARE: u64 = 8;
/// Floating-point operations of an op from which on a sample is worth it.
const LARGE: u64 = 1 << 27;

/// Elements of each output with their reference values.
#[derive(Debug)]
pub(super) struct Sample {
    outputs: Vec<SampledOutput>,
}

/// Elements of one output with their reference values.
#[derive(Debug)]
struct SampledOutput {
    positions: Vec<usize>,
    expected: Vec<f64>,
}

impl Sample {
    /// A sample of the outputs of a case; none where the whole reference is cheap, or the op cannot
    /// compute single elements.
    pub fn of(case: &Case, sig: &Signature, inputs: &[HostTensor]) -> Option<Self> {
        let flop = case.op.cost(sig).flop;
        if flop < LARGE {
            return None;
        }
        let sampled = |(output, ty): (usize, &TensorType)| {
            let products = flop / (2 * ty.elements() as u64).max(1);
            let most =
                usize::try_from(PRODUCTS.min(flop / (2 * SHARE)) / products.max(1)).unwrap_or(MOST);
            let name = format!("{}/{}/sample {output}", case.op.name(), case.name);
            let positions = sample_positions(&name, ty.dims(), most.clamp(FEWEST, MOST));
            let expected = reference_at(case, sig, inputs, output, &positions)?;
            Some(SampledOutput { positions, expected })
        };
        let outputs = sig.outputs.iter().enumerate().map(sampled).collect::<Option<_>>()?;
        Some(Self { outputs })
    }

    /// The largest magnitude among the sampled elements of an output: at most that of all, so that
    /// tolerances which scale with it are not wider than those of the whole.
    pub fn scale(&self, output: usize) -> f64 {
        let values = self.outputs[output].expected.iter().filter(|value| value.is_finite());
        values.fold(0.0, |most, value| most.max(value.abs()))
    }

    /// Compares the sampled elements with those of a result.
    ///
    /// # Errors
    /// The first that disagrees.
    pub fn check(
        &self,
        output: usize,
        ty: &TensorType,
        tolerance: Tolerance,
        got: &[f64],
    ) -> Result<(), Mismatch> {
        let SampledOutput { positions, expected } = &self.outputs[output];
        check_at(positions, expected, ty, tolerance, self.scale(output), got)
    }
}

/// Compares elements at given positions with their reference values.
///
/// # Errors
/// The first that disagrees.
pub(super) fn check_at(
    positions: &[usize],
    expected: &[f64],
    ty: &TensorType,
    tolerance: Tolerance,
    scale: f64,
    got: &[f64],
) -> Result<(), Mismatch> {
    let tolerance = tolerance.stored_as(ty.dtype);
    let mut first: Option<Mismatch> = None;
    for (&index, &exact) in positions.iter().zip(expected) {
        let expected = if ty.dtype == DType::F16 { round(exact) } else { exact };
        let got = got.get(index).copied().unwrap_or(f64::NAN);
        if !tolerance.allows(expected, got, scale) {
            let allowed = tolerance.allowed(expected, scale);
            let found = first.get_or_insert(Mismatch { index, expected, got, allowed, count: 0 });
            found.count += 1;
        }
    }
    first.map_or(Ok(()), Err)
}

/// Elements of an output by the reference; none where the op cannot compute them by themselves.
pub(super) fn reference_at(
    case: &Case,
    sig: &Signature,
    inputs: &[HostTensor],
    output: usize,
    positions: &[usize],
) -> Option<Vec<f64>> {
    let words: Vec<(&[u32], &TensorType)> =
        inputs.iter().map(|tensor| (tensor.words(), tensor.ty())).collect();
    let mut values = None;
    run_on_words(&words, Vec::new(), |io| {
        values = case.op.reference_at(&io.inputs, sig, output, positions);
    });
    values
}

/// Positions in a tensor with dimensions `dims`, in order: all corners, and random ones until there
/// are about `count`, half of which lie on edges. `name` is the seed.
pub fn sample_positions(name: &str, dims: &[usize], count: usize) -> Vec<usize> {
    let elements: usize = dims.iter().product();
    if elements <= count {
        return (0..elements).collect();
    }
    let flat = |coordinate: &mut dyn FnMut(usize, usize) -> usize| {
        let axes = dims.iter().enumerate();
        axes.fold(0, |at, (axis, &size)| at * size + coordinate(axis, size))
    };
    let corners = 1_usize << dims.len().min(8);
    let mut positions: BTreeSet<usize> = (0..corners)
        .map(|corner| flat(&mut |axis, size| if corner >> axis & 1 == 1 { size - 1 } else { 0 }))
        .take(count)
        .collect();
    let mut rng = named_rng(name);
    // Edges of small tensors are soon all there.
    for attempt in 0..4 * count {
        if positions.len() >= count {
            break;
        }
        let on_edge = attempt.is_multiple_of(2);
        positions.insert(flat(&mut |_, size| match rng.random_range(0..4_u32) {
            0 if on_edge => 0,
            1 if on_edge => size - 1,
            _ => anywhere(size, &mut rng),
        }));
    }
    positions.into_iter().collect()
}

fn anywhere(size: usize, rng: &mut impl Rng) -> usize {
    rng.random_range(0..size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::entries;
    use crate::tensor::parallel::map_indices;
    use crate::verify::{make_inputs, signature};

    /// Of every case whose op computes single elements: the same bits as the whole reference.
    #[test]
    fn sampled_elements_are_those_of_the_whole_reference() {
        let mut cases = Vec::new();
        for entry in entries() {
            let all = (entry.cases)();
            let halves: Vec<Case> = all.iter().flat_map(Case::in_half).collect();
            let cheap = |case: &Case| {
                let sig = signature(case).expect("cases have valid shapes");
                !case.bench && case.op.cost(&sig).flop < 1 << 26
            };
            cases.extend(all.into_iter().chain(halves).filter(cheap));
        }
        let sampled = map_indices(cases.len(), &|i| {
            let case = &cases[i];
            let sig = signature(case).expect("cases have valid shapes");
            let inputs = make_inputs(case);
            let mut positions = 0;
            let mut whole = None;
            for (output, ty) in sig.outputs.iter().enumerate() {
                let at = sample_positions(&case.name, ty.dims(), 500);
                let Some(found) = reference_at(case, &sig, &inputs, output, &at) else { continue };
                let whole = whole.get_or_insert_with(|| {
                    crate::verify::contract::expected_outputs(case, &inputs).expect("shapes fit")
                });
                for (&at, found) in at.iter().zip(found) {
                    let expected = whole[output][at];
                    let name = format!("{} {}: output {output}", case.op.name(), case.name);
                    let same = found.to_bits() == expected.to_bits();
                    let same = same || found.is_nan() && expected.is_nan();
                    assert!(same, "{name}, element {at}: {found:e} and {expected:e}");
                    positions += 1;
                }
            }
            positions
        });
        let cases = sampled.iter().filter(|&&positions| positions > 0).count();
        assert!(cases > 150, "only {cases} cases have a sample");
    }

    #[test]
    fn positions_hold_corners_edges_and_what_lies_between() {
        let dims = [5, 7, 11, 300];
        let positions = sample_positions("a name", &dims, 1000);
        assert_eq!(positions, sample_positions("a name", &dims, 1000));
        assert_ne!(positions, sample_positions("another", &dims, 1000));
        assert!(positions.len() > 900 && positions.windows(2).all(|pair| pair[0] < pair[1]));
        let last = dims.iter().product::<usize>() - 1;
        assert!(positions.contains(&0) && positions.contains(&last));
        assert!(positions.contains(&299) && positions.contains(&(last - 299)));
        let inner = positions.iter().filter(|&&p| {
            let channel = p % 300;
            channel > 0 && channel < 299
        });
        assert!(inner.count() > 500);
        assert_eq!(sample_positions("small", &[2, 3], 1000), [0, 1, 2, 3, 4, 5]);
    }
}
