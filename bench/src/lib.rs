//! What the benchmarks share: the load and its answer, the peers, the broker, the processes measured,
//! and the report.

pub mod answer;
pub mod broker;
pub mod http_load;
pub mod input;
pub mod line;
pub mod measure;
pub mod memory_state;
pub mod peer;
pub mod report;
pub mod setting;
pub mod watch;
pub mod webhook;
