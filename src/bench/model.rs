//! Speed of a model's training program, whoever builds it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::BenchError;
use crate::exec::{Executor, ProgramId};

/// What [`measure_model`] measures.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// Name of the model, for the row.
    pub name: String,
    /// Images in one step.
    pub batch: u32,
    /// Steps that are not counted.
    pub warmup_steps: u32,
    /// How long to measure, at least.
    pub duration: Duration,
}

/// Speed of one model on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Name of the device.
    pub device: String,
    /// Name of the model.
    pub model: String,
    /// Images in one step.
    pub batch: u32,
    /// Steps measured, after the warm-up.
    pub steps: u32,
    /// Steps per second.
    pub steps_per_second: f64,
    /// Images per second.
    pub images_per_second: f64,
    /// Time from the start of the preparation to the end of the first step, in seconds: building
    /// the graph, compiling kernels, uploading data.
    pub seconds_to_first_step: f64,
}

/// Runs steps until `options.duration` has passed.
///
/// `prepare` does all that comes before the first step: it builds and loads the program, whose one
/// run is one step, and writes data and weights.
///
/// # Errors
/// Those of `prepare`, or when the device reports an error.
pub fn measure_model<E: From<BenchError>>(
    executor: &mut dyn Executor,
    options: &ModelOptions,
    prepare: impl FnOnce(&mut dyn Executor) -> Result<ProgramId, E>,
) -> Result<ModelRow, E> {
    let start = Instant::now();
    let program = prepare(executor)?;
    let mut run = |steps: u32| -> Result<f64, BenchError> {
        let start = Instant::now();
        executor.run(program, steps)?;
        executor.wait()?;
        Ok(start.elapsed().as_secs_f64())
    };
    run(1)?;
    let seconds_to_first_step = start.elapsed().as_secs_f64();
    run(options.warmup_steps)?;

    let (mut steps, mut seconds, mut chunk) = (0_u32, 0.0, 1_u32);
    while seconds < options.duration.as_secs_f64() {
        let spent = run(chunk)?;
        steps += chunk;
        seconds += spent;
        // Submissions that are long enough to hide the host, as in training.
        if spent < LONG_SUBMISSION.as_secs_f64() && chunk < MAX_CHUNK {
            chunk *= 2;
        }
    }
    let steps_per_second = f64::from(steps) / seconds.max(f64::MIN_POSITIVE);
    Ok(ModelRow {
        device: executor.info().name.clone(),
        model: options.name.clone(),
        batch: options.batch,
        steps,
        steps_per_second,
        images_per_second: steps_per_second * f64::from(options.batch),
        seconds_to_first_step,
    })
}

/// Steps are submitted together until a submission takes this long.
const LONG_SUBMISSION: Duration = Duration::from_millis(100);
/// Most steps of one submission.
const MAX_CHUNK: u32 = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compile::compile;
    use crate::exec::CpuExecutor;
    use crate::graph::{Activation, Graph};
    use crate::ops::Activate;
    use crate::tensor::TensorType;

    #[test]
    fn steps_and_images_are_counted() {
        let options = ModelOptions {
            name: "one op".to_owned(),
            batch: 8,
            warmup_steps: 2,
            duration: Duration::from_millis(5),
        };
        let row = measure_model::<BenchError>(&mut CpuExecutor::new(), &options, |executor| {
            let mut graph = Graph::default();
            let x = graph.source("x", TensorType::f32([8, 4]));
            let y = graph.push(Activate { function: Activation::Relu }, &[x])?;
            graph.output("y", y);
            let program = compile("test", &graph, executor.caps(), &|_, _, _| 0)?;
            Ok(executor.load(Arc::new(program))?)
        })
        .expect("the program runs");
        assert!(row.steps > 0);
        assert!((row.images_per_second / row.steps_per_second - 8.0).abs() < 1e-9);
        assert!(row.seconds_to_first_step > 0.0);
    }
}
