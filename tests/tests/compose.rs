//! `docker-compose.yml`, its image's `Dockerfile` and its configuration: as the Compose Specification
//! and Rollcall's own schema want them, and fitting together.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the tree.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn json(file: &str) -> Value {
    serde_json::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Where a document is not as a schema wants it.
fn faults(schema: &str, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&json(schema))
        .unwrap_or_else(|error| panic!("{schema}: {error}"));
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

const COMPOSE_SCHEMA: &str = "tests/compose/compose-spec.json";

#[test]
fn the_file_is_as_the_compose_specification_wants_it() {
    assert_eq!(
        faults(COMPOSE_SCHEMA, &yaml("docker-compose.yml")),
        Vec::<String>::new()
    );
}

#[test]
fn the_specification_finds_what_is_wrong() {
    let wrong = |pointer: &str, key: &str, value: Value| {
        let mut compose = yaml("docker-compose.yml");
        let place = compose
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .expect("a mapping of the file");
        place.insert(key.to_owned(), value);
        faults(COMPOSE_SCHEMA, &compose)
    };
    for found in [
        wrong("/services/kafka", "imagee", "apache/kafka".into()),
        wrong("/services/kafka", "ports", "9092".into()),
        wrong(
            "/services/rollcall/depends_on/kafka",
            "condition",
            "service_ready".into(),
        ),
        wrong("", "service", Value::Null),
    ] {
        assert!(!found.is_empty());
    }
}

#[test]
fn the_configuration_in_the_container_is_as_rollcall_wants_it() {
    let config = yaml("scripts/compose/rollcall.yaml");
    assert_eq!(
        faults("rollcall/rollcall.schema.json", &config),
        Vec::<String>::new()
    );
}

#[test]
fn services_volumes_files_and_variables_that_are_named_exist() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("services");
    for (name, service) in services {
        for needed in service["depends_on"]
            .as_object()
            .into_iter()
            .flat_map(|needed| needed.keys())
        {
            let needed = services
                .get(needed)
                .unwrap_or_else(|| panic!("{name} depends on {needed}, which is not there"));
            assert!(
                needed.get("healthcheck").is_some(),
                "{name} waits for the health of what has no check"
            );
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume
                .as_str()
                .and_then(|volume| volume.split(':').next())
                .expect("a source");
            let exists = match source.strip_prefix("./") {
                Some(file) => path(file).is_file(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(exists, "{name} mounts {source}, which is not there");
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().expect("a port");
            assert!(
                port.starts_with("127.0.0.1:"),
                "{name} is reached from everywhere at {port}"
            );
        }
        if let Some(context) = service["build"].as_str() {
            assert!(
                path(context).join("Dockerfile").is_file(),
                "{name} is built from a Dockerfile that is not there"
            );
        }
    }

    let environment = services["rollcall"]["environment"]
        .as_object()
        .expect("variables");
    let config = text("scripts/compose/rollcall.yaml");
    let example = text(".env.example");
    for variable in config
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
    {
        assert!(
            environment.contains_key(variable),
            "{variable} is not handed to the container"
        );
    }
    for variable in environment.keys() {
        assert!(
            example.lines().any(|line| line == format!("{variable}=")),
            "{variable} is not in .env.example"
        );
    }
}

#[test]
fn rollcall_finds_kafka_and_is_found_where_it_listens() {
    let compose = yaml("docker-compose.yml");
    let config = yaml("scripts/compose/rollcall.yaml");
    let listeners = compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
        .as_str()
        .expect("listeners");
    let brokers = config["log"]["kafka"]["brokers"].as_str().expect("brokers");
    assert!(
        listeners
            .split(',')
            .any(|listener| listener == format!("INTERNAL://{brokers}")),
        "{brokers} in {listeners}"
    );
    let registry = config["log"]["kafka"]["schema_registry"]
        .as_str()
        .expect("a registry");
    assert!(
        compose["services"]
            .get(
                registry
                    .trim_start_matches("http://")
                    .split(':')
                    .next()
                    .unwrap_or_default()
            )
            .is_some()
    );

    let ports = compose["services"]["rollcall"]["ports"]
        .as_array()
        .expect("ports");
    for role in ["http", "admin"] {
        let listen = config[role]["listen"].as_str().expect("an address");
        let port = listen
            .strip_prefix("0.0.0.0:")
            .expect("all addresses of the container");
        assert!(ports.iter().any(|known| {
            known
                .as_str()
                .is_some_and(|known| known.ends_with(&format!(":{port}")))
        }));
    }
    let image = compose["services"]["kafka"]["image"]
        .as_str()
        .expect("an image");
    assert!(image.starts_with("apache/kafka:4."), "{image}");
}

#[test]
fn the_image_is_built_from_every_crate_of_the_workspace() {
    // A member that .dockerignore keeps out would break the build of the image alone.
    let manifest = text("Cargo.toml");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("members")
        .0;
    let kept = text(".dockerignore");
    for member in members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
    {
        assert!(
            kept.lines().any(|line| line == format!("!{member}")),
            "{member} is not in .dockerignore"
        );
    }
    // The compiler of .cargo/config.toml: without it the image is built by another one.
    let compiler = "scripts/cxx";
    assert!(text(".cargo/config.toml").contains(&format!("value = \"{compiler}\"")));
    for name in [".cargo", compiler] {
        assert!(
            kept.lines().any(|line| line == format!("!{name}")),
            "{name} is not in .dockerignore"
        );
    }
}
