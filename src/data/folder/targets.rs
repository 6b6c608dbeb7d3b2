//! A CSV file that lists pictures and numbers that go with them, or all classes that apply to each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::FolderOptions;
use super::layout::{Entry, Listing, TEST_FRACTION};
use super::table::{Row, Table, parts};
use crate::data::account::DataAccount;
use crate::data::split::{deal, portion};
use crate::data::stream::Purpose;
use crate::data::{DataError, TargetTable, Task};

/// Lists the files of each split and their targets, as a table says. Without a column of splits, a fifth of
/// all files, chosen by seed, is the test set.
pub(super) fn list_targets(
    root: &Path,
    table: &Path,
    options: &FolderOptions,
    account: &mut DataAccount,
) -> Result<Listing, DataError> {
    let path = root.join(table);
    let table = Table::open(root, &path)?;
    let named = table.labels().filter(|_| options.task == Task::MultiLabel);
    let (names, rows) = match (named, &options.targets) {
        (Some(column), None) => applying(&path, table, column)?,
        (_, columns) => numbers(&path, table, columns.as_deref(), options.task)?,
    };
    let values = rows.iter().flat_map(|row| row.answer.iter().copied()).collect();
    let targets = TargetTable::new(options.task, names.len(), values);
    let is_split = rows.first().is_some_and(|row| row.part.is_some());
    let entries = (0..).zip(rows).map(|(i, row)| (row.part, (row.file, i)));
    let listing = match is_split {
        true => parts(&path, entries.collect(), options, account)?,
        false => split_off(&path, entries.map(|(_, entry)| entry).collect(), options.split_seed)?,
    };
    Ok(Listing { classes: names, targets: Some(targets), ..listing })
}

/// The names of targets, and those of each picture.
type Answers = (Vec<String>, Vec<Row<Vec<f32>>>);

/// Classes by name, those of a picture with `|` between them. A picture may have none.
fn applying(path: &Path, table: Table<'_>, column: usize) -> Result<Answers, DataError> {
    let rows = table.rows(|record| {
        let names = record.get(column).unwrap_or_default().split('|').map(str::trim);
        let names: BTreeSet<String> =
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        match names.iter().find(|name| name.contains(char::is_control)) {
            Some(name) => Err(format!("the label {name:?} cannot be shown")),
            None => Ok(names),
        }
    })?;
    let all: BTreeSet<&String> = rows.iter().flat_map(|row| &row.answer).collect();
    let all: Vec<String> = all.into_iter().cloned().collect();
    if all.is_empty() {
        return Err(DataError::malformed(path, "no class applies to any picture"));
    }
    let applies = |names: &BTreeSet<String>| {
        all.iter().map(|class| if names.contains(class) { 1.0 } else { 0.0 }).collect()
    };
    let rows = rows.into_iter().map(|Row { file, answer, part }| {
        let answer = applies(&answer);
        Row { file, answer, part }
    });
    let rows = rows.collect();
    Ok((all, rows))
}

/// A column for each number, or for each class with 1 where it applies and 0 where it does not.
fn numbers(
    path: &Path,
    table: Table<'_>,
    wanted: Option<&[String]>,
    task: Task,
) -> Result<Answers, DataError> {
    let found = table.columns();
    let columns = match wanted {
        None => table.answers(),
        Some(wanted) => {
            let column = |name: &String| {
                table.column(&[name]).ok_or_else(|| {
                    let problem = format!(
                        "its first line has no column {name:?} of targets but {}: expected those that \
                         the recipe names",
                        found.join(", ")
                    );
                    DataError::malformed(path, problem)
                })
            };
            wanted.iter().map(column).collect::<Result<_, _>>()?
        }
    };
    if columns.is_empty() {
        let problem = format!(
            "its first line has no column of targets but {}: expected columns of numbers beside that of \
             files",
            found.join(", ")
        );
        return Err(DataError::malformed(path, problem));
    }
    let names: Vec<String> = columns.iter().map(|&column| found[column].to_owned()).collect();
    if let Some(name) = names.iter().find(|name| name.contains(char::is_control)) {
        return Err(DataError::malformed(path, format!("the column {name:?} cannot be shown")));
    }
    let read = |record: &StringRecord| {
        let of = |(&column, name): (&usize, &String)| {
            let text = record.get(column).unwrap_or_default();
            number(text, task)
                .map_err(|expected| format!("{name} is {text:?}: expected {expected}"))
        };
        columns.iter().zip(&names).map(of).collect::<Result<Vec<f32>, String>>()
    };
    let rows = table.rows(read)?;
    Ok((names, rows))
}

/// A number of a table, or what was expected.
fn number(text: &str, task: Task) -> Result<f32, &'static str> {
    let value = text.parse::<f32>().ok();
    match task {
        Task::MultiLabel => value
            .filter(|value| *value == 0.0 || *value == 1.0)
            .ok_or("1 where the class applies, and 0 where it does not"),
        _ => value.filter(|value| value.is_finite()).ok_or("a number"),
    }
}

/// Takes a fifth of the files for a test set.
fn split_off(path: &Path, entries: Vec<Entry>, seed: u64) -> Result<Listing, DataError> {
    let n = entries.len();
    if n < 2 {
        let problem = format!(
            "it lists {n} picture: expected at least 2, one to train and one to test on; add some"
        );
        return Err(DataError::malformed(path, problem));
    }
    let n_test = portion(n, TEST_FRACTION).clamp(1, n - 1);
    let (kept, held_out) = deal(n, n_test, seed, (Purpose::TestSplit, 0));
    let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    let mut pick = |indices: Vec<usize>| -> Vec<(PathBuf, u32)> {
        indices.into_iter().filter_map(|i| entries.get_mut(i)?.take()).collect()
    };
    let (train, test) = (pick(kept), pick(held_out));
    Ok(Listing { classes: Vec::new(), targets: None, train, validation: None, test })
}
