//! Every schema is fully and transitively compatible with the versions recorded in `recorded/`, and
//! is itself the last of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use rollcall_schemas::wire::RECORDS;
use serde_json::{Value, json};

/// The recorded versions of a record type, oldest first.
fn recorded(name: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recorded")
        .join(name);
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .expect("a name");
            (stem.parse().expect("versions are named by number"), path)
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .map(|(_, path)| {
            let text = fs::read_to_string(&path).expect("a recorded schema can be read");
            (path, text)
        })
        .collect()
}

/// Whether values of each of two versions can be read by the other, and mean the same.
fn compatible(older: &str, newer: &str) -> Result<(), String> {
    let parse = |text| {
        Schema::parse_str(text).map_err(|error| format!("Avro's own parser refuses it: {error}"))
    };
    let (old, new) = (parse(older)?, parse(newer)?);
    SchemaCompatibility::can_read(&old, &new)
        .map_err(|error| format!("values of the older cannot be read by the newer: {error}"))?;
    SchemaCompatibility::can_read(&new, &old)
        .map_err(|error| format!("values of the newer cannot be read by the older: {error}"))?;
    let json = |text| serde_json::from_str(text).expect("it was parsed as a schema");
    symbols_stay(&json(older), &json(newer))
}

/// An enum with a default reads every symbol, and reads one that it does not know as the default: a
/// symbol that goes, or has another name, would so be lost without an error.
fn symbols_stay(older: &Value, newer: &Value) -> Result<(), String> {
    let (mut before, mut now) = (BTreeMap::new(), BTreeMap::new());
    enums(older, &mut before);
    enums(newer, &mut now);
    for (name, symbols) in before {
        let Some(known) = now.get(name) else { continue };
        if let Some(gone) = symbols.iter().find(|symbol| !known.contains(symbol)) {
            return Err(format!("the enum {name} has no symbol {gone} any more"));
        }
    }
    Ok(())
}

/// The symbols of every enum in a schema, by its name.
fn enums<'s>(schema: &'s Value, found: &mut BTreeMap<&'s str, Vec<&'s str>>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| enums(item, found)),
        Value::Object(object) => {
            if schema["type"] == "enum" {
                let symbols = schema["symbols"].as_array().expect("an enum has symbols");
                let symbols = symbols.iter().filter_map(Value::as_str).collect();
                found.insert(
                    schema["name"].as_str().expect("an enum has a name"),
                    symbols,
                );
            }
            object.values().for_each(|inner| enums(inner, found));
        }
        _ => {}
    }
}

#[test]
fn every_schema_is_compatible_with_every_version_ever_published() {
    for record in RECORDS {
        for (path, text) in recorded(record.name()) {
            compatible(&text, record.text())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// Visits the fields of a schema's records, at any depth, until one is changed; tells whether one was.
fn change_a_field(schema: &mut Value, change: &mut impl FnMut(&mut Vec<Value>) -> bool) -> bool {
    match schema {
        Value::Array(items) => items.iter_mut().any(|item| change_a_field(item, change)),
        Value::Object(object) => {
            if let Some(fields) = object.get_mut("fields").and_then(Value::as_array_mut)
                && change(fields)
            {
                return true;
            }
            object
                .values_mut()
                .any(|inner| change_a_field(inner, change))
        }
        _ => false,
    }
}

/// What must not happen to a schema, each done to one field of it; false where it has no such field.
type Change = fn(&mut Vec<Value>) -> bool;
const INCOMPATIBLE: [(&str, Change); 4] = [
    ("a field without a default is removed", |fields| {
        let index = fields
            .iter()
            .position(|field| field.get("default").is_none());
        index.map(|index| fields.remove(index)).is_some()
    }),
    ("a field without a default is added", |fields| {
        fields.push(json!({ "name": "added_later", "type": "string", "doc": "New." }));
        true
    }),
    ("a field has another type", |fields| {
        let text = fields.iter_mut().find(|field| field["type"] == "string");
        text.map(|field| field["type"] = json!("long")).is_some()
    }),
    ("a symbol has another name", |fields| {
        let symbols = fields
            .iter_mut()
            .find_map(|field| field["type"].get_mut("symbols")?.as_array_mut());
        symbols
            .map(|symbols| symbols[1] = json!("renamed"))
            .is_some()
    }),
];

#[test]
fn an_incompatible_change_of_any_schema_is_caught() {
    for (what, change) in INCOMPATIBLE {
        let mut changed = 0;
        for record in RECORDS {
            let mut schema = serde_json::from_str(record.text()).expect("JSON");
            if change_a_field(&mut schema, &mut { change }) {
                changed += 1;
                let verdict = compatible(record.text(), &schema.to_string());
                assert!(
                    verdict.is_err(),
                    "{}: {what}, and is not caught",
                    record.name()
                );
            }
        }
        assert!(changed > 0, "no schema can be changed so: {what}");
    }
}

#[test]
fn what_may_be_changed_is_let_through() {
    for record in RECORDS {
        let mut schema = serde_json::from_str(record.text()).expect("JSON");
        assert!(change_a_field(&mut schema, &mut |fields| {
            fields.push(
                json!({ "name": "added_later", "type": ["null", "string"], "doc": "New.", "default": null }),
            );
            true
        }));
        compatible(record.text(), &schema.to_string()).unwrap_or_else(|error| {
            panic!(
                "{}: a field with a default was added: {error}",
                record.name()
            )
        });
    }
}

#[test]
fn the_current_schema_is_the_last_recorded_one() {
    for record in RECORDS {
        let (path, text) = recorded(record.name())
            .pop()
            .expect("at least one version is recorded");
        assert!(
            text == record.text(),
            "avsc/{name}.avsc is not {}: record it as the next version, and add its id to the \
             record type's in wire.rs",
            path.display(),
            name = record.name(),
        );
    }
}

#[test]
fn every_field_says_what_it_is() {
    fn check(schema: &serde_json::Value, place: &str) {
        match schema {
            serde_json::Value::Array(branches) => {
                branches.iter().for_each(|branch| check(branch, place))
            }
            serde_json::Value::Object(object) => {
                if matches!(object["type"].as_str(), Some("record" | "enum")) {
                    assert!(
                        object["doc"].as_str().is_some_and(|doc| doc.ends_with('.')),
                        "{place}: no doc"
                    );
                }
                for field in object
                    .get("fields")
                    .and_then(|fields| fields.as_array())
                    .into_iter()
                    .flatten()
                {
                    let place = format!("{place}.{}", field["name"].as_str().expect("a name"));
                    assert!(
                        field["doc"].as_str().is_some_and(|doc| doc.ends_with('.')),
                        "{place}: no doc"
                    );
                    check(&field["type"], &place);
                }
                for inner in ["items", "values"] {
                    if let Some(inner) = object.get(inner) {
                        check(inner, place);
                    }
                }
            }
            _ => {}
        }
    }
    for record in RECORDS {
        check(
            &serde_json::from_str(record.text()).expect("JSON"),
            record.name(),
        );
    }
}
