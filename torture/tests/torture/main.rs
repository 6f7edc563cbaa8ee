//! A small account through both stages of the line, while everything fails that can fail, and in
//! every cut of the work: the rows are the truth, and the last values are the same, byte for byte.
//!
//! `ROLLCALL_SEED=n` runs the one seeded run n; `ROLLCALL_RUNS=n` runs n of them.

mod chance;
mod determinism;
mod life;
mod observe;
mod run;
mod stepped;
mod story;
mod walk;
