//! From text to typed values, as `oslo_config.types` converts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::problem::Cause;
use crate::schema::{Choice, Kind};
use crate::syntax::is_blank;

const INTERFACE_NAME_MAX: usize = 15;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Seconds(Duration),
    List(Vec<String>),
    Dict(BTreeMap<String, String>),
    Path(PathBuf),
}

fn bad(reason: impl Into<String>, allowed: impl Into<String>) -> Cause {
    Cause::BadValue { reason: reason.into(), allowed: Some(allowed.into()) }
}

/// Converts; `None` is an empty value of a type for which empty means unset.
pub(crate) fn convert(kind: &Kind, text: &str) -> Result<Option<Value>, Cause> {
    let empty = text.trim_matches(is_blank).is_empty();
    Ok(Some(match kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Path => Value::Path(PathBuf::from(text)),
        Kind::Boolean => Value::Boolean(boolean(text)?),
        Kind::List => Value::List(items(text).map(str::to_owned).collect()),
        Kind::ListOf(choices) => {
            let words: Result<Vec<_>, _> = items(text).map(|item| word(choices, item)).collect();
            Value::List(words?)
        }
        Kind::Choice(choices) => Value::Text(word(choices, text)?),
        Kind::Dict => Value::Dict(pairs(text)?),
        _ if empty => return Ok(None),
        Kind::Integer { min, max } => Value::Integer(integer(text, *min, *max)?),
        Kind::Port => Value::Integer(integer(text, Some(0), Some(65535))?),
        Kind::Float => Value::Float(float(text, "a decimal number")?),
        Kind::Seconds => Value::Seconds(seconds(text)?),
        Kind::Url(schemes) => Value::Text(url(text, schemes)?),
        Kind::Interface => Value::Text(interface(text)?),
        Kind::Host => Value::Text(host(text)?),
        Kind::Word if text.contains(is_blank) => return Err(bad("contains a blank", "one word")),
        Kind::Word | Kind::Section(_) => Value::Text(text.to_owned()),
    }))
}

fn boolean(text: &str) -> Result<bool, Cause> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(bad("not a boolean", "true, 1, on, yes, false, 0, off, no")),
    }
}

fn word(choices: &[Choice], text: &str) -> Result<String, Cause> {
    choices.iter().find(|c| c.matches(text)).map(|c| c.name.to_owned()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|c| c.name).collect();
        bad("not one of the known words", names.join(", "))
    })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim_matches(is_blank).trim_end_matches(',');
    text.split(',').map(|item| item.trim_matches(is_blank)).filter(move |_| !text.is_empty())
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, Cause> {
    const FORM: &str = "name:value pairs separated by commas";
    let text = text.trim_matches(is_blank);
    let mut result = BTreeMap::new();
    if text.is_empty() {
        return Ok(result);
    }
    // a part without a colon belongs to nothing yet: it and the next part are one pair
    let mut pending = String::new();
    let mut parts = text.split(',').peekable();
    while let Some(part) = parts.next() {
        pending.push_str(part);
        let Some((name, value)) = pending.split_once(':') else {
            if parts.peek().is_none() {
                return Err(bad("a part has no ':'", FORM));
            }
            pending.push(',');
            continue;
        };
        let name = name.trim_matches(is_blank);
        if name.is_empty() {
            return Err(bad("a name before ':' is empty", FORM));
        }
        if result.insert(name.to_owned(), value.trim_matches(is_blank).to_owned()).is_some() {
            return Err(bad("a name occurs twice", "each name once"));
        }
        pending.clear();
    }
    Ok(result)
}

/// Python writes numbers with optional single underscores between digits.
fn without_underscores(text: &str) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        if c == '_' {
            let next = chars.peek().copied().unwrap_or(' ');
            if !(before.is_ascii_digit() && next.is_ascii_digit()) {
                return None;
            }
        } else {
            result.push(c);
        }
        before = c;
    }
    Some(result)
}

fn integer(text: &str, min: Option<i64>, max: Option<i64>) -> Result<i64, Cause> {
    let allowed = match (min, max) {
        (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
        (Some(min), None) => format!("a whole number not below {min}"),
        (None, Some(max)) => format!("a whole number not above {max}"),
        (None, None) => "a whole number".to_owned(),
    };
    let parsed = without_underscores(text.trim_matches(is_blank)).and_then(|t| t.parse::<i64>().ok());
    let Some(number) = parsed else { return Err(bad("not a whole number", allowed)) };
    if min.is_some_and(|min| number < min) {
        return Err(bad("too small", allowed));
    }
    if max.is_some_and(|max| number > max) {
        return Err(bad("too large", allowed));
    }
    Ok(number)
}

fn float(text: &str, allowed: &str) -> Result<f64, Cause> {
    without_underscores(text.trim_matches(is_blank))
        .and_then(|t| t.parse::<f64>().ok())
        .filter(|number| number.is_finite())
        .ok_or_else(|| bad("not a number", allowed))
}

fn seconds(text: &str) -> Result<Duration, Cause> {
    const ALLOWED: &str = "a number of seconds not below 0, such as 20 or 0.5";
    let number = float(text, ALLOWED)?;
    Duration::try_from_secs_f64(number).map_err(|_| bad("not a duration", ALLOWED))
}

fn url(text: &str, schemes: &[&str]) -> Result<String, Cause> {
    let allowed = if schemes.is_empty() {
        "scheme://host[:port][/path]".to_owned()
    } else {
        let forms: Vec<_> = schemes.iter().map(|s| format!("{s}://host[:port][/path]")).collect();
        forms.join(" or ")
    };
    if text.contains(is_blank) {
        return Err(bad("a URL cannot contain blanks", allowed));
    }
    let parsed = url::Url::parse(text).map_err(|e| bad(format!("not a URL ({e})"), allowed.as_str()))?;
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(bad("the URL has no host", allowed));
    }
    if !schemes.is_empty() && !schemes.contains(&parsed.scheme()) {
        return Err(bad("the URL's scheme is not supported", allowed));
    }
    Ok(text.to_owned())
}

fn interface(text: &str) -> Result<String, Cause> {
    let valid = text.len() <= INTERFACE_NAME_MAX
        && !text.contains(|c: char| is_blank(c) || c == '/' || c.is_control())
        && text != "."
        && text != "..";
    if valid {
        Ok(text.to_owned())
    } else {
        Err(bad(
            "not the name of a network interface",
            "at most 15 bytes without blank or slash, such as eth0",
        ))
    }
}

fn host(text: &str) -> Result<String, Cause> {
    let valid = text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:%[]".contains(c));
    if valid {
        Ok(text.to_owned())
    } else {
        Err(bad("not a host name or address", "a host name, an IPv4 or an IPv6 address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[Choice] = &[Choice::or("veth", &["kuryr.lib.binding.drivers.veth"]), Choice::new("vlan")];

    fn reason(kind: Kind, text: &str) -> String {
        convert(&kind, text).unwrap_err().to_string()
    }

    #[test]
    fn another_spelling_of_a_word_reads_as_the_canonical_one() {
        let read = convert(&Kind::Choice(WORDS), "kuryr.lib.binding.drivers.veth").unwrap();
        assert_eq!(read, Some(Value::Text("veth".into())));
        let read = convert(&Kind::ListOf(WORDS), "vlan, kuryr.lib.binding.drivers.veth,").unwrap();
        assert_eq!(read, Some(Value::List(vec!["vlan".into(), "veth".into()])));
    }

    #[test]
    fn bounds_are_part_of_the_advice() {
        let cause = convert(&Kind::Port, "70000").unwrap_err();
        assert_eq!(
            cause,
            Cause::BadValue {
                reason: "too large".into(),
                allowed: Some("a whole number from 0 to 65535".into())
            }
        );
        assert_eq!(reason(Kind::Integer { min: Some(1), max: None }, "0"), "too small");
    }

    #[test]
    fn seconds_take_fractions_but_nothing_below_zero_and_no_infinity() {
        assert_eq!(convert(&Kind::Seconds, "0.5").unwrap(), Some(Value::Seconds(Duration::from_millis(500))));
        for text in ["-1", "inf", "nan", "1e400", "soon"] {
            assert!(convert(&Kind::Seconds, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_needs_a_host_and_a_supported_scheme() {
        const HTTP: Kind = Kind::Url(&["http", "https"]);
        assert!(convert(&HTTP, "http://[::1]:5000/v3").unwrap().is_some());
        for text in ["127.0.0.1:5000", "ftp://host/", "http://", "http://a b/", "http://h:99999/"] {
            assert!(convert(&HTTP, text).is_err(), "{text}");
        }
        assert_eq!(convert(&HTTP, "").unwrap(), None);
    }

    #[test]
    fn an_interface_name_obeys_the_kernels_rules() {
        assert!(convert(&Kind::Interface, "eth0.100").unwrap().is_some());
        for text in ["a/b", "sixteen-bytes-ab", "..", "eth0 # x"] {
            assert!(convert(&Kind::Interface, text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_reason_repeats_the_value() {
        for kind in
            [Kind::Boolean, Kind::Port, Kind::Seconds, Kind::Choice(WORDS), Kind::Dict, Kind::Url(&[])]
        {
            assert!(!format!("{:?}", convert(&kind, "hunter2,").unwrap_err()).contains("hunter2"));
        }
    }
}
