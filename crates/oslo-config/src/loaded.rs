//! Settings, read by type.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::interpolate::Name;
use crate::problem::{Origin, Problem};
use crate::schema::{Opt, Schema, group_key};
use crate::value::Value;

pub(crate) struct Setting {
    pub(crate) values: Vec<Value>,
    pub(crate) origin: Origin,
    pub(crate) secret: bool,
}

pub(crate) struct Settings {
    pub(crate) schema: Schema,
    pub(crate) values: BTreeMap<Name, Setting>,
}

/// A mistake of the program that reads settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The option is not in the schema.
    #[error("option [{group}] {key} is not in the schema, add it to the table of its section")]
    UnknownOption {
        /// Group as asked for.
        group: String,
        /// Key as asked for.
        key: String,
    },
    /// The option has another type.
    #[error("option [{group}] {key} is a {actual}, it cannot be read as {wanted}")]
    WrongType {
        /// Group as asked for.
        group: String,
        /// Key as asked for.
        key: String,
        /// The option's type.
        actual: &'static str,
        /// The type asked for.
        wanted: &'static str,
    },
}

/// Validated settings. All readers take the option's current name and return [`ReadError`] only for
/// mistakes of the program: what is wrong in a file was told by [`crate::Loader::load`].
pub struct Loaded {
    settings: Settings,
    warnings: Vec<Problem>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for ((group, key), setting) in &self.settings.values {
            let name = format!("[{group}] {key}");
            if setting.secret && !setting.values.is_empty() {
                map.entry(&name, &"***");
            } else {
                map.entry(&name, &setting.values);
            }
        }
        map.finish()
    }
}

impl Loaded {
    pub(crate) fn new(settings: Settings, warnings: Vec<Problem>) -> Self {
        Self { settings, warnings }
    }

    /// What was worth a warning or a note, in the order of files and lines.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The schema, with the sections that `auth_section` added.
    pub fn schema(&self) -> &Schema {
        &self.settings.schema
    }

    /// Where the value in force comes from.
    ///
    /// # Errors
    /// The option is not in the schema.
    pub fn origin(&self, group: &str, key: &str) -> Result<&Origin, ReadError> {
        self.setting(group, key).map(|(_, setting)| &setting.origin)
    }

    /// Whether a file or the environment sets the option.
    ///
    /// # Errors
    /// The option is not in the schema.
    pub fn is_set(&self, group: &str, key: &str) -> Result<bool, ReadError> {
        self.origin(group, key).map(|origin| *origin != Origin::Default)
    }

    /// Text, choice, URL, interface, host, section or path; `None` if unset.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn get_str(&self, group: &str, key: &str) -> Result<Option<&str>, ReadError> {
        self.one(group, key, "text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Path(path) => path.to_str(),
            _ => None,
        })
    }

    /// All values of a multi-valued text option, in order; one or none for any other text option.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn all(&self, group: &str, key: &str) -> Result<Vec<&str>, ReadError> {
        let (option, setting) = self.setting(group, key)?;
        let texts = setting.values.iter().map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let values: Option<Vec<_>> = texts.collect();
        values.ok_or_else(|| wrong_type(group, key, option, "several texts"))
    }

    /// A boolean; unset is false.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn bool(&self, group: &str, key: &str) -> Result<bool, ReadError> {
        let value = self.one(group, key, "boolean", |value| match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
        })?;
        Ok(value.unwrap_or(false))
    }

    /// A whole number; `None` if unset.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn integer(&self, group: &str, key: &str) -> Result<Option<i64>, ReadError> {
        self.one(group, key, "integer", |value| match value {
            Value::Integer(value) => Some(*value),
            _ => None,
        })
    }

    /// A port number; `None` if unset.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn port(&self, group: &str, key: &str) -> Result<Option<u16>, ReadError> {
        self.one(group, key, "port", |value| match value {
            Value::Integer(value) => u16::try_from(*value).ok(),
            _ => None,
        })
    }

    /// A decimal number; `None` if unset.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn float(&self, group: &str, key: &str) -> Result<Option<f64>, ReadError> {
        self.one(group, key, "float", |value| match value {
            Value::Float(value) => Some(*value),
            _ => None,
        })
    }

    /// A duration; `None` if unset.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn seconds(&self, group: &str, key: &str) -> Result<Option<Duration>, ReadError> {
        self.one(group, key, "seconds", |value| match value {
            Value::Seconds(value) => Some(*value),
            _ => None,
        })
    }

    /// A list; unset is empty.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn list(&self, group: &str, key: &str) -> Result<&[String], ReadError> {
        let value = self.one(group, key, "list", |value| match value {
            Value::List(value) => Some(value.as_slice()),
            _ => None,
        })?;
        Ok(value.unwrap_or(&[]))
    }

    /// Name and value pairs; unset is empty.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn dict(&self, group: &str, key: &str) -> Result<&BTreeMap<String, String>, ReadError> {
        static EMPTY: BTreeMap<String, String> = BTreeMap::new();
        let value = self.one(group, key, "dict", |value| match value {
            Value::Dict(value) => Some(value),
            _ => None,
        })?;
        Ok(value.unwrap_or(&EMPTY))
    }

    /// A path; `None` if unset or empty.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn path(&self, group: &str, key: &str) -> Result<Option<&Path>, ReadError> {
        let value = self.one(group, key, "path", |value| match value {
            Value::Path(value) => Some(value.as_path()),
            _ => None,
        })?;
        Ok(value.filter(|path| !path.as_os_str().is_empty()))
    }

    /// The section that holds the options for `group`: the one its option `key` (`auth_section`) names, or
    /// `group` itself. One step only, as in keystoneauth.
    ///
    /// # Errors
    /// The option is not in the schema or has another type.
    pub fn section(&self, group: &str, key: &str) -> Result<String, ReadError> {
        let named = self.get_str(group, key)?.filter(|name| !name.is_empty());
        Ok(group_key(named.unwrap_or(group)))
    }

    fn setting(&self, group: &str, key: &str) -> Result<(&Opt, &Setting), ReadError> {
        let unknown = || ReadError::UnknownOption { group: group.to_owned(), key: key.to_owned() };
        let found = self.settings.schema.find_group(group).and_then(|g| Some((g, g.option(key)?)));
        let (known, option) = found.ok_or_else(unknown)?;
        let setting = self.settings.values.get(&(known.name.clone(), key.to_owned())).ok_or_else(unknown)?;
        Ok((option, setting))
    }

    fn one<'a, T>(
        &'a self,
        group: &str,
        key: &str,
        wanted: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let (option, setting) = self.setting(group, key)?;
        match setting.values.last() {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| wrong_type(group, key, option, wanted)),
        }
    }
}

fn wrong_type(group: &str, key: &str, option: &Opt, wanted: &'static str) -> ReadError {
    ReadError::WrongType {
        group: group.to_owned(),
        key: key.to_owned(),
        actual: option.kind.type_name(),
        wanted,
    }
}
