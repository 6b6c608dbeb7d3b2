//! Forward and backward of a batch: the gradients of all parameters, side by side in an arena.

use super::batch::Batch;
use super::model::ModelPrograms;
use crate::compile::backward;
use crate::error::ShapeError;
use crate::graph::{Graph, Value};
use crate::nn::{Mode, ModelBuilder, ParameterSpec, StateUpdates};
use crate::ops::{
    Binary, Broadcast, ClearGaps, Concat, Full, MaskedMean, MaskedMeanGrad, Over, Pack, View,
};
use crate::train::Recipe;
use crate::train::recipe::loss_reduction::LossReduction;

/// What a batch goes through the model with.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct BatchInput {
    /// Images and what they show.
    pub batch: Batch,
    /// Steps completed, u32 `[1]`.
    pub step: Value,
    /// Factor on the loss before it is differentiated, f32 `[1]`; one where there is none.
    pub scale: Option<Value>,
}

/// What a batch gives.
#[derive(Debug, Clone)]
pub(in crate::train) struct BatchGradients {
    /// Outputs of the model, such as logits `[n, classes]`.
    pub logits: Value,
    /// Losses of the examples, `[n]`.
    pub losses: Value,
    /// Mean loss, `[1]`; nothing of the step reads it.
    pub loss: Value,
    /// Gradients in the order of the arena; zeros for parameters that are frozen.
    pub gradients: Value,
    /// All parameters.
    pub parameters: Option<Value>,
    /// What it does to running statistics, if the step counts.
    pub states: StateUpdates,
}

/// Gradients by parameter.
type Gradients = Vec<(ParameterSpec, Option<Value>)>;

impl ModelPrograms {
    /// Adds forward and backward of a batch.
    ///
    /// # Errors
    /// When an op rejects its operands, or every layer is frozen.
    pub(in crate::train) fn gradients(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        input: BatchInput,
    ) -> Result<BatchGradients, ShapeError> {
        if recipe.accumulate > 1 {
            return self.gradients_in_parts(graph, recipe, input);
        }
        let mode = Mode::Train { seed: fold_seed(recipe.seed), step: input.step };
        let mut builder = self.builder(graph, mode);
        let logits = builder.layers(&self.layers, input.batch.x)?;
        let (specs, values) = (builder.parameters().to_vec(), builder.parameter_values().to_vec());
        let (parameters, states) = (builder.arena_value(), builder.into_updates());

        graph.set_scope("loss");
        let losses = input.batch.losses(graph, logits, (&recipe.loss, recipe.label_smoothing))?;
        let loss = graph.push(MaskedMean {}, &[losses, input.batch.labels])?;
        let shares = shares(graph, recipe.loss_reduction, input)?;
        let gradients = self.differentiate(graph, (losses, shares), specs, &values)?;
        graph.set_scope("update");
        let gradients = self.pack(graph, recipe, gradients)?;
        Ok(BatchGradients { logits, losses, loss, gradients, parameters, states })
    }

    /// The same part by part, each forward and backward before the next, so that the activations of
    /// one part are in memory at a time. Layers see parts as they see batches: the statistics of
    /// batch normalization are those of a part.
    fn gradients_in_parts(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        input: BatchInput,
    ) -> Result<BatchGradients, ShapeError> {
        let images = graph.ty(input.batch.x).dims().to_vec();
        let (rows, image) = images.split_first().map_or((0, &[][..]), |(n, image)| (*n, image));
        let parts = recipe.accumulate.min(rows);
        graph.set_scope("loss");
        let shares = shares(graph, recipe.loss_reduction, input)?;
        let mut states = StateUpdates::default();
        let (mut all_logits, mut all_losses, mut parameters) = (Vec::new(), Vec::new(), None);
        let mut sum: Gradients = Vec::new();
        for part in 0..parts {
            let (start, end) = (rows * part / parts, rows * (part + 1) / parts);
            let cut = |graph: &mut Graph, value: Value, row: &[usize]| {
                let offset = start * row.iter().product::<usize>();
                let shape = [&[end - start], row].concat();
                graph.push(View { offset, shape: shape.into() }, &[value])
            };
            graph.set_scope("batch");
            let targets = input.batch.targets.map(|all| {
                let row = graph.ty(all).dims()[1..].to_vec();
                cut(graph, all, &row)
            });
            let targets = targets.transpose()?;
            let x = cut(graph, input.batch.x, image)?;
            let labels = cut(graph, input.batch.labels, &[])?;
            let factors = input.batch.factors.map(|all| cut(graph, all, &[])).transpose()?;
            let batch = Batch { x, labels, targets, factors, ..input.batch };
            let shares = cut(graph, shares, &[])?;
            // Each part drops units of its own.
            let part = u32::try_from(part).unwrap_or(u32::MAX);
            let seed = fold_seed(recipe.seed) ^ part.wrapping_mul(0x9e37_79b9);
            let mode = Mode::Train { seed, step: input.step };
            let mut builder = self.builder(graph, mode);
            let logits = builder.layers(&self.layers, batch.x)?;
            let specs = builder.parameters().to_vec();
            let values = builder.parameter_values().to_vec();
            parameters = builder.arena_value();
            states.extend(builder.into_updates());

            graph.set_scope("loss");
            let losses = batch.losses(graph, logits, (&recipe.loss, recipe.label_smoothing))?;
            let gradients = self.differentiate(graph, (losses, shares), specs, &values)?;
            graph.set_scope("accumulate");
            sum = add(graph, sum, gradients)?;
            all_logits.push(logits);
            all_losses.push(losses);
        }
        graph.set_scope("loss");
        let logits = graph.push(Concat { axis: 0 }, &all_logits)?;
        let losses = graph.push(Concat { axis: 0 }, &all_losses)?;
        let loss = graph.push(MaskedMean {}, &[losses, input.batch.labels])?;
        graph.set_scope("update");
        let gradients = self.pack(graph, recipe, sum)?;
        Ok(BatchGradients { logits, losses, loss, gradients, parameters, states })
    }

    /// Starts the model in training or evaluation.
    pub(in crate::train) fn builder<'g>(
        &'g self,
        graph: &'g mut Graph,
        mode: Mode,
    ) -> ModelBuilder<'g> {
        ModelBuilder::new(graph, mode, Some(&self.arena))
            .with_precision(self.precision)
            .with_rates(&self.layer_rates)
    }

    /// Adds the gradients of all parameters that are not frozen, and nothing that only others need.
    fn differentiate(
        &self,
        graph: &mut Graph,
        seed: (Value, Value),
        specs: Vec<ParameterSpec>,
        values: &[Value],
    ) -> Result<Gradients, ShapeError> {
        let all = specs.into_iter().zip(values);
        let trained = all.filter(|(spec, _)| !self.layer_rates.is_frozen(&spec.name));
        let (specs, wrt): (Vec<_>, Vec<Value>) = trained.unzip();
        let gradients = backward(graph, &[seed], &wrt)?;
        Ok(specs.into_iter().zip(gradients).collect())
    }

    /// Puts the gradients into the order of the arena. A parameter that the loss does not depend
    /// on has a gradient of zeros. Nothing is written where parameters are frozen, nor between them: the
    /// arena starts as zeros. Only a step that overflows may leave something else there: the norm by which
    /// it is clipped is no number, and so is all that is multiplied by it. The next step must not take
    /// that for an overflow of its own.
    fn pack(
        &self,
        graph: &mut Graph,
        recipe: &Recipe,
        gradients: Gradients,
    ) -> Result<Value, ShapeError> {
        let (mut offsets, mut packed) = (Vec::new(), Vec::new());
        let mut tensors = Vec::new();
        for entry in &self.arena.entries {
            let found = gradients.iter().find(|(spec, _)| spec.name == entry.spec.name);
            let Some((spec, gradient)) = found else { continue };
            let gradient = match gradient {
                Some(gradient) => *gradient,
                None => graph.push(Full { value: 0.0, shape: spec.shape.clone() }, &[])?,
            };
            offsets.push(entry.offset);
            packed.push(gradient);
            tensors.push([entry.offset, spec.shape.elements()]);
        }
        if packed.is_empty() && !self.arena.entries.is_empty() {
            return Err(ShapeError::new(
                "model",
                "every layer is frozen, so nothing is left to train",
            ));
        }
        let elements = self.arena.elements;
        let arena = graph.push(Pack { offsets, elements }, &packed)?;
        let gaps = ClearGaps::between(&tensors, elements);
        let poisoned = recipe.clipping.by_norm.is_some() && !self.precision.is_f32();
        if poisoned && !gaps.gaps.is_empty() { graph.push(gaps, &[arena]) } else { Ok(arena) }
    }
}

/// The derivative of what is differentiated by the loss of each example. That loss is zero, and so is
/// its gradient, where a label is ignored.
fn shares(
    graph: &mut Graph,
    reduction: LossReduction,
    input: BatchInput,
) -> Result<Value, ShapeError> {
    let labels = input.batch.labels;
    match reduction {
        LossReduction::Mean => {
            let seed = match input.scale {
                None => graph.push(Full { value: 1.0, shape: [1].into() }, &[])?,
                Some(scale) => scale,
            };
            graph.push(MaskedMeanGrad {}, &[labels, seed])
        }
        // Rows without an example count where nothing but their label says so.
        LossReduction::Sum if input.batch.targets.is_some() && !input.batch.mixed => {
            let message = "\"sum\" takes a label for each example: leave it out";
            Err(ShapeError::new("loss_reduction", message))
        }
        LossReduction::Sum => {
            let shape = graph.ty(labels).shape.clone();
            match input.scale {
                None => graph.push(Full { value: 1.0, shape }, &[]),
                Some(scale) => {
                    graph.push(Broadcast { shape, over: Over::All, scale: 1.0 }, &[scale])
                }
            }
        }
    }
}

/// Adds gradients to sums of the same parameters; the first ones are the sums.
fn add(graph: &mut Graph, sum: Gradients, more: Gradients) -> Result<Gradients, ShapeError> {
    if sum.is_empty() {
        return Ok(more);
    }
    let pairs = sum.into_iter().zip(more);
    let added = pairs.map(|((spec, sum), (_, more))| {
        let total = match (sum, more) {
            (Some(sum), Some(more)) => Some(graph.push(Binary::ADD, &[sum, more])?),
            (sum, more) => sum.or(more),
        };
        Ok((spec, total))
    });
    added.collect()
}

/// 32 bits that depend on all 64 of a seed.
pub(in crate::train) fn fold_seed(seed: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h]).rotate_left(16)
}
