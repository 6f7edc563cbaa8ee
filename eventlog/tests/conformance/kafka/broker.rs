//! A broker of a test's own, and one that is killed under load.

use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall_eventlog::CommitError;
use rollcall_eventlog::kafka::KafkaLog;
use tempfile::TempDir;

use crate::harness::{assigned, committed, join, partition, started, topic, unique, unit, values};

/// A broker of one test alone, which is killed with it.
pub(super) struct Broker {
    home: TempDir,
    pub(super) address: String,
}

impl Broker {
    pub(super) fn start() -> Self {
        let home = TempDir::new().unwrap();
        let address = command(&home, "start");
        Self { home, address }
    }

    /// Kills it as a power cut would, and starts it again at the same address.
    fn kill_and_start(&self) {
        command(&self.home, "kill");
        assert_eq!(command(&self.home, "start"), self.address);
    }

    /// Sends its process a signal.
    pub(super) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.home.path().join("pid")).unwrap();
        let sent = Command::new("kill")
            .args([format!("-{name}"), pid.trim().to_owned()])
            .status();
        assert!(sent.unwrap().success(), "sending SIG{name}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        command(&self.home, "kill");
    }
}

fn command(home: &TempDir, command: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka.sh");
    let output = Command::new(script)
        .arg(command)
        .env("ROLLCALL_KAFKA_HOME", home.path())
        .env("KAFKA_HEAP", "256m")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "kafka.sh {command}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_broker_that_is_killed_costs_time_and_no_records() {
    if super::brokers().is_none() {
        return;
    }
    let broker = Broker::start();
    let log = KafkaLog::open(super::patient(broker.address.clone())).unwrap();
    let (topic, group) = (topic(&*log, "broker", 1), unique("group"));
    let source = partition(&topic, 0);
    let mut member = join(&*log, &group, &topic, "one");
    started(&mut *member);

    let last = 60;
    std::thread::scope(|scope| {
        let mut outage = None;
        let mut next = 0;
        while next < last {
            if next == last / 2 {
                outage.get_or_insert_with(|| scope.spawn(|| broker.kill_and_start()));
            }
            let value = next.to_string();
            let one = unit(&[(&topic, 0, "k", &value)], &[(source.clone(), next + 1)]);
            match member.commit(&one) {
                Ok(()) => next += 1,
                Err(CommitError::Aborted { .. }) => {}
                Err(CommitError::Unclear { reason }) => {
                    eprintln!("joining anew: {reason}");
                    member = join(&*log, &group, &topic, "one");
                    next = assigned(&mut *member)[0].1.expect("committed before");
                    member.start(&[(source.clone(), next)]).unwrap();
                }
                Err(error) => panic!("{error:?}"),
            }
            // Most of the outage is to be seen.
            if outage.as_ref().is_some_and(|outage| !outage.is_finished()) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        outage.expect("an outage").join().unwrap();
    });
    let wanted: Vec<_> = (0..last).map(|number| number.to_string()).collect();
    assert_eq!(values(&*log, &source), wanted);
    assert_eq!(committed(&*log, &group, &source), Some(last));
}
