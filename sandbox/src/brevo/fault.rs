//! What goes wrong on purpose: on order, and by chance from a seed.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// One thing that goes wrong with a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The request takes effect and the connection drops before the answer.
    AnswerLost,
    /// A 5xx.
    ServerError {
        /// Which.
        #[serde(default = "internal_server_error")]
        status: u16,
        /// Whether the request took effect all the same.
        #[serde(default)]
        after_effect: bool,
    },
    /// A 429 that no limit explains.
    TooManyRequests {
        /// With the rate limit's headers, or without.
        #[serde(default)]
        headers: bool,
    },
    /// A 425, of contacts only.
    TooEarly,
    /// Cloudflare's page of a 524, which is no JSON.
    GatewayTimeoutPage {
        /// Whether the request took effect all the same.
        #[serde(default)]
        after_effect: bool,
    },
    /// The answer takes its time.
    Slow {
        /// Real milliseconds.
        ms: u64,
    },
    /// A 401 as of a key that was deleted.
    KeyNotFound,
    /// A 401 as of a server whose address is not authorised.
    UnrecognisedIp,
}

fn internal_server_error() -> u16 {
    500
}

/// A fault for the next requests of a kind.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FaultOrder {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// With how many requests.
    #[serde(default = "once")]
    pub times: u32,
    /// Only with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only with paths that start so.
    #[serde(default)]
    pub path: Option<String>,
}

fn once() -> u32 {
    1
}

/// How often things go wrong by chance, each as a probability from 0 to 1 a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRates {
    /// [`Fault::AnswerLost`].
    pub answer_lost: f64,
    /// [`Fault::ServerError`] without effect.
    pub server_error: f64,
    /// [`Fault::TooManyRequests`], half of them without headers.
    pub too_many_requests: f64,
    /// [`Fault::TooEarly`].
    pub too_early: f64,
    /// [`Fault::GatewayTimeoutPage`] without effect.
    pub gateway_timeout_page: f64,
    /// [`Fault::Slow`], up to 300 ms.
    pub slow: f64,
}

impl FaultRates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        answer_lost: 0.0,
        server_error: 0.0,
        too_many_requests: 0.0,
        too_early: 0.0,
        gateway_timeout_page: 0.0,
        slow: 0.0,
    };
    /// A bad day.
    pub const ROUGH: Self = Self {
        answer_lost: 0.01,
        server_error: 0.01,
        too_many_requests: 0.005,
        too_early: 0.01,
        gateway_timeout_page: 0.005,
        slow: 0.02,
    };
}

impl Default for FaultRates {
    fn default() -> Self {
        Self::NONE
    }
}

/// Decides what goes wrong with each request.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) rates: FaultRates,
    orders: Vec<FaultOrder>,
    rng: StdRng,
}

impl Faults {
    pub(super) fn new(seed: u64, rates: FaultRates) -> Self {
        Self {
            rates,
            orders: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(super) fn order(&mut self, order: FaultOrder) {
        self.orders.push(order);
    }

    pub(super) fn clear(&mut self) {
        self.orders.clear();
        self.rates = FaultRates::NONE;
    }

    /// The fault of one request: what was ordered first, else what chance says.
    pub(super) fn next(&mut self, method: &str, path: &str) -> Option<Fault> {
        let ordered = self.orders.iter_mut().find(|order| {
            order.times > 0
                && order
                    .method
                    .as_deref()
                    .is_none_or(|only| only.eq_ignore_ascii_case(method))
                && order
                    .path
                    .as_deref()
                    .is_none_or(|only| path.starts_with(only))
        });
        if let Some(order) = ordered {
            order.times -= 1;
            let fault = order.fault;
            self.orders.retain(|order| order.times > 0);
            return Some(fault);
        }
        let mut draw = self.rng.random::<f64>();
        let headers = self.rng.random_bool(0.5);
        let ms = self.rng.random_range(20..300);
        let chances = [
            (self.rates.answer_lost, Fault::AnswerLost),
            (
                self.rates.server_error,
                Fault::ServerError {
                    status: 502,
                    after_effect: false,
                },
            ),
            (
                self.rates.too_many_requests,
                Fault::TooManyRequests { headers },
            ),
            (self.rates.too_early, Fault::TooEarly),
            (
                self.rates.gateway_timeout_page,
                Fault::GatewayTimeoutPage {
                    after_effect: false,
                },
            ),
            (self.rates.slow, Fault::Slow { ms }),
        ];
        for (chance, fault) in chances {
            if draw < chance {
                return Some(fault)
                    .filter(|fault| *fault != Fault::TooEarly || path.starts_with("/v3/contacts"));
            }
            draw -= chance;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_first_and_only_where_they_were_ordered() {
        let mut faults = Faults::new(1, FaultRates::NONE);
        let order: FaultOrder = serde_json::from_str(
            r#"{"fault":"answer_lost","times":2,"method":"POST","path":"/v3/events"}"#,
        )
        .unwrap();
        faults.order(order);
        faults.order(serde_json::from_str(r#"{"fault":"server_error","status":503}"#).unwrap());
        assert_eq!(
            faults.next("GET", "/v3/events"),
            Some(Fault::ServerError {
                status: 503,
                after_effect: false
            })
        );
        assert_eq!(faults.next("GET", "/v3/events"), None);
        assert_eq!(faults.next("POST", "/v3/events"), Some(Fault::AnswerLost));
        assert_eq!(faults.next("POST", "/v3/events"), Some(Fault::AnswerLost));
        assert_eq!(faults.next("POST", "/v3/events"), None);
    }

    #[test]
    fn chance_follows_the_seed_and_the_rates() {
        let draw = |seed| {
            let mut faults = Faults::new(
                seed,
                FaultRates {
                    answer_lost: 0.2,
                    too_early: 0.2,
                    ..FaultRates::NONE
                },
            );
            (0..1_000)
                .map(|_| faults.next("POST", "/v3/events"))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        let lost = draw(7)
            .iter()
            .filter(|fault| **fault == Some(Fault::AnswerLost))
            .count();
        assert!((150..250).contains(&lost), "{lost}");
        assert!(
            !draw(7).contains(&Some(Fault::TooEarly)),
            "only contacts are too early"
        );
    }
}
