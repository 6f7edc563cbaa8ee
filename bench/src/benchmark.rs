//! The benchmarks, one module each.

pub(crate) mod embedded;
pub(crate) mod growth;
pub(crate) mod ingress;
pub(crate) mod latency;
pub(crate) mod pipeline;
pub(crate) mod recovery;
pub(crate) mod stages;
pub(crate) mod summary;
