//! Every variant of an op on a device: those that the op writes for f32 operands in storage buffers,
//! with operands in 16 bits, or read through textures.

use super::estimate::best_first;
use super::half::{store_half, widened_signature};
use super::{Caps, Cost, Lowering, Operand, Signature, Structure, texels};
use crate::tensor::DType;

/// Gives lowerings on f32, where the second argument names the operands that are stored as f16.
type Cooperative<'a> = &'a dyn Fn(&Signature, &dyn Fn(Operand) -> bool) -> Vec<Lowering>;

/// What an op writes for f32 operands in storage buffers.
pub(super) struct Written<'a> {
    /// See [`super::OpDef::structure`].
    pub(super) structure: Structure,
    /// See [`super::OpDef::lower`].
    pub(super) lower: &'a dyn Fn(&Signature) -> Vec<Lowering>,
    /// See [`super::OpDef::lower_cooperative`].
    pub(super) lower_cooperative: Cooperative<'a>,
    /// See [`super::OpDef::cost`].
    pub(super) cost: &'a dyn Fn(&Signature) -> Cost,
}

/// Every variant that a device with `caps` can run for operands of which some may be f16, best
/// guess first.
pub(super) fn all(sig: &Signature, caps: &Caps, op: &Written<'_>) -> Vec<Lowering> {
    let any_half = sig.inputs.iter().chain(&sig.outputs).any(|ty| ty.dtype == DType::F16);
    if any_half && op.structure == Structure::Compute {
        return with_half(sig, caps, op);
    }
    let mut lowerings = (op.lower)(sig);
    best_first(&mut lowerings, sig, caps);
    let cost = (op.cost)(sig);
    let pays = |intensity: u32| cost.flop >= u64::from(intensity) * cost.bytes;
    if caps.texel_intensity.is_some_and(pays) { with_texels(lowerings, sig) } else { lowerings }
}

/// Variants where some operands are f16.
fn with_half(sig: &Signature, caps: &Caps, op: &Written<'_>) -> Vec<Lowering> {
    if !caps.f16 {
        return Vec::new();
    }
    let is_half = |operand| sig.ty(operand).is_some_and(|ty| ty.dtype == DType::F16);
    let stored = |lowering: Lowering| {
        let kernels = lowering.kernels.iter().map(|kernel| store_half(kernel, &is_half));
        Some(Lowering { kernels: kernels.collect::<Option<_>>()?, ..lowering })
    };
    let wide = widened_signature(sig);
    let mut lowerings = (op.lower)(&wide);
    let mut cooperative = (op.lower_cooperative)(&wide, &is_half);
    // Bytes are those of the operands as they are stored.
    best_first(&mut lowerings, sig, caps);
    best_first(&mut cooperative, sig, caps);
    let all = if suits_cooperative((op.cost)(&wide), caps) {
        [cooperative, lowerings]
    } else {
        [lowerings, cooperative]
    };
    all.into_iter().flatten().filter_map(stored).collect()
}

/// Whether cooperative matrices are the best guess, where there are any: for large products on
/// devices that have units for them. No GPU has measured this order yet; software has no units.
fn suits_cooperative(cost: Cost, caps: &Caps) -> bool {
    /// Those of a product of three matrices of 256 x 256: below, tiles of matrices are few.
    const LEAST_FLOP: u64 = 2 << 24;
    !caps.prefers_loops() && cost.flop >= LEAST_FLOP
}

/// The variants that read through textures, where any of their operands can, and behind them the
/// best guess among those that do not.
fn with_texels(lowerings: Vec<Lowering>, sig: &Signature) -> Vec<Lowering> {
    let plain = lowerings.first().cloned();
    let read = |lowering: Lowering| texels::read_by(&lowering, sig).unwrap_or(lowering);
    let mut all: Vec<Lowering> = lowerings.into_iter().map(read).collect();
    if all.first() != plain.as_ref() {
        all.extend(plain);
    }
    all
}
