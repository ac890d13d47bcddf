//! Where one JSON-RPC message ends: OVSDB sends objects back to back, without a length and without a separator
//! (RFC 7047, section 4).

/// Finds the end of the object at the start of a growing buffer; each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// What the buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole object, this many bytes long, space in front of it included.
    Whole(usize),
    /// The beginning of one.
    Part,
    /// Something else.
    NoObject,
}

impl Scanner {
    /// Goes on where the last call stopped; `buffer` is the same one, perhaps longer. After [`Found::Whole`] take the
    /// object away and use a fresh scanner.
    pub(super) fn scan(&mut self, buffer: &[u8]) -> Found {
        for &byte in buffer.iter().skip(self.seen) {
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' if self.depth > 0 || byte == b'{' => self.depth += 1,
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                b'}' if self.depth == 1 => return Found::Whole(self.seen),
                b'"' if self.depth > 0 => self.in_string = true,
                byte if self.depth == 0 && !byte.is_ascii_whitespace() => return Found::NoObject,
                _ => {}
            }
        }
        Found::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_at_its_own_brace_however_it_is_cut() {
        let one = br#" {"a":[1,{"b":"}\"]\\"}],"c":"{"}"#;
        let both = [&one[..], br#"{"next":1}"#].concat();
        let mut scanner = Scanner::default();
        for end in 0..one.len() {
            assert_eq!(scanner.scan(&both[..end]), Found::Part, "{end}");
        }
        assert_eq!(scanner.scan(&both), Found::Whole(one.len()));
        assert_eq!(Scanner::default().scan(&both), Found::Whole(one.len()));
    }

    #[test]
    fn what_is_no_object_is_told_at_once() {
        for bad in [&b"HTTP/1.1"[..], b"[1]", b"\"x\"", b"}", b" \n]"] {
            assert_eq!(Scanner::default().scan(bad), Found::NoObject, "{bad:?}");
        }
        assert_eq!(Scanner::default().scan(b" \n"), Found::Part);
    }
}
