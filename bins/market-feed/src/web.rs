//! Sources on the web: asked politely, again and again, for what has changed. What a document says
//! is read by `rawe_feed::drafts`, when to ask again by `rawe_feed::poll_plan`.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use chrono::TimeDelta;
use rawe_feed::drafts::{Draft, DraftError, JsonFields, read_json, read_syndication};
use rawe_feed::intake::SourceRules;
use rawe_feed::poll_plan::{PollOutcome, PollPlan, retry_after};
use rawe_runtime::{Heart, wall_now};
use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use crate::retry::Teller;

/// Who asks.
const USER_AGENT: &str = concat!("rawe/", env!("CARGO_PKG_VERSION"), " (market feed)");
/// The largest document read, bytes.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How many times a source may send us elsewhere.
const REDIRECTS_MAX: usize = 5;
/// All sources begin within so long, so that a start is no burst.
const SPREAD_MS: u64 = 2_000;

/// How a document is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// RSS, Atom or JSON Feed.
    Syndication,
    /// Any JSON.
    Json(JsonFields),
}

/// A source on the web.
#[derive(Clone, Debug)]
pub struct WebSource {
    pub(crate) rules: SourceRules,
    pub(crate) url: Url,
    pub(crate) form: Form,
    pub(crate) pause: TimeDelta,
    /// What the source wants to be told besides, such as a key.
    pub(crate) headers: HeaderMap,
}

/// What one source told, by its place among the sources.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) source: usize,
    pub(crate) drafts: Vec<Draft>,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
enum WebError {
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its document is larger than {} MiB", DOCUMENT_BYTES_MAX >> 20)]
    TooLarge,
    #[error("{0}")]
    Draft(#[from] DraftError),
}

impl From<reqwest::Error> for WebError {
    /// The address may hold a key.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// Asks a source until nobody listens, or it says that it is gone.
pub(crate) async fn follow(
    place: usize,
    source: WebSource,
    heart: Heart,
    told: mpsc::Sender<Told>,
) -> anyhow::Result<()> {
    let client = client(&source)?;
    let first = TimeDelta::milliseconds(i64::try_from(random() % SPREAD_MS).unwrap_or(0));
    let mut plan = PollPlan::new(source.pause, wall_now() + first);
    let mut teller = Teller::new(&source.rules.name);
    while let Some(next) = plan.next() {
        tokio::time::sleep((next - wall_now()).to_std().unwrap_or(Duration::ZERO)).await;
        let (outcome, drafts) = ask(&client, &source, &plan).await;
        plan.asked(outcome, wall_now(), random());
        match drafts {
            Ok(drafts) => {
                teller.worked();
                heart.add("sources_asked", 1);
                let answer = Told {
                    source: place,
                    drafts,
                };
                if told.send(answer).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => {
                heart.add("sources_failed", 1);
                teller.failed(&error);
            }
        }
    }
    tracing::warn!(
        event = "source_gone",
        source = source.rules.name,
        "a source says that it is gone for good, and is not asked any more"
    );
    Ok(())
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}

fn client(source: &WebSource) -> reqwest::Result<reqwest::Client> {
    // Fails if the process has chosen a provider already, which is as good.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    // What is meant for one host only must not be sent on to another.
    let redirects = if source.headers.is_empty() {
        reqwest::redirect::Policy::limited(REDIRECTS_MAX)
    } else {
        reqwest::redirect::Policy::none()
    };
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .timeout(ANSWER_LIMIT)
        .redirect(redirects)
        .build()
}

/// Asks once: what came of it for the plan, and what was told.
async fn ask(
    client: &reqwest::Client,
    source: &WebSource,
    plan: &PollPlan,
) -> (PollOutcome, Result<Vec<Draft>, WebError>) {
    let accepted = match source.form {
        Form::Syndication => {
            "application/rss+xml, application/atom+xml, application/feed+json, */*"
        }
        Form::Json(_) => "application/json, */*",
    };
    let mut request = client
        .get(source.url.clone())
        .headers(source.headers.clone())
        .header(ACCEPT, accepted);
    if let Some(etag) = plan.etag() {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(date) = plan.last_modified() {
        request = request.header(IF_MODIFIED_SINCE, date);
    }
    let refused = |retry_after| PollOutcome::Refused { retry_after };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (refused(None), Err(error.into())),
    };
    let status = response.status();
    let header = |name| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    match status {
        StatusCode::NOT_MODIFIED => return (PollOutcome::NotModified, Ok(Vec::new())),
        StatusCode::GONE => return (PollOutcome::Gone, Err(WebError::Status(status))),
        StatusCode::OK => {}
        _ => {
            let pause = header(RETRY_AFTER).and_then(|text| retry_after(&text, wall_now()));
            return (refused(pause), Err(WebError::Status(status)));
        }
    }
    let outcome = PollOutcome::Document {
        etag: header(ETAG),
        last_modified: header(LAST_MODIFIED),
    };
    match read(response, &source.form).await {
        Ok(drafts) => (outcome, Ok(drafts)),
        Err(error) => (refused(None), Err(error)),
    }
}

async fn read(mut response: Response, form: &Form) -> Result<Vec<Draft>, WebError> {
    let mut document = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if document.len() + piece.len() > DOCUMENT_BYTES_MAX {
            return Err(WebError::TooLarge);
        }
        document.extend_from_slice(&piece);
    }
    Ok(match form {
        Form::Syndication => read_syndication(&document)?,
        Form::Json(fields) => read_json(&document, fields)?,
    })
}

#[cfg(test)]
#[path = "web_tests.rs"]
mod tests;
