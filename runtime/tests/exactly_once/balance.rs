//! The accounts balance: what went in is what had an effect, what had none, and what is dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use rollcall_eventlog::EventLog;
use rollcall_runtime::{Shutdown, Worker};
use rollcall_schemas::catalogue::DEAD_LETTERS;

use crate::counting::{Counting, EVENTS};
use crate::faults::{Disk, Fault, Faults, FaultyLog};
use crate::harness::{Cut, Engine, config, feed, is_done, records, settings};

const CUT: Cut = Cut {
    batch_records: 8,
    unit_records: 8,
    flush_records: 1_000,
};

#[test]
fn metrics_status_and_topics_agree_whatever_was_aborted() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Engine::Embedded.open(&folder.path().join("log"));
    let input: Vec<_> = (0..90_u32)
        .map(|n| {
            let value = match n % 9 {
                0 => String::new(),
                1 => format!("!{n}"),
                2 => "the same".to_owned(),
                _ => format!("value-{n}"),
            };
            (n % 3, format!("key-{}", n % 4), value)
        })
        .collect();
    feed(inner.as_ref(), &input);
    let faults = Faults {
        commits: &[
            Fault::None,
            Fault::Aborted,
            Fault::UnclearNotCommitted,
            Fault::Aborted,
        ],
        reads: &[],
    };
    let disk = Arc::new(Disk::new(folder.path().join("state"), &faults));
    let log: Arc<dyn EventLog> = Arc::new(FaultyLog {
        inner: Arc::clone(&inner),
        disk: Arc::clone(&disk),
    });
    let config = config(&disk.folder, "count", "worker", CUT);
    let (status, shutdown) = (Arc::clone(&config.status), Shutdown::default());
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = recorder.handle();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            metrics::with_local_recorder(&recorder, || {
                Worker::run(
                    Arc::clone(&log),
                    Arc::new(Counting::Count),
                    config,
                    &shutdown,
                )
            })
        });
        while !(worker.is_finished() || is_done(inner.as_ref(), &Counting::Count)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        shutdown.request();
        worker.join().unwrap().unwrap();
    });

    let text = rendered.render();
    let metrics: BTreeMap<&str, u64> = text
        .lines()
        .filter(|line| line.contains("_records_total{"))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap())
        })
        .collect();
    let of =
        |name: &str| metrics[&*format!("rollcall_stage_{name}_records_total{{stage=\"count\"}}")];
    let letters = records(inner.as_ref(), &settings().name(&DEAD_LETTERS)).len() as u64;
    let events = records(inner.as_ref(), EVENTS).len() as u64;
    let rows = records(inner.as_ref(), Counting::Count.rows()).len() as u64;
    assert_eq!(metrics["rollcall_stage_records_total{stage=\"count\"}"], 90);
    assert_eq!(of("effective"), events);
    assert_eq!(
        metrics["rollcall_stage_ignored_records_total{stage=\"count\",reason=\"empty\"}"],
        10
    );
    assert_eq!(
        metrics["rollcall_stage_ignored_records_total{stage=\"count\",reason=\"duplicate\"}"],
        9
    );
    assert_eq!(
        metrics["rollcall_stage_dead_records_total{stage=\"count\",class=\"shout\"}"],
        letters
    );
    assert_eq!(events + 10 + 9 + letters, 90);
    assert_eq!(of("output"), events + rows + letters);
    assert_eq!(status.snapshot().records, 90);
    assert!(
        text.contains("rollcall_stage_commits_total{stage=\"count\",result=\"aborted\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("rollcall_stage_commits_total{stage=\"count\",result=\"unclear\"} 1"),
        "{text}"
    );
}
