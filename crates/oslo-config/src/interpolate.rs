//! References in values: `$opt`, `${opt}`, `$group.opt`, `${group.opt}`; `$$` and `\$` are a dollar sign.
//!
//! As in oslo.config a name starts with a letter or underscore and goes on with letters, digits,
//! underscores and dots; a dollar sign before anything else stays as it is; a reference without group is
//! looked up in the section it stands in, then in `[DEFAULT]`; an unset option is the empty text.
//! Other than there, a circle is an error and an unknown name is told as written.

use std::collections::BTreeMap;

use crate::problem::Cause;

/// Upper bound of one expanded value, in bytes: references can multiply.
const LIMIT: usize = 64 * 1024;

/// Group and option, both in canonical spelling.
pub(crate) type Name = (String, String);

/// What a reference finds.
pub(crate) struct Target {
    pub(crate) name: Name,
    /// Text before expansion; `None`: unset.
    pub(crate) text: Option<String>,
    pub(crate) secret: bool,
}

/// Text after expansion; `secret` if any part of it came from a secret option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    pub(crate) secret: bool,
}

/// Finds the option that a reference (group if given, name) standing in a group means.
pub(crate) type Lookup<'a> = dyn Fn(&str, Option<&str>, &str) -> Option<Target> + 'a;

pub(crate) struct Expander<'a> {
    lookup: &'a Lookup<'a>,
    done: BTreeMap<Name, Result<Expanded, Cause>>,
    path: Vec<Name>,
}

impl<'a> Expander<'a> {
    pub(crate) fn new(lookup: &'a Lookup<'a>) -> Self {
        Self { lookup, done: BTreeMap::new(), path: Vec::new() }
    }

    /// Expands `text`, one of the values of the option `name`.
    pub(crate) fn expand(&mut self, name: &Name, text: &str) -> Result<Expanded, Cause> {
        self.path.push(name.clone());
        let result = self.replace(&name.0, text);
        self.path.pop();
        result
    }

    fn replace(&mut self, group: &str, text: &str) -> Result<Expanded, Cause> {
        let mut result = Expanded { text: String::new(), secret: false };
        // first of all, as there: `$\$x` is an escaped dollar sign followed by a reference
        let text = text.replace("\\$", "$$");
        for piece in pieces(&text) {
            match piece {
                Piece::Text(text) => result.text.push_str(text),
                Piece::Reference { written, name } => {
                    let found = self.reference(group, written, name)?;
                    result.text.push_str(&found.text);
                    result.secret |= found.secret;
                }
            }
            if result.text.len() > LIMIT {
                return Err(Cause::ExpansionTooLong { limit: LIMIT });
            }
        }
        Ok(result)
    }

    fn reference(&mut self, group: &str, written: &str, name: &str) -> Result<Expanded, Cause> {
        let (named_group, option) = match name.split_once('.') {
            Some((group, option)) => (Some(group), option),
            None => (None, name),
        };
        let target = (self.lookup)(group, named_group, option)
            .ok_or_else(|| Cause::UnknownReference { reference: Some(written.to_owned()) })?;
        let Target { name, text, secret } = target;
        if let Some(start) = self.path.iter().position(|n| *n == name) {
            let circle: Vec<_> = self
                .path
                .iter()
                .skip(start)
                .chain(std::iter::once(&name))
                .map(|(group, option)| format!("[{group}] {option}"))
                .collect();
            return Err(Cause::Cycle(circle.join(" -> ")));
        }
        if let Some(known) = self.done.get(&name) {
            return known.clone();
        }
        let mut result = match text {
            None => Ok(Expanded { text: String::new(), secret }),
            Some(text) => self.expand(&name, &text),
        };
        match &mut result {
            Ok(expanded) => expanded.secret |= secret,
            Err(Cause::UnknownReference { reference }) if secret => *reference = None,
            Err(_) => {}
        }
        self.done.insert(name, result.clone());
        result
    }
}

enum Piece<'t> {
    Text(&'t str),
    Reference { written: &'t str, name: &'t str },
}

/// Splits `text` at its references. A lone `$` is text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut result = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        result.push(Piece::Text(before));
        let (piece, after) = if let Some(after) = from.strip_prefix("$$") {
            (Piece::Text("$"), after)
        } else if let Some((written, name, after)) = reference(from) {
            (Piece::Reference { written, name }, after)
        } else {
            let (mark, after) = from.split_at(1);
            (Piece::Text(mark), after)
        };
        result.push(piece);
        rest = after;
    }
    result.push(Piece::Text(rest));
    result
}

/// `$name` or `${name}` at the start of `from`: as written, the name, the rest.
fn reference(from: &str) -> Option<(&str, &str, &str)> {
    let body = from.strip_prefix('$')?;
    let braced = body.strip_prefix('{');
    let name_on = braced.unwrap_or(body);
    if !name_on.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let end =
        name_on.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(name_on.len());
    let (name, tail) = name_on.split_at_checked(end)?;
    let after = if braced.is_some() { tail.strip_prefix('}')? } else { tail };
    let written = from.get(..from.len() - after.len())?;
    Some((written, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(group: &str, option: &str, text: Option<&str>) -> Option<Target> {
        Some(Target {
            name: (group.into(), option.into()),
            text: text.map(str::to_owned),
            secret: option == "password",
        })
    }

    fn lookup(here: &str, group: Option<&str>, option: &str) -> Option<Target> {
        match (group.unwrap_or(here), option) {
            ("DEFAULT", "ip") => target("DEFAULT", "ip", Some("192.0.2.1")),
            ("DEFAULT", "unset") => target("DEFAULT", "unset", None),
            ("DEFAULT", "a") => target("DEFAULT", "a", Some("<$b>")),
            ("DEFAULT", "b") => target("DEFAULT", "b", Some("${a}")),
            ("DEFAULT", "big") => target("DEFAULT", "big", Some(&"x".repeat(LIMIT))),
            ("g", "ip") => target("g", "ip", Some("${DEFAULT.ip}/24")),
            ("g", "password") => target("g", "password", Some("hunter2")),
            _ => None,
        }
    }

    fn expand(text: &str) -> Result<String, Cause> {
        let name = ("DEFAULT".into(), "this".into());
        Expander::new(&lookup).expand(&name, text).map(|e| e.text)
    }

    #[test]
    fn references_are_replaced_with_and_without_braces_and_group() {
        assert_eq!(expand("http://$ip:80/").unwrap(), "http://192.0.2.1:80/");
        assert_eq!(expand("${ip}x").unwrap(), "192.0.2.1x");
        assert_eq!(expand("$g.ip ${g.ip}").unwrap(), "192.0.2.1/24 192.0.2.1/24");
        assert_eq!(expand("[$unset]").unwrap(), "[]");
    }

    #[test]
    fn two_dollars_and_an_escaped_one_are_a_dollar_sign() {
        assert_eq!(expand(r"$$ip \$ip $5 ${ ip} ${ip $").unwrap(), "$ip $ip $5 ${ ip} ${ip $");
    }

    #[test]
    fn an_unknown_reference_is_named_as_written() {
        assert_eq!(
            expand("x${nope}").unwrap_err(),
            Cause::UnknownReference { reference: Some("${nope}".into()) }
        );
    }

    #[test]
    fn a_circle_is_told_with_its_members() {
        assert_eq!(
            expand("$a").unwrap_err(),
            Cause::Cycle("[DEFAULT] a -> [DEFAULT] b -> [DEFAULT] a".into())
        );
    }

    #[test]
    fn multiplying_references_are_stopped() {
        assert_eq!(expand("$big$big").unwrap_err(), Cause::ExpansionTooLong { limit: LIMIT });
    }

    #[test]
    fn text_that_took_from_a_secret_is_secret() {
        let name = ("DEFAULT".into(), "this".into());
        let expanded = Expander::new(&lookup).expand(&name, "x$g.password").unwrap();
        assert_eq!(expanded, Expanded { text: "xhunter2".into(), secret: true });
    }
}
