//! The stages, pure: normalize, attendance, engagement.
