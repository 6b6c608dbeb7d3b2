//! Lists of mutants that need not be rejected.

use std::collections::BTreeSet;

/// Place, text of the line, text of the mutant: the lines of a list, in groups, each of them under the
/// reason why they make no difference.
pub fn listed(text: &str) -> BTreeSet<String> {
    let mut has_reason = false;
    let mut listed = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            has_reason = false;
        } else if line.starts_with('#') {
            has_reason = true;
        } else {
            assert!(has_reason, "no reason is given for {line}");
            assert!(listed.insert(line.to_owned()), "listed twice: {line}");
        }
    }
    listed
}
