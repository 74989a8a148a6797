//! A running exchange with a small market, and a client.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use paper_exchange::{ExchangeState, Keys, NewsStore, OtherAccount, Pacing, World, serve};
use rawe_core::{AssetClass, Bar, NewsItem, Register, Symbol, Timeframe};
use rawe_feed::bar_times::spans_between;
use rawe_market::{ExchangeConfig, MarketData};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Monday in the session, half way through the bar from 11:00 New York.
pub(crate) const OPEN: &str = "2026-03-02T16:30:00Z";
/// Monday after the close.
pub(crate) const NIGHT: &str = "2026-03-02T22:00:00Z";
/// The stocks and coins of the test market.
pub(crate) const SYMBOLS: [&str; 5] = ["AAPL", "HARD", "WHOLE", "BTC/USD", "ETH/USD"];

/// An instant from text.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A decimal from the text in a JSON value: proves that it was sent as a string.
pub(crate) fn dec(value: &Value) -> Decimal {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
        .parse()
        .unwrap()
}

/// Two weeks of hourly bars; each opens two higher than the one before and closes one higher.
pub(crate) fn bars() -> Vec<Bar> {
    let mut bars = Vec::new();
    for name in SYMBOLS {
        let symbol = Symbol::new(name).unwrap();
        let crypto = symbol.class() == AssetClass::Crypto;
        let (mut open, step) = if crypto {
            (50_000.0, 10.0)
        } else {
            (100.0, 2.0)
        };
        let (after, through) = (at("2026-03-02T00:00:00Z"), at("2026-03-13T23:00:00Z"));
        for span in spans_between(symbol.class(), Timeframe::Hour, after, through) {
            bars.push(Bar {
                symbol: symbol.clone(),
                start: span.start,
                end: span.end,
                timeframe: Timeframe::Hour,
                open,
                high: open + 2.0,
                low: open - 1.0,
                close: open + 1.0,
                volume: 1000.0,
                backfill: false,
            });
            open += step;
        }
    }
    bars
}

/// One item every three hours, seen a minute after it was published; each second one names AAPL,
/// each third one BTC/USD.
pub(crate) fn news() -> Vec<NewsItem> {
    let first = at("2026-03-02T00:00:00Z");
    let named = |number: i64, divisor: i64, name: &str| {
        (number % divisor == 0).then(|| Symbol::new(name).unwrap())
    };
    (0..90)
        .map(|number| {
            let published = first + TimeDelta::hours(3 * number);
            NewsItem {
                id: format!("item-{number:03}"),
                published,
                first_seen: published + TimeDelta::minutes(1),
                source: "wire".to_owned(),
                register: Register::News,
                author: None,
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: [named(number, 2, "AAPL"), named(number, 3, "BTC/USD")]
                    .into_iter()
                    .flatten()
                    .collect(),
                headline: format!("headline {number}"),
                text: if number % 5 == 0 {
                    String::new()
                } else {
                    format!("text {number}")
                },
                backfill: false,
            }
        })
        .collect()
}

/// A market of these bars and news: WHOLE cannot be traded in fractions, HARD not sold short.
pub(crate) fn world(now: &str, bars: Vec<Bar>, news: Vec<NewsItem>) -> World {
    let mut data = MarketData::from_bars(bars).unwrap();
    let symbol = |name| Symbol::new(name).unwrap();
    assert!(data.adjust_asset(&symbol("WHOLE"), |asset| asset.fractionable = false));
    assert!(data.adjust_asset(&symbol("HARD"), |asset| asset.shortable = false));
    World {
        start: data.start().unwrap(),
        end: data.end().unwrap(),
        warmup_until: at(now),
        data: Arc::new(data),
        news: NewsStore::new(news),
    }
}

/// No spreads, so that prices are round.
pub(crate) fn config() -> ExchangeConfig {
    ExchangeConfig {
        half_spread_bps_stocks: Decimal::ZERO,
        half_spread_bps_crypto: Decimal::ZERO,
        ..ExchangeConfig::default()
    }
}

/// A running exchange and a client with the right keys.
pub(crate) struct Exchange {
    base: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

/// An answer: status and body; null when the body is empty.
pub(crate) type Answer = (u16, Value);

impl Exchange {
    /// Starts an exchange whose clock stands at `now` and waits for a pacer.
    pub(crate) async fn start(now: &str) -> Self {
        Self::start_paced(now, Pacing::ByPacer).await
    }

    /// Starts an exchange whose clock stands at `now`; without spreads, so that prices are round.
    pub(crate) async fn start_paced(now: &str, pacing: Pacing) -> Self {
        Self::start_world(world(now, bars(), news()), config(), pacing).await
    }

    /// Starts an exchange over a world.
    pub(crate) async fn start_world(world: World, config: ExchangeConfig, pacing: Pacing) -> Self {
        Self::start_state(ExchangeState::new(world, config, Keys::default(), pacing)).await
    }

    /// Starts an exchange with a second account, `other` with the secret `other` and a thousand
    /// dollars, and so many requests a minute.
    pub(crate) async fn start_shared(now: &str, requests_per_minute: Option<u32>) -> Self {
        let other = OtherAccount {
            keys: Keys {
                key_id: SecretString::from("other"),
                secret_key: SecretString::from("other"),
            },
            cash: Some(Decimal::ONE_THOUSAND),
        };
        let state = ExchangeState::with_accounts(
            world(now, bars(), news()),
            config(),
            Keys::default(),
            &[other],
            requests_per_minute,
            Pacing::ByPacer,
        );
        Self::start_state(state).await
    }

    async fn start_state(state: ExchangeState) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Arc::new(state), shutdown.clone()));
        Self {
            base,
            client: client(),
            shutdown,
            server,
        }
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request with the keys.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send_with_keys(method, path, body, "paper", "paper")
            .await
    }

    /// Sends a request with these keys.
    pub(crate) async fn send_with_keys(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        key_id: &str,
        secret_key: &str,
    ) -> Answer {
        let method = method.parse::<reqwest::Method>().unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("APCA-API-KEY-ID", key_id)
            .header("APCA-API-SECRET-KEY", secret_key);
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: no JSON: {text}"))
        };
        (status, body)
    }

    /// The body of a GET that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Posts an order.
    pub(crate) async fn order(&self, order: &Value) -> Answer {
        self.send("POST", "/v2/orders", Some(&order.to_string()))
            .await
    }

    /// Posts an order that must be taken.
    pub(crate) async fn take(&self, order: &Value) -> Value {
        let (status, body) = self.order(order).await;
        assert_eq!(status, 200, "{order}: {body}");
        body
    }

    /// Moves the clock.
    pub(crate) async fn advance(&self, now: &str) -> Value {
        let body = serde_json::json!({ "now": now }).to_string();
        let (status, body) = self.send("POST", "/rawe/v1/clock", Some(&body)).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
    }
}

fn client() -> reqwest::Client {
    // Another test may have installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap()
}
