//! What is wrong with the account, with a record, or with Brevo, ends as it should.

use std::sync::Arc;

use rollcall_eventlog::EventLog as _;
use rollcall_sandbox::brevo::{Behaviour, Fault, FaultOrder, FaultRates};
use rollcall_schemas::catalogue::DEAD_LETTERS;
use rollcall_schemas::record::{DeliveryState, MilestoneKind};
use rollcall_sink::limits::Plan;
use rollcall_sink::plan::Taken;
use rollcall_sink::progress::SourceTopic;
use rollcall_sink::sink::Redrive;
use rollcall_sink::{FieldMapping, Options, Sink, SinkError, UpdatePolicy};

use crate::busy::BusyLog;
use crate::line::{Brevo, Line, activity, contact, options};

const ANN: &str = "ann@example.com";

fn order(fault: Fault, times: u32, method: &str, path: &str) -> FaultOrder {
    FaultOrder {
        fault,
        times,
        method: Some(method.into()),
        path: Some(path.into()),
    }
}

#[test]
fn a_refused_key_pauses_and_the_sink_goes_on_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    brevo
        .account
        .order(order(Fault::UnrecognisedIp, 1, "POST", "/v3/events"));
    line.append(
        &[contact(ANN, 1)],
        &[(activity(ANN, MilestoneKind::NoShow, "1"), 1)],
    );
    let sink = line.sink(&brevo, options(&brevo));
    let paused = |status: &rollcall_sink::SinkStatus| {
        status
            .paused
            .as_deref()
            .is_some_and(|reason| reason.contains("https://app.brevo.com/security/authorised_ips"))
    };
    let status = sink.wait("the pause", paused);
    assert_eq!((status.activities_waiting, status.failed), (1, 0));
    sink.wait("the end of it", |status| {
        status.confirmed.events == 1 && status.paused.is_none()
    });
    sink.stop();
    assert!(line.records(&DEAD_LETTERS).is_empty());
}

#[test]
fn a_full_disk_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    line.append(
        &[contact(ANN, 1)],
        &[(activity(ANN, MilestoneKind::NoShow, "1"), 1)],
    );
    line.log.close().unwrap();
    let line = Line::open_full(folder.path());
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("the wait for room", |status| {
        status
            .paused
            .as_deref()
            .is_some_and(|reason| reason.contains("make room"))
    });
    sink.stop();
    assert!(
        brevo.account.snapshot().events.is_empty(),
        "what happens once is not sent before the ledger has it"
    );
    line.log.close().unwrap();

    let line = Line::open(folder.path());
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("the event", |status| status.confirmed.events == 1);
    sink.stop();
}

#[test]
fn a_log_that_takes_no_commit_for_long_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    line.append(
        &[contact(ANN, 1)],
        &[(activity(ANN, MilestoneKind::NoShow, "1"), 1)],
    );
    let log = Arc::new(BusyLog::over(line.log.clone()));
    let sink = line.sink_on(log.clone(), &brevo, options(&brevo));
    sink.wait("the first session", |status| status.active);
    let readers = log.readers();
    sink.wait("another session", |_| log.readers() > readers);
    log.takes_commits_again();
    sink.wait("the event", |status| status.confirmed.events == 1);
    sink.stop();
}

#[test]
fn an_attribute_that_is_missing_stops_the_start_or_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let mut options = options(&brevo);
    options.field_mapping.push(FieldMapping {
        field: "custom_questions.Role".into(),
        attribute: "zoom_role".into(),
        update: UpdatePolicy::Always,
    });
    let new = |options: Options| {
        Sink::new(
            options,
            line.log.clone(),
            line.topics.clone(),
            brevo.runtime.handle().clone(),
        )
        .unwrap()
    };
    let error = brevo
        .runtime
        .block_on(new(options.clone()).check())
        .unwrap_err();
    assert!(matches!(error, SinkError::Check(_)));
    assert_eq!(
        error.to_string(),
        "Brevo's account is not as the configuration says:\n  attribute ZOOM_ROLE (for custom_questions.Role) does not exist: create it with type text, or set brevo.create_attributes: true"
    );
    options.create_attributes = true;
    brevo
        .runtime
        .block_on(new(options.clone()).check())
        .unwrap();
    options.create_attributes = false;
    brevo.runtime.block_on(new(options).check()).unwrap();
}

#[test]
fn a_list_that_does_not_exist_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let mut options = options(&brevo);
    options.lists.webinar_attendees = Some(999);
    let sink = line.sink(&brevo, options);
    sink.wait("the pause", |status| {
        status.paused.as_deref().is_some_and(|reason| {
            reason.contains("list 999 (connectors.zoom.lists.webinar_attendees) does not exist")
        })
    });
    sink.stop();
}

#[test]
fn what_never_can_succeed_is_a_dead_letter_whole_and_can_be_re_driven() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    // An address that the log takes and Brevo does not.
    let odd = "ann@localhost";
    line.append(
        &[contact(odd, 1), contact(ANN, 1)],
        &[
            (activity(odd, MilestoneKind::NoShow, "1"), 1),
            (activity(ANN, MilestoneKind::NoShow, "1"), 1),
        ],
    );
    let sink = line.sink(&brevo, options(&brevo));
    let status = sink.wait("both", |status| {
        status.failed == 2 && status.confirmed.events == 1 && status.is_drained()
    });
    assert_eq!(status.confirmed.contacts, 1);

    let dead = line.records(&DEAD_LETTERS);
    assert_eq!(dead.len(), 2);
    let (key, _, headers) = dead.iter().find(|(key, ..)| key == odd).unwrap();
    assert_eq!(headers["rollcall.error.class"], "contact_refused");
    assert_eq!(
        headers["rollcall.error.message"],
        "contact: 400 invalid_parameter: Invalid email address"
    );
    assert_eq!(
        (
            &*headers["rollcall.error.stage"],
            &*headers["rollcall.error.topic"]
        ),
        ("sink", "acme.engagement.contacts")
    );
    let offset = headers["rollcall.error.offset"].parse().unwrap();
    assert_eq!(
        line.ledger()[&format!("{odd} contact")],
        DeliveryState::Failed
    );

    // Re-driven, it is tried again; what fails again is a dead letter again.
    let redrive = Redrive {
        topic: SourceTopic::Contacts,
        key: key.clone().into_bytes(),
        offset,
    };
    let taken = brevo.runtime.block_on(sink.handle.redrive(redrive));
    assert_eq!(taken, Ok(Taken::Effective));
    sink.wait("another try", |status| {
        status.failed == 3 && status.is_drained()
    });
    sink.stop();
    assert_eq!(line.records(&DEAD_LETTERS).len(), 3);
}

#[test]
fn a_lost_answer_is_looked_up_and_nothing_is_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    brevo
        .account
        .order(order(Fault::AnswerLost, 1, "POST", "/v3/events"));
    brevo.account.order(order(
        Fault::GatewayTimeoutPage { after_effect: true },
        1,
        "POST",
        "/v3/contacts/lists",
    ));
    brevo.account.order(order(
        Fault::ServerError {
            status: 503,
            after_effect: false,
        },
        1,
        "GET",
        "/v3/events",
    ));
    line.append(
        &[contact(ANN, 1)],
        &[
            (activity(ANN, MilestoneKind::Attended, "1"), 1),
            (activity(ANN, MilestoneKind::RecordingReady, "1"), 1),
        ],
    );
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("all", |status| {
        status.confirmed.events == 2 && status.confirmed.list_additions == 1 && status.is_drained()
    });
    sink.stop();
    let held = brevo.account.snapshot();
    assert_eq!(held.events.len(), 2);
    assert!(held.repeated_additions.is_empty());
    assert_eq!(
        held.requests.get("GET /v3/contacts/{identifier} 200"),
        Some(&1)
    );
}

#[test]
fn a_429_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    brevo.account.order(order(
        Fault::TooManyRequests { headers: true },
        1,
        "POST",
        "/v3/contacts",
    ));
    brevo.account.order(order(
        Fault::TooManyRequests { headers: false },
        1,
        "POST",
        "/v3/events",
    ));
    line.append(
        &[contact(ANN, 1)],
        &[(activity(ANN, MilestoneKind::NoShow, "1"), 1)],
    );
    let sink = line.sink(
        &brevo,
        Options {
            plan: Plan::Extended,
            ..options(&brevo)
        },
    );
    sink.wait("both", |status| {
        status.confirmed.contacts == 1 && status.confirmed.events == 1
    });
    sink.stop();
    let held = brevo.account.snapshot();
    assert_eq!(held.requests.get("POST /v3/events 429"), Some(&1));
    assert_eq!((held.events.len(), held.contacts.len()), (1, 1));
}

#[test]
fn an_attribute_that_is_not_blank_is_left_alone_where_so_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let mut options = options(&brevo);
    options.field_mapping[0].update = UpdatePolicy::IfBlank;
    line.append(&[contact(ANN, 1)], &[]);
    let sink = line.sink(&brevo, options.clone());
    sink.wait("the first", |status| status.confirmed.contacts == 1);
    let mut renamed = contact(ANN, 2);
    renamed.name = Some("Somebody else".into());
    line.append(&[renamed], &[]);
    sink.wait("the second", |status| status.confirmed.contacts == 2);
    sink.stop();
    let held = brevo.account.snapshot();
    assert_eq!(held.contacts[ANN].attributes["FIRSTNAME"], "Ann");
    assert_eq!(held.contacts[ANN].attributes["MEETING_DURATION"], 120);
}
