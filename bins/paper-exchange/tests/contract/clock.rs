//! The pacer's API and the exchange's own clock.

use std::time::Duration;

use paper_exchange::Pacing;
use serde_json::json;

use crate::support::{Exchange, OPEN, SYMBOLS, at};

#[tokio::test]
async fn the_pacer_moves_the_clock_forward_only() {
    let exchange = Exchange::start(OPEN).await;
    let moved = exchange.advance("2026-03-02T16:45:00Z").await;
    let expected = json!({"now": "2026-03-02T16:45:00Z", "next_bar_end": "2026-03-02T17:00:00Z",
        "fills": 0, "speed": null, "paused": false});
    assert_eq!(moved, expected);
    assert_eq!(exchange.advance("2026-03-02T16:45:00Z").await, expected);
    let back = Some(r#"{"now": "2026-03-02T16:44:59Z"}"#);
    let (status, body) = exchange.send("POST", "/rawe/v1/clock", back).await;
    assert_eq!((status, &body["code"]), (409, &json!(40_910_000)));
    for rubbish in ["", "{}", r#"{"now": "soon"}"#, r#"{"now": 5}"#] {
        let (status, body) = exchange.send("POST", "/rawe/v1/clock", Some(rubbish)).await;
        assert_eq!(
            (status, &body["code"]),
            (422, &json!(40_010_001)),
            "{rubbish}"
        );
    }
    let last = exchange.advance("2026-03-13T23:00:00Z").await;
    assert_eq!(last["next_bar_end"], json!(null));
    exchange.stop().await;
}

#[tokio::test]
async fn the_market_describes_itself() {
    let exchange = Exchange::start(OPEN).await;
    let market = exchange.get("/rawe/v1/market").await;
    let mut symbols = SYMBOLS;
    symbols.sort_unstable();
    for (field, value) in [
        ("now", json!(OPEN)),
        ("start", json!("2026-03-02T00:00:00Z")),
        ("end", json!("2026-03-13T23:00:00Z")),
        ("warmup_until", json!(OPEN)),
        ("symbols", json!(symbols)),
        ("speed", json!(null)),
        ("paced", json!(true)),
    ] {
        assert_eq!(market[field], value, "{field}");
    }
    assert_eq!(market["timeframes"]["BTC/USD"], "hour");
    exchange.stop().await;
}

#[tokio::test]
async fn without_a_pacer_the_clock_runs_to_the_end_of_the_data() {
    let two_weeks_in_a_third_of_a_second = 3_600_000.0;
    let pacing = Pacing::ByWallClock(two_weeks_in_a_third_of_a_second);
    let exchange = Exchange::start_paced(OPEN, pacing).await;
    let refused = exchange
        .send(
            "POST",
            "/rawe/v1/clock",
            Some(r#"{"now": "2026-03-05T00:00:00Z"}"#),
        )
        .await;
    assert_eq!(refused.0, 409);
    let mut before = at(OPEN);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let market = exchange.get("/rawe/v1/market").await;
        assert_eq!(market["paced"], false);
        let now = at(market["now"].as_str().unwrap());
        assert!(before <= now && now <= at("2026-03-13T23:00:00Z"));
        before = now;
        if now == at("2026-03-13T23:00:00Z") {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the clock stands at {now}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    exchange.stop().await;
}
