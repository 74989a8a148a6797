//! The paper exchange's own API, as the pacer uses it: what market it plays, and its clock.

use std::collections::BTreeMap;
use std::time::Duration;

use rawe_core::{Symbol, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

/// How long one answer may take. Setting the clock matches waiting orders, no more.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The market that an exchange plays.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Market {
    /// The virtual now.
    pub(crate) now: Timestamp,
    /// The first bar's start.
    pub(crate) start: Timestamp,
    /// The last bar's end.
    pub(crate) end: Timestamp,
    /// Where the clock started.
    pub(crate) warmup_until: Timestamp,
    /// All symbols.
    pub(crate) symbols: Vec<Symbol>,
    /// The length of each symbol's bars.
    pub(crate) timeframes: BTreeMap<Symbol, Timeframe>,
    /// Whether the clock waits for a pacer.
    pub(crate) paced: bool,
}

/// Where the clock stands.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct ExchangeClock {
    /// The virtual now.
    pub(crate) now: Timestamp,
    /// The next end of a bar in the exchange's data.
    pub(crate) next_bar_end: Option<Timestamp>,
}

#[derive(Serialize)]
struct ClockRequest {
    now: Timestamp,
}

/// Why the exchange's own API did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// It cannot be reached, or answered with a failure of its own. Try again later.
    #[error("the paper exchange at {url} does not answer: {reason}")]
    Unavailable {
        /// Its address.
        url: Url,
        /// What went wrong.
        reason: String,
    },
    /// It refused. Retrying does not help.
    #[error("the paper exchange refused: {0}")]
    Refused(String),
}

/// A client of that API.
#[derive(Clone, Debug)]
pub(crate) struct ExchangeAdmin {
    http: reqwest::Client,
    base: Url,
}

impl ExchangeAdmin {
    /// A client of the exchange at `base`.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub(crate) fn new(base: Url) -> reqwest::Result<Self> {
        // Fails if the process has chosen a provider already, which is as good.
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
        // A replay's exchange is ours and near: a proxy between would only be in the way.
        let http = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            .no_proxy()
            .build()?;
        Ok(Self { http, base })
    }

    /// What market is played.
    ///
    /// # Errors
    /// [`AdminError`].
    pub(crate) async fn market(&self) -> Result<Market, AdminError> {
        let url = self.url("rawe/v1/market");
        self.answer(self.http.get(url)).await
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// [`AdminError`]; it refuses to go back.
    pub(crate) async fn set_clock(&self, now: Timestamp) -> Result<ExchangeClock, AdminError> {
        let url = self.url("rawe/v1/clock");
        self.answer(self.http.post(url).json(&ClockRequest { now }))
            .await
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap_or_else(|_| self.base.clone())
    }

    fn unavailable(&self, reason: impl Into<String>) -> AdminError {
        AdminError::Unavailable {
            url: self.base.clone(),
            reason: reason.into(),
        }
    }

    async fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, AdminError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unavailable(innermost(&error)))?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| self.unavailable(innermost(&error)))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                AdminError::Refused(format!(
                    "its answer cannot be read ({error}); is it a paper exchange?"
                ))
            });
        }
        let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        if status.is_server_error() {
            return Err(self.unavailable(format!("{status}: {said}")));
        }
        Err(AdminError::Refused(format!("{status}: {said}")))
    }
}

/// The last cause in a chain says what happened; the first only that something did.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
