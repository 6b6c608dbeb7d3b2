//! The part of a page that says how to train the same again.

use super::super::draw::escape;
use super::super::html::{Page, facts};
use super::run::Run;
use crate::train::RunResult;

/// Adds the section.
pub(super) fn reproduction(page: &mut Page, run: &Run<'_>) {
    page.section("reproduce", "Reproduce it");
    let facts_of = &run.facts;
    let (device, more) = facts_of.device();
    let of_result =
        |text: fn(&RunResult) -> String| facts_of.result().map_or_else(String::new, text);
    let rows = [
        ("recipe", run.recipe.as_ref().map_or_else(String::new, |recipe| recipe.name.clone())),
        ("seed", run.recipe.as_ref().map_or_else(String::new, |recipe| recipe.seed.to_string())),
        ("device", if more.is_empty() { device } else { format!("{device} ({more})") }),
        ("verigrad", of_result(|result| result.verigrad.clone())),
        ("steps", of_result(|result| result.steps.to_string())),
        ("weights, SHA-256", of_result(|result| result.weights_sha256.clone())),
    ];
    page.raw("<div id=\"reproduction\">\n");
    page.raw(&facts(&rows));
    page.note(
        "The same recipe on the same device and driver gives the same weights, bit for bit. In the \
         run directory:",
    );
    page.raw("<pre>verigrad train recipe.toml --picks kernels.toml</pre>\n");
    let folder = run.dir.path();
    let names = [
        "recipe.toml",
        "kernels.toml",
        "metrics.csv",
        "steps.csv",
        "predictions.csv",
        "evaluation.json",
        "histograms.jsonl",
        "result.json",
        "weights-best.safetensors",
        "weights-last.safetensors",
    ];
    let links: Vec<String> = names
        .into_iter()
        .filter(|name| folder.join(name).is_file())
        .map(|name| format!("<a href=\"{name}\">{name}</a>"))
        .collect();
    page.raw(&format!(
        "<p class=\"note\" id=\"files\">Beside this page: {}</p>\n",
        links.join(", ")
    ));
    page.raw(&format!(
        "<details><summary>The recipe, with every default</summary><pre>{}</pre></details>\n</div>\n",
        escape(&run.recipe_text)
    ));
}
