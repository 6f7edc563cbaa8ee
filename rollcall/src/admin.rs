//! The admin address: health, metrics, and what the log says, for monitors and for the other commands.
//!
//! Whoever reaches it sees everything, which is why it is on loopback unless it is set otherwise.

pub(crate) mod client;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use rollcall_schemas::catalogue::TOPICS;
use rollcall_schemas::wire::RECORDS;
use rollcall_sink::effect::Wanted;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::inspect::{Inspector, Place};
use crate::status::{StatusReport, StatusSource};

/// What the admin address answers from.
pub(crate) struct Admin {
    pub(crate) inspector: Inspector,
    pub(crate) status: StatusSource,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) prefix: String,
    /// What the sink does for an activity.
    pub(crate) wanted: Wanted,
}

/// An answer that is no success, as the other commands understand it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) error: String,
}

impl Admin {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(prometheus))
            .route("/status", get(status))
            .route("/contact/{email}", get(contact))
            .route("/occurrence/{id}", get(occurrence))
            .route("/occurrences", get(occurrences))
            .route("/deliveries", get(deliveries))
            .route("/audit", get(audit))
            .route("/dead-letters", get(dead_letters))
            .route("/dead-letters/show", get(dead_letter))
            .route("/dead-letters/redrive", post(redrive))
            .route("/subjects", get(subjects))
            .route("/subjects/{subject}/versions/{version}", get(subject))
            .route("/schemas/ids/{id}", get(schema))
            .with_state(Arc::new(self))
    }
}

type Shared = State<Arc<Admin>>;

/// Reading the log blocks, so it is done where blocking is allowed.
async fn read<T: Serialize + Send + 'static>(
    admin: Arc<Admin>,
    what: impl FnOnce(&Inspector) -> anyhow::Result<Option<T>> + Send + 'static,
) -> Response {
    let result = tokio::task::spawn_blocking(move || what(&admin.inspector)).await;
    match result.map_err(anyhow::Error::from).flatten() {
        Ok(Some(found)) => Json(found).into_response(),
        Ok(None) => fault(StatusCode::NOT_FOUND, "nothing is known of it"),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
    }
}

fn fault(status: StatusCode, error: &str) -> Response {
    (
        status,
        Json(Fault {
            error: error.to_owned(),
        }),
    )
        .into_response()
}

async fn ready(State(admin): Shared) -> Response {
    let waits = admin.status.waits_for();
    let status = if waits.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ready": waits.is_empty(), "waits_for": waits })),
    )
        .into_response()
}

async fn prometheus(State(admin): Shared) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, admin.metrics.render()).into_response()
}

async fn status(State(admin): Shared) -> Json<StatusReport> {
    Json(admin.status.report().await)
}

async fn contact(State(admin): Shared, Path(email): Path<String>) -> Response {
    read(admin, move |inspector| inspector.contact(&email)).await
}

async fn occurrence(State(admin): Shared, Path(id): Path<String>) -> Response {
    read(admin, move |inspector| inspector.occurrence(&id)).await
}

async fn occurrences(State(admin): Shared) -> Response {
    read(admin, |inspector| inspector.occurrence_ids().map(Some)).await
}

#[derive(Deserialize)]
struct OfPerson {
    email: Option<String>,
}

async fn deliveries(State(admin): Shared, Query(of): Query<OfPerson>) -> Response {
    read(admin, move |inspector| {
        inspector.deliveries(of.email.as_deref()).map(Some)
    })
    .await
}

async fn audit(State(admin): Shared) -> Response {
    let wanted = admin.wanted.clone();
    read(admin, move |inspector| inspector.audit(&wanted).map(Some)).await
}

async fn dead_letters(State(admin): Shared) -> Response {
    read(admin, |inspector| inspector.dead_letters().map(Some)).await
}

#[derive(Deserialize)]
struct At {
    place: String,
}

async fn dead_letter(State(admin): Shared, Query(at): Query<At>) -> Response {
    match at.place.parse::<Place>() {
        Ok(place) => read(admin, move |inspector| inspector.dead_letter(&place)).await,
        Err(error) => fault(StatusCode::BAD_REQUEST, &error),
    }
}

async fn redrive(State(admin): Shared, Query(at): Query<At>) -> Response {
    let place = match at.place.parse::<Place>() {
        Ok(place) => place,
        Err(error) => return fault(StatusCode::BAD_REQUEST, &error),
    };
    match admin
        .inspector
        .redrive(&place, admin.status.sink.as_ref())
        .await
    {
        Ok(now) => Json(now).into_response(),
        Err(error) => fault(StatusCode::CONFLICT, &format!("{error:#}")),
    }
}

/// The read calls of the Confluent registry, for the schemas in use.
async fn subjects(State(admin): Shared) -> Json<Vec<String>> {
    let with_schema = TOPICS.iter().filter(|topic| topic.schema.is_some());
    Json(
        with_schema
            .map(|topic| format!("{}{}-value", admin.prefix, topic.name))
            .collect(),
    )
}

async fn subject(
    State(admin): Shared,
    Path((subject, version)): Path<(String, String)>,
) -> Response {
    let topic = TOPICS
        .iter()
        .find(|topic| format!("{}{}-value", admin.prefix, topic.name) == subject);
    match topic.and_then(|topic| topic.schema) {
        Some(schema) if matches!(version.as_str(), "latest" | "1") => Json(
            json!({ "subject": subject, "version": 1, "id": schema.id(), "schema": schema.text() }),
        )
        .into_response(),
        Some(_) => registry_fault(40402, "Version not found."),
        None => registry_fault(40401, "Subject not found."),
    }
}

async fn schema(Path(id): Path<u32>) -> Response {
    match RECORDS.iter().find(|record| record.id() == id) {
        Some(record) => Json(json!({ "schema": record.text() })).into_response(),
        None => registry_fault(40403, "Schema not found"),
    }
}

fn registry_fault(code: u32, message: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "error_code": code, "message": message })),
    )
        .into_response()
}
