//! Recipes, and what `--set` changes in them: that is what lies behind a line `--set`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::Recipe;
use verigrad_fuzz::look_at;

fuzz_target!(|text: &str| {
    let (text, sets) = text.split_once("\n--set\n").unwrap_or((text, ""));
    let sets: Vec<String> = sets.lines().map(str::to_owned).collect();
    if let Some(recipe) = look_at(Recipe::parse("fuzzed.toml", text, &sets)) {
        let text = look_at(recipe.to_toml()).expect("what was read can be written");
        let again = Recipe::parse("again.toml", &text, &[]);
        assert!(again.is_ok(), "{text}\n{}", again.map(|_| ()).unwrap_err());
    }
});
