//! The parts that people play in a story.

use super::Conduct;

/// What becomes of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Approved,
    ApprovedLater,
    Pending,
    Denied,
    /// Taken back before the start.
    Cancelled,
    /// Taken back while the session runs.
    CancelledDuring,
    /// Taken back and approved again.
    CancelledAndBack,
    /// Made while the session runs.
    Walk,
}

/// How a registrant shows himself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guise {
    /// By his registration.
    Registrant,
    /// By his registration, with another address.
    RegistrantElsewhere,
    /// By another address alone: nobody can know that it is he.
    Stranger,
}

/// One part in the play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) fate: Fate,
    pub(super) guise: Guise,
    /// How he attends; absent for somebody who does not come.
    pub(super) conduct: Option<Conduct>,
}

pub(super) const fn comes(conduct: Conduct) -> Part {
    Part {
        fate: Fate::Approved,
        guise: Guise::Registrant,
        conduct: Some(conduct),
    }
}

pub(super) const fn part(fate: Fate, conduct: Option<Conduct>) -> Part {
    Part {
        fate,
        guise: Guise::Registrant,
        conduct,
    }
}

pub(super) const ABSENT: Part = part(Fate::Approved, None);

/// Parts of a webinar, the rarest needed first: a small story casts the first ones only.
pub(super) const WEBINAR_PARTS: [Part; 15] = [
    comes(Conduct::Throughout),
    ABSENT,
    comes(Conduct::Rejoins),
    part(Fate::Cancelled, None),
    comes(Conduct::TwoDevices),
    part(Fate::Pending, None),
    comes(Conduct::Crashes),
    part(Fate::Denied, None),
    part(Fate::ApprovedLater, Some(Conduct::ComesEarly)),
    part(Fate::Cancelled, Some(Conduct::Throughout)),
    comes(Conduct::NoGoodbye),
    part(Fate::CancelledAndBack, Some(Conduct::Throughout)),
    Part {
        fate: Fate::Approved,
        guise: Guise::RegistrantElsewhere,
        conduct: Some(Conduct::Throughout),
    },
    part(Fate::CancelledDuring, None),
    comes(Conduct::Brief),
];

/// Parts that one holding of the series has besides.
pub(super) const SERIES_PARTS: [Part; 2] = [
    Part {
        fate: Fate::Approved,
        guise: Guise::Stranger,
        conduct: Some(Conduct::Throughout),
    },
    part(Fate::Walk, Some(Conduct::Throughout)),
];

/// Parts of a meeting.
pub(super) const MEETING_PARTS: [Part; 14] = [
    comes(Conduct::WaitsThenEnters),
    ABSENT,
    comes(Conduct::OnlyWaits),
    comes(Conduct::PutBackAndReadmitted),
    comes(Conduct::Breakout),
    comes(Conduct::PhonesIn),
    part(Fate::Cancelled, None),
    comes(Conduct::PutBackForGood),
    comes(Conduct::BreakoutAlone),
    comes(Conduct::BecomesCoHost),
    part(Fate::Denied, None),
    Part {
        fate: Fate::Approved,
        guise: Guise::RegistrantElsewhere,
        conduct: Some(Conduct::WaitsThenEnters),
    },
    Part {
        fate: Fate::ApprovedLater,
        guise: Guise::Stranger,
        conduct: Some(Conduct::TwoDevices),
    },
    comes(Conduct::Rejoins),
];

/// What most people do.
pub(super) const CROWD: [Part; 8] = [
    comes(Conduct::Throughout),
    comes(Conduct::Throughout),
    comes(Conduct::ComesEarly),
    comes(Conduct::Rejoins),
    comes(Conduct::NoGoodbye),
    ABSENT,
    ABSENT,
    ABSENT,
];
