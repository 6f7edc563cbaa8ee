//! Every schema is fully and transitively compatible with the versions recorded in `recorded/`, and
//! is itself the last of them.

use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use rollcall_schemas::wire::RECORDS;

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

#[test]
fn every_schema_is_compatible_with_every_version_ever_published() {
    for record in RECORDS {
        let current = Schema::parse_str(record.text()).expect("Avro's own parser takes the schema");
        for (path, text) in recorded(record.name()) {
            let older =
                Schema::parse_str(&text).expect("Avro's own parser takes a recorded schema");
            SchemaCompatibility::can_read(&older, &current).unwrap_or_else(|error| {
                panic!(
                    "{}: values of it cannot be read now: {error}",
                    path.display()
                )
            });
            SchemaCompatibility::can_read(&current, &older).unwrap_or_else(|error| {
                panic!(
                    "{}: a reader of it cannot read values of now: {error}",
                    path.display()
                )
            });
        }
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
