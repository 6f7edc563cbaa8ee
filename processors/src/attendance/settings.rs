//! What the configuration decides about attendance.

/// What it takes to say that somebody did not come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NoShowProof {
    /// A complete participant report and a complete registrant listing, both fetched after the end.
    #[default]
    Report,
    /// Having seen the start and the end of every session.
    Webhooks,
}

/// How attendance is taken. Times are in milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttendanceSettings {
    /// How long before its scheduled start and after its scheduled end a session still belongs to an
    /// occurrence.
    pub window_ms: i64,
    /// Sessions without a schedule that are less than this apart are one occurrence, and an
    /// occurrence has ended when this has passed after its last session.
    pub join_gap_ms: i64,
    /// How long after the end a row without a report becomes final.
    pub finalize_after_ms: i64,
    /// What it takes to say that somebody did not come.
    pub no_show_proof: NoShowProof,
    /// Normalised domains whose people are counted apart and never become contacts.
    pub internal_domains: Vec<String>,
}

impl Default for AttendanceSettings {
    fn default() -> Self {
        const MINUTE: i64 = 60_000;
        Self {
            window_ms: 60 * MINUTE,
            join_gap_ms: 30 * MINUTE,
            finalize_after_ms: 24 * 60 * MINUTE,
            no_show_proof: NoShowProof::default(),
            internal_domains: Vec::new(),
        }
    }
}

impl AttendanceSettings {
    /// Whether the address is of one of the account's own domains.
    pub(super) fn is_internal(&self, email: &str) -> bool {
        email.rsplit_once('@').is_some_and(|(_, domain)| {
            self.internal_domains
                .iter()
                .any(|internal| internal == domain)
        })
    }
}
