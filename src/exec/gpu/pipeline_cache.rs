//! Pipelines, cached by the hash of their WGSL text.

use std::collections::HashMap;

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
