//! A Zoom account and a Brevo account on loopback, faults included, that know the truth.
