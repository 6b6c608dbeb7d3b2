//! The JSON Schema of recipes says what recipes may be: what trains is valid, what is wrong is not, keys are
//! those that are read, and bounds are those that are checked. `docs/recipes.md` is made from it:
//! `VERIGRAD_BLESS=1 cargo test --test schema` writes it, a plain test compares.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[path = "random_networks/network.rs"]
#[expect(dead_code, reason = "only the recipes of networks are of use here")]
mod network;
#[path = "schema/order.rs"]
mod order;
#[path = "schema/page.rs"]
mod page;
#[path = "schema/places.rs"]
mod places;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use network::network;
use places::{Place, all_places};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use verigrad::train::{Recipe, builtin_recipes};

fn validator() -> Validator {
    jsonschema::draft7::new(&Recipe::json_schema()).expect("it is a schema")
}

/// What TOML says, in the types that JSON has.
fn as_json(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Why a recipe is not valid, if it is not.
fn complaint(validator: &Validator, text: &str) -> Option<String> {
    let recipe = as_json(text);
    let error = validator.iter_errors(&recipe).next()?;
    Some(format!("{}: {error}", error.instance_path()))
}

fn as_toml(recipe: &Value) -> String {
    toml::to_string(recipe).unwrap_or_else(|error| panic!("{error}: {recipe}"))
}

/// What the reader of recipes says, without their checks.
fn refusal(recipe: &Value) -> Option<String> {
    toml::from_str::<Recipe>(&as_toml(recipe)).err().map(|error| error.message().to_owned())
}

#[test]
fn recipes_that_train_are_valid() {
    let validator = validator();
    for recipe in builtin_recipes() {
        assert_eq!(complaint(&validator, recipe.text), None, "{}", recipe.name);
        let full = Recipe::builtin(recipe.name, &[]).and_then(|recipe| recipe.to_toml());
        let full = full.expect("built-in recipes are valid");
        assert_eq!(complaint(&validator, &full), None, "{} in full\n{full}", recipe.name);
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let network = network().new_tree(&mut runner).expect("networks are drawn").current();
        let text = network.toml();
        assert_eq!(complaint(&validator, &text), None, "{text}");
        let recipe = Recipe::parse("random", &text, &[]).expect("random networks are valid");
        let full = recipe.to_toml().expect("TOML");
        assert_eq!(complaint(&validator, &full), None, "{full}");
    }
}

#[test]
fn wrong_recipes_are_invalid() {
    let validator = validator();
    let digits = as_json(builtin_recipes()[0].text);
    for (key, value) in [
        ("/epochs", json!("ten")),
        ("/epochs", json!(-1)),
        ("/batch_size", json!(0)),
        ("/batch_sise", json!(1)),
        ("/name", json!("a/b")),
        ("/seed", json!("many")),
        ("/seed", json!(-1)),
        ("/accumulate", json!(0)),
        ("/label_smoothing", json!(1.0)),
        ("/freeze", json!("conv1")),
        ("/best_by", json!("loss")),
        ("/sampler", json!("random")),
        ("/class_weights", json!("even")),
        ("/class_weights", json!([-1.0, 1.0])),
        ("/class_weights", json!({ "newt": "much" })),
        ("/loss", json!("l2")),
        ("/loss", json!({ "huber": { "delta": 0.0 } })),
        ("/precision", json!("bf16")),
        ("/learning_rate_factors", json!({ "conv*": 0.0 })),
        ("/data/dataset", json!("mnists")),
        ("/data/validation", json!(1.0)),
        ("/data/image_size", json!(64)),
        ("/data/image_size", json!([64, 64, 3])),
        ("/data/shuffle", json!(true)),
        ("/optimizer", json!({ "type": "lion", "learning_rate": 0.1 })),
        ("/optimizer", json!({ "type": "adam" })),
        ("/optimizer", json!({ "learning_rate": 0.1 })),
        ("/optimizer", json!({ "type": "adam", "learning_rate": 0.1, "momentum": 0.9 })),
        ("/optimizer", json!({ "type": "sgd", "learning_rate": 0.0 })),
        ("/optimizer", json!({ "type": "sgd", "learning_rate": 0.1, "nesterov": 1 })),
        ("/schedule", json!({ "decay": "linear" })),
        ("/schedule", json!({ "decay": { "cosine": { "factor": 0.1 } } })),
        ("/schedule", json!({ "decay": { "step": { "every": 0, "factor": 0.5 } } })),
        ("/augment", json!({ "rotation": 180 })),
        ("/augment", json!({ "horizontal_flip": "sometimes" })),
        ("/augment", json!({ "mixup": 0.001 })),
        ("/augment", json!({ "random_crop": 4 })),
        ("/checkpoint", json!({ "every": 0 })),
        ("/checkpoint", json!({ "every": "day" })),
        ("/checkpoint", json!({ "keep": 0 })),
        ("/histograms", json!({ "bins": 100 })),
        ("/plateau", json!({ "factor": 1.0 })),
        ("/budget", json!({ "hours": 1 })),
        ("/layers", json!([])),
        ("/layers", json!({ "type": "flatten" })),
        ("/layers/0/type", json!("conv3d")),
        ("/layers/0/kernel_size", json!([3, 3, 3])),
        ("/layers/0/kernel_size", json!(0)),
        ("/layers/0/padding", json!("full")),
        ("/layers/0/padding", json!([1, 1])),
        ("/layers/0/activation", json!("swish")),
        ("/layers/0/units", json!(3)),
        ("/layers/0/init", json!({ "normal": -0.1 })),
        ("/layers/0/init", json!("normal")),
        ("/layers/0", json!({ "type": "residual", "layers": [{ "type": "dropout", "rate": 1 }] })),
        ("/layers/0", json!({ "type": "concat", "branches": [{ "type": "flatten" }] })),
        ("/model", json!({ "type": "resnet" })),
    ] {
        let mut wrong = digits.clone();
        let (table, last) = key.rsplit_once('/').expect("a path");
        match wrong.pointer_mut(table) {
            Some(Value::Object(table)) => {
                table.insert(last.to_owned(), value.clone());
            }
            Some(Value::Array(list)) => {
                list[last.parse::<usize>().expect("a place")] = value.clone()
            }
            _ => panic!("digits has no {table}"),
        }
        let text = as_toml(&wrong);
        assert!(complaint(&validator, &text).is_some(), "the schema lets {key} = {value} pass");
        assert!(Recipe::parse("x", &text, &[]).is_err(), "{key} = {value} can be trained");
    }
}

/// A key that no table has is refused by the name of those that it has.
#[test]
fn keys_are_those_that_are_read() {
    let schema = Recipe::json_schema();
    let mut tables = 0;
    for place in all_places(&schema) {
        let Place::Table { properties, recipe, .. } = &place else { continue };
        let Some(message) = refusal(&recipe(json!({ "no_such_key": 1 }))) else {
            panic!("a table takes any key, but the schema has these: {properties:?}")
        };
        // As serde says it, and as the reader of TOML does of variants.
        let known: BTreeSet<&str> = match message.split_once("available keys: ") {
            Some((_, known)) => known.split(", ").collect(),
            None => {
                let known = message.split_once("`no_such_key`");
                let (_, known) = known.unwrap_or_else(|| panic!("{message}: {properties:?}"));
                known.split('`').skip(1).step_by(2).collect()
            }
        };
        // The tag of a table is read before its other keys.
        let expected: BTreeSet<&str> =
            properties.iter().map(String::as_str).filter(|key| *key != "type").collect();
        assert_eq!(known, expected, "read, and in the schema");
        tables += 1;
    }
    assert!(tables >= 40, "the schema has {tables} tables");
}

/// What lies beyond a bound is refused, and the message names the key.
#[test]
fn bounds_are_those_that_are_checked() {
    let schema = Recipe::json_schema();
    let mut bounds = 0;
    for place in all_places(&schema) {
        let Place::Number { path, bounds: found, recipe } = &place else { continue };
        for beyond in found {
            let text = as_toml(&recipe(beyond.clone()));
            let Err(error) = Recipe::parse("x", &text, &[]) else {
                panic!("{path} = {beyond} can be trained\n{text}")
            };
            // Of `init = { normal = -1.0 }`, the layer knows the key `init`.
            let message = error.to_string();
            let is_named = path.rsplit('.').take(2).any(|key| message.contains(key));
            assert!(is_named, "{path} = {beyond}: {message}\n{text}");
            bounds += 1;
        }
    }
    assert!(bounds > 100, "the schema has {bounds} bounds");
}

/// Layers, optimizers and models each have an example, which readers accept.
#[test]
fn what_has_a_type_has_an_example() {
    let schema = Recipe::json_schema();
    let validator = validator();
    for (definition, key) in
        [("Layer", "layers"), ("OptimizerConfig", "optimizer"), ("ModelConfig", "model")]
    {
        let kinds = schema["definitions"][definition]["oneOf"].as_array().expect("kinds");
        for kind in kinds {
            let name = &kind["properties"]["type"]["const"];
            let example = &kind["examples"][0];
            assert_eq!(example["type"], *name, "the example of {name}");
            let mut recipe = json!({
                "name": "x", "epochs": 1, "batch_size": 1, "data": { "dataset": "folder" },
            });
            if key == "optimizer" {
                recipe["layers"] = json!([{ "type": "flatten" }]);
            }
            recipe[key] = if key == "layers" { json!([example]) } else { example.clone() };
            let text = as_toml(&recipe);
            assert_eq!(complaint(&validator, &text), None, "{text}");
            Recipe::parse("x", &text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
}

#[test]
fn every_key_and_word_is_described() {
    let schema = Recipe::json_schema();
    let mut missing = Vec::new();
    places::visit(&schema, "recipe", &mut |path, part| {
        let has_none = |part: &Value| part.get("description").is_none();
        if part.get("const").is_some_and(Value::is_string)
            && !path.ends_with("/type")
            && has_none(part)
        {
            missing.push(path.to_owned());
        }
        let Some(properties) = part.get("properties").and_then(Value::as_object) else { return };
        // The name of a variant is described with the variant.
        let is_variant = properties.len() == 1 && path.contains("/oneOf/") && !has_none(part);
        let keys = properties.iter().filter(|(key, part)| *key != "type" && has_none(part));
        missing.extend(keys.filter(|_| !is_variant).map(|(key, _)| format!("{path}/{key}")));
    });
    assert!(missing.is_empty(), "without a description:\n{}", missing.join("\n"));
}

#[test]
fn the_page_is_made_from_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes.md");
    let made = page::page(&Recipe::json_schema());
    if std::env::var_os("VERIGRAD_BLESS").is_some() {
        fs::write(&path, &made).expect("docs/ can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let first = made.lines().zip(found.lines()).find(|(made, found)| made != found);
    assert!(
        made == found,
        "docs/recipes.md is not what the schema says, first here: {first:#?}\nwrite it by VERIGRAD_BLESS=1"
    );
}
