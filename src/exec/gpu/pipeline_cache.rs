//! Pipelines, cached by the hash of their WGSL text.

use std::collections::HashMap;
use std::time::Instant;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::adapter::Opened;
use super::pipeline::{Pipeline, create};
use super::warm_up;
use crate::compile::KernelText;
use crate::exec::ExecError;

/// All pipelines made so far.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    by_hash: HashMap<[u8; 32], Pipeline>,
}

impl PipelineCache {
    /// Makes the pipelines of all kernels that are new, on all cores.
    ///
    /// # Errors
    /// When the driver rejects a kernel.
    pub fn prepare(&mut self, opened: &Opened, kernels: &[KernelText]) -> Result<(), ExecError> {
        let new = kernels.iter().filter(|kernel| !self.by_hash.contains_key(&hash(kernel)));
        let new: Vec<&KernelText> = new.collect();
        let made = if opened.info.is_software() {
            warm_up::compile(opened, &new)?
        } else {
            let make = |kernel: &&KernelText| create(&opened.device, &opened.faults, kernel);
            new.par_iter().map(make).collect::<Result<_, _>>()?
        };
        self.by_hash.extend(new.into_iter().map(hash).zip(made));
        Ok(())
    }

    /// Makes the pipelines of those kernels that are new and that the driver accepts, and tells the
    /// seconds that each took.
    pub fn prepare_each(&mut self, opened: &Opened, kernels: &[KernelText]) -> Vec<f64> {
        let make = |kernel: &KernelText| {
            if self.by_hash.contains_key(&hash(kernel)) {
                return (0.0, None);
            }
            let start = Instant::now();
            let made = if opened.info.is_software() {
                warm_up::compile(opened, &[kernel]).ok().and_then(|mut made| made.pop())
            } else {
                create(&opened.device, &opened.faults, kernel).ok()
            };
            (start.elapsed().as_secs_f64(), made)
        };
        // A software device compiles on the thread of its only queue.
        let made: Vec<(f64, Option<Pipeline>)> = if opened.info.is_software() {
            kernels.iter().map(make).collect()
        } else {
            kernels.par_iter().map(make).collect()
        };
        let mut seconds = Vec::with_capacity(kernels.len());
        for (kernel, (spent, pipeline)) in kernels.iter().zip(made) {
            self.by_hash.extend(pipeline.map(|pipeline| (hash(kernel), pipeline)));
            seconds.push(spent);
        }
        seconds
    }

    /// Number of pipelines.
    pub fn count(&self) -> usize {
        self.by_hash.len()
    }

    /// The pipeline of a kernel that was prepared.
    pub fn get(&self, kernel: &KernelText) -> Option<&Pipeline> {
        self.by_hash.get(&hash(kernel))
    }
}

fn hash(kernel: &KernelText) -> [u8; 32] {
    Sha256::digest(kernel.source.as_bytes()).into()
}
