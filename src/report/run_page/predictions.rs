//! The part of a page with images that the model classified rightly and wrongly.

use super::super::ReportError;
use super::super::draw::encode_png;
use super::super::html::Page;
use super::files::Pictures;
use super::run::Run;
use super::shots::{Kind, grid, mismatch, picture};
use super::sources::Sources;
use crate::train::Predicted;

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
            page.missing("wrong", &sources.no_data());
            return Ok(());
        }
        (Some(data), Some(Predicted::Classes(predictions))) => (data, predictions),
        // Those have a section of their own.
        (Some(_), Some(Predicted::Targets(_))) => return Ok(()),
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
                pictures.png(id, &encode_png(&picture)?)?;
            }
            None => page.missing(id, none),
        }
    }
    Ok(())
}
