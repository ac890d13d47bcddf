//! The value of the `metadata` filter of volume and share lists.

/// Writes `pairs` as a Python dict literal, which is what Cinder and Manila read (`ast.literal_eval`).
pub(crate) fn literal(pairs: &[(&str, &str)]) -> String {
    let items: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect();
    format!("{{{}}}", items.join(", "))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\\' | '\'' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_its_quotes() {
        assert_eq!(literal(&[("a", "b"), ("c", "d")]), "{'a': 'b', 'c': 'd'}");
        assert_eq!(literal(&[("k", "it's \\ \"é\"\n")]), r#"{'k': 'it\'s \\ "é"\u000a'}"#);
        assert_eq!(literal(&[]), "{}");
    }
}
