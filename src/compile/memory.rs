//! The memory plan: tensors that do not live at the same time share a slot.
//!
//! Whole slots are shared, never overlapping ranges: a GPU tracks hazards per buffer. Largest
//! first, each tensor takes the first slot that is free during its whole life (the "greedy by
//! size" of Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
//!
//! The smallest tensors share nothing: together they are a small part of all, and what is written where
//! no earlier step of a run has read or written need not wait for it.

/// A tensor that lives during some steps of a program only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transient {
    /// Size in bytes.
    pub bytes: usize,
    /// First step that writes it.
    pub first: usize,
    /// Last step that touches it.
    pub last: usize,
}

/// Slots and the slot of each transient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots {
    /// Size of each slot, in bytes.
    pub bytes: Vec<usize>,
    /// Slot of each transient, in the order in which they were given.
    pub of: Vec<usize>,
}

/// Assigns a slot to each transient.
pub(super) fn assign_slots(transients: &[Transient]) -> Slots {
    let mut by_size: Vec<usize> = (0..transients.len()).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(transients[i].bytes), transients[i].first, i));
    let mut bytes: Vec<usize> = Vec::new();
    let mut tenants: Vec<Vec<usize>> = Vec::new();
    let mut of = vec![0; transients.len()];
    let alone = smallest(transients, &by_size);
    let (shared, alone) = by_size.split_at(by_size.len() - alone);
    for &i in shared {
        let overlaps = |&j: &usize| {
            transients[i].first <= transients[j].last && transients[j].first <= transients[i].last
        };
        // Slots were opened by larger tensors, so any free one is large enough; the last one is
        // the tightest.
        let slot = (0..tenants.len()).rev().find(|&slot| !tenants[slot].iter().any(overlaps));
        let slot = slot.unwrap_or_else(|| {
            bytes.push(transients[i].bytes);
            tenants.push(Vec::new());
            tenants.len() - 1
        });
        tenants[slot].push(i);
        of[i] = slot;
    }
    for &i in alone {
        of[i] = bytes.len();
        bytes.push(transients[i].bytes);
    }
    Slots { bytes, of }
}

/// Number of tensors, from the last of `by_size` on, that get slots of their own: together they are no
/// larger than a part of the largest tensor.
fn smallest(transients: &[Transient], by_size: &[usize]) -> usize {
    /// Part of the largest tensor, as a divisor: memory grows by less than that.
    const PART: usize = 64;
    let mut left = by_size.first().map_or(0, |&largest| transients[largest].bytes) / PART;
    let fits = |&&i: &&usize| {
        let fits = transients[i].bytes <= left;
        left = left.saturating_sub(transients[i].bytes);
        fits
    };
    by_size.iter().rev().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient(bytes: usize, first: usize, last: usize) -> Transient {
        Transient { bytes, first, last }
    }

    #[test]
    fn tensors_that_never_meet_share_a_slot() {
        let slots = assign_slots(&[transient(8, 0, 1), transient(16, 2, 3), transient(4, 1, 2)]);
        assert_eq!(slots.bytes, [16, 4]);
        assert_eq!(slots.of[0], slots.of[1]);
    }

    #[test]
    fn input_and_output_of_a_step_never_share() {
        let slots = assign_slots(&[transient(8, 0, 1), transient(8, 1, 2)]);
        assert_eq!(slots.bytes, [8, 8]);
    }

    #[test]
    fn the_smallest_share_nothing_as_long_as_they_are_a_small_part() {
        let all =
            [transient(6400, 0, 1), transient(60, 2, 3), transient(30, 4, 5), transient(40, 6, 7)];
        let slots = assign_slots(&all);
        assert_eq!(
            slots.of[0], slots.of[1],
            "the largest of the small ones goes where there is room"
        );
        assert_eq!(slots.bytes, [6400, 40, 30]);
    }

    /// Random lifetimes: no two tensors of a slot are ever alive together, and every slot fits.
    #[test]
    fn slots_never_overlap() {
        let mut state = 7_u32;
        let mut next = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % bound) as usize
        };
        let transients: Vec<Transient> = (0..200)
            .map(|_| {
                let first = next(100);
                transient(4 * (1 + next(1000)), first, first + next(12))
            })
            .collect();
        let slots = assign_slots(&transients);
        for (i, a) in transients.iter().enumerate() {
            assert!(slots.bytes[slots.of[i]] >= a.bytes);
            for (j, b) in transients.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                assert!(!(together && slots.of[i] == slots.of[j]), "{a:?} and {b:?}");
            }
        }
        let total: usize = transients.iter().map(|t| t.bytes).sum();
        assert!(slots.bytes.iter().sum::<usize>() < total / 4, "sharing should save most memory");
    }
}
