//! Brevo out: client, limits, field mapping, ledger.
