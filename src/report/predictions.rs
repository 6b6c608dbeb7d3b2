//! The part of a page with images that the model classified rightly and wrongly.

use super::ReportError;
use super::images::png;
use super::page::Page;
use super::pictures::Pictures;
use super::run_report::{Run, Sources, no_data};
use super::shots::{Kind, grid, mismatch, picture};

/// Adds the section: a grid of each kind, which is also a picture of its own.
pub(super) fn predictions(
    page: &mut Page,
    run: &Run<'_>,
    sources: &Sources<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("predictions", "Predictions");
    let (data, predictions) = match (sources.test, &run.predictions) {
        (_, None) => {
            page.missing(
                "wrong",
                "There is no predictions.csv yet: `verigrad eval RUN` writes it.",
            );
            return Ok(());
        }
        (None, _) => {
            page.missing("wrong", &no_data(sources));
            return Ok(());
        }
        (Some(data), Some(predictions)) => (data, predictions),
    };
    if let Some(problem) = mismatch(data, predictions) {
        page.missing("wrong", &problem);
        return Ok(());
    }
    for (id, heading, kind, none) in [
        ("wrong", "Wrong, the surest first", Kind::Wrong, "None is wrong."),
        ("right", "Right", Kind::Right, "None is right."),
    ] {
        page.raw(&format!("<h3 class=\"next\">{heading}</h3>\n"));
        match picture(data, predictions, kind)? {
            Some(picture) => {
                page.raw(&grid(id, data, predictions, kind)?);
                pictures.png(id, &png(&picture)?)?;
            }
            None => page.missing(id, none),
        }
    }
    Ok(())
}
