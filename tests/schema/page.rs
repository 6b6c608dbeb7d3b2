//! The reference of recipes as a page of Markdown: a section for each table, layer, optimizer, model and
//! schedule, with a table of keys, and a section for each set of words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::order::Order;
use crate::places::{last, resolved};

const INTRODUCTION: &str = "\
# Keys of a recipe

Every key that a recipe can have. The types that read recipes say it all: this page is made from their schema, and
`verigrad recipes schema` prints that for [editors](writing-recipes.md#in-an-editor). Keys in bold must be given. A key that has
no default may be left out; then nothing of the kind happens, or its description says what does. Bounds: [0, 1]
includes both, [0, 1) does not include 1. Sizes are numbers, or `[height, width]`.

```toml
name = \"my-mlp\"
epochs = 5
batch_size = 64

[data]
dataset = \"synthetic-digits\"

[[layers]]
type = \"flatten\"

[[layers]]
type = \"dense\"
```

The examples below are sections of such a recipe.
";

/// A recipe to which the sections of models belong.
const WITH_MODEL: &str = "\
```toml
name = \"my-model\"
epochs = 90
batch_size = 256

[data]
dataset = \"folder\"
path = \"imagenet\"
image_size = [224, 224]

[model]
type = \"resnet\"
```
";

/// Tables of which one is chosen by its `type`, or by its name: a section for each.
const KINDS: [(&str, &str); 4] = [
    ("Layer", "Layer"),
    ("OptimizerConfig", "Optimizer"),
    ("ModelConfig", "Model"),
    ("Decay", "Decay"),
];

/// The page that a schema makes.
pub fn page(schema: &Value) -> String {
    let writer = Writer { root: schema, order: Order::of_sources() };
    let mut sections = vec![format!("## The recipe\n\n{}", writer.table(schema))];
    let properties = schema["properties"].as_object().expect("a recipe has keys");
    let mut keys = writer.order.of(properties.keys());
    // Behind the layers, in whose place it stands: with a recipe of its own.
    keys.sort_by_key(|key| key == "model");
    let mut words: Vec<String> = Vec::new();
    let mut contents = vec!["- [The recipe](#the-recipe)".to_owned()];
    for key in &keys {
        words.extend(writer.words_of(&properties[key]));
        let Some(text) = writer.section(key, &properties[key]) else { continue };
        let heading = if key == "layers" { "[[layers]]".to_owned() } else { format!("[{key}]") };
        contents.push(format!("- [`{heading}`](#{key})"));
        sections.push(format!("## `{heading}`\n\n{text}"));
    }
    let mut seen = BTreeSet::new();
    words.retain(|name| seen.insert(name.clone()));
    contents.push("- [Words](#words)".to_owned());
    let mut text = format!("{INTRODUCTION}\n{}\n", contents.join("\n"));
    for section in sections {
        let _ = write!(text, "\n{section}");
    }
    text += "\n## Words\n\nWhat may stand where the tables above refer here.\n";
    for name in words {
        let definition = &schema["definitions"][&name];
        let _ = write!(text, "\n### Words: {}\n\n{}", in_words(&name), writer.words(definition));
    }
    text
}

struct Writer<'a> {
    root: &'a Value,
    order: Order,
}

impl<'a> Writer<'a> {
    /// What a top-level key holds, where that is a table or a list of tables.
    fn section(&self, key: &str, schema: &'a Value) -> Option<String> {
        let items = schema.get("items").unwrap_or(schema);
        let target = resolved(self.root, items);
        let name = definition_name(items)?;
        let mut text = format!("{}\n", description(target));
        if let Some((_, title)) = KINDS.iter().find(|(definition, _)| *definition == name) {
            if key == "model" {
                let _ = write!(text, "\n{WITH_MODEL}");
            }
            text += &self.kinds(title, target);
            return Some(text);
        }
        target.get("properties")?;
        let _ = write!(text, "\n{}", self.table(target));
        // Tables inside, and schedules.
        for (inner, property) in self.properties(target) {
            let Some(name) = definition_name(property) else { continue };
            let definition = resolved(self.root, property);
            if let Some((_, title)) = KINDS.iter().find(|(kind, _)| *kind == name) {
                let _ = write!(text, "\n### {title}\n\n{}\n", description(definition));
                text += &self.kinds(title, definition);
            } else if definition.get("properties").is_some() {
                let _ = write!(
                    text,
                    "\n### Table `{inner}`\n\n{}\n\n{}",
                    description(definition),
                    self.table(definition)
                );
            }
        }
        Some(text)
    }

    /// A section for each kind of table, or for each word or variant.
    fn kinds(&self, title: &str, schema: &'a Value) -> String {
        let mut text = String::new();
        for kind in schema["oneOf"].as_array().expect("kinds") {
            let tag = &kind["properties"]["type"]["const"];
            let variant = kind["properties"].as_object().and_then(|table| table.iter().next());
            let (name, table) = match (tag.as_str(), kind["const"].as_str(), variant) {
                (Some(tag), ..) => (tag, Some(kind)),
                (_, Some(word), _) => (word, None),
                (_, _, Some((name, inner))) => (name.as_str(), Some(inner)),
                _ => continue,
            };
            let _ = write!(text, "\n### {title} `{name}`\n\n{}\n", description(kind));
            let keys = table.map_or_else(String::new, |table| self.table(table));
            if !keys.is_empty() {
                let _ = write!(text, "\n{keys}");
            }
        }
        text
    }

    /// The keys of a table, in their order.
    fn properties(&self, schema: &'a Value) -> Vec<(String, &'a Value)> {
        let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
        let keys = self.order.of(properties.keys());
        keys.into_iter()
            .map(|key| {
                let property = &properties[&key];
                (key, property)
            })
            .collect()
    }

    fn table(&self, schema: &'a Value) -> String {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |key: &str| required.is_some_and(|keys| keys.iter().any(|needed| needed == key));
        let rows = self.properties(schema).into_iter().filter(|(key, _)| key != "type");
        let rows: Vec<String> = rows
            .map(|(key, property)| {
                let shown =
                    if is_required(&key) { format!("**`{key}`**") } else { format!("`{key}`") };
                let default = property.get("default").filter(|value| !value.is_object());
                let default = default.map_or_else(String::new, |value| format!("`{value}`"));
                let is_section = schema.get("title").is_some();
                let ty = if is_section && self.section(&key, property).is_some() {
                    let section = if key == "layers" { "tables" } else { "table" };
                    format!("[{section}](#{key})")
                } else {
                    self.ty(&key, property)
                };
                let what = cell(&description(property));
                format!("| {shown} | {} | {default} | {what} |", cell(&ty))
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        format!(
            "| key | type | default | what it is |\n| --- | --- | --- | --- |\n{}\n",
            rows.join("\n")
        )
    }

    /// What may stand behind a key.
    fn ty(&self, key: &str, schema: &'a Value) -> String {
        if let Some(name) = definition_name(schema) {
            let definition = resolved(self.root, schema);
            if name == "Layer" {
                return "[layer](#layers)".to_owned();
            }
            if let Some((_, title)) = KINDS.iter().find(|(kind, _)| *kind == name) {
                return format!("[{}](#{})", title.to_lowercase(), title.to_lowercase());
            }
            return if definition.get("properties").is_some() {
                format!("[table](#table-{key})")
            } else {
                let words = in_words(name);
                format!("[{words}](#words-{})", words.replace(' ', "-"))
            };
        }
        if let Some(word) = schema.get("const") {
            return format!("`{word}`");
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            return values.join(", ");
        }
        if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array())
        {
            let mut choices: Vec<String> =
                choices.iter().map(|choice| self.ty(key, choice)).collect();
            // A size, or one for height and one for width, within the same bounds.
            if let [one, both] = choices.as_slice()
                && *both == format!("`[_, _]` of {one}")
            {
                choices = vec![one.replacen("whole number", "size", 1)];
            }
            return choices.join(" or ");
        }
        match schema["type"].as_str() {
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => format!("whole number{}", range(schema)),
            Some("number") => format!("number{}", range(schema)),
            Some("array") => self.list(key, schema),
            Some("object") => match schema.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let inside = |(name, inner): (&String, &'a Value)| {
                        let inner = if inner.get("properties").is_some() {
                            format!("{{ {} }}", self.inline(inner))
                        } else {
                            self.ty(name, inner)
                        };
                        format!("{name} = {inner}")
                    };
                    let all: Vec<String> = properties.iter().map(inside).collect();
                    format!("`{{ {} }}`", all.join(", "))
                }
                None => {
                    format!(
                        "table of names, each with a {}",
                        self.ty(key, &schema["additionalProperties"])
                    )
                }
            },
            _ if schema["pattern"].as_str().is_some_and(|text| text.starts_with("^[0-9]")) => {
                "number in quotes".to_owned()
            }
            _ => "text".to_owned(),
        }
    }

    fn inline(&self, schema: &'a Value) -> String {
        let inside =
            |(name, inner): (String, &'a Value)| format!("{name} = {}", self.ty(&name, inner));
        self.properties(schema).into_iter().map(inside).collect::<Vec<_>>().join(", ")
    }

    fn list(&self, key: &str, schema: &'a Value) -> String {
        let item = self.ty(key, &schema["items"]);
        let counts = ["minItems", "maxItems"].map(|key| schema.get(key).and_then(Value::as_u64));
        match counts {
            [Some(least), Some(most)] if least == most => {
                let places = vec!["_"; usize::try_from(most).unwrap_or(1)].join(", ");
                format!("`[{places}]` of {item}")
            }
            [_, Some(most)] => format!("list of up to {most}: {item}"),
            _ => format!("list: {item}"),
        }
    }

    /// Names of the definitions that are sets of words, in and below a schema, in the order of keys.
    fn words_of(&self, schema: &'a Value) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_words(schema, &mut found, &mut BTreeSet::new());
        found
    }

    fn collect_words(
        &self,
        schema: &'a Value,
        found: &mut Vec<String>,
        seen: &mut BTreeSet<*const Value>,
    ) {
        let target = resolved(self.root, schema);
        if let Some(name) = definition_name(schema) {
            if !seen.insert(target) {
                return;
            }
            if target.get("properties").is_none() && !KINDS.iter().any(|(kind, _)| *kind == name) {
                found.push(name.to_owned());
            }
        }
        let choices = ["oneOf", "anyOf"].iter().filter_map(|key| target.get(key)?.as_array());
        for part in choices.flatten().chain(target.get("items")) {
            self.collect_words(part, found, seen);
        }
        for (_, property) in self.properties(target) {
            self.collect_words(property, found, seen);
        }
    }

    /// A set of words, each with what it means.
    fn words(&self, schema: &'a Value) -> String {
        let choices = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array());
        let rows = choices.into_iter().flatten().map(|choice| {
            format!("| {} | {} |", cell(&self.ty("", choice)), cell(&description(choice)))
        });
        let rows: Vec<String> = rows.collect();
        format!(
            "{}\n\n| value | what it means |\n| --- | --- |\n{}\n",
            description(schema),
            rows.join("\n")
        )
    }
}

/// The definition that a schema names.
fn definition_name(schema: &Value) -> Option<&str> {
    let named = schema.get("$ref").or_else(|| schema.get("allOf")?.get(0)?.get("$ref"))?;
    named.as_str().map(last)
}

/// `FillMode` as `fill mode`.
fn in_words(name: &str) -> String {
    let name = name.strip_suffix("Config").unwrap_or(name);
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// A text as a cell: in one line, without blocks, and without bars.
fn cell(text: &str) -> String {
    let prose = text.split("\n\n```").next().unwrap_or_default();
    prose.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|")
}

/// The bounds of a number, in front of which a blank stands.
fn range(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).map(|value| plain(value.as_f64().unwrap_or_default()));
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let least = bound("minimum").filter(|least| schema["type"] != "integer" || *least != "0");
    match (least, above, bound("maximum"), below) {
        (Some(least), _, Some(most), _) => format!(" in [{least}, {most}]"),
        (Some(least), _, _, Some(below)) => format!(" in [{least}, {below})"),
        (_, Some(above), Some(most), _) => format!(" in ({above}, {most}]"),
        (_, Some(above), _, Some(below)) => format!(" in ({above}, {below})"),
        (Some(least), ..) => format!(", at least {least}"),
        (_, Some(above), ..) => format!(" above {above}"),
        // All whole numbers have some largest one.
        (_, _, Some(most), _) if schema["type"] != "integer" => format!(" up to {most}"),
        _ => String::new(),
    }
}

/// A number in digits, or by a power of ten where it is tiny.
fn plain(number: f64) -> String {
    if number != 0.0 && number.abs() < 1e-6 { format!("{number:e}") } else { number.to_string() }
}
