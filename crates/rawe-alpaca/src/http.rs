//! One HTTP connection to one base URL: headers, timeouts, the rate limit, one retry of reads.
//!
//! What a status means is decided by the callers; here a call either has an answer (any status
//! with a body) or a fault. Redirects are never followed and a POST is never repeated.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use url::Url;

use rawe_core::Timestamp;
use rawe_execution::broker::BrokerError;

use crate::rate_budget::{Leave, RateBudget, RateWatch};
use crate::redaction::Redaction;
use crate::settings::{ClientError, Settings, is_loopback};
use crate::types::ErrorBody;

/// The largest answer read, in bytes: ten thousand bars are about two million.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Wait before a read is repeated, in milliseconds; up to as much again is added at random.
const RETRY_WAIT_MS: u64 = 250;
/// An idle connection is dropped before a server would, so that no order meets a dead one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How many reads are under way at once at most: more only open more connections to a server that
/// answers no faster. Hundreds of questions a second still pass over a slow line.
const READS_MAX: usize = 8;
/// How many orders and cancellations are under way at once at most. They never wait behind reads.
const WRITES_MAX: usize = 64;
/// How many connections stay open for the next burst.
const IDLE_MAX: usize = 32;

/// A client of one base URL. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    base: Url,
    limiter: Option<Arc<DefaultDirectRateLimiter>>,
    watch: Arc<RateWatch>,
    redaction: Redaction,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("host", &self.base.host_str())
            .finish_non_exhaustive()
    }
}

/// An answer with any status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// No answer: not reachable, timed out, cut off. The text never holds a key.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

impl Http {
    /// The settings' two APIs, trading and data, over one pool of connections.
    pub(crate) fn pair(settings: &Settings) -> Result<[Self; 2], ClientError> {
        settings.check()?;
        let client = connect(settings)?;
        Ok(
            [&settings.trading_url, &settings.data_url].map(|base| Self {
                client: client.clone(),
                reads: Arc::new(Semaphore::new(READS_MAX)),
                writes: Arc::new(Semaphore::new(WRITES_MAX)),
                base: base.clone(),
                limiter: settings
                    .requests_per_minute(base)
                    .map(|rate| Arc::new(limiter(rate))),
                watch: Arc::new(RateWatch::default()),
                redaction: Redaction::of(settings),
            }),
        )
    }

    /// The URL of an absolute path such as `/v2/orders:by_client_order_id`.
    ///
    /// `Url::join` would read `orders:` as a scheme and lose the host, so the path is set.
    pub(crate) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // People write the base with its version; the paths bring their own.
        let prefix = self.base.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/v2").unwrap_or(prefix);
        url.set_path(&format!("{prefix}{path}"));
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends once.
    async fn once(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<Answer, Fault> {
        let lanes = if method == Method::GET {
            &self.reads
        } else {
            &self.writes
        };
        // Nobody closes them, and without a place the request would only go out sooner.
        let _place = lanes.acquire().await.ok();
        if let Some(limiter) = &self.limiter {
            limiter.until_ready().await;
        }
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let mut response = request.send().await.map_err(|error| self.fault(error))?;
        let status = response.status();
        let too_many = status == StatusCode::TOO_MANY_REQUESTS;
        self.watch.note(response.headers(), too_many, wall_now());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Fault(format!(
                    "the answer is over {ANSWER_BYTES_MAX} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }

    /// Sends a JSON body once, whatever happens.
    pub(crate) async fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, Fault> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Fault(format!("the request cannot be written: {error}")))?;
        self.once(Method::POST, self.url(path, &[]), Some(body))
            .await
    }

    /// Sends a DELETE once.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Fault> {
        self.once(Method::DELETE, self.url(path, &[]), None).await
    }

    /// Reads; repeats once after a fault, a 429 or a 5xx. After a 429 that says for how long, no
    /// read goes out before.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, BrokerError> {
        let url = self.url(path, query);
        self.wait_for_leave().await?;
        let first = self.once(Method::GET, url.clone(), None).await;
        let answer = match first {
            Ok(answer) if !is_passing(answer.status) => return Ok(answer),
            _ => {
                tokio::time::sleep(retry_wait()).await;
                self.wait_for_leave().await?;
                self.once(Method::GET, url, None).await
            }
        };
        match answer {
            Ok(answer) if is_passing(answer.status) => {
                Err(BrokerError::Unavailable(self.words(&answer)))
            }
            Ok(answer) => Ok(answer),
            Err(Fault(reason)) => Err(BrokerError::Unavailable(reason)),
        }
    }

    /// Waits until the server's last "too many" is over, if that is soon.
    async fn wait_for_leave(&self) -> Result<(), BrokerError> {
        match self.watch.leave() {
            Leave::Now => Ok(()),
            Leave::After(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Leave::Refused(wait) => Err(BrokerError::Unavailable(format!(
                "429 too many requests; the server asked for {} s of quiet",
                wait.as_secs()
            ))),
        }
    }

    /// Reads JSON; `None` for 404.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, BrokerError> {
        let answer = self.get(path, query).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|error| BrokerError::Unreadable(self.clean(&format!("{path}: {error}"))))
    }

    /// Reads JSON that must be there.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, BrokerError> {
        self.find(path, query)
            .await?
            .ok_or_else(|| BrokerError::Refused {
                status: StatusCode::NOT_FOUND.as_u16(),
                message: format!("{path} does not exist"),
            })
    }

    /// What a status that is no success means for a question.
    pub(crate) fn refusal(&self, answer: &Answer) -> BrokerError {
        let message = self.message(answer);
        let status = answer.status;
        // A 403 with words is an entitlement or a rule; without, it is how old gateways say 401.
        let says_nothing = message.is_empty() || message.to_lowercase().contains("forbidden");
        match status {
            _ if is_passing(status) => BrokerError::Unavailable(self.words(answer)),
            StatusCode::UNAUTHORIZED => BrokerError::Unauthorized(self.words(answer)),
            StatusCode::FORBIDDEN if says_nothing => BrokerError::Unauthorized(self.words(answer)),
            _ => BrokerError::Refused {
                status: status.as_u16(),
                message,
            },
        }
    }

    /// The server's message, without keys and not too long; empty if it sent none.
    pub(crate) fn message(&self, answer: &Answer) -> String {
        let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        self.clean(&body.message)
    }

    /// Status and message, for people.
    pub(crate) fn words(&self, answer: &Answer) -> String {
        format!("{} {}", answer.status.as_u16(), self.message(answer))
            .trim_end()
            .to_owned()
    }

    fn fault(&self, error: reqwest::Error) -> Fault {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Fault(self.clean(&text))
    }

    /// See [`Redaction::clean`].
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redaction.clean(text)
    }

    /// The newest word of the server on its rate limit.
    pub(crate) fn rate_budget(&self) -> Option<RateBudget> {
        self.watch.budget()
    }
}

/// Sets up the pool of connections: keys in headers marked sensitive, no redirects, no retries.
fn connect(settings: &Settings) -> Result<reqwest::Client, ClientError> {
    // Fails if the process has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    for (name, label, secret) in [
        ("apca-api-key-id", "key id", &settings.key_id),
        ("apca-api-secret-key", "secret key", &settings.secret_key),
    ] {
        let mut value = HeaderValue::from_str(secret.expose_secret())
            .map_err(|_| ClientError::BadKey(label))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .timeout(settings.total_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX)
        .tcp_nodelay(true);
    if is_loopback(&settings.trading_url) && is_loopback(&settings.data_url) {
        builder = builder.no_proxy();
    }
    if [&settings.trading_url, &settings.data_url].map(Url::scheme) == ["http"; 2] {
        // Nothing is encrypted: the machine's list of authorities need not be read.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| ClientError::Setup(error.to_string()))
}

/// Whether a status is likely to pass: asking again makes sense.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// A tenth of the allowance may burst, the rest is spread: no minute ever sees more than `rate`.
fn limiter(rate: NonZeroU32) -> DefaultDirectRateLimiter {
    let burst = NonZeroU32::new(rate.get() / 10).unwrap_or(NonZeroU32::MIN);
    let steady = NonZeroU32::new(rate.get() - burst.get()).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::per_minute(steady).allow_burst(burst))
}

/// Wall time, only to tell how far ahead a date in a header is.
#[allow(
    clippy::disallowed_methods,
    reason = "headers carry dates of the wall clock, no decision hangs on them"
)]
fn wall_now() -> Timestamp {
    chrono::Utc::now()
}

/// Random, so that processes that failed together do not come back together.
fn retry_wait() -> Duration {
    let random = RandomState::new().hash_one(RETRY_WAIT_MS);
    Duration::from_millis(RETRY_WAIT_MS + random % RETRY_WAIT_MS)
}
