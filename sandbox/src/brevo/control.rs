//! What a person, or a test, does to the account from outside: `POST /control`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    account::{Account, Behaviour},
    answer::Answer,
    fault::{FaultOrder, FaultRates, Faults},
    limits::RateLimits,
};

/// One command.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Command {
    /// Something goes wrong with the next requests.
    Fault(FaultOrder),
    /// Things go wrong by chance from now on.
    FaultRates(FaultRates),
    /// Nothing goes wrong any more.
    ClearFaults,
    /// Other limits from now on.
    RateLimits(RateLimits),
    /// Another behaviour from now on.
    Behaviour(Behaviour),
    /// A person leaves a list.
    LeaveList { email: String, list: i64 },
    /// A person unsubscribes from campaigns.
    Unsubscribe { email: String },
    /// Somebody deletes the contact in Brevo.
    DeleteContact { email: String },
}

/// Carries out one command or a list of them.
pub(super) fn control(
    body: &[u8],
    account: &mut Account,
    faults: &mut Faults,
    limits: &mut RateLimits,
) -> Answer {
    let parsed = serde_json::from_slice::<Value>(body).and_then(|value| match value {
        Value::Array(commands) => commands
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<Vec<Command>, _>>(),
        command => serde_json::from_value(command).map(|command| vec![command]),
    });
    let commands = match parsed {
        Ok(commands) => commands,
        Err(error) => {
            return Answer::error(400, "invalid_parameter", &format!("no command: {error}"));
        }
    };
    let done = commands.len();
    for command in commands {
        match command {
            Command::Fault(order) => faults.order(order),
            Command::FaultRates(rates) => faults.rates = rates,
            Command::ClearFaults => faults.clear(),
            Command::RateLimits(other) => *limits = other,
            Command::Behaviour(behaviour) => account.behaviour = behaviour,
            Command::LeaveList { email, list } => {
                account.members.entry(list).or_default().remove(&email);
                account.left.insert((list, email));
            }
            Command::Unsubscribe { email } => {
                if let Some(contact) = account.contacts.get_mut(&email) {
                    contact.shown.email_blacklisted = true;
                }
            }
            Command::DeleteContact { email } => {
                account.contacts.remove(&email);
                for members in account.members.values_mut() {
                    members.remove(&email);
                }
                account.deleted.insert(email);
            }
        }
    }
    Answer::json(200, json!({"done": done}))
}
