//! Mutants that need not be rejected.

use std::collections::BTreeSet;

use super::listed::listed;
use super::population::{Mutant, Population};

pub struct Equivalents {
    listed: BTreeSet<String>,
}

impl Equivalents {
    pub fn read() -> Self {
        Self { listed: listed(include_str!("equivalent.txt")) }
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
