//! `--set key=value`: changes to a recipe from the command line.

use toml::{Table, Value};

use crate::train::{Recipe, TrainError};

/// Applies `key=value` pairs to a recipe's text.
pub(in crate::train) fn apply(text: &str, overrides: &[String]) -> Result<Recipe, TrainError> {
    let fail = |given: &str, message: String| {
        Err(TrainError::Override { given: given.to_owned(), message })
    };
    let mut table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return fail(&overrides.join(" "), format!("{error}")),
    };
    let mut recipe = None;
    for given in overrides {
        let Some((key, value)) = given.split_once('=') else {
            return fail(given, "expected key=value".to_owned());
        };
        if let Err(message) = set(&mut table, key.trim(), parse_value(value.trim())) {
            return fail(given, message);
        }
        // Each one is checked on its own, so that the message names the one that is wrong.
        match Recipe::deserialize_table(&table) {
            Ok(changed) => recipe = Some(changed),
            Err(message) => return fail(given, message),
        }
    }
    match recipe {
        Some(recipe) => Ok(recipe),
        None => fail("", "no pairs were given".to_owned()),
    }
}

impl Recipe {
    pub(super) fn deserialize_table(table: &Table) -> Result<Self, String> {
        // As text again: read from a table, each type would be compiled for a second reader.
        toml::from_str(&table.to_string()).map_err(|error| error.message().to_owned())
    }
}

/// A TOML value, or a string where the text is none.
fn parse_value(text: &str) -> Value {
    let parsed: Option<Table> = format!("value = {text}").parse().ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let Some((parents, last)) = key.rsplit_once('.') else {
        table.insert(key.to_owned(), value);
        return Ok(());
    };
    let (first, rest) = parents.split_once('.').unwrap_or((parents, ""));
    let mut node = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        node = step_into(node, part)?;
    }
    match node {
        Value::Table(table) => {
            table.insert(last.to_owned(), value);
            Ok(())
        }
        Value::Array(list) => {
            let length = list.len();
            let position = last.parse::<usize>().ok().filter(|&i| i < length);
            let position = position.ok_or_else(|| format!("{parents} has {length} entries"))?;
            list[position] = value;
            Ok(())
        }
        _ => Err(format!("{parents} is a value, it holds no {last}")),
    }
}

fn step_into<'a>(node: &'a mut Value, part: &str) -> Result<&'a mut Value, String> {
    match node {
        Value::Table(table) => Ok(table.entry(part).or_insert_with(|| Value::Table(Table::new()))),
        Value::Array(list) => {
            let length = list.len();
            part.parse::<usize>()
                .ok()
                .and_then(|i| list.get_mut(i))
                .ok_or_else(|| format!("there is no entry {part}, the list has {length}"))
        }
        _ => Err(format!("there is nothing below a value: {part}")),
    }
}
