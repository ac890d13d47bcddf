//! Python literals, in which clients write the value of the `metadata` filter: `{'key': 'value'}`.

use serde_json::{Map, Value, json};

/// A value from a Python or a JSON literal; `None` if it is neither.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.space();
    parser.rest.is_empty().then_some(value)
}

/// Deeper nesting is nobody's filter, and must not exhaust the stack.
const DEPTH: usize = 16;

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        if self.take("{") {
            return self.dict(depth);
        }
        for (open, close) in [("[", "]"), ("(", ")")] {
            if self.take(open) {
                return self.list(close, depth);
            }
        }
        self.space();
        let bare = self.rest.strip_prefix(['u', 'U']).unwrap_or(self.rest);
        if bare.starts_with(['\'', '"']) {
            self.rest = bare;
            return self.string().map(Value::String);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "True" | "true" => Some(json!(true)),
            "False" | "false" => Some(json!(false)),
            "None" | "null" => Some(Value::Null),
            number => serde_json::from_str(number).ok().filter(Value::is_number),
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Value> {
        let mut map = Map::new();
        while !self.take("}") {
            let Value::String(key) = self.value(depth + 1)? else { return None };
            if !self.take(":") {
                return None;
            }
            map.insert(key, self.value(depth + 1)?);
            if !self.take(",") {
                return self.take("}").then_some(Value::Object(map));
            }
        }
        Some(Value::Object(map))
    }

    fn list(&mut self, close: &str, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(",") {
                return self.take(close).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.chars();
        let quote = chars.next()?;
        let mut text = String::new();
        loop {
            match chars.next()? {
                c if c == quote => break,
                '\\' => match chars.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'x' => text.push(code(&mut chars, 2)?),
                    'u' => text.push(code(&mut chars, 4)?),
                    'U' => text.push(code(&mut chars, 8)?),
                    c @ ('\\' | '\'' | '"' | '/') => text.push(c),
                    other => text.extend(['\\', other]),
                },
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + chars.next()?.to_digit(16)?;
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_and_json_dictionaries_are_read_alike() {
        let wanted = Some(json!({"a": "b", "c": "it's"}));
        assert_eq!(parse(r#"{'a': 'b', 'c': "it's"}"#), wanted);
        assert_eq!(parse(r#" {u"a":"b","c":'it\'s',} "#), wanted);
        assert_eq!(parse(r#"{"a": "b", "c": "it's"}"#), wanted);
        assert_eq!(parse("{}"), Some(json!({})));
        assert_eq!(parse(r"'\x41\u00e9\U0001f600\q'"), Some(json!("A\u{e9}\u{1f600}\\q")));
        assert_eq!(parse("[1, -2.5, True, None, (False,)]"), Some(json!([1, -2.5, true, null, [false]])));
    }

    #[test]
    fn anything_else_is_not_a_literal() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "{'a'}",
            "{'a': 'b'} x",
            "{1: 'b'}",
            "name",
            "'open",
            r"'\xzz'",
            "__import__('os')",
            &deep,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
