//! Options as data: what may stand in a file, what it means and what it is when nobody says.
//!
//! Tables of [`Opt`] are `const`, so a schema is data in code; typed reading, the sample file and every
//! message come from the same table.

/// One accepted word of a [`Kind::Choice`], with other spellings that mean the same.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The canonical word: what reading the option returns.
    pub name: &'static str,
    /// Other accepted spellings, matched exactly.
    pub aliases: &'static [&'static str],
}

impl Choice {
    /// A word without other spellings.
    pub const fn new(name: &'static str) -> Self {
        Self { name, aliases: &[] }
    }

    /// A word with other spellings.
    pub const fn or(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self { name, aliases }
    }

    pub(crate) fn matches(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

/// The type of an option.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// `1/0`, `yes/no`, `true/false`, `on/off` in any case.
    Boolean,
    /// A whole number within optional bounds, both included. Empty means unset.
    Integer {
        /// Smallest allowed value.
        min: Option<i64>,
        /// Largest allowed value.
        max: Option<i64>,
    },
    /// A port number, 0 to 65535. Empty means unset.
    Port,
    /// A finite decimal number. Empty means unset.
    Float,
    /// A duration in seconds, a decimal number not below zero. Empty means unset.
    Seconds,
    /// One of the given words.
    Choice(&'static [Choice]),
    /// Words separated by commas.
    List,
    /// Words separated by commas, each one of the given.
    ListOf(&'static [Choice]),
    /// `name:value` pairs separated by commas.
    Dict,
    /// A path of the file system, not checked for existence.
    Path,
    /// A URL with a host and one of the given schemes (any, if none is given). Empty means unset.
    Url(&'static [&'static str]),
    /// The name of a network interface: at most 15 bytes, no blank, no slash. Empty means unset.
    Interface,
    /// A host name or address: one word. Empty means unset.
    Host,
    /// One word without blanks. Empty means unset.
    Word,
    /// The name of a section that holds these options for the section the key stands in
    /// (`auth_section` of keystoneauth). Naming it makes the section known.
    Section(&'static [Opt]),
}

impl Kind {
    /// The type's name in a sample file, in the words of oslo-config-generator where it has one.
    pub fn type_name(&self) -> &'static str {
        match self {
            Kind::Text | Kind::Path | Kind::Choice(_) | Kind::Interface | Kind::Word | Kind::Section(_) => {
                "string value"
            }
            Kind::Boolean => "boolean value",
            Kind::Integer { .. } => "integer value",
            Kind::Port => "port value",
            Kind::Float => "floating point value",
            Kind::Seconds => "seconds, floating point value",
            Kind::List | Kind::ListOf(_) => "list value",
            Kind::Dict => "dict value",
            Kind::Url(_) => "uri value",
            Kind::Host => "host address value",
        }
    }

    /// Whether no valid value contains a blank followed by `#` or `;`, so that such a tail can only be a
    /// comment.
    pub(crate) fn excludes_comment_marks(&self) -> bool {
        !matches!(self, Kind::Text | Kind::Path | Kind::List | Kind::Dict)
    }
}

/// Where an option stood in older releases.
#[derive(Debug, Clone, Copy)]
pub struct OldName {
    /// The old group; `None`: the same group.
    pub group: Option<&'static str>,
    /// The old key.
    pub name: &'static str,
}

/// One option. Built with `const` functions, see [`crate::schemas`].
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Key in the file, with underscores.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// One or more sentences for the sample file.
    pub help: &'static str,
    /// Default in the file's own spelling; may contain references.
    pub default: Option<&'static str>,
    /// Environment variable that replaces the default (below any file).
    pub default_env: Option<&'static str>,
    /// Names of older releases: accepted with a warning.
    pub deprecated: &'static [OldName],
    /// Other keys of the same group with the same meaning: accepted silently.
    pub aliases: &'static [&'static str],
    /// The value never appears in a message or in `Debug`.
    pub secret: bool,
    /// Values of repeated keys accumulate instead of the last one winning.
    pub multi: bool,
    /// Accepted without effect; the text says why.
    pub ignored: Option<&'static str>,
}

impl Opt {
    /// An option without a default.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            default: None,
            default_env: None,
            deprecated: &[],
            aliases: &[],
            secret: false,
            multi: false,
            ignored: None,
        }
    }

    /// Sets the default, in the file's own spelling.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Names an environment variable whose value replaces the default.
    #[must_use]
    pub const fn default_env(mut self, variable: &'static str) -> Self {
        self.default_env = Some(variable);
        self
    }

    /// Names of older releases.
    #[must_use]
    pub const fn deprecated(mut self, names: &'static [OldName]) -> Self {
        self.deprecated = names;
        self
    }

    /// Other keys with the same meaning.
    #[must_use]
    pub const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// Marks the value as secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Lets values of repeated keys accumulate.
    #[must_use]
    pub const fn multi(mut self) -> Self {
        self.multi = true;
        self
    }

    /// Marks the option as accepted without effect.
    #[must_use]
    pub const fn ignored(mut self, why: &'static str) -> Self {
        self.ignored = Some(why);
        self
    }
}

/// An old key in the same group.
pub const fn renamed(name: &'static str) -> OldName {
    OldName { group: None, name }
}

/// An old key in another group.
pub const fn moved(group: &'static str, name: &'static str) -> OldName {
    OldName { group: Some(group), name }
}

/// A section and its options.
#[derive(Debug, Clone)]
pub struct Group {
    /// Name; compared without case, except `DEFAULT`.
    pub name: String,
    /// One or more sentences for the sample file; may be empty.
    pub help: &'static str,
    /// Options in the order of the sample file.
    pub options: Vec<Opt>,
}

impl Group {
    pub(crate) fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|o| o.name == name)
    }
}

/// Everything one program understands.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The program's project name: `kuryr.conf` is looked for as `kuryr`.
    pub project: &'static str,
    groups: Vec<Group>,
}

impl Schema {
    /// An empty schema.
    pub fn new(project: &'static str) -> Self {
        Self { project, groups: Vec::new() }
    }

    /// Adds a group made of several tables. A second group of the same name extends the first; an option
    /// that is already there stays as it is.
    #[must_use]
    pub fn group(mut self, name: &str, help: &'static str, tables: &[&[Opt]]) -> Self {
        self.extend(name, help, tables);
        self
    }

    pub(crate) fn extend(&mut self, name: &str, help: &'static str, tables: &[&[Opt]]) {
        let wanted = group_key(name);
        let index = match self.groups.iter().position(|g| g.name == wanted) {
            Some(index) => index,
            None => {
                self.groups.push(Group { name: wanted, help, options: Vec::new() });
                self.groups.len() - 1
            }
        };
        if let Some(group) = self.groups.get_mut(index) {
            for option in tables.iter().flat_map(|t| t.iter()) {
                if group.option(option.name).is_none() {
                    group.options.push(*option);
                }
            }
        }
    }

    /// All groups in the order of the sample file.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn find_group(&self, name: &str) -> Option<&Group> {
        let wanted = group_key(name);
        self.groups.iter().find(|g| g.name == wanted)
    }

    /// The option that a key in a section means, by its name or any other name it has; the flag tells
    /// whether that name is deprecated.
    pub(crate) fn find(&self, section: &str, key: &str) -> Option<Found<'_>> {
        let (section, key) = (group_key(section), option_key(key));
        let own = self.groups.iter().find(|g| g.name == section);
        if let Some(group) = own {
            if let Some(option) = group.option(&key) {
                return Some(Found { group, option, spelling: Spelling::Current });
            }
            if let Some(option) = group.options.iter().find(|o| o.aliases.contains(&key.as_str())) {
                return Some(Found { group, option, spelling: Spelling::Alias });
            }
        }
        for group in &self.groups {
            for option in &group.options {
                let old = option.deprecated.iter().any(|old| {
                    option_key(old.name) == key
                        && old.group.map_or(group.name == section, |g| group_key(g) == section)
                });
                if old {
                    return Some(Found { group, option, spelling: Spelling::Deprecated });
                }
            }
        }
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spelling {
    // in rising rank: within one file the current name beats the others
    Deprecated,
    Alias,
    Current,
}

pub(crate) struct Found<'a> {
    pub(crate) group: &'a Group,
    pub(crate) option: &'a Opt,
    pub(crate) spelling: Spelling,
}

/// `DEFAULT` in any case, other names in lower case.
pub(crate) fn group_key(name: &str) -> String {
    if name.eq_ignore_ascii_case("default") { "DEFAULT".to_owned() } else { name.to_lowercase() }
}

/// `-` and `_` mean the same.
pub(crate) fn option_key(name: &str) -> String {
    name.replace('-', "_")
}
