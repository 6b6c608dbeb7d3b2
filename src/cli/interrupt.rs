//! Ctrl-C, requests to terminate, and terminals that go away: the first one ends a command in an
//! orderly way, the second one at once. The process has one handler and one flag, however many
//! trainings a command goes through.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a command that was interrupted: what shells report for Ctrl-C.
pub(super) const EXIT_CODE: u8 = 130;

/// The flag of the process, once it has its handler.
static FLAG: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

/// A flag that is set by the first signal. From then on the next one ends the process. Whoever asks
/// gets the same flag, so that no signal is missed between two parts of a command.
pub(super) fn flag() -> io::Result<Arc<AtomicBool>> {
    let mut known = FLAG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flag) = known.as_ref() {
        return Ok(flag.clone());
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [Some(SIGINT), Some(SIGTERM), hangup()].into_iter().flatten() {
        // In this order: a signal must not see the flag that it sets itself.
        flag::register_conditional_shutdown(signal, EXIT_CODE.into(), interrupted.clone())?;
        flag::register(signal, interrupted.clone())?;
    }
    Ok(known.insert(interrupted).clone())
}

/// Whether a signal has come since the handler was there.
pub(super) fn has_come() -> bool {
    let known = FLAG.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// The signal of a terminal that goes away. Not where `nohup` had it ignored, nor where the system
/// does not tell: a run that was to outlive its terminal does.
#[cfg(target_os = "linux")]
fn hangup() -> Option<i32> {
    use signal_hook::consts::SIGHUP;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    // The mask counts signals from one.
    (ignored >> (SIGHUP - 1) & 1 == 0).then_some(SIGHUP)
}

#[cfg(not(target_os = "linux"))]
fn hangup() -> Option<i32> {
    None
}
