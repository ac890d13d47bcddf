//! The INI dialect itself: text in, assignments with their lines out.
//!
//! The rules are those of `oslo_config.iniparser` (checked against it by `tests/dialect.rs`):
//!
//! * a line is stripped at its end; an empty line ends a multi-line value;
//! * a line that starts with a blank continues the value before it, the parts are joined with a line feed;
//! * `#` and `;` start a comment only in the first column;
//! * `[name]` starts a section, nothing may follow the bracket;
//! * otherwise the first of `=` and `:` splits key and value; both are stripped, and one pair of equal
//!   quotes around the first line of the value is removed.
//!
//! Two things differ on purpose: a byte order mark is skipped, and parsing goes on after a fault, so that
//! one run names every fault of a file.

use std::fmt;

/// One file's assignments in the order they were written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Document {
    /// Every `[section]` line, repeated ones included.
    pub sections: Vec<Header>,
    /// Every assignment.
    pub entries: Vec<Entry>,
    /// Lines that could not be understood.
    pub faults: Vec<Fault>,
}

/// A `[section]` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name between the brackets, exactly as written.
    pub name: String,
    /// Line number, counted from 1.
    pub line: usize,
}

/// One assignment. Its `Debug` leaves the value out: at this level nobody knows which one is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The section it stands in, exactly as written.
    pub section: String,
    /// The key, stripped.
    pub key: String,
    /// The value; continuation lines are joined with `\n`.
    pub value: String,
    /// Line of the key, counted from 1.
    pub line: usize,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("section", &self.section)
            .field("key", &self.key)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// A line that could not be understood. The line's text is not kept, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line number, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Neither `=` nor `:`.
    #[error("no '=' or ':' in this line, write key = value")]
    NoAssignment,
    /// Nothing before `=` or `:`.
    #[error("the key before '=' or ':' is empty")]
    EmptyKey,
    /// The first line after a section, a comment or an empty line starts with a blank.
    #[error("the line starts with a blank but there is no value to continue, remove the blank")]
    UnexpectedContinuation,
    /// `[name` or text behind the bracket.
    #[error("a section line must end with ']', put comments on a line of their own")]
    NoClosingBracket,
    /// `[]`.
    #[error("the section name is empty")]
    EmptySection,
    /// A key before the first `[section]`.
    #[error("the key stands before the first section, put [DEFAULT] above it")]
    NoSection,
}

/// What Python's `str.strip` removes.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Removes one pair of equal quotes around `text`, as the dialect does (a lone quote vanishes too).
pub(crate) fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            if rest.is_empty() {
                return rest;
            }
            return rest.strip_suffix(quote).unwrap_or(text);
        }
    }
    text
}

/// Parses `text`. Never fails: what could not be understood is in [`Document::faults`].
pub fn parse(text: &str) -> Document {
    let mut parser = Parser::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for (index, line) in text.split('\n').enumerate() {
        parser.line(index + 1, line.trim_end_matches(is_blank));
    }
    parser.flush();
    parser.document
}

#[derive(Default)]
struct Parser {
    document: Document,
    section: Option<String>,
    open: Option<Entry>,
    /// The faulty assignment above swallows its continuation lines, so that one mistake is told once.
    after_fault: bool,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() {
            self.after_fault = false;
            return self.flush();
        }
        if line.starts_with([' ', '\t']) {
            return match &mut self.open {
                Some(entry) => {
                    entry.value.push('\n');
                    entry.value.push_str(line.trim_start_matches(is_blank));
                }
                None if self.after_fault => {}
                None => self.fault(number, FaultKind::UnexpectedContinuation),
            };
        }
        self.flush();
        self.after_fault = false;
        if line.starts_with('[') {
            self.header(number, line);
        } else if !line.starts_with(['#', ';']) {
            self.assignment(number, line);
        }
    }

    fn header(&mut self, number: usize, line: &str) {
        let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match name {
            None => self.fault(number, FaultKind::NoClosingBracket),
            Some("") => self.fault(number, FaultKind::EmptySection),
            Some(name) => {
                self.section = Some(name.to_owned());
                self.document.sections.push(Header { name: name.to_owned(), line: number });
            }
        }
    }

    fn assignment(&mut self, number: usize, line: &str) {
        let Some((key, value)) = line.split_once(['=', ':']) else {
            self.after_fault = true;
            return self.fault(number, FaultKind::NoAssignment);
        };
        let key = key.trim_matches(is_blank);
        if key.is_empty() {
            self.after_fault = true;
            return self.fault(number, FaultKind::EmptyKey);
        }
        let Some(section) = self.section.clone() else {
            self.after_fault = true;
            return self.fault(number, FaultKind::NoSection);
        };
        let value = unquote(value.trim_matches(is_blank)).to_owned();
        self.open = Some(Entry { section, key: key.to_owned(), value, line: number });
    }

    fn fault(&mut self, line: usize, kind: FaultKind) {
        self.document.faults.push(Fault { line, kind });
    }

    fn flush(&mut self) {
        self.document.entries.extend(self.open.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<(String, String, String)> {
        let document = parse(text);
        assert_eq!(document.faults, [], "{text}");
        document.entries.into_iter().map(|e| (e.section, e.key, e.value)).collect()
    }

    fn value(line: &str) -> String {
        values(&format!("[s]\n{line}\n")).remove(0).2
    }

    #[test]
    fn the_first_of_equals_and_colon_splits() {
        assert_eq!(values("[s]\na = b:c\n")[0], ("s".into(), "a".into(), "b:c".into()));
        assert_eq!(values("[s]\na : b=c\n")[0], ("s".into(), "a".into(), "b=c".into()));
    }

    #[test]
    fn a_leading_blank_continues_the_value_and_an_empty_line_ends_it() {
        assert_eq!(value("a = b\n  c\n\td"), "b\nc\nd");
        let document = parse("[s]\na = b\n\n c\n");
        assert_eq!(document.faults, [Fault { line: 4, kind: FaultKind::UnexpectedContinuation }]);
    }

    #[test]
    fn comments_exist_only_in_the_first_column() {
        assert_eq!(value("# no\n; no\na = b # c ; d"), "b # c ; d");
    }

    #[test]
    fn one_outer_pair_of_quotes_is_stripped() {
        assert_eq!(value("a = \"'x'\""), "'x'");
        assert_eq!(value("a = \"x'"), "\"x'");
        assert_eq!(value("a = \""), "");
        assert_eq!(value("a = \" x \""), " x ");
    }

    #[test]
    fn backslashes_stay_as_they_are() {
        assert_eq!(value(r"re = ^tap\d+$\n"), r"^tap\d+$\n");
    }

    #[test]
    fn every_fault_of_a_file_is_named_with_its_line_and_parsing_goes_on() {
        let document = parse("early = 1\n[s\n[]\nnonsense\n= 1\n[s] # x\n[t]\na = 1\n");
        let faults: Vec<_> = document.faults.iter().map(|f| (f.line, f.kind)).collect();
        assert_eq!(
            faults,
            [
                (1, FaultKind::NoSection),
                (2, FaultKind::NoClosingBracket),
                (3, FaultKind::EmptySection),
                (4, FaultKind::NoAssignment),
                (5, FaultKind::EmptyKey),
                (6, FaultKind::NoClosingBracket),
            ]
        );
        assert_eq!(document.entries[0].line, 8);
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text() {
        assert_eq!(values("\u{feff}[s]\r\na = b\r\n")[0].2, "b");
    }

    #[test]
    fn the_debug_form_shows_no_value() {
        assert!(!format!("{:?}", parse("[s]\npassword = hunter2\n")).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_input_makes_the_parser_panic(text in "\\PC*") {
            parse(&text);
        }

        #[test]
        fn no_line_soup_makes_the_parser_panic(text in "[\\[\\]=: \t\n\r#;'\"$\\\\a]{0,80}") {
            let lines = text.lines().count() + text.matches('\r').count() + 1;
            for fault in parse(&text).faults {
                prop_assert!(fault.line >= 1 && fault.line <= lines);
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            sections in prop::collection::vec(
                ("[A-Za-z_][A-Za-z0-9_]{0,8}", prop::collection::vec(
                    ("[a-z][a-z0-9_]{0,8}", prop::collection::vec("[!-~]([ -~]{0,10}[!-~])?", 1..3)), 0..4)),
                0..4)
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (section, entries) in &sections {
                text.push_str(&format!("[{section}]\n# comment\n"));
                for (key, lines) in entries {
                    // quoting the first line protects quotes and blanks of its own
                    let (first, rest) = lines.split_first().unwrap();
                    text.push_str(&format!("{key} = \"{first}\"\n"));
                    for line in rest {
                        text.push_str(&format!("    {line}\n"));
                    }
                    expected.push((section.clone(), key.clone(), lines.join("\n")));
                }
            }
            prop_assert_eq!(values(&text), expected);
        }
    }
}
