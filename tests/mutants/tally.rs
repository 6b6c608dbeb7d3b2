//! What is asked of a draw of mutants, and what is told of their fates.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::filter::Filter;

/// A number from the environment.
pub fn given(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

/// The mutants that are asked for.
pub fn filter() -> Filter {
    Filter::new(std::env::var("VERIGRAD_MUTANTS_FILTER").unwrap_or_default())
}

/// Prints a line even where the test passes: cargo captures only the print macros.
pub fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Fates by family.
#[derive(Default)]
pub struct Tally {
    /// Rejected, equivalent, survived.
    families: BTreeMap<String, [usize; 3]>,
    survivors: Vec<String>,
}

impl Tally {
    pub fn rejected(&mut self, family: String) {
        self.families.entry(family).or_default()[0] += 1;
    }

    pub fn equivalent(&mut self, family: String) {
        self.families.entry(family).or_default()[1] += 1;
    }

    pub fn survived(&mut self, family: String, mutant: String) {
        self.families.entry(family).or_default()[2] += 1;
        self.survivors.push(mutant);
    }

    /// Prints the table, then fails where a mutant survived, or none was rejected of all.
    pub fn judge(&self) {
        let width = self.families.keys().map(String::len).max().unwrap_or(0).max(8);
        let row = |name: &str, [rejected, equivalent, survived]: [String; 3]| {
            announce(&format!("{name:<width$} {rejected:>8} {equivalent:>10} {survived:>8}"));
        };
        row("family", ["rejected", "equivalent", "survived"].map(str::to_owned));
        for (family, counts) in &self.families {
            row(family, counts.map(|count| count.to_string()));
        }
        let sum = |i: usize| self.families.values().map(|counts| counts[i]).sum::<usize>();
        row("all", [0, 1, 2].map(|i| sum(i).to_string()));
        assert!(sum(0) > 0 || !filter().is_all(), "no mutant was rejected");
        let survivors = &self.survivors;
        assert!(survivors.is_empty(), "the contract accepts\n{}", survivors.join("\n"));
    }
}
