//! Images as training sees them: examples beside augmented copies, through the program of a batch.

use std::sync::Arc;

use crate::data::Dataset;
use crate::exec::Executor;
use crate::graph::Graph;
use crate::ops::Advance;
use crate::tensor::TensorType;
use crate::train::step::compiled::compiled;
use crate::train::step::feed::Feed;
use crate::train::step::model::ModelPrograms;
use crate::train::step::names::STEP;
use crate::train::{Recipe, TrainError};

/// Augmented copies of the first `rows` examples of `train`: `columns` batches of
/// `[rows, h, w, c]` pixels, one for each step. Each step counts as an epoch, so that flips alternate.
///
/// # Errors
/// When the augmentation does not fit the images, or the device fails.
pub fn augmented_examples(
    executor: &mut dyn Executor,
    recipe: &Recipe,
    train: &Dataset,
    rows: usize,
    columns: usize,
) -> Result<Vec<Vec<u8>>, TrainError> {
    let model = ModelPrograms::of_recipe(recipe, train)?;
    let shown = train.clone().take_first(rows);
    let caps = executor.caps().clone();
    let feed = Feed::plan("preview", &shown, shown.len(), false, &caps);
    let mut graph = Graph::default();
    graph.set_scope("batch");
    let step = graph.source(STEP, TensorType::u32([1]));
    let batch = model.training_batch(&mut graph, recipe, &feed, step)?;
    graph.output("x", batch.x);
    graph.push(Advance {}, &[step])?;
    let program = compiled("preview", &graph, &caps, executor.picks())?;
    let id = executor.load(Arc::new(program))?;
    feed.upload(executor, &shown)?;
    model.upload_statistics(executor)?;
    executor.write(STEP, 0, &[0; 4])?;
    let order = feed.epoch_order(0, 0, false);
    let mut batches = Vec::with_capacity(columns);
    for step in 0..columns as u64 {
        let crops = recipe.crops(u32::try_from(step).unwrap_or(u32::MAX));
        let mut pass = feed.start_pass(executor, order.clone(), step, crops)?;
        feed.prepare(executor, &shown, &mut pass, step, 1)?;
        executor.run(id, 1)?;
        let x: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read_now("preview/x")?);
        batches.push(model.normalization().pixels(&x));
    }
    Ok(batches)
}
