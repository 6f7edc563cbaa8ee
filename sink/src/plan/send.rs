//! What goes out: the calls to make now, within the limits.

use std::sync::Arc;

use super::{Call, Moment, Planner, Rules, settle_sources};
use crate::effect::{EffectId, OnceEffect};
use crate::ledger::{ContactEntry, Transition};
use crate::limits::{EndpointGroup, Limiter};
use crate::mapping::attribute::rfc3339;
use crate::order::{InFlight, Step, WaitingContact};
use crate::request::{ContactUpsert, LIST_ADDITION_LIMIT};

impl Planner {
    /// The calls to make now, once what [`Planner::take_outputs`] gives is committed.
    pub fn plan(&mut self, limiter: &mut Limiter, now: Moment) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.paused.is_some() {
            return calls;
        }
        for email in self.ready.rested(now.at) {
            if let Some(person) = self.people.get_mut(&email) {
                person.resting = false;
            }
            self.enqueue(&email, now);
        }
        self.plan_checks(limiter, now, &mut calls);
        self.plan_list_additions(limiter, now, &mut calls);
        // Turn by turn, so that neither contacts nor events take all of the calls that may be in
        // flight.
        loop {
            let before = calls.len();
            self.plan_contact(limiter, now, &mut calls);
            self.plan_event(limiter, now, &mut calls);
            if calls.len() == before {
                break;
            }
        }
        calls
    }

    pub(super) fn has_room(&self) -> bool {
        self.calls < self.rules.max_calls
    }

    fn plan_contact(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        while self.has_room() {
            let Some(email) = self.ready.contacts.front().cloned() else {
                return;
            };
            let person = self
                .people
                .get_mut(&email)
                .expect("whoever is queued is known");
            let (Step::Contact, Some(contact)) = (person.step(), &person.contact) else {
                self.ready.contacts.pop_front();
                self.requeue(&email, now);
                continue;
            };
            let known = self.ledger.contact(&email);
            if !person.is_unsure
                && known.is_some_and(|known| known.holds(contact.digest, now.clock_ms))
            {
                self.ready.contacts.pop_front();
                let contact = person.contact.take().expect("just seen");
                self.contact_held_already(&email, contact, now);
                self.requeue(&email, now);
                continue;
            }
            let reads_first = !contact.mapped.if_blank.is_empty() || contact.conflicts > 0;
            if !limiter.try_take(
                EndpointGroup::Contacts,
                1 + usize::from(reads_first),
                now.at,
            ) {
                return;
            }
            self.ready.contacts.pop_front();
            person.queued = false;
            let contact = person.contact.take().expect("just seen");
            let attributes = if contact.without_phones {
                contact.mapped.attributes.without_phones()
            } else {
                contact.mapped.attributes.clone()
            };
            calls.push(Call::Upsert {
                request: ContactUpsert {
                    email: Arc::clone(&email),
                    attributes,
                },
                if_blank: contact.mapped.if_blank.clone(),
                by_id: contact.conflicts > 0,
            });
            person.in_flight = Some(InFlight::Contact(contact));
            self.calls += 1;
            return;
        }
    }

    fn plan_event(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        while self.has_room() {
            let Some(email) = self.ready.events.front().cloned() else {
                return;
            };
            self.settle_front(&email, now);
            let person = self
                .people
                .get_mut(&email)
                .expect("whoever is queued is known");
            let request = person
                .effects
                .front()
                .and_then(|first| first.effect.event.clone());
            let (Step::Event, Some(request)) = (person.step(), request) else {
                self.ready.events.pop_front();
                self.requeue(&email, now);
                continue;
            };
            if !limiter.try_take(EndpointGroup::Events, 1, now.at) {
                return;
            }
            self.ready.events.pop_front();
            let id = self.begin(&email, now);
            calls.push(Call::Event { id, request });
            self.calls += 1;
            return;
        }
    }

    fn plan_list_additions(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        for list in self.ready.lists_due(now.at, self.rules.list_linger) {
            while self.has_room() {
                let mut emails = Vec::new();
                while emails.len() < LIST_ADDITION_LIMIT {
                    let Some(email) = self.ready.first_of_list(list) else {
                        break;
                    };
                    self.settle_front(&email, now);
                    let person = self
                        .people
                        .get_mut(&email)
                        .expect("whoever is queued is known");
                    if person.step() != Step::List(list) {
                        self.ready.pop_of_list(list);
                        self.requeue(&email, now);
                        continue;
                    }
                    let alone = person.effects.front().is_some_and(|first| first.alone);
                    if alone && !emails.is_empty() {
                        break;
                    }
                    if emails.is_empty() && !limiter.try_take(EndpointGroup::Contacts, 1, now.at) {
                        return;
                    }
                    self.ready.pop_of_list(list);
                    self.begin(&email, now);
                    emails.push(email);
                    if alone {
                        break;
                    }
                }
                if emails.is_empty() {
                    break;
                }
                calls.push(Call::AddToList { list, emails });
                self.calls += 1;
            }
        }
    }

    /// Puts the first effect of a person in flight, its intent into the ledger, and tells its name.
    fn begin(&mut self, email: &Arc<str>, now: Moment) -> EffectId {
        let person = self
            .people
            .get_mut(email)
            .expect("whoever is queued is known");
        person.queued = false;
        let waiting = person.effects.pop_front().expect("its step is to send it");
        self.write_once(email, &waiting, Transition::Intend, None, None, now);
        let id = waiting.effect.id.clone();
        let person = self.people.get_mut(email).expect("just seen");
        person.in_flight = Some(InFlight::Once(waiting));
        id
    }

    /// Settles what stands first for a person and is not to be sent: too old, or without a contact.
    pub(super) fn settle_front(&mut self, email: &Arc<str>, now: Moment) {
        while let Some(person) = self.people.get_mut(email) {
            let step = person.step();
            let Some(first) = person.effects.front() else {
                return;
            };
            match step {
                Step::Doomed => {
                    let waiting = person.effects.pop_front().expect("just seen");
                    let reason =
                        "the contact that it came with could not be written to Brevo".to_owned();
                    self.fail(email, &waiting, "contact_refused", None, reason, now);
                }
                Step::Event | Step::List(_) if is_too_old(&self.rules, &first.effect, now) => {
                    let waiting = person.effects.pop_front().expect("just seen");
                    let reason = format!(
                        "older than brevo.max_activity_age ({} h): it happened at {}",
                        self.rules.max_activity_age.as_secs() / 3600,
                        rfc3339(waiting.effect.at).unwrap_or_default()
                    );
                    self.write_once(email, &waiting, Transition::Skip, None, Some(reason), now);
                    settle_sources(&mut self.progress, &waiting);
                }
                _ => return,
            }
        }
    }

    /// The ledger shows that Brevo holds these values: the version is confirmed without a request.
    fn contact_held_already(&mut self, email: &Arc<str>, contact: WaitingContact, now: Moment) {
        let known = self.ledger.contact(email).expect("it holds the values");
        let reason = format!(
            "the same values were sent at {}",
            rfc3339(known.sent_at).unwrap_or_default()
        );
        self.write_contact(
            email,
            ContactEntry {
                version: contact.version,
                ..known
            },
            None,
            Some(reason),
            now,
        );
        let person = self
            .people
            .get_mut(email)
            .expect("whoever is queued is known");
        person.confirmed = person.confirmed.max(contact.version);
        self.progress.settle(contact.source.place);
    }
}

fn is_too_old(rules: &Rules, effect: &OnceEffect, now: Moment) -> bool {
    let limit = i64::try_from(rules.max_activity_age.as_millis()).unwrap_or(i64::MAX);
    now.clock_ms.saturating_sub(effect.at) > limit
}
