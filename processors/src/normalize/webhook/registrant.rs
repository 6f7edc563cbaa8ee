//! A registration form.

use std::collections::BTreeMap;

use rollcall_runtime::Rejection;
use rollcall_schemas::Text;
use rollcall_schemas::record::{EventKind, Registrant};

use super::missing;
use crate::normalize::body::Form;

/// A registration, with the status that the event gives it.
pub(super) fn from_form<'a>(kind: EventKind, form: Form<'a>) -> Result<Registrant<'a>, Rejection> {
    let status = match kind {
        EventKind::RegistrationApproved => Some("approved".into()),
        EventKind::RegistrationCancelled => Some("cancelled".into()),
        EventKind::RegistrationDenied => Some("denied".into()),
        // Only here does the form itself tell: approved, or pending where the host decides.
        _ => form.status.0,
    };
    let status = status.ok_or_else(|| missing(kind, "registrant.status"))?;
    let fields = [
        ("city", form.city),
        ("comments", form.comments),
        ("country", form.country),
        ("industry", form.industry),
        ("job_title", form.job_title),
        ("no_of_employees", form.no_of_employees),
        ("org", form.org),
        ("phone", form.phone),
        ("purchasing_time_frame", form.purchasing_time_frame),
        ("role_in_purchase_process", form.role_in_purchase_process),
        ("state", form.state),
        ("zip", form.zip),
    ];
    let answers = form
        .custom_questions
        .0
        .into_iter()
        .filter_map(|answer| Some((answer.title.0?, answer.value.0?)));
    let custom_questions: BTreeMap<Text<'a>, Text<'a>> = answers.collect();
    Ok(Registrant {
        id: form.id.0.ok_or_else(|| missing(kind, "registrant.id"))?,
        email: form
            .email
            .0
            .ok_or_else(|| missing(kind, "registrant.email"))?
            .0,
        first_name: form.first_name.0,
        last_name: form.last_name.0,
        status: Some(status),
        join_url: form.join_url.0,
        tracking_source: form
            .tracking_source
            .0
            .and_then(|source| source.source_name.0),
        fields: fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), value.0?)))
            .collect(),
        custom_questions,
    })
}
