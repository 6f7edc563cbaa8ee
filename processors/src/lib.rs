//! The stages, pure: normalize, attendance, engagement.

pub mod attendance;
pub mod engagement;
pub mod normalize;

#[cfg(test)]
mod memory_state;
