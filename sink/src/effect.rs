//! From an activity to what it does in Brevo: an event, and an addition to a list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rollcall_schemas::key;
use rollcall_schemas::record::{Activity, Effect, MilestoneKind};

use crate::mapping::attribute::rfc3339;
use crate::options::{Lists, Options};
use crate::request::{EventIdentifiers, EventRequest, PropertyValue};

/// What is done once to a person, or kept in step. Unique among the effects on him.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum EffectId {
    /// The contact itself.
    Contact,
    /// The event of an activity: its kind, a colon, and what it is about.
    Event(Arc<str>),
    /// Being on a list, by Brevo's id.
    List(i64),
}

impl EffectId {
    /// The effect's kind in the ledger.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Contact => Effect::ContactUpsert,
            Self::Event(_) => Effect::Event,
            Self::List(_) => Effect::ListAddition,
        }
    }

    /// The effect of this name; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "contact" => Some(Self::Contact),
            Some(("event", activity)) => Some(Self::Event(activity.into())),
            Some(("list", id)) => id.parse().ok().map(Self::List),
            _ => None,
        }
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contact => f.write_str("contact"),
            Self::Event(activity) => write!(f, "event:{activity}"),
            Self::List(id) => write!(f, "list:{id}"),
        }
    }
}

/// Something that must happen once.
#[derive(Clone, Debug, PartialEq)]
pub struct OnceEffect {
    /// Its name.
    pub id: EffectId,
    /// The activity that asks for it: the id with the address.
    pub activity_id: Arc<str>,
    /// What it is about.
    pub occurrence: Arc<str>,
    /// When what it tells of happened, in milliseconds since 1970: its age counts from here.
    pub at: i64,
    /// The contact's version, or a later one, that Brevo must have first.
    pub after_version: i64,
    /// The request of an event; an addition to a list needs none.
    pub event: Option<Arc<EventRequest>>,
}

/// Which activities do what.
#[derive(Clone, Debug)]
pub struct Wanted {
    events: BTreeSet<MilestoneKind>,
    lists: Lists,
}

impl Wanted {
    /// As configured.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self::of(options.events.clone(), options.lists)
    }

    /// These events and lists.
    #[must_use]
    pub fn of(events: BTreeSet<MilestoneKind>, lists: Lists) -> Self {
        Self { events, lists }
    }

    /// What an activity does, in the order in which it is done: a list first, so that an automation
    /// that the event starts finds the person there.
    #[must_use]
    pub fn effects(&self, activity: &Activity<'_>, after_version: i64) -> Vec<OnceEffect> {
        let effect = |id, event| OnceEffect {
            id,
            activity_id: activity.id.as_str().into(),
            occurrence: activity.occurrence.as_str().into(),
            at: activity.at,
            after_version,
            event,
        };
        let list = self
            .list(activity)
            .map(|id| effect(EffectId::List(id), None));
        let event = event_name(activity.kind)
            .filter(|_| self.events.contains(&activity.kind))
            .map(|name| {
                effect(
                    EffectId::Event(key::rest(&activity.id).into()),
                    Some(Arc::new(event_request(name, activity))),
                )
            });
        list.into_iter().chain(event).collect()
    }

    fn list(&self, activity: &Activity<'_>) -> Option<i64> {
        match (activity.kind, activity.webinar) {
            (MilestoneKind::Registered, true) => self.lists.webinar_registrants,
            (MilestoneKind::Attended, true) => self.lists.webinar_attendees,
            (MilestoneKind::Attended, false) => self.lists.meeting_participants,
            _ => None,
        }
    }
}

/// The Brevo event that an activity becomes; `None` for a kind of a newer version.
#[must_use]
pub fn event_name(kind: MilestoneKind) -> Option<&'static str> {
    match kind {
        MilestoneKind::Registered => Some("zoom_registered"),
        MilestoneKind::Cancelled => Some("zoom_registration_cancelled"),
        MilestoneKind::Started => Some("zoom_meeting_started"),
        MilestoneKind::Ended => Some("zoom_meeting_ended"),
        MilestoneKind::Attended => Some("zoom_attended"),
        MilestoneKind::NoShow => Some("zoom_no_show"),
        MilestoneKind::RecordingReady => Some("zoom_recording_ready"),
        MilestoneKind::Unknown => None,
    }
}

/// The property by which an event is found again in Brevo.
pub const SOURCE_EVENT_ID: &str = "source_event_id";

fn event_request(event_name: &'static str, activity: &Activity<'_>) -> EventRequest {
    let text = |text: &rollcall_schemas::Text<'_>| PropertyValue::Text(text.as_str().to_owned());
    let mut properties = BTreeMap::from([
        (SOURCE_EVENT_ID, text(&activity.id)),
        ("meeting_id", text(&activity.meeting_id)),
        ("occurrence", text(&activity.occurrence)),
        ("webinar", PropertyValue::Boolean(activity.webinar)),
    ]);
    for (name, value) in [
        ("uuid", &activity.session_uuid),
        ("topic", &activity.topic),
        ("time_zone", &activity.time_zone),
        ("join_url", &activity.join_url),
        ("registration_source", &activity.registration_source),
        ("recording_url", &activity.recording_url),
    ] {
        properties.extend(value.as_ref().map(|value| (name, text(value))));
    }
    properties.extend(
        activity
            .seconds
            .map(|seconds| ("seconds", PropertyValue::Whole(seconds))),
    );
    properties.extend(
        activity
            .share
            .map(|share| ("share", PropertyValue::Whole(share.into()))),
    );
    properties.extend(
        activity
            .scheduled_start
            .and_then(rfc3339)
            .map(|start| ("scheduled_start", PropertyValue::Text(start))),
    );
    EventRequest {
        event_name,
        identifiers: EventIdentifiers {
            email_id: activity.email.as_str().into(),
        },
        event_date: rfc3339(activity.at).unwrap_or_default(),
        event_properties: properties,
    }
}

#[cfg(test)]
mod tests {
    use rollcall_schemas::record::{Activity, MilestoneKind};

    use super::{EffectId, Wanted};
    use crate::options::{Lists, Options};

    fn activity(kind: MilestoneKind, webinar: bool) -> Activity<'static> {
        Activity {
            id: "ann@example.com attended:86084701483-20260914T150000Z".into(),
            email: "ann@example.com".into(),
            kind,
            at: 1_789_404_000_000,
            occurrence: "86084701483-20260914T150000Z".into(),
            meeting_id: "86084701483".into(),
            session_uuid: Some("4444AAAiAAAAAiAiAiiAii==".into()),
            webinar,
            topic: Some("Churn, and what to do".into()),
            scheduled_start: Some(1_789_398_000_000),
            time_zone: Some("Europe/Berlin".into()),
            seconds: Some(1800),
            share: Some(50),
            join_url: None,
            registration_source: Some("newsletter".into()),
            recording_url: None,
        }
    }

    fn wanted() -> Wanted {
        let lists = Lists {
            meeting_participants: Some(15),
            webinar_attendees: Some(16),
            webinar_registrants: Some(17),
        };
        Wanted {
            events: Options::all_events(),
            lists,
        }
    }

    fn ids(wanted: &Wanted, kind: MilestoneKind, webinar: bool) -> Vec<String> {
        wanted
            .effects(&activity(kind, webinar), 7)
            .into_iter()
            .map(|effect| effect.id.to_string())
            .collect()
    }

    #[test]
    fn lists_by_kind() {
        let event = "event:attended:86084701483-20260914T150000Z";
        assert_eq!(
            ids(&wanted(), MilestoneKind::Attended, true),
            ["list:16", event]
        );
        assert_eq!(
            ids(&wanted(), MilestoneKind::Attended, false),
            ["list:15", event]
        );
        assert_eq!(
            ids(&wanted(), MilestoneKind::Registered, true),
            ["list:17", event]
        );
        assert_eq!(ids(&wanted(), MilestoneKind::Registered, false), [event]);
        assert_eq!(ids(&wanted(), MilestoneKind::NoShow, true), [event]);
        assert_eq!(ids(&wanted(), MilestoneKind::Unknown, true), [""; 0]);
    }

    #[test]
    fn what_is_turned_off_is_not_done() {
        let mut wanted = wanted();
        wanted.events.remove(&MilestoneKind::Attended);
        wanted.lists = Lists::default();
        assert_eq!(ids(&wanted, MilestoneKind::Attended, true), [""; 0]);
    }

    #[test]
    fn an_event_as_brevo_gets_it() {
        let effects = wanted().effects(&activity(MilestoneKind::Attended, true), 7);
        let event = effects[1].event.as_deref().unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(event).unwrap(), @r#"
        {
          "event_name": "zoom_attended",
          "identifiers": {
            "email_id": "ann@example.com"
          },
          "event_date": "2026-09-14T16:40:00Z",
          "event_properties": {
            "meeting_id": "86084701483",
            "occurrence": "86084701483-20260914T150000Z",
            "registration_source": "newsletter",
            "scheduled_start": "2026-09-14T15:00:00Z",
            "seconds": 1800,
            "share": 50,
            "source_event_id": "ann@example.com attended:86084701483-20260914T150000Z",
            "time_zone": "Europe/Berlin",
            "topic": "Churn, and what to do",
            "uuid": "4444AAAiAAAAAiAiAiiAii==",
            "webinar": true
          }
        }
        "#);
    }

    #[test]
    fn names_of_effects_come_back() {
        for id in [
            EffectId::Contact,
            EffectId::Event("attended:1:2".into()),
            EffectId::List(15),
        ] {
            assert_eq!(EffectId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(EffectId::parse("mail:1"), None);
        assert_eq!(EffectId::parse("list:x"), None);
    }
}
