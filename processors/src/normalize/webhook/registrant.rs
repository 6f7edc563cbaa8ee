//! A registration form.

use rollcall_runtime::Rejection;
use rollcall_schemas::TextMap;
use rollcall_schemas::record::{EventKind, Registrant};

use super::required;
use crate::normalize::body::Form;

/// A registration, with the status that the event gives it.
pub(super) fn from_form<'a>(
    kind: EventKind,
    form: &mut Form<'a>,
) -> Result<Registrant<'a>, Rejection> {
    let status = match kind {
        EventKind::RegistrationApproved => Some("approved".into()),
        EventKind::RegistrationCancelled => Some("cancelled".into()),
        EventKind::RegistrationDenied => Some("denied".into()),
        // Only here does the form itself tell: approved, or pending where the host decides.
        _ => form.status.0.take(),
    };
    Ok(Registrant {
        id: required(form.id.0.take(), kind, "registrant.id")?,
        email: required(form.email.0.take(), kind, "registrant.email")?.0,
        first_name: form.first_name.0.take(),
        last_name: form.last_name.0.take(),
        status: Some(required(status, kind, "registrant.status")?),
        join_url: form.join_url.0.take(),
        tracking_source: form
            .tracking_source
            .0
            .take()
            .and_then(|source| source.source_name.0),
        fields: fields(form),
        custom_questions: answers(form),
    })
}

/// The other fields of the form, by Zoom's names. The street address is not among them.
fn fields<'a>(form: &mut Form<'a>) -> TextMap<'a> {
    let fields = [
        ("city", &mut form.city),
        ("comments", &mut form.comments),
        ("country", &mut form.country),
        ("industry", &mut form.industry),
        ("job_title", &mut form.job_title),
        ("no_of_employees", &mut form.no_of_employees),
        ("org", &mut form.org),
        ("phone", &mut form.phone),
        ("purchasing_time_frame", &mut form.purchasing_time_frame),
        (
            "role_in_purchase_process",
            &mut form.role_in_purchase_process,
        ),
        ("state", &mut form.state),
        ("zip", &mut form.zip),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.into(), value.0.take()?)))
        .collect()
}

fn answers<'a>(form: &mut Form<'a>) -> TextMap<'a> {
    let answers = form.custom_questions.0.drain(..);
    answers
        .filter_map(|answer| Some((answer.title.0?, answer.value.0?)))
        .collect()
}
