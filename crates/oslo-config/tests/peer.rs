//! The dialect, the types and the ranking agree with oslo.config 10.7.0: the fixtures are what that
//! library answered to the same input.

use std::collections::BTreeMap;

use oslo_config::{Choice, Kind, Loader, Opt, Origin, Schema, moved, renamed, syntax};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Text {
    text: String,
    entries: Option<Vec<(String, String, String)>>,
    #[serde(default)]
    error_line: Option<usize>,
}

#[test]
fn every_text_parses_as_it_does_there() {
    let cases: Vec<Text> = serde_json::from_str(include_str!("fixtures/dialect.json")).unwrap();
    assert!(cases.len() >= 400);
    for case in cases {
        let document = syntax::parse(&case.text);
        match case.entries {
            Some(expected) => {
                assert_eq!(document.faults, [], "{:?}", case.text);
                let entries: Vec<_> =
                    document.entries.into_iter().map(|e| (e.section, e.key, e.value)).collect();
                assert_eq!(entries, expected, "{:?}", case.text);
            }
            None => {
                let first = document.faults.first().map(|f| f.line);
                assert!(first.is_some(), "{:?}", case.text);
                // the library names no useful line for a key without section
                if case.error_line.is_some() {
                    assert_eq!(first, case.error_line, "{:?}", case.text);
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Typed {
    kind: String,
    raw: String,
    // a present null is an unset number, an absent one a refused value
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

const WORDS: &[Choice] = &[Choice::new("cinder"), Choice::new("manila")];

const TYPES: &[Opt] = &[
    Opt::new("boolean", Kind::Boolean, ""),
    Opt::new("integer", Kind::Integer { min: None, max: None }, ""),
    Opt::new("bounded", Kind::Integer { min: Some(1), max: Some(10) }, ""),
    Opt::new("port", Kind::Port, ""),
    Opt::new("float", Kind::Float, ""),
    Opt::new("list", Kind::List, ""),
    Opt::new("dict", Kind::Dict, ""),
    Opt::new("words", Kind::ListOf(WORDS), ""),
];

#[test]
fn every_value_converts_as_it_does_there() {
    let cases: Vec<Typed> = serde_json::from_str(include_str!("fixtures/values.json")).unwrap();
    let schema = Schema::new("types").group("DEFAULT", "", &[TYPES]);
    for Typed { kind, raw, ok } in cases {
        let variable = format!("OS_DEFAULT__{}", kind.to_uppercase());
        let loaded = Loader::new(&schema).env([(variable, raw.clone())]).load();
        let Some(expected) = ok else {
            assert!(loaded.is_err(), "{kind} accepts {raw:?}");
            continue;
        };
        let loaded = loaded.unwrap_or_else(|e| panic!("{kind} refuses {raw:?}: {e:?}"));
        let read = match kind.as_str() {
            "boolean" => Value::from(loaded.bool("DEFAULT", &kind).unwrap()),
            "integer" | "bounded" | "port" => Value::from(loaded.integer("DEFAULT", &kind).unwrap()),
            "float" => Value::from(loaded.float("DEFAULT", &kind).unwrap()),
            "list" | "words" => Value::from(loaded.list("DEFAULT", &kind).unwrap().to_vec()),
            _ => serde_json::to_value(loaded.dict("DEFAULT", &kind).unwrap()).unwrap(),
        };
        assert_eq!(read, expected, "{kind} of {raw:?}");
    }
}

#[derive(Deserialize)]
struct Reading {
    files: Vec<String>,
    env: BTreeMap<String, String>,
    reads: BTreeMap<String, Value>,
}

const DEFAULT: &[Opt] = &[
    Opt::new("ip", Kind::Text, "").default("192.0.2.1"),
    Opt::new("a", Kind::Text, ""),
    Opt::new("b", Kind::Text, "").default("<$a>"),
    Opt::new("m", Kind::Text, "").multi().default("d").deprecated(&[renamed("oldm")]),
];

const G: &[Opt] = &[
    Opt::new("ip", Kind::Text, ""),
    Opt::new("a", Kind::Text, "").deprecated(&[moved("oldg", "olda")]),
    Opt::new("d", Kind::Text, "").deprecated(&[renamed("oldd")]),
];

#[test]
fn every_reference_and_every_ranking_is_resolved_as_it_is_there() {
    let cases: Vec<Reading> = serde_json::from_str(include_str!("fixtures/settings.json")).unwrap();
    let schema = Schema::new("reading").group("DEFAULT", "", &[DEFAULT]).group("g", "", &[G]);
    for Reading { files, env, reads } in cases {
        // the one deliberate difference: there [DEFAULT] cannot be referred to by name
        if files.iter().any(|f| f.contains("${DEFAULT.")) {
            continue;
        }
        let mut loader = Loader::new(&schema).env(env);
        for (index, text) in files.iter().enumerate() {
            loader = loader.text(format!("{index}.conf"), text.clone());
        }
        let mut failing: Vec<_> =
            reads.iter().filter(|(_, v)| v.get("error").is_some()).map(|(k, _)| k.clone()).collect();
        match loader.load() {
            Err(problems) => {
                let mut told: Vec<_> = problems
                    .iter()
                    .filter(|p| p.is_error())
                    .map(|p| format!("{}.{}", p.section.as_deref().unwrap(), p.key.as_deref().unwrap()))
                    .collect();
                told.sort();
                failing.sort();
                assert_eq!(told, failing, "{files:?}");
            }
            Ok(loaded) => {
                assert_eq!(failing, Vec::<String>::new(), "{files:?}");
                for (name, expected) in reads {
                    let (group, key) = name.split_once('.').unwrap();
                    let read = if key == "m" {
                        Value::from(loaded.all(group, key).unwrap())
                    } else {
                        Value::from(loaded.get_str(group, key).unwrap())
                    };
                    assert_eq!(Some(&read), expected.get("ok"), "{name} of {files:?}");
                }
            }
        }
    }
}

#[test]
fn the_default_section_can_be_referred_to_by_name() {
    let schema = Schema::new("reading").group("DEFAULT", "", &[DEFAULT]).group("g", "", &[G]);
    let loaded = Loader::new(&schema).text("x.conf", "[g]\nip = ${DEFAULT.ip}\n").load().unwrap();
    assert_eq!(loaded.get_str("g", "ip").unwrap(), Some("192.0.2.1"));
    assert_eq!(loaded.origin("DEFAULT", "ip").unwrap(), &Origin::Default);
}
