//! The order in which types declare their keys, which a schema does not keep: from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Fields, Item};

/// Keys in their order, by the set of them.
pub struct Order(BTreeMap<BTreeSet<String>, Vec<String>>);

impl Order {
    /// Of all types below `src/` that have a schema.
    pub fn of_sources() -> Self {
        let mut order = BTreeMap::new();
        let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).expect("src/ can be read");
                pending.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source can be read");
            if !text.contains("JsonSchema)]") {
                continue;
            }
            let file = syn::parse_file(&text).expect("a source can be parsed");
            for item in file.items {
                let all: Vec<Fields> = match item {
                    Item::Struct(item) => vec![item.fields],
                    Item::Enum(item) => item.variants.into_iter().map(|v| v.fields).collect(),
                    _ => continue,
                };
                for fields in all {
                    let names = fields.iter().filter_map(|field| field.ident.as_ref());
                    let names: Vec<String> = names.map(ToString::to_string).collect();
                    order.insert(names.iter().cloned().collect(), names);
                }
            }
        }
        Self(order)
    }

    /// The keys of a table; its `type` comes first.
    pub fn of<'a>(&self, keys: impl Iterator<Item = &'a String>) -> Vec<String> {
        let (tag, keys): (Vec<String>, Vec<String>) =
            keys.cloned().partition(|key| key.as_str() == "type");
        let known = self.0.get(&keys.iter().cloned().collect());
        tag.into_iter().chain(known.cloned().unwrap_or(keys)).collect()
    }
}
