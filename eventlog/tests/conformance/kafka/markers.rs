//! Transactions leave markers in a partition, which are offsets without a record.

use rollcall_eventlog::kafka::KafkaLog;
use rollcall_eventlog::{EventLog, Polled};

use crate::harness::{
    POLL, eventually, join, partition, seen, started, topic, unique, unit, values,
};

#[test]
fn transaction_markers_are_passed_at_the_end_of_a_partition() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let topic = topic(&*log, "markers", 1);
    let source = partition(&topic, 0);
    let mut writer = join(&*log, &unique("writer"), &topic, "one");
    for value in ["a", "b"] {
        writer
            .commit(&unit(&[(&topic, 0, "k", value)], &[]))
            .unwrap();
    }
    // Two records, each with a marker behind it.
    let offsets = log.offsets(&source).unwrap();
    assert_eq!((offsets.start, offsets.end), (0, 4));

    let mut member = join(&*log, &unique("group"), &topic, "reader");
    started(&mut *member);
    let (mut read, mut position) = (Vec::new(), 0);
    eventually("the end, past the last marker", || {
        if let Polled::Records(batch) = member.poll(100, POLL).unwrap() {
            read.extend(seen(&batch).into_iter().filter_map(|(_, value)| value));
            position = batch.next_offset();
        }
        (position == 4).then_some(())
    });
    assert_eq!(read, ["a", "b"]);
    assert_eq!(values(&*log, &source), ["a", "b"]);
}
