//! The bodies of Brevo's answers, of what the sink looks at.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ListInfo;

#[derive(Deserialize)]
pub(super) struct ContactBody {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, serde_json::Value>,
    #[serde(default, rename = "listIds")]
    pub(super) list_ids: Vec<i64>,
    #[serde(default, rename = "listUnsubscribed")]
    pub(super) list_unsubscribed: Option<Vec<i64>>,
}

#[derive(Default, Deserialize)]
pub(super) struct AddedBody {
    #[serde(default)]
    pub(super) contacts: Added,
}

#[derive(Default, Deserialize)]
pub(super) struct Added {
    #[serde(default)]
    pub(super) failure: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
pub(super) struct EventsBody {
    #[serde(default)]
    pub(super) count: usize,
    #[serde(default)]
    pub(super) events: Option<Vec<EventBody>>,
}

#[derive(Deserialize)]
pub(super) struct EventBody {
    #[serde(default)]
    pub(super) event_properties: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
pub(super) struct AttributesBody {
    pub(super) attributes: Vec<AttributeBody>,
}

#[derive(Deserialize)]
pub(super) struct AttributeBody {
    pub(super) name: String,
    pub(super) category: String,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ListsBody {
    #[serde(default)]
    pub(super) count: usize,
    #[serde(default)]
    pub(super) lists: Option<Vec<ListInfo>>,
}
