//! Zoom in: the webhook ingress, and the clock that makes time an input.
//!
//! [`ingress`] answers `POST /webhooks/zoom`: it lets nothing pass that Zoom did not sign, and says
//! 200 only once the log holds the delivery durably. [`clock_role`] appends the ticks from which the
//! stages know what time it is. What is pure ([`signature`], [`envelope`]) is apart from what talks
//! to the world.

pub mod clock_role;
pub mod envelope;
pub mod ingress;
pub mod metric;
pub mod remote_clock;
pub mod signature;

mod throttle;
