//! What the file gives, and what a person is told who wrote it wrong.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;

use super::schema::{json_schema, places};
use super::storage::EmbeddedLog;
use super::{Config, Log, NoShowProof, UpdateRule};

fn variables(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("s3cret-from-outside".to_owned()),
        "NUMBER" => Some("12".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(yaml: &str) -> Result<Config, super::ConfigError> {
    Config::parse(yaml, Path::new("rollcall.yaml"), &variables)
}

fn error(yaml: &str) -> String {
    match parse(yaml) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(error) => error.to_string(),
    }
}

/// An error of a file with these lines below `connectors.zoom`.
fn zoom_error(lines: &str) -> String {
    error(&format!(
        "connectors:\n  zoom:\n    {}\n",
        lines.replace('\n', "\n    ")
    ))
}

#[test]
fn nothing_but_the_connector_is_needed() {
    let variables = |name: &str| (name == "BREVO_API_KEY").then(|| "xkeysib-1".to_owned());
    let config = Config::parse(
        "connectors:\n  zoom:\n",
        Path::new("rollcall.yaml"),
        &variables,
    )
    .expect("complete");
    assert_eq!(
        config
            .brevo_api_key()
            .expect("from the environment")
            .expose(),
        "xkeysib-1"
    );
    assert_eq!(config.http.listen.0.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.listen.0.to_string(), "127.0.0.1:9464");
    assert_eq!(
        *config.connectors.zoom.occurrence.join_gap,
        Duration::from_secs(1800)
    );
    assert_eq!(
        config.topics.settings(),
        rollcall_runtime::TopicSettings::default()
    );
    let Log::Embedded(EmbeddedLog { path, .. }) = config.log else {
        panic!("embedded by default")
    };
    assert_eq!(path, Path::new("./rollcall-data"));
}

#[test]
fn the_example_is_accepted_and_shows_the_defaults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(folder.join("rollcall.example.yaml")).expect("the example");
    let any = |name: &str| Some(format!("value-of-{name}"));
    let example =
        Config::parse(&text, &folder.join("rollcall.example.yaml"), &any).expect("a right example");
    let zoom = &example.connectors.zoom;
    assert_eq!(zoom.account_id.as_deref(), Some("value-of-ZOOM_ACCOUNT_ID"));
    assert_eq!(
        example.ingress().expect("set").secrets[0].expose(),
        "value-of-ZOOM_WEBHOOK_SECRET"
    );
    assert_eq!(zoom.lists.webinar_attendees.map(NonZeroU32::get), Some(16));
    let source = zoom
        .field_mapping
        .0
        .iter()
        .find(|mapped| mapped.field == "registration_source")
        .expect("mapped");
    assert_eq!(
        (source.attribute.as_str(), source.update),
        ("UTM_SOURCE", UpdateRule::IfBlank)
    );

    // All that is not an installation's own is shown with its default.
    let mut defaults =
        Config::parse("connectors: { zoom: {} }", Path::new("x"), &any).expect("complete");
    let ours = &mut defaults.connectors.zoom;
    ours.account_id = zoom.account_id.clone();
    ours.client_id = zoom.client_id.clone();
    ours.client_secret = zoom.client_secret.clone();
    ours.webhook = zoom.webhook.clone();
    ours.lists = zoom.lists.clone();
    ours.field_mapping = zoom.field_mapping.clone();
    defaults.topics.retention = example.topics.retention.clone();
    defaults.origin = example.origin.clone();
    assert_eq!(format!("{example:#?}"), format!("{defaults:#?}"));
    let mut settings = example.topics.settings();
    let catalogued = rollcall_runtime::TopicSettings::default();
    assert_eq!(
        settings.configs(),
        catalogued.configs(),
        "the retention shown is the catalogue's"
    );
    settings.retention_ms.clear();
    assert_eq!(settings, catalogued);
}

/// The example is what people copy keys from: every key that there is stands in it, if only as a
/// comment.
#[test]
fn the_example_names_every_key() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../rollcall.example.yaml"
    ))
    .expect("the example");
    let explained_in_words = ["connectors.zoom.field_mapping.", "topics.retention."];
    let accepted_for_old_files = "connectors.zoom.webhook.verification_token";
    let places = places();
    assert!(places.len() > 100, "the schema was walked");
    let missing: Vec<_> = places
        .iter()
        .filter(|place| {
            !explained_in_words
                .iter()
                .any(|start| place.starts_with(start))
                && *place != accepted_for_old_files
        })
        .filter(|place| {
            !text.contains(&format!(
                "{}:",
                place.rsplit('.').next().unwrap_or_default()
            ))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Editors complete the file with it. `UPDATE_SCHEMA=1 cargo test -p rollcall` writes it anew.
#[test]
fn the_schema_in_the_tree_is_current() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/rollcall.schema.json");
    let current = serde_json::to_string_pretty(&json_schema()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(file, &current).expect("written");
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == current,
        "rollcall.schema.json is not what the types say: run UPDATE_SCHEMA=1 cargo test -p rollcall"
    );
}

#[test]
fn values_are_filled_in_from_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key"), "xkeysib-2\n").expect("written");
    let yaml = r#"
connectors:
  zoom:
    account_id: "a-${NUMBER}-$${NUMBER}"
    enabled: true
    lists: { webinar_attendees: "${NUMBER}" }
    webhook: { secret_token: ["${SECRET}", literal] }
brevo: { api_key: "${file:key}" }
log: { kafka: { brokers: "k:9092", properties: { linger.ms: 5, sasl.password: "${SECRET}", socket.nagle.disable: true } } }
"#;
    let config =
        Config::parse(yaml, &folder.path().join("rollcall.yaml"), &variables).expect("right");
    let zoom = &config.connectors.zoom;
    assert_eq!(zoom.account_id.as_deref(), Some("a-12-${NUMBER}"));
    assert_eq!(zoom.lists.webinar_attendees.map(NonZeroU32::get), Some(12));
    let secrets = config.ingress().expect("set").secrets;
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(secrets, ["s3cret-from-outside", "literal"]);
    assert_eq!(
        config.brevo_api_key().expect("from a file").expose(),
        "xkeysib-2"
    );
    let Log::Kafka(kafka) = &config.log else {
        panic!("Kafka")
    };
    let properties: Vec<_> = kafka
        .properties
        .0
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(
        properties,
        [
            ("linger.ms", "5"),
            ("sasl.password", "s3cret-from-outside"),
            ("socket.nagle.disable", "true")
        ]
    );
    let shown = format!("{config:?}");
    for secret in ["s3cret", "literal", "xkeysib"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn an_old_configuration_still_loads() {
    let config = parse(
        r#"
connectors:
  zoom:
    log_level: verbose
    no_show_proof: webhooks
    webhook: { secret_token: "${SECRET}", verification_token: "${SECRET}" }
    sync: { internal_domains: ["@Bücher.example"], include: [{ meeting: 86084701483 }, { host: ann@example.com }, { topic: "Demo *" }] }
"#,
    )
    .expect("right");
    let zoom = &config.connectors.zoom;
    assert_eq!(zoom.log_level.filter(), "debug");
    assert_eq!(zoom.no_show_proof, NoShowProof::Webhooks);
    assert_eq!(
        zoom.sync.internal_domains[0].as_str(),
        "xn--bcher-kva.example"
    );
    assert_eq!(zoom.sync.include.len(), 3);
}

#[test]
fn unknown_keys() {
    assert_snapshot!(zoom_error("enabled: true\nreconcile_aftr: 10m"), @"rollcall.yaml:4:5: unknown key connectors.zoom.reconcile_aftr: did you mean `reconcile_after`?");
    assert_snapshot!(zoom_error("sync: { webinar: true }"), @"rollcall.yaml:3:13: unknown key connectors.zoom.sync.webinar: did you mean `webinars`?");
    assert_snapshot!(zoom_error("brevo: {}"), @"rollcall.yaml:3:5: unknown key connectors.zoom.brevo: it belongs at the top of the file");
    assert_snapshot!(zoom_error("join_gap: 30m"), @"rollcall.yaml:3:5: unknown key connectors.zoom.join_gap: it belongs at connectors.zoom.occurrence.join_gap");
    assert_snapshot!(zoom_error("occurrence: { purpose: x }"), @"rollcall.yaml:3:19: unknown key connectors.zoom.occurrence.purpose: known here are window, join_gap");
    assert_snapshot!(zoom_error("field_mapping: { e-mail: email }"), @"rollcall.yaml:3:22: unknown key connectors.zoom.field_mapping.e-mail: did you mean `email`?");
    assert_snapshot!(zoom_error("field_mapping: { email: { attribut: X } }"), @"rollcall.yaml:3:31: unknown key connectors.zoom.field_mapping.email.attribut: did you mean `attribute`?");
    assert_snapshot!(error("connectors: { zoom: {} }\ntopics: { retention: { zoom.row: 30d } }"), @"rollcall.yaml:2:24: unknown key topics.retention.zoom.row: did you mean `zoom.raw`?");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { kafak: { brokers: x } }"), @"rollcall.yaml:2:8: log: `kafak` is not one of embedded, kafka: did you mean `kafka`?");
    assert_snapshot!(error("conectors: { zoom: {} }"), @"rollcall.yaml:1:1: unknown key conectors: did you mean `connectors`?");
}

#[test]
fn wrong_types_and_values() {
    assert_snapshot!(zoom_error("enabled: maybe"), @"rollcall.yaml:3:14: connectors.zoom.enabled: expected true or false, found `maybe`");
    assert_snapshot!(zoom_error("account_id: 12345"), @"rollcall.yaml:3:17: connectors.zoom.account_id: expected a text, found a number: put it in quotes");
    assert_snapshot!(zoom_error("poll_every: 10 min"), @"rollcall.yaml:3:17: connectors.zoom.poll_every: expected a length of time such as 500ms, 30s, 10m, 1h or 7d, found `10 min`");
    assert_snapshot!(zoom_error("poll_every: 10"), @"rollcall.yaml:3:17: connectors.zoom.poll_every: expected a length of time such as 500ms, 30s, 10m, 1h or 7d, found 10");
    assert_snapshot!(zoom_error("share_of_limits: 80"), @"rollcall.yaml:3:22: connectors.zoom.share_of_limits: expected a number above 0 and at most 1, found a number");
    assert_snapshot!(zoom_error("plan: pri"), @"rollcall.yaml:3:11: connectors.zoom.plan: `pri` is not one of free, pro, business: did you mean `pro`?");
    assert_snapshot!(zoom_error("plan: [pro]"), @"rollcall.yaml:3:11: connectors.zoom.plan: expected one of free, pro, business, found a list");
    assert_snapshot!(zoom_error("lists: { webinar_attendees: sixteen }"), @"rollcall.yaml:3:33: connectors.zoom.lists.webinar_attendees: expected a whole number, found `sixteen`");
    assert_snapshot!(zoom_error("lists: { webinar_attendees: -1 }"), @"rollcall.yaml:3:33: connectors.zoom.lists.webinar_attendees: expected a whole number from 1 to 4294967295, found -1");
    assert_snapshot!(zoom_error("lists: [15, 16]"), @"rollcall.yaml:3:12: connectors.zoom.lists: expected a group of keys, found a list");
    assert_snapshot!(zoom_error("sync:\n  include:\n    - meeting: 5\n    - uuid: x"), @"rollcall.yaml:6:11: connectors.zoom.sync.include[1]: `uuid` is not one of meeting, host, topic");
    assert_snapshot!(zoom_error("sync: { internal_domains: [ann@example.com] }"), @"rollcall.yaml:3:32: connectors.zoom.sync.internal_domains[0]: expected a domain such as example.com, found a text");
    assert_snapshot!(zoom_error("webhook: { secret_token: [a, b, c] }"), @"rollcall.yaml:3:30: connectors.zoom.webhook.secret_token: holds 3 secrets, but at most two (the old and the new one) can be active");
    assert_snapshot!(zoom_error("webhook: { secret_token: '' }"), @"rollcall.yaml:3:30: connectors.zoom.webhook.secret_token: is empty");
    assert_snapshot!(zoom_error("field_mapping: { name: FIRSTNAME, first_name: FIRSTNAME }"), @"rollcall.yaml:3:20: connectors.zoom.field_mapping: name and first_name both go to the attribute FIRSTNAME");
    assert_snapshot!(zoom_error("field_mapping: { name: FIRST NAME }"), @"rollcall.yaml:3:28: connectors.zoom.field_mapping.name: a Brevo attribute has letters, digits and _ alone");
    assert_snapshot!(zoom_error("field_mapping: { name: 5 }"), @"rollcall.yaml:3:28: connectors.zoom.field_mapping.name: expected a Brevo attribute, or { attribute: X, update: always | if_blank | never }, found a number");
    assert_snapshot!(zoom_error("api_url: api.zoom.us"), @"rollcall.yaml:3:14: connectors.zoom.api_url: expected an address such as https://example.com, found a text");
    assert_snapshot!(zoom_error("account_id: ''"), @"rollcall.yaml:3:17: connectors.zoom.account_id: is empty");
    assert_snapshot!(error("connectors: { zoom: {} }\nhttp: { listen: localhost }"), @"rollcall.yaml:2:17: http.listen: expected an IP address and a port such as 127.0.0.1:8080, found `localhost`");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { embedded: {}, kafka: {} }"), @"rollcall.yaml:2:6: log: takes one of embedded, kafka, not 2 keys");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { kafka: {} }"), @"rollcall.yaml:2:15: log.kafka.brokers is missing");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { embedded: { reserve: 5GB } }"), @"rollcall.yaml:2:29: log.embedded.reserve: expected a number of bytes such as 512MiB or 2GiB, found `5GB`");
    assert_snapshot!(error("connectors: { zoom: {} }\ntopics: { partitions: 0 }"), @"rollcall.yaml:2:23: topics.partitions: expected a whole number from 1 to 4294967295, found 0");
    assert_snapshot!(error("connectors: { zoom: {} }\ntopics: { replication: 70000 }"), @"rollcall.yaml:2:24: topics.replication: expected a whole number from 1 to 65535, found 70000");
    assert_snapshot!(error("connectors: { zoom: {} }\nclock: {}"), @"rollcall.yaml:2:8: clock.url is missing");
}

#[test]
fn what_is_filled_in_from_outside_and_is_wrong() {
    assert_snapshot!(zoom_error("enabled: true\nclient_id: \"${ZOOM_CLIENT_ID}\""), @"rollcall.yaml:4:16: connectors.zoom.client_id: the environment variable ZOOM_CLIENT_ID is not set");
    assert_snapshot!(zoom_error("client_id: \"${EMPTY}\""), @"rollcall.yaml:3:16: connectors.zoom.client_id: the environment variable EMPTY is set, but empty");
    assert_snapshot!(zoom_error("client_id: \"${not a name}\""), @"rollcall.yaml:3:16: connectors.zoom.client_id: `${not a name}` names neither an environment variable (${NAME}: letters, digits and _) nor a file (${file:/path})");
    assert_snapshot!(zoom_error("client_id: \"${SECRET\""), @"rollcall.yaml:3:16: connectors.zoom.client_id: `${` without a closing `}`: write ${NAME} for an environment variable, or $${ for the two characters themselves");
    assert_snapshot!(zoom_error("client_secret: \"${file:/does/not/exist}\""), @"rollcall.yaml:3:20: connectors.zoom.client_secret: /does/not/exist cannot be read: No such file or directory (os error 2)");
    assert_snapshot!(zoom_error("plan: ${SECRET}"), @"rollcall.yaml:3:11: connectors.zoom.plan: `${SECRET}` is not one of free, pro, business");
    assert_snapshot!(zoom_error("poll_every: ${SECRET}"), @"rollcall.yaml:3:17: connectors.zoom.poll_every: expected a length of time such as 500ms, 30s, 10m, 1h or 7d, found something else in ${SECRET}");
    assert_snapshot!(zoom_error("enabled: ${SECRET}"), @"rollcall.yaml:3:14: connectors.zoom.enabled: expected true or false, found something else in ${SECRET}");
    assert_snapshot!(zoom_error("lists: { webinar_attendees: \"${SECRET}\" }"), @"rollcall.yaml:3:33: connectors.zoom.lists.webinar_attendees: expected a whole number, found something else in ${SECRET}");
    assert_snapshot!(zoom_error("lists: ${SECRET}"), @"rollcall.yaml:3:12: connectors.zoom.lists: expected a group of keys, found something else in ${SECRET}");
}

#[test]
fn what_is_no_configuration_at_all() {
    assert_snapshot!(error(""), @"rollcall.yaml:1:1: connectors is missing");
    assert_snapshot!(error("just a text"), @"rollcall.yaml:1:1: expected a group of keys, found a text");
    assert_snapshot!(error("connectors: { zoom: {}"), @"rollcall.yaml:1:13: this is not valid YAML: unclosed bracket '{'");
    assert_snapshot!(error("connectors:\n  zoom:\n\tenabled: true\n"), @"rollcall.yaml:3:2: this is not valid YAML: tabs disallowed within this context (block indentation)");
    assert_snapshot!(error("connectors: { zoom: {} }\nconnectors: { zoom: {} }"), @"rollcall.yaml:2:1: this is not valid YAML: duplicate mapping key `connectors` is not allowed here");
    assert_snapshot!(error("connectors: { zoom: *other }"), @"rollcall.yaml:1:21: this is not valid YAML: reference to unknown value");
    assert_snapshot!(Config::load(Path::new("/does/not/exist.yaml")).map(|_| ()).expect_err("no such file"), @"/does/not/exist.yaml: the configuration cannot be read: No such file or directory (os error 2). Name another file with -c FILE");
}

#[test]
fn what_is_right_and_cannot_be_used() {
    let key_of_environment =
        |name: &str| (name == "BREVO_API_KEY").then(|| "xkeysib\n-1".to_owned());
    assert_snapshot!(Config::parse("connectors: { zoom: {} }", Path::new("rollcall.yaml"), &key_of_environment).map(|_| ()).expect_err("no key"), @"rollcall.yaml: the environment variable BREVO_API_KEY holds a space, a line break or another character that no key has: copy it again");
    assert_snapshot!(error("connectors: { zoom: {} }\nbrevo:\n  api_key: \"xkeysib\\n-1\""), @"rollcall.yaml:3:12: brevo.api_key: holds a space, a line break or another character that no key has: copy it again");
    assert_snapshot!(error("connectors: { zoom: {} }\nbrevo:\n  dry_run: true"), @"rollcall.yaml:3:12: brevo.dry_run: true is not built yet: set it to false");
    assert_snapshot!(zoom_error("field_mapping:\n  email: EMAIL\n  name: { attribute: Email }"), @"rollcall.yaml:5:13: connectors.zoom.field_mapping.name: Email is the contact's address, which no other field may overwrite: choose another attribute");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { sasl.pasword: y } } }"), @"rollcall.yaml:2:57: log.kafka.properties.sasl.pasword: is no property of librdkafka: see its CONFIGURATION.md");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { linger.ms: soon } } }"), @"rollcall.yaml:2:54: log.kafka.properties.linger.ms: librdkafka does not take this value: see its CONFIGURATION.md");
    assert_snapshot!(error("connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { acks: 1 } } }"), @"rollcall.yaml:2:49: log.kafka.properties.acks: is set by Rollcall itself, and another value would lose or repeat records: remove it");
    // What is missing, at the innermost group around it that there is.
    let missing_secret = |yaml: &str| {
        parse(yaml)
            .expect("right")
            .ingress()
            .map(|_| ())
            .expect_err("needed")
    };
    assert_snapshot!(missing_secret("connectors:\n  zoom:\n    webhook: {}"), @"rollcall.yaml:3:5: connectors.zoom.webhook.secret_token is missing: the ingress checks Zoom's webhooks with it. It is the Secret Token on the Feature page of the Zoom app");
    assert_snapshot!(missing_secret("connectors:\n  zoom:\n    enabled: true"), @"rollcall.yaml:2:3: connectors.zoom.webhook.secret_token is missing: the ingress checks Zoom's webhooks with it. It is the Secret Token on the Feature page of the Zoom app");
    assert_snapshot!(parse("connectors:\n  zoom:\nbrevo:\n  plan: general\n").expect("right").brevo_api_key().map(|_| ()).expect_err("needed"), @"rollcall.yaml:3:1: brevo.api_key is missing: the sink writes to Brevo with it. Set it, or the environment variable BREVO_API_KEY");
    assert_snapshot!(parse("connectors:\n  zoom:\n").expect("right").brevo_api_key().map(|_| ()).expect_err("needed"), @"rollcall.yaml:1:1: brevo.api_key is missing: the sink writes to Brevo with it. Set it, or the environment variable BREVO_API_KEY");
}

/// Wherever a secret can be put in the wrong place or under a wrong key, the error does not show it.
#[test]
fn no_error_shows_a_secret() {
    for yaml in [
        "connectors: { zoom: { client_secrt: s3cret } }",
        "connectors: { zoom: { client_secret: [s3cret] } }",
        "connectors: { zoom: { client_secret: { x: s3cret } } }",
        "connectors: { zoom: { webhook: s3cret } }",
        "connectors: { zoom: { webhook: { secret_token: { s: s3cret } } } }",
        "connectors: { zoom: { webhook: [s3cret] } }",
        "connectors: { zoom: { client_secret: 48151623 } }",
        "connectors: { zoom: { webhook: 48151623 } }",
        "connectors: { zoom: { webhook: { secret_token: 48151623 } } }",
        "connectors: { zoom: {} }\nbrevo: { api_key: 4.8151623 }",
        "connectors: { zoom: {} }\nbrevo: s3cret",
        "connectors: { zoom: {} }\nbrevo: { webhook: s3cret }",
        "connectors: { zoom: {} }\nbrevo: { api_key: s3cret, dry_run: perhaps }",
        "connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: s3cret } }",
        "connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { sasl.password: [s3cret] } } }",
        "connectors: { zoom: {} }\nbrevo: { api_key: 's3cret }",
        "connectors: { zoom: {} }\nbrevo: { api_key: s3cret: s3cret }",
        "connectors: { zoom: {} }\nbrevo: { api_key: \"s3cret\\q\" }",
        "connectors: { zoom: {} }\nbrevo: { api_key: &s3cret",
        "connectors: { zoom: {} }\nbrevo: { api_key: \"s3cret\\n\" }",
        "connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { linger.ms: s3cret } } }",
        "connectors: { zoom: {} }\nlog: { kafka: { brokers: x, properties: { sasl.pasword: s3cret } } }",
        "s3cret",
    ] {
        let error = error(yaml);
        assert!(
            !error.contains("s3cret") && !error.contains("8151623"),
            "{yaml}\n{error}"
        );
    }
}
