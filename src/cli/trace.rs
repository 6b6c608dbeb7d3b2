//! Writes where the time of steps went, for trace viewers.

use std::path::Path;

use super::failure::Failure;
use crate::bench::chrome_trace;
use crate::compile::Program;
use crate::exec::RunProfile;

/// Writes a trace of steps of a program.
pub(super) fn write_trace(
    path: &Path,
    program: &Program,
    device: &str,
    profiles: &[RunProfile],
) -> Result<(), Failure> {
    let trace = serde_json::to_string(&chrome_trace(program, device, profiles))?;
    std::fs::write(path, trace)
        .map_err(|error| format!("the trace {} cannot be written: {error}", path.display()).into())
}
