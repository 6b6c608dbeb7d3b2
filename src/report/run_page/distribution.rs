//! The part of a page that shows how weights and gradients are distributed.

use super::super::ReportError;
use super::super::draw::escape;
use super::super::html::{Page, figure};
use super::super::pictures::{pairs, sheet};
use super::files::Pictures;
use super::sources::Sources;
use crate::train::{HistogramRecord, RunDir, histograms_of_weights};

/// Tensors of a page at most; where a model has more, biases and normalization are left out first.
const MOST: usize = 24;
/// Bins of weights that were not counted in training.
const BINS: usize = 64;

/// Adds the section: over the epochs where the run counted, else of the weights alone.
pub(super) fn distribution(
    page: &mut Page,
    dir: &RunDir,
    sources: &Sources<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("distribution", "Weights and gradients");
    let counted = dir.histograms()?;
    let (records, note) = if counted.is_empty() {
        let Some((model, weights)) = sources.model else {
            let why = "There is no histograms.jsonl, and the weights cannot be read.";
            page.missing("histograms", why);
            return Ok(());
        };
        let records = histograms_of_weights(model, weights.parameters(), (0, 0), BINS);
        let note = "The weights that the figures above are of. With a section [histograms] in its \
                    recipe, a run also counts gradients, after each epoch.";
        (records, note)
    } else {
        let note = "In the last step of an epoch, whose number stands beside its curve; the oldest \
                    lie behind. Each curve has its own height; at most one in a thousand values lies \
                    beyond its ends. Zeros are in no curve. Gradients are those of the loss, before \
                    they are clipped.";
        (counted, note)
    };
    pictures.svg("histograms", "Weights and gradients", &sheet(&records, &title(&records)))?;
    page.note(note);
    page.raw("<div class=\"two\" id=\"histograms\">\n");
    let all = pairs(&records);
    let weights_only = all.len() > MOST;
    let shown = all.iter().filter(|pair| !weights_only || pair.parameter.ends_with(".weight"));
    let shown: Vec<_> = shown.filter(|pair| !weights_only || pair.values() > 1024).collect();
    for pair in shown.iter().take(MOST) {
        let id = format!("histogram-{}", escape(pair.parameter));
        page.raw(&figure(&id, pair.parameter, &pair.draw(), ""));
    }
    page.raw("</div>\n");
    let left_out = all.len() - shown.len().min(MOST);
    if left_out > 0 {
        page.note(&format!("{left_out} more are in pictures/histograms.svg."));
    }
    Ok(())
}

/// What a picture of all of them is called.
fn title(records: &[HistogramRecord]) -> String {
    match (records.first(), records.last()) {
        (Some(first), Some(last)) if last.epoch > first.epoch => {
            format!("Weights and gradients, epochs {} to {}", first.epoch, last.epoch)
        }
        _ => "Weights and gradients".to_owned(),
    }
}
