//! Zeros between the tensors of an arena, for what reads the arena as a whole.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::{of_dtype, operands};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Zeroes the elements of an arena that belong to no tensor, in place.
///
/// What [`crate::ops::Pack`] leaves between tensors is what the arena held before: zeros, unless an op that
/// works on the whole arena has put something else there.
///
/// Input: `arena` f32 `[p]`, p at least the end of the last gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearGaps {
    /// First element and length of each gap; ascending, apart, none empty.
    pub gaps: Vec<[usize; 2]>,
}

/// Elements from which on a gap has a kernel of its own, so that no workgroup clears more than this. Gaps
/// that only align the next tensor are shorter.
const LONG: usize = 1024;

impl ClearGaps {
    /// The gaps that tensors leave in an arena of `elements`; `tensors` are first elements and lengths,
    /// ascending.
    pub fn between(tensors: &[[usize; 2]], elements: usize) -> Self {
        let starts = tensors.iter().map(|[start, _]| *start).chain([elements]);
        let ends = [0].into_iter().chain(tensors.iter().map(|[start, len]| start + len));
        let gaps = ends.zip(starts).filter(|(end, start)| start > end);
        Self { gaps: gaps.map(|(end, start)| [end, start - end]).collect() }
    }
}

impl OpDef for ClearGaps {
    const NAME: &'static str = "clear_gaps";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [arena] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("arena", arena), DType::F32)?;
        let [elements] = arena.ranked::<1>(Self::NAME, "arena")?;
        let mut end = 0;
        for &[start, len] in &self.gaps {
            let next = start.checked_add(len).filter(|&next| next <= elements);
            match next {
                Some(next) if start >= end && len > 0 => end = next,
                _ => {
                    return Err(ShapeError::new(
                        Self::NAME,
                        format!(
                            "has a gap of {len} elements from {start} on: expected ascending gaps of \
                             one or more within the {elements} of the arena"
                        ),
                    ));
                }
            }
        }
        Ok(vec![arena.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let arena = io.outputs.float(0);
        for &[start, len] in &self.gaps {
            arena[start..start + len].fill(T::from_f64(0.0));
        }
    }

    fn lower(&self, _sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (long, short): (Vec<_>, Vec<_>) = self.gaps.iter().partition(|[_, len]| *len >= LONG);
        let one_each = long.into_iter().map(|&[start, len]| {
            Kernel::new("clear_range")
                .constant("START", start)
                .flat(len, 64, caps)
                .file(include_str!("../../../shaders/update/clear_range.wgsl"))
                .update(Operand::Output(0))
        });
        let together = short.chunks(caps.max_workgroups.max(1) as usize).map(|gaps| {
            let count = u32::try_from(gaps.len()).unwrap_or(u32::MAX);
            Kernel::new("clear_gaps")
                .file(&table(gaps))
                .file(include_str!("../../../shaders/update/clear_gaps.wgsl"))
                .update(Operand::Output(0))
                .workgroups([count, 1, 1])
        });
        let kernels = together.chain(one_each).collect();
        vec![Lowering { variant: "gap_per_workgroup".to_owned(), scratch: Vec::new(), kernels }]
    }

    fn part(&self, _sig: &Signature, part: Part) -> Option<Self> {
        let within = |&[start, len]: &[usize; 2]| {
            let (from, to) = (start.max(part.first), (start + len).min(part.first + part.count));
            (from < to).then(|| [from - part.first, to - from])
        };
        Some(Self { gaps: self.gaps.iter().filter_map(within).collect() })
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, _sig: &Signature) -> Cost {
        let elements: usize = self.gaps.iter().map(|[_, len]| len).sum();
        Cost { bytes: (elements * size_of::<f32>()) as u64, ..Cost::default() }
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, tensors: &[[usize; 2]], elements: usize| {
            Case::new(name, ClearGaps::between(tensors, elements)).normal([elements]).forward_only()
        };
        let many: Vec<[usize; 2]> = (0..70).map(|i| [64 * i, 1 + i % 64]).collect();
        vec![
            case("one", &[[0, 10]], 64),
            case("first_and_last", &[[64, 3], [128, 64]], 256),
            case("many", &many, 64 * 70),
            case("across_parts", &[[0, 100], [700, 3], [720, 500], [1300, 201]], 1501),
            case("long", &[[0, 7], [LONG + 8, 1], [LONG + 64, 1]], 70 * LONG),
            Case::new("non_finite", ClearGaps::between(&[[1, 2], [64, 5]], 128))
                .input(TensorType::f32([128]), Fill::Special)
                .forward_only(),
        ]
    }
}

/// WGSL that tells a workgroup its gap.
fn table(gaps: &[&[usize; 2]]) -> String {
    let mut text = "fn gap(number: u32) -> vec2<u32> {\n  switch number {\n".to_owned();
    for (number, [start, len]) in gaps.iter().enumerate() {
        let _ = writeln!(text, "    case {number}u: {{ return vec2(u32({start}), u32({len})); }}");
    }
    text + "    default: { return vec2(0u, 0u); }\n  }\n}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_tensors_leave() {
        let gaps = |tensors: &[[usize; 2]], elements| ClearGaps::between(tensors, elements).gaps;
        assert_eq!(gaps(&[[0, 10], [64, 64], [128, 1]], 192), [[10, 54], [129, 63]]);
        assert_eq!(gaps(&[[64, 64]], 128), [[0, 64]]);
        assert_eq!(gaps(&[[0, 128]], 128), [[0, 0]; 0]);
    }
}
