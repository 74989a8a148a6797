//! Requests and answers against Alpaca's published OpenAPI documents, by a validator
//! (`tests/openapi_proxy.py`): every request that our own client of Alpaca can send, and what the
//! paper exchange answers to it and to the official Python SDK.
//!
//! The documents are those that Alpaca ships inside its package `alpaca-mcp-server` on PyPI.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use chrono::{NaiveDate, TimeDelta};
use rawe_alpaca::{DataClient, NewsQuery, Settings, TradingClient};
use rawe_core::{DecisionId, Purpose, Symbol, Timeframe};
use rawe_execution::broker::{
    Amount, Broker, OrderKind, OrderRequest, Side, SubmitOutcome, TimeInForce,
};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::Value;

use super::alpaca_py::{SDK, python_with, script, skip};
use super::harness::Program;

/// The documents, and what validates by them.
const PACKAGES: [&str; 2] = ["alpaca-mcp-server==2.4.0", "jsonschema==4.25.1"];

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// An order with an id of its own.
fn order(number: u32, name: &str, side: Side, amount: Amount, kind: OrderKind) -> OrderRequest {
    let deployment = format!("openapi-{number}");
    let decision = DecisionId::derive(&deployment, &symbol(name), Purpose::Open, None);
    let crypto = name.contains('/');
    let fractional = matches!(amount, Amount::Notional(_));
    OrderRequest {
        client_order_id: decision.client_order_id(),
        symbol: symbol(name),
        side,
        closes: false,
        amount,
        time_in_force: match (crypto, fractional) {
            (true, _) | (false, false) => TimeInForce::Gtc,
            (false, true) => TimeInForce::Day,
        },
        kind,
    }
}

async fn trade(broker: &TradingClient) {
    let dollars = |usd: i64| Amount::Notional(Decimal::from(usd));
    let units = |units: &str| Amount::Quantity(units.parse().unwrap());
    let price = broker
        .latest_price(&symbol("AAPL"))
        .await
        .unwrap()
        .unwrap()
        .0;
    let stop = (price / Decimal::TWO).round_dp(2);
    let limit = (price / Decimal::from(3)).round_dp(2);
    let market = OrderKind::Market;
    let orders = [
        order(1, "AAPL", Side::Buy, dollars(1_000), market),
        order(2, "AAPL", Side::Buy, units("7"), market),
        order(3, "BTC/USD", Side::Buy, units("0.000123456"), market),
        order(4, "BTC/USD", Side::Buy, dollars(333), market),
        order(5, "AAPL", Side::Sell, units("3"), OrderKind::Stop { stop }),
        order(
            6,
            "AAPL",
            Side::Sell,
            units("2"),
            OrderKind::StopLimit { stop, limit },
        ),
    ];
    for order in &orders {
        let outcome = broker.submit(order).await;
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
        let known = broker.order_by_client_id(&order.client_order_id).await;
        assert!(known.unwrap().is_some());
    }
    assert_eq!(broker.positions().await.unwrap().len(), 2);
    let open = broker.open_orders().await.unwrap();
    assert_eq!(open.len(), 2);
    for order in open {
        broker.cancel(&order.broker_order_id).await.unwrap();
    }
    assert_eq!(
        broker.closed_orders(&symbol("AAPL")).await.unwrap().len(),
        4
    );
}

async fn look(data: &DataClient, now: chrono::DateTime<chrono::Utc>) {
    let symbols = [symbol("AAPL"), symbol("AMZN"), symbol("BTC/USD")];
    let start = now - TimeDelta::days(5);
    for timeframe in [Timeframe::Hour, Timeframe::Day] {
        let bars = data.bars(&symbols, timeframe, start, Some(now)).await;
        assert_eq!(bars.unwrap().len(), 3);
    }
    assert_eq!(data.latest_bars(&symbols).await.unwrap().len(), 3);
    for symbol in &symbols {
        assert!(data.latest_price(symbol).await.unwrap().is_some());
    }
    let query = NewsQuery {
        start: Some(now - TimeDelta::days(1)),
        symbols: symbols.to_vec(),
        include_content: true,
        ..NewsQuery::default()
    };
    data.news(&query).await.unwrap();
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    assert_eq!(data.calendar(day(25), day(27)).await.unwrap().len(), 2);
}

/// Moves the exchange's clock into a session.
async fn open_market(exchange_url: &str) {
    let client = reqwest::Client::new();
    let market: Value = ask(client.get(format!("{exchange_url}/rawe/v1/market"))).await;
    let now: chrono::DateTime<chrono::Utc> = market["now"].as_str().unwrap().parse().unwrap();
    // A Monday at 11:30 in New York; the generated market starts on one.
    let body = format!(
        r#"{{"now": "{}"}}"#,
        (now + TimeDelta::minutes(15 * 60 + 30)).to_rfc3339()
    );
    ask(client
        .post(format!("{exchange_url}/rawe/v1/clock"))
        .body(body))
    .await;
}

async fn ask(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success());
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// A paper exchange with a second account, and where it listens.
async fn exchange(folder: &Path) -> (Program, String) {
    let mut command = Program::command("paper-exchange", folder);
    command.args(["--listen", "127.0.0.1:0", "--paced"]);
    command.args(["--warmup-days", "40", "--play-days", "20"]);
    command.args(["--account", "other:other:5000"]);
    let mut exchange = Program::start(command);
    let listening = exchange.event("exchange_listening").await;
    let url = format!("http://{}", listening["address"].as_str().unwrap());
    (exchange, url)
}

/// What stands between a client and the exchange, and reads along.
struct Proxy {
    child: Child,
    said: BufReader<ChildStdout>,
    url: String,
}

impl Proxy {
    fn start(python: &Path, exchange_url: &str, words: &[&str]) -> Self {
        let mut command = Command::new(python);
        command
            .arg(script("openapi_proxy.py"))
            .arg(exchange_url)
            .args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        said.read_line(&mut address).unwrap();
        let url = address.trim().to_owned();
        Self { child, said, url }
    }

    /// What it has found; the end of its standard input is what it waits for.
    fn report(mut self) -> String {
        drop(self.child.stdin.take());
        let mut report = String::new();
        self.said.read_to_string(&mut report).unwrap();
        assert!(self.child.wait().unwrap().success(), "{report}");
        report
    }
}

/// The Python that validates, or nothing if it was told that there is none.
async fn validator(what: &str) -> Option<PathBuf> {
    let made = tokio::task::spawn_blocking(|| python_with("openapi-2.4.0", &PACKAGES)).await;
    made.unwrap().map_err(|reason| skip(what, &reason)).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_requests_are_valid_by_the_published_documents() {
    let what = "our client's requests against Alpaca's published OpenAPI documents";
    let Some(python) = validator(what).await else {
        return;
    };
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (_exchange, exchange_url) = exchange(folder.path()).await;
    open_market(&exchange_url).await;
    let proxy = Proxy::start(&python, &exchange_url, &[]);
    let url: url::Url = proxy.url.parse().unwrap();
    let key = || SecretString::from("paper");
    let settings = Settings::new(url.clone(), url, key(), key());

    let broker = TradingClient::new(&settings).unwrap();
    assert!(broker.account().await.unwrap().can_trade);
    let clock = broker.clock().await.unwrap();
    assert!(clock.is_open, "{clock:?}");
    for name in ["AAPL", "BTC/USD"] {
        assert!(broker.asset(&symbol(name)).await.unwrap().is_some());
    }
    trade(&broker).await;
    look(&DataClient::new(&settings).unwrap(), clock.timestamp).await;
    let report = proxy.report();
    for operation in [
        "post /v2/orders",
        "get /v2/stocks/bars",
        "get /v1beta1/news",
    ] {
        assert!(
            report.contains(operation),
            "{operation} was not seen:\n{report}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchange_answers_the_sdk_as_the_published_documents_say() {
    let what = "the exchange's answers against Alpaca's published OpenAPI documents";
    let Some(python) = validator(what).await else {
        return;
    };
    let sdk = tokio::task::spawn_blocking(|| python_with("alpaca-py-0.44.0", &[SDK])).await;
    let sdk = match sdk.unwrap() {
        Ok(sdk) => sdk,
        Err(reason) => return skip(what, &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    let (_exchange, exchange_url) = exchange(folder.path()).await;
    let proxy = Proxy::start(&python, &exchange_url, &["answers"]);
    let mut command = Command::new(sdk);
    command
        .arg(script("alpaca_py.py"))
        .args([&exchange_url, &proxy.url]);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let report = proxy.report();
    assert!(report.contains("patch /v2/orders/{order_id}"), "{report}");
}
