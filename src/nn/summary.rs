//! What each layer of a model makes and costs.

use serde::Serialize;

use super::{Layer, Mode, ModelBuilder, Precision};
use crate::error::ShapeError;
use crate::graph::{Cost, Graph};
use crate::tensor::{Shape, TensorType};

/// One layer of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Name: `conv1`.
    pub name: String,
    /// Shape of the output for one image.
    pub output: Shape,
    /// Trainable numbers.
    pub parameters: usize,
    /// Floating-point operations of the forward pass, per image.
    pub flop: u64,
    /// Bytes that the forward pass moves, per image.
    pub bytes: u64,
}

/// Summaries of the outermost layers of a model for inputs of a shape, such as images `[h, w, c]`, whose
/// activations are stored in `precision`.
///
/// # Errors
/// When a layer cannot take the shape that reaches it.
pub fn summarize(
    layers: &[Layer],
    input: impl AsRef<[usize]>,
    precision: Precision,
) -> Result<Vec<LayerSummary>, ShapeError> {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([&[1], input.as_ref()].concat()));
    let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, None).with_precision(precision);
    builder.layers(layers, x)?;
    let parameters = builder.parameters().to_vec();
    let outputs = builder.outputs().to_vec();
    let belongs = |scope: &str, layer: &str| {
        scope.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    Ok(outputs
        .into_iter()
        .map(|(name, value)| {
            let nodes = graph.nodes().iter().filter(|node| belongs(&node.scope, &name));
            let cost: Cost = nodes.map(|node| node.op.cost(&graph.signature(node))).sum();
            let own = parameters.iter().filter(|p| belongs(&p.name, &name));
            LayerSummary {
                output: Shape::from(graph.ty(value).dims()[1..].to_vec()),
                parameters: own.map(|p| p.shape.elements()).sum(),
                flop: cost.flop,
                bytes: cost.bytes,
                name,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The work of a model is the same however its activations are stored; only bytes change.
    #[test]
    fn sixteen_bits_change_the_bytes_of_a_layer_and_not_its_work() {
        let layers = serde_json::json!([
            { "type": "conv2d", "out_channels": 32, "kernel_size": 3, "activation": "relu" },
            { "type": "max_pool2d", "window": 2 },
            { "type": "batch_norm" },
            { "type": "flatten" },
            { "type": "dense", "units": 10 },
        ]);
        let layers: Vec<Layer> = serde_json::from_value(layers).expect("these are layers");
        let summary = |precision| summarize(&layers, [28, 28, 1], precision).expect("they fit");
        let (full, half) = (summary(Precision::F32), summary(Precision::F16));
        assert_eq!(half.len(), layers.len());
        // 26 x 26 positions of 32 sums over 3 x 3, with a bias and a function.
        assert!(full[0].flop > 2 * 26 * 26 * 32 * 9, "{full:?}");
        for (full, half) in full.iter().zip(&half) {
            assert_eq!(half.flop, full.flop, "{}", full.name);
        }
        assert!(half[0].bytes < full[0].bytes);
    }
}
