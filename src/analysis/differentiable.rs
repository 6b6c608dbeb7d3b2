//! A trained model on a device whose logits are differentiated with respect to pixels.

use super::model_graph::{ModelGraph, PIXELS, load, read_floats, write_statistics};
use crate::compile::backward;
use crate::error::ShapeError;
use crate::exec::{Executor, ProgramId};
use crate::tensor::TensorType;
use crate::train::{ModelPrograms, PendingWeights, TrainError};

/// Name of the program that computes logits.
const SCORES: &str = "analysis/scores";
/// Name of the program that also computes derivatives.
const GRADIENT: &str = "analysis/gradient";
/// Name of the source of the derivative by the logits.
const DIRECTION: &str = "analysis/direction";

/// Computes logits and derivatives with respect to pixels, in evaluation mode: without dropout and
/// with the running statistics of batch normalization. Pixels go from 0 to 1 and are normalized as
/// part of the model, so derivatives are by what an image file holds.
#[derive(Debug)]
pub struct DifferentiableModel {
    scores: ProgramId,
    gradient: ProgramId,
    batch: usize,
    image_len: usize,
    classes: usize,
}

impl DifferentiableModel {
    /// Compiles and loads the programs for batches of `batch` images, and writes the weights.
    ///
    /// # Errors
    /// When an op of the model has no gradient, the programs do not fit the device, or it fails.
    pub fn new(
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        weights: &PendingWeights,
        batch: usize,
    ) -> Result<Self, TrainError> {
        let ModelGraph { mut graph, pixels, logits } = ModelGraph::new(model, batch)?;
        graph.output("logits", logits);
        let scores = load(executor, SCORES, &graph)?;
        graph.set_scope("loss");
        let direction = TensorType::f32([batch, model.classes()]);
        let direction = graph.source(DIRECTION, direction);
        let gradients = backward(&mut graph, &[(logits, direction)], &[pixels])?;
        let Some(gradient) = gradients[0] else {
            let problem = "no logit depends on a pixel: the model has no gradient";
            return Err(ShapeError::new("model", problem).into());
        };
        graph.output("pixels", gradient);
        let gradient = load(executor, GRADIENT, &graph)?;
        write_statistics(executor, model)?;
        weights.write(executor)?;
        let image_len = model.image().iter().product();
        Ok(Self { scores, gradient, batch, image_len, classes: model.classes() })
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Logits `[batch, classes]` of `pixels` `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// When the numbers are not as many, or the device fails.
    pub fn logits(
        &self,
        executor: &mut dyn Executor,
        pixels: &[f32],
    ) -> Result<Vec<f32>, TrainError> {
        self.write_pixels(executor, pixels)?;
        executor.run(self.scores, 1)?;
        read_floats(executor, &format!("{SCORES}/logits"))
    }

    /// Derivatives with respect to `pixels`, `[batch, height, width, channels]`, of the sum of the
    /// logits, each times its element of `direction` `[batch, classes]`: a one in each row for a
    /// class's score, and the derivative of a loss by the logits for that loss.
    ///
    /// # Errors
    /// When the numbers are not as many, or the device fails.
    pub fn gradient(
        &self,
        executor: &mut dyn Executor,
        pixels: &[f32],
        direction: &[f32],
    ) -> Result<Vec<f32>, TrainError> {
        self.write_pixels(executor, pixels)?;
        check_count("the direction", direction.len(), self.batch * self.classes)?;
        executor.write(DIRECTION, 0, bytemuck::cast_slice(direction))?;
        executor.run(self.gradient, 1)?;
        read_floats(executor, &format!("{GRADIENT}/pixels"))
    }

    fn write_pixels(&self, executor: &mut dyn Executor, pixels: &[f32]) -> Result<(), TrainError> {
        check_count("the images", pixels.len(), self.batch * self.image_len)?;
        Ok(executor.write(PIXELS, 0, bytemuck::cast_slice(pixels))?)
    }
}

fn check_count(what: &str, given: usize, expected: usize) -> Result<(), ShapeError> {
    if given == expected {
        return Ok(());
    }
    let problem = format!("{what} of a batch are {expected} numbers, {given} were given");
    Err(ShapeError::new("gradient", problem))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::testing::{Small, small};
    use super::*;
    use crate::exec::{CpuExecutor, GpuExecutor, evaluate, gpu::adapters};

    /// The derivative of `sum(direction * logits)` by each of some pixels, by central differences in
    /// f64.
    fn differences(small: &Small, pixels: &[f32], direction: &[f32], at: &[usize]) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let batch = pixels.len() / small.data.image_len();
        let ModelGraph { graph, logits, .. } =
            ModelGraph::new(&small.model, batch).expect("the model fits its images");
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let numbers = small.model.normalization();
        let mut floats = HashMap::from([
            (PIXELS.to_owned(), wide(pixels)),
            ("analysis/mean".to_owned(), wide(&numbers.mean)),
            ("analysis/std".to_owned(), wide(&numbers.std)),
        ]);
        let mut arena = vec![0.0; small.model.arena.elements];
        for entry in &small.model.arena.entries {
            let values = wide(small.weights[&entry.spec.name].f32s());
            arena[entry.offset..entry.offset + values.len()].copy_from_slice(&values);
        }
        floats.insert("parameters".to_owned(), arena);
        let mut running = vec![0.0; small.model.arena.state_elements];
        for entry in &small.model.arena.states {
            let values = wide(small.weights[&entry.spec.name].f32s());
            running[entry.offset..entry.offset + values.len()].copy_from_slice(&values);
        }
        floats.insert("running_statistics".to_owned(), running);
        let mut value = |at: usize, by: f64| {
            floats.get_mut(PIXELS).expect("it was put there")[at] += by;
            let outputs = evaluate(&graph, &floats, &HashMap::new(), &[logits]);
            floats.get_mut(PIXELS).expect("it was put there")[at] -= by;
            let logits = &outputs.expect("every source is given")[0];
            logits.iter().zip(direction).map(|(y, &d)| y * f64::from(d)).sum::<f64>()
        };
        at.iter().map(|&at| (value(at, STEP) - value(at, -STEP)) / (2.0 * STEP)).collect()
    }

    /// Batch normalization by running statistics, dropout that is off, and normalized pixels: the
    /// derivative is that of what evaluation computes, on every device.
    #[test]
    fn derivatives_agree_with_finite_differences() {
        for per_pixel in [false, true] {
            let small = small(per_pixel);
            let pixels: Vec<f32> = small.data.images[..2 * small.data.image_len()]
                .iter()
                .map(|&byte| 0.1 + 0.8 * f32::from(byte) / 255.0)
                .collect();
            let direction: Vec<f32> =
                (0..2_u8 * 10).map(|i| f32::from(i % 7) / 3.0 - 1.0).collect();
            let at: Vec<usize> = (0..pixels.len()).step_by(37).collect();
            let expected = differences(&small, &pixels, &direction, &at);
            let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            assert!(largest > 1e-3, "{largest}");
            let mut executors: Vec<Box<dyn Executor>> = vec![Box::new(CpuExecutor::new())];
            for adapter in adapters().iter().take(1) {
                executors.push(Box::new(GpuExecutor::open(adapter).expect("it opens")));
            }
            for mut executor in executors {
                let executor = executor.as_mut();
                let pending = small.pending();
                let model = DifferentiableModel::new(executor, &small.model, &pending, 2)
                    .expect("it compiles");
                let got = model.gradient(executor, &pixels, &direction).expect("it runs");
                for (&at, expected) in at.iter().zip(&expected) {
                    let error = (f64::from(got[at]) - expected).abs();
                    assert!(error < 2e-5 * largest, "{at}: {} for {expected}", got[at]);
                }
                model.logits(executor, &pixels[1..]).expect_err("a pixel is missing");
            }
        }
    }
}
