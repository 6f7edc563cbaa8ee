//! Effects of unknown outcome: Brevo is asked what it has, at once and again after the configured
//! times. An event that it does not have in the end is sent again, once a round; an addition to a list is
//! read back.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::{Call, MOST_SENDINGS, Moment, Planner, settle_sources};
use crate::effect::EffectId;
use crate::ledger::Transition;
use crate::limits::{EndpointGroup, Limiter};
use crate::order::{UnknownEffect, WaitingEffect};

/// Questions to Brevo that are open.
#[derive(Debug, Default)]
pub(super) struct Checks {
    events: BTreeMap<(Instant, u64), Target>,
    lists: BTreeMap<(Instant, u64), Target>,
    look_up: Option<LookUp>,
    /// A look-up takes all that is due, and the limit on them is low: they are kept apart.
    next_look_up: Option<Instant>,
    reading: usize,
    sequence: u64,
    failures: u32,
}

#[derive(Clone, Debug)]
struct Target {
    email: Arc<str>,
    id: EffectId,
}

/// One look-up of many events, page by page.
#[derive(Debug)]
struct LookUp {
    targets: Vec<Target>,
    names: Vec<&'static str>,
    from_ms: i64,
    to_ms: i64,
    offset: usize,
    found: HashSet<String>,
    in_flight: bool,
}

/// Events are looked for this far around the moment that they were sent with.
const MARGIN_MS: i64 = 60_000;

/// The most events of one look-up, which keeps its range of time and its pages few.
const MOST_TARGETS: usize = 1000;

impl Checks {
    fn schedule(&mut self, at: Instant, target: Target) {
        self.sequence += 1;
        let checks = if matches!(target.id, EffectId::List(_)) {
            &mut self.lists
        } else {
            &mut self.events
        };
        checks.insert((at, self.sequence), target);
    }

    pub(super) fn len(&self) -> usize {
        let looked_up = self
            .look_up
            .as_ref()
            .map_or(0, |look_up| look_up.targets.len());
        self.events.len() + self.lists.len() + self.reading + looked_up
    }
}

impl Planner {
    /// Asks Brevo about an effect whose outcome is unknown.
    pub(super) fn verify(&mut self, email: &Arc<str>, waiting: WaitingEffect, now: Moment) {
        let id = waiting.effect.id.clone();
        let person = self.people.get_mut(email).expect("it is his effect");
        person.unknown.push(UnknownEffect {
            waiting,
            since: now.at,
            asked: 0,
        });
        self.checks.schedule(
            now.at,
            Target {
                email: Arc::clone(email),
                id,
            },
        );
    }

    pub(super) fn plan_checks(
        &mut self,
        limiter: &mut Limiter,
        now: Moment,
        calls: &mut Vec<Call>,
    ) {
        while self.has_room() {
            let Some(check) = self
                .checks
                .lists
                .first_entry()
                .filter(|check| check.key().0 <= now.at)
            else {
                break;
            };
            let EffectId::List(list) = check.get().id else {
                unreachable!("only these are scheduled there")
            };
            if !limiter.try_take(EndpointGroup::Contacts, 1, now.at) {
                break;
            }
            calls.push(Call::ReadContact {
                email: check.remove().email,
                list,
            });
            self.checks.reading += 1;
            self.calls += 1;
        }
        if self.checks.look_up.is_none()
            && self.checks.next_look_up.is_none_or(|next| next <= now.at)
        {
            self.checks.look_up = self.begin_look_up(now);
        }
        if let Some(look_up) = &mut self.checks.look_up {
            let room = self.calls < self.rules.max_calls;
            if room && !look_up.in_flight && limiter.try_take(EndpointGroup::Other, 1, now.at) {
                look_up.in_flight = true;
                self.checks.next_look_up =
                    Some(now.at + limiter.spacing(EndpointGroup::Other, now.at));
                self.calls += 1;
                calls.push(Call::FindEvents {
                    names: look_up.names.clone(),
                    from_ms: look_up.from_ms,
                    to_ms: look_up.to_ms,
                    offset: look_up.offset,
                });
            }
        }
    }

    /// Gathers the events that are to be looked for now.
    fn begin_look_up(&mut self, now: Moment) -> Option<LookUp> {
        let mut look_up = LookUp {
            targets: Vec::new(),
            names: Vec::new(),
            from_ms: i64::MAX,
            to_ms: i64::MIN,
            offset: 0,
            found: HashSet::new(),
            in_flight: false,
        };
        while look_up.targets.len() < MOST_TARGETS {
            let Some(check) = self
                .checks
                .events
                .first_entry()
                .filter(|check| check.key().0 <= now.at)
            else {
                break;
            };
            let target = check.remove();
            let person = self.people.get_mut(&target.email);
            // He may have been erased meanwhile.
            let Some(waiting) = person.and_then(|person| person.find(&target.id)) else {
                continue;
            };
            let Some(event) = &waiting.effect.event else {
                continue;
            };
            if !look_up.names.contains(&event.event_name) {
                look_up.names.push(event.event_name);
            }
            look_up.from_ms = look_up.from_ms.min(waiting.effect.at - MARGIN_MS);
            look_up.to_ms = look_up.to_ms.max(waiting.effect.at + MARGIN_MS);
            look_up.targets.push(target);
        }
        (!look_up.targets.is_empty()).then_some(look_up)
    }

    /// Takes a page of events: what is found is confirmed, what is not is looked for again, or sent
    /// again.
    pub(super) fn events_read(
        &mut self,
        read: usize,
        count: usize,
        source_ids: Vec<String>,
        now: Moment,
    ) {
        let Some(look_up) = &mut self.checks.look_up else {
            return;
        };
        look_up.in_flight = false;
        look_up.offset += read;
        look_up.found.extend(source_ids);
        if read > 0 && look_up.offset < count {
            return;
        }
        self.checks.failures = 0;
        let look_up = self.checks.look_up.take().expect("just seen");
        for target in look_up.targets {
            let Some(mut unknown) = self.take_unknown(&target) else {
                continue;
            };
            if look_up.found.contains(&*unknown.waiting.effect.activity_id) {
                let reason = "found in Brevo, after its answer was lost".to_owned();
                self.confirm_once(&target.email, &unknown.waiting, None, Some(reason), now);
            } else {
                unknown.asked += 1;
                match self.rules.verify_after.get(unknown.asked - 1) {
                    Some(after) => self.ask_again(target.clone(), unknown, *after),
                    None => self.send_again(&target.email, unknown.waiting, now),
                }
            }
            self.enqueue(&target.email, now);
        }
    }

    fn ask_again(&mut self, target: Target, unknown: UnknownEffect, after: std::time::Duration) {
        let at = unknown.since + after;
        if let Some(person) = self.people.get_mut(&target.email) {
            person.unknown.push(unknown);
            self.checks.schedule(at, target);
        }
    }

    /// A look-up that brought nothing is made again, from its first page.
    pub(super) fn events_not_read(&mut self, now: Moment) {
        let Some(look_up) = self.checks.look_up.take() else {
            return;
        };
        self.checks.failures += 1;
        let at = now.at + self.rules.backoff.wait(self.checks.failures, now.chance);
        for target in look_up.targets {
            self.checks.schedule(at, target);
        }
    }

    /// Takes what Brevo has of a contact, for an addition to a list.
    pub(super) fn contact_read(
        &mut self,
        email: &Arc<str>,
        list: i64,
        contact: Option<&super::ReadContact>,
        now: Moment,
    ) {
        self.checks.reading -= 1;
        self.checks.failures = 0;
        let target = Target {
            email: Arc::clone(email),
            id: EffectId::List(list),
        };
        let Some(mut unknown) = self.take_unknown(&target) else {
            return;
        };
        match contact {
            Some(contact) if contact.lists.contains(&list) => {
                self.confirm_once(
                    email,
                    &unknown.waiting,
                    None,
                    Some("found on the list".to_owned()),
                    now,
                );
            }
            Some(contact) if contact.left.contains(&list) => {
                self.skip(email, &unknown.waiting, "the person left the list", now);
            }
            Some(_) => {
                unknown.waiting.alone = true;
                self.send_again(email, unknown.waiting, now);
            }
            None => self.skip(
                email,
                &unknown.waiting,
                "the contact was deleted in Brevo",
                now,
            ),
        }
        self.enqueue(email, now);
    }

    /// A contact that could not be read is read again later.
    pub(super) fn contact_not_read(&mut self, email: &Arc<str>, list: i64, now: Moment) {
        self.checks.reading -= 1;
        self.checks.failures += 1;
        let at = now.at + self.rules.backoff.wait(self.checks.failures, now.chance);
        self.checks.schedule(
            at,
            Target {
                email: Arc::clone(email),
                id: EffectId::List(list),
            },
        );
    }

    /// Brevo does not have it: it is sent once more, first of all that waits for the person.
    fn send_again(&mut self, email: &Arc<str>, waiting: WaitingEffect, now: Moment) {
        let attempts = self
            .ledger
            .once(email, &waiting.effect.id)
            .map_or(0, |entry| entry.attempts);
        if attempts >= MOST_SENDINGS {
            let reason = format!("sent {attempts} times without an answer, and not found in Brevo");
            self.fail(email, &waiting, "no_answer", None, reason, now);
        } else if let Some(person) = self.people.get_mut(email) {
            person.effects.push_front(waiting);
        }
    }

    fn skip(&mut self, email: &Arc<str>, waiting: &WaitingEffect, reason: &str, now: Moment) {
        self.write_once(
            email,
            waiting,
            Transition::Skip,
            None,
            Some(reason.to_owned()),
            now,
        );
        settle_sources(&mut self.progress, waiting);
    }

    fn take_unknown(&mut self, target: &Target) -> Option<UnknownEffect> {
        self.people.get_mut(&target.email)?.take_unknown(&target.id)
    }
}
