//! The JSON Schema of the configuration, made from its types.

use serde_json::Value;

use super::Config;

/// The schema of the whole file.
pub(crate) fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    schema["title"] = "Rollcall's configuration".into();
    schema
}

/// Every place, as a way of keys, at which a key of this name is known.
pub(super) fn places_of(key: &str) -> Vec<String> {
    places()
        .into_iter()
        .filter(|place| place == key || place.ends_with(&format!(".{key}")))
        .collect()
}

/// Every place at which a key is known, as a way of keys.
pub(super) fn places() -> Vec<String> {
    let schema = json_schema();
    let mut places = Vec::new();
    collect(&schema, &schema, "", &mut places);
    places.sort();
    places.dedup();
    places
}

fn collect(root: &Value, schema: &Value, path: &str, places: &mut Vec<String>) {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix("#/$defs/"))
    {
        collect(root, &root["$defs"][name], path, places);
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        for choice in schema[keyword].as_array().into_iter().flatten() {
            collect(root, choice, path, places);
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let place = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect(root, member, &place, places);
        places.push(place);
    }
}
