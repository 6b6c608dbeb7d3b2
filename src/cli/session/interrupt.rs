//! Ctrl-C and requests to terminate: the first one ends a run in an orderly way, the second one at
//! once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a run that was interrupted: what shells report for Ctrl-C.
pub(in crate::cli) const EXIT_CODE: u8 = 130;

/// A flag that is set by the first signal. From then on the next one ends the process.
pub(in crate::cli) fn flag() -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: a signal must not see the flag that it sets itself.
        flag::register_conditional_shutdown(signal, EXIT_CODE.into(), interrupted.clone())?;
        flag::register(signal, interrupted.clone())?;
    }
    Ok(interrupted)
}
