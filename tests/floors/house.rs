//! No circles in `src/`: neither of files, nor of rooms that lie side by side, nor through the
//! registry. A circle cannot be read, tested or moved but as a whole.

use std::sync::LazyLock;

use super::circles::{Circle, between_rooms, circles, without_own_module};
use super::modules::{Modules, Ties};
use super::{files, read, relative, report};

/// Circles of files that are benign, each with the reason: files in order of their names, below
/// `src/`.
const CIRCLES_OF_FILES: &[(&[&str], &str)] = &[
    (
        &["graph/network.rs", "graph/op.rs", "graph/vjp.rs"],
        "a graph holds ops, whose gradient rules add ops to the graph",
    ),
    (&["ops/layout/concat/pad.rs", "ops/layout/concat/slice.rs"], "each is the other's gradient"),
    (&["ops/rows/broadcast.rs", "ops/rows/reduce/mod.rs"], "each is the other's gradient"),
];

/// Circles of rooms that are benign, each with the reason: folders, and files beside them, in order
/// of their names, below `src/`.
const CIRCLES_OF_ROOMS: &[(&[&str], &str)] = &[
    (
        &["ops/elementwise", "ops/rows"],
        "what is repeated gets the sum over rows as its gradient, and that of a mean is scaled",
    ),
    (
        &["ops/rows/broadcast.rs", "ops/rows/reduce", "ops/rows/reduce_max_grad.rs"],
        "sums and repetitions are each other's gradients",
    ),
];

/// Files of the largest circle that may be benign.
const MOST_FILES: usize = 3;

/// Which file of the library uses what from which other.
static TIES: LazyLock<Ties> = LazyLock::new(|| {
    let all = files("src", "rs").into_iter().map(|path| {
        let below = relative(&path).trim_start_matches("src/").to_owned();
        (below, read(&path))
    });
    // The binary is a crate of its own.
    let library: Vec<(String, String)> = all.filter(|(path, _)| path != "main.rs").collect();
    Modules::of(&library).ties()
});

/// Circles that no list allows, and entries of the list that are not, or no longer, needed.
fn violations(found: &[Circle], allowed: &[(&[&str], &str)]) -> Vec<String> {
    let is = |circle: &Circle, members: &[&str]| circle.members == members;
    let unknown = found.iter().filter(|circle| !allowed.iter().any(|(m, _)| is(circle, m)));
    let stale = allowed.iter().filter(|(m, _)| !found.iter().any(|circle| is(circle, m)));
    let stale = stale.map(|(members, _)| format!("no longer a circle: {}", members.join(", ")));
    unknown.map(Circle::shown).chain(stale).collect()
}

#[test]
fn no_files_form_a_circle() {
    for (members, reason) in CIRCLES_OF_FILES {
        assert!(members.len() <= MOST_FILES, "too large to be benign: {members:?}: {reason}");
    }
    let found = circles(&without_own_module(TIES.clone()));
    report("files form circles", &violations(&found, CIRCLES_OF_FILES));
}

#[test]
fn no_rooms_form_a_circle() {
    let is_folder = |member: &String| !member.ends_with(".rs");
    let mut found = circles(&between_rooms(&without_own_module(TIES.clone())));
    // Files alone are the other test's.
    found.retain(|circle| circle.members.iter().any(is_folder));
    report("rooms form circles", &violations(&found, CIRCLES_OF_ROOMS));
}

/// The registry stands on top of the ops: whoever is listed in it must not look into it.
#[test]
fn no_op_uses_the_registry() {
    let below = ["error.rs", "tensor/", "graph/", "ops/"];
    let violations: Vec<String> = TIES
        .iter()
        .filter(|((from, to), _)| {
            to == "ops/registry.rs" && below.iter().any(|room| from.starts_with(room))
        })
        .map(|((from, _), names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{from}: {}", names.join(", "))
        })
        .collect();
    report("the registry is used from below", &violations);
}
