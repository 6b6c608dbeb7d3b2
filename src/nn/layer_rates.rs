//! Which layers learn at another rate, and which not at all, by patterns of their names.

use std::collections::BTreeMap;

use super::Arena;

/// Learning rates of layers. A pattern is a layer's name, in which `*` stands for any text: `conv1`,
/// `conv*`. It applies to all parameters of the layer and of the layers inside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerRates {
    /// Layers whose parameters and running statistics stay as they are.
    pub frozen: Vec<String>,
    /// Factors on the learning rate; where several apply, the longest pattern counts.
    pub factors: BTreeMap<String, f64>,
}

impl LayerRates {
    /// Factor on the learning rate of a parameter or a layer: zero where it is frozen.
    pub fn factor(&self, name: &str) -> f64 {
        if self.is_frozen(name) {
            return 0.0;
        }
        let fitting = self.factors.iter().filter(|(pattern, _)| applies(pattern, name));
        fitting.max_by_key(|(pattern, _)| pattern.len()).map_or(1.0, |(_, factor)| *factor)
    }

    /// Whether a parameter or a layer stays as it is.
    pub fn is_frozen(&self, name: &str) -> bool {
        self.frozen.iter().any(|pattern| applies(pattern, name))
    }

    /// The first pattern that applies to no parameter of a model.
    pub fn unused(&self, arena: &Arena) -> Option<&str> {
        let unused = |pattern: &&String| {
            !arena.entries.iter().any(|entry| applies(pattern, &entry.spec.name))
        };
        self.frozen.iter().chain(self.factors.keys()).find(unused).map(String::as_str)
    }
}

/// Whether a pattern fits a name with dots, or what is left of one of its dots.
fn applies(pattern: &str, name: &str) -> bool {
    let ends = name.match_indices('.').map(|(dot, _)| dot).chain([name.len()]);
    ends.into_iter().any(|end| fits_pattern(pattern, &name[..end]))
}

/// Whether a pattern, in which `*` stands for any text, fits a text as a whole.
pub(crate) fn fits_pattern(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    // Each piece at its first place leaves the most for those after it; the last one lies at the end.
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_apply_to_layers_and_what_is_inside_them() {
        for (pattern, name, expected) in [
            ("conv1", "conv1.weight", true),
            ("conv1", "conv10.weight", false),
            ("conv*", "conv10.weight", true),
            ("*", "dense1.bias", true),
            ("residual1", "residual1.shortcut.conv1.weight", true),
            ("residual1.conv*", "residual1.conv2", true),
            ("residual*.norm1", "residual12.norm1.weight", true),
            ("norm1", "residual1.norm1.weight", false),
            ("dense1.bias", "dense1.bias", true),
            ("", "dense1.bias", false),
            ("*norm*.bias", "residual1.norm1.bias", true),
            ("*norm*.bias", "residual1.norm1.weight", false),
            ("conv*1.weight", "conv1.weight", true),
            ("conv*conv1", "conv1", false),
            ("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(applies(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn the_longest_pattern_counts_and_freezing_wins() {
        let factors = [("conv*", 0.1), ("conv2", 0.5)];
        let rates = LayerRates {
            frozen: vec!["conv3".to_owned()],
            factors: factors.map(|(pattern, factor)| (pattern.to_owned(), factor)).into(),
        };
        let factor = |name: &str| rates.factor(name);
        assert_eq!(factor("conv1.weight"), 0.1);
        assert_eq!(factor("conv2.weight"), 0.5);
        assert_eq!(factor("conv3.bias"), 0.0);
        assert_eq!(factor("dense1.weight"), 1.0);
    }
}
