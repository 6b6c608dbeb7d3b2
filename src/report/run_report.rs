//! The page of one run, `report.html`, and its pictures as files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ReportError;
use super::chart::Chart;
use super::classes::{confusion, per_class};
use super::distribution::distribution;
use super::format::grouped;
use super::inside::inside;
use super::kernels::kernels;
use super::layers::{drawing, layer_table};
use super::page::{Page, escape, facts, figure, table};
use super::pictures::Pictures;
use super::predictions::predictions;
use super::run_facts::{RunFacts, TEST};
use super::training::{accuracies, learning_rate, losses, step_losses};
use crate::data::Dataset;
use crate::nn::{Layer, summarize};
use crate::train::{
    EpochRecord, EvaluatedWeights, Evaluation, ModelPrograms, ModelRecord, PendingWeights,
    Predictions, Recipe, RunDir, RunResult, StepRecord, write_atomically,
};

/// What a page is made from beside the run directory.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// The test set; without it the page has no images.
    pub test: Option<&'a Dataset>,
    /// Why it is not there, for the reader.
    pub why_no_data: String,
    /// Which weights those of `model` are, and the predictions made with.
    pub which: Option<EvaluatedWeights>,
    /// The model and its trained weights; without them the page has no feature maps.
    pub model: Option<(&'a ModelPrograms, &'a PendingWeights)>,
    /// Predictions for the test set, where the run directory holds none.
    pub predictions: Option<Predictions>,
}

/// What the run directory holds.
pub(super) struct Run<'a> {
    pub dir: &'a RunDir,
    recipe_text: String,
    pub recipe: Option<Recipe>,
    pub model: Option<ModelRecord>,
    epochs: Vec<EpochRecord>,
    steps: Vec<StepRecord>,
    evaluation: Option<Evaluation>,
    pub predictions: Option<Predictions>,
    facts: RunFacts,
}

/// Writes the page of a run to `path`, and its pictures into the run directory; gives `path` back.
/// What the run directory lacks is said in its place.
///
/// # Errors
/// When the run cannot be read, or a file cannot be written.
pub fn write_run_report(
    dir: &RunDir,
    path: &Path,
    sources: &Sources<'_>,
) -> Result<PathBuf, ReportError> {
    let run = Run::read(dir, sources)?;
    let mut pictures = Pictures::create(dir)?;
    let lead = run.recipe.as_ref().map_or_else(String::new, |recipe| recipe.description.clone());
    let mut page = Page::new(&run.facts.name, &lead);
    headline(&mut page, &run);
    training(&mut page, &run, &mut pictures)?;
    figures_of_classes(&mut page, &run, &mut pictures)?;
    predictions(&mut page, &run, sources, &mut pictures)?;
    inside(&mut page, &run, sources, &mut pictures)?;
    distribution(&mut page, dir, sources, &mut pictures)?;
    architecture(&mut page, &run, &mut pictures)?;
    kernels(&mut page, dir)?;
    reproduction(&mut page, &run);
    write_atomically(path, page.finish().as_bytes())?;
    Ok(path.to_owned())
}

impl<'a> Run<'a> {
    fn read(dir: &'a RunDir, sources: &Sources<'_>) -> Result<Self, ReportError> {
        let recipe_text = dir.recipe()?;
        let origin = dir.path().join("recipe.toml").display().to_string();
        let recipe = Recipe::parse(&origin, &recipe_text, &[]);
        let recipe = recipe.map_err(|error| log::warn!("{error}")).ok();
        let model = dir.model().map_err(|error| log::warn!("{error}")).ok();
        let (epochs, steps) = (dir.epochs()?, dir.steps()?);
        let predictions = dir.predictions()?.or_else(|| sources.predictions.clone());
        let mut evaluation = dir.evaluation()?;
        if let (None, Some(predictions), Some(model)) = (&evaluation, &predictions, &model) {
            let split = predictions.evaluate(&model.classes);
            evaluation = Some(Evaluation {
                weights: sources.which.unwrap_or(EvaluatedWeights::Last),
                classes: model.classes.clone(),
                splits: [(TEST.to_owned(), split)].into(),
            });
        }
        let facts = RunFacts::read(dir, &epochs, evaluation.as_ref());
        Ok(Self { dir, recipe_text, recipe, model, epochs, steps, evaluation, predictions, facts })
    }

    /// Which weights the figures are of.
    pub fn which(&self) -> EvaluatedWeights {
        self.evaluation.as_ref().map_or(EvaluatedWeights::Last, |evaluation| evaluation.weights)
    }

    /// Where those weights are.
    pub fn weights(&self) -> PathBuf {
        match self.which() {
            EvaluatedWeights::Best => self.dir.weights_best(),
            EvaluatedWeights::Last | EvaluatedWeights::Ensemble => self.dir.weights_last(),
        }
    }
}

fn headline(page: &mut Page, run: &Run<'_>) {
    let mut html = String::from("<div class=\"cards\" id=\"headline\">\n");
    for (i, (value, name)) in run.facts.headline().iter().enumerate() {
        let class = if i == 0 { "card first" } else { "card" };
        let (value, name) = (escape(value), escape(name));
        let _ = writeln!(html, "<div class=\"{class}\"><b>{value}</b><span>{name}</span></div>");
    }
    html.push_str("</div>\n");
    page.raw(&html);
    let (device, more) = run.facts.device();
    if !device.is_empty() {
        page.note(&format!("On {device} ({more})."));
    }
}

fn training(page: &mut Page, run: &Run<'_>, pictures: &mut Pictures) -> Result<(), ReportError> {
    page.section("training", "Training");
    if run.epochs.is_empty() {
        page.missing("curves", "No epoch of this run has ended.");
        return Ok(());
    }
    let mut charts: Vec<(&str, &str, Chart)> = vec![
        ("loss", "Loss", losses(&run.epochs)),
        ("accuracy", "Accuracy", accuracies(&run.epochs)),
    ];
    if !run.steps.is_empty() {
        charts.push(("step-loss", "Loss of each step", step_losses(&run.steps)));
        charts.push(("learning-rate", "Learning rate", learning_rate(&run.steps)));
    }
    page.raw("<div class=\"two\">\n");
    for (id, heading, chart) in &charts {
        let svg = chart.draw();
        pictures.svg(id, heading, &svg)?;
        page.raw(&figure(id, heading, &svg, ""));
    }
    page.raw("</div>\n");
    Ok(())
}

fn figures_of_classes(
    page: &mut Page,
    run: &Run<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("classes", "Classes");
    let Some((evaluation, split)) =
        run.evaluation.as_ref().and_then(|e| Some((e, e.splits.get(TEST)?)))
    else {
        page.missing(
            "confusion",
            "There is no evaluation.json yet: `verigrad eval RUN` writes it.",
        );
        return Ok(());
    };
    let examples = grouped(usize::try_from(split.examples).unwrap_or(usize::MAX));
    let wrong = split.examples.saturating_sub(split.correct());
    let wrong = grouped(usize::try_from(wrong).unwrap_or(usize::MAX));
    let macro_average = split.macro_average;
    let mut summary = format!("{examples} test images, {wrong} of them wrong");
    if let Some(top5) = split.top5 {
        let _ = write!(summary, "; {:.2} % within the first five", 100.0 * top5);
    }
    let _ = write!(
        summary,
        "; on average over the classes: precision {:.2} %, recall {:.2} %, F1 {:.2} %.",
        100.0 * macro_average.precision,
        100.0 * macro_average.recall,
        100.0 * macro_average.f1
    );
    page.note(&summary);
    if split.confusion.is_empty() {
        page.missing("confusion", "There are too many classes to count pairs of them.");
        return Ok(());
    }
    let matrix = confusion(split, &evaluation.classes);
    pictures.svg("confusion", "Confusion matrix", &matrix)?;
    let bars = per_class(split, &evaluation.classes);
    pictures.svg("per-class", "Figures of each class", &bars)?;
    page.raw("<div class=\"two\">\n");
    let caption = "Rows: true class; columns: prediction. Blue: right, orange: wrong.";
    page.raw(&figure("confusion", "Confusion matrix", &matrix, caption));
    page.raw(&figure("per-class", "Each class", &bars, "In percent."));
    page.raw("</div>\n");
    if !split.most_confused.is_empty() {
        let rows: Vec<(&str, Vec<String>)> = split
            .most_confused
            .iter()
            .map(|pair| {
                ("", vec![pair.label.clone(), pair.prediction.clone(), pair.count.to_string()])
            })
            .collect();
        page.raw("<h3 id=\"most-confused\" class=\"next\">Most confused</h3>\n");
        page.raw("<div class=\"narrow\">\n");
        page.raw(&table(&["true class", "taken for", ">images"], &rows));
        page.raw("</div>\n");
    }
    Ok(())
}

fn architecture(
    page: &mut Page,
    run: &Run<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("model", "Model");
    let layers = match (&run.recipe, &run.model) {
        (Some(recipe), Some(model)) => {
            let layers = Layer::with_classes(&recipe.layers, model.classes.len());
            summarize(&layers, model.image, recipe.precision).ok().map(|l| (l, model.image))
        }
        _ => None,
    };
    let Some((layers, image)) = layers else {
        page.missing("architecture", "The recipe is none of this version: no layers can be shown.");
        return Ok(());
    };
    let svg = drawing(image, &layers);
    pictures.svg("architecture", "Architecture", &svg)?;
    page.raw("<div class=\"scroll wide\">\n<div style=\"min-width:760px\">\n");
    page.raw(&figure("architecture", "", &svg, ""));
    page.raw("</div></div>\n<div id=\"layers\">\n");
    page.raw(&layer_table(image, &layers));
    page.raw("</div>\n");
    Ok(())
}

fn reproduction(page: &mut Page, run: &Run<'_>) {
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

/// Why there are no images.
pub(super) fn no_data(sources: &Sources<'_>) -> String {
    format!("The data set cannot be read, so there are no images here. {}", sources.why_no_data)
}
