//! Where a value lies that makes a recipe unreadable. Sections that begin with their `type` are read
//! as a whole before their fields are, by which the reader loses the place; it is found by leaving
//! parts out until the complaint changes.

use toml::{Table, Value};

/// The deepest that a value can lie in a recipe: residual blocks in branches in residual blocks.
const DEEPEST: usize = 24;

/// The key of the value that `complaint` is about, with dots for tables and numbers for positions in
/// lists: `layers.1.units`. `read` reads a recipe and tells what is wrong with it, if anything. None
/// where the complaint is about the recipe as a whole.
pub(super) fn key_of(
    recipe: &Table,
    complaint: &str,
    read: &dyn Fn(&Table) -> Option<String>,
) -> Option<String> {
    let mut path: Vec<String> = Vec::new();
    let mut recipe = recipe.clone();
    while path.len() < DEEPEST {
        let next = match node(&recipe, &path)? {
            Node::Table(table) => guilty_key(&recipe, &path, table, complaint, read),
            Node::List(list) => {
                // The first that is wrong, should several be wrong in the same way: those behind it
                // are left out from here on.
                let found = (1..=list.len()).find_map(|count| {
                    let until = changed(&recipe, &path, |node| {
                        if let Value::Array(list) = node {
                            list.truncate(count);
                        }
                    })?;
                    (read(&until).as_deref() == Some(complaint)).then(|| (count - 1, until))
                });
                found.map(|(position, until)| {
                    recipe = until;
                    position.to_string()
                })
            }
            Node::Other => None,
        };
        match next {
            Some(part) => path.push(part),
            None => break,
        }
    }
    (!path.is_empty()).then(|| path.join("."))
}

/// The key of a table without which the complaint is another one, or none. That a field is missing
/// once it was left out says nothing of its value; such a field comes last.
fn guilty_key(
    recipe: &Table,
    path: &[String],
    table: &Table,
    complaint: &str,
    read: &dyn Fn(&Table) -> Option<String>,
) -> Option<String> {
    let mut missed: Vec<&String> = Vec::new();
    for key in table.keys() {
        let without = if path.is_empty() {
            let mut without = recipe.clone();
            without.remove(key);
            Some(without)
        } else {
            changed(recipe, path, |node| {
                if let Value::Table(table) = node {
                    table.remove(key);
                }
            })
        };
        match read(&without?) {
            Some(same) if same == complaint => {}
            Some(other) if other.contains(&format!("missing field `{key}`")) => {
                // A list that is needed is left empty in place of left out.
                let mut inside = path.to_vec();
                inside.push(key.clone());
                let empty = changed(recipe, &inside, |node| {
                    if let Value::Array(list) = node {
                        list.clear();
                    }
                })?;
                let is_list = matches!(table.get(key), Some(Value::Array(_)));
                if is_list && read(&empty).as_deref() != Some(complaint) {
                    return Some(key.clone());
                }
                missed.push(key);
            }
            _ => return Some(key.clone()),
        }
    }
    // What is missing is missing from the table, whatever else were left out.
    if complaint.starts_with("missing field") {
        return None;
    }
    // All of these are needed: the one whose value the complaint quotes, if any does.
    let is_quoted = |key: &&&String| {
        let quoted = |text: &str| {
            complaint.contains(&format!("`{text}`")) || complaint.contains(&format!("\"{text}\""))
        };
        match &table[**key] {
            Value::String(text) => quoted(text),
            other => quoted(&other.to_string()),
        }
    };
    missed.iter().find(is_quoted).or(missed.first()).map(|key| (*key).clone())
}

/// What lies somewhere in a recipe.
enum Node<'a> {
    Table(&'a Table),
    List(&'a [Value]),
    Other,
}

fn node<'a>(recipe: &'a Table, path: &[String]) -> Option<Node<'a>> {
    let Some((first, rest)) = path.split_first() else { return Some(Node::Table(recipe)) };
    let mut value = recipe.get(first)?;
    for part in rest {
        value = match value {
            Value::Table(table) => table.get(part)?,
            Value::Array(list) => list.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(match value {
        Value::Table(table) => Node::Table(table),
        Value::Array(list) => Node::List(list),
        _ => Node::Other,
    })
}

/// The recipe with another value at a place.
fn changed(recipe: &Table, path: &[String], change: impl Fn(&mut Value)) -> Option<Table> {
    let (first, rest) = path.split_first()?;
    let mut copy = recipe.clone();
    let mut value = copy.get_mut(first)?;
    for part in rest {
        value = match value {
            Value::Table(table) => table.get_mut(part)?,
            Value::Array(list) => list.get_mut(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    change(value);
    Some(copy)
}
