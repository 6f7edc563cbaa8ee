//! What a person has tried again: it moves nothing else, and outlives the process that took it.

use rollcall_eventlog::EventLog as _;
use rollcall_sandbox::brevo::{Behaviour, FaultRates};
use rollcall_schemas::catalogue::{DEAD_LETTERS, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS};
use rollcall_schemas::record::{DeliveryState, MilestoneKind};
use rollcall_sink::plan::Taken;
use rollcall_sink::progress::SourceTopic;
use rollcall_sink::sink::Redrive;
use rollcall_sink::{Options, RedriveError};

use crate::line::{Brevo, Line, Running, activity, contact, options};

const ANN: &str = "ann@example.com";
/// An address that the log takes and Brevo does not.
const ODD: &str = "ann@localhost";

/// What the group has committed of a topic, and where its partitions end.
fn positions(line: &Line, topic: &rollcall_schemas::catalogue::Topic) -> (Vec<i64>, Vec<i64>) {
    let partitions: Vec<_> = line.topics.route(topic).all().collect();
    let ends: Vec<_> = partitions
        .iter()
        .map(|partition| line.log.offsets(partition).unwrap().end)
        .collect();
    let committed = line.log.committed("acme.rollcall-sink", &partitions);
    let committed = committed.unwrap().into_iter();
    (committed.map(Option::unwrap_or_default).collect(), ends)
}

/// A re-drive of the record that the first dead letter of a topic was made of.
fn redrive_of(line: &Line, topic: SourceTopic) -> Redrive {
    let (key, _, headers) = line
        .records(&DEAD_LETTERS)
        .into_iter()
        .find(|(_, _, headers)| headers["rollcall.error.topic"].ends_with(topic.name()))
        .unwrap();
    Redrive {
        topic,
        key: key.into_bytes(),
        offset: headers["rollcall.error.offset"].parse().unwrap(),
    }
}

fn wait_until_idle(sink: &Running) {
    sink.wait("a standstill", |status| {
        status.active && status.paused.is_none() && status.is_drained()
    });
}

#[test]
fn after_a_restart_it_moves_no_position_back() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let people: Vec<_> = (0..20).map(|n| format!("person{n}@example.com")).collect();
    let contacts: Vec<_> = people.iter().map(|email| contact(email, 1)).collect();
    line.append(&contacts, &[]);
    line.append(&[contact(ODD, 1)], &[]);
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("all", |status| {
        status.confirmed.contacts == 20 && status.failed == 1 && status.is_drained()
    });
    sink.stop();
    let drained = positions(&line, &ENGAGEMENT_CONTACTS);
    assert_eq!(drained.0, drained.1);

    let sink = line.sink(&brevo, options(&brevo));
    wait_until_idle(&sink);
    let redrive = redrive_of(&line, SourceTopic::Contacts);
    let taken = brevo.runtime.block_on(sink.handle.redrive(redrive));
    assert_eq!(taken, Ok(Taken::Effective));
    sink.wait("another try", |status| {
        status.failed == 1 && status.is_drained()
    });
    sink.stop();
    assert_eq!(positions(&line, &ENGAGEMENT_CONTACTS), drained);
}

/// The log is taken away while Brevo lets the sink wait: what was told to be taken is done after it.
#[test]
fn what_was_told_to_be_taken_is_done_after_the_process_died() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    line.append(
        &[contact(ODD, 1), contact(ANN, 1)],
        &[(activity(ODD, MilestoneKind::NoShow, "1"), 1)],
    );
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("both", |status| status.failed == 2 && status.is_drained());
    sink.stop();
    let (contacts, activities) = (
        positions(&line, &ENGAGEMENT_CONTACTS),
        positions(&line, &ENGAGEMENT_ACTIVITIES),
    );
    let dead = line.records(&DEAD_LETTERS).len();

    let sink = line.sink(&brevo, options(&brevo));
    wait_until_idle(&sink);
    brevo.account.set_fault_rates(FaultRates {
        server_error: 1.0,
        ..FaultRates::NONE
    });
    for topic in [SourceTopic::Contacts, SourceTopic::Activities] {
        let redrive = redrive_of(&line, topic);
        let taken = brevo.runtime.block_on(sink.handle.redrive(redrive));
        assert_eq!(taken, Ok(Taken::Effective));
    }
    sink.cut(line);

    brevo.account.set_fault_rates(FaultRates::NONE);
    let line = Line::open(folder.path());
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("the same end as before", |status| {
        status.failed == 2 && status.is_drained()
    });
    sink.stop();
    assert_eq!(line.records(&DEAD_LETTERS).len(), dead + 2);
    assert_eq!(
        line.ledger()[&format!("{ODD} contact")],
        DeliveryState::Failed
    );
    assert_eq!(positions(&line, &ENGAGEMENT_CONTACTS), contacts);
    assert_eq!(positions(&line, &ENGAGEMENT_ACTIVITIES), activities);
}

#[test]
fn only_the_active_one_takes_it_and_only_where_there_is_something_to_take() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    line.append(&[contact(ANN, 1)], &[]);
    let first = line.sink(&brevo, options(&brevo));
    first.wait("Ann", |status| {
        status.confirmed.contacts == 1 && status.is_drained()
    });
    let second = line.sink(
        &brevo,
        Options {
            instance: "two".to_owned(),
            ..options(&brevo)
        },
    );
    let of = |key: &str| Redrive {
        topic: SourceTopic::Contacts,
        key: key.as_bytes().to_vec(),
        offset: 0,
    };
    let ask = |sink: &Running, key| brevo.runtime.block_on(sink.handle.redrive(of(key)));
    assert_eq!(ask(&second, ANN), Err(RedriveError::NotActive));
    assert_eq!(ask(&first, ANN), Ok(Taken::Ignored("version_known")));
    assert_eq!(ask(&first, "nobody@example.com"), Err(RedriveError::Gone));
    let ended = first.handle.clone();
    first.stop();
    second.stop();
    assert_eq!(
        brevo.runtime.block_on(ended.redrive(of(ANN))),
        Err(RedriveError::NotDurable)
    );
}

#[test]
fn a_sink_that_cannot_use_the_account_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let mut wrong = options(&brevo);
    wrong.lists.webinar_attendees = Some(999);
    let sink = line.sink(&brevo, wrong);
    sink.wait("the lease", |status| status.active);
    let redrive = Redrive {
        topic: SourceTopic::Contacts,
        key: ANN.as_bytes().to_vec(),
        offset: 0,
    };
    let refused = brevo.runtime.block_on(sink.handle.redrive(redrive));
    let Err(RedriveError::Paused { reason }) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("list 999"), "{reason}");
    sink.stop();
}
