//! Mutants that need not be rejected.

use std::collections::BTreeSet;

use super::population::{Mutant, Population};

const TEXT: &str = include_str!("equivalent.txt");

/// Place, text of the line, text of the mutant: the lines of `equivalent.txt`, in groups, each of them
/// under the reason why they make no difference.
pub struct Equivalents {
    listed: BTreeSet<String>,
}

impl Equivalents {
    pub fn read() -> Self {
        let mut has_reason = false;
        let mut listed = BTreeSet::new();
        for line in TEXT.lines().map(str::trim) {
            if line.is_empty() {
                has_reason = false;
            } else if line.starts_with('#') {
                has_reason = true;
            } else {
                assert!(has_reason, "no reason is given for {line}");
                assert!(listed.insert(line.to_owned()), "listed twice: {line}");
            }
        }
        Self { listed }
    }

    pub fn contain(&self, mutant: &Mutant) -> bool {
        self.listed.contains(&mutant.entry())
    }

    /// Those that no mutant is.
    pub fn not_among(&self, population: &Population) -> Vec<String> {
        let entries: BTreeSet<String> = population.mutants().map(|mutant| mutant.entry()).collect();
        self.listed.difference(&entries).cloned().collect()
    }
}
