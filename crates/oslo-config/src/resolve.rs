//! One value per option: which of several assignments counts, and what it is worth.
//!
//! Ranking as in oslo.config: environment above files, a later file above an earlier one; within a file the
//! current name above a deprecated one, then the last line. Values of a multi-valued option accumulate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::comment::{self, Tail};
use crate::interpolate::{Expander, Name, Target};
use crate::loaded::{Setting, Settings};
use crate::loader::Parsed;
use crate::nearest::nearest;
use crate::problem::{Cause, Origin, Problem};
use crate::schema::{Found, Kind, Opt, Schema, Spelling, group_key, option_key};
use crate::value::convert;

struct Candidate {
    file: usize,
    spelling: Spelling,
    text: String,
    origin: Origin,
}

/// The texts that count for an option, before references are replaced.
struct Raw {
    option: Opt,
    texts: Vec<(String, Origin)>,
}

pub(crate) fn settings(
    schema: &Schema,
    parsed: &[Parsed],
    env: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut schema = schema.clone();
    add_named_sections(&mut schema, parsed, env, problems);
    let candidates = collect(&schema, parsed, problems);
    let raw = choose(&schema, candidates, env, problems);
    evaluate(schema, &raw, problems)
}

/// `auth_section = other` makes `[other]` known, with the options it then may hold.
fn add_named_sections(
    schema: &mut Schema,
    parsed: &[Parsed],
    env: &[(String, String)],
    problems: &mut Vec<Problem>,
) {
    let mut silent = Vec::new();
    let candidates = collect(schema, parsed, &mut silent);
    let raw = choose(schema, candidates, env, &mut silent);
    let written: BTreeSet<String> =
        parsed.iter().flat_map(|p| &p.document.sections).map(|h| group_key(&h.name)).collect();
    for ((group, name), raw) in &raw {
        let Kind::Section(options) = raw.option.kind else { continue };
        let Some((text, origin)) = raw.texts.last().filter(|(text, _)| !text.is_empty()) else { continue };
        if !written.contains(&group_key(text)) && schema.find_group(text).is_none() {
            let cause = Cause::BadValue {
                reason: "no file has a section of this name".to_owned(),
                allowed: Some(format!("the name of a section, or leave {name} out")),
            };
            problems.push(Problem::new(origin.clone(), cause).at(group, name).with_value(text.clone()));
            continue;
        }
        schema.extend(text, "", &[options]);
    }
}

fn collect(
    schema: &Schema,
    parsed: &[Parsed],
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Vec<Candidate>> {
    let mut candidates: BTreeMap<Name, Vec<Candidate>> = BTreeMap::new();
    for (file, Parsed { path, document }) in parsed.iter().enumerate() {
        let at = |line| Origin::File { path: Arc::clone(path), line };
        for header in &document.sections {
            if header.name != "DEFAULT" && group_key(&header.name) == "DEFAULT" {
                problems
                    .push(Problem::new(at(header.line), Cause::LowerCaseDefault).in_section(&header.name));
            } else if !section_is_known(schema, &header.name) {
                let names = schema.groups().iter().map(|g| g.name.as_str());
                let nearest = nearest(&header.name, names).map(|n| format!("[{n}]"));
                let cause = Cause::UnknownSection { nearest };
                problems.push(Problem::new(at(header.line), cause).in_section(&header.name));
            }
        }
        for entry in &document.entries {
            let origin = at(entry.line);
            let report = |cause| Problem::new(origin.clone(), cause).at(&entry.section, &entry.key);
            let Some(found) = schema.find(&entry.section, &entry.key) else {
                if section_is_known(schema, &entry.section) {
                    let nearest = nearest_key(schema, &entry.section, &entry.key);
                    problems.push(report(Cause::UnknownKey { nearest }));
                }
                continue;
            };
            let Found { group, option, spelling } = found;
            if spelling == Spelling::Deprecated {
                let current = format!("[{}] {}", group.name, option.name);
                problems.push(report(Cause::Deprecated { current }));
            }
            if let Some(why) = option.ignored {
                problems.push(report(Cause::Ignored(why)));
                continue;
            }
            let text = match comment::judge(option, &entry.value) {
                Tail::None => entry.value.clone(),
                Tail::Kept => {
                    problems.push(report(Cause::CommentMarkKept).with_value(shown(option, &entry.value)));
                    entry.value.clone()
                }
                Tail::Removed(rest) => {
                    problems.push(report(Cause::InlineComment).with_value(shown(option, &entry.value)));
                    rest.to_owned()
                }
            };
            let name = (group.name.clone(), option.name.to_owned());
            candidates.entry(name).or_default().push(Candidate { file, spelling, text, origin });
        }
    }
    candidates
}

/// Known, or named as the old home of an option.
fn section_is_known(schema: &Schema, section: &str) -> bool {
    schema.find_group(section).is_some()
        || schema
            .groups()
            .iter()
            .flat_map(|g| &g.options)
            .flat_map(|o| o.deprecated)
            .any(|old| old.group.is_some_and(|g| group_key(g) == group_key(section)))
}

/// The nearest key of the section, or the section that has just this key.
fn nearest_key(schema: &Schema, section: &str, key: &str) -> Option<String> {
    let wanted = option_key(key);
    let own = schema.find_group(section);
    let names = own.into_iter().flat_map(|g| &g.options).flat_map(|o| {
        let old = o.deprecated.iter().filter(|old| old.group.is_none()).map(|old| old.name);
        std::iter::once(o.name).chain(o.aliases.iter().copied()).chain(old)
    });
    if let Some(name) = nearest(key, names) {
        return Some(name.to_owned());
    }
    schema.groups().iter().find(|g| g.option(&wanted).is_some()).map(|g| format!("[{}] {wanted}", g.name))
}

fn choose(
    schema: &Schema,
    mut candidates: BTreeMap<Name, Vec<Candidate>>,
    env: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Raw> {
    let mut chosen = BTreeMap::new();
    let mut overrides: BTreeSet<String> = BTreeSet::new();
    for group in schema.groups() {
        for option in &group.options {
            let name = (group.name.clone(), option.name.to_owned());
            let variable = variable_of(&group.name, option.name);
            let from_env = |wanted: &str| {
                let value = env.iter().rev().find(|(k, _)| k == wanted).map(|(_, v)| v.clone());
                value.map(|v| (v, Origin::Environment(wanted.to_owned())))
            };
            let mut texts = Vec::new();
            if let Some(value) = from_env(&variable) {
                if let Some(why) = option.ignored {
                    problems.push(Problem::new(value.1, Cause::Ignored(why)).at(&group.name, option.name));
                } else {
                    texts.push(value);
                }
            } else if let Some(mut written) = candidates.remove(&name) {
                // the sort is stable: what ranks equal stays in the order of lines
                written.sort_by_key(|c| (c.file, c.spelling));
                texts.extend(written.into_iter().map(|c| (c.text, c.origin)));
            } else if let Some(value) = option.default_env.and_then(from_env) {
                texts.push(value);
            } else if let Some(default) = option.default {
                texts.push((default.to_owned(), Origin::Default));
            }
            if !option.multi {
                texts = texts.pop().into_iter().collect();
            }
            overrides.insert(variable);
            chosen.insert(name, Raw { option: *option, texts });
        }
    }
    unknown_variables(schema, env, &overrides, problems);
    chosen
}

fn variable_of(group: &str, option: &str) -> String {
    format!("OS_{}__{}", group.to_uppercase(), option.to_uppercase())
}

/// Warns about `OS_<known group>__<unknown option>`.
fn unknown_variables(
    schema: &Schema,
    env: &[(String, String)],
    known: &BTreeSet<String>,
    problems: &mut Vec<Problem>,
) {
    for (variable, _) in env {
        if known.contains(variable) {
            continue;
        }
        let Some((group, _)) = variable.strip_prefix("OS_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        if schema.find_group(group).is_none() || group != group.to_uppercase() {
            continue;
        }
        let nearest = nearest(variable, known.iter().map(String::as_str)).map(str::to_owned);
        let origin = Origin::Environment(variable.clone());
        problems.push(Problem::new(origin, Cause::UnknownKey { nearest }));
    }
}

fn evaluate(schema: Schema, raw: &BTreeMap<Name, Raw>, problems: &mut Vec<Problem>) -> Settings {
    let lookup = |here: &str, group: Option<&str>, option: &str| -> Option<Target> {
        let found = match group {
            Some(group) => schema.find(group, option),
            None => schema.find(here, option).or_else(|| schema.find("DEFAULT", option)),
        }?;
        let name = (found.group.name.clone(), found.option.name.to_owned());
        let text = raw.get(&name).and_then(|r| r.texts.last()).map(|(text, _)| text.clone());
        Some(Target { name, text, secret: found.option.secret })
    };
    let mut expander = Expander::new(&lookup);
    let mut values = BTreeMap::new();
    for (name, raw) in raw {
        let option = &raw.option;
        let mut setting = Setting {
            values: Vec::new(),
            origin: raw.texts.last().map_or(Origin::Default, |(_, origin)| origin.clone()),
            secret: option.secret,
        };
        for (text, origin) in &raw.texts {
            let value = expander.expand(name, text).and_then(|expanded| {
                let has_user = matches!(option.kind, Kind::Url(_)) && expanded.text.contains('@');
                setting.secret |= expanded.secret || has_user;
                convert(&option.kind, &expanded.text)
            });
            match value {
                Ok(value) => setting.values.extend(value),
                Err(cause) => {
                    let cause = if option.secret { without_reference(cause) } else { cause };
                    let problem = Problem::new(origin.clone(), cause).at(&name.0, &name.1);
                    problems.push(problem.with_value(shown(option, text)));
                }
            }
        }
        values.insert(name.clone(), setting);
    }
    drop(expander);
    Settings { schema, values }
}

/// A dollar sign in a password is no reference: its neighbours are part of the secret.
fn without_reference(cause: Cause) -> Cause {
    match cause {
        Cause::UnknownReference { .. } => Cause::UnknownReference { reference: None },
        other => other,
    }
}

/// A value for a message. A URL may carry a password before `@`.
fn shown(option: &Opt, text: &str) -> String {
    if option.secret || (matches!(option.kind, Kind::Url(_)) && text.contains('@')) {
        "***".to_owned()
    } else {
        text.to_owned()
    }
}
