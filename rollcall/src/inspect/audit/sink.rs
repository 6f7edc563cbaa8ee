//! The account of the sink: from contacts and activities to `brevo.deliveries`.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use rollcall_eventlog::{RecordRef, TopicPartition};
use rollcall_schemas::catalogue::{BREVO_DELIVERIES, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS};
use rollcall_schemas::key;
use rollcall_schemas::record::{Activity, Contact, Delivery, DeliveryState, Effect};
use rollcall_schemas::wire::{ACTIVITY, CONTACT, DELIVERY};
use rollcall_sink::effect::{EffectId, Wanted};

use super::Ledger;
use super::letters::Letters;
use crate::inspect::Inspector;

pub(super) const STAGE: &str = "sink";

/// The last state of an effect.
struct Told {
    offset: i64,
    state: DeliveryState,
    effect: Effect,
    has_reason: bool,
    /// The activity that asked for it.
    activity_id: Option<String>,
}

type Deliveries = HashMap<String, Told>;

/// The effects that a record asks for, by their keys; none where it asks for nothing.
type Asked = Result<Vec<String>, String>;

impl Inspector {
    pub(super) fn audit_sink(&self, wanted: &Wanted, ledger: &mut Ledger<'_>) -> Result<()> {
        let (contacts, activities) = (
            self.topics.route(&ENGAGEMENT_CONTACTS),
            self.topics.route(&ENGAGEMENT_ACTIVITIES),
        );
        let inputs: Vec<_> = contacts.all().chain(activities.all()).collect();
        let positions: HashMap<_, _> = inputs
            .iter()
            .map(|input| Ok((input.clone(), self.position(STAGE, input)?)))
            .collect::<Result<_>>()?;
        let letters = self.letters(STAGE)?;
        for output in self.topics.route(&BREVO_DELIVERIES).all() {
            let deliveries = self.read_deliveries(&output, ledger)?;
            let (people, events) = (
                contacts.partition(output.partition),
                activities.partition(output.partition),
            );
            let of_contact = |value: &[u8]| -> Asked {
                let contact: Contact<'_> =
                    CONTACT.decode(value).map_err(|error| error.to_string())?;
                Ok(vec![key::join(
                    &contact.email,
                    &EffectId::Contact.to_string(),
                )])
            };
            let of_activity = |value: &[u8]| -> Asked {
                let activity: Activity<'_> =
                    ACTIVITY.decode(value).map_err(|error| error.to_string())?;
                let effects = wanted.effects(&activity, 0);
                Ok(effects
                    .iter()
                    .map(|effect| key::join(&activity.email, &effect.id.to_string()))
                    .collect())
            };
            let input = Input {
                partition: &people,
                position: positions[&people],
                asked: &of_contact,
            };
            let _ = self.audit_input(&input, &deliveries, &letters, ledger)?;
            let input = Input {
                partition: &events,
                position: positions[&events],
                asked: &of_activity,
            };
            let known = self.audit_input(&input, &deliveries, &letters, ledger)?;
            check_deliveries(&deliveries, &known, &output, ledger);
        }
        Ok(())
    }

    /// Holds the records that the sink is done with to the ledger. Tells all keys that there are.
    fn audit_input(
        &self,
        input: &Input<'_>,
        deliveries: &Deliveries,
        letters: &Letters,
        ledger: &mut Ledger<'_>,
    ) -> Result<HashSet<Vec<u8>>> {
        let partition = input.partition;
        // A version that a later one superseded is settled, also where that one still waits.
        let mut last: HashMap<Vec<u8>, i64> = HashMap::new();
        self.scan_to_end(partition, |record| {
            let _ = last.insert(record.key.unwrap_or_default().to_vec(), record.offset);
            Ok(())
        })?;
        self.scan_to_end(partition, |record| {
            if record.offset >= input.position {
                ledger.account.waiting += 1;
                return Ok(());
            }
            ledger.account.records += 1;
            let is_last = record
                .key
                .is_some_and(|key| last.get(key) == Some(&record.offset));
            match judge(input, record, is_last, deliveries, letters) {
                Ok(Became::Effective) => ledger.account.effective += 1,
                Ok(Became::Ignored) => ledger.account.ignored += 1,
                Ok(Became::DeadLetter) => ledger.account.dead_letters += 1,
                Err(what) => ledger.fault(partition, record.offset, what),
            }
            Ok(())
        })?;
        Ok(last.into_keys().collect())
    }

    fn read_deliveries(
        &self,
        output: &TopicPartition,
        ledger: &mut Ledger<'_>,
    ) -> Result<Deliveries> {
        let mut deliveries = Deliveries::new();
        self.scan_to_end(output, |record| {
            let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
            match record
                .value
                .map(|value| DELIVERY.decode::<Delivery<'_>>(value))
                .transpose()
            {
                Ok(None) => {
                    let _ = deliveries.remove(&key);
                }
                Ok(Some(delivery)) => {
                    let told = Told {
                        offset: record.offset,
                        state: delivery.state,
                        effect: delivery.effect,
                        has_reason: delivery.reason.is_some(),
                        activity_id: delivery
                            .activity_id
                            .map(rollcall_schemas::Text::into_string),
                    };
                    let _ = deliveries.insert(key, told);
                }
                Err(error) => {
                    ledger.fault(output, record.offset, format!("it cannot be read: {error}"))
                }
            }
            Ok(())
        })?;
        Ok(deliveries)
    }
}

/// A partition that the sink reads.
struct Input<'a> {
    partition: &'a TopicPartition,
    position: i64,
    asked: &'a dyn Fn(&[u8]) -> Asked,
}

enum Became {
    Effective,
    Ignored,
    DeadLetter,
}

/// What became of a record that the sink is done with; or what is wrong.
fn judge(
    input: &Input<'_>,
    record: &RecordRef<'_>,
    is_last: bool,
    deliveries: &Deliveries,
    letters: &Letters,
) -> Result<Became, String> {
    let Some(value) = record.value else {
        return Ok(Became::Ignored);
    };
    let asked = match (input.asked)(value) {
        Ok(asked) => asked,
        Err(_) if letters.of(input.partition, record.offset) > 0 || !letters.are_all_here() => {
            return Ok(Became::DeadLetter);
        }
        Err(reason) => {
            return Err(format!(
                "it can never succeed, and no dead letter says so: {reason}"
            ));
        }
    };
    // What came after it says the same of the same, or more.
    if asked.is_empty() || !is_last {
        return Ok(Became::Ignored);
    }
    let mut failed = 0;
    for key in &asked {
        let Some(told) = deliveries.get(key) else {
            return Err(format!("{} is not in brevo.deliveries", key::rest(key)));
        };
        match told.state {
            DeliveryState::Skipped if !told.has_reason => {
                return Err(format!("{} was skipped without a reason", key::rest(key)));
            }
            DeliveryState::Failed => failed += 1,
            _ => {}
        }
    }
    if failed == 0 {
        return Ok(Became::Effective);
    }
    let has_letter = letters.of_key(&input.partition.topic, record.key.unwrap_or_default());
    // A list that one activity asked for in vain may have failed for another one.
    let of_another = || {
        asked
            .iter()
            .filter_map(|key| deliveries.get(key))
            .filter(|told| told.state == DeliveryState::Failed)
            .all(|told| {
                told.activity_id
                    .as_deref()
                    .is_some_and(|id| Some(id.as_bytes()) != record.key)
            })
    };
    match (has_letter, failed == asked.len()) {
        (true, true) => Ok(Became::DeadLetter),
        (true, false) => Ok(Became::Effective),
        (false, _) if !letters.are_all_here() || of_another() => Ok(Became::Effective),
        (false, _) => Err("it failed, and no dead letter says so".to_owned()),
    }
}

/// Brevo is told of nothing that did not happen.
fn check_deliveries(
    deliveries: &Deliveries,
    activities: &HashSet<Vec<u8>>,
    output: &TopicPartition,
    ledger: &mut Ledger<'_>,
) {
    for (key, told) in deliveries
        .iter()
        .filter(|(_, told)| told.effect == Effect::Event)
    {
        let happened = told
            .activity_id
            .as_deref()
            .is_some_and(|id| activities.contains(id.as_bytes()));
        if !happened {
            ledger.fault(
                output,
                told.offset,
                format!("no activity asks for {}", key::rest(key)),
            );
        }
    }
}
