//! The JSON Schema of recipes: what types and their documentation say of each key, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Number, Value};

use super::schema::Recipe;
use crate::tensor::Real as _;

impl Recipe {
    /// The JSON Schema of recipes, of draft 7, which editors of TOML know: each key with its type, default,
    /// bounds and description.
    ///
    /// What it refuses, [`Self::parse`] refuses, too, but for numbers such as `2.0`, which JSON holds for whole.
    /// What only several keys together can tell, it does not know.
    pub fn json_schema() -> Value {
        let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(tidy));
        settings.into_generator().into_root_schema_for::<Self>().to_value()
    }
}

/// Makes of what follows from Rust types what holds for TOML.
fn tidy(schema: &mut Schema) {
    let Some(schema) = schema.as_object_mut() else { return };
    leave_out_null(schema);
    // Types of Rust, which no editor knows. The smaller ones have bounds.
    if let Some(Value::String(format)) = schema.remove("format")
        && format == "uint32"
    {
        schema.insert("maximum".to_owned(), u32::MAX.into());
    }
    for key in ["default", "minimum", "maximum"] {
        if let Some(value) = schema.get_mut(key) {
            shorten_numbers(value);
        }
    }
    if let Some(Value::String(text)) = schema.get("description") {
        let (text, examples) = (readable(text), examples(text));
        schema.insert("description".to_owned(), text.into());
        if !examples.is_empty() {
            schema.insert("examples".to_owned(), examples.into());
        }
    }
}

/// A key that may be absent is a value or null for Rust; TOML has no null.
fn leave_out_null(schema: &mut Map<String, Value>) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|ty| ty != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|ty| ty != "null"));
        if choices.len() == 1
            && let Some(choices) = schema.remove("anyOf")
        {
            // Beside a reference, nothing else would count.
            schema.insert("allOf".to_owned(), choices);
        }
    }
}

/// Numbers of 32 bits by as few digits as tell them apart: 0.1, and not 0.10000000149011612.
fn shorten_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or_default();
            let narrow = f32::from_f64(wide);
            if f64::from(narrow) == wide
                && let Some(short) = narrow.to_string().parse().ok().and_then(Number::from_f64)
            {
                *number = short;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(shorten_numbers),
        Value::Object(table) => table.values_mut().for_each(shorten_numbers),
        _ => {}
    }
}

/// Documentation as Markdown for whoever writes TOML: paragraphs in one line, links as what they show, and
/// without examples in Rust.
fn readable(documentation: &str) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut fence: Option<bool> = None;
    let mut goes_on = false;
    for line in documentation.lines() {
        let is_fence = line.starts_with("```");
        let is_shown = fence.unwrap_or(true);
        match (is_fence, fence) {
            (true, None) => {
                let is_toml = line == "```toml";
                fence = Some(is_toml);
                if is_toml {
                    blocks.push(line.to_owned());
                } else if let Some(announced) =
                    blocks.last_mut().and_then(|text| text.strip_suffix(':'))
                {
                    let whole = format!("{announced}.");
                    blocks.pop();
                    blocks.push(whole);
                }
            }
            (_, Some(_)) => {
                if is_shown && let Some(block) = blocks.last_mut() {
                    *block += &format!("\n{line}");
                }
                if is_fence {
                    fence = None;
                }
            }
            (false, None) if line.is_empty() => {}
            (false, None) => {
                let line = without_links(line);
                match blocks.last_mut().filter(|_| goes_on) {
                    Some(paragraph) => *paragraph += &format!(" {}", line.trim_start()),
                    None => blocks.push(line),
                }
            }
        }
        goes_on = !is_fence && !line.is_empty() && fence.is_none();
    }
    blocks.join("\n\n")
}

/// [`Name`] and [`Name`](path), which lead into the documentation of Rust, as `Name`.
fn without_links(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("[`") {
        text += before;
        let Some((name, behind)) = after.split_once("`]") else {
            text += "[`";
            rest = after;
            continue;
        };
        text += &format!("`{name}`");
        let target = behind.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(behind, |(_, behind)| behind);
    }
    text + rest
}

/// The values that the TOML in a documentation gives to what it documents: a section, or the last of a list.
fn examples(documentation: &str) -> Vec<Value> {
    let blocks = documentation.split("```toml\n").skip(1);
    let texts = blocks.filter_map(|block| block.split("```").next());
    let tables = texts.filter_map(|text| toml::from_str::<Map<String, Value>>(text).ok());
    let values = tables.filter_map(|table| table.into_values().next());
    values
        .filter_map(|value| match value {
            Value::Array(mut list) => list.pop(),
            value => Some(value),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_becomes_markdown_for_editors() {
        let text = "A [`Flatten`](super::Flatten), or\n[`Self`], in [0, 1):\n\n```\nlet x = 1;\n```\n\n\
                    ```toml\n[a]\nb = 1\n```\nThe end.";
        let expected = "A `Flatten`, or `Self`, in [0, 1).\n\n```toml\n[a]\nb = 1\n```\n\nThe end.";
        assert_eq!(readable(text), expected);
        assert_eq!(examples(text), [serde_json::json!({ "b": 1 })]);
    }

    #[test]
    fn numbers_of_32_bits_have_their_own_digits() {
        let mut value = serde_json::json!([0.1_f32, 0.1, 1e-5_f32, 3, 0.5]);
        shorten_numbers(&mut value);
        assert_eq!(value, serde_json::json!([0.1, 0.1, 1e-5, 3, 0.5]));
    }
}
