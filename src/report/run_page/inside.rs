//! The part of a page with first-layer filters, and feature maps of one image.

use super::super::ReportError;
use super::super::draw::{encode_png, escape, png_uri};
use super::super::html::Page;
use super::super::pictures::{feature_maps, filters, picture_of};
use super::features;
use super::files::Pictures;
use super::run::Run;
use super::sources::Sources;
use crate::train::load_weights;

/// Adds the section.
pub(super) fn inside(
    page: &mut Page,
    run: &Run<'_>,
    sources: &Sources<'_>,
    pictures: &mut Pictures,
) -> Result<(), ReportError> {
    page.section("inside", "Inside the model");
    let weights = load_weights(&run.weights());
    let which = run.which().name();
    let image = run.model.as_ref().map(|model| model.image);
    let sheet = weights.as_ref().ok().zip(image).and_then(|(weights, image)| {
        ["conv1.weight", "dense1.weight"].into_iter().find_map(|name| {
            weights.get(name).and_then(|weight| Some((name, filters(weight, image)?)))
        })
    });
    match sheet {
        Some((name, (sheet, shown))) => {
            let bytes = encode_png(&sheet)?;
            pictures.png("filters", &bytes)?;
            let colors = if image.is_some_and(|image| image[2] == 3) {
                "Gray is zero."
            } else {
                "Orange: positive, blue: negative."
            };
            let caption = format!(
                "The first {shown} filters of {name} ({which} weights), each to its own scale. \
                     {colors}"
            );
            page.raw(&sheet_figure("filters", "First-layer filters", &bytes, &sheet, &caption));
        }
        None => page.missing("filters", "The first layer has no filters that make a picture."),
    }
    let (Some(data), Some((model, weights)), Some(recipe)) =
        (sources.test, sources.model, &run.recipe)
    else {
        page.missing("features", &sources.no_data());
        return Ok(());
    };
    let maps = features::of_image(recipe, model, weights, data, 0)?;
    if maps.is_empty() {
        return Ok(());
    }
    page.raw("<div id=\"features\">\n<h3 class=\"next\">Feature maps of test image 0</h3>\n");
    if let Ok(pixels) = data.pixels(0) {
        let picture = picture_of(&pixels, [data.height, data.width, data.channels]);
        let uri = png_uri(&encode_png(&picture)?);
        page.raw(&format!(
            "<img class=\"sheet\" src=\"{uri}\" width=\"96\" alt=\"test image 0\" \
             style=\"margin-bottom:12px\">\n"
        ));
    }
    let mut first = true;
    for map in maps {
        let sheet = feature_maps(&map.values, map.size);
        let bytes = encode_png(&sheet)?;
        if first {
            pictures.png("features", &bytes)?;
            first = false;
        }
        pictures.png(&format!("features-{}", map.layer), &bytes)?;
        let [h, w, c] = map.size;
        let shown = if c > 32 {
            format!("{c} maps of {h} × {w}, the first 32")
        } else {
            format!("{c} maps of {h} × {w}")
        };
        let caption =
            format!("{}: {shown}; each from its least value (dark) to its greatest.", map.layer);
        page.raw(&sheet_figure(&format!("features-{}", map.layer), "", &bytes, &sheet, &caption));
    }
    page.raw("</div>\n");
    Ok(())
}

fn sheet_figure(
    id: &str,
    heading: &str,
    bytes: &[u8],
    sheet: &image::RgbImage,
    caption: &str,
) -> String {
    let (caption, id) = (escape(caption), escape(id));
    let heading =
        if heading.is_empty() { String::new() } else { format!("<h3>{}</h3>\n", escape(heading)) };
    format!(
        "<figure id=\"{id}\" style=\"margin-bottom:18px\">\n{heading}<img class=\"sheet\" \
         src=\"{}\" width=\"{}\" height=\"{}\" style=\"height:auto\" alt=\"{caption}\">\n\
         <figcaption>{caption}</figcaption>\n</figure>\n",
        png_uri(bytes),
        sheet.width(),
        sheet.height()
    )
}
