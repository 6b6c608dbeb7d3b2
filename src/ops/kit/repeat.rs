//! How a small operand is repeated along a large one.

use super::lanes::Lanes;

/// Element `i` of the large operand goes with element `(i / divide) % modulo` of the small one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) struct Repeat {
    /// Number of neighbors that share an element of the small operand.
    pub(in crate::ops) divide: usize,
    /// Number of elements of the small operand.
    pub(in crate::ops) modulo: usize,
}

/// A repetition in units of what one invocation handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) struct Unit {
    /// Elements of the large operand that one invocation handles.
    pub(in crate::ops) lanes: Lanes,
    /// The repetition, counted in such units.
    pub(in crate::ops) repeat: Repeat,
    /// WGSL type of the small operand's elements: a vector, where neighbors go with neighbors.
    pub(in crate::ops) small: &'static str,
}

impl Repeat {
    /// The units that fit a large operand of `elements`, widest first.
    pub(in crate::ops) fn units(self, elements: usize) -> Vec<Unit> {
        let neighbors_differ = self.divide == 1;
        // A vector must not reach over the end of a repetition.
        let period = if neighbors_differ { self.modulo } else { self.divide };
        let fitting =
            if elements.is_multiple_of(period) { Lanes::fitting(period) } else { &[Lanes::One] };
        let unit = |&lanes: &Lanes| {
            let repeat = if neighbors_differ {
                Self { modulo: self.modulo / lanes.count(), ..self }
            } else {
                Self { divide: self.divide / lanes.count(), ..self }
            };
            Unit { lanes, repeat, small: if neighbors_differ { "FLOATS" } else { "f32" } }
        };
        fitting.iter().map(unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_never_reach_over_the_end_of_a_repetition() {
        let lanes = |divide, modulo, elements| {
            let units = Repeat { divide, modulo }.units(elements);
            units.iter().map(|unit| unit.lanes.count()).collect::<Vec<_>>()
        };
        assert_eq!(lanes(1, 8, 24), [4, 1]);
        assert_eq!(lanes(1, 6, 24), [1]);
        assert_eq!(lanes(8, 3, 24), [4, 1]);
        assert_eq!(lanes(6, 4, 24), [1]);
        assert_eq!(lanes(24, 1, 24), [4, 1]);
    }

    #[test]
    fn a_shared_element_stays_a_scalar() {
        let unit = Repeat { divide: 8, modulo: 3 }.units(24)[0];
        assert_eq!((unit.repeat, unit.small), (Repeat { divide: 2, modulo: 3 }, "f32"));
    }
}
