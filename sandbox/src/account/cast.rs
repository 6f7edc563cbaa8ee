//! The people of a story.

use rand::{RngExt, rngs::StdRng};

use super::Address;

pub(super) const INTERNAL_DOMAIN: &str = "northlight.example";

const FIRST_NAMES: [&str; 24] = [
    "Ada", "Björn", "Chiara", "Dmitri", "Elif", "Fatima", "Grace", "Hiro", "Inés", "Jonas", "Kofi",
    "Léa", "Mateo", "Nadia", "Omar", "Priya", "Quentin", "Rosa", "Søren", "Tomás", "Ursula",
    "Vera", "Wei", "Zoë",
];
const LAST_NAMES: [&str; 20] = [
    "Almeida",
    "Brandt",
    "Castro",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Brien",
    "Petrov",
    "Quist",
    "Rossi",
    "Schäfer",
    "Takeda",
];
const DOMAINS: [&str; 5] = [
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "acme.example",
];
const ORGANISATIONS: [&str; 6] = [
    "Acme",
    "Globex",
    "Initech",
    "Umbrella Bäckerei",
    "Hooli",
    "Stark & Söhne",
];
const TEAM_SIZES: [&str; 4] = ["1", "2-10", "11-50", "51+"];
const GUEST_NAMES: [&str; 8] = [
    "iPhone",
    "Galaxy S24",
    "guest",
    "Zoom user",
    "Meeting room 4",
    "Anna",
    "J.",
    "K",
];

/// Somebody from outside.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) first_name: String,
    pub(super) last_name: Option<String>,
    canonical: String,
    international: bool,
    pub(super) org: Option<String>,
    pub(super) team_size: String,
    number: usize,
}

impl Person {
    pub(super) fn cast(number: usize, rng: &mut StdRng) -> Self {
        let first_name = FIRST_NAMES[rng.random_range(0..FIRST_NAMES.len())].to_owned();
        let last_name = (!rng.random_bool(0.06))
            .then(|| LAST_NAMES[rng.random_range(0..LAST_NAMES.len())].to_owned());
        let mailbox = ascii(&format!(
            "{first_name}.{}",
            last_name.as_deref().unwrap_or("only")
        ));
        // One in a while has a domain that its owner writes otherwise than the wire does.
        let international = number % 41 == 7;
        let domain = if international {
            "xn--bcher-kva.example"
        } else {
            DOMAINS[rng.random_range(0..DOMAINS.len())]
        };
        Self {
            first_name,
            last_name,
            canonical: format!("{mailbox}.{number}@{domain}"),
            international,
            org: rng
                .random_bool(0.7)
                .then(|| ORGANISATIONS[rng.random_range(0..ORGANISATIONS.len())].to_owned()),
            team_size: TEAM_SIZES[rng.random_range(0..TEAM_SIZES.len())].to_owned(),
            number,
        }
    }

    pub(super) fn name(&self) -> String {
        match &self.last_name {
            Some(last) => format!("{} {last}", self.first_name),
            None => self.first_name.clone(),
        }
    }

    /// His address, typed as people type.
    pub(super) fn address(&self, rng: &mut StdRng) -> Address {
        let domain_as_read = if self.international {
            self.canonical.replace("xn--bcher-kva", "Bücher")
        } else {
            self.canonical.clone()
        };
        let spelled = match rng.random_range(0..12) {
            0 => domain_as_read.to_uppercase(),
            1 => format!(" {domain_as_read} "),
            2 => capitalised(&domain_as_read),
            _ => domain_as_read,
        };
        Address {
            canonical: self.canonical.clone(),
            spelled,
        }
    }

    /// Another address of his, that no registration knows.
    pub(super) fn private_address(&self) -> Address {
        let canonical = format!(
            "{}.private.{}@home.example",
            ascii(&self.first_name),
            self.number
        );
        Address {
            spelled: canonical.clone(),
            canonical,
        }
    }
}

pub(super) fn guest_name(rng: &mut StdRng) -> String {
    GUEST_NAMES[rng.random_range(0..GUEST_NAMES.len())].to_owned()
}

fn ascii(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter(|letter| letter.is_ascii_lowercase() || *letter == '.')
        .collect()
}

fn capitalised(address: &str) -> String {
    let mut letters = address.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
