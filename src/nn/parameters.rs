//! Parameters of a model and their places in the flat arena.

use super::Init;
use crate::tensor::{HostTensor, Shape};

/// A trainable tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Name: `conv1.weight`.
    pub name: String,
    /// Shape.
    pub shape: Shape,
    /// Initial values.
    pub init: Init,
    /// Inputs that each output sums over.
    pub fan_in: usize,
    /// Outputs that each input reaches.
    pub fan_out: usize,
    /// Whether weight decay applies: not to biases and normalization.
    pub decay: bool,
}

impl ParameterSpec {
    /// The initial values under a seed.
    pub fn initial(&self, seed: u64) -> HostTensor {
        self.init.tensor(seed, &self.name, &self.shape, self.fan_in, self.fan_out)
    }
}

/// A tensor that training changes without a gradient: running statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSpec {
    /// Name: `norm1.running_mean`.
    pub name: String,
    /// Shape.
    pub shape: Shape,
    /// Initial value of all elements.
    pub initial: f32,
}

/// A parameter's place.
#[derive(Debug, Clone, PartialEq)]
pub struct ArenaEntry {
    /// The parameter.
    pub spec: ParameterSpec,
    /// First element in the arena.
    pub offset: usize,
}

/// A running statistic's place.
#[derive(Debug, Clone, PartialEq)]
pub struct StateEntry {
    /// The statistic.
    pub spec: StateSpec,
    /// First element among all running statistics.
    pub offset: usize,
}

/// All parameters side by side in one buffer, so that the optimizer updates them in one dispatch.
///
/// Parameters with weight decay come first: the optimizer applies it to a prefix of the arena.
/// Each tensor starts at a multiple of 64 elements, the alignment of bindings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arena {
    /// Parameters in the order of the arena.
    pub entries: Vec<ArenaEntry>,
    /// Elements of the arena.
    pub elements: usize,
    /// Elements at the front that weight decay applies to.
    pub decayed: usize,
    /// Running statistics, which lie side by side in a buffer of their own, so that one dispatch
    /// updates them: all means, then all variances.
    pub states: Vec<StateEntry>,
    /// Elements of that buffer.
    pub state_elements: usize,
}

/// Name of the source that holds all running statistics.
pub(super) const RUNNING_STATISTICS: &str = "running_statistics";
/// Elements between binding offsets: 256 bytes of f32.
const ALIGNMENT: usize = 64;

impl Arena {
    /// Lays out parameters.
    pub fn new(specs: &[ParameterSpec]) -> Self {
        let mut arena = Self::default();
        let (decayed, others): (Vec<_>, Vec<_>) = specs.iter().partition(|spec| spec.decay);
        for spec in decayed {
            arena.add(spec);
        }
        arena.decayed = arena.elements;
        for spec in others {
            arena.add(spec);
        }
        arena.elements = arena.elements.max(ALIGNMENT);
        arena
    }

    /// Lays out running statistics, too.
    #[must_use]
    pub fn with_states(mut self, specs: &[StateSpec]) -> Self {
        let mut specs: Vec<&StateSpec> = specs.iter().collect();
        // Neighbors with the same numbers are one range of the update.
        specs.sort_by_key(|spec| spec.name.rsplit('.').next());
        for spec in specs {
            self.states.push(StateEntry { spec: spec.clone(), offset: self.state_elements });
            let elements = spec.shape.elements().checked_next_multiple_of(ALIGNMENT);
            let elements = elements.unwrap_or(usize::MAX);
            self.state_elements = self.state_elements.saturating_add(elements);
        }
        self
    }

    /// The entry of a running statistic.
    pub fn find_state(&self, name: &str) -> Option<&StateEntry> {
        self.states.iter().find(|entry| entry.spec.name == name)
    }

    fn add(&mut self, spec: &ParameterSpec) {
        self.entries.push(ArenaEntry { spec: spec.clone(), offset: self.elements });
        let elements = spec.shape.elements().checked_next_multiple_of(ALIGNMENT);
        self.elements = self.elements.saturating_add(elements.unwrap_or(usize::MAX));
    }

    /// The entry of a parameter.
    pub fn find(&self, name: &str) -> Option<&ArenaEntry> {
        self.entries.iter().find(|entry| entry.spec.name == name)
    }

    /// Number of trainable numbers, without padding.
    pub fn parameter_count(&self) -> usize {
        self.entries.iter().map(|entry| entry.spec.shape.elements()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decayed_parameters_come_first_and_offsets_are_aligned() {
        let spec = |name: &str, n: usize, decay| ParameterSpec {
            name: name.to_owned(),
            shape: Shape::from([n]),
            init: Init::Zeros,
            fan_in: 1,
            fan_out: 1,
            decay,
        };
        let arena =
            Arena::new(&[spec("a.bias", 3, false), spec("a.weight", 70, true), spec("b", 1, true)]);
        let offsets: Vec<_> =
            arena.entries.iter().map(|e| (e.spec.name.as_str(), e.offset)).collect();
        assert_eq!(offsets, [("a.weight", 0), ("b", 128), ("a.bias", 192)]);
        assert_eq!((arena.decayed, arena.elements, arena.parameter_count()), (192, 256, 74));
    }
}
