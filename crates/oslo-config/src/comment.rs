//! Comments behind a value.
//!
//! oslo.config knows none: `link_iface = eth0 # VM vNIC` is the value `eth0 # VM vNIC`. People write such
//! lines all the same. The rule here:
//!
//! * an option whose type cannot contain a blank followed by `#` or `;` (booleans, numbers, ports,
//!   durations, choices and lists of choices, URLs, interface and host names, section names) loses that
//!   tail, with a warning;
//! * text, paths, plain lists and dictionaries keep it, as oslo.config does, also with a warning;
//! * secrets keep it silently: a warning would tell something about the value.

use crate::schema::{Kind, Opt};
use crate::syntax::{is_blank, unquote};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail<'a> {
    None,
    Kept,
    Removed(&'a str),
}

/// Judges the raw value of `option`; [`Tail::Removed`] carries what remains.
pub(crate) fn judge<'a>(option: &Opt, value: &'a str) -> Tail<'a> {
    let Some(start) = start_of_comment(value) else { return Tail::None };
    if option.secret {
        return Tail::None;
    }
    if !option.kind.excludes_comment_marks() {
        let starts_value = start == 0 && !matches!(option.kind, Kind::Path);
        return if starts_value { Tail::None } else { Tail::Kept };
    }
    let (head, _) = value.split_at_checked(start).unwrap_or((value, ""));
    Tail::Removed(unquote(head.trim_matches(is_blank)))
}

fn start_of_comment(value: &str) -> Option<usize> {
    let mut after_blank = true;
    for (index, c) in value.char_indices() {
        if after_blank && (c == '#' || c == ';') {
            return Some(index);
        }
        after_blank = is_blank(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_loses_its_comment() {
        let option = Opt::new("link_iface", Kind::Interface, "");
        assert_eq!(judge(&option, "eth0 # VM vNIC"), Tail::Removed("eth0"));
        assert_eq!(judge(&option, "\"eth0\" ; VM vNIC"), Tail::Removed("eth0"));
        assert_eq!(judge(&option, "# none yet"), Tail::Removed(""));
        assert_eq!(judge(&option, "eth0#1"), Tail::None);
    }

    #[test]
    fn free_text_keeps_it() {
        assert_eq!(judge(&Opt::new("name", Kind::Text, ""), "a # b"), Tail::Kept);
        assert_eq!(judge(&Opt::new("colour", Kind::Text, ""), "#ff0000"), Tail::None);
    }

    #[test]
    fn a_secret_keeps_it_silently() {
        assert_eq!(judge(&Opt::new("password", Kind::Text, "").secret(), "a # b"), Tail::None);
    }
}
