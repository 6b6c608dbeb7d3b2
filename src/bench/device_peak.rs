//! What a device can do at best: bandwidth of a copy and throughput of multiply-add, measured by
//! kernels of our own; and the few numbers of it from which the time of other kernels is guessed.

use super::BenchError;
use super::host_peak::measure_host;
use super::peaks::DevicePeaks;
use super::probes::{Chains, Copying, copied_bytes, multiply_adds, seconds_per_kernel};
use crate::exec::Executor;
use crate::graph::{Caps, Measurements};

/// What is tried for the peak of arithmetic. Enough chains hide the latency of a multiply-add;
/// more of them leave fewer invocations to a multiprocessor.
const CHAINS: [Chains; 3] = [
    Chains { workgroup: 64, vectors: 4 },
    Chains { workgroup: 256, vectors: 4 },
    Chains { workgroup: 128, vectors: 8 },
];
/// What is tried for the peak of a copy.
const COPIES: [Copying; 3] = [
    Copying { workgroup: 64, elements: 8 },
    Copying { workgroup: 256, elements: 1 },
    Copying { workgroup: 256, elements: 4 },
];
/// Bytes of a tensor that is copied. Caches of GPUs have reached 128 MiB: the tensors are to be far
/// larger, where the device binds as much and has the memory.
const COPY_BYTES: [usize; 3] = [512 << 20, 256 << 20, 64 << 20];

/// How much is to be done so that starting it does not count.
struct Amount {
    /// Invocations that multiply and add, and multiply-adds of each.
    multiply_adds: [usize; 2],
    /// Sizes of tensors to copy, best first.
    copy_bytes: Vec<usize>,
}

impl Amount {
    fn for_device(caps: &Caps) -> Self {
        let most = caps.max_binding_bytes.min(caps.max_buffer_bytes);
        let fits = |bytes: &usize| *bytes as u64 <= most;
        if caps.prefers_loops() {
            // A tenth of a second on two cores.
            let copy_bytes = vec![64 << 20];
            Self { multiply_adds: [1 << 18, 1 << 13], copy_bytes }
        } else {
            // A millisecond on the fastest GPUs, a tenth of a second on the slowest.
            let copy_bytes = COPY_BYTES.into_iter().filter(fits).collect();
            Self { multiply_adds: [1 << 21, 1 << 14], copy_bytes }
        }
    }
}

/// Measures the peaks of a device.
///
/// # Errors
/// When the device reports an error.
pub fn measure_peaks(executor: &mut dyn Executor) -> Result<DevicePeaks, BenchError> {
    if executor.info().kind == "cpu" {
        return Ok(measure_host());
    }
    let amount = Amount::for_device(executor.caps());
    let (mut bytes, mut products) = (0.0_f64, 0.0_f64);
    for copying in COPIES {
        bytes = bytes.max(copy(executor, copying, &amount)?);
    }
    let [invocations, each] = amount.multiply_adds;
    for chains in CHAINS {
        products = products.max(multiply_adds(executor, chains, invocations, each)?);
    }
    Ok(DevicePeaks {
        device: executor.info().clone(),
        gigabytes_per_second: 1e-9 * bytes,
        gigaflops: 2e-9 * products,
        seconds_per_dispatch: seconds_per_kernel(executor)?,
    })
}

/// Measures what [`crate::graph::DeviceModel`] holds, in a fraction of a second on a GPU.
///
/// # Errors
/// When the device reports an error.
pub fn measure_device(executor: &mut dyn Executor) -> Result<Measurements, BenchError> {
    /// Fills a multiprocessor with one workgroup: eight subgroups of 32, 16 chains each.
    const OF_ONE: Chains = Chains { workgroup: 256, vectors: 4 };
    let amount = Amount::for_device(executor.caps());
    let [invocations, each] = amount.multiply_adds;
    let copying = Copying { workgroup: 256, elements: 4 };
    Ok(Measurements {
        multiply_adds_of_one: multiply_adds(executor, OF_ONE, OF_ONE.workgroup as usize, 4 * each)?,
        multiply_adds: multiply_adds(executor, OF_ONE, invocations, each)?,
        bytes: copy(executor, copying, &amount)?,
        kernel: seconds_per_kernel(executor)?,
    })
}

/// Bytes per second of copies of the largest tensors for which there is memory.
fn copy(executor: &mut dyn Executor, copying: Copying, amount: &Amount) -> Result<f64, BenchError> {
    let mut result = None;
    for &bytes in &amount.copy_bytes {
        let copied = copied_bytes(executor, copying, bytes);
        if copied.is_ok() {
            return copied;
        }
        result = Some(copied);
    }
    result.unwrap_or_else(|| copied_bytes(executor, copying, 1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{CpuExecutor, DeviceChoice, open_gpu};
    use crate::graph::DeviceModel;

    #[test]
    fn the_cpu_has_peaks_of_its_own() {
        let peaks = measure_peaks(&mut CpuExecutor::new()).expect("no device can fail");
        assert!(peaks.gigaflops > 0.0 && peaks.gigabytes_per_second > 0.0, "{peaks:?}");
        assert!(peaks.seconds_per_dispatch < 1.0, "{peaks:?}");
    }

    /// On whatever device there is: one processor does no more than all.
    #[test]
    fn a_device_is_measured() {
        let mut gpu = open_gpu(&DeviceChoice::Gpu).expect("a device");
        let measured = measure_device(&mut gpu).expect("it can be measured");
        let model = DeviceModel::of_measurements(&measured);
        assert!(measured.multiply_adds_of_one > 0.0, "{measured:?}");
        assert!(measured.bytes > 0.0 && measured.kernel > 0.0, "{measured:?}");
        assert!((1..1 << 16).contains(&model.processors), "{model:?} of {measured:?}");
        assert!(model.multiply_adds_per_ns > 1, "{model:?} of {measured:?}");
    }
}
