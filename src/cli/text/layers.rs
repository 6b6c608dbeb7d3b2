//! The layers of a model as a table.

use std::fmt::Write as _;

use crate::nn::{Layer, LayerSummary, summarize};
use crate::report::format::{bytes, decimal, grouped};
use crate::train::{Recipe, TrainError};

/// Classes of a model that are shown where only an image folder, which is not there, would tell:
/// those of ImageNet.
pub(in crate::cli) const IMAGENET_CLASSES: usize = 1000;

/// The layers of a recipe as a table.
pub(in crate::cli) fn summary_text(
    recipe: &Recipe,
    image: [usize; 3],
    classes: usize,
) -> Result<String, TrainError> {
    let layers = Layer::with_classes(&recipe.layers, classes);
    let layers = summarize(&layers, image, recipe.precision)?;
    let mut text = String::new();
    let [h, w, c] = image;
    let _ = writeln!(text, "{}: {}", recipe.name, recipe.description);
    let _ = writeln!(
        text,
        "{:<16} {:<16} {:>12} {:>12} {:>12}",
        "layer", "output", "parameters", "FLOP/image", "bytes/image"
    );
    let _ = writeln!(text, "{:<16} {:<16} {:>12}", "input", format!("[{h}, {w}, {c}]"), "");
    if !recipe.precision.is_f32() {
        let _ = writeln!(text, "{:<16} stored as {}", "activations", recipe.precision);
    }
    for LayerSummary { name, output, parameters, flop, bytes: moved } in &layers {
        let _ = writeln!(
            text,
            "{name:<16} {:<16} {:>12} {:>12} {:>12}",
            output.to_string(),
            grouped(*parameters),
            decimal(*flop),
            bytes(usize::try_from(*moved).unwrap_or(usize::MAX))
        );
    }
    let parameters: usize = layers.iter().map(|l| l.parameters).sum();
    let flop: u64 = layers.iter().map(|l| l.flop).sum();
    let _ = writeln!(text, "{:<33} {:>12} {:>12}", "total", grouped(parameters), decimal(flop));
    Ok(text)
}
