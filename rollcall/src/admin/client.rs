//! Asking a running process.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;

use super::Fault;

/// How long a process may take to read all topics.
const ALL_TOPICS: Duration = Duration::from_secs(60 * 60);

/// The admin address of a process that runs.
pub(crate) struct AdminClient {
    base: String,
    client: reqwest::Client,
}

impl AdminClient {
    /// The process at the address; `None` where none listens there.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Option<Self>> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(1))
            .timeout(Duration::from_secs(60))
            .build()?;
        let base = format!("http://{address}");
        match client.get(format!("{base}/healthz")).send().await {
            Ok(answer) if answer.status().is_success() => Ok(Some(Self { base, client })),
            Ok(answer) => bail!(
                "{base}/healthz answers {}: another program listens on admin.listen",
                answer.status()
            ),
            Err(error) if error.is_connect() => Ok(None),
            Err(error) => Err(error).with_context(|| format!("asking {base}")),
        }
    }

    /// What the process answers; `None` where it knows nothing of it.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>> {
        answer(self.client.get(self.url(path)?).query(query)).await
    }

    /// What the process answers to a question that has it read all topics.
    pub(crate) async fn get_from_everything<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>> {
        answer(self.client.get(self.url(path)?).timeout(ALL_TOPICS)).await
    }

    /// The process's metrics, as text.
    pub(crate) async fn metrics(&self) -> Result<String> {
        Ok(self
            .client
            .get(self.url(&["metrics"])?)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    /// What the process answers to an order.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>> {
        answer(self.client.post(self.url(path)?).query(query)).await
    }

    fn url(&self, path: &[&str]) -> Result<reqwest::Url> {
        let mut url = reqwest::Url::parse(&self.base)?;
        url.path_segments_mut()
            .expect("an http address has a path")
            .extend(path);
        Ok(url)
    }
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<Option<T>> {
    let answer = request.send().await?;
    match answer.status() {
        status if status.is_success() => Ok(Some(answer.json().await?)),
        StatusCode::NOT_FOUND => Ok(None),
        status => {
            let text = answer.text().await.unwrap_or_default();
            match serde_json::from_str::<Fault>(&text) {
                Ok(fault) => bail!(fault.error),
                Err(_) => bail!("the running process answers {status}: {text}"),
            }
        }
    }
}
