//! What commands print. A reader that has gone away, as in `verigrad train | head`, ends neither a
//! listing with a panic nor a training run; any other failure is kept until the end of the command,
//! which then has failed. Names come from users and their files: what would steer a terminal is
//! shown and not sent.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::report::format::visible;

/// Why standard output could not be written, the first time that it could not.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether only what is asked for as JSON is printed.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Whether what is printed is part of something larger, which tells it in short.
static HUSHED: AtomicBool = AtomicBool::new(false);

/// Does `work` without printing lines and text: bars of progress, warnings, errors and [`json`] stay.
pub(super) fn hushed<T>(work: impl FnOnce() -> T) -> T {
    let before = HUSHED.swap(true, Ordering::Relaxed);
    let done = work();
    HUSHED.store(before, Ordering::Relaxed);
    done
}

/// Prints nothing from here on but [`json`], warnings and errors.
pub(super) fn silence() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether there is to be silence.
pub(super) fn is_silent() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a value as JSON, also where there is silence. Its strings have their control characters as
/// escapes.
///
/// # Errors
/// When it has no form in JSON.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    keep(io::stdout().lock().write_all(text.as_bytes()));
    Ok(())
}

/// Prints what was asked for as it is, also where there is silence.
pub(super) fn asked_for(text: &[u8]) {
    keep(io::stdout().lock().write_all(text));
}

/// Prints a line.
pub(super) fn line(arguments: Arguments<'_>) {
    print(&format!("{arguments}\n"));
}

/// Prints text that ends its own lines.
pub(super) fn text(arguments: Arguments<'_>) {
    print(&format!("{arguments}"));
}

/// Prints a line on standard error: what is no result.
pub(super) fn note(arguments: Arguments<'_>) {
    // There is nowhere else to complain.
    let _ = writeln!(io::stderr().lock(), "{}", visible(&format!("{arguments}")));
}

fn print(text: &str) {
    if is_silent() || HUSHED.load(Ordering::Relaxed) {
        return;
    }
    keep(io::stdout().lock().write_all(visible(text).as_bytes()));
}

/// Keeps a failure for [`finish`].
pub(super) fn keep(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != ErrorKind::BrokenPipe
        && let Ok(mut failed) = FAILED.lock()
        && failed.is_none()
    {
        *failed = Some(error);
    }
}

/// Ends the output of a command.
///
/// # Errors
/// When some of it could not be written.
pub(super) fn finish() -> io::Result<()> {
    keep(io::stdout().lock().flush());
    match FAILED.lock().ok().and_then(|mut failed| failed.take()) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
