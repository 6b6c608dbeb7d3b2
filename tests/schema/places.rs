//! Where a schema has tables and numbers, each with recipes that hold another value at that place.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value, json};

/// A recipe that holds a value at a place; a table is completed by the keys that it needs.
type InRecipe<'a> = Box<dyn Fn(Value) -> Value + 'a>;

/// A place in recipes.
pub enum Place<'a> {
    /// A table with these keys.
    Table { properties: Vec<String>, recipe: InRecipe<'a> },
    /// A number at a path of keys, with the values next to its bounds that lie beyond them.
    Number { path: String, bounds: Vec<Value>, recipe: InRecipe<'a> },
}

/// All places of a schema, once for each table and number that it describes.
pub fn all_places(schema: &Value) -> Vec<Place<'_>> {
    let mut walk = Walk { root: schema, seen: BTreeSet::new(), places: Vec::new() };
    walk.look(schema, ("recipe", false), Rc::new(|recipe| recipe));
    walk.places
}

/// Calls `look` with each part of a schema and its path.
pub fn visit(schema: &Value, path: &str, look: &mut dyn FnMut(&str, &Value)) {
    look(path, schema);
    match schema {
        Value::Object(table) => {
            for (key, part) in table.iter().filter(|(key, _)| *key != "examples") {
                visit(part, &format!("{path}/{key}"), look);
            }
        }
        Value::Array(list) => {
            for (i, part) in list.iter().enumerate() {
                visit(part, &format!("{path}/{i}"), look);
            }
        }
        _ => {}
    }
}

/// What a schema, or the definition that it names, says.
pub fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let named = schema.get("$ref").or_else(|| schema.get("allOf")?.get(0)?.get("$ref"));
    let name = named.and_then(Value::as_str).and_then(|path| path.strip_prefix("#/"));
    name.map_or(schema, |path| &root[path.split('/').next().unwrap_or("")][last(path)])
}

pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

struct Walk<'a> {
    root: &'a Value,
    /// Definitions that were looked at: layers hold layers.
    seen: BTreeSet<*const Value>,
    places: Vec<Place<'a>>,
}

type Around<'a> = Rc<dyn Fn(Value) -> Value + 'a>;

impl<'a> Walk<'a> {
    /// Looks at what a path of keys leads to; `is_choice` where that is one of several.
    fn look(&mut self, schema: &'a Value, (key, is_choice): (&str, bool), around: Around<'a>) {
        let target = resolved(self.root, schema);
        if !std::ptr::eq(target, schema) && !self.seen.insert(target) {
            return;
        }
        let root = self.root;
        for choice in
            ["oneOf", "anyOf"].iter().filter_map(|key| target.get(key)?.as_array()).flatten()
        {
            // Of the recipe itself, these are sets of keys.
            if choice.get("required").is_none() || choice.get("properties").is_some() {
                self.look(choice, (key, true), around.clone());
            }
        }
        if let Some(bounds) = beyond(target) {
            let around = around.clone();
            let recipe: InRecipe<'a> = Box::new(move |value| around(value));
            self.places.push(Place::Number { path: key.to_owned(), bounds, recipe });
        }
        if let Some(item) = target.get("items") {
            let count = target.get("minItems").and_then(Value::as_u64).unwrap_or(1).max(1);
            let around = around.clone();
            self.look(
                item,
                (key, false),
                Rc::new(move |value| {
                    around(Value::Array((0..count).map(|_| value.clone()).collect()))
                }),
            );
        }
        let Some(properties) = target.get("properties").and_then(Value::as_object) else { return };
        let base = move || Value::Object(needed(root, target));
        // Choices without a tag are the name of a variant, which holds the table.
        if !is_choice || properties.contains_key("type") {
            let names = properties.keys().cloned().collect();
            let around = around.clone();
            let recipe: InRecipe<'a> = Box::new(move |more| around(joined(base(), more)));
            self.places.push(Place::Table { properties: names, recipe });
        }
        for (name, property) in properties.iter().filter(|(name, _)| *name != "type") {
            let around = around.clone();
            let inside = move |value: Value| around(joined(base(), json!({ name: value })));
            self.look(property, (&format!("{key}.{name}"), false), Rc::new(inside));
        }
    }
}

fn joined(mut table: Value, more: Value) -> Value {
    if let (Value::Object(table), Value::Object(more)) = (&mut table, more) {
        // A model stands in place of layers.
        if more.contains_key("model") {
            table.remove("layers");
        }
        table.extend(more);
    }
    table
}

/// The keys that a table needs, with values that fit.
fn needed(root: &Value, schema: &Value) -> Map<String, Value> {
    let required = schema.get("required").and_then(Value::as_array);
    let keys = required.into_iter().flatten().filter_map(Value::as_str);
    let mut table: Map<String, Value> =
        keys.map(|key| (key.to_owned(), fitting(root, &schema["properties"][key]))).collect();
    if table.contains_key("batch_size") {
        table.insert("layers".to_owned(), json!([{ "type": "flatten" }]));
    }
    table
}

/// A value that a schema allows.
fn fitting(root: &Value, schema: &Value) -> Value {
    let schema = resolved(root, schema);
    if let Some(word) = schema.get("const") {
        return word.clone();
    }
    if let Some(first) = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.get(0)) {
        return fitting(root, first);
    }
    match schema["type"].as_str() {
        Some("string") => json!("x"),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => Value::Object(needed(root, schema)),
        Some("number") => json!(0.5),
        _ => json!(1),
    }
}

/// Values just beyond the bounds of a number.
fn beyond(schema: &Value) -> Option<Vec<Value>> {
    let is_whole = match schema.get("type")?.as_str()? {
        "integer" => true,
        "number" => false,
        _ => return None,
    };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let number = |x: f64| {
        if is_whole {
            serde_json::from_str(&format!("{x:.0}")).expect("a whole number")
        } else {
            json!(x)
        }
    };
    let mut values: Vec<Value> = Vec::new();
    values.extend(bound("minimum").map(|least| number(least - 1.0)));
    // Beyond the largest integer of TOML there is nothing to write.
    let largest = bound("maximum").filter(|most| *most < 1e18);
    values.extend(largest.map(|most| number(most + 1.0)));
    values.extend(bound("exclusiveMinimum").map(number));
    values.extend(bound("exclusiveMaximum").map(number));
    if schema.get("enum").is_some() {
        values.push(json!(9));
    }
    (!values.is_empty()).then_some(values)
}
