//! A CSV file that lists pictures and their classes, in place of a folder per class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::FolderOptions;
use super::layout::{Class, Entry, Listing, Part, split};
use crate::data::DataError;
use crate::data::account::DataAccount;
use crate::input;

/// Bytes of a table at most.
const MOST_OF_A_TABLE: u64 = 1 << 30;

/// Names of the column of files, which are paths from the root of the set.
const FILE: [&str; 4] = ["file", "filename", "path", "image"];
/// Names of the column of classes.
const LABEL: [&str; 2] = ["label", "class"];
/// Name of the column of splits, which may be missing.
const SPLIT: [&str; 1] = ["split"];

/// A line of the table.
struct Row {
    file: PathBuf,
    label: String,
    part: Option<Part>,
}

/// Lists the classes and the files of each split, as a table says. Without a column of splits, a test
/// set is split off each class.
pub(super) fn list_table(
    root: &Path,
    table: &Path,
    options: &FolderOptions,
    account: &mut DataAccount,
) -> Result<Listing, DataError> {
    let path = root.join(table);
    let rows = read(root, &path)?;
    let mut names: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    names.sort_unstable();
    names.dedup();
    // As people count: 9 before 10.
    if names.iter().all(|name| name.parse::<u64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<u64>().unwrap_or_default());
    }
    if rows.first().is_none_or(|row| row.part.is_none()) {
        return split(classes(&path, names, rows), options.split_seed);
    }
    let labels: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let mut parts: BTreeMap<Part, Vec<Entry>> = BTreeMap::new();
    for row in &rows {
        let label = labels.get(row.label.as_str()).copied().unwrap_or_default();
        if let Some(part) = row.part {
            parts.entry(part).or_default().push((row.file.clone(), label));
        }
    }
    let (train, validation) = (parts.remove(&Part::Train), parts.remove(&Part::Validation));
    let mut validation = validation.filter(|_| !options.validation_from_train);
    let test = parts.remove(&Part::Test).or_else(|| {
        let test = validation.take()?;
        account.notes.push("split val is the test set, for there is no split test".to_owned());
        Some(test)
    });
    let (Some(train), Some(test)) = (train, test) else {
        let problem = "the column split names not both train and test (or val): expected pictures in \
                       both; leave the column out to have a test set split off";
        return Err(DataError::malformed(&path, problem));
    };
    if options.validation_folder && validation.is_none() {
        let problem = "validation_folder = true is given: expected pictures of the splits train, val \
                       and test";
        return Err(DataError::malformed(&path, problem));
    }
    Ok(Listing { classes: names, train, validation, test })
}

/// The rows of a table.
fn read(root: &Path, path: &Path) -> Result<Vec<Row>, DataError> {
    let (file, _) =
        input::open(path, MOST_OF_A_TABLE).map_err(|source| DataError::read(path, source))?;
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let broken = |error: csv::Error| DataError::malformed(path, error.to_string());
    let header = reader.headers().map_err(broken)?.clone();
    let column = |names: &[&str]| {
        header.iter().position(|found| names.iter().any(|name| found.eq_ignore_ascii_case(name)))
    };
    let needed = |names: &[&str]| {
        column(names).ok_or_else(|| {
            let found: Vec<&str> = header.iter().collect();
            let problem = format!(
                "its first line has no column \"{}\" but {}: expected file,label or file,label,split",
                names.first().unwrap_or(&""),
                if header.is_empty() { "nothing".to_owned() } else { found.join(", ") }
            );
            DataError::malformed(path, problem)
        })
    };
    let (files, labels, splits) = (needed(&FILE)?, needed(&LABEL)?, column(&SPLIT));
    let (mut rows, mut seen) = (Vec::new(), BTreeMap::new());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |problem: String| DataError::malformed(path, format!("line {line}: {problem}"));
        let text = |column: usize| record.get(column).unwrap_or_default();
        let (file, label) = (text(files), text(labels));
        if file.is_empty() || label.is_empty() || label.contains(char::is_control) {
            let what = if file.is_empty() { "file" } else { "label" };
            return Err(wrong(format!("there is no {what}, or none that can be shown")));
        }
        if let Some(first) = seen.insert(file.to_owned(), line) {
            return Err(wrong(format!("{file} is there twice, first in line {first}")));
        }
        let part = splits.map(|column| {
            Part::of(text(column)).ok_or_else(|| {
                wrong(format!("the split is {:?}: expected train, val or test", text(column)))
            })
        });
        let part = part.transpose()?;
        rows.push(Row { file: root.join(file), label: label.to_owned(), part });
    }
    if rows.is_empty() {
        return Err(DataError::malformed(path, "it lists no pictures"));
    }
    Ok(rows)
}

/// Rows by class.
fn classes(path: &Path, names: Vec<String>, rows: Vec<Row>) -> Vec<Class> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for row in rows {
        files.entry(row.label).or_default().push(row.file);
    }
    let class = |name: String| Class {
        files: files.remove(&name).unwrap_or_default(),
        origin: path.to_path_buf(),
        name,
    };
    names.into_iter().map(class).collect()
}
