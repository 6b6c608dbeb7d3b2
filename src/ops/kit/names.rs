//! Names of what can be chosen, for cases and messages.

use serde::Serialize;

/// The name under which a choice, an enum without fields, stands in attributes and recipes.
pub(in crate::ops) fn name_of(choice: &impl Serialize) -> String {
    let name = serde_json::to_value(choice).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}
