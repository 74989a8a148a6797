//! The rate limit as the server tells it: reads keep still, orders never do.

use std::time::{Duration, Instant};

use rawe_core::{ClientOrderId, DecisionId, Purpose};
use rawe_execution::broker::{
    Amount, Broker, BrokerError, OrderKind, OrderRequest, Side, SubmitOutcome, TimeInForce,
};

use super::server::{Play, Server, answer};
use super::{client, symbol};
use crate::RateBudget;

const CLOCK: &str = r#"{"timestamp": "2026-01-05T10:00:00-05:00", "is_open": true,
    "next_open": "2026-01-06T09:30:00-05:00", "next_close": "2026-01-05T16:00:00-05:00"}"#;

#[tokio::test]
async fn the_budget_is_offered() {
    let headers = "x-ratelimit-limit: 200\r\nx-ratelimit-remaining: 198\r\n\
                   x-ratelimit-reset: 1767625200\r\n";
    let server = Server::playing([
        Play::Headed(200, headers, CLOCK.to_owned()),
        answer(200, CLOCK),
    ])
    .await;
    let client = client(&server.url);
    assert_eq!(client.rate_budget(), None);
    let expected = RateBudget {
        limit: Some(200),
        remaining: Some(198),
        resets_at: Some("2026-01-05T15:00:00Z".parse().unwrap()),
    };
    for _ in 0..2 {
        client.clock().await.unwrap();
        assert_eq!(
            client.rate_budget(),
            Some(expected),
            "silence changes nothing"
        );
    }
}

#[tokio::test]
async fn a_read_waits_as_long_as_a_429_asks() {
    let limited = Play::Headed(429, "retry-after: 1\r\n", "{}".to_owned());
    let server = Server::playing([limited, answer(200, CLOCK)]).await;
    let began = Instant::now();
    client(&server.url).clock().await.unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(990),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_long_quiet_fails_reads_at_once_and_lets_orders_through() {
    let limited = Play::Headed(429, "retry-after: 60\r\n", "{}".to_owned());
    let server = Server::playing([limited, answer(500, "{}")]).await;
    let client = client(&server.url);
    for _ in 0..3 {
        let refused = client.clock().await;
        assert!(
            matches!(refused, Err(BrokerError::Unavailable(_))),
            "{refused:?}"
        );
    }
    assert_eq!(server.lines().len(), 1, "nothing more was asked");
    let id: ClientOrderId =
        DecisionId::derive("test", &symbol("AAPL"), Purpose::Open, None).client_order_id();
    let order = OrderRequest {
        client_order_id: id,
        symbol: symbol("AAPL"),
        side: Side::Buy,
        closes: false,
        amount: Amount::Quantity(1.into()),
        time_in_force: TimeInForce::Day,
        kind: OrderKind::Market,
    };
    let outcome = client.submit(&order).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(server.lines(), ["GET /v2/clock", "POST /v2/orders"]);
}
