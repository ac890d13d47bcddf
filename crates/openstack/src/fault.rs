//! Error bodies of the services, and of the proxies in front of them.

use serde_json::Value;

/// Longest text taken over from a service, in characters.
const LONGEST: usize = 300;

/// What an error body says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The service's own type; empty when the body is no service's.
    pub(crate) kind: String,
    /// One line, never empty.
    pub(crate) message: String,
}

/// Reads any of the shapes in use. `status` names the fault when the body says nothing.
pub(crate) fn parse(status: u16, body: &[u8]) -> Fault {
    if let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(body) {
        if let (1, Some((key, inner))) = (map.len(), map.iter().next())
            && let Some(fault) = wrapped(status, key, inner)
        {
            return fault;
        }
        // Unrouted requests: `{"message": .., "code": "404 Not Found", "title": ..}`. No service's own fault, so
        // no kind: a 404 of this shape does not say that a resource is gone.
        if let Some(text) = map.get("message").and_then(Value::as_str) {
            return Fault { kind: String::new(), message: line(status, text) };
        }
    }
    Fault { kind: String::new(), message: line(status, &String::from_utf8_lossy(body)) }
}

/// A fault inside an object of one key.
fn wrapped(status: u16, key: &str, inner: &Value) -> Option<Fault> {
    let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or("");
    let fault = |kind: &str, message: &str| Fault { kind: kind.to_owned(), message: line(status, message) };
    match (key, inner) {
        ("NeutronError", Value::String(message)) => Some(fault("NeutronError", message)),
        ("NeutronError", Value::Object(_)) => {
            let kind = text("type");
            let message = match text("detail") {
                "" => text("message").to_owned(),
                detail => format!("{} {detail}", text("message")),
            };
            Some(fault(if kind.is_empty() { "NeutronError" } else { kind }, &message))
        }
        ("error", Value::Object(_)) => {
            let title = text("title");
            Some(fault(if title.is_empty() { "error" } else { title }, text("message")))
        }
        (kind, Value::Object(map)) if map.contains_key("message") => Some(fault(kind, text("message"))),
        _ => None,
    }
}

/// One line of plain text of at most [`LONGEST`] characters: tags and entities of HTML taken out, white space
/// folded.
fn line(status: u16, text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(4 * LONGEST));
    let mut rest = without_elements(text);
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        plain.push_str(before);
        let is_tag = tag.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tag.find('>').filter(|_| is_tag) {
            Some(close) => {
                plain.push(' ');
                rest = tag.get(close + 1..).unwrap_or("").to_owned();
            }
            None => {
                plain.push('<');
                rest = tag.get(1..).unwrap_or("").to_owned();
            }
        }
    }
    plain.push_str(&rest);
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        plain = plain.replace(entity, character);
    }
    let words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let folded = words.collect::<Vec<_>>().join(" ");
    let folded = folded.trim_end_matches('.');
    if folded.is_empty() {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
        return reason.unwrap_or("no explanation").to_owned();
    }
    match folded.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", folded.get(..at).unwrap_or(folded)),
        None => folded.to_owned(),
    }
}

/// Without the content of elements whose text nobody should read, and within reason.
fn without_elements(text: &str) -> String {
    let end = text.char_indices().nth(16_384).map_or(text.len(), |(at, _)| at);
    let mut text = text.get(..end).unwrap_or(text).to_owned();
    for (open, close) in [("<style", "</style>"), ("<script", "</script>"), ("<!--", "-->")] {
        while let Some(from) = text.find(open) {
            let to = text.get(from..).and_then(|t| t.find(close)).map(|at| from + at + close.len());
            text.replace_range(from..to.unwrap_or(text.len()), " ");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_fault_becomes_a_kind_and_one_line() {
        for (status, body, kind, message) in [
            (
                409,
                r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}"#,
                "OverQuota",
                "Quota exceeded for resources: ['port']",
            ),
            (400, r#"{"NeutronError": "old form"}"#, "NeutronError", "old form"),
            (
                404,
                r#"{"itemNotFound": {"message": "Volume 1 could not be found.", "code": 404}}"#,
                "itemNotFound",
                "Volume 1 could not be found",
            ),
            (
                401,
                r#"{"error": {"title": "Unauthorized", "message": "go away", "code": 401}}"#,
                "Unauthorized",
                "go away",
            ),
            (500, r#"{"computeFault": {"message": "a\nb", "code": 500}}"#, "computeFault", "a b"),
            (
                404,
                r#"{"message": "The resource could not be found.<br /><br />\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
                "",
                "The resource could not be found",
            ),
            (
                503,
                "<html><head><style>b{}</style></head><body><h1>503 Service Unavailable</h1>\nNo server &amp; none\n</body></html>",
                "",
                "503 Service Unavailable No server & none",
            ),
            (502, "", "", "Bad Gateway"),
            (500, "a < b and {\"x\": 1", "", "a < b and {\"x\": 1"),
            (599, "", "", "no explanation"),
        ] {
            let fault = parse(status, body.as_bytes());
            assert_eq!((fault.kind.as_str(), fault.message.as_str()), (kind, message), "{body}");
        }
    }

    #[test]
    fn a_long_body_is_cut_and_stays_text() {
        let fault = parse(500, "ü".repeat(100_000).as_bytes());
        assert_eq!(fault.message.chars().count(), LONGEST + 1);
        assert_eq!(parse(500, b"\xff\xfe\x00<").message.lines().count(), 1);
    }
}
