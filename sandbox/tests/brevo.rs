//! What the Brevo account answers, over a socket.

#![expect(clippy::unwrap_used, reason = "a test that panics names its line")]

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Method, Response};
use rollcall_sandbox::{
    account::{BEGINS_MS, Lists},
    brevo::{Behaviour, BrevoAccount, BrevoOptions, FaultRates, RateLimits, UnknownAttribute},
    zoom::VirtualClock,
};
use serde_json::{Value, json};

struct Caller {
    brevo: BrevoAccount,
    client: Client,
}

fn options() -> BrevoOptions {
    BrevoOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        api_key: "xkeysib-test".to_owned(),
        rate_limits: RateLimits::NONE,
        faults: FaultRates::NONE,
        seed: 1,
        behaviour: Behaviour::default(),
        lists: Lists::default(),
        clock: VirtualClock::standing_at(BEGINS_MS),
    }
}

impl Caller {
    async fn of(options: BrevoOptions) -> Self {
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self {
            brevo: BrevoAccount::start(options).await.unwrap(),
            client,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, reqwest::Error> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.brevo.api_url()))
            .header("api-key", "xkeysib-test");
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.send(Method::POST, path, Some(body)).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.send(Method::GET, path, None).await.unwrap()).await
    }

    async fn control(&self, body: Value) -> u16 {
        let url = format!("http://{}/control", self.brevo.address());
        self.client
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    fn rules_broken(&self) -> Vec<String> {
        self.brevo
            .snapshot()
            .violations
            .into_iter()
            .map(|violation| violation.rule)
            .collect()
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn upsert(email: &str, attributes: Value) -> Value {
    json!({"email": email, "attributes": attributes, "updateEnabled": true})
}

fn event(email: &str, name: &str, id: &str) -> Value {
    json!({
        "event_name": name,
        "identifiers": {"email_id": email},
        "event_date": "2026-03-02T09:00:00Z",
        "event_properties": {"source_event_id": id, "meeting_id": "1"},
    })
}

#[tokio::test]
async fn keys_are_checked_as_brevo_checks_them() {
    let caller = Caller::of(options()).await;
    let url = format!("{}/account", caller.brevo.api_url());
    let none = answer(caller.client.get(&url).send().await.unwrap()).await;
    assert_eq!(
        none,
        (
            401,
            json!({"code": "unauthorized", "message": "authentication not found in headers"})
        )
    );
    let wrong = answer(
        caller
            .client
            .get(&url)
            .header("api-key", "xsmtpsib-1")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        wrong,
        (
            401,
            json!({"code": "unauthorized", "message": "Key not found"})
        )
    );
    assert_eq!(caller.get("/account").await.0, 200);
    assert_eq!(caller.get("/nowhere").await.0, 404);
    let deleted = answer(caller.send(Method::DELETE, "/events", None).await.unwrap()).await;
    assert_eq!(
        (deleted.0, &deleted.1["code"]),
        (405, &json!("method_not_allowed"))
    );
}

#[tokio::test]
async fn a_contact_is_created_updated_and_read() {
    let caller = Caller::of(options()).await;
    let body = upsert(
        "Ann@X.example",
        json!({"FIRSTNAME": "Ann", "MEETING_DURATION": 60, "MEETING_JOIN_DATE": "2026-03-03"}),
    );
    assert_eq!(
        caller.post("/contacts", body).await,
        (201, json!({"id": 1}))
    );
    assert_eq!(
        caller
            .post(
                "/contacts",
                upsert("ann@x.example", json!({"FIRSTNAME": "", "ZOOM_SCORE": 8}))
            )
            .await,
        (204, Value::Null)
    );
    let (status, contact) = caller.get("/contacts/ann%40x.example").await;
    assert_eq!(
        (status, &contact["email"], &contact["listIds"]),
        (200, &json!("ann@x.example"), &json!([]))
    );
    assert_eq!(
        contact["attributes"],
        json!({"MEETING_DURATION": 60, "MEETING_JOIN_DATE": "2026-03-03", "ZOOM_SCORE": 8}),
        "an empty string clears"
    );
    assert_eq!(
        caller.get("/contacts/1?identifierType=contact_id").await.1["id"],
        1
    );
    assert_eq!(
        caller.get("/contacts/bob%40x.example").await,
        (
            404,
            json!({"code": "document_not_found", "message": "Contact does not exist"})
        )
    );
    let put = |path: &'static str| {
        caller.send(
            Method::PUT,
            path,
            Some(json!({"attributes": {"ZOOM_SCORE": 16}})),
        )
    };
    assert_eq!(
        put("/contacts/1?identifierType=contact_id")
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(put("/contacts/2").await.unwrap().status(), 404);
    assert_eq!(
        caller.get("/contacts/1").await.1["attributes"]["ZOOM_SCORE"],
        16
    );
    let duplicate = caller
        .post("/contacts", json!({"email": "ann@x.example"}))
        .await;
    assert_eq!(
        (duplicate.0, &duplicate.1["metadata"]),
        (400, &json!({"duplicate_identifiers": ["email"]}))
    );
    assert_eq!(
        caller.post("/contacts", json!({})).await.1["code"],
        "missing_parameter"
    );
    assert_eq!(
        caller.post("/contacts", upsert("ann", json!({}))).await.1["message"],
        "Invalid email address"
    );
    assert_eq!(caller.rules_broken(), Vec::<String>::new());
}

#[tokio::test]
async fn what_does_not_fit_is_lost_without_a_word_or_refused() {
    let caller = Caller::of(options()).await;
    let misfits = json!({"MEETING_DURATION": "60", "MEETING_JOIN_DATE": "3 March", "FIRSTNAME": 7, "NOBODY_HAS_THIS": 1});
    assert_eq!(
        caller
            .post("/contacts", upsert("a@x.example", misfits.clone()))
            .await
            .0,
        201
    );
    assert_eq!(
        caller.brevo.snapshot().contacts["a@x.example"]
            .attributes
            .len(),
        0
    );
    assert_eq!(caller.rules_broken().len(), 4);
    let strict = Behaviour {
        unknown_attribute: UnknownAttribute::Refuse,
        ..Behaviour::default()
    };
    let caller = Caller::of(BrevoOptions {
        behaviour: strict,
        ..options()
    })
    .await;
    let refused = caller
        .post("/contacts", upsert("a@x.example", misfits))
        .await;
    assert_eq!(
        (refused.0, &refused.1["code"]),
        (400, &json!("invalid_parameter"))
    );
    assert!(caller.brevo.snapshot().contacts.is_empty());
}

#[tokio::test]
async fn what_may_never_be_asked_is_remembered() {
    let caller = Caller::of(options()).await;
    caller
        .post(
            "/contacts",
            json!({"email": "a@x.example", "listIds": [16], "attributes": {}}),
        )
        .await;
    assert_eq!(
        caller
            .control(json!([
                {"do": "leave_list", "email": "a@x.example", "list": 16},
                {"do": "unsubscribe", "email": "a@x.example"},
            ]))
            .await,
        200
    );
    let (_, contact) = caller.get("/contacts/a%40x.example").await;
    assert_eq!(
        (&contact["listUnsubscribed"], &contact["emailBlacklisted"]),
        (&json!([16]), &json!(true))
    );
    let forbidden = json!({
        "email": "a@x.example", "updateEnabled": true, "emailBlacklisted": false, "forceMerge": true, "listIds": [16],
        "attributes": {"EMAIL": "b@x.example"},
    });
    assert_eq!(caller.post("/contacts", forbidden).await.0, 204);
    caller
        .control(json!({"do": "delete_contact", "email": "a@x.example"}))
        .await;
    caller
        .post("/contacts", upsert("a@x.example", json!({})))
        .await;
    caller
        .post(
            "/contacts/lists/16/contacts/add",
            json!({"emails": ["a@x.example"]}),
        )
        .await;
    assert_eq!(
        caller.rules_broken(),
        [
            "never re-subscribe a contact",
            "never send EMAIL as an attribute",
            "never merge contacts",
            "never put back a contact that left a list",
            "an attribute that the account lacks is lost",
            "never re-create a contact that was deleted in Brevo",
            "never put back a contact that left a list",
        ]
    );
}

#[tokio::test]
async fn lists_take_each_contact_once() {
    let caller = Caller::of(options()).await;
    caller
        .post("/contacts", upsert("a@x.example", json!({})))
        .await;
    let add = "/contacts/lists/15/contacts/add";
    let added = caller
        .post(add, json!({"emails": ["a@x.example", "b@x.example"]}))
        .await;
    assert_eq!(
        added,
        (
            201,
            json!({"contacts": {"success": ["a@x.example"], "failure": ["b@x.example"]}})
        )
    );
    let again = (
        400,
        json!({"code": "invalid_parameter", "message": "Contact already in list and/or does not exist"}),
    );
    assert_eq!(
        caller.post(add, json!({"emails": ["a@x.example"]})).await,
        again
    );
    assert_eq!(caller.post(add, json!({"ids": [99]})).await, again);
    assert_eq!(
        caller
            .post(
                "/contacts/lists/99/contacts/add",
                json!({"emails": ["a@x.example"]})
            )
            .await
            .0,
        404
    );
    assert_eq!(
        caller
            .post(add, json!({"emails": vec!["a@x.example"; 151]}))
            .await
            .1["code"],
        "out_of_range"
    );
    assert_eq!(
        caller
            .post(
                "/contacts",
                json!({"email": "c@x.example", "listIds": [99]})
            )
            .await
            .0,
        400
    );
    let snapshot = caller.brevo.snapshot();
    assert_eq!(snapshot.lists[&15].len(), 1);
    assert_eq!(snapshot.repeated_additions["15 a@x.example"], 1);
    let (_, lists) = caller.get("/contacts/lists?limit=2&offset=0").await;
    assert_eq!(
        (
            &lists["count"],
            &lists["lists"][0]["id"],
            &lists["lists"][1]["id"]
        ),
        (&json!(3), &json!(17), &json!(16))
    );
    assert_eq!(
        caller.get("/contacts/lists?limit=51").await.1["code"],
        "out_of_range"
    );
}

#[tokio::test]
async fn attributes_are_listed_and_created_once() {
    let caller = Caller::of(options()).await;
    let new = |kind: &str| json!({"type": kind});
    assert_eq!(
        caller
            .post("/contacts/attributes/normal/SHOE_SIZE", new("float"))
            .await
            .0,
        201
    );
    let again = caller
        .post("/contacts/attributes/normal/SHOE_SIZE", new("text"))
        .await;
    assert_eq!(
        again,
        (
            400,
            json!({"code": "invalid_parameter", "message": "Attribute name must be unique"})
        )
    );
    let (_, attributes) = caller.get("/contacts/attributes").await;
    let listed = attributes["attributes"].as_array().unwrap();
    assert!(listed.contains(&json!({"name": "SHOE_SIZE", "category": "normal", "type": "float"})));
    assert!(
        listed
            .contains(&json!({"name": "MEETING_JOIN_DATE", "category": "normal", "type": "date"}))
    );
}

#[tokio::test]
async fn events_are_checked_kept_and_found_again() {
    let caller = Caller::of(options()).await;
    caller
        .post("/contacts", upsert("a@x.example", json!({})))
        .await;
    assert_eq!(
        caller
            .post("/events", event("A@x.example", "zoom_attended", "one"))
            .await,
        (204, Value::Null)
    );
    let mut later = event("a@x.example", "zoom_no_show", "two");
    later["event_date"] = json!("2026-03-04T09:00:00+01:00");
    assert_eq!(caller.post("/events", later).await.0, 204);

    let changed = |key: &str, value: Value| {
        let mut changed = event("a@x.example", "zoom_attended", "bad");
        changed[key] = value;
        changed
    };
    for (bad, code) in [
        (
            changed("event_name", json!("zoom attended")),
            "invalid_parameter",
        ),
        (changed("event_name", Value::Null), "missing_parameter"),
        (changed("identifiers", json!({})), "missing_parameter"),
        (
            changed("event_date", json!("yesterday")),
            "invalid_parameter",
        ),
        (
            changed("event_properties", json!({"a b": 1})),
            "invalid_parameter",
        ),
        (
            changed("event_properties", json!({"a": "x".repeat(60_000)})),
            "invalid_parameter",
        ),
        (
            event("nobody@x.example", "zoom_attended", "bad"),
            "invalid_parameter",
        ),
    ] {
        let (status, body) = caller.post("/events", bad.clone()).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{bad}");
    }
    assert_eq!(caller.rules_broken(), ["an event needs its contact first"]);

    let (status, found) = caller.get("/events?limit=1").await;
    assert_eq!((status, &found["count"]), (200, &json!(2)));
    assert_eq!(
        found["events"][0]["event_name"], "zoom_no_show",
        "newest first"
    );
    let (_, found) = caller
        .get(
            "/events?event_name=zoom_attended&startDate=2026-03-02&endDate=2026-03-02&contact_id=1",
        )
        .await;
    assert_eq!(
        found["events"][0]["event_properties"]["source_event_id"],
        "one"
    );
    let (_, found) = caller
        .get("/events?startDate=2026-03-04T07:00:00Z&endDate=2026-03-04T09:00:00Z&offset=0")
        .await;
    assert_eq!(
        found["events"][0]["event_properties"]["source_event_id"],
        "two"
    );
    assert_eq!(caller.get("/events?startDate=2026-03-04").await.0, 400);
    assert_eq!(
        caller.get("/events?limit=10001").await.1["code"],
        "out_of_range"
    );
}

#[tokio::test]
async fn an_event_may_be_readable_only_later() {
    let clock = VirtualClock::standing_at(BEGINS_MS);
    let behaviour = Behaviour {
        events_visible_after_ms: 60_000,
        ..Behaviour::default()
    };
    let caller = Caller::of(BrevoOptions {
        behaviour,
        clock: clock.clone(),
        ..options()
    })
    .await;
    caller
        .post("/contacts", upsert("a@x.example", json!({})))
        .await;
    caller
        .post("/events", event("a@x.example", "zoom_attended", "one"))
        .await;
    assert_eq!(caller.get("/events").await.1["count"], 0);
    clock.jump_to(BEGINS_MS + 60_000);
    assert_eq!(caller.get("/events").await.1["count"], 1);
}

#[tokio::test]
async fn limits_are_told_and_enforced() {
    let caller = Caller::of(BrevoOptions {
        rate_limits: RateLimits::GENERAL,
        ..options()
    })
    .await;
    let first = caller
        .send(Method::GET, "/contacts/attributes", None)
        .await
        .unwrap();
    assert_eq!(
        (
            &first.headers()["x-sib-ratelimit-limit"],
            &first.headers()["x-sib-ratelimit-remaining"]
        ),
        (&"10".parse().unwrap(), &"9".parse().unwrap())
    );
    let mut refused = None;
    for _ in 0..200 {
        let response = caller
            .send(Method::GET, "/contacts/attributes", None)
            .await
            .unwrap();
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("more than ten a second are refused");
    assert_eq!(refused.headers()["x-sib-ratelimit-remaining"], "0");
    assert_eq!(refused.headers()["x-sib-ratelimit-reset"], "1");
    assert!(
        caller
            .control(json!({"do": "rate_limits", "contacts": {}, "events": {}, "other": {}}))
            .await
            == 200
    );
    assert_eq!(caller.get("/contacts/attributes").await.0, 200);
}

#[tokio::test]
async fn every_fault_is_as_ordered() {
    let caller = Caller::of(options()).await;
    caller
        .post("/contacts", upsert("a@x.example", json!({})))
        .await;
    let sent = |caller: &Caller, id: &str| {
        let count = |snapshot: &rollcall_sandbox::brevo::Snapshot| {
            snapshot
                .events
                .iter()
                .filter(|event| event.source_event_id() == Some(id))
                .count()
        };
        count(&caller.brevo.snapshot())
    };

    caller
        .control(
            json!({"do": "fault", "fault": "answer_lost", "method": "POST", "path": "/v3/events"}),
        )
        .await;
    let lost = caller
        .send(
            Method::POST,
            "/events",
            Some(event("a@x.example", "zoom_attended", "lost")),
        )
        .await;
    assert!(lost.is_err(), "the connection drops");
    assert_eq!(sent(&caller, "lost"), 1, "after the effect");

    for (fault, status, effects, message) in [
        (
            json!({"fault": "server_error", "status": 503}),
            503,
            0,
            None,
        ),
        (
            json!({"fault": "server_error", "after_effect": true}),
            500,
            1,
            None,
        ),
        (
            json!({"fault": "too_many_requests"}),
            429,
            0,
            Some("Too many requests"),
        ),
        (json!({"fault": "too_early"}), 425, 0, Some("Too Early")),
        (json!({"fault": "gateway_timeout_page"}), 524, 0, None),
        (
            json!({"fault": "key_not_found"}),
            401,
            0,
            Some("Key not found"),
        ),
        (json!({"fault": "slow", "ms": 30}), 204, 1, None),
    ] {
        let mut order = fault.clone();
        order["do"] = json!("fault");
        assert_eq!(caller.control(order).await, 200, "{fault}");
        let id = fault.to_string();
        let (found, body) = caller
            .post("/events", event("a@x.example", "zoom_attended", &id))
            .await;
        assert_eq!((found, sent(&caller, &id)), (status, effects), "{fault}");
        assert_eq!(body["message"].as_str(), message, "{fault}");
    }

    caller
        .control(json!({"do": "fault", "fault": "unrecognised_ip", "times": 2}))
        .await;
    for _ in 0..2 {
        let (status, body) = caller.get("/account").await;
        assert!(status == 401 && body["message"].as_str().unwrap().contains("authorised_ips"));
    }
    assert_eq!(caller.get("/account").await.0, 200);

    caller
        .control(json!({"do": "fault", "fault": "too_many_requests", "headers": true}))
        .await;
    let limited = caller.send(Method::GET, "/account", None).await.unwrap();
    assert_eq!(limited.headers()["x-sib-ratelimit-reset"], "1");
    caller
        .control(json!({"do": "fault", "fault": "gateway_timeout_page"}))
        .await;
    let page = caller.send(Method::GET, "/account", None).await.unwrap();
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(caller.control(json!({"do": "fly"})).await, 400);

    let url = format!("http://{}/control/state", caller.brevo.address());
    let (_, state) = answer(caller.client.get(url).send().await.unwrap()).await;
    assert_eq!(state["requests"]["POST /v3/events lost"], 1);
    assert_eq!(state["requests"]["POST /v3/events 503"], 1);
}

#[tokio::test]
async fn chance_loses_answers_and_never_effects() {
    let rates = FaultRates {
        answer_lost: 0.3,
        ..FaultRates::NONE
    };
    let caller = Caller::of(BrevoOptions {
        faults: rates,
        ..options()
    })
    .await;
    let (mut lost, mut answered) = (0, 0);
    for number in 0..60 {
        match caller
            .send(
                Method::POST,
                "/contacts",
                Some(upsert(&format!("p{number}@x.example"), json!({}))),
            )
            .await
        {
            Ok(response) => answered += usize::from(response.status() == 201),
            Err(_) => lost += 1,
        }
    }
    assert!(
        lost > 5 && answered > 20,
        "{lost} lost, {answered} answered"
    );
    assert_eq!(caller.brevo.snapshot().contacts.len(), 60);
}
