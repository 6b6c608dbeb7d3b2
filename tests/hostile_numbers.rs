//! Numbers that nobody should give: every numeric key of every table of a recipe, one after the other,
//! with values out of its range. All commands read recipes by one function, so that what it refuses, all
//! refuse alike; what it accepts must be summarized, compiled and, where no shape depends on it, trained.

use std::panic::{AssertUnwindSafe, catch_unwind};

use toml::{Table, Value};
use verigrad::compile::Picks;
use verigrad::data::{Splits, load};
use verigrad::exec::{CpuExecutor, Executor};
use verigrad::nn::summarize;
use verigrad::train::{Recipe, RunPrograms, Trainer, builtin_recipes};

/// A recipe with every table and every kind of layer. Its variants below have the other optimizers and
/// schedules.
const EVERYTHING: &str = r#"
name = "everything"
seed = 7
epochs = 2
batch_size = 8
label_smoothing = 0.1
accumulate = 2
learning_rate_factors = { dense1 = 0.5 }
data = { dataset = "synthetic-digits", train_size = 32, test_size = 16, seed = 3, split_seed = 1, validation = 0.25, first = 24, first_test = 8, mean = [0.2], std = [0.3] }
optimizer = { type = "adam", learning_rate = 1e-3, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-7, weight_decay = 1e-4 }
clipping = { by_norm = 1.0, by_value = 0.5 }
schedule = { warmup_steps = 2, decay = { cosine = { final_factor = 0.1 } } }
plateau = { factor = 0.5, patience = 2, min_delta = 1e-4, cooldown = 1, min_rate = 1e-6 }
early_stopping = { patience = 3, min_delta = 1e-4 }
ema = { decay = 0.9 }
budget = { steps = 3, minutes = 10.0 }
checkpoint = { every = 2, keep = 2 }
histograms = { every_epochs = 1, bins = 16 }
augment = { random_crop = { padding = 2 }, rotation = 5.0, translation = 0.1, zoom = 0.1, shear = 3.0, cutout = 4, brightness = 0.1, contrast = 0.1, mixup = 0.2, cutmix = 1.0 }
layers = [
  { type = "conv2d", out_channels = 4, kernel_size = [3, 3], stride = [2, 2], padding = [1, 1, 1, 1], dilation = [1, 1], groups = 1, init = { normal = 0.1 }, bias_init = { constant = 0.1 } },
  { type = "batch_norm", momentum = 0.1, epsilon = 1e-5 },
  { type = "residual", layers = [ { type = "conv2d", out_channels = 4, kernel_size = 1, init = { truncated_normal = 0.1 } } ], shortcut = [ { type = "dropout", rate = 0.1 } ] },
  { type = "concat", branches = [ [], [ { type = "dropout", rate = 0.5 } ] ] },
  { type = "local_response_norm", size = 3, alpha = 1e-4, beta = 0.75, k = 1.0 },
  { type = "conv_transpose2d", out_channels = 3, kernel_size = 2, stride = [2, 2], padding = 0, output_padding = [1, 0] },
  { type = "upsample2d", factor = [1, 2] },
  { type = "upsample2d", factor = [2, 1], method = "bilinear" },
  { type = "max_pool2d", window = 2, stride = 1, padding = 0, ceil_mode = true },
  { type = "avg_pool2d", window = [2, 2], stride = [2, 2] },
  { type = "adaptive_avg_pool2d", output = [3, 3] },
  { type = "flatten" },
  { type = "dense", units = 8, init = { uniform = 0.1 } },
  { type = "dense" },
]
"#;

const HOSTILE: [&str; 16] = [
    "0",
    "1",
    "-1",
    "1.5",
    "-0.5",
    "1.0",
    "0.0",
    "-0.0",
    "1e308",
    "-1e308",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "9223372036854775807",
    "-9223372036854775808",
];

/// Parts of keys on which shapes, work or memory depend: with these, nothing is trained.
const SIZES: [&str; 4] = ["layers.", "batch_size", "epochs", "model."];

/// What only a data set, a device or its memory can tell, so that reading a recipe cannot.
const NEEDS_MORE: [&str; 3] =
    ["the warmup takes", "fit 32 bits", "a schedule with an end needs more steps"];

/// Keys of all numbers, as overrides name them.
fn numbers(value: &Value, key: &str, keys: &mut Vec<String>) {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Integer(_) | Value::Float(_) => keys.push(key.to_owned()),
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| numbers(value, &below(name), keys));
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                numbers(value, &below(&i.to_string()), keys);
            }
        }
        _ => {}
    }
}

fn keys_of(text: &str) -> Vec<String> {
    let table: Table = text.parse().expect("TOML");
    let mut keys = Vec::new();
    numbers(&Value::Table(table), "", &mut keys);
    keys
}

/// Reads a recipe with one number changed, by an override. What is refused names the override or the
/// key, and says what is allowed.
fn read(text: &str, key: &str, value: &str) -> Option<Recipe> {
    let set = format!("{key}={value}");
    match Recipe::parse("hostile", text, std::slice::from_ref(&set)) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            let message = error.to_string();
            let last = key.rsplit('.').find(|part| part.parse::<usize>().is_err());
            let table = key.split('.').next().unwrap_or(key);
            let named = message.contains(&set)
                || last.is_some_and(|last| message.contains(last))
                || message.contains(table)
                || message.contains("does not fit images of");
            assert!(named, "{set}: the message does not say which value it is about: {message}");
            let bounded = [
                "must",
                "expected",
                "cannot",
                "needs",
                "does not fit",
                "give",
                "above",
                "too much",
                "larger",
            ];
            assert!(bounded.iter().any(|word| message.contains(word)), "{set}: {message}");
            None
        }
    }
}

/// Whether reading, summary, compilation and some steps agree on a recipe; a panic is a failure.
fn agrees(text: &str, key: &str, value: &str, data: &Splits) -> Result<bool, String> {
    let Some(recipe) = read(text, key, value) else { return Ok(false) };
    let image = recipe.data.image().expect("drawn digits have one size");
    summarize(&recipe.layers, image, recipe.precision).map_err(|error| error.to_string())?;
    let mut executor = CpuExecutor::new();
    let picks = Picks::default();
    let compiled = RunPrograms::compile(&recipe, data, executor.caps(), &picks);
    if let Err(error) = compiled {
        let message = error.to_string();
        let later = NEEDS_MORE.iter().any(|part| message.contains(part));
        return if later { Ok(true) } else { Err(message) };
    }
    if !SIZES.iter().any(|part| key.starts_with(part)) {
        let mut trainer =
            Trainer::new(&mut executor, &recipe, data.clone()).map_err(|e| e.to_string())?;
        trainer.run_steps(2).map_err(|error| error.to_string())?;
    }
    Ok(true)
}

fn walk(text: &str) {
    let recipe = Recipe::parse("everything", text, &[]).expect("a valid recipe");
    let data = load(&recipe.data, None).expect("drawn digits need no files");
    let keys = keys_of(text);
    assert!(keys.len() > 40, "{} keys", keys.len());
    let (mut accepted, mut refused, mut wrong) = (0, 0, Vec::new());
    for key in &keys {
        for value in HOSTILE {
            let outcome = catch_unwind(AssertUnwindSafe(|| agrees(text, key, value, &data)));
            match outcome {
                Ok(Ok(true)) => accepted += 1,
                Ok(Ok(false)) => refused += 1,
                Ok(Err(message)) => wrong.push(format!("{key}={value}: {message}")),
                Err(_) => wrong.push(format!("{key}={value}: a panic")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    assert!(accepted > 100 && refused > 200, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_number_of_a_recipe_is_refused_or_trained_with() {
    walk(EVERYTHING);
}

/// The other optimizers and schedules.
#[test]
fn so_is_every_number_of_the_variants() {
    let (before, rest) = EVERYTHING.split_once("optimizer = ").expect("it is there");
    let (_, after) = rest.split_once("clipping").expect("it follows");
    let (middle, rest) = after.split_once("schedule = ").expect("it is there");
    let (_, end) = rest.split_once("plateau").expect("it follows");
    let layers = "layers = [ { type = \"flatten\" }, { type = \"dense\" } ]\n";
    let end = end.split_once("layers = [").map_or(end, |(end, _)| end);
    let sgd = "{ type = \"sgd\", learning_rate = 0.1, momentum = 0.9, dampening = 0.1, \
               weight_decay = 1e-4 }";
    let rms = "{ type = \"rmsprop\", learning_rate = 0.1, alpha = 0.9, epsilon = 1e-7, \
               momentum = 0.1, weight_decay = 1e-4 }";
    let adamw = "{ type = \"adamw\", learning_rate = 0.1, beta1 = 0.9, beta2 = 0.9, epsilon = 1e-7, \
                 weight_decay = 1e-4 }";
    let schedules = [
        (sgd, "{ warmup_epochs = 0.5, decay = { step = { every = 2, factor = 0.5 } } }"),
        (sgd, "{ decay = { step = { every_epochs = 0.5, factor = 0.5 } } }"),
        (rms, "{ decay = { multi_step = { milestones = [1, 2], factor = 0.5 } } }"),
        (rms, "{ decay = { multi_step = { milestone_epochs = [0.5, 1.0], factor = 0.5 } } }"),
        (adamw, "{ decay = { exponential = { factor = 0.5 } } }"),
        (
            adamw,
            "{ decay = { one_cycle = { pct_start = 0.3, div_factor = 25.0, final_div_factor = 1e4 } } }",
        ),
    ];
    for (optimizer, schedule) in schedules {
        let text = format!(
            "{before}optimizer = {optimizer}\nclipping{middle}schedule = {schedule}\nplateau{end}{layers}"
        );
        walk(&text);
    }
}

/// Folds are another way to hold examples out.
#[test]
fn so_are_the_numbers_of_folds() {
    let text = EVERYTHING.replace("validation = 0.25", "folds = 4, fold = 2");
    let recipe = Recipe::parse("everything", &text, &[]).expect("a valid recipe");
    let data = load(&recipe.data, None).expect("drawn digits need no files");
    let keys = ["data.folds", "data.fold"];
    let all = keys_of(&text);
    assert!(keys.iter().all(|key| all.iter().any(|known| known == key)), "{all:?}");
    for (key, accepted) in keys.into_iter().zip([1, 1]) {
        let is_accepted = |value: &&str| agrees(&text, key, value, &data).expect("in words");
        // Any number of folds beyond the second, the first fold.
        assert_eq!(HOSTILE.iter().filter(|value| is_accepted(value)).count(), accepted, "{key}");
    }
}

/// Models and layers of all built-in recipes: what is accepted can be summarized.
#[test]
fn built_in_recipes_are_read_or_refused_in_words() {
    for builtin in builtin_recipes() {
        for key in keys_of(builtin.text) {
            for value in HOSTILE {
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| read(builtin.text, &key, value).is_some()));
                assert!(outcome.is_ok(), "{}: {key}={value}", builtin.name);
            }
        }
    }
}

/// A few that people have tried, with their lines.
#[test]
fn messages_name_the_line_the_value_and_what_is_allowed() {
    let text = "name = \"x\"\nepochs = 3\nbatch_size = 8\n[data]\ndataset = \"synthetic-digits\"\n\
                [optimizer]\ntype = \"sgd\"\nlearning_rate = 0.1\nmomentum = 0.9\n\
                [schedule]\ndecay.cosine.final_factor = 0.1\nwarmup_epochs = 1\n\
                [clipping]\nby_norm = 1.0\n[ema]\ndecay = 0.9\n[augment]\nmixup = 0.2\n\
                [[layers]]\ntype = \"flatten\"\n[[layers]]\ntype = \"dropout\"\nrate = 0.5\n\
                [[layers]]\ntype = \"dense\"\nunits = 10\n";
    Recipe::parse("x", text, &[]).expect("a valid recipe");
    for (from, to, expected) in [
        (
            "final_factor = 0.1",
            "final_factor = -5",
            "line 11: schedule.decay.cosine.final_factor: final_factor -5 must lie in [0, 1]",
        ),
        (
            "momentum = 0.9",
            "momentum = 1.5",
            "line 9: optimizer.momentum: momentum must lie in [0, 1), it is 1.5",
        ),
        (
            "momentum = 0.9",
            "momentum = -1",
            "line 9: optimizer.momentum: momentum must lie in [0, 1), it is -1",
        ),
        (
            "learning_rate = 0.1",
            "learning_rate = 0",
            "line 8: optimizer.learning_rate: learning_rate must be a positive number, it is 0",
        ),
        (
            "warmup_epochs = 1",
            "warmup_epochs = 3",
            "line 12: schedule.warmup_epochs: must be below epochs = 3, it is 3",
        ),
        (
            "by_norm = 1.0",
            "by_norm = 0",
            "line 14: clipping.by_norm: must be positive and finite, it is 0",
        ),
        ("decay = 0.9", "decay = 1", "line 16: ema.decay: must lie in [0, 1), it is 1"),
        (
            "mixup = 0.2",
            "mixup = -1",
            "line 18: augment.mixup: must be 0 for none, or in [0.01, 100]; it is -1",
        ),
        ("rate = 0.5", "rate = 1", "line 23: layers.1.rate: must lie in [0, 1), it is 1"),
        (
            "units = 10",
            "units = 0",
            "line 26: layers.2.units: must be at least 1, it is 0; leave it out",
        ),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        let error = Recipe::parse("x", &wrong, &[]).expect_err(to).to_string();
        assert!(error.starts_with(&format!("recipe x: {expected}")), "{to}: {error}");
    }
    let negative = format!("seed = -1\n{text}");
    let error = Recipe::parse("x", &negative, &[]).expect_err("a negative seed").to_string();
    assert!(error.contains("line 1") && error.contains("in quotes beyond"), "{error}");
    // Also beyond the integers of TOML, on the command line and in a text.
    for set in ["seed=18446744073709551615", "seed=\"18446744073709551615\""] {
        let recipe = Recipe::parse("x", text, &[set.to_owned()]).expect("the largest seed");
        assert_eq!(recipe.seed, u64::MAX);
        let written = recipe.to_toml().expect("TOML");
        assert_eq!(Recipe::parse("again", &written, &[]).expect("its own text"), recipe);
    }
}
