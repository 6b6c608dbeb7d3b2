//! Adversarial examples: images that differ little from those of a data set, and mislead the model.

use std::collections::BTreeMap;
use std::ops::Range;

use super::model_graph::{ModelGraph, PIXELS, load, read_floats, write_statistics};
use super::pixels::PixelBatches;
use crate::compile::backward;
use crate::data::Dataset;
use crate::error::ShapeError;
use crate::exec::{Executor, ProgramId};
use crate::ops::{Argmax, AttackStep, Full, IGNORED_LABEL, SoftmaxCrossEntropy};
use crate::tensor::rng::{philox4x32, uniform};
use crate::tensor::{Real, TensorType};
use crate::train::{ModelPrograms, PendingWeights, TrainError};

/// Name of the program that takes a step of an attack.
const STEP: &str = "analysis/attack";
/// Name of the program that classifies.
const VICTIM: &str = "analysis/victim";
const LABELS: &str = "analysis/labels";
const ORIGINAL: &str = "analysis/original";
const EPSILON: &str = "analysis/epsilon";
const STEP_SIZE: &str = "analysis/step_size";

/// Second word of the random generator's key: keeps random starts apart from other users of a seed.
const KEY_HIGH: u32 = 0x6174_7461;

/// Steps that are submitted at once: short submissions keep the driver's watchdog quiet.
const STEPS_AT_ONCE: u32 = 8;

/// How images are changed so that the loss becomes larger; see [`AttackStep`] for a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attack {
    /// The fast gradient sign method: one step as long as the ball is wide.
    Fgsm,
    /// Projected gradient descent: several steps from a random place in the ball.
    Pgd {
        /// Number of steps.
        steps: u32,
        /// Length of a step; by default 2.5 times the radius of the ball over the number of steps,
        /// so that the border can be reached from anywhere (Madry et al., 2017).
        step_size: Option<f32>,
        /// Seed of the random places.
        seed: u32,
    },
}

/// What an attack on a data set came to.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackResult {
    /// Most that a pixel changes, of the range from 0 to 1.
    pub epsilon: f32,
    /// Part of the examples whose most likely class is still the label.
    pub accuracy: f64,
    /// Mean loss per example.
    pub loss: f64,
    /// The predicted class of each example.
    pub predictions: Vec<u32>,
    /// Pixels from 0 to 1 of the examples that were to be kept, by example.
    pub kept: BTreeMap<usize, Vec<f32>>,
}

/// A model on a device that is attacked, in evaluation mode.
#[derive(Debug)]
pub struct Attacker<'d> {
    step: ProgramId,
    victim: ProgramId,
    data: &'d Dataset,
    batches: PixelBatches<'d>,
}

impl<'d> Attacker<'d> {
    /// Compiles and loads the programs for `data` in batches of at most `batch` images, and writes the
    /// weights.
    ///
    /// # Errors
    /// When an op of the model has no gradient, the programs do not fit the device, or it fails.
    pub fn new(
        executor: &mut dyn Executor,
        model: &ModelPrograms,
        weights: &PendingWeights,
        data: &'d Dataset,
        batch: usize,
    ) -> Result<Self, TrainError> {
        let batches = PixelBatches::new(data, batch);
        let batch = batches.batch();
        let ModelGraph { mut graph, pixels, logits } = ModelGraph::new(model, batch)?;
        graph.set_scope("loss");
        let labels = graph.source(LABELS, TensorType::u32([batch]));
        let [losses, _residual] =
            graph.push_multi(SoftmaxCrossEntropy { label_smoothing: 0.0 }, &[logits, labels])?;
        let mut victim = graph.clone();
        let predictions = victim.push(Argmax {}, &[logits])?;
        victim.output("predictions", predictions);
        victim.output("losses", losses);
        let victim = load(executor, VICTIM, &victim)?;

        let one = graph.push(Full { value: 1.0, shape: [batch].into() }, &[])?;
        let gradients = backward(&mut graph, &[(losses, one)], &[pixels])?;
        let Some(gradient) = gradients[0] else {
            let problem = "no logit depends on a pixel: there is nothing to attack";
            return Err(ShapeError::new("model", problem).into());
        };
        graph.set_scope("attack");
        let original = graph.source(ORIGINAL, graph.ty(pixels).clone());
        let epsilon = graph.source(EPSILON, TensorType::f32([1]));
        let step_size = graph.source(STEP_SIZE, TensorType::f32([1]));
        graph.push(AttackStep {}, &[pixels, gradient, original, epsilon, step_size])?;
        let step = load(executor, STEP, &graph)?;
        write_statistics(executor, model)?;
        weights.write(executor)?;
        Ok(Self { step, victim, data, batches })
    }

    /// Attacks every example with changes of at most `epsilon`, and classifies what comes of it.
    /// Keeps the pixels of the examples in `keep`. The same arguments give the same bits.
    ///
    /// # Errors
    /// When a number is negative or not finite, or the device fails.
    pub fn run(
        &self,
        executor: &mut dyn Executor,
        attack: Attack,
        epsilon: f32,
        keep: &[usize],
    ) -> Result<AttackResult, TrainError> {
        let (steps, step_size) = match attack {
            Attack::Fgsm => (1, epsilon),
            Attack::Pgd { steps, step_size, .. } => {
                #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
                let default = (2.5 * f64::from(epsilon) / f64::from(steps.max(1))) as f32;
                (steps, step_size.unwrap_or(default))
            }
        };
        for (name, number) in [("epsilon", epsilon), ("the step size", step_size)] {
            if !(number.is_finite() && number >= 0.0) {
                let problem = format!("{name} must be finite and not negative, it is {number}");
                return Err(ShapeError::new("attack", problem).into());
            }
        }
        executor.write(EPSILON, 0, bytemuck::bytes_of(&epsilon))?;
        executor.write(STEP_SIZE, 0, bytemuck::bytes_of(&step_size))?;
        let (mut loss, mut correct) = (0.0, 0_u32);
        let (mut predictions, mut kept) = (Vec::with_capacity(self.data.len()), BTreeMap::new());
        for range in self.batches.ranges() {
            self.start(executor, &range, attack, epsilon)?;
            // Nothing can move in a ball of no size.
            let mut left = if epsilon > 0.0 { steps } else { 0 };
            while left > 0 {
                let now = left.min(STEPS_AT_ONCE);
                executor.run(self.step, now)?;
                left -= now;
            }
            executor.run(self.victim, 1)?;
            let losses = read_floats(executor, &format!("{VICTIM}/losses"))?;
            loss += losses[..range.len()].iter().map(|&loss| f64::from(loss)).sum::<f64>();
            let classes = executor.read_now(&format!("{VICTIM}/predictions"))?;
            let classes: Vec<u32> = bytemuck::pod_collect_to_vec(&classes);
            let labels = &self.data.labels[range.clone()];
            correct += labels.iter().zip(&classes).map(|(a, b)| u32::from(a == b)).sum::<u32>();
            predictions.extend_from_slice(&classes[..range.len()]);
            let wanted: Vec<usize> = keep.iter().copied().filter(|i| range.contains(i)).collect();
            if !wanted.is_empty() {
                let pixels = read_floats(executor, PIXELS)?;
                let image = self.data.image_len();
                for example in wanted {
                    let at = (example - range.start) * image;
                    kept.insert(example, pixels[at..at + image].to_vec());
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of examples, far below 2^53")]
        let n = self.data.len().max(1) as f64;
        let (accuracy, loss) = (f64::from(correct) / n, loss / n);
        Ok(AttackResult { epsilon, accuracy, loss, predictions, kept })
    }

    /// Writes a batch: the images, where the attack starts, and the labels.
    fn start(
        &self,
        executor: &mut dyn Executor,
        range: &Range<usize>,
        attack: Attack,
        epsilon: f32,
    ) -> Result<(), TrainError> {
        let mut pixels = self.batches.pixels(range)?;
        executor.write(ORIGINAL, 0, bytemuck::cast_slice(&pixels))?;
        if let Attack::Pgd { seed, .. } = attack {
            move_at_random(&mut pixels, self.data.image_len(), epsilon, (range.start, seed));
        }
        executor.write(PIXELS, 0, bytemuck::cast_slice(&pixels))?;
        let mut labels = self.data.labels[range.clone()].to_vec();
        labels.resize(self.batches.batch(), IGNORED_LABEL);
        Ok(executor.write(LABELS, 0, bytemuck::cast_slice(&labels))?)
    }
}

/// Moves each pixel by a uniform number of at most `epsilon`, within 0 and 1. The number depends on
/// the example (the first image is number `first`) and the seed, not on the size of the batch.
fn move_at_random(pixels: &mut [f32], image: usize, epsilon: f32, (first, seed): (usize, u32)) {
    for (example, pixels) in (first..).zip(pixels.chunks_mut(image.max(1))) {
        let example = u32::try_from(example).unwrap_or(u32::MAX);
        for (draw, pixels) in (0_u32..).zip(pixels.chunks_mut(4)) {
            let words = philox4x32([draw, example, 0, 0], [seed, KEY_HIGH]);
            for (pixel, word) in pixels.iter_mut().zip(words) {
                let by = f64::from(epsilon) * (2.0 * uniform(word) - 1.0);
                *pixel = f32::from_f64((f64::from(*pixel) + by).clamp(0.0, 1.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::trained;
    use super::*;
    use crate::exec::CpuExecutor;

    /// Ten steps of an attack by PGD.
    fn pgd(seed: u32) -> Attack {
        Attack::Pgd { steps: 10, step_size: None, seed }
    }

    #[test]
    fn attacks_mislead_a_trained_model() {
        let small = trained();
        let mut executor = CpuExecutor::new();
        let executor = &mut executor;
        let (model, weights) = (&small.model, small.pending());
        let attacker =
            Attacker::new(executor, model, &weights, &small.data, 64).expect("it compiles");
        let all: Vec<usize> = (0..small.data.len()).collect();
        let originals: Vec<f32> =
            small.data.images.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let mut accuracies = Vec::new();
        for attack in [Attack::Fgsm, pgd(1)] {
            let mut last: Option<AttackResult> = None;
            for epsilon in [0.0, 0.03, 0.1, 0.25] {
                let result = attacker.run(executor, attack, epsilon, &all).expect("it runs");
                assert_eq!(result.predictions.len(), small.data.len());
                let pixels: Vec<f32> = result.kept.values().flatten().copied().collect();
                assert_eq!(pixels.len(), originals.len());
                for (pixel, original) in pixels.iter().zip(&originals) {
                    // The bounds of the ball are rounded by half an ulp of at most one.
                    let distance = (f64::from(*pixel) - f64::from(*original)).abs();
                    assert!(distance <= f64::from(epsilon) + 1.0 / 8_388_608.0, "{distance}");
                    assert!((0.0..=1.0).contains(pixel));
                }
                if epsilon == 0.0 {
                    assert_eq!(pixels, originals, "nothing changes");
                    assert!(result.accuracy > 0.8, "{}", result.accuracy);
                } else {
                    assert_ne!(pixels, originals);
                }
                if let Some(last) = last {
                    assert!(result.accuracy <= last.accuracy, "{attack:?} {epsilon}");
                    assert!(result.loss > last.loss, "{attack:?} {epsilon}");
                }
                accuracies.push(result.accuracy);
                last = Some(result);
            }
        }
        assert!(accuracies[3] < 0.4, "FGSM leaves {accuracies:?}");
        // More steps find more.
        assert!(accuracies[7] <= accuracies[3], "{accuracies:?}");
        for number in [-0.1, f32::NAN, f32::INFINITY] {
            attacker.run(executor, Attack::Fgsm, number, &[]).expect_err("no radius");
        }
        let backwards = Attack::Pgd { steps: 1, step_size: Some(-1.0), seed: 0 };
        attacker.run(executor, backwards, 0.1, &[]).expect_err("no step");
    }

    #[test]
    fn a_seed_decides_the_random_start_whatever_the_batch() {
        let small = trained();
        let (model, weights) = (&small.model, small.pending());
        let data = small.data.clone().take_first(9);
        let run = |batch: usize, seed: u32| {
            let mut executor = CpuExecutor::new();
            let attacker =
                Attacker::new(&mut executor, model, &weights, &data, batch).expect("it compiles");
            attacker.run(&mut executor, pgd(seed), 0.1, &[0, 8]).expect("it runs").kept
        };
        let first = run(4, 3);
        assert_eq!(first.keys().copied().collect::<Vec<_>>(), [0, 8]);
        assert_eq!(first, run(4, 3));
        assert_ne!(first, run(4, 4));
        let mut images = [vec![0.5; 10], vec![0.5; 10]].concat();
        move_at_random(&mut images, 10, 0.1, (0, 3));
        let mut second = vec![0.5; 10];
        move_at_random(&mut second, 10, 0.1, (1, 3));
        assert_eq!(images[10..], second);
        assert_ne!(images[..10], second);
    }
}
