//! Kernels that do one thing only, and how fast a device does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::cast_slice;

use super::BenchError;
use crate::compile::Program;
use crate::exec::Executor;
use crate::graph::{Caps, Kernel, Operand};
use crate::tensor::TensorType;
use crate::verify::probe::{PROBE_INPUT, probe_program};

/// Samples of which the fastest counts: a peak is what the device can do, not what it does on
/// average.
const SAMPLES: usize = 20;
/// Time after which no further sample is started.
const PATIENCE: Duration = Duration::from_millis(250);

/// How a copy is dealt out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copying {
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Elements of 16 bytes that an invocation copies.
    pub elements: usize,
}

impl Copying {
    fn kernel(self, bytes: usize, caps: &Caps) -> Kernel {
        Kernel::new("copy")
            .constant("COPIES", self.elements)
            .flat(bytes / (16 * self.elements), self.workgroup, caps)
            .file(include_str!("../../shaders/bench/copy.wgsl"))
    }
}

/// Chains of multiply-adds of one invocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chains {
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Vectors of four that are multiplied side by side.
    pub vectors: usize,
}

/// Multiply-adds of each vector between two tests for the end of the loop.
const UNROLLED: usize = 16;

impl Chains {
    /// Multiply-adds of an invocation in one turn of its loop.
    fn of_turn(self) -> usize {
        4 * self.vectors * UNROLLED
    }

    /// Turns of the loop that make about `multiply_adds`.
    fn turns(self, multiply_adds: usize) -> usize {
        (multiply_adds / self.of_turn()).max(1)
    }

    fn kernel(self, invocations: usize, turns: usize, caps: &Caps) -> Kernel {
        Kernel::new("multiply_add")
            .constant("TURNS", turns)
            .flat(invocations, self.workgroup, caps)
            .file(include_str!("../../shaders/bench/multiply_add.wgsl"))
            .file(&self.multiply_add_main())
    }

    fn multiply_add_main(self) -> String {
        let vectors =
            |line: &dyn Fn(usize) -> String| -> String { (0..self.vectors).map(line).collect() };
        let start =
            vectors(&|j| format!("  var a{j} = vec4<f32>(f32(i), 1.0, 2.0, 3.0) + {}.0;\n", 4 * j));
        let turn = vectors(&|j| format!("    a{j} = fma(a{j}, factor, term);\n")).repeat(UNROLLED);
        let sum: Vec<String> = (0..self.vectors).map(|j| format!("a{j}")).collect();
        let sum = sum.join(" + ");
        format!(
            "
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {{
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS {{ return; }}
  let factor = vec4<f32>(x[0]);
  let term = vec4<f32>(x[1]);
{start}  for (var k = 0u; k < TURNS; k += 1u) {{
{turn}  }}
  let sum = {sum};
  y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}}
"
        )
    }
}

/// Multiply-adds per second of `invocations` that make about `each`, by chains.
pub(super) fn multiply_adds(
    executor: &mut dyn Executor,
    chains: Chains,
    invocations: usize,
    each: usize,
) -> Result<f64, BenchError> {
    let turns = chains.turns(each);
    let kernel = chains.kernel(invocations, turns, executor.caps());
    let (x, y) = (TensorType::f32([2]), TensorType::f32([invocations]));
    let program = program(kernel, x, y, executor.caps())?;
    // A factor below one keeps the numbers ordinary.
    let seconds = fastest(executor, program, &[0.999, 0.5])?;
    Ok(number(invocations * turns * chains.of_turn()) / seconds)
}

/// Bytes per second that a copy of `bytes` reads and writes.
pub(super) fn copied_bytes(
    executor: &mut dyn Executor,
    copying: Copying,
    bytes: usize,
) -> Result<f64, BenchError> {
    let seconds = time_copy(executor, copying, bytes)?;
    Ok(number(2 * bytes) / seconds)
}

/// Seconds of a kernel that does next to nothing.
pub(super) fn seconds_per_kernel(executor: &mut dyn Executor) -> Result<f64, BenchError> {
    time_copy(executor, Copying { workgroup: 64, elements: 1 }, 16)
}

fn time_copy(
    executor: &mut dyn Executor,
    copying: Copying,
    bytes: usize,
) -> Result<f64, BenchError> {
    let copied = TensorType::u32([bytes / 4]);
    let kernel = copying.kernel(bytes, executor.caps());
    let program = program(kernel, copied.clone(), copied, executor.caps())?;
    fastest(executor, program, &[])
}

/// A program that runs one kernel of one input and one output.
fn program(
    kernel: Kernel,
    input: TensorType,
    output: TensorType,
    caps: &Caps,
) -> Result<Program, BenchError> {
    let kernel = kernel.read(Operand::Input(0)).write(Operand::Output(0));
    Ok(probe_program(kernel, input, output, caps)?)
}

/// Least time of the only dispatch of a program, in seconds: by the clock that times the dispatches
/// of a model, so that it can be compared with them.
fn fastest(
    executor: &mut dyn Executor,
    program: Program,
    content: &[f32],
) -> Result<f64, BenchError> {
    executor.unload_all();
    let id = executor.load(Arc::new(program))?;
    executor.write(PROBE_INPUT, 0, cast_slice(content))?;
    // The first run, which may still compile, does not count.
    executor.profile(id)?;
    let start = Instant::now();
    let mut fastest = f64::INFINITY;
    for _ in 0..SAMPLES {
        fastest = fastest.min(executor.profile(id)?.busy());
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    executor.unload_all();
    Ok(fastest)
}

fn number(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_valid_under_default_limits() {
        let caps = Caps::webgpu_default();
        let kernels = [
            Copying { workgroup: 256, elements: 4 }.kernel(1 << 20, &caps),
            Chains { workgroup: 256, vectors: 4 }.kernel(1 << 20, 16, &caps),
            Chains { workgroup: 64, vectors: 8 }.kernel(256, 16, &caps),
        ];
        for kernel in kernels {
            let kernel = kernel.read(Operand::Input(0)).write(Operand::Output(0));
            crate::compile::check_kernel(&kernel, &caps).expect("the kernel is valid");
        }
    }
}
