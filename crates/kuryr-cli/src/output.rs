//! What the command prints for people.

use std::fmt::Display;
use std::io::Write;

/// A line of result.
pub(crate) fn line(text: impl Display) {
    // A reader that has gone (`kuryr status | head`) is no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line that is not a result: progress or a warning.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The reason of failure.
pub(crate) fn error(text: impl Display) {
    note(format_args!("error: {text}"));
}
