//! Which of two devices is faster, measured: a software GPU may lose against the CPU it runs on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{CpuExecutor, ExecError, Executor, GpuExecutor};
use crate::compile::compile;
use crate::graph::Graph;
use crate::ops::{Conv2d, ConvGeometry};
use crate::tensor::TensorType;

/// Images of the convolution: few, since a software GPU also compiles its kernel in this time.
const BATCH: usize = 16;
/// Runs of which the fastest counts; the first, which compiles, does not.
const RUNS: usize = 3;

/// How long a software GPU and the CPU take for the same work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Time of the convolution on the software GPU, in milliseconds.
    pub gpu_milliseconds: f64,
    /// The same on the CPU executor.
    pub cpu_milliseconds: f64,
}

impl Verdict {
    /// Whether the CPU executor is the faster one.
    pub fn prefers_cpu(&self) -> bool {
        self.cpu_milliseconds <= self.gpu_milliseconds
    }

    /// The verdict in words; `gpu` is the name of the software GPU.
    pub fn reason(&self, gpu: &str) -> String {
        format!(
            "no real GPU; a 3x3 convolution takes {:.1} ms on {gpu}, {:.1} ms on the CPU executor",
            self.gpu_milliseconds, self.cpu_milliseconds
        )
    }
}

/// Measures which of a software GPU and the CPU is faster, in about a second.
///
/// # Errors
/// When a device reports an error.
pub fn race(gpu: &mut GpuExecutor, cpu: &mut CpuExecutor) -> Result<Verdict, ExecError> {
    let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
    Ok(Verdict {
        gpu_milliseconds: milliseconds(time_convolution(gpu)?),
        cpu_milliseconds: milliseconds(time_convolution(cpu)?),
    })
}

/// Time of one forward convolution of a small CNN (3x3, 32 to 64 channels, 13x13 pixels, 16
/// images) on a device. Unloads whatever is loaded.
///
/// # Errors
/// When the device reports an error.
fn time_convolution(executor: &mut dyn Executor) -> Result<Duration, ExecError> {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([BATCH, 13, 13, 32]));
    let w = graph.source("w", TensorType::f32([3, 3, 32, 64]));
    let geometry = ConvGeometry::default();
    let op = Conv2d::new(geometry);
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
