//! The floor of the packages: a relay that reads votes, asks what may be done with an asset at its first
//! vote, and posts the order at its third, with the libraries that the engine is built of. It decides
//! nothing, checks nothing and writes nothing down: what it costs beyond the bare relay is redis,
//! serde_json, tokio and reqwest, and an engine that stands on them can hardly cost less.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::relay::RelayArgs;

/// Reads under way at most, as in the engine: more only open more connections.
const READS_MAX: usize = 8;
/// Orders under way at most, as in the engine.
const WRITES_MAX: usize = 64;

/// A vote as the original format has it, with what a decision needs of it.
#[derive(Deserialize)]
struct Vote<'a> {
    #[serde(borrow, rename = "timestamp")]
    _timestamp: Cow<'a, str>,
    #[serde(borrow)]
    financial_asset: Cow<'a, str>,
    #[serde(borrow, rename = "metadata")]
    _proposal: Proposal<'a>,
}

#[derive(Deserialize)]
struct Proposal<'a> {
    #[serde(borrow, rename = "agent_name")]
    _agent_name: Cow<'a, str>,
    #[serde(borrow, rename = "direction")]
    _direction: Cow<'a, str>,
    #[serde(rename = "size")]
    _size: f64,
    /// The evidence, which nobody reads.
    #[serde(borrow, rename = "metadata")]
    _evidence: &'a RawValue,
}

/// What the endpoint tells of an order.
#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "status")]
    _status: String,
}

/// Relays until Redis closes the connection.
pub(super) fn relay(args: &RelayArgs) -> anyhow::Result<()> {
    // All on one thread, as in the engine; the runtime of this program has one for each core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    std::thread::scope(|scope| {
        let relay = scope.spawn(|| runtime.block_on(listen(args)));
        relay.join().unwrap_or_else(|_| bail!("the relay panicked"))
    })
}

async fn listen(args: &RelayArgs) -> anyhow::Result<()> {
    let endpoint = Endpoint {
        client: client()?,
        reads: Arc::new(Semaphore::new(READS_MAX)),
        writes: Arc::new(Semaphore::new(WRITES_MAX)),
        base: format!("http://127.0.0.1:{}", args.endpoint_port),
    };
    let redis = redis::Client::open(format!("redis://127.0.0.1:{}", args.redis_port))?;
    let mut link = redis.get_async_pubsub().await?;
    link.subscribe(&args.channel).await?;
    let mut messages = link.on_message();
    let mut counts: HashMap<String, u8> = HashMap::new();
    while let Some(message) = messages.next().await {
        let Ok(vote) = serde_json::from_slice::<Vote<'_>>(message.get_payload_bytes()) else {
            continue;
        };
        let asset = vote.financial_asset.into_owned();
        let count = counts.entry(asset.clone()).or_insert(0);
        *count = count.saturating_add(1);
        // What fails is a lost round in the generator's figures.
        match *count {
            1 => drop(tokio::spawn(endpoint.clone().look_up(asset))),
            3 => drop(tokio::spawn(endpoint.clone().order(asset))),
            _ => {}
        }
    }
    Ok(())
}

/// As the engine's, without keys and limits.
fn client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .build()
        .context("making an HTTP client")
}

/// Where orders go.
#[derive(Clone)]
struct Endpoint {
    client: reqwest::Client,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    base: String,
}

impl Endpoint {
    async fn look_up(self, asset: String) -> reqwest::Result<()> {
        let _place = self.reads.acquire().await.ok();
        let url = format!("{}/v2/assets/{asset}", self.base);
        let answer = self.client.get(url).send().await?;
        answer.bytes().await.map(drop)
    }

    async fn order(self, asset: String) -> reqwest::Result<Taken> {
        let _place = self.writes.acquire().await.ok();
        let body = json!({
            "symbol": asset,
            "notional": "100",
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
            "client_order_id": format!("rawe-packages-{asset}"),
        });
        let url = format!("{}/v2/orders", self.base);
        self.client.post(url).json(&body).send().await?.json().await
    }
}
