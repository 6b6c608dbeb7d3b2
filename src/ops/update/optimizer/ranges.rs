//! Ranges of an arena whose learning rate differs from the others', or that are frozen.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Kernel, Part};
use crate::tensor::Real;

/// The learning rate of a range of an arena, which begins where the range before ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRange {
    /// The element after the last one: a multiple of four, or the length of the arena.
    pub end: usize,
    /// Factor on the learning rate. Elements of a range with factor zero are frozen: they and their
    /// moments stay as they are, bit for bit, whatever their gradients.
    pub factor: f64,
}

/// Ranges end at multiples of this, so that vectors of four have one factor.
const ALIGNMENT: usize = 4;

/// Checks ranges of an arena of `p` elements.
pub(super) fn check_ranges(op: &str, ranges: &[RateRange], p: usize) -> Result<(), ShapeError> {
    let mut start = 0;
    for range in ranges {
        let RateRange { end, factor } = *range;
        if end <= start || end > p || !(end.is_multiple_of(ALIGNMENT) || end == p) {
            return Err(ShapeError::new(
                op,
                format!(
                    "a range of rates from {start} to {end} must not be empty, and end at a \
                     multiple of {ALIGNMENT} or with the arena of {p}"
                ),
            ));
        }
        if !(0.0..f64::from(f32::MAX)).contains(&factor) {
            let message = format!("the factor of a learning rate cannot be {factor}");
            return Err(ShapeError::new(op, message));
        }
        start = end;
    }
    Ok(())
}

/// The end of the range that element `i` is in, and its factor: one behind the last range.
pub(super) fn range_at(ranges: &[RateRange], i: usize) -> (usize, f64) {
    let found = ranges.get(ranges.partition_point(|range| range.end <= i));
    found.map_or((usize::MAX, 1.0), |range| (range.end, range.factor))
}

/// The ranges of a part of the arena, counted from its first element; and how many of its first elements
/// decay, where the first `decayed` of the arena do.
pub(super) fn of_part(ranges: &[RateRange], decayed: usize, part: Part) -> (Vec<RateRange>, usize) {
    let within = |end: usize| end.saturating_sub(part.first).min(part.count);
    let mut start = 0;
    let mut of_part = Vec::new();
    for range in ranges {
        let end = within(range.end);
        if end > start {
            of_part.push(RateRange { end, ..*range });
            start = end;
        }
    }
    (of_part, within(decayed))
}

/// Adds the function `rate_factor(i)` for kernels that handle `width` elements at a time.
pub(super) fn declare(kernel: Kernel, ranges: &[RateRange], width: usize) -> Kernel {
    if ranges.is_empty() {
        return kernel.file(include_str!("../../../../shaders/common/one_rate.wgsl"));
    }
    let mut text = "// Factor on the learning rate of the elements that invocation `i` handles.\n\
                    fn rate_factor(i: u32) -> f32 {\n"
        .to_owned();
    for range in ranges {
        let (end, factor) = (range.end / width, f32::from_f64(range.factor));
        text.push_str(&format!("  if i < {end}u {{ return f32({factor:?}); }}\n"));
    }
    text.push_str("  return 1.0;\n}\n");
    kernel.file(&text)
}

/// Ranges of an arena of 128 elements for cases: some slower, some frozen, some faster, some as
/// they are.
pub(super) fn sample() -> Vec<RateRange> {
    [(16, 0.1), (24, 0.0), (64, 1.0), (68, 2.5), (100, 0.0)]
        .into_iter()
        .map(|(end, factor)| RateRange { end, factor })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_find_their_range() {
        let ranges = sample();
        assert_eq!(range_at(&ranges, 0), (16, 0.1));
        assert_eq!(range_at(&ranges, 15), (16, 0.1));
        assert_eq!(range_at(&ranges, 16), (24, 0.0));
        assert_eq!(range_at(&ranges, 100), (usize::MAX, 1.0));
        assert_eq!(range_at(&[], 7), (usize::MAX, 1.0));
    }

    /// Each element of a part has the factor that it has in the arena.
    #[test]
    fn parts_have_the_ranges_of_their_elements() {
        let ranges = sample();
        for (first, count) in [(0, 128), (0, 20), (20, 44), (20, 1), (64, 64), (100, 28), (99, 3)] {
            let part = Part { first, count };
            let (of_part, decayed) = of_part(&ranges, 62, part);
            assert!(check_ranges("sgd", &of_part, count).is_ok() || !first.is_multiple_of(4));
            for i in 0..count {
                assert_eq!(range_at(&of_part, i).1, range_at(&ranges, first + i).1, "{part:?} {i}");
                assert_eq!(i < decayed, first + i < 62, "{part:?} {i}");
            }
        }
    }

    #[test]
    fn ranges_that_cannot_be_are_refused() {
        let check = |ends: &[usize], factor| {
            let ranges: Vec<_> = ends.iter().map(|&end| RateRange { end, factor }).collect();
            check_ranges("sgd", &ranges, 67).is_ok()
        };
        assert!(check(&[4, 64, 67], 0.5));
        assert!(!check(&[4, 4], 0.5) && !check(&[8, 4], 0.5) && !check(&[0], 0.5));
        assert!(!check(&[6], 0.5) && !check(&[68], 0.5));
        assert!(!check(&[4], -1.0) && !check(&[4], f64::NAN));
    }
}
