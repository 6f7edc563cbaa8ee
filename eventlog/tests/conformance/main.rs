//! What both engines must do, and what each of them alone must survive.
//!
//! Each test of [`on_both_engines`] runs on the embedded log, and on the Kafka cluster of
//! `KAFKA_BROKERS` where that is set (`scripts/kafka.sh start` prints it).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stderr,
    reason = "a skipped test says so, and another its seed"
)]

mod atomicity;
mod back_pressure;
mod closing;
mod compaction;
mod embedded;
mod fencing;
mod harness;
mod kafka;
mod killed;
mod lease;
mod order;
mod reading;
mod retention;
mod sharing;
mod time;
mod topics;

/// The log of another engine of this or another process, by its
/// [`address`](harness::Engine::address).
fn engine_at(address: &str) -> Box<dyn harness::Engine> {
    match address.split_once(':') {
        Some(("embedded", path)) => Box::new(embedded::EmbeddedEngine::at(path)),
        Some(("kafka", brokers)) => Box::new(kafka::KafkaEngine::at(brokers)),
        _ => panic!("{address} is no address of a log"),
    }
}

/// Makes a test of each function, on each engine.
macro_rules! on_both_engines {
    ($($module:ident { $($test:ident),* $(,)? })*) => {
        mod on_embedded {
            $(mod $module {$(
                #[test]
                fn $test() {
                    crate::$module::$test(&crate::embedded::EmbeddedEngine::new());
                }
            )*})*
        }

        mod on_kafka {
            $(mod $module {$(
                #[test]
                fn $test() {
                    if let Some(engine) = crate::kafka::KafkaEngine::from_environment() {
                        crate::$module::$test(&engine);
                    }
                }
            )*})*
        }
    };
}

on_both_engines! {
    atomicity {
        a_unit_becomes_visible_whole,
        a_unit_that_fails_leaves_no_trace,
        a_large_unit_is_one,
        units_survive_a_reopening,
        readers_see_the_units_of_many_members_in_order,
    }
    back_pressure {
        what_finds_no_room_is_refused_at_once_and_the_rest_is_kept,
    }
    closing {
        everything_fails_once_the_log_is_closed,
        what_was_appended_before_is_durable,
    }
    compaction {
        only_the_last_record_of_each_key_stays,
        a_reader_in_the_middle_goes_on,
    }
    fencing {
        of_two_of_one_name_the_older_is_fenced,
        a_fenced_member_is_told,
    }
    killed {
        a_killed_process_leaves_whole_units_and_all_that_it_acknowledged,
    }
    lease {
        one_of_two_is_active_until_it_leaves,
        one_of_two_is_active_until_it_dies,
    }
    order {
        records_of_a_partition_keep_their_order,
        appends_from_many_threads_keep_each_threads_order,
    }
    reading {
        positions_can_be_sought_and_paused,
        partitions_are_read_in_turn,
        what_a_record_holds_is_what_was_written,
        a_position_outside_of_the_log_is_an_error,
        a_record_that_is_too_large_is_refused,
    }
    retention {
        old_records_are_dropped_and_missed_ones_are_an_error,
    }
    sharing {
        partitions_move_only_after_their_release,
        a_commit_before_the_release_counts,
        groups_do_not_disturb_each_other,
    }
    time {
        offsets_are_found_by_time,
    }
    topics {
        are_created_once_and_never_changed,
        what_does_not_exist_is_an_error,
    }
}
