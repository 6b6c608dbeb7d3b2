//! Compiles the graphs of a run: the only place of this floor that does, and it tells of each.

use std::cell::Cell;
use std::time::Instant;

use crate::compile::{CompileError, Picks, Program, compile, compile_unfused};
use crate::graph::{Caps, Graph};

/// Compiles a graph for a device, with the variants of `picks`.
///
/// # Errors
/// When the program does not fit the device.
pub(in crate::train) fn compiled(
    name: &str,
    graph: &Graph,
    caps: &Caps,
    picks: &Picks,
) -> Result<Program, CompileError> {
    let started = Instant::now();
    let other_variants = Cell::new(0_usize);
    let compile = if picks.unfused { compile_unfused } else { compile };
    let program = compile(name, graph, caps, &|op, sig, all| {
        let chosen = picks.choose(op, sig, all);
        if chosen > 0 {
            other_variants.set(other_variants.get() + 1);
        }
        chosen
    })?;
    log::info!(
        "compiled {name}: {} steps, {} dispatches, {} kernels, {} bytes, {} variants by picks, in \
         {:.1} ms",
        program.steps.len(),
        program.dispatch_count(),
        program.kernels.len(),
        program.total_bytes() + program.texture_bytes(),
        other_variants.get(),
        1e3 * started.elapsed().as_secs_f64()
    );
    Ok(program)
}
