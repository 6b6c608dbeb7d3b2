//! What the convolutions of a model make of one image.

use std::sync::Arc;

use super::super::ReportError;
use crate::compile::compile;
use crate::data::Dataset;
use crate::exec::{CpuExecutor, Executor};
use crate::graph::Graph;
use crate::nn::{Layer, Mode, ModelBuilder};
use crate::tensor::TensorType;
use crate::train::{ModelPrograms, PendingWeights, Recipe, TrainError};

/// Layers whose maps are shown at most.
const MAX_LAYERS: usize = 8;

/// The output of a layer for one image.
#[derive(Debug, Clone)]
pub(super) struct FeatureMaps {
    /// Name of the layer.
    pub layer: String,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Values `[height, width, channels]`.
    pub values: Vec<f32>,
}

/// Runs one image through the model on the CPU and keeps the output of each convolution, and of
/// each block that holds some.
pub(super) fn of_image(
    recipe: &Recipe,
    model: &ModelPrograms,
    weights: &PendingWeights,
    data: &Dataset,
    example: usize,
) -> Result<Vec<FeatureMaps>, ReportError> {
    let [h, w, c] = model.image();
    let Ok(pixels) = data.pixels(example) else { return Ok(Vec::new()) };
    let pixels = model.normalization().apply(&pixels);

    let mut graph = Graph::default();
    let x = graph.source("features/x", TensorType::f32([1, h, w, c]));
    let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, Some(&model.arena));
    let layers = Layer::with_classes(&recipe.layers, model.classes());
    let logits = builder.layers(&layers, x).map_err(TrainError::from)?;
    let outputs = builder.outputs().to_vec();
    let mut shown = Vec::new();
    for (layer, value) in outputs {
        let has_filters = ["conv", "residual", "concat"].iter().any(|s| layer.starts_with(s));
        if let ([1, h, w, c], true) = (graph.ty(value).dims(), has_filters)
            && shown.len() < MAX_LAYERS
        {
            let size = [*h, *w, *c];
            graph.output(&layer, value);
            shown.push((layer, size));
        }
    }
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    // All layers stay in the program, with the running statistics of the last ones, too.
    graph.output("logits", logits);
    let mut executor = CpuExecutor::new();
    let (caps, picks) = (executor.caps().clone(), executor.picks().clone());
    let choose = |op: &dyn crate::graph::Op, sig: &crate::graph::Signature, all: &[_]| {
        picks.choose(op, sig, all)
    };
    let program = compile("features", &graph, &caps, &choose).map_err(TrainError::from)?;
    let id = executor.load(Arc::new(program)).map_err(TrainError::from)?;
    weights.write(&mut executor)?;
    executor.write("features/x", 0, bytemuck::cast_slice(&pixels)).map_err(TrainError::from)?;
    executor.run(id, 1).map_err(TrainError::from)?;
    let mut maps = Vec::new();
    for (layer, size) in shown {
        let bytes = executor.read_now(&format!("features/{layer}")).map_err(TrainError::from)?;
        maps.push(FeatureMaps { layer, size, values: bytemuck::pod_collect_to_vec(&bytes) });
    }
    Ok(maps)
}
