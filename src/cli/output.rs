//! Standard output. A reader that has gone away, as in `verigrad train | head`, ends neither a
//! listing with a panic nor a training run.

use std::fmt::Arguments;
use std::io::Write as _;

/// Prints a line.
pub(super) fn line(arguments: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{arguments}");
}

/// Prints text that ends its own lines.
pub(super) fn text(arguments: Arguments<'_>) {
    let _ = write!(std::io::stdout().lock(), "{arguments}");
}
