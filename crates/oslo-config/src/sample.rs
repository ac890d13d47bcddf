//! A sample file in the manner of oslo-config-generator: every option with its help and its default,
//! commented out.

use std::fmt::Write;

use crate::schema::{Group, Kind, Opt, Schema};
use crate::syntax::is_blank;

const WIDTH: usize = 79;

impl Schema {
    /// The sample file. Options without effect are left out.
    pub fn sample(&self) -> String {
        let mut text = String::new();
        for group in self.groups() {
            if !text.is_empty() {
                text.push('\n');
            }
            section(&mut text, self.project, group);
        }
        text
    }
}

fn section(text: &mut String, project: &str, group: &Group) {
    text.push_str(&format!("[{}]\n", group.name));
    if !group.help.is_empty() {
        comment(text, group.help);
    }
    text.push_str(&format!("\n#\n# From {project}\n#\n"));
    for option in group.options.iter().filter(|o| o.ignored.is_none()) {
        text.push('\n');
        describe(text, group, option);
    }
}

fn describe(text: &mut String, group: &Group, option: &Opt) {
    comment(text, &format!("{} ({})", option.help, option.kind.type_name()));
    match option.kind {
        Kind::Integer { min, max } => bounds(text, min, max),
        Kind::Port => bounds(text, Some(0), Some(65535)),
        Kind::Seconds => bounds(text, Some(0), None),
        Kind::Choice(choices) | Kind::ListOf(choices) => {
            text.push_str("# Possible values:\n");
            for choice in choices {
                let also = if choice.aliases.is_empty() {
                    String::new()
                } else {
                    format!(" (also {})", choice.aliases.join(", "))
                };
                comment(text, &format!("{}{also}", choice.name));
            }
        }
        _ => {}
    }
    if !option.aliases.is_empty() {
        comment(text, &format!("Also accepted as: {}", option.aliases.join(", ")));
    }
    if let Some(variable) = option.default_env {
        comment(text, &format!("The environment variable {variable} replaces the default."));
    }
    for old in option.deprecated {
        let group = old.group.unwrap_or(&group.name);
        comment(text, &format!("Deprecated group/name - [{group}]/{}", old.name));
    }
    let value = match option.default {
        None if option.multi => String::new(),
        None => " <None>".to_owned(),
        Some("") => String::new(),
        Some(value) if value.starts_with(is_blank) || value.ends_with(is_blank) => format!(" \"{value}\""),
        Some(value) => format!(" {}", value.replace('\n', "\n#    ")),
    };
    text.push_str(&format!("#{} ={value}\n", option.name));
}

fn bounds(text: &mut String, min: Option<i64>, max: Option<i64>) {
    for (word, bound) in [("Minimum", min), ("Maximum", max)] {
        if let Some(bound) = bound {
            // writing to a String cannot fail
            let _ = writeln!(text, "# {word} value: {bound}");
        }
    }
}

/// Adds `help` as comment lines, wrapped.
fn comment(text: &mut String, help: &str) {
    for paragraph in help.split('\n') {
        let mut line = String::from("#");
        for word in paragraph.split(' ') {
            if line.len() > 1 && line.len() + 1 + word.len() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
