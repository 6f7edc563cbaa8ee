//! The metrics of this crate.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests to the Zoom webhook address, by `outcome`.
pub const INGRESS_REQUESTS: &str = "rollcall_ingress_requests_total";
/// Time from handing a delivery to the log until it was durable.
pub const INGRESS_APPEND_SECONDS: &str = "rollcall_ingress_append_seconds";
/// This machine's clock minus the time stamp of the last delivery that was validly signed.
pub const INGRESS_CLOCK_SKEW_SECONDS: &str = "rollcall_ingress_clock_skew_seconds";
/// Ticks appended, one a partition each time.
pub const CLOCK_TICKS: &str = "rollcall_clock_ticks_total";
/// Whether this process holds the clock's lease.
pub const CLOCK_ACTIVE: &str = "rollcall_clock_active";

/// Describes them to the recorder. Call it once, after the recorder was installed.
pub fn describe() {
    describe_counter!(
        INGRESS_REQUESTS,
        Unit::Count,
        "Requests to the Zoom webhook address, by outcome."
    );
    describe_histogram!(
        INGRESS_APPEND_SECONDS,
        Unit::Seconds,
        "From handing a delivery to the log until it was durable."
    );
    describe_gauge!(
        INGRESS_CLOCK_SKEW_SECONDS,
        Unit::Seconds,
        "This machine's clock minus the time stamp of the last validly signed delivery; beyond 300 either way deliveries are refused."
    );
    describe_counter!(
        CLOCK_TICKS,
        Unit::Count,
        "Ticks appended to zoom.raw, one a partition each time."
    );
    describe_gauge!(
        CLOCK_ACTIVE,
        Unit::Count,
        "1 where this process holds the clock's lease, else 0."
    );
}
