//! What is wrong with a configuration, one line each, with the place where to mend it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::syntax::FaultKind;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// The file as it was named.
        path: Arc<PathBuf>,
        /// Line counted from 1; 0 stands for the whole file.
        line: usize,
    },
    /// An environment variable, by name.
    Environment(String),
    /// The schema's default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {}", one_line(name)),
            Origin::Default => f.write_str("built-in default"),
        }
    }
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing needs to change.
    Note,
    /// Probably not what was meant.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One problem of a configuration. `Display` is one line,
/// `file:line: [section] key = value: reason; allowed: ...`; a secret's value is shown as `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The section, if the problem belongs to one.
    pub section: Option<String>,
    /// The key, if the problem belongs to one.
    pub key: Option<String>,
    /// The value as written (before references are replaced), masked if secret; `None` where the
    /// value does not matter or may not be known to be harmless.
    pub value: Option<String>,
    /// What is wrong.
    pub cause: Cause,
}

impl Problem {
    pub(crate) fn new(origin: Origin, cause: Cause) -> Self {
        Self { origin, section: None, key: None, value: None, cause }
    }

    pub(crate) fn at(mut self, section: &str, key: &str) -> Self {
        self.section = Some(section.to_owned());
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn in_section(mut self, section: &str) -> Self {
        self.section = Some(section.to_owned());
        self
    }

    pub(crate) fn with_value(mut self, value: String) -> Self {
        self.value = Some(value);
        self
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.cause.severity()
    }

    /// Whether the configuration cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(section) = &self.section {
            write!(f, "[{}] ", one_line(section))?;
        }
        if let Some(key) = &self.key {
            f.write_str(&one_line(key))?;
            if let Some(value) = &self.value {
                write!(f, " = {}", one_line(value))?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.cause)?;
        if let Cause::BadValue { allowed: Some(allowed), .. } = &self.cause {
            write!(f, "; allowed: {allowed}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Text of a file in a message: control characters escaped, long text cut.
fn one_line(text: &str) -> String {
    const LIMIT: usize = 120;
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LIMIT {
            shown.push_str("...");
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// What can be wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The file or directory cannot be read.
    #[error("cannot be read ({0}), check the path and its permissions")]
    Unreadable(String),
    /// The file is larger than a configuration can reasonably be.
    #[error("is larger than {limit} bytes, this is not a configuration file")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not UTF-8.
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// A line cannot be understood.
    #[error("{0}")]
    Syntax(#[from] FaultKind),
    /// A section outside the schema.
    #[error("unknown section, its keys have no effect{}", meant(.nearest))]
    UnknownSection {
        /// The nearest known name in brackets.
        nearest: Option<String>,
    },
    /// A key outside the schema.
    #[error("unknown key, it has no effect{}", meant(.nearest))]
    UnknownKey {
        /// The nearest known key, or the section the key belongs to.
        nearest: Option<String>,
    },
    /// `[default]` for `[DEFAULT]`.
    #[error("read as [DEFAULT]; oslo.config would ignore this section, write it in capitals")]
    LowerCaseDefault,
    /// A name of an older release.
    #[error("deprecated name, use {current}")]
    Deprecated {
        /// The current name with its section.
        current: String,
    },
    /// An option without effect here.
    #[error("accepted without effect: {0}")]
    Ignored(&'static str),
    /// A comment behind a value, left out because the value cannot contain one.
    #[error(
        "the text behind the value is taken for a comment and left out; \
         oslo.config would keep it, put comments on a line of their own"
    )]
    InlineComment,
    /// A comment mark inside free text.
    #[error("the comment mark is part of the value, as in oslo.config; put comments on a line of their own")]
    CommentMarkKept,
    /// The value does not fit the option.
    #[error("{reason}")]
    BadValue {
        /// Why; never contains the value.
        reason: String,
        /// What would fit.
        allowed: Option<String>,
    },
    /// `$name` of an option that does not exist.
    #[error("refers to {}, which is no option; write $$ for a dollar sign", reference.as_deref().unwrap_or("something"))]
    UnknownReference {
        /// The reference as written; `None` inside a secret.
        reference: Option<String>,
    },
    /// References in a circle.
    #[error("refers to itself: {0}")]
    Cycle(String),
    /// Nested references grow beyond any sense.
    #[error("grows beyond {limit} bytes when its references are replaced")]
    ExpansionTooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

impl Cause {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Cause::Ignored(_) => Severity::Note,
            Cause::UnknownSection { .. }
            | Cause::UnknownKey { .. }
            | Cause::LowerCaseDefault
            | Cause::Deprecated { .. }
            | Cause::InlineComment
            | Cause::CommentMarkKept => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default()
}
