//! Pipelines, cached by the hash of their WGSL text and by whether they are checked.

use std::collections::HashMap;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::adapter::Opened;
use super::pipeline::{Pipeline, Planned, create};
use super::warm_up;
use crate::exec::ExecError;

/// All pipelines made so far.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    made: HashMap<Key, Pipeline>,
}

/// Hash of the text, and whether it is compiled with checks.
type Key = ([u8; 32], bool);

impl PipelineCache {
    /// The pipelines of kernels, in their order. What is new is made on all cores.
    ///
    /// # Errors
    /// When the driver rejects a kernel.
    pub fn prepare(
        &mut self,
        opened: &Opened,
        kernels: &[Planned<'_>],
    ) -> Result<Vec<Pipeline>, ExecError> {
        let keys: Vec<Key> = kernels.iter().map(key).collect();
        let planned = keys.iter().zip(kernels);
        let (new, plans): (Vec<Key>, Vec<Planned<'_>>) = planned
            .filter(|(key, _)| !self.made.contains_key(*key))
            .map(|(&key, &plan)| (key, plan))
            .unzip();
        let made = if opened.info.is_software() {
            warm_up::compile(opened, &plans)?
        } else {
            let make = |&plan: &Planned<'_>| create(&opened.device, &opened.faults, plan);
            plans.par_iter().map(make).collect::<Result<_, _>>()?
        };
        self.made.extend(new.into_iter().zip(made));
        Ok(keys.iter().filter_map(|key| self.made.get(key).cloned()).collect())
    }

    /// Number of pipelines.
    pub fn count(&self) -> usize {
        self.made.len()
    }
}

fn key((kernel, proof): &Planned<'_>) -> Key {
    (Sha256::digest(kernel.source.as_bytes()).into(), proof.is_none())
}
