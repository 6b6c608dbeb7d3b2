//! Circles: files, or the rooms that they lie in, that use each other all the way round.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::Ties;

/// Nodes that use each other all the way round, and what ties them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// In order of their names.
    pub members: Vec<String>,
    /// The ties between members.
    pub ties: Ties,
}

impl Circle {
    /// The members, and for each tie the names.
    pub fn shown(&self) -> String {
        let mut text = format!("{} in a circle: {}", self.members.len(), self.members.join(", "));
        for ((from, to), names) in &self.ties {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            text += &format!("\n    {from} -> {to}: {}", names.join(", "));
        }
        text
    }
}

/// The circles of two or more among the nodes of some ties, the largest first.
pub fn circles(ties: &Ties) -> Vec<Circle> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in ties.keys() {
        next.entry(from).or_default().insert(to);
    }
    let reachable: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&from| (from, reached(from, &next))).collect();
    let reaches = |from: &str, to: &str| reachable.get(from).is_some_and(|all| all.contains(to));
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for (&from, all) in &reachable {
        let members: BTreeSet<&str> = all.iter().copied().filter(|to| reaches(to, from)).collect();
        if members.len() < 2 || !done.insert(from) {
            continue;
        }
        done.extend(&members);
        let inside = |pair: &(String, String)| {
            members.contains(pair.0.as_str()) && members.contains(pair.1.as_str())
        };
        let ties = ties.iter().filter(|(pair, _)| inside(pair));
        let ties = ties.map(|(pair, names)| (pair.clone(), names.clone())).collect();
        found.push(Circle { members: members.into_iter().map(str::to_owned).collect(), ties });
    }
    found.sort_by_key(|circle| std::cmp::Reverse(circle.members.len()));
    found
}

/// The ties without those of a file to the `mod.rs` of a folder that it lies in: a part may use the
/// module that it is a part of.
pub fn without_own_module(mut ties: Ties) -> Ties {
    ties.retain(|(from, to), _| {
        let folder = to.strip_suffix("mod.rs");
        !folder.is_some_and(|folder| from.starts_with(folder))
    });
    ties
}

/// All nodes to which a way leads from `start`, itself only where one leads back.
fn reached<'a>(start: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(node) = pending.pop() {
        let fresh = next.get(node).into_iter().flatten().filter(|&&to| found.insert(to));
        pending.extend(fresh);
    }
    found
}

/// Ties between rooms that lie side by side: of each tie between files, what lies below the folder
/// that they share. A room is a folder, or a file that stands beside one.
pub fn between_rooms(ties: &Ties) -> Ties {
    let mut rooms = Ties::new();
    for ((from, to), names) in ties {
        let (a, b): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
        let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let room = |path: &[&str]| path[..=shared].join("/");
        rooms.entry((room(&a), room(&b))).or_default().extend(names.iter().cloned());
    }
    rooms
}
