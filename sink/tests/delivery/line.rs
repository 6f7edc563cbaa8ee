//! A log with contacts and activities, a Brevo account, and a sink between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, Header, Member, MemberConfig, OutputBatch, Polled, UnitOfWork};
use rollcall_runtime::clock::Clock;
use rollcall_runtime::secret::Secret;
use rollcall_runtime::{Shutdown, TopicSettings};
use rollcall_sandbox::account;
use rollcall_sandbox::brevo::{Behaviour, BrevoAccount, BrevoOptions, FaultRates, RateLimits};
use rollcall_sandbox::zoom::VirtualClock;
use rollcall_schemas::catalogue::{
    BREVO_DELIVERIES, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS, LEASES, Topic,
};
use rollcall_schemas::record::{
    Activity, Contact, Delivery, DeliveryState, LastOccurrence, MilestoneKind,
};
use rollcall_schemas::wire::{ACTIVITY, CONTACT, DELIVERY};
use rollcall_sink::limits::Plan;
use rollcall_sink::{
    FieldMapping, Lists, Options, Sink, SinkError, SinkHandle, SinkStatus, UpdatePolicy,
};

/// 2026-09-14T15:00:00Z.
pub(crate) const START_MS: i64 = 1_789_398_000_000;
pub(crate) const API_KEY: &str = "xkeysib-sandbox";
/// Only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

struct Standing;

impl Clock for Standing {
    fn now_ms(&self) -> i64 {
        START_MS + 60_000
    }
}

/// A Brevo account on loopback, with the runtime that it and the sink's requests live on.
pub(crate) struct Brevo {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) account: BrevoAccount,
}

impl Brevo {
    pub(crate) fn start(faults: FaultRates, behaviour: Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let account = runtime
            .block_on(BrevoAccount::start(BrevoOptions {
                listen: ([127, 0, 0, 1], 0).into(),
                api_key: API_KEY.to_owned(),
                rate_limits: RateLimits::NONE,
                faults,
                seed: 7,
                behaviour,
                lists: account::Lists::default(),
                clock: VirtualClock::standing_at(START_MS),
            }))
            .unwrap();
        Self { runtime, account }
    }
}

pub(crate) fn options(brevo: &Brevo) -> Options {
    let lists = account::Lists::default();
    let mapping = [
        ("name", "FIRSTNAME"),
        ("duration", "MEETING_DURATION"),
        ("join_time", "MEETING_JOIN_DATE"),
    ];
    Options {
        api_url: brevo.account.api_url(),
        api_key: Secret::new(API_KEY),
        plan: Plan::Unlimited,
        share_of_limits: 1.0,
        lists: Lists {
            meeting_participants: Some(lists.meeting_participants),
            webinar_attendees: Some(lists.webinar_attendees),
            webinar_registrants: Some(lists.webinar_registrants),
        },
        field_mapping: mapping
            .map(|(field, attribute)| FieldMapping {
                field: field.into(),
                attribute: attribute.into(),
                update: UpdatePolicy::Always,
            })
            .to_vec(),
        events: Options::all_events(),
        max_activity_age: Duration::from_secs(72 * 3600),
        verify_after: vec![Duration::from_millis(50), Duration::from_millis(200)],
        create_attributes: false,
        show_addresses: false,
        instance: "one".to_owned(),
        clock: Arc::new(Standing),
    }
}

/// A log in a folder.
pub(crate) struct Line {
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) topics: TopicSettings,
}

impl Line {
    pub(crate) fn open(folder: &Path) -> Self {
        Self::with(EmbeddedConfig::new(folder))
    }

    /// On a disk that has no room for another record.
    pub(crate) fn open_full(folder: &Path) -> Self {
        let mut config = EmbeddedConfig::new(folder);
        config.reserve_bytes = u64::MAX;
        Self::with(config)
    }

    fn with(config: EmbeddedConfig) -> Self {
        let log = EmbeddedLog::open(config).unwrap();
        let topics = TopicSettings {
            prefix: "acme.".into(),
            ..TopicSettings::default()
        };
        log.ensure_topics(&topics.configs()).unwrap();
        Self { log, topics }
    }

    /// Starts a sink, and gives what tells of it and what ends it.
    pub(crate) fn sink(&self, brevo: &Brevo, options: Options) -> Running {
        self.sink_on(Arc::clone(&self.log) as _, brevo, options)
    }

    /// The same on what stands before the log.
    pub(crate) fn sink_on(
        &self,
        log: Arc<dyn EventLog>,
        brevo: &Brevo,
        options: Options,
    ) -> Running {
        let sink = Sink::new(
            options,
            log,
            self.topics.clone(),
            brevo.runtime.handle().clone(),
        )
        .unwrap();
        let handle = sink.handle();
        let shutdown = Shutdown::default();
        let asked = shutdown.clone();
        let thread = std::thread::spawn(move || sink.run(&asked));
        Running {
            handle,
            shutdown,
            thread,
        }
    }

    fn writer(&self) -> Box<dyn Member> {
        let config = MemberConfig {
            group: "acme.writer".to_owned(),
            topics: vec![self.topics.name(&LEASES)],
            instance: "writer".to_owned(),
        };
        let mut member = self.log.join(config).unwrap();
        while !matches!(
            member.poll(1, Duration::from_secs(1)).unwrap(),
            Polled::Assigned(_)
        ) {}
        member
    }

    /// Appends contacts and activities, all at once.
    pub(crate) fn append(&self, contacts: &[Contact<'_>], activities: &[(Activity<'_>, i64)]) {
        let mut outputs = OutputBatch::default();
        let mut encoder = CONTACT.encoder();
        let route = self.topics.route(&ENGAGEMENT_CONTACTS);
        for contact in contacts {
            route.push(
                &mut outputs,
                &contact.email,
                Some(&mut |out| encoder.encode_into(contact, out)),
                [],
            );
        }
        let mut encoder = ACTIVITY.encoder();
        let route = self.topics.route(&ENGAGEMENT_ACTIVITIES);
        for (activity, version) in activities {
            let version = version.to_string();
            let header = Header {
                name: "contact-version",
                value: version.as_bytes(),
            };
            route.push(
                &mut outputs,
                &activity.id,
                Some(&mut |out| encoder.encode_into(activity, out)),
                [header],
            );
        }
        let mut writer = self.writer();
        writer
            .commit(&UnitOfWork {
                outputs,
                offsets: Vec::new(),
            })
            .unwrap();
        writer.leave();
    }

    /// Every record of a topic as key, value and headers.
    pub(crate) fn records(
        &self,
        topic: &Topic,
    ) -> Vec<(String, Vec<u8>, BTreeMap<String, String>)> {
        let partitions: Vec<_> = self
            .topics
            .route(topic)
            .all()
            .map(|p| (p.clone(), self.log.offsets(&p).unwrap()))
            .collect();
        let from: Vec<_> = partitions
            .iter()
            .map(|(p, offsets)| (p.clone(), offsets.start))
            .collect();
        let mut left: BTreeMap<_, _> = partitions
            .into_iter()
            .filter(|(_, o)| o.start < o.end)
            .map(|(p, o)| (p, o.end))
            .collect();
        let mut reader = self.log.reader(&from).unwrap();
        let mut all = Vec::new();
        while !left.is_empty() {
            let Some(batch) = reader.poll(1000, Duration::from_secs(5)).unwrap() else {
                continue;
            };
            for record in batch.iter() {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = record
                    .headers
                    .iter()
                    .map(|h| (h.name.to_owned(), text(h.value)))
                    .collect();
                all.push((
                    text(record.key.unwrap()),
                    record.value.unwrap_or_default().to_vec(),
                    headers,
                ));
            }
            if left
                .get(batch.partition())
                .is_some_and(|end| batch.next_offset() >= *end)
            {
                left.remove(batch.partition());
            }
        }
        all
    }

    /// The last state of every effect in the ledger.
    pub(crate) fn ledger(&self) -> BTreeMap<String, DeliveryState> {
        let records = self.records(&BREVO_DELIVERIES);
        records
            .into_iter()
            .map(|(key, value, _)| (key, DELIVERY.decode::<Delivery<'_>>(&value).unwrap().state))
            .collect()
    }
}

/// A sink on a thread of its own.
pub(crate) struct Running {
    pub(crate) handle: SinkHandle,
    shutdown: Shutdown,
    thread: JoinHandle<Result<(), SinkError>>,
}

impl Running {
    /// Waits until the status is as wanted.
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
        let began = Instant::now();
        loop {
            let status = self.handle.status();
            if wanted(&status) {
                return status;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for {what}: {status:?}"
            );
            assert!(!self.thread.is_finished(), "the sink ended");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it in peace.
    pub(crate) fn stop(self) {
        self.shutdown.request();
        self.thread.join().unwrap().unwrap();
    }

    /// Takes the log away under it, and waits until it is gone: what is in flight stays unanswered.
    pub(crate) fn cut(self, line: Line) {
        line.log.close().unwrap();
        self.thread.join().unwrap().expect_err("its log is closed");
    }
}

pub(crate) fn contact(email: &str, version: i64) -> Contact<'_> {
    Contact {
        email: email.into(),
        version,
        name: Some("Ann".into()),
        last: Some(LastOccurrence {
            occurrence: "1".into(),
            attendance_status: "attended".into(),
            duration: Some(version * 60),
            join_time: Some(START_MS),
            time_zone: Some("Europe/Berlin".into()),
            ..LastOccurrence::default()
        }),
        ..Contact::default()
    }
}

pub(crate) fn activity<'a>(email: &'a str, kind: MilestoneKind, about: &str) -> Activity<'a> {
    Activity {
        id: format!("{email} {kind:?}:{about}").into(),
        email: email.into(),
        kind,
        at: START_MS,
        occurrence: about.to_owned().into(),
        meeting_id: "1".into(),
        webinar: true,
        topic: Some("Churn".into()),
        ..Activity::default()
    }
}
