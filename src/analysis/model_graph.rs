//! The graph of a trained model that starts at pixels: normalization is a part of it.

use std::sync::Arc;

use crate::compile::compile;
use crate::error::ShapeError;
use crate::exec::{Executor, ProgramId};
use crate::graph::{Graph, Value};
use crate::nn::{Mode, ModelBuilder};
use crate::ops::{Binary, BinaryFunction, View};
use crate::tensor::TensorType;
use crate::train::{ModelPrograms, TrainError};

/// Name of the source of the images, f32 `[batch, height, width, channels]` from 0 to 1.
pub(super) const PIXELS: &str = "analysis/pixels";
const MEAN: &str = "analysis/mean";
const STD: &str = "analysis/std";

/// Pixels to logits, without dropout and with the running statistics of batch normalization.
/// Activations are f32, whatever the run stored them in.
#[derive(Debug)]
pub(super) struct ModelGraph {
    pub graph: Graph,
    /// [`PIXELS`].
    pub pixels: Value,
    /// Logits `[batch, classes]`.
    pub logits: Value,
}

impl ModelGraph {
    /// Adds the model for a number of images.
    pub fn new(model: &ModelPrograms, batch: usize) -> Result<Self, ShapeError> {
        let [h, w, c] = model.image();
        let mut graph = Graph::default();
        graph.set_scope("batch");
        let pixels = graph.source(PIXELS, TensorType::f32([batch, h, w, c]));
        // One number for each channel, or for each pixel.
        let columns = model.normalization().mean.len().max(1);
        let mean = graph.source(MEAN, TensorType::f32([columns]));
        let std = graph.source(STD, TensorType::f32([columns]));
        let rows = View::reshape([batch * h * w * c / columns, columns]);
        let mut x = graph.push(rows, &[pixels])?;
        for (function, numbers) in [(BinaryFunction::Subtract, mean), (BinaryFunction::Divide, std)]
        {
            x = graph.push(Binary { function, per_column: true }, &[x, numbers])?;
        }
        let x = graph.push(View::reshape([batch, h, w, c]), &[x])?;
        let mut builder = ModelBuilder::new(&mut graph, Mode::Evaluate, Some(&model.arena));
        let logits = builder.layers(model.layers(), x)?;
        Ok(Self { graph, pixels, logits })
    }
}

/// Compiles a graph for a device and loads it.
pub(super) fn load(
    executor: &mut dyn Executor,
    name: &str,
    graph: &Graph,
) -> Result<ProgramId, TrainError> {
    let caps = executor.caps().clone();
    let picks = executor.picks();
    let program = compile(name, graph, &caps, &|op, sig, all| picks.choose(op, sig, all))?;
    Ok(executor.load(Arc::new(program))?)
}

/// Writes the statistics by which a loaded [`ModelGraph`] normalizes.
pub(super) fn write_statistics(
    executor: &mut dyn Executor,
    model: &ModelPrograms,
) -> Result<(), TrainError> {
    let numbers = model.normalization();
    executor.write(MEAN, 0, bytemuck::cast_slice(&numbers.mean))?;
    Ok(executor.write(STD, 0, bytemuck::cast_slice(&numbers.std))?)
}

/// Reads a buffer of floats.
pub(super) fn read_floats(
    executor: &mut dyn Executor,
    buffer: &str,
) -> Result<Vec<f32>, TrainError> {
    Ok(bytemuck::pod_collect_to_vec(&executor.read_now(buffer)?))
}
