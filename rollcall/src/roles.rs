//! What a process does.

use std::collections::BTreeSet;
use std::str::FromStr;

/// One job of the pipeline. They meet only on topics, so that a process may have any of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) enum Role {
    /// Takes in Zoom's webhooks.
    Ingress,
    /// Asks Zoom, and appends the clock's ticks; one is active at a time.
    Poller,
    /// Runs the stages.
    Processors,
    /// Writes to Brevo; one is active at a time.
    Sink,
}

const NAMES: [(&str, Role); 4] = [
    ("ingress", Role::Ingress),
    ("poller", Role::Poller),
    ("processors", Role::Processors),
    ("sink", Role::Sink),
];

/// The jobs of a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Roles(BTreeSet<Role>);

impl Roles {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(NAMES.iter().map(|(_, role)| *role).collect())
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|name| {
                let known = NAMES.iter().find(|(known, _)| *known == name.trim());
                known.map(|(_, role)| *role).ok_or_else(|| {
                    let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
                    format!("{name:?} is no role; the roles are {}", names.join(", "))
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, Roles};

    #[test]
    fn roles_are_named_with_commas_between() {
        let roles: Roles = "ingress, sink".parse().expect("two roles");
        assert!(roles.has(Role::Ingress) && roles.has(Role::Sink) && !roles.has(Role::Poller));
        assert_eq!(
            "ingress,sinks".parse::<Roles>(),
            Err("\"sinks\" is no role; the roles are ingress, poller, processors, sink".to_owned())
        );
    }
}
