//! Forecasts look at no future, are finite on any input, and find a signal that was planted.

use super::*;
use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use rawe_core::{Symbol, Timeframe};

/// A number in 0..1 that looks random, the same on every machine.
fn noise(seed: i64) -> f64 {
    let mixed = seed.wrapping_mul(6_364_136_223_846_793_005).rotate_left(29);
    let mixed = mixed.wrapping_mul(1_442_695_040_888_963_407) ^ (mixed >> 31);
    f64::from(u16::try_from(mixed.rem_euclid(65_536)).unwrap()) / 65_536.0
}

fn midnight(day: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap() + TimeDelta::days(day)
}

/// An hourly crypto bar of `range` around `price` that ends `hour` hours after midnight of `day`.
fn bar(asset: usize, day: i64, hour: i64, price: f64, range: f64) -> Bar {
    let end = midnight(day) + TimeDelta::hours(hour);
    Bar {
        symbol: Symbol::new(["AAA/USD", "BBB/USD", "CCC/USD"][asset]).unwrap(),
        start: end - TimeDelta::hours(1),
        end,
        timeframe: Timeframe::Hour,
        open: price,
        high: price * (1.0 + range),
        low: price,
        close: price * (1.0 + range / 2.0),
        volume: 1_000.0 + noise(day),
        backfill: false,
    }
}

const MEMBERS: [u32; 3] = [0, 1, 2];
const CLASS: AssetClass = AssetClass::Crypto;

/// A made market of three coins: ranges persist, and days after talk of results are wilder.
/// `price` scales every price. Returns the forecasts of every day and the book.
fn play(days: i64, price: f64, talk_matters: bool) -> (Vec<[RangeForecast; 3]>, VolatilityBook) {
    let mut book = VolatilityBook::default();
    let mut told = Vec::new();
    let mut level = [-4.0_f64; 3];
    for day in 0..days {
        let mut loud = [false; 3];
        for (asset, loud) in loud.iter_mut().enumerate() {
            let seed = day * 3 + i64::try_from(asset).unwrap();
            *loud = noise(seed * 7 + 1) > 0.9;
            let items = if *loud { 8 } else { 1 };
            for item in 0..items {
                let at = midnight(day) - TimeDelta::minutes(30 - item);
                book.hear(MEMBERS[asset], at, 1.0);
            }
        }
        book.scan(CLASS, midnight(day), &MEMBERS);
        told.push(MEMBERS.map(|number| book.read(CLASS, midnight(day), number)));
        for (asset, level) in level.iter_mut().enumerate() {
            let seed = day * 3 + i64::try_from(asset).unwrap();
            *level = -4.0 + 0.9 * (*level + 4.0) + 0.6 * (noise(seed) - 0.5);
            let shock = if talk_matters && loud[asset] {
                0.8
            } else {
                0.0
            };
            let log_range = *level + shock + 0.5 * (noise(seed + 99_991) - 0.5);
            let close = price * (1.0 + noise(seed + 77));
            for hour in [8, 16, 24] {
                let part = bar(asset, day, hour, close, log_range.exp());
                book.apply_bar(MEMBERS[asset], &part);
            }
        }
    }
    (told, book)
}

#[test]
fn har_beats_the_mean_and_talk_that_matters_beats_har() {
    let (told, book) = play(400, 100.0, true);
    let score = book.score(CLASS);
    assert!(score.har_error < 0.95 * score.plain_error, "{score:?}");
    assert!(score.gain > 0.05 && score.t.unwrap() > 3.0, "{score:?}");
    assert!(
        told[..30]
            .iter()
            .flatten()
            .all(|forecast| forecast.har.is_none())
    );
    let last = told[399][0];
    assert!(last.har.is_some() && last.narrative != last.har);
    assert!(
        (0.01..3.0).contains(&last.sigma_annual.unwrap()),
        "{last:?}"
    );
}

#[test]
fn talk_that_does_not_matter_costs_next_to_nothing() {
    let score = play(400, 100.0, false).1.score(CLASS);
    assert!(score.gain.abs() < 0.02, "{score:?}");
}

#[test]
fn the_unit_of_prices_does_not_matter() {
    let (told, book) = play(150, 100.0, true);
    for (unit, tolerance) in [(2.0_f64.powi(-20), 1e-12), (1_234.567, 1e-3)] {
        let (other, other_book) = play(150, 100.0 * unit, true);
        for (a, b) in told.iter().flatten().zip(other.iter().flatten()) {
            match (a.narrative, b.narrative) {
                (Some(a), Some(b)) => assert!((a - b).abs() < tolerance, "{a} {b} in {unit}"),
                (a, b) => assert_eq!(a, b),
            }
        }
        let difference = book.score(CLASS).gain - other_book.score(CLASS).gain;
        assert!(difference.abs() < tolerance * 10.0);
    }
}

#[test]
fn a_forecast_knows_nothing_of_what_comes_after_it() {
    let (long, _) = play(120, 100.0, true);
    for days in [40, 77, 119] {
        let (short, _) = play(days, 100.0, true);
        assert_eq!(short[..], long[..short.len()], "{days} days");
    }
    // Talk and bars of a running day do not change what was said of it.
    let (_, mut book) = play(120, 100.0, true);
    book.scan(CLASS, midnight(120), &MEMBERS);
    let before = book.read(CLASS, midnight(120), 0);
    book.hear(0, midnight(120) + TimeDelta::hours(2), 50.0);
    book.apply_bar(0, &bar(0, 120, 5, 300.0, 0.5));
    let noon = midnight(120) + TimeDelta::hours(12);
    book.scan(CLASS, noon, &MEMBERS);
    assert!(before.har.is_some());
    assert_eq!(book.read(CLASS, noon, 0), before);
    // The next day it is no longer said.
    assert_eq!(book.read(CLASS, midnight(121), 0), RangeForecast::default());
}

#[test]
fn hourly_and_daily_bars_of_stocks_say_the_same() {
    let calendar = MarketCalendar::nyse();
    let first = chrono::NaiveDate::from_ymd_opt(2020, 1, 2).unwrap();
    let sessions = calendar.sessions(first, first + TimeDelta::days(120));
    let play = |timeframe: Timeframe| {
        let mut book = VolatilityBook::default();
        let mut told = Vec::new();
        for (n, session) in sessions.iter().enumerate() {
            let before_open = session.open - TimeDelta::minutes(30);
            book.scan(AssetClass::UsEquity, before_open, &MEMBERS);
            told.push(MEMBERS.map(|m| book.read(AssetClass::UsEquity, session.open, m)));
            for number in MEMBERS {
                let seed = i64::try_from(n).unwrap() * 3 + i64::from(number);
                let (high, low) = (101.0 + noise(seed), 99.0 - noise(seed + 5));
                let whole = Bar {
                    symbol: Symbol::new(["AAA", "BBB", "CCC"][number as usize]).unwrap(),
                    start: session.open,
                    end: session.close,
                    timeframe,
                    open: 100.0,
                    high,
                    low,
                    close: 100.0 + noise(seed + 9),
                    volume: 4_000.0,
                    backfill: false,
                };
                if timeframe == Timeframe::Day {
                    book.apply_bar(number, &whole);
                    continue;
                }
                // What trades before the open does not belong to the session.
                let early = session.open - TimeDelta::hours(1);
                let cuts = [
                    (early, 500.0, 1.0),
                    (session.open + TimeDelta::hours(1), high, 100.0),
                    (session.close - TimeDelta::hours(1), 100.0, low),
                    (session.close, 100.0, 100.0),
                ];
                for (end, high, low) in cuts {
                    let part = Bar {
                        end,
                        high,
                        low,
                        volume: 4_000.0 / 3.0,
                        ..whole.clone()
                    };
                    book.apply_bar(number, &part);
                }
            }
        }
        told
    };
    let (daily, hourly) = (play(Timeframe::Day), play(Timeframe::Hour));
    assert!(daily.last().unwrap()[0].har.is_some());
    for (a, b) in daily.iter().flatten().zip(hourly.iter().flatten()) {
        assert_eq!(a.har.is_some(), b.har.is_some());
        let difference = a.har.unwrap_or(0.0) - b.har.unwrap_or(0.0);
        assert!(difference.abs() < 1e-6, "{a:?} {b:?}");
    }
}

#[test]
fn sessions_are_forecast_before_they_open_only() {
    let at = |day: u32, hour: u32, minute: u32| {
        Utc.with_ymd_and_hms(2026, 3, day, hour, minute, 0).unwrap()
    };
    let stocks = |at| coming_session(AssetClass::UsEquity, at);
    // Friday 6 March 2026, winter time: 14:30 to 21:00 UTC. Monday is summer time.
    let friday = stocks(at(6, 14, 0)).unwrap();
    assert_eq!(stocks(at(6, 14, 35)), Some(friday));
    assert_eq!(stocks(at(6, 14, 36)), None);
    assert_eq!(stocks(at(6, 20, 59)), None);
    assert_eq!(stocks(at(6, 21, 0)), Some(friday + 3));
    assert_eq!(stocks(at(9, 13, 35)), Some(friday + 3));
    let crypto = |at| coming_session(AssetClass::Crypto, at);
    assert!(crypto(at(6, 0, 0)).is_some() && crypto(at(6, 1, 0)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Prices of any size, any order of events, scans at any time: finite or nothing.
    #[test]
    fn any_input_gives_finite_forecasts(
        events in proptest::collection::vec(
            (0_i64..90, 0_i64..25, 0_usize..3, 1e-300_f64..1e300, 0.0_f64..10.0), 1..400),
        sorted in proptest::bool::ANY,
    ) {
        let mut events = events;
        if sorted {
            events.sort_by_key(|event| (event.0, event.1));
        }
        let mut book = VolatilityBook::default();
        for (day, hour, asset, price, range) in events {
            let made = bar(asset, day, hour, price, range);
            if made.is_sane() {
                book.apply_bar(MEMBERS[asset], &made);
            }
            let at = midnight(day) + TimeDelta::hours(hour);
            book.hear(MEMBERS[asset], at, range);
            book.scan(CLASS, at, &MEMBERS);
            for number in [0, 1, 2, 77] {
                let told = book.read(CLASS, at, number);
                let values = [told.har, told.narrative, told.sigma_annual];
                prop_assert!(values.into_iter().flatten().all(f64::is_finite), "{told:?}");
            }
            let score = book.score(CLASS);
            prop_assert!(score.gain.is_finite() && score.har_error.is_finite());
        }
    }
}
