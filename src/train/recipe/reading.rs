//! Recipes as TOML text: read with their overrides, and written with every default.

use super::check::Wrong;
use super::loss::Loss;
use super::schema::Recipe;
use super::{blame, overrides};
use crate::nn::Layer;
use crate::train::{TrainError, builtin_recipes};

/// What is wrong with a value inside a list or table of a recipe that is TOML; none where the reader
/// itself knows the place.
fn wrong_inside(text: &str) -> Option<Wrong> {
    let table: toml::Table = text.parse().ok()?;
    let read = |table: &toml::Table| Recipe::deserialize_table(table).err();
    let message = read(&table)?;
    let is_inside =
        |key: &String| key.contains('.') || table.get(key).is_some_and(toml::Value::is_table);
    let key = blame::key_of(&table, &message, &read).filter(is_inside)?;
    Some(Wrong { key, message: in_words(&message) })
}

/// What the reader says, without the types of the language that it is written in.
fn in_words(message: &str) -> String {
    let types = [
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("u32", "a whole number"),
        ("f64", "a number"),
        ("f32", "a number"),
    ];
    types.into_iter().fold(message.to_owned(), |message, (ty, words)| {
        message.replace(&format!("expected {ty}"), &format!("expected {words}"))
    })
}

impl Recipe {
    /// Reads a recipe from TOML text; `origin` is its file or name, for messages. `overrides` are
    /// `key=value` pairs, with dots for tables and numbers for list positions:
    /// `optimizer.learning_rate=0.01`, `layers.0.out_channels=16`.
    ///
    /// # Errors
    /// Names the line of an unknown key or a wrong value.
    pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let fail = |message: String| TrainError::Recipe { recipe: origin.to_owned(), message };
        let recipe: Self = toml::from_str(text).map_err(|error| {
            let shown = || fail(in_words(&error.to_string()));
            wrong_inside(text).map_or_else(shown, |wrong| wrong.located(origin, text, &[]))
        })?;
        let mut recipe =
            if overrides.is_empty() { recipe } else { overrides::apply(text, overrides)? };
        if recipe.augment.random_resized_crop.is_some() && recipe.data.image_size.is_some() {
            recipe.data.stream = recipe.data.stream.or(Some(true));
        }
        let gives =
            |given: &String| given.split(['=', '.']).next().is_some_and(|key| key.trim() == "loss");
        let gives_loss = || {
            overrides.iter().any(gives)
                || text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("loss"))
        };
        if !recipe.data.task.is_classification() && !gives_loss() {
            recipe.loss = Loss::of_task(recipe.data.task);
        }
        match recipe.make_layers().and_then(|()| recipe.check()) {
            Ok(()) => Ok(recipe),
            Err(wrong) => Err(wrong.located(origin, text, overrides)),
        }
    }

    /// Finds a built-in recipe by name.
    ///
    /// # Errors
    /// When there is none of this name; the message lists them.
    pub fn builtin(name: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let found = builtin_recipes().iter().find(|recipe| recipe.name == name);
        match found {
            Some(recipe) => Self::parse(recipe.name, recipe.text, overrides),
            None => {
                let names: Vec<&str> = builtin_recipes().iter().map(|r| r.name).collect();
                Err(TrainError::Recipe {
                    recipe: name.to_owned(),
                    message: format!(
                        "there is no built-in recipe of this name (there are {}), and it is no \
                         path to a .toml file",
                        names.join(", ")
                    ),
                })
            }
        }
    }

    /// The recipe as TOML text.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        let mut recipe = self.clone();
        if recipe.model.is_some() {
            // They follow from the model.
            recipe.layers.clear();
        }
        // By way of a table: written directly, each type would be compiled for several serializers.
        let table = toml::Table::try_from(recipe).map_err(|error| TrainError::Recipe {
            recipe: self.name.clone(),
            message: error.to_string(),
        })?;
        Ok(table.to_string())
    }

    /// Makes the layers of `model`, and gives layers without a number of units one per class where
    /// the data set is known to have so many; for image folders, that waits for the folder.
    fn make_layers(&mut self) -> Result<(), Wrong> {
        if let Some(model) = &self.model {
            let wrong = |key: String, message| Err(Wrong { key, message });
            if !self.layers.is_empty() {
                let message = "give either a model or layers, not both".to_owned();
                return wrong("model".to_owned(), message);
            }
            model.check().or_else(|(key, message)| wrong(format!("model.{key}"), message))?;
            self.layers = model.plan().layers;
        }
        if let Some(classes) = self.data.dataset.classes() {
            self.layers = Layer::with_classes(&self.layers, classes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Dense;

    const TEXT: &str = r#"
name = "tiny"
epochs = 1
batch_size = 32

[data]
dataset = "synthetic-digits"

[optimizer]
type = "sgd"
learning_rate = 0.1

[[layers]]
type = "flatten"

[[layers]]
type = "dense"
units = 10
"#;

    #[test]
    fn a_recipe_survives_a_round_trip() {
        let recipe = Recipe::parse("tiny", TEXT, &[]).expect("valid");
        let again =
            Recipe::parse("again", &recipe.to_toml().expect("TOML"), &[]).expect("its own text");
        assert_eq!(recipe, again);
    }

    #[test]
    fn a_typo_is_reported_with_its_line() {
        let text = TEXT.replace("batch_size", "batch_sise");
        let error = Recipe::parse("tiny.toml", &text, &[]).expect_err("unknown key").to_string();
        assert!(error.contains("tiny.toml") && error.contains("line 4"), "{error}");
        assert!(error.contains("batch_sise") && error.contains("batch_size"), "{error}");
        let text = TEXT.replace("units", "unitz");
        let error = Recipe::parse("tiny.toml", &text, &[]).expect_err("unknown key").to_string();
        let expected = "recipe tiny.toml: line 18: layers.1.unitz: unknown field `unitz`";
        assert!(error.starts_with(expected), "{error}");
    }

    /// Sections that begin with their type, in both notations, at any depth; of two that are wrong in
    /// the same way, the first.
    #[test]
    fn typos_inside_of_sections_are_found() {
        let layers = "layers = [\n  { type = \"flatten\" },\n  { type = \"residual\", layers = [\n    \
                      { type = \"dense\", units = 10 },\n    { type = \"dense\", units = \"16\" },\n  \
                      ] },\n]\n";
        let (head, tail) = TEXT.split_once("[[layers]]").expect("layers");
        let nested = format!("{layers}{head}");
        let with = |from: &str, to: &str| TEXT.replace(from, to);
        let dense = "[[layers]]\ntype = \"dense\"\nunits = 1\nunits_ = 2\n";
        for (text, start) in [
            (
                with("units = 10", "units = \"16\""),
                "line 18: layers.1.units: invalid type: string \"16\", expected a whole number",
            ),
            (
                with(
                    "[[layers]]",
                    "[[layers]]\ntype = \"activation\"\nfunction = \"rellu\"\n[[layers]]",
                ),
                "line 15: layers.0.function: unknown variant `rellu`",
            ),
            (with("\"dense\"", "\"dens\""), "line 17: layers.1.type: unknown variant `dens`"),
            (with("learning_rate", "learning_rat"), "line 11: optimizer.learning_rat: unknown"),
            (with("\"sgd\"", "\"sgt\""), "line 10: optimizer.type: unknown variant `sgt`"),
            (with("learning_rate = 0.1", ""), "line 9: optimizer: missing field `learning_rate`"),
            (nested, "line 5: layers.1.layers.1.units: invalid type"),
            (format!("{head}{dense}{dense}[[layers]]{tail}"), "line 16: layers.0.units_: unknown"),
        ] {
            let error = Recipe::parse("x", &text, &[]).expect_err(start).to_string();
            assert!(error.starts_with(&format!("recipe x: {start}")), "{error}, not {start}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_reported_with_their_line() {
        for (line, optimizer, key) in [
            (11, "type = \"adam\"\nlearning_rate = 0.0", "optimizer.learning_rate"),
            (12, "type = \"adam\"\nlearning_rate = 0.1\nbeta1 = 1.5", "optimizer.beta1"),
            (12, "type = \"adamw\"\nlearning_rate = 0.1\nbeta2 = -0.1", "optimizer.beta2"),
            (12, "type = \"rmsprop\"\nlearning_rate = 0.1\nepsilon = nan", "optimizer.epsilon"),
            (12, "type = \"sgd\"\nlearning_rate = 0.1\nnesterov = true", "optimizer.nesterov"),
            (
                13,
                "type = \"sgd\"\nlearning_rate = 0.1\n[clipping]\nby_norm = -1.0",
                "clipping.by_norm",
            ),
        ] {
            let text = TEXT.replace("type = \"sgd\"\nlearning_rate = 0.1", optimizer);
            let error = Recipe::parse("x.toml", &text, &[]).expect_err(optimizer).to_string();
            let expected = format!("recipe x.toml: line {line}: {key}: ");
            assert!(error.starts_with(&expected), "{error}, not {expected}");
        }
        let set = ["optimizer.momentum=inf".to_owned()];
        let error = Recipe::parse("x.toml", TEXT, &set).expect_err("infinite").to_string();
        assert!(error.starts_with("--set optimizer.momentum=inf: momentum must"), "{error}");
    }

    #[test]
    fn overrides_reach_tables_and_lists() {
        let set = ["layers.1.units=12", "optimizer.learning_rate=0.5", "data.first=100"];
        let recipe = Recipe::parse("tiny", TEXT, &set.map(str::to_owned)).expect("valid");
        assert!(matches!(recipe.layers[1], Layer::Dense(Dense { units: 12, .. })));
        assert_eq!(recipe.data.first, Some(100));
        for wrong in ["epochs", "nonsense=1", "layers.7.units=1", "epochs=many", "epochs.x=1"] {
            let error = Recipe::parse("tiny", TEXT, &[wrong.to_owned()]).expect_err("wrong");
            assert!(error.to_string().starts_with("--set"), "{error}");
        }
    }

    #[test]
    fn a_model_becomes_layers_and_stays_a_model_in_text() {
        // Images that the model fits.
        let colors = TEXT.replace("synthetic-digits", "cifar10");
        let (head, _) = colors.split_once("[[layers]]").expect("layers");
        let text = format!("{head}[model]\ntype = \"vgg\"\nform = \"small\"\nwidth = 0.25\n");
        let deeper = ["model.depth=11".to_owned()];
        let recipe = Recipe::parse("vgg", &text, &deeper).expect("valid");
        assert!(matches!(recipe.layers.last(), Some(Layer::Dense(Dense { units: 10, .. }))));
        let written = recipe.to_toml().expect("TOML");
        assert!(written.contains("depth = 11") && !written.contains("layers"), "{written}");
        assert_eq!(Recipe::parse("again", &written, &[]).expect("its own text"), recipe);

        let both = format!("{text}[[layers]]\ntype = \"flatten\"\n");
        let error = Recipe::parse("x.toml", &both, &[]).expect_err("model and layers").to_string();
        assert!(error.contains("line 13: model: give either"), "{error}");
        let wrong = text.replace("width = 0.25", "depth = 12");
        let error = Recipe::parse("x.toml", &wrong, &[]).expect_err("depth 12").to_string();
        assert!(error.contains("line 16: model.depth: must be 11, 13"), "{error}");
        let none = head.to_owned();
        let error = Recipe::parse("x.toml", &none, &[]).expect_err("no layers").to_string();
        assert!(error.contains("layers: must be at least 1"), "{error}");
    }

    #[test]
    fn a_dense_layer_without_units_has_one_per_class() {
        let text = TEXT.replace("units = 10\n", "");
        let units = |set: &str| {
            let recipe = Recipe::parse("x", &text, &[set.to_owned()]).expect("valid");
            match recipe.layers[1] {
                Layer::Dense(Dense { units, .. }) => units,
                _ => panic!("a dense layer"),
            }
        };
        assert_eq!(units("data.dataset=cifar100"), 100);
        // An image folder tells only when it is read.
        assert_eq!(units("data.dataset=folder"), 0);
    }

    #[test]
    fn built_in_recipes_are_valid() {
        for recipe in builtin_recipes() {
            let parsed = Recipe::builtin(recipe.name, &[]).expect("built-in recipes are valid");
            assert_eq!(parsed.name, recipe.name);
            assert!(!parsed.description.is_empty());
        }
        let error = Recipe::builtin("nonsense", &[]).expect_err("unknown");
        assert!(error.to_string().contains("mnist-cnn"), "{error}");
    }
}
