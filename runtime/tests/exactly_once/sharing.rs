//! Workers that come and go, and ones that are taken for dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall_runtime::status::PartitionState;
use rollcall_runtime::{Shutdown, Worker};

use crate::counting::Counting;
use crate::harness::{Cut, compare, config, feed, is_done, memory_log};

const CUT: Cut = Cut {
    batch_records: 3,
    unit_records: 10,
    flush_records: 25,
};

#[test]
fn partitions_move_between_workers_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(true);
    let stage = Counting::Count;
    let start = |name: &str| {
        let (log, config, shutdown) = (
            log.clone(),
            config(folder.path(), "count", name, CUT),
            Shutdown::default(),
        );
        let status = Arc::clone(&config.status);
        let handle = shutdown.clone();
        (
            std::thread::spawn(move || {
                Worker::run(Arc::new(log), Arc::new(stage), config, &shutdown)
            }),
            handle,
            status,
        )
    };
    let fed = AtomicBool::new(false);
    let mut all = Vec::new();
    for n in 0..3_000_u32 {
        all.push((
            n % 3,
            format!("key-{}", n % 13),
            format!("value-{}", n % 2_500),
        ));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for some in all.chunks(50) {
                feed(&log, some);
                std::thread::sleep(Duration::from_millis(2));
            }
            fed.store(true, Ordering::Release);
        });
        let (steady, stop_steady, status) = start("steady");
        let mut rounds = 0;
        while !(fed.load(Ordering::Acquire) && is_done(&log, &stage)) {
            let (guest, stop_guest, _) = start("guest");
            std::thread::sleep(Duration::from_millis(15));
            log.time_out(
                "rollcall-count",
                if rounds % 2 == 0 { "steady" } else { "guest" },
            );
            std::thread::sleep(Duration::from_millis(15));
            stop_guest.request();
            guest.join().unwrap().unwrap();
            rounds += 1;
        }
        assert!(rounds > 1, "partitions moved while records came");
        while !(status.snapshot().is_ready() && status.snapshot().partitions.len() == 3) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let snapshot = status.snapshot();
        assert!(
            snapshot
                .partitions
                .values()
                .all(|partition| partition.state == PartitionState::Running)
        );
        stop_steady.request();
        steady.join().unwrap().unwrap();
        assert!(status.snapshot().partitions.is_empty());
    });
    compare(&log, stage, folder.path(), &all);
}
