//! What an answer changes.

use std::collections::HashSet;
use std::sync::Arc;

use rollcall_runtime::Rejection;
use rollcall_schemas::record::DeliveryState;

use super::{Answer, Call, DeadLetter, MOST_CONFLICTS, Moment, Planner, settle_sources};
use crate::effect::EffectId;
use crate::error_class::{Class, Heal};
use crate::ledger::{ContactEntry, Transition};
use crate::order::{InFlight, WaitingContact, WaitingEffect};

impl Planner {
    /// Takes what came of a call. Every call that [`Planner::plan`] gave is answered once.
    pub fn answered(&mut self, call: &Call, answer: Answer, now: Moment) {
        self.calls -= 1;
        if let Answer::Refused {
            class: Class::Configuration { reason },
            ..
        } = &answer
        {
            self.paused = Some(reason.clone());
        }
        match call {
            Call::Upsert { request, .. } => self.contact_answered(&request.email, answer, now),
            Call::Event { request, .. } => {
                self.event_answered(&request.identifiers.email_id, answer, now)
            }
            Call::AddToList { list, emails } => self.list_answered(*list, emails, &answer, now),
            Call::ReadContact { email, list } => match answer {
                Answer::Contact(contact) => self.contact_read(email, *list, contact.as_ref(), now),
                Answer::Refused {
                    class: Class::Heal(Heal::Missing),
                    ..
                } => self.contact_read(email, *list, None, now),
                _ => self.contact_not_read(email, *list, now),
            },
            Call::FindEvents { .. } => match answer {
                Answer::Events {
                    read,
                    count,
                    source_ids,
                } => self.events_read(read, count, source_ids, now),
                _ => self.events_not_read(now),
            },
        }
    }

    fn contact_answered(&mut self, email: &Arc<str>, answer: Answer, now: Moment) {
        let Some(InFlight::Contact(mut contact)) = self.take_in_flight(email) else {
            return;
        };
        match answer {
            Answer::Done { status } => self.confirm_contact(email, &contact, status, now),
            Answer::Refused {
                status,
                class: Class::DeadLetter { class, reason },
            } => {
                self.refuse_contact(email, &contact, class, status, reason, now);
            }
            Answer::Refused {
                status,
                class: Class::Heal(heal),
            } => match heal {
                Heal::DropPhone
                    if contact.mapped.attributes.have_phone() && !contact.without_phones =>
                {
                    contact.without_phones = true;
                    self.put_back_contact(email, contact);
                }
                Heal::DropPhone | Heal::ReadBack | Heal::Exists => {
                    let reason = format!("{status}: Brevo names an identifier that was not sent");
                    self.refuse_contact(email, &contact, "contact_refused", status, reason, now);
                }
                Heal::IdentifierConflict { reason } if contact.conflicts >= MOST_CONFLICTS => {
                    self.refuse_contact(
                        email,
                        &contact,
                        "identifier_conflict",
                        status,
                        reason,
                        now,
                    );
                }
                Heal::IdentifierConflict { .. } => {
                    contact.conflicts += 1;
                    self.put_back_contact(email, contact);
                    self.rest(email, now);
                }
                // It was there when it was read, and is not any more: created anew by its address.
                Heal::Missing => {
                    contact.conflicts = 0;
                    self.put_back_contact(email, contact);
                    self.rest(email, now);
                }
            },
            Answer::Refused {
                class: Class::Slow | Class::Configuration { .. },
                ..
            } => {
                self.put_back_contact(email, contact);
            }
            // A contact is set to absolute values: whether it was done or not, it may be done again.
            answer => {
                let person = self
                    .people
                    .get_mut(email)
                    .expect("something of his was in flight");
                person.is_unsure |= !matches!(answer, Answer::NotSent { .. });
                self.put_back_contact(email, contact);
                self.rest(email, now);
            }
        }
        self.enqueue(email, now);
    }

    fn take_in_flight(&mut self, email: &Arc<str>) -> Option<InFlight> {
        self.people.get_mut(email)?.in_flight.take()
    }

    /// Puts a contact back, unless a later version waits already.
    fn put_back_contact(&mut self, email: &Arc<str>, contact: WaitingContact) {
        let person = self
            .people
            .get_mut(email)
            .expect("something of his was in flight");
        if person.contact.is_some() {
            self.progress.settle(contact.source.place);
        } else {
            person.contact = Some(contact);
        }
    }

    fn confirm_contact(
        &mut self,
        email: &Arc<str>,
        contact: &WaitingContact,
        status: u16,
        now: Moment,
    ) {
        let known = self.ledger.contact(email);
        let entry = ContactEntry {
            state: DeliveryState::Confirmed,
            version: contact.version,
            digest: Some(contact.digest),
            attempts: known.map_or(0, |known| known.attempts).saturating_add(1),
            sent_at: now.clock_ms,
        };
        let reason = contact
            .without_phones
            .then(|| "without the phone, which Brevo refused".to_owned());
        self.write_contact(email, entry, Some(status), reason, now);
        let person = self
            .people
            .get_mut(email)
            .expect("something of his was in flight");
        person.confirmed = contact.version;
        person.is_unsure = false;
        person.failures = 0;
        self.progress.settle(contact.source.place);
    }

    fn refuse_contact(
        &mut self,
        email: &Arc<str>,
        contact: &WaitingContact,
        class: &'static str,
        status: u16,
        reason: String,
        now: Moment,
    ) {
        let known = self.ledger.contact(email);
        let entry = ContactEntry {
            state: DeliveryState::Failed,
            version: contact.version,
            digest: None,
            attempts: known.map_or(0, |known| known.attempts).saturating_add(1),
            sent_at: now.clock_ms,
        };
        self.write_contact(email, entry, Some(status), Some(reason.clone()), now);
        self.progress.mark_dead(contact.source.place, class);
        self.outputs.dead_letters.push(DeadLetter {
            source: Arc::clone(&contact.source),
            why: Rejection {
                class,
                message: format!("contact: {reason}"),
            },
        });
        let person = self
            .people
            .get_mut(email)
            .expect("something of his was in flight");
        person.refused = contact.version;
        person.failures = 0;
        self.progress.settle(contact.source.place);
    }

    fn event_answered(&mut self, email: &Arc<str>, answer: Answer, now: Moment) {
        let Some(InFlight::Once(waiting)) = self.take_in_flight(email) else {
            return;
        };
        match answer {
            Answer::Done { status } => self.confirm_once(email, &waiting, Some(status), None, now),
            Answer::Refused {
                status,
                class: Class::DeadLetter { class, reason },
            } => {
                self.fail(email, &waiting, class, Some(status), reason, now);
            }
            answer => self.once_not_answered(email, waiting, &answer, now),
        }
        self.enqueue(email, now);
    }

    fn list_answered(&mut self, list: i64, emails: &[Arc<str>], answer: &Answer, now: Moment) {
        for email in emails {
            let Some(InFlight::Once(mut waiting)) = self.take_in_flight(email) else {
                continue;
            };
            debug_assert_eq!(waiting.effect.id, EffectId::List(list));
            match answer {
                Answer::Done { status } => {
                    self.confirm_once(email, &waiting, Some(*status), None, now)
                }
                Answer::Added { status, left_out } if !is_left_out(left_out, email) => {
                    self.confirm_once(email, &waiting, Some(*status), None, now);
                }
                Answer::Added { .. }
                | Answer::Refused {
                    class: Class::Heal(_),
                    ..
                } => self.verify(email, waiting, now),
                // One of many may be at fault: each is tried by itself.
                Answer::Refused {
                    class: Class::DeadLetter { .. },
                    ..
                } if emails.len() > 1 => {
                    waiting.alone = true;
                    let reason = "refused together with others, and tried by itself".to_owned();
                    self.take_back(email, waiting, answer, reason, now);
                }
                Answer::Refused {
                    status,
                    class: Class::DeadLetter { class, reason },
                } => {
                    self.fail(email, &waiting, class, Some(*status), reason.clone(), now);
                }
                answer => self.once_not_answered(email, waiting, answer, now),
            }
            self.enqueue(email, now);
        }
    }

    /// Something that must happen once did not, or perhaps did.
    fn once_not_answered(
        &mut self,
        email: &Arc<str>,
        waiting: WaitingEffect,
        answer: &Answer,
        now: Moment,
    ) {
        match answer {
            Answer::Refused {
                class: Class::Slow, ..
            } => {
                let reason = "too many requests: it is sent again".to_owned();
                self.take_back(email, waiting, answer, reason, now);
            }
            Answer::Refused {
                class: Class::Configuration { reason },
                ..
            } => self.take_back(email, waiting, answer, reason.clone(), now),
            Answer::NotSent { reason }
            | Answer::Refused {
                class: Class::Retry { reason },
                ..
            } => {
                self.take_back(email, waiting, answer, reason.clone(), now);
                self.rest(email, now);
            }
            Answer::Refused { status, class } => {
                let reason = match class {
                    Class::Unclear { reason } => reason.clone(),
                    _ => "an answer that is not understood".to_owned(),
                };
                self.lose_track(email, waiting, Some(*status), reason, now);
            }
            Answer::NoAnswer { reason } => {
                self.lose_track(email, waiting, None, reason.clone(), now)
            }
            Answer::Done { .. }
            | Answer::Added { .. }
            | Answer::Contact(_)
            | Answer::Events { .. } => {
                self.lose_track(
                    email,
                    waiting,
                    None,
                    "an answer to another question".to_owned(),
                    now,
                );
            }
        }
    }

    fn lose_track(
        &mut self,
        email: &Arc<str>,
        waiting: WaitingEffect,
        status: Option<u16>,
        reason: String,
        now: Moment,
    ) {
        self.write_once(
            email,
            &waiting,
            Transition::LoseTrack,
            status,
            Some(reason),
            now,
        );
        self.verify(email, waiting, now);
    }

    /// What was certainly not done waits again, in its place.
    fn take_back(
        &mut self,
        email: &Arc<str>,
        waiting: WaitingEffect,
        answer: &Answer,
        reason: String,
        now: Moment,
    ) {
        let status = match answer {
            Answer::Refused { status, .. } => Some(*status),
            _ => None,
        };
        self.write_once(
            email,
            &waiting,
            Transition::TakeBack,
            status,
            Some(reason),
            now,
        );
        let person = self
            .people
            .get_mut(email)
            .expect("something of his was in flight");
        person.effects.push_front(waiting);
    }

    pub(super) fn confirm_once(
        &mut self,
        email: &Arc<str>,
        waiting: &WaitingEffect,
        status: Option<u16>,
        reason: Option<String>,
        now: Moment,
    ) {
        self.write_once(email, waiting, Transition::Confirm, status, reason, now);
        if let Some(person) = self.people.get_mut(email) {
            person.failures = 0;
        }
        settle_sources(&mut self.progress, waiting);
    }
}

fn is_left_out(left_out: &HashSet<String>, email: &str) -> bool {
    left_out.contains(email)
}
