//! The order of a model's layers, which `config.json` tells.

use std::collections::HashMap;

use serde_json::Value;

/// Where the weights of each layer lie, in the order of the model; layers of a model within it follow it.
pub(super) fn paths(config: &[u8]) -> Result<Vec<String>, String> {
    let config: Value =
        serde_json::from_slice(config).map_err(|error| format!("config.json: {error}"))?;
    let mut found = Vec::new();
    collect(&config, "", &mut found);
    if found.is_empty() {
        return Err("config.json lists no layers: expected a sequential or functional model, since \
                    models of a class of their own do not tell the order of their layers; \
                    model.save_weights(\"w.weights.h5\") writes a file that can be read where there \
                    is one layer of a kind, or layers have the names of the recipe's"
            .to_owned());
    }
    Ok(found)
}

/// As `_save_container_state` of Keras names them: by class, and by number among those of a class.
fn collect(model: &Value, prefix: &str, found: &mut Vec<String>) {
    let Some(layers) = model["config"]["layers"].as_array() else { return };
    let mut used: HashMap<String, usize> = HashMap::new();
    for layer in layers {
        let class = snake_case(layer["class_name"].as_str().unwrap_or_default());
        let number = used.entry(class.clone()).or_default();
        let path = match *number {
            0 => format!("{prefix}layers/{class}"),
            number => format!("{prefix}layers/{class}_{number}"),
        };
        *number += 1;
        found.push(path.clone());
        collect(layer, &format!("{path}/"), found);
    }
}

/// `Conv2DTranspose` as `conv2d_transpose`: a word begins with a capital that small letters follow, and with
/// one that follows a small letter.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut snake = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if begins && before != Some('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `keras.src.utils.naming.to_snake_case` gives.
    #[test]
    fn classes_have_the_names_that_keras_gives_them() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("BatchNormalization", "batch_normalization"),
            ("PReLU", "p_re_lu"),
            ("Dense", "dense"),
            ("GELU", "gelu"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }

    #[test]
    fn models_within_models_come_where_they_stand() {
        let layer = |class: &str| format!(r#"{{"class_name": "{class}", "config": {{}}}}"#);
        let model = |class: &str, layers: &[String]| {
            let layers = layers.join(",");
            format!(r#"{{"class_name": "{class}", "config": {{"layers": [{layers}]}}}}"#)
        };
        let inner = model("Sequential", &[layer("Conv2D"), layer("Conv2D")]);
        let whole = model("Functional", &[layer("Conv2D"), inner, layer("Dense"), layer("Conv2D")]);
        let expected = [
            "layers/conv2d",
            "layers/sequential",
            "layers/sequential/layers/conv2d",
            "layers/sequential/layers/conv2d_1",
            "layers/dense",
            "layers/conv2d_1",
        ];
        assert_eq!(paths(whole.as_bytes()).expect("layers"), expected);
        for (text, part) in [("{", "config.json"), ("{\"config\": {}}", "lists no layers")] {
            assert!(paths(text.as_bytes()).is_err_and(|error| error.contains(part)), "{text}");
        }
    }
}
