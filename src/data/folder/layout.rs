//! Which folders of an image folder are splits and classes, and which files belong to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::FolderOptions;
use crate::data::account::{DataAccount, SkipReason};
use crate::data::decode::formats::{extensions, has_extension};
use crate::data::split::{deal, portion};
use crate::data::stream::Purpose;
use crate::data::{DataError, TargetTable};

/// The fraction of each class that becomes the test set where no folder holds one.
pub const TEST_FRACTION: f64 = 0.2;

/// An image file and its class index, or the row of its targets.
pub(super) type Entry = (PathBuf, u32);

/// What a folder holds, before any image is decoded.
pub(super) struct Listing {
    pub classes: Vec<String>,
    /// What is learned in place of classes.
    pub targets: Option<TargetTable>,
    pub train: Vec<Entry>,
    pub validation: Option<Vec<Entry>>,
    pub test: Vec<Entry>,
}

/// A folder that holds a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    /// By the name of a folder, in upper or lower case.
    pub fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Lists the classes and the files of each split.
pub(super) fn list(
    root: &Path,
    options: &FolderOptions,
    account: &mut DataAccount,
) -> Result<Listing, DataError> {
    let mut parts: BTreeMap<Part, PathBuf> = BTreeMap::new();
    let mut others = Vec::new();
    for dir in folders(root)? {
        match Part::of(&shown(&dir)) {
            Some(part) => {
                if let Some(first) = parts.insert(part, dir.clone()) {
                    let problem = format!(
                        "holds both {} and {}: expected one of them, for they mean the same",
                        shown(&first),
                        shown(&dir)
                    );
                    return Err(DataError::malformed(root, problem));
                }
            }
            None => others.push(dir),
        }
    }
    let dir = |part| parts.get(&part).map(PathBuf::as_path);
    let (train, validation, test) = (dir(Part::Train), dir(Part::Validation), dir(Part::Test));
    match (train, test.or(validation)) {
        (Some(train), Some(test)) => {
            let validation = validation.filter(|validation| *validation != test);
            for other in &others {
                account.skip("", SkipReason::BesideSplits, &shown(other));
            }
            list_parts(root, [train, test], validation, options, account)
        }
        (Some(train), None) if !folders(train)?.is_empty() => {
            let problem = format!(
                "has {0}/ but neither test/ nor val/: expected one of them, with the same classes; \
                 add it, or give {0}/ itself as the path to have a test set split from it",
                shown(train)
            );
            Err(DataError::malformed(root, problem))
        }
        // Classes may have these names as well, and then hold no folders.
        (None, Some(other)) if !folders(other)?.is_empty() => {
            let problem = format!(
                "has {}/ but no train/: expected train/ with the same classes; add it",
                shown(other)
            );
            Err(DataError::malformed(root, problem))
        }
        _ if options.validation_folder => Err(no_validation_folder(root)),
        _ => split(list_classes(root, "", account)?, options.split_seed),
    }
}

fn no_validation_folder(root: &Path) -> DataError {
    let problem = "validation_folder = true is given: expected train/, test/ and val/ (or valid/, \
                   validation/) here; remove the key or add what is missing";
    DataError::malformed(root, problem)
}

/// Lists the folders of splits.
fn list_parts(
    root: &Path,
    [train_dir, test_dir]: [&Path; 2],
    validation_dir: Option<&Path>,
    options: &FolderOptions,
    account: &mut DataAccount,
) -> Result<Listing, DataError> {
    let train = list_classes(train_dir, &shown(train_dir), account)?;
    let mut others = |dir: &Path| -> Result<Vec<Entry>, DataError> {
        let listed = list_classes(dir, &shown(dir), account)?;
        check_same_classes(&train, train_dir, &listed, dir)?;
        Ok(entries(listed))
    };
    let test = others(test_dir)?;
    let validation = match validation_dir {
        Some(_) if options.validation_from_train => None,
        Some(dir) => Some(others(dir)?),
        None if options.validation_folder => return Err(no_validation_folder(root)),
        None => None,
    };
    if Part::of(&shown(test_dir)) == Some(Part::Validation) {
        account.notes.push(format!("{}/ is the test set, for there is no test/", shown(test_dir)));
    }
    if let (Some(dir), None) = (validation_dir, &validation) {
        account.notes.push(format!(
            "{}/ is not read, for `validation` takes images of the training set",
            shown(dir)
        ));
    }
    let classes = train.iter().map(|class| class.name.clone()).collect();
    Ok(Listing { classes, targets: None, train: entries(train), validation, test })
}

/// A class and its images, sorted.
pub(super) struct Class {
    pub name: String,
    /// Its folder, or the table that lists it: for messages.
    pub origin: PathBuf,
    pub files: Vec<PathBuf>,
}

/// Files and class indices, class by class.
fn entries(classes: Vec<Class>) -> Vec<Entry> {
    let numbered = (0..).zip(classes);
    numbered.flat_map(|(label, class)| class.files.into_iter().map(move |f| (f, label))).collect()
}

/// Splits a test set off each class, so that every class is in both parts.
pub(super) fn split(classes: Vec<Class>, seed: u64) -> Result<Listing, DataError> {
    let names = classes.iter().map(|class| class.name.clone()).collect();
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (label, class) in (0..).zip(classes) {
        let n = class.files.len();
        if n < 2 {
            let problem = format!(
                "class \"{}\" has {n} image: expected at least 2, one to train and one to test on; add \
                 some, or remove the class",
                class.name
            );
            return Err(DataError::malformed(&class.origin, problem));
        }
        let n_test = portion(n, TEST_FRACTION).clamp(1, n - 1);
        let (kept, held_out) = deal(n, n_test, seed, (Purpose::TestSplit, u64::from(label)));
        let pick = |indices: Vec<usize>| {
            let files = indices.into_iter().filter_map(|i| class.files.get(i).cloned());
            files.map(|file| (file, label)).collect::<Vec<Entry>>()
        };
        train.extend(pick(kept));
        test.extend(pick(held_out));
    }
    Ok(Listing { classes: names, targets: None, train, validation: None, test })
}

/// Lists the classes of a folder, sorted by name, and the files of each, sorted by name.
fn list_classes(
    dir: &Path,
    place: &str,
    account: &mut DataAccount,
) -> Result<Vec<Class>, DataError> {
    let mut classes = Vec::new();
    for path in all_entries(dir)? {
        let name = shown(&path);
        if is_hidden(&path) {
            account.skip(place, SkipReason::Hidden, &name);
        } else if path.is_dir() {
            classes.push(list_class(path, place, account)?);
        } else {
            account.skip(place, SkipReason::BesideClasses, &name);
        }
    }
    if classes.is_empty() {
        let problem = "holds no classes: expected one sub-folder of images per class";
        return Err(DataError::malformed(dir, problem));
    }
    if u32::try_from(classes.len()).is_err() {
        return Err(DataError::malformed(dir, "holds more classes than can be numbered"));
    }
    Ok(classes)
}

fn list_class(dir: PathBuf, place: &str, account: &mut DataAccount) -> Result<Class, DataError> {
    let name = dir.file_name().and_then(|name| name.to_str());
    let Some(name) = name.filter(|name| !name.contains(char::is_control)).map(str::to_owned) else {
        let problem = format!(
            "the name of this class folder, {:?}, is not UTF-8 or has control characters: rename it",
            dir.file_name().unwrap_or_default()
        );
        let parent = dir.parent().unwrap_or(Path::new("."));
        return Err(DataError::malformed(parent, problem));
    };
    let place = if place.is_empty() { name.clone() } else { format!("{place}/{name}") };
    let mut files = Vec::new();
    for (path, kind) in all_with_kinds(&dir)? {
        let why = if is_hidden(&path) {
            SkipReason::Hidden
        } else if kind == Kind::Folder {
            SkipReason::SubFolder
        } else if !has_extension(&path) {
            let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            SkipReason::Extension(extension.map(|e| format!(".{e}")).unwrap_or_default())
        } else if kind == Kind::Other {
            SkipReason::Special
        } else {
            files.push(path);
            continue;
        };
        account.skip(&place, why, &shown(&path));
    }
    if files.is_empty() {
        let problem = format!(
            "a class folder without images: expected files that end in {}; add some or remove the \
             folder",
            extensions()
        );
        return Err(DataError::malformed(&dir, problem));
    }
    Ok(Class { name, origin: dir, files })
}

/// The folders of a folder that are not hidden, sorted.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = all_entries(dir)?;
    paths.retain(|path| !is_hidden(path) && path.is_dir());
    Ok(paths)
}

/// The entries of a folder, sorted.
fn all_entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    Ok(all_with_kinds(dir)?.into_iter().map(|(path, _)| path).collect())
}

/// What an entry of a folder is, or what a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Other,
}

/// The entries of a folder, sorted: systems list them in any order. Most systems tell what an entry is
/// while they list it; asking for each of a million files takes long.
fn all_with_kinds(dir: &Path) -> Result<Vec<(PathBuf, Kind)>, DataError> {
    let failed = |source| DataError::read(dir, source);
    let of = |is_file: bool, is_dir: bool| match (is_file, is_dir) {
        (true, _) => Kind::File,
        (_, true) => Kind::Folder,
        _ => Kind::Other,
    };
    let kind = |entry: &std::fs::DirEntry, path: &Path| match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => of(kind.is_file(), kind.is_dir()),
        _ => of(path.is_file(), path.is_dir()),
    };
    let listed = std::fs::read_dir(dir).map_err(failed)?.map(|entry| {
        let entry = entry?;
        let path = entry.path();
        let kind = kind(&entry, &path);
        Ok((path, kind))
    });
    let mut entries = listed.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// The last part of a path, control characters made visible.
fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// Whether a name begins with a dot, or is the folder that macOS puts into zip files.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name == b"__MACOSX"
}

fn check_same_classes(
    train: &[Class],
    train_dir: &Path,
    test: &[Class],
    test_dir: &Path,
) -> Result<(), DataError> {
    let differs = |from: &[Class], in_dir: &Path, to: &[Class], not_in: &Path| {
        let class = from.iter().find(|class| to.iter().all(|other| other.name != class.name))?;
        let problem = format!(
            "has no class folder \"{}\", {} has one: expected the same classes in both",
            class.name,
            in_dir.display()
        );
        Some(DataError::malformed(not_in, problem))
    };
    let missing = differs(train, train_dir, test, test_dir)
        .or_else(|| differs(test, test_dir, train, train_dir));
    missing.map_or(Ok(()), Err)
}
