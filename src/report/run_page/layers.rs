//! The part of a page with the layers of a model: as a drawing and as a table.

use super::super::ReportError;
use super::super::draw::{Anchor, Drawing, float};
use super::super::format::{decimal, grouped};
use super::super::html::{Page, figure, table};
use super::files::Pictures;
use super::run::Run;
use crate::nn::{Layer, LayerSummary, summarize};

/// Room for one layer of the drawing, and the most layers of a row.
const NODE: (f64, f64) = (106.0, 178.0);
const PER_ROW: usize = 9;

/// Adds the section.
pub(super) fn layers(
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
    let drawing = solids(image, &layers);
    pictures.svg("architecture", "Architecture", &drawing)?;
    page.raw("<div class=\"scroll wide\">\n<div style=\"min-width:760px\">\n");
    page.raw(&figure("architecture", "", &drawing, ""));
    page.raw("</div></div>\n<div id=\"layers\">\n");
    page.raw(&layer_table(image, &layers));
    page.raw("</div>\n");
    Ok(())
}

/// The layers as solids in the proportions of their outputs: edges by height and width, depth by
/// channels, on a logarithmic scale; vectors as bars.
fn solids(image: [usize; 3], layers: &[LayerSummary]) -> Drawing {
    let mut nodes = vec![("input".to_owned(), image.to_vec(), String::new())];
    nodes.extend(layers.iter().map(|layer| {
        let parameters = match layer.parameters {
            0 => String::new(),
            n => format!("{} param.", decimal(n as u64).trim()),
        };
        (layer.name.clone(), layer.output.dims().to_vec(), parameters)
    }));
    let rows = nodes.len().div_ceil(PER_ROW);
    let columns = nodes.len().clamp(4, PER_ROW);
    let mut drawing = Drawing::new(NODE.0 * float(columns), NODE.1 * float(rows));
    for (i, (name, dims, parameters)) in nodes.iter().enumerate() {
        let (row, column) = (i / PER_ROW, i % PER_ROW);
        let (left, top) = (NODE.0 * float(column), NODE.1 * float(row));
        let middle = left + NODE.0 / 2.0;
        if i > 0 {
            arrow(&mut drawing, left, top + 58.0);
        }
        solid(&mut drawing, (middle, top + 58.0), dims, color(name));
        let shape: Vec<String> = dims.iter().map(ToString::to_string).collect();
        drawing.text((middle, top + 132.0), Anchor::Middle, "head", name);
        drawing.text((middle, top + 149.0), Anchor::Middle, "muted", &shape.join(" × "));
        drawing.text((middle, top + 165.0), Anchor::Middle, "muted", parameters);
    }
    drawing
}

/// Number of the color of a layer's kind.
fn color(name: &str) -> &'static str {
    match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "conv" => "f0",
        "dense" => "f2",
        "residual" | "concat" => "f1",
        "norm" | "lrn" => "f3",
        "pool" => "f5",
        _ => "track",
    }
}

fn arrow(drawing: &mut Drawing, x: f64, y: f64) {
    drawing.line((x - 7.0, y), (x + 6.0, y), "axis");
    drawing.curve(&[(x + 2.0, y - 3.5), (x + 6.0, y), (x + 2.0, y + 3.5)], "axis");
}

fn solid(drawing: &mut Drawing, (x, y): (f64, f64), dims: &[usize], class: &str) {
    let log = |n: usize| float(n.max(1)).log2();
    let (width, height, depth) = match *dims {
        [h, w, c] => {
            (6.0 + 6.5 * log(w).min(8.0), 6.0 + 6.5 * log(h).min(8.0), 2.0 + 3.0 * log(c).min(11.0))
        }
        _ => {
            let elements = dims.iter().product();
            (8.0, 14.0 + 7.0 * log(elements).min(12.0), 4.0)
        }
    };
    // The depth goes up and to the right, foreshortened.
    let (dx, dy) = (depth * 0.8, depth * 0.5);
    let (left, top) = (x - (width + dx) / 2.0, y - (height - dy) / 2.0);
    let (right, bottom) = (left + width, top + height);
    drawing.polygon(
        &[(left, top), (left + dx, top - dy), (right + dx, top - dy), (right, top)],
        (class, 0.55),
    );
    drawing.polygon(
        &[(right, top), (right + dx, top - dy), (right + dx, bottom - dy), (right, bottom)],
        (class, 0.75),
    );
    drawing.rect((left, top), (width, height), (class, 1.0), "");
}

/// Names, shapes, parameters and floating-point operations.
fn layer_table(image: [usize; 3], layers: &[LayerSummary]) -> String {
    let headings = ["layer", "output", ">parameters", ">FLOP per image"];
    let [h, w, c] = image;
    let mut rows = vec![("", vec!["input".to_owned(), format!("[{h}, {w}, {c}]")])];
    for layer in layers {
        let cells = vec![
            layer.name.clone(),
            layer.output.to_string(),
            grouped(layer.parameters),
            decimal(layer.flop).trim().to_owned(),
        ];
        rows.push(("", cells));
    }
    for row in &mut rows {
        row.1.resize(headings.len(), String::new());
    }
    let (parameters, flop) = totals(layers);
    let flop = decimal(flop).trim().to_owned();
    rows.push(("total", vec!["total".to_owned(), String::new(), grouped(parameters), flop]));
    table(&headings, &rows)
}

/// Parameters and floating-point operations per image of all layers.
pub(super) fn totals(layers: &[LayerSummary]) -> (usize, u64) {
    (layers.iter().map(|l| l.parameters).sum(), layers.iter().map(|l| l.flop).sum())
}
