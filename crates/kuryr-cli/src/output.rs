//! What the command prints for people.

use std::fmt::{Display, Write as _};
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

/// Cells under one another, the first line being the titles; indented by two.
pub(crate) fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let padded: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", padded.join("  ").trim_end());
    }
    text
}
