//! Small planted trees: circles that must be found, and what must not be taken for one.

use super::circles::{between_rooms, circles, without_own_module};
use super::modules::{Modules, Ties};

fn ties(files: &[(&str, &str)]) -> Ties {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Modules::of(&files).ties()
}

/// The members of each circle of files.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    circles(&without_own_module(ties(files))).into_iter().map(|circle| circle.members).collect()
}

/// Each tie as `from -> to: names`.
fn shown(files: &[(&str, &str)]) -> Vec<String> {
    let line = |((from, to), names): ((String, String), std::collections::BTreeSet<String>)| {
        format!("{from} -> {to}: {}", names.into_iter().collect::<Vec<_>>().join(", "))
    };
    ties(files).into_iter().map(line).collect()
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let tree = [
        ("lib.rs", "pub mod a; pub mod b;"),
        ("a/mod.rs", "mod inner; pub(crate) use inner::Thing as Renamed;"),
        ("a/inner.rs", "use crate::b::Other; pub struct Thing(Other);"),
        ("b.rs", "use super::a::Renamed; pub struct Other(Vec<Renamed>);"),
    ];
    assert_eq!(found(&tree), [["a/inner.rs", "b.rs"]]);
    assert_eq!(shown(&tree), ["a/inner.rs -> b.rs: Other", "b.rs -> a/inner.rs: Renamed"]);
}

#[test]
fn a_circle_of_paths_without_imports_is_found() {
    let tree = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn f() { crate::b::g() }"),
        ("b.rs", "use super::c; pub fn g() { println!(\"{}\", c::h(1, c::NUMBER)) }"),
        ("c.rs", "pub const NUMBER: u8 = 1; pub fn h(_: u8, _: u8) -> u8 { super::a::f(); 2 }"),
    ];
    assert_eq!(found(&tree), [["a.rs", "b.rs", "c.rs"]]);
    assert_eq!(shown(&tree)[1], "b.rs -> c.rs: NUMBER, h");
}

#[test]
fn a_circle_through_a_glob_is_found() {
    let tree = [
        ("lib.rs", "mod a; mod b; pub use a::*;"),
        ("a.rs", "use super::b::g; pub fn f() { g() }"),
        ("b.rs", "use crate::*; pub fn g() { f() }"),
    ];
    assert_eq!(found(&tree), [["a.rs", "b.rs"]]);
}

/// Names are used where they are defined: a file that hands them on ties nothing.
#[test]
fn handing_on_is_no_use() {
    let tree = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C; pub struct A;"),
        ("a/b.rs", "use super::C; pub struct B(C);"),
        ("a/c.rs", "pub struct C;"),
    ];
    assert_eq!(found(&tree), [[""; 0]; 0]);
    assert_eq!(shown(&tree), ["a/b.rs -> a/c.rs: C"]);
    let uses_what_it_hands_on = [("lib.rs", "mod a; pub use a::A; struct B(A);"), tree[2]];
    assert_eq!(shown(&uses_what_it_hands_on), [""; 0], "no file defines A");
    let tree = [("lib.rs", "mod a; pub use a::A; struct B(A);"), ("a.rs", "pub struct A;")];
    assert_eq!(shown(&tree), ["lib.rs -> a.rs: A"]);
}

/// A part may use the module that it is a part of; other files may not go round through it.
#[test]
fn a_part_may_use_its_own_module() {
    let own = [
        ("lib.rs", "mod op; pub mod user;"),
        ("op/mod.rs", "mod gpu; pub struct Op; impl Op { fn lower(&self) { gpu::lower(self) } }"),
        ("op/gpu.rs", "use super::Op; pub fn lower(_: &Op) {}"),
        ("user.rs", "pub fn f(_: &crate::op::Op) {}"),
    ];
    assert_eq!(found(&own), [[""; 0]; 0]);
    let mut round = own;
    round[2].1 = "use super::Op; pub fn lower(op: &Op) { crate::user::f(op) }";
    assert_eq!(found(&round), [["op/gpu.rs", "op/mod.rs", "user.rs"]]);
}

#[test]
fn tests_other_crates_and_modules_of_the_same_name_tie_nothing() {
    let tree = [
        ("lib.rs", "mod a; mod half; mod tests_of_a;"),
        (
            "a.rs",
            "use ::half::f16; use std::fmt; #[cfg(test)] use crate::half::narrow;\n\
             pub fn f(_: f16, _: fmt::Error) {}\n\
             #[cfg(test)] mod tests { use crate::half::narrow; fn g() { narrow() } }",
        ),
        ("half.rs", "use super::a::f; pub fn narrow() { f() } #[cfg(test)] mod checks;"),
        ("half/checks.rs", "use crate::tests_of_a::t;"),
        ("tests_of_a.rs", "pub fn t() { super::half::narrow() }"),
    ];
    let expected = ["half.rs -> a.rs: f", "tests_of_a.rs -> half.rs: narrow"];
    assert_eq!(shown(&tree), expected);
}

/// Modules in braces belong to their file; associated names to the type.
#[test]
fn modules_in_braces_and_associated_names_are_followed() {
    let tree = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod data { pub fn f() -> crate::b::Kind { super::super::b::Kind::new() } }"),
        ("b.rs", "pub struct Kind; impl Kind { pub fn new() -> Self { Self } }"),
    ];
    assert_eq!(shown(&tree), ["a.rs -> b.rs: Kind, Kind::new"]);
}

#[test]
fn imports_that_go_round_end() {
    let tree = [("lib.rs", "mod a; mod b;"), ("a.rs", "pub use super::b::*; pub use super::b::X;")];
    let tree =
        [tree[0], tree[1], ("b.rs", "pub use super::a::*; pub use super::a::X; type Y = X;")];
    assert_eq!(shown(&tree), [""; 0]);
}

/// Rooms can form a circle where no files do.
#[test]
fn circles_of_rooms_are_found() {
    let tree = [
        ("lib.rs", "mod x; mod y;"),
        ("x/mod.rs", "pub mod a; pub mod b;"),
        ("x/a.rs", "pub struct A(crate::y::c::C);"),
        ("x/b.rs", "pub struct B;"),
        ("y/mod.rs", "pub mod c; pub mod d;"),
        ("y/c.rs", "pub struct C;"),
        ("y/d.rs", "pub struct D(crate::x::b::B);"),
    ];
    assert_eq!(found(&tree), [[""; 0]; 0]);
    let rooms = circles(&between_rooms(&ties(&tree)));
    assert_eq!(rooms.len(), 1);
    assert_eq!(rooms[0].members, ["x", "y"]);
    assert!(rooms[0].shown().contains("x -> y: C"), "{}", rooms[0].shown());
}
