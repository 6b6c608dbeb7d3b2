//! What was read of a data set, in lines: by class, and what was left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::data::{DataAccount, SkipReason, Skipped, SplitAccount};
use crate::report::format::grouped;

/// Classes that are named one by one.
const NAMED: usize = 10;

/// Images by split and class, for the `data` lines of a training; nothing for sets without folders.
pub(in crate::cli) fn by_class(account: &DataAccount) -> String {
    let mut text = String::new();
    if account.root.is_none() {
        return text;
    }
    for SplitAccount { split, classes } in &account.splits {
        let counts = || classes.iter().map(|class| class.used);
        let shown = if classes.len() <= NAMED {
            let each =
                classes.iter().map(|class| format!("{} {}", class.class, grouped(class.used)));
            each.collect::<Vec<_>>().join(", ")
        } else {
            let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
            format!("{} to {} of each class", grouped(least), grouped(most))
        };
        let _ = writeln!(text, "         {split}: {shown}");
    }
    for note in &account.notes {
        let _ = writeln!(text, "         {note}");
    }
    text
}

/// What was left out and may have been meant to be read, a line for each reason.
pub(in crate::cli) fn warnings(account: &DataAccount) -> Vec<String> {
    let place = account.root.as_ref().map(|root| root.display().to_string()).unwrap_or_default();
    let mut lines = Vec::new();
    let mut reasons: BTreeMap<u8, ([&str; 2], Vec<&Skipped>)> = BTreeMap::new();
    for skipped in &account.skipped {
        let (order, what) = match skipped.why {
            SkipReason::Extension(_) => (
                0,
                [
                    "file that is no picture by its name",
                    "files that are no pictures by their names",
                ],
            ),
            SkipReason::SubFolder => (1, ["folder inside of a class", "folders inside of classes"]),
            SkipReason::BesideClasses => {
                (2, ["file beside the folders of classes", "files beside the folders of classes"])
            }
            SkipReason::Special => {
                (3, ["entry that is no regular file", "entries that are no regular files"])
            }
            SkipReason::BesideSplits => {
                (4, ["folder beside those of the splits", "folders beside those of the splits"])
            }
            // Systems leave them everywhere; `data.json` counts them.
            _ => continue,
        };
        reasons.entry(order).or_insert((what, Vec::new())).1.push(skipped);
    }
    for (what, skipped) in reasons.into_values() {
        let n: usize = skipped.iter().map(|one| one.entries).sum();
        let example = skipped.first().map(|one| match one.folder.as_str() {
            "" => one.example.clone(),
            folder => format!("{folder}/{}", one.example),
        });
        let kinds = extensions(&skipped);
        let what = what[usize::from(n != 1)];
        let (n, example) = (grouped(n), example.unwrap_or_default());
        lines.push(format!("{place}: skipped {n} {what}{kinds}, such as {example}"));
    }
    if let Some(first) = account.damaged.first() {
        let images = if account.damaged.len() == 1 { "image" } else { "images" };
        lines.push(format!(
            "{place}: skipped {} damaged {images}, such as {}: {}",
            grouped(account.damaged.len()),
            first.file,
            first.problem
        ));
    }
    for SplitAccount { split, classes } in &account.splits {
        let absent: Vec<&str> =
            classes.iter().filter(|class| class.used == 0).map(|one| one.class.as_str()).collect();
        if let Some(first) = absent.first().filter(|_| account.root.is_some()) {
            lines.push(match absent.len() {
                1 => format!("{place}: class {first} has no {split} image"),
                n => format!("{place}: {n} classes have no {split} image, such as {first}"),
            });
        }
    }
    lines
}

/// ` (12 .heic, 2 .txt)`, the most frequent first.
fn extensions(skipped: &[&Skipped]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in skipped {
        if let SkipReason::Extension(extension) = &one.why {
            let name = if extension.is_empty() { "without ending" } else { extension };
            *counts.entry(name).or_default() += one.entries;
        }
    }
    if counts.is_empty() {
        return String::new();
    }
    let mut counts: Vec<(usize, &str)> = counts.into_iter().map(|(name, n)| (n, name)).collect();
    counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let shown: Vec<String> =
        counts.iter().take(5).map(|(n, name)| format!("{} {name}", grouped(*n))).collect();
    format!(" ({})", shown.join(", "))
}
