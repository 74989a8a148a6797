//! The protocols on made-up panels whose answers are known.

use chrono::{DateTime, NaiveDate, TimeDelta};
use rawe_core::calendar::new_york_instant;
use rawe_core::{Bar, NewsItem, Register, Symbol, Timeframe, Timestamp};
use rawe_narrative::AssetFeatures;

use super::crypto::{HourlyPanel, sharpe_with_interval};
use super::stocks::{Cut, SessionPanel, Sessions};
use crate::walk::{Observation, Scan};

/// Annualised volatility of the made-up asset: a full position is a tenth.
const SIGMA_ANNUAL: f64 = 1.0;

fn hours(count: i64, close: impl Fn(i64) -> f64, score: impl Fn(i64) -> f64) -> HourlyPanel {
    let start: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let mut panel = HourlyPanel::default();
    for n in 0..count {
        let features = AssetFeatures {
            close: Some(close(n)),
            sigma_annual: Some(SIGMA_ANNUAL),
            ..AssetFeatures::default()
        };
        let seen = Observation {
            symbol: Symbol::new("BTC/USD").unwrap(),
            features,
            scores: vec![Some(score(n))],
        };
        let scan = Scan {
            instant: start + TimeDelta::hours(n),
            nvx: 50.0,
            assets: vec![seen],
        };
        panel.push(scan, &[]);
    }
    panel
}

#[test]
fn play_begins_with_a_month_after_two() {
    let panel = hours(24 * 70, |_| 100.0, |_| 0.0);
    // 60 days after 1 January 2020 is 1 March.
    assert_eq!(panel.play_from(), Some(24 * 60));
    assert_eq!(hours(24 * 50, |_| 100.0, |_| 0.0).play_from(), None);
}

#[test]
fn a_book_enters_once_stays_in_its_band_and_pays_its_cost() {
    let rise = |n: i64| 100.0 * 1.001_f64.powi(i32::try_from(n).unwrap());
    let panel = hours(24 * 70, rise, |n| {
        1.0 - 0.2 * f64::from(u8::from(n % 2 == 0))
    });
    let book = panel.book(0.01, |hour| hour.scores[0]);
    let hours_played = 24.0 * 10.0 - 1.0;
    // The first signal of play is 0.8, and 1.0 is no quarter away from it.
    assert!((book.turnover - 0.08).abs() < 1e-12, "{}", book.turnover);
    let sum: f64 = book.returns.iter().sum();
    assert!(
        (sum - (0.08 * 0.001 * hours_played - 0.01 * 0.08)).abs() < 1e-9,
        "{sum}"
    );
    let idle = panel.book(0.01, |_| 0.25);
    assert!(idle.turnover.abs() < 1e-12 && idle.returns.iter().all(|r| r.abs() < 1e-15));
}

#[test]
fn foresight_correlates_and_its_contrary_does_not() {
    let walk = |n: i64| 100.0 + ((n * 7_919) % 101) as f64;
    let panel = hours(24 * 200, walk, |n| (walk(n + 4) / walk(n)).ln());
    let asset = &panel.assets[0];
    let found = panel.correlation(asset, 4, |hour| hour.scores[0]).unwrap();
    assert!(
        found.value > 0.999_9 && found.t.unwrap() > 10.0,
        "{found:?}"
    );
    let found = panel.correlation(asset, 4, |hour| -hour.scores[0]).unwrap();
    assert!(
        found.value < -0.999_9 && found.interval.unwrap().high < -0.99,
        "{found:?}"
    );
    assert_eq!(panel.correlation(asset, 4, |_| 1.0), None);
}

#[test]
fn a_sharpe_ratio_lies_in_its_interval() {
    let returns: Vec<f64> = (0..400)
        .map(|n| 0.001 + 0.01 * f64::from(n * 37 % 19 - 9))
        .collect();
    let (ratio, interval) = sharpe_with_interval(&returns, 20, 365.0).unwrap();
    let interval = interval.unwrap();
    assert!(interval.low < ratio && ratio < interval.high);
}

const STOCKS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

fn move_of(day: i64, stock: usize) -> f64 {
    let stock = i64::try_from(stock).unwrap();
    0.02 * (((day * 31 + stock * 17) % 13) as f64 - 6.0) / 6.0 + 0.000_1 * stock as f64
}

/// Sixty sessions in which each stock opens where it closed and moves by `move_of`.
fn daily_bars() -> Vec<Bar> {
    let first: NaiveDate = "2021-03-01".parse().unwrap();
    let mut closes = [100.0; 6];
    let mut bars = Vec::new();
    for day in 0..60 {
        let date = first + TimeDelta::days(day);
        let end = new_york_instant(date, 16 * 60).unwrap();
        for (stock, close) in closes.iter_mut().enumerate() {
            let open = *close;
            *close = open * (1.0 + move_of(day, stock));
            bars.push(Bar {
                symbol: Symbol::new(STOCKS[stock]).unwrap(),
                start: end - TimeDelta::hours(16),
                end,
                timeframe: Timeframe::Day,
                open,
                high: close.max(open) * 1.001,
                low: close.min(open) * 0.999,
                close: *close,
                volume: 1.0,
                backfill: false,
            });
        }
    }
    bars
}

fn panel(cut: Cut) -> SessionPanel {
    let bars = daily_bars();
    let first = NewsItem {
        id: "1".to_owned(),
        published: DateTime::default(),
        first_seen: bars[0].end,
        source: "wire".to_owned(),
        register: Register::News,
        author: None,
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: Vec::new(),
        headline: "x".to_owned(),
        text: String::new(),
        backfill: false,
    };
    let sessions = Sessions::of(&bars);
    let decisions = sessions.decisions(&[first], cut);
    assert_eq!(
        decisions.first().unwrap().0,
        1,
        "the session of the first item is past"
    );
    let mut panel = SessionPanel::new(sessions);
    for (place, instant) in decisions {
        let day = i64::try_from(place).unwrap();
        let seen = |(stock, name): (usize, &&str)| Observation {
            symbol: Symbol::new(name).unwrap(),
            features: AssetFeatures::default(),
            scores: vec![Some(move_of(day, stock))],
        };
        let scan = Scan {
            instant,
            nvx: 50.0,
            assets: STOCKS.iter().enumerate().map(seen).collect(),
        };
        panel.push(place, scan);
    }
    panel
}

#[test]
fn foresight_of_sessions_is_perfect() {
    let panel = panel(Cut::Midnight);
    let found = panel.accuracy(|scored| scored.scores[0]).unwrap();
    assert!(
        (found.accuracy - 1.0).abs() < 1e-12 && found.targets > 200,
        "{found:?}"
    );
    assert!((found.matthews.unwrap() - 1.0).abs() < 1e-12);
    let contrary = panel.accuracy(|scored| -scored.scores[0]).unwrap();
    assert!(contrary.accuracy < 1e-12);
    let silent = panel.accuracy(|_| 0.0).unwrap();
    assert_eq!(silent.matthews, None);
    let found = panel.correlation(1, |scored| scored.scores[0]).unwrap();
    assert!((found.value - 1.0).abs() < 1e-12 && found.sessions == 59);
}

#[test]
fn a_book_of_ranks_is_gross_one_and_pays_for_what_it_trades() {
    let panel = panel(Cut::Morning);
    let book = panel.book(0.0, |scored| scored.scores[0]);
    assert!(
        (book.turnover - 2.0 * 59.0).abs() < 1e-9,
        "{}",
        book.turnover
    );
    assert!(book.returns.iter().all(|earned| *earned > 0.0));
    let dear = panel.book(0.001, |scored| scored.scores[0]);
    let paid: f64 = book.returns.iter().sum::<f64>() - dear.returns.iter().sum::<f64>();
    assert!((paid - 0.002 * 59.0).abs() < 1e-9);
    let slow = panel.overlapping_book(0.0, |scored| scored.scores[0]);
    assert!(slow.turnover < book.turnover / 2.0);
    // Who ranks all alike holds nothing.
    let idle = panel.overlapping_book(0.0, |scored| scored.scores.len() as f64);
    assert!(idle.turnover.abs() < 1e-12);
}
