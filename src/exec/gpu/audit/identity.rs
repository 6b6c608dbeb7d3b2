//! What an audit is about: a kernel with the workgroups and sizes of its dispatches.

use sha2::{Digest, Sha256};

use super::types::Bound;
use crate::compile::{Dispatch, KernelText, Program};
use crate::graph::{Access, texels};

/// Bytes of the SHA-256 that name an audit.
const KEY_BYTES: usize = 16;

/// A kernel with the workgroups and sizes of a dispatch.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// By text, workgroups and sizes.
    pub key: String,
    pub workgroups: [u32; 3],
    pub bound: Vec<Bound>,
}

/// The distinct shapes with which a program runs each of its kernels.
pub(super) fn shapes_of(program: &Program) -> Vec<Vec<Shape>> {
    let mut all: Vec<Vec<Shape>> = vec![Vec::new(); program.kernels.len()];
    for dispatch in program.steps.iter().flat_map(|step| &step.dispatches) {
        let shapes = &mut all[dispatch.kernel];
        let bound = bound_to(dispatch);
        let known = |s: &Shape| s.workgroups == dispatch.workgroups && s.bound == bound;
        if !shapes.iter().any(known) {
            let key = key_of(&program.kernels[dispatch.kernel], dispatch.workgroups, &bound);
            shapes.push(Shape { key, workgroups: dispatch.workgroups, bound });
        }
    }
    all
}

fn bound_to(dispatch: &Dispatch) -> Vec<Bound> {
    let bound = dispatch.bindings.iter().map(|binding| match binding.access {
        Access::Texels => Bound::texels(texels::rows_of(binding.region.bytes)),
        Access::Read | Access::Write | Access::Update => Bound::Bytes(binding.region.bytes),
    });
    bound.collect()
}

fn key_of(kernel: &KernelText, workgroups: [u32; 3], bound: &[Bound]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{workgroups:?} {bound:?}\n"));
    hasher.update(&kernel.source);
    hasher.finalize().iter().take(KEY_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
