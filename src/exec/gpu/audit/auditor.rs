//! What an executor knows of its kernels.

use std::fmt;
use std::time::Instant;

use super::identity::{Shape, shapes_of};
use super::run::audit;
use crate::compile::{AuditCounts, KernelText, Program};
use crate::exec::audits::Audited;
use crate::exec::gpu::adapter::Opened;
use crate::exec::{Audit, Audits, DeviceInfo, ExecError, KeepAudits};

/// Shows that a kernel may be compiled without checks, for the program that it was made for.
#[derive(Debug, Clone, Copy)]
pub(in crate::exec::gpu) struct Proof(());

/// Proves kernels, by what is known, else by an audit.
pub(in crate::exec::gpu) struct Auditor {
    known: Audits,
    keep: Option<KeepAudits>,
    loaded: Audited,
}

impl Auditor {
    /// Nothing is known yet of a device.
    pub fn new(device: &DeviceInfo) -> Self {
        let known = Audits::new(&device.name, &device.driver);
        Self { known, keep: None, loaded: Audited::default() }
    }

    /// Takes what was known before, if it is of this device; `keep` is told what is added.
    pub fn know(&mut self, audits: Audits, keep: KeepAudits) {
        if audits.hold_for(&self.known.device, &self.known.driver) {
            self.known.merge(audits);
        }
        self.keep = Some(keep);
    }

    /// What became of the kernels that were loaded.
    pub fn counts(&self) -> AuditCounts {
        self.loaded.counts()
    }

    /// Says for each kernel of a program whether it is proved, for all dispatches that run it.
    ///
    /// # Errors
    /// When the device fails.
    pub fn prove(
        &mut self,
        opened: &Opened,
        program: &Program,
    ) -> Result<Vec<Option<Proof>>, ExecError> {
        let shapes = shapes_of(program);
        let unknown: Vec<(&KernelText, Vec<&Shape>)> = (program.kernels.iter().zip(&shapes))
            .map(|(kernel, shapes)| (kernel, self.unknown(shapes)))
            .filter(|(_, new)| !new.is_empty())
            .collect();
        if !unknown.is_empty() {
            self.learn(opened, &unknown)?;
        }
        let known = shapes.iter().flatten();
        let known = known.filter_map(|s| Some((s.key.clone(), self.known.get(&s.key)?)));
        self.loaded.extend(known);
        let proved = |shape: &Shape| self.known.get(&shape.key) == Some(Audit::Proved);
        let proof = |shapes: &Vec<Shape>| {
            (!shapes.is_empty() && shapes.iter().all(proved)).then_some(Proof(()))
        };
        Ok(shapes.iter().map(proof).collect())
    }

    fn unknown<'s>(&self, shapes: &'s [Shape]) -> Vec<&'s Shape> {
        shapes.iter().filter(|shape| self.known.get(&shape.key).is_none()).collect()
    }

    fn learn(
        &mut self,
        opened: &Opened,
        unknown: &[(&KernelText, Vec<&Shape>)],
    ) -> Result<(), ExecError> {
        let started = Instant::now();
        let told = audit(opened, unknown)?;
        log::info!(
            "audited {} kernels in {:.0} ms",
            told.len(),
            1e3 * started.elapsed().as_secs_f64()
        );
        told.into_iter().for_each(|(key, audit)| self.known.insert(key, audit));
        if let Some(keep) = &self.keep {
            keep(&self.known);
        }
        Ok(())
    }
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
