//! What the CPU can do at best, by loops compiled as the rest of this program is.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use super::peaks::{DevicePeaks, billions};
use crate::exec::DeviceInfo;

/// Words of the array that is copied: larger than the caches of most CPUs.
const COPY_WORDS: usize = 16 << 20;
/// Words that a task copies.
const COPY_BLOCK: usize = 1 << 18;
/// Accumulators of a multiply-add loop: enough to fill the vector units, few enough for registers.
const ACCUMULATORS: usize = 64;
/// Iterations of a multiply-add loop.
const ITERATIONS: usize = 1 << 17;
/// Loops that all threads share.
const LOOPS: usize = 32;
/// Samples of which the fastest counts: a peak is what the device can do.
const SAMPLES: usize = 5;

/// Measures the peaks of the CPU on all threads. Kernels of libraries that choose wider
/// instructions when they run can be faster than this.
pub(super) fn measure_host() -> DevicePeaks {
    let from = vec![1_u32; COPY_WORDS];
    let mut to = vec![0_u32; COPY_WORDS];
    let copy_seconds = fastest(|| {
        let blocks = to.par_chunks_mut(COPY_BLOCK).zip(from.par_chunks(COPY_BLOCK));
        blocks.for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
    });
    let multiply_add_seconds = fastest(|| {
        (0..LOOPS).into_par_iter().for_each(|_| {
            black_box(multiply_add(black_box(0.999), black_box(0.5)));
        });
    });
    let seconds_per_dispatch = fastest(|| {
        let tasks = rayon::current_num_threads();
        (0..tasks).into_par_iter().for_each(|task| {
            black_box(task);
        });
    });
    let flop = 2 * ACCUMULATORS * ITERATIONS * LOOPS;
    DevicePeaks {
        device: DeviceInfo::cpu(),
        gigabytes_per_second: billions(8 * COPY_WORDS as u64) / copy_seconds,
        gigaflops: billions(flop as u64) / multiply_add_seconds,
        seconds_per_dispatch,
    }
}

/// Independent multiply-adds.
fn multiply_add(factor: f32, summand: f32) -> [f32; ACCUMULATORS] {
    let mut values = [factor; ACCUMULATORS];
    for _ in 0..ITERATIONS {
        for value in &mut values {
            *value = *value * factor + summand;
        }
    }
    values
}

/// Time of the fastest of a few runs, in seconds; a first one does not count.
fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let times = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min).max(1e-9)
}
