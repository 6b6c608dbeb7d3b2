//! Pipelines, cached by the hash of their WGSL text and by whether they are checked.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

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

    /// Makes the pipelines of those kernels that are new and that the driver accepts, and tells the
    /// seconds that each took.
    pub fn prepare_each(&mut self, opened: &Opened, kernels: &[Planned<'_>]) -> Vec<f64> {
        let mut seen = HashSet::new();
        let new = |plan: &Planned<'_>| {
            let key = key(plan);
            !self.made.contains_key(&key) && seen.insert(key)
        };
        let new: Vec<bool> = kernels.iter().map(new).collect();
        let make = |(plan, &is_new): (&Planned<'_>, &bool)| {
            if !is_new {
                return (0.0, None);
            }
            let start = Instant::now();
            let made = if opened.info.is_software() {
                warm_up::compile(opened, &[*plan]).ok().and_then(|mut made| made.pop())
            } else {
                create(&opened.device, &opened.faults, *plan).ok()
            };
            (start.elapsed().as_secs_f64(), made)
        };
        // A software device compiles on the thread of its only queue.
        let made: Vec<(f64, Option<Pipeline>)> = if opened.info.is_software() {
            kernels.iter().zip(&new).map(make).collect()
        } else {
            kernels.par_iter().zip(&new).map(make).collect()
        };
        let mut seconds = Vec::with_capacity(kernels.len());
        for (plan, (spent, pipeline)) in kernels.iter().zip(made) {
            self.made.extend(pipeline.map(|pipeline| (key(plan), pipeline)));
            seconds.push(spent);
        }
        seconds
    }

    /// Number of pipelines.
    pub fn count(&self) -> usize {
        self.made.len()
    }
}

fn key((kernel, proof): &Planned<'_>) -> Key {
    (Sha256::digest(kernel.source.as_bytes()).into(), proof.is_none())
}
