//! The part of a page with the curves of training.

use super::super::ReportError;
use super::super::html::{Page, figure};
use super::super::pictures::{accuracies, have_accuracies, learning_rate, losses, step_losses};
use super::files::Pictures;
use super::run::Run;

/// Adds the section.
pub(super) fn training(
    page: &mut Page,
    run: &Run<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("training", "Training");
    if run.epochs.is_empty() {
        page.missing("curves", "No epoch of this run has ended.");
        return Ok(());
    }
    let mut charts = vec![("loss", losses(&run.epochs))];
    if have_accuracies(&run.epochs) {
        charts.push(("accuracy", accuracies(&run.epochs)));
    }
    if !run.steps.is_empty() {
        charts.push(("step-loss", step_losses(&run.steps)));
        charts.push(("learning-rate", learning_rate(&run.steps)));
    }
    page.raw("<div class=\"two\">\n");
    for (id, chart) in &charts {
        let drawing = chart.on_page();
        pictures.svg(id, chart.heading, &drawing)?;
        page.raw(&figure(id, chart.heading, &drawing, ""));
    }
    page.raw("</div>\n");
    Ok(())
}
