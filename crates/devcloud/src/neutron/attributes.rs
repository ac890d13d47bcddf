//! Reading the attributes of a request body the way Neutron does: lenient about booleans and numbers written as
//! text, strict about unknown names.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::fault::Fault;
use crate::model::standard::Standard;

/// Attributes of one resource in a request; what is read is taken out, what remains is unknown.
#[derive(Debug)]
pub(crate) struct Attributes {
    resource: &'static str,
    action: &'static str,
    is_admin: bool,
    map: Map<String, Value>,
}

/// Body of a create: one resource or many.
#[derive(Debug)]
pub(crate) struct Created {
    /// The resources.
    pub(crate) items: Vec<Attributes>,
    /// Whether the body was a list, so that the answer is one.
    pub(crate) bulk: bool,
}

fn parse(body: &[u8]) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Fault::request(
            "The server could not comply with the request since it is either malformed or otherwise incorrect.",
        )),
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Fault> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(Fault::request(format!("Body contains invalid data: '{other}' is not a dictionary"))),
    }
}

/// Reads `{singular: {...}}` or `{plural: [{...}]}`.
pub(crate) fn created(
    body: &[u8],
    singular: &'static str,
    plural: &'static str,
    is_admin: bool,
) -> Result<Created, Fault> {
    let mut map = parse(body)?;
    let wrap = |map| Attributes { resource: singular, action: "create", is_admin, map };
    if let Some(list) = map.remove(plural) {
        let Value::Array(list) = list else { return Err(Fault::request("Resource body required")) };
        if list.is_empty() {
            return Err(Fault::request("Resources required"));
        }
        let items = list.into_iter().map(|v| object(v).map(wrap)).collect::<Result<_, _>>()?;
        return Ok(Created { items, bulk: true });
    }
    let one =
        map.remove(singular).ok_or_else(|| Fault::request("Unable to find resource name in request"))?;
    Ok(Created { items: vec![wrap(object(one)?)], bulk: false })
}

/// Reads `{singular: {...}}` of an update.
pub(crate) fn updated(body: &[u8], singular: &'static str, is_admin: bool) -> Result<Attributes, Fault> {
    let one = parse(body)?.remove(singular);
    let one = one.ok_or_else(|| Fault::request("Unable to find resource name in request"))?;
    Ok(Attributes { resource: singular, action: "update", is_admin, map: object(one)? })
}

impl Attributes {
    /// Takes an attribute, `null` included.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// Looks at an attribute and leaves it.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// Takes an attribute only administrators may set.
    pub(crate) fn take_admin(&mut self, name: &str) -> Result<Option<Value>, Fault> {
        let value = self.map.remove(name);
        if value.is_some() && !self.is_admin {
            return Err(self.forbidden(name));
        }
        Ok(value)
    }

    /// The policy fault for an attribute.
    pub(crate) fn forbidden(&self, name: &str) -> Fault {
        let (action, resource) = (self.action, self.resource);
        Fault::policy(&format!("{action}_{resource} and rule:{action}_{resource}:{name}"))
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= 255 => Ok(Some(text)),
            Some(Value::String(text)) => {
                Err(Fault::attribute(name, format!("'{text}' exceeds maximum length of 255")))
            }
            Some(other) => Err(Fault::attribute(name, format!("'{other}' is not a valid string"))),
        }
    }

    /// Writes the two texts that every resource has.
    pub(crate) fn write_names(&mut self, standard: &mut Standard) -> Result<(), Fault> {
        if let Some(name) = self.text("name")? {
            standard.name = name;
        }
        if let Some(description) = self.text("description")? {
            standard.description = description;
        }
        Ok(())
    }

    /// A text or null: `Some(None)` for null.
    pub(crate) fn nullable(&mut self, name: &str) -> Result<Option<Option<String>>, Fault> {
        if self.map.get(name) == Some(&Value::Null) {
            self.map.remove(name);
            return Ok(Some(None));
        }
        Ok(self.text(name)?.map(Some))
    }

    /// A text that must be there.
    pub(crate) fn required(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| {
            Fault::request(format!("Failed to parse request. Required attribute '{name}' not specified"))
        })
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.take(name).map(|value| boolean(&value)).transpose()
    }

    /// A truth value only administrators may set to anything but `default`.
    pub(crate) fn boolean_admin(&mut self, name: &str, default: bool) -> Result<Option<bool>, Fault> {
        let value = self.boolean(name)?;
        if value.is_some_and(|v| v != default) && !self.is_admin {
            return Err(self.forbidden(name));
        }
        Ok(value)
    }

    /// A number; null counts as absent.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.take(name).filter(|v| !v.is_null()) else { return Ok(None) };
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        let number = number.ok_or_else(|| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Fault::input(format!("'{text}' is not an integer"))
        })?;
        let fitting = T::try_from(number);
        fitting.map(Some).map_err(|_| Fault::attribute(name, format!("'{number}' is out of range")))
    }

    /// A list of texts of a certain form; null counts as empty.
    pub(crate) fn list<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<Vec<T>>, Fault> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(Fault::attribute(name, format!("'{other}' is not a list"))),
        };
        let parse = |item: Value| {
            item.as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Fault::attribute(name, format!("'{item}' is not a valid {what}")))
        };
        items.into_iter().map(parse).collect::<Result<_, _>>().map(Some)
    }

    /// A list of dictionaries; null counts as empty.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Option<Vec<Map<String, Value>>>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(Vec::new())),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::Object(map) => Ok(map),
                    other => Err(Fault::attribute(name, format!("'{other}' is not a dictionary"))),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(Fault::attribute(name, format!("'{other}' is not a list"))),
        }
    }

    /// The owner of a new resource: the caller's project, or any for an administrator.
    pub(crate) fn owner(&mut self, caller_project: &str) -> Result<String, Fault> {
        let project = self.text("project_id")?;
        let tenant = self.text("tenant_id")?;
        let owner = project.or(tenant).unwrap_or_else(|| caller_project.into());
        if owner != caller_project && !self.is_admin {
            return Err(Fault::policy(&format!("{}_{}", self.action, self.resource)));
        }
        Ok(owner)
    }

    /// Refuses what has not been read.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        const READ_ONLY: [&str; 8] = [
            "id",
            "status",
            "created_at",
            "updated_at",
            "revision_number",
            "project_id",
            "tenant_id",
            "network_id",
        ];
        let mut names: Vec<_> = self.map.keys().map(String::as_str).collect();
        if let Some(name) = names.iter().find(|name| READ_ONLY.contains(name)) {
            return Err(Fault::request(if self.action == "update" {
                format!("Cannot update read-only attribute {name}")
            } else {
                format!("Attribute '{name}' not allowed in POST")
            }));
        }
        names.sort_unstable();
        if names.is_empty() {
            return Ok(());
        }
        Err(Fault::request(format!("Unrecognized attribute(s) '{}'", names.join(", "))))
    }
}

/// Refuses what is no id.
pub(crate) fn check_uuid(name: &str, text: &str) -> Result<(), Fault> {
    match uuid::Uuid::parse_str(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::attribute(name, format!("'{text}' is not a valid UUID"))),
    }
}

fn boolean(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::Number(n) if n.as_i64() == Some(1) => Ok(true),
        Value::Number(n) if n.as_i64() == Some(0) => Ok(false),
        Value::String(s) if s.eq_ignore_ascii_case("true") || s == "1" => Ok(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") || s == "0" => Ok(false),
        Value::String(text) => Err(Fault::input(format!("'{text}' cannot be converted to boolean"))),
        other => Err(Fault::input(format!("'{other}' cannot be converted to boolean"))),
    }
}
