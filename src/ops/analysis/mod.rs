//! Ops for looking into trained models: attacks on them, and 8-bit grids.

pub(super) mod attack_step;
pub(super) mod fake_quantize;

pub use attack_step::AttackStep;
pub use fake_quantize::FakeQuantize;
