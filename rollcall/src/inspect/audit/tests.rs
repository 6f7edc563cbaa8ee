//! A played account whose books balance, and the same with one thing wrong by hand.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, MemberConfig, Offsets, Polled, UnitOfWork};
use rollcall_processors::attendance::{Attendance, AttendanceSettings, NoShowProof};
use rollcall_processors::engagement::Engagement;
use rollcall_runtime::clock::SystemClock;
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, Route, Shutdown, Stage, StageStatus, StateMemory, StateSettings,
    TopicSettings, Worker, WorkerConfig, WriteBackPolicy, group,
};
use rollcall_sandbox::account::Plan;
use rollcall_sandbox::deliveries::{DeliveryFaults, deliveries};
use rollcall_schemas::catalogue::{
    BREVO_DELIVERIES, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, Topic,
    ZOOM_EVENTS, ZOOM_RAW,
};
use rollcall_schemas::key;
use rollcall_schemas::record::{
    Activity, AttendanceRow, AttendanceStatus, Contact, Delivery, DeliveryState, Effect, EventKind,
    Milestone, MilestoneKind, RawKind, RawRecord, Tick, WebhookDelivery, ZoomEvent,
};
use rollcall_schemas::wire::{
    ACTIVITY, ATTENDANCE_ROW, CONTACT, DELIVERY, RAW_RECORD, RecordSchema, ZOOM_EVENT,
};
use rollcall_sink::effect::Wanted;
use rollcall_sink::{Lists, Options};
use tempfile::TempDir;

use super::AuditReport;
use crate::inspect::Inspector;

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: i64 = 60 * 60 * 1000;

fn wanted() -> Wanted {
    let lists = Lists {
        meeting_participants: Some(15),
        webinar_attendees: Some(16),
        webinar_registrants: Some(17),
    };
    Wanted::of(Options::all_events(), lists)
}

/// A log in a folder.
struct Line {
    folder: TempDir,
    log: Arc<dyn EventLog>,
    topics: TopicSettings,
}

impl Line {
    fn open(folder: TempDir) -> Self {
        let log: Arc<dyn EventLog> =
            EmbeddedLog::open(EmbeddedConfig::new(folder.path().join("log"))).unwrap();
        let topics = TopicSettings::default();
        log.ensure_topics(&topics.configs()).unwrap();
        Self {
            folder,
            log,
            topics,
        }
    }

    fn route(&self, topic: &Topic) -> Route {
        self.topics.route(topic)
    }

    fn end(&self, topic: &Topic, partition: u32) -> i64 {
        let Offsets { end, .. } = self
            .log
            .offsets(&self.route(topic).partition(partition))
            .unwrap();
        end
    }

    /// Appends a record to the partition of its key, as if nobody ever took it.
    fn append(&self, topic: &Topic, key: &str, value: &[u8]) {
        let route = self.route(topic);
        let mut unit = UnitOfWork::default();
        route.push(
            &mut unit.outputs,
            key,
            Some(&mut |out| out.extend_from_slice(value)),
            [],
        );
        self.commit("by-hand", topic, &unit);
    }

    fn append_raw(&self, raw: &RawRecord<'_>, key: &str) {
        self.append(&ZOOM_RAW, key, &RAW_RECORD.encoder().encode(raw));
    }

    fn append_webhook(&self, meeting_id: &str, body: &[u8]) {
        let raw = RawRecord {
            kind: RawKind::Webhook,
            received_at: 1,
            webhook: Some(WebhookDelivery {
                request_id: None,
                body,
            }),
            ..RawRecord::default()
        };
        self.append_raw(&raw, meeting_id);
    }

    /// Says that a stage has taken all of its input, which leaves no trace of what it has not.
    fn move_past(&self, stage: &str, topic: &Topic) {
        let offsets = self.route(topic).all().map(|partition| {
            let end = self.end(topic, partition.partition);
            (partition, end)
        });
        let unit = UnitOfWork {
            offsets: offsets.collect(),
            ..UnitOfWork::default()
        };
        self.commit(&group(&self.topics, stage), topic, &unit);
    }

    fn commit(&self, group: &str, topic: &Topic, unit: &UnitOfWork) {
        let config = MemberConfig {
            group: group.to_owned(),
            topics: vec![self.topics.name(topic)],
            instance: "by-hand".to_owned(),
        };
        let mut member = self.log.join(config).unwrap();
        while !matches!(
            member.poll(1, Duration::from_secs(1)).unwrap(),
            Polled::Assigned(_)
        ) {}
        member.commit(unit).unwrap();
        member.leave();
    }

    fn run(&self, stage: impl Stage + 'static, input: &Topic) {
        let name = stage.name();
        let shutdown = Shutdown::default();
        let config = WorkerConfig {
            topics: self.topics.clone(),
            state: StateSettings {
                folder: self.folder.path().join("state"),
                memory: StateMemory::new(16 << 20),
                write_back: WriteBackPolicy::default(),
                flush: FlushPolicy::default(),
            },
            commit: CommitPolicy::default(),
            instance: name.to_owned(),
            clock: Arc::new(SystemClock),
            status: Arc::new(StageStatus::new(name)),
        };
        thread::scope(|scope| {
            let worker = scope
                .spawn(|| Worker::run(Arc::clone(&self.log), Arc::new(stage), config, &shutdown));
            let partitions: Vec<_> = self.route(input).all().collect();
            let ends: Vec<_> = partitions
                .iter()
                .map(|p| Some(self.end(input, p.partition)).filter(|end| *end > 0))
                .collect();
            let started = Instant::now();
            while self
                .log
                .committed(&group(&self.topics, name), &partitions)
                .unwrap()
                != ends
            {
                assert!(
                    started.elapsed() < PATIENCE,
                    "{name} does not come to its end"
                );
                thread::sleep(Duration::from_millis(10));
            }
            shutdown.request();
            worker.join().unwrap().unwrap();
        });
    }

    /// Visits the last value of every key.
    fn values(&self, topic: &Topic, mut visit: impl FnMut(&[u8])) {
        let inspector = self.inspector();
        for partition in self.route(topic).all() {
            let mut last = std::collections::BTreeMap::new();
            inspector
                .scan_to_end(&partition, |record| {
                    last.insert(
                        record.key.map(<[u8]>::to_vec),
                        record.value.map(<[u8]>::to_vec),
                    );
                    Ok(())
                })
                .unwrap();
            last.values().flatten().for_each(|value| visit(value));
        }
    }

    /// Writes the ledger that a sink would, and says that it has taken all.
    fn deliver(&self) {
        let route = self.route(&BREVO_DELIVERIES);
        let mut unit = UnitOfWork::default();
        let mut confirm = |email: &str, id: &str, effect, activity_id: Option<&str>| {
            let delivery = Delivery {
                email: email.into(),
                effect_id: id.into(),
                effect,
                state: DeliveryState::Confirmed,
                activity_id: activity_id.map(Into::into),
                ..Delivery::default()
            };
            let value = DELIVERY.encoder().encode(&delivery);
            route.push(
                &mut unit.outputs,
                &key::join(email, id),
                Some(&mut |out| out.extend_from_slice(&value)),
                [],
            );
        };
        self.values(&ENGAGEMENT_CONTACTS, |value| {
            let contact: Contact<'_> = CONTACT.decode(value).unwrap();
            confirm(&contact.email, "contact", Effect::ContactUpsert, None);
        });
        self.values(&ENGAGEMENT_ACTIVITIES, |value| {
            let activity: Activity<'_> = ACTIVITY.decode(value).unwrap();
            for effect in wanted().effects(&activity, 0) {
                confirm(
                    &activity.email,
                    &effect.id.to_string(),
                    effect.id.effect(),
                    Some(&activity.id),
                );
            }
        });
        self.commit("by-hand", &BREVO_DELIVERIES, &unit);
        self.move_past("sink", &ENGAGEMENT_CONTACTS);
        self.move_past("sink", &ENGAGEMENT_ACTIVITIES);
    }

    fn inspector(&self) -> Inspector {
        Inspector::new(Arc::clone(&self.log), self.topics.clone())
    }

    fn audit(&self) -> AuditReport {
        self.inspector().audit(&wanted()).unwrap()
    }
}

/// A played account: webhooks with duplicates, late ones and lost ones, ticks, and two records that
/// can never succeed. The folder is made once and copied for each test.
fn played() -> Line {
    static PLAYED: OnceLock<TempDir> = OnceLock::new();
    let made = PLAYED.get_or_init(|| {
        let line = Line::open(tempfile::tempdir().unwrap());
        let plan = Plan::seeded(5, 40);
        let mut all = UnitOfWork::default();
        let route = line.route(&ZOOM_RAW);
        let mut encoder = RAW_RECORD.encoder();
        let deliveries = deliveries(&plan, &DeliveryFaults::default());
        let end = deliveries.last().expect("a story").due_ms + 30 * HOUR;
        for delivery in &deliveries {
            let raw = RawRecord {
                kind: RawKind::Webhook,
                received_at: delivery.due_ms,
                webhook: Some(WebhookDelivery { request_id: None, body: delivery.body.as_bytes() }),
                ..RawRecord::default()
            };
            let value = encoder.encode(&raw);
            let meeting_id = delivery.meeting_id.to_string();
            route.push(&mut all.outputs, &meeting_id, Some(&mut |out| out.extend_from_slice(&value)), []);
        }
        for at in [end - HOUR, end, end] {
            let raw = RawRecord { kind: RawKind::Tick, received_at: at, tick: Some(Tick { at }), ..RawRecord::default() };
            let value = encoder.encode(&raw);
            for partition in 0..route.partitions {
                all.outputs.push(&route.topic, partition, Some(b"tick"), Some(&mut |out: &mut Vec<u8>| out.extend_from_slice(&value)), []);
            }
        }
        line.commit("by-hand", &ZOOM_RAW, &all);
        line.append(&ZOOM_RAW, "junk", b"no Avro at all");
        line.append_webhook("1", br#"{"event":"meeting.registration_created","event_ts":1,"payload":{"object":{"id":1}}}"#);
        let settings = AttendanceSettings {
            no_show_proof: NoShowProof::Webhooks,
            internal_domains: plan.internal_domains,
            ..AttendanceSettings::default()
        };
        line.run(Attendance::new(settings, &line.topics), &ZOOM_RAW);
        line.run(Engagement::new(&line.topics), &ENGAGEMENT_ATTENDANCE);
        line.deliver();
        line.log.close().unwrap();
        line.folder
    });
    let copy = tempfile::tempdir().unwrap();
    copy_folder(made.path(), copy.path());
    Line::open(copy)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_played_account_adds_up() {
    let line = played();
    let report = line.audit();
    assert_eq!(report.faults, []);
    assert!(report.balances());
    let [attendance, engagement, sink] = &report.accounts[..] else {
        panic!("{report:?}")
    };
    assert_eq!(attendance.dead_letters, 2);
    for account in [attendance, engagement, sink] {
        assert!(account.effective > 10, "{account:?}");
        assert_eq!(
            (account.unaccounted(), account.waiting),
            (0, 0),
            "{account:?}"
        );
    }
    assert!(
        attendance.ignored > 10,
        "duplicates and ticks: {attendance:?}"
    );
}

#[test]
fn what_is_not_taken_yet_is_no_fault() {
    let line = played();
    line.append(&ZOOM_RAW, "junk", b"and this is none either");
    let report = line.audit();
    assert!(report.balances(), "{:?}", report.faults);
    assert_eq!(report.accounts[0].waiting, 1);
}

/// The sink settles a version when a later one takes its place, and that one may wait.
#[test]
fn a_contact_whose_later_version_waits_is_no_fault() {
    let line = played();
    let forget = |line: &Line| {
        let mut value = Vec::new();
        line.values(&ENGAGEMENT_CONTACTS, |contact| value = contact.to_vec());
        let contact: Contact<'_> = CONTACT.decode(&value).unwrap();
        let route = line.route(&BREVO_DELIVERIES);
        let mut unit = UnitOfWork::default();
        route.push(
            &mut unit.outputs,
            &key::join(&contact.email, "contact"),
            None,
            [],
        );
        line.commit("by-hand", &BREVO_DELIVERIES, &unit);
        (contact.email.to_string(), value)
    };
    let (email, value) = forget(&line);
    assert!(!line.audit().balances(), "no delivery of the contact");
    line.append(&ENGAGEMENT_CONTACTS, &email, &value);
    let report = line.audit();
    assert!(report.balances(), "{:?}", report.faults);
    assert_eq!(report.accounts[2].waiting, 1);
}

/// One thing is wrong, and the audit says it, and nothing else.
#[track_caller]
fn finds(break_it: impl FnOnce(&Line), faults: &[(&str, &str)]) {
    let line = played();
    break_it(&line);
    let report = line.audit();
    assert!(!report.balances());
    let mut found: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.stage.as_str(), fault.what.as_str()))
        .collect();
    for (stage, words) in faults {
        let place = found
            .iter()
            .position(|(of, what)| of == stage && what.contains(words));
        let place = place.unwrap_or_else(|| panic!("nobody says {words:?}: {found:?}"));
        found.remove(place);
    }
    assert_eq!(found, [], "and nothing else is wrong");
}

fn put<T: rollcall_schemas::avro::Encode>(
    line: &Line,
    topic: &Topic,
    schema: &'static RecordSchema,
    key: &str,
    value: &T,
) {
    line.append(topic, key, &schema.encoder().encode(value));
}

const CANCELLED: &str = r#"{"event":"meeting.registration_cancelled","event_ts":1772500000000,"payload":{"account_id":"a","object":{"id":86084701483,"uuid":"u","host_id":"h","type":2,"topic":"t","registrant":{"id":"r-left-out","email":"left@example.com","first_name":"Left","last_name":"Out"}}}}"#;

#[test]
fn a_record_that_was_dropped_is_found() {
    finds(
        |line| {
            line.append_webhook("86084701483", CANCELLED.as_bytes());
            line.move_past("attendance", &ZOOM_RAW);
        },
        &[("attendance", "is not in zoom.events")],
    );
}

#[test]
fn a_dead_letter_that_was_not_written_is_found() {
    finds(
        |line| {
            line.append(&ZOOM_RAW, "junk", b"and this is none either");
            line.move_past("attendance", &ZOOM_RAW);
        },
        &[("attendance", "no dead letter says so")],
    );
}

#[test]
fn an_event_from_nowhere_and_one_that_is_there_twice_are_found() {
    let event = ZoomEvent {
        event_id: "7 cafe".into(),
        kind: EventKind::Started,
        meeting_id: "7".into(),
        ..ZoomEvent::default()
    };
    finds(
        |line| put(line, &ZOOM_EVENTS, &ZOOM_EVENT, "7 cafe", &event),
        &[("attendance", "no record of zoom.raw comes to this event")],
    );
    finds(
        |line| {
            put(line, &ZOOM_EVENTS, &ZOOM_EVENT, "7 cafe", &event);
            put(line, &ZOOM_EVENTS, &ZOOM_EVENT, "7 cafe", &event);
        },
        &[
            ("attendance", "there twice"),
            ("attendance", "no record of zoom.raw comes to this event"),
        ],
    );
}

fn row(version: i64) -> AttendanceRow<'static> {
    AttendanceRow {
        email: "new@example.com".into(),
        occurrence: "7-20260302T080000Z".into(),
        meeting_id: "7".into(),
        version,
        status: AttendanceStatus::Registered,
        milestones: vec![Milestone {
            id: "registered:7:r".into(),
            kind: MilestoneKind::Registered,
            at: 1,
            ..Milestone::default()
        }],
        ..AttendanceRow::default()
    }
}

#[test]
fn a_row_of_which_nothing_was_made_is_found() {
    finds(
        |line| {
            put(
                line,
                &ENGAGEMENT_ATTENDANCE,
                &ATTENDANCE_ROW,
                "new@example.com 7-20260302T080000Z",
                &row(1),
            );
            line.move_past("engagement", &ENGAGEMENT_ATTENDANCE);
        },
        &[
            (
                "engagement",
                "its milestone registered:7:r is not in engagement.activities",
            ),
            ("engagement", "its person is not in engagement.contacts"),
        ],
    );
}

#[test]
fn a_version_of_a_row_that_was_lost_is_found() {
    finds(
        |line| {
            let mut value = Vec::new();
            line.values(&ENGAGEMENT_ATTENDANCE, |row| value = row.to_vec());
            let mut row: AttendanceRow<'_> = ATTENDANCE_ROW.decode(&value).unwrap();
            row.version += 1;
            let row_key = key::join(&row.email, &row.occurrence);
            put(
                line,
                &ENGAGEMENT_ATTENDANCE,
                &ATTENDANCE_ROW,
                &row_key,
                &row,
            );
            line.move_past("engagement", &ENGAGEMENT_ATTENDANCE);
        },
        &[("engagement", "rows come to version")],
    );
}

#[test]
fn a_contact_of_whom_nothing_is_known_is_found() {
    let contact = Contact {
        email: "nobody@example.com".into(),
        version: 1,
        ..Contact::default()
    };
    finds(
        |line| {
            put(
                line,
                &ENGAGEMENT_CONTACTS,
                &CONTACT,
                "nobody@example.com",
                &contact,
            )
        },
        &[("engagement", "no row of the person is there")],
    );
}

/// Lets the ledger say something else of the event of some activity.
fn retell(line: &Line, change: impl FnOnce(&mut Delivery<'_>)) {
    let mut value = Vec::new();
    line.values(&BREVO_DELIVERIES, |delivery| {
        if DELIVERY.decode::<Delivery<'_>>(delivery).unwrap().effect == Effect::Event {
            value = delivery.to_vec();
        }
    });
    let mut delivery: Delivery<'_> = DELIVERY.decode(&value).unwrap();
    change(&mut delivery);
    let delivery_key = key::join(&delivery.email, &delivery.effect_id);
    put(line, &BREVO_DELIVERIES, &DELIVERY, &delivery_key, &delivery);
}

#[test]
fn what_brevo_was_not_told_and_failures_without_a_word_are_found() {
    finds(
        |line| retell(line, |delivery| delivery.state = DeliveryState::Failed),
        &[("sink", "it failed, and no dead letter says so")],
    );
    finds(
        |line| retell(line, |delivery| delivery.state = DeliveryState::Skipped),
        &[("sink", "was skipped without a reason")],
    );
    finds(
        |line| {
            retell(line, |delivery| {
                delivery.effect_id = "event:attended:7".into();
                delivery.activity_id = Some(key::join(&delivery.email, "attended:7").into());
            });
        },
        &[("sink", "no activity asks for event:attended:7")],
    );
    finds(
        |line| {
            let mut value = Vec::new();
            line.values(&ENGAGEMENT_CONTACTS, |contact| value = contact.to_vec());
            let mut contact: Contact<'_> = CONTACT.decode(&value).unwrap();
            contact.version = i64::MAX;
            let email = contact.email.to_string();
            line.append(
                &BREVO_DELIVERIES,
                "unused@example.com contact",
                &DELIVERY.encoder().encode(&Delivery::default()),
            );
            put(line, &ENGAGEMENT_CONTACTS, &CONTACT, &email, &contact);
            let route = line.route(&BREVO_DELIVERIES);
            let mut unit = UnitOfWork::default();
            route.push(&mut unit.outputs, &key::join(&email, "contact"), None, []);
            line.commit("by-hand", &BREVO_DELIVERIES, &unit);
            line.move_past("sink", &ENGAGEMENT_CONTACTS);
        },
        &[("sink", "contact is not in brevo.deliveries")],
    );
}
