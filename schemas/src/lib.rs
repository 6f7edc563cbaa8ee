//! The contracts: Avro schemas, their Rust types, the wire format, keys, the partitioner and the
//! topic catalogue.
//!
//! Everything that two parts of Rollcall, or Rollcall and another team's program, must agree on is
//! here and nowhere else. The `.avsc` files in `avsc/` are the truth; the Rust types are checked
//! against them, and both against every version that was ever published (`recorded/`).

pub mod avro;
pub mod catalogue;
pub mod email;
pub mod header;
pub mod key;
pub mod partitioner;
pub mod record;
mod text;
mod text_map;
pub mod wire;

pub use text::Text;
pub use text_map::TextMap;
