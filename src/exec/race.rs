//! Which of two devices is faster, measured: a software GPU may lose against the CPU it runs on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ExecError, Executor};
use crate::compile::compile;
use crate::graph::{Activation, Graph};
use crate::ops::{Conv2d, ConvGeometry};
use crate::tensor::TensorType;

/// Images of the convolution: few, since a software GPU also compiles its kernel in this time.
const BATCH: usize = 16;
/// Runs of which the fastest counts; the first, which compiles, does not.
const RUNS: usize = 3;

/// Time of one forward convolution of a small CNN (3x3, 32 to 64 channels, 13x13 pixels, 16
/// images) on a device. Unloads whatever is loaded.
///
/// # Errors
/// When the device reports an error.
pub(super) fn time_convolution(executor: &mut dyn Executor) -> Result<Duration, ExecError> {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([BATCH, 13, 13, 32]));
    let w = graph.source("w", TensorType::f32([3, 3, 32, 64]));
    let geometry = ConvGeometry::default();
    let op = Conv2d { geometry, bias: false, activation: Activation::Identity };
    let unusable = |message: String| ExecError::Validation {
        device: executor.info().name.clone(),
        what: "the convolution that compares devices".to_owned(),
        message,
    };
    let y = graph.push(op, &[x, w]).map_err(|error| unusable(error.to_string()))?;
    graph.output("y", y);
    let picks = executor.picks();
    let program =
        compile("race", &graph, executor.caps(), &|op, sig, all| picks.choose(op, sig, all));
    let program = program.map_err(|error| unusable(error.to_string()))?;
    let id = executor.load(Arc::new(program))?;
    let mut fastest = Duration::MAX;
    for run in 0..=RUNS {
        let start = Instant::now();
        executor.run(id, 1)?;
        executor.wait()?;
        if run > 0 {
            fastest = fastest.min(start.elapsed());
        }
    }
    executor.unload_all();
    Ok(fastest)
}
