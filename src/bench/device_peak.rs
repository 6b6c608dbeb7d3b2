//! What a device can do at best: bandwidth of a copy and throughput of multiply-add, measured by
//! kernels of our own.

use std::sync::Arc;

use bytemuck::cast_slice;

use super::BenchError;
use super::host_peak::measure_host;
use super::peaks::{DevicePeaks, billions};
use super::timing::time_program;
use crate::compile::Program;
use crate::exec::Executor;
use crate::graph::{Caps, Kernel, Operand};
use crate::tensor::TensorType;
use crate::verify::probe::{PROBE_INPUT, probe_program};

/// Bytes of the tensor that is copied: larger than the caches of most devices, and half of what
/// every device can bind.
const COPY_BYTES: usize = 64 << 20;
/// Elements of 16 bytes that one invocation copies.
const COPIES: usize = 8;
/// Invocations that multiply and add: enough to fill the largest GPUs.
const MULTIPLY_ADD_INVOCATIONS: usize = 1 << 18;
/// Loop iterations of each.
const MULTIPLY_ADD_ITERATIONS: usize = 512;
/// Multiply-adds of one iteration, as in `shaders/bench/multiply_add.wgsl`.
const MULTIPLY_ADDS: usize = 16;
const WORKGROUP_SIZE: u32 = 64;
/// Dispatches of nearly nothing, of which the fastest counts.
const DISPATCH_SAMPLES: usize = 20;

/// Measures the peaks of a device.
///
/// # Errors
/// When the device reports an error.
pub fn measure_peaks(executor: &mut dyn Executor) -> Result<DevicePeaks, BenchError> {
    if executor.info().kind == "cpu" {
        return Ok(measure_host());
    }
    let caps = executor.caps().clone();
    let copy = Kernel::new("copy")
        .constant("COPIES", COPIES)
        .flat(COPY_BYTES / (16 * COPIES), WORKGROUP_SIZE, &caps)
        .file(include_str!("../../shaders/bench/copy.wgsl"));
    let copied = TensorType::u32([COPY_BYTES / 4]);
    let copy_seconds = measure(executor, copy, copied.clone(), copied, &[])?;
    let nearly_nothing = Kernel::new("copy")
        .constant("COPIES", COPIES)
        .flat(1, WORKGROUP_SIZE, &caps)
        .file(include_str!("../../shaders/bench/copy.wgsl"));
    let little = TensorType::u32([4 * COPIES]);
    let nearly_nothing = probe(nearly_nothing, little.clone(), little, &caps)?;
    let seconds_per_dispatch = measure_dispatch(executor, nearly_nothing)?;

    let multiply_add = Kernel::new("multiply_add")
        .constant("ITERATIONS", MULTIPLY_ADD_ITERATIONS)
        .flat(MULTIPLY_ADD_INVOCATIONS, WORKGROUP_SIZE, &caps)
        .file(include_str!("../../shaders/bench/multiply_add.wgsl"));
    let (x, y) = (TensorType::f32([2]), TensorType::f32([MULTIPLY_ADD_INVOCATIONS]));
    // A factor below one keeps the numbers ordinary.
    let multiply_add_seconds = measure(executor, multiply_add, x, y, &[0.999, 0.5])?;

    let flop = 2 * MULTIPLY_ADDS * MULTIPLY_ADD_ITERATIONS * MULTIPLY_ADD_INVOCATIONS;
    Ok(DevicePeaks {
        device: executor.info().clone(),
        gigabytes_per_second: billions(2 * COPY_BYTES as u64) / copy_seconds,
        gigaflops: billions(flop as u64) / multiply_add_seconds,
        seconds_per_dispatch,
    })
}

/// A program that runs one kernel of one input and one output.
fn probe(
    kernel: Kernel,
    input: TensorType,
    output: TensorType,
    caps: &Caps,
) -> Result<Program, BenchError> {
    let kernel = kernel.read(Operand::Input(0)).write(Operand::Output(0));
    Ok(probe_program(kernel, input, output, caps)?)
}

/// Time of the only dispatch of a program, in seconds: by the clock that times the dispatches of a
/// model, so that it can be compared with them.
fn measure_dispatch(executor: &mut dyn Executor, program: Program) -> Result<f64, BenchError> {
    executor.unload_all();
    let id = executor.load(Arc::new(program))?;
    let mut fastest = f64::INFINITY;
    for _ in 0..DISPATCH_SAMPLES {
        fastest = fastest.min(executor.profile(id)?.busy());
    }
    executor.unload_all();
    Ok(fastest)
}

/// Time of one run of a kernel, in seconds.
fn measure(
    executor: &mut dyn Executor,
    kernel: Kernel,
    input: TensorType,
    output: TensorType,
    content: &[f32],
) -> Result<f64, BenchError> {
    let program = probe(kernel, input, output, executor.caps())?;
    executor.unload_all();
    let id = executor.load(Arc::new(program))?;
    executor.write(PROBE_INPUT, 0, cast_slice(content))?;
    // The fastest sample: a peak is what the device can do, not what it does on average.
    let seconds = time_program(executor, id)?.fastest;
    executor.unload_all();
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::CpuExecutor;

    #[test]
    fn the_cpu_has_peaks_of_its_own() {
        let peaks = measure_peaks(&mut CpuExecutor::new()).expect("no device can fail");
        assert!(peaks.gigaflops > 0.0 && peaks.gigabytes_per_second > 0.0, "{peaks:?}");
        assert!(peaks.seconds_per_dispatch < 1.0, "{peaks:?}");
    }

    #[test]
    fn kernels_are_valid_under_default_limits() {
        let caps = Caps::webgpu_default();
        let texts = [
            include_str!("../../shaders/bench/copy.wgsl"),
            include_str!("../../shaders/bench/multiply_add.wgsl"),
        ];
        for text in texts {
            let kernel = Kernel::new("bench")
                .constant("COPIES", COPIES)
                .constant("ITERATIONS", MULTIPLY_ADD_ITERATIONS)
                .flat(COPY_BYTES / 16, WORKGROUP_SIZE, &caps)
                .file(text)
                .read(Operand::Input(0))
                .write(Operand::Output(0));
            crate::compile::check_kernel(&kernel, &caps).expect("the kernel is valid");
        }
    }
}
