//! What was read of a data set, and what was not: nothing is passed over in silence.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What was read of a data set: `data.json` of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataAccount {
    /// The folder of an image folder, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Training, validation and test images, as far as there are such.
    pub splits: Vec<SplitAccount>,
    /// Entries of folders that are not read, by folder and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Pictures that cannot be used, which were passed over because the user asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// What was decided about the layout, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What was read of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitAccount {
    /// `training`, `validation` or `test`.
    pub split: String,
    /// Images by class: a class with none is absent.
    pub classes: Vec<ClassCount>,
}

/// Images of a class in a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// Images that are used.
    pub used: usize,
    /// Images that are damaged and left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: usize,
}

/// Entries of one folder that are not read, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The folder, from the root of the set: split and class.
    pub folder: String,
    /// Why they are not read.
    pub why: SkipReason,
    /// How many there are.
    pub entries: usize,
    /// The first of them.
    pub example: String,
}

/// Why an entry of a folder is not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Its name ends like no picture that is read: the ending, in lower case, with its dot.
    Extension(String),
    /// A folder inside of a class.
    SubFolder,
    /// A file beside the folders of classes.
    BesideClasses,
    /// No regular file: a pipe, a device, a broken link.
    Special,
    /// Hidden, by a dot at the front, or left behind by a system (`__MACOSX`).
    Hidden,
    /// A folder beside those of the splits.
    BesideSplits,
}

/// A picture that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damaged {
    /// The file, from the root of the set.
    pub file: String,
    /// `training`, `validation` or `test`.
    pub split: String,
    /// Its class.
    pub class: String,
    /// What is wrong with it.
    pub problem: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl DataAccount {
    /// Whether an entry is left out that its owner may have meant to be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.skipped.iter().all(|one| one.why == SkipReason::Hidden)
    }

    /// Counts one more entry of `folder` that is not read.
    pub(super) fn skip(&mut self, folder: &str, why: SkipReason, example: &str) {
        let known = self.skipped.iter_mut().rev().take_while(|skipped| skipped.folder == folder);
        match known.into_iter().find(|skipped| skipped.why == why) {
            Some(skipped) => skipped.entries += 1,
            None => self.skipped.push(Skipped {
                folder: folder.to_owned(),
                why,
                entries: 1,
                example: example.to_owned(),
            }),
        }
    }

    /// Adds a split: its classes, and how many images of each are used.
    pub(super) fn count(&mut self, split: &str, classes: &[String], used: Vec<usize>) {
        let damaged = |class: &str| {
            self.damaged.iter().filter(|one| one.split == split && one.class == class).count()
        };
        let classes = classes
            .iter()
            .zip(used)
            .map(|(class, used)| ClassCount {
                class: class.clone(),
                used,
                damaged: if self.damaged.is_empty() { 0 } else { damaged(class) },
            })
            .collect();
        self.splits.push(SplitAccount { split: split.to_owned(), classes });
    }
}
