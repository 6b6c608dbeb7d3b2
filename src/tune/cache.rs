//! The folder for what is measured again where it is lost.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};

/// `verigrad` in the user's folder for caches, wherever the system has it; none for who has no home.
pub(super) fn cache_dir() -> Option<PathBuf> {
    Some(choose_native_strategy().ok()?.cache_dir().join("verigrad"))
}
