//! What commands print, as text.

pub(super) mod account;
pub(super) mod comparison;
pub(super) mod figures;
pub(super) mod layers;
pub(super) mod program;
pub(super) mod search;
