//! The price blocks against their formulas written out.

use super::*;
use chrono::{TimeZone, Utc};
use rawe_core::Symbol;
use rawe_core::calendar::MarketCalendar;

/// A walk that never repeats itself.
fn walk(step: usize) -> f64 {
    let step = step as f64;
    100.0 * (0.03 * (step * 0.7).sin() + 0.02 * (step * 1.9).cos() + 0.0004 * step).exp()
}

fn bar(symbol: &str, end: Timestamp, timeframe: Timeframe, close: f64) -> Bar {
    Bar {
        symbol: Symbol::new(symbol).unwrap(),
        start: end - TimeDelta::hours(1),
        end,
        timeframe,
        open: close,
        high: close,
        low: close,
        close,
        volume: 1.0,
        backfill: false,
    }
}

fn deviation(returns: &[f64]) -> f64 {
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (returns.len() - 1) as f64).sqrt()
}

fn close_to(got: Option<f64>, expected: f64) {
    let got = got.expect("a value");
    assert!(
        (got - expected).abs() < 1e-9 * expected.abs().max(1.0),
        "{got}, not {expected}"
    );
}

/// Horizons in hours, and in sessions.
const SESSIONS: [(u32, usize); 8] = [
    (6, 1),
    (9, 2),
    (24, 3),
    (48, 3),
    (96, 4),
    (120, 5),
    (168, 7),
    (480, 20),
];

fn hourly() -> PriceHistory {
    PriceHistory::new(AssetClass::Crypto, Timeframe::Hour)
}

fn hour(n: usize) -> Timestamp {
    let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
    start + TimeDelta::hours(i64::try_from(n).unwrap())
}

#[test]
fn crypto_blocks_equal_the_formulas() {
    let mut history = hourly();
    for n in 0..600 {
        history.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, walk(n)));
        let got = history.read(hour(n));
        assert_eq!(got.sigma.is_some(), n >= 168, "hour {n}");
        close_to(got.close, walk(n));
        if n < 168 {
            continue;
        }
        let returns: Vec<f64> = (n - 167..=n)
            .map(|k| (walk(k) / walk(k - 1)).ln())
            .collect();
        let sigma = deviation(&returns);
        close_to(got.sigma, sigma);
        close_to(got.sigma_annual, sigma * 8_760f64.sqrt());
        close_to(got.return_in_sigmas, (walk(n) / walk(n - 1)).ln() / sigma);
        for hours in [6u32, 24, 48, 120, 168, 300, 480] {
            if n < hours as usize {
                assert_eq!(history.moved(hours, true), None);
                continue;
            }
            let moved = (walk(n) / walk(n - hours as usize)).ln();
            close_to(history.moved(hours, false), moved);
            close_to(
                history.moved(hours, true),
                moved / (sigma * f64::from(hours).sqrt()),
            );
        }
    }
}

#[test]
fn a_missing_hour_repeats_the_last_close_and_a_late_bar_mends_it() {
    let (mut whole, mut gap, mut mended) = (hourly(), hourly(), hourly());
    for n in 0..300 {
        let missing = n == 250 || n == 251;
        let close = if missing { walk(249) } else { walk(n) };
        whole.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, close));
        if !missing {
            gap.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, walk(n)));
            mended.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, close));
        }
        // Scanning while the bar is missing sees the repeat already.
        assert_eq!(whole.read(hour(n)), gap.read(hour(n)), "hour {n}");
    }
    let mut right = hourly();
    for n in 0..300 {
        right.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, walk(n)));
    }
    for n in [250, 251] {
        mended.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, walk(n)));
    }
    assert_eq!(mended.read(hour(299)), right.read(hour(299)));
}

#[test]
fn a_long_silence_has_no_volatility_and_no_cost() {
    let mut history = hourly();
    for n in 0..200 {
        history.apply(&bar("BTC/USD", hour(n), Timeframe::Hour, walk(n)));
    }
    history.apply(&bar("BTC/USD", hour(2_000_000), Timeframe::Hour, 100.0));
    let later = history.read(hour(2_000_300));
    assert_eq!((later.close, later.sigma), (Some(100.0), None));
}

#[test]
fn daily_stock_blocks_equal_the_formulas() {
    let calendar = MarketCalendar::nyse();
    let from = chrono::NaiveDate::from_ymd_opt(2020, 2, 3).unwrap();
    let sessions = calendar.sessions(from, from + TimeDelta::days(120));
    let mut history = PriceHistory::new(AssetClass::UsEquity, Timeframe::Day);
    for (n, session) in sessions.iter().enumerate() {
        history.apply(&bar("AAPL", session.close, Timeframe::Day, walk(n)));
        let got = history.read(session.close + TimeDelta::hours(17));
        assert_eq!(got.sigma.is_some(), n >= 20, "session {n}");
        if n < 20 {
            continue;
        }
        let returns: Vec<f64> = (n - 19..=n).map(|k| (walk(k) / walk(k - 1)).ln()).collect();
        let sigma = deviation(&returns);
        close_to(got.sigma, sigma);
        close_to(got.sigma_annual, sigma * 252f64.sqrt());
        for (hours, count) in SESSIONS {
            let m = (walk(n) / walk(n - count)).ln() / (sigma * (count as f64).sqrt());
            close_to(history.moved(hours, true), m);
        }
    }
}

#[test]
fn hourly_stock_blocks_count_sessions() {
    let calendar = MarketCalendar::nyse();
    let from = chrono::NaiveDate::from_ymd_opt(2020, 8, 3).unwrap();
    let sessions = calendar.sessions(from, from + TimeDelta::days(60));
    let mut history = PriceHistory::new(AssetClass::UsEquity, Timeframe::Hour);
    let per_session = 7;
    for (day, session) in sessions.iter().enumerate() {
        for slot in 0..per_session {
            // Ends 10:00, 11:00 .. 16:00 New York; no half day in this span.
            let end = session.open + TimeDelta::minutes(30 + 60 * i64::from(slot));
            let n = day * 7 + usize::try_from(slot).unwrap();
            history.apply(&bar("AAPL", end, Timeframe::Hour, walk(n)));
            let got = history.read(end);
            assert_eq!(got.sigma.is_some(), day >= 20, "session {day}, slot {slot}");
            if day < 20 {
                continue;
            }
            // 20 sessions are the present one and 19 before it.
            let first = (day - 19) * 7;
            let returns: Vec<f64> = (first..=n).map(|k| (walk(k) / walk(k - 1)).ln()).collect();
            let sigma = deviation(&returns);
            close_to(got.sigma, sigma);
            let sigma_session = sigma * 7f64.sqrt();
            for (hours, count) in SESSIONS {
                let move_ = (walk(n) / walk(n - count * 7)).ln();
                close_to(
                    history.moved(hours, true),
                    move_ / (sigma_session * (count as f64).sqrt()),
                );
            }
        }
    }
}
