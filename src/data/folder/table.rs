//! A CSV file that lists pictures and their classes, in place of a folder per class.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

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

/// A line of a table: a picture, and what is learned of it.
pub(super) struct Row<A> {
    pub file: PathBuf,
    pub answer: A,
    pub part: Option<Part>,
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
    let rows = Table::open(root, &path)?.classes()?;
    let mut names: Vec<String> = rows.iter().map(|row| row.answer.clone()).collect();
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
    let label = |row: &Row<String>| labels.get(row.answer.as_str()).copied().unwrap_or_default();
    let entries = rows.iter().map(|row| (row.part, (row.file.clone(), label(row)))).collect();
    let parts = parts(&path, entries, options, account)?;
    Ok(Listing { classes: names, targets: None, ..parts })
}

/// The files of each split that a table names.
pub(super) fn parts(
    path: &Path,
    entries: Vec<(Option<Part>, Entry)>,
    options: &FolderOptions,
    account: &mut DataAccount,
) -> Result<Listing, DataError> {
    let mut parts: BTreeMap<Part, Vec<Entry>> = BTreeMap::new();
    for (part, entry) in entries {
        if let Some(part) = part {
            parts.entry(part).or_default().push(entry);
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
        return Err(DataError::malformed(path, problem));
    };
    if options.validation_folder && validation.is_none() {
        let problem = "validation_folder = true is given: expected pictures of the splits train, val \
                       and test";
        return Err(DataError::malformed(path, problem));
    }
    Ok(Listing { classes: Vec::new(), targets: None, train, validation, test })
}

/// A table that was opened, and its first line read.
pub(super) struct Table<'a> {
    root: &'a Path,
    path: &'a Path,
    reader: Reader<File>,
    header: StringRecord,
}

impl<'a> Table<'a> {
    /// Opens the table at `path`, which names files from `root` on.
    pub fn open(root: &'a Path, path: &'a Path) -> Result<Self, DataError> {
        let (file, _) =
            input::open(path, MOST_OF_A_TABLE).map_err(|source| DataError::read(path, source))?;
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
        let header = reader.headers().map_err(|error| malformed(path, &error))?.clone();
        Ok(Self { root, path, reader, header })
    }

    /// The names of its columns.
    pub fn columns(&self) -> Vec<&str> {
        self.header.iter().collect()
    }

    /// The column of this name, or of one of these, in upper or lower case.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        let mut header = self.header.iter();
        header.position(|found| names.iter().any(|name| found.eq_ignore_ascii_case(name)))
    }

    /// The column of classes, or of their names.
    pub fn labels(&self) -> Option<usize> {
        self.column(&LABEL)
    }

    /// Columns of neither files nor splits.
    pub fn answers(&self) -> Vec<usize> {
        let others = [self.column(&FILE), self.column(&SPLIT)];
        (0..self.header.len()).filter(|column| !others.contains(&Some(*column))).collect()
    }

    fn needed(&self, names: &[&str]) -> Result<usize, DataError> {
        self.column(names).ok_or_else(|| {
            let found = self.columns().join(", ");
            let problem = format!(
                "its first line has no column \"{}\" but {}: expected file,label or file,label,split",
                names.first().unwrap_or(&""),
                if found.is_empty() { "nothing" } else { &found }
            );
            DataError::malformed(self.path, problem)
        })
    }

    /// Rows with the class of each file.
    fn classes(self) -> Result<Vec<Row<String>>, DataError> {
        let (_, labels) = (self.needed(&FILE)?, self.needed(&LABEL)?);
        self.rows(|record| {
            let label = record.get(labels).unwrap_or_default();
            if label.is_empty() || label.contains(char::is_control) {
                return Err("there is no label, or none that can be shown".to_owned());
            }
            Ok(label.to_owned())
        })
    }

    /// All rows. `answer` reads what is learned of a picture, or says what is wrong with it.
    pub fn rows<A>(
        mut self,
        mut answer: impl FnMut(&StringRecord) -> Result<A, String>,
    ) -> Result<Vec<Row<A>>, DataError> {
        let (files, splits) = (self.needed(&FILE)?, self.column(&SPLIT));
        let (mut rows, mut seen) = (Vec::new(), BTreeMap::new());
        let mut record = StringRecord::new();
        while self.reader.read_record(&mut record).map_err(|error| malformed(self.path, &error))? {
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |problem: String| {
                DataError::malformed(self.path, format!("line {line}: {problem}"))
            };
            let text = |column: usize| record.get(column).unwrap_or_default();
            let file = text(files);
            if file.is_empty() {
                return Err(wrong("there is no file, or none that can be shown".to_owned()));
            }
            if let Some(first) = seen.insert(file.to_owned(), line) {
                return Err(wrong(format!("{file} is there twice, first in line {first}")));
            }
            let answer = answer(&record).map_err(wrong)?;
            let part = splits.map(|column| {
                Part::of(text(column)).ok_or_else(|| {
                    wrong(format!("the split is {:?}: expected train, val or test", text(column)))
                })
            });
            let part = part.transpose()?;
            rows.push(Row { file: self.root.join(file), answer, part });
        }
        if rows.is_empty() {
            return Err(DataError::malformed(self.path, "it lists no pictures"));
        }
        Ok(rows)
    }
}

fn malformed(path: &Path, error: &csv::Error) -> DataError {
    DataError::malformed(path, error.to_string())
}

/// Rows by class.
fn classes(path: &Path, names: Vec<String>, rows: Vec<Row<String>>) -> Vec<Class> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for row in rows {
        files.entry(row.answer).or_default().push(row.file);
    }
    let class = |name: String| Class {
        files: files.remove(&name).unwrap_or_default(),
        origin: path.to_path_buf(),
        name,
    };
    names.into_iter().map(class).collect()
}
