//! The engine's features equal the formulas written out over all items, without any increment.

use crate::made::{Dice, bar, item, minute, start};
use chrono::{DateTime, TimeDelta, Utc};
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, NewsItem, Register, Timeframe};
use rawe_narrative::{
    AssetFeatures, EngineConfig, Feature, Measure, NarrativeEngine, StreamChoice, tone,
};

type Instant = DateTime<Utc>;
/// Time, weight, tone.
type Told = (Instant, f64, f64);

/// Every item counts in full, as in the formulas: the limits on voices have tests of their own.
fn plain() -> EngineConfig {
    EngineConfig {
        voice_limits: false,
        ..EngineConfig::default()
    }
}

const TEXTS: [&str; 6] = [
    "strong rally ahead, buying more",
    "crash coming, sell everything",
    "nothing to see in this market",
    "profit rose and guidance raised",
    "lawsuit over fraud, shares plunge",
    "waiting for the next halving event",
];

fn sums(told: &[Told], now: Instant, half_life: f64) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (at, weight, tone) in told.iter().filter(|(at, ..)| *at <= now) {
        let hours = (now - *at).num_milliseconds() as f64 / 3_600_000.0;
        let weight = weight * 0.5f64.powf(hours / half_life);
        for (power, sum) in (0..).zip(&mut sums) {
            *sum += weight * tone.powi(power);
        }
    }
    sums
}

fn tone_state(told: &[Told], now: Instant, half_life: f64, k: f64) -> f64 {
    let [n, a, _] = sums(told, now, half_life);
    a / (n + k)
}

fn intensity(told: &[Told], now: Instant, half_life: f64, floor: f64) -> f64 {
    (sums(told, now, half_life)[0] + floor).ln()
}

fn velocity(told: &[Told], now: Instant) -> f64 {
    (sums(told, now, 12.0)[0] + 0.2).ln() - (sums(told, now, 72.0)[0] / 6.0 + 0.2).ln()
}

fn dispersion(told: &[Told], now: Instant, half_life: f64) -> f64 {
    let [n, a, q] = sums(told, now, half_life);
    (q / (n + 0.5) - (a / (n + 0.5)).powi(2)).max(0.0).sqrt()
}

fn z(value: impl Fn(Instant) -> f64, now: Instant, past: &[Instant]) -> f64 {
    let past: Vec<f64> = past.iter().map(|at| value(*at)).collect();
    let mean = past.iter().sum::<f64>() / past.len() as f64;
    let variance = past.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (past.len() - 1) as f64;
    ((value(now) - mean) / variance.sqrt()).clamp(-4.0, 4.0)
}

fn assert_close(name: &str, got: Option<f64>, expected: f64) {
    let got = got.unwrap_or_else(|| panic!("{name} is missing"));
    assert!(
        (got - expected).abs() < 1e-7,
        "{name}: {got}, not {expected}"
    );
}

/// Compares every z and raw value of `got` with the formulas.
fn assert_features(
    got: &AssetFeatures,
    market: (&[Told], f64, f64),
    own: &[Told],
    now: Instant,
    past: &[Instant],
) {
    let (told, floor, k) = market;
    let abnormal = |measure| got.get(Feature::abnormal(measure));
    assert_close(
        "tone 6",
        abnormal(Measure::tone(6)),
        z(|t| tone_state(told, t, 6.0, k), now, past),
    );
    assert_close(
        "tone 12",
        abnormal(Measure::tone(12)),
        z(|t| tone_state(told, t, 12.0, k), now, past),
    );
    assert_close(
        "tone 48",
        abnormal(Measure::tone(48)),
        z(|t| tone_state(told, t, 48.0, k), now, past),
    );
    let i12 = z(|t| intensity(told, t, 12.0, floor), now, past);
    assert_close("intensity 12", abnormal(Measure::intensity(12)), i12);
    let i48 = z(|t| intensity(told, t, 48.0, floor), now, past);
    assert_close("intensity 48", abnormal(Measure::intensity(48)), i48);
    let own48 = z(|t| intensity(own, t, 48.0, 0.2), now, past);
    assert_close(
        "own intensity 48",
        got.get(Feature::Abnormal(Measure::intensity(48), StreamChoice::Own)),
        own48,
    );
    assert_close(
        "velocity",
        abnormal(Measure::Velocity),
        z(|t| velocity(told, t), now, past),
    );
    assert_close(
        "dispersion",
        abnormal(Measure::dispersion(48)),
        z(|t| dispersion(told, t, 48.0), now, past),
    );
    assert_close(
        "raw I",
        Some(got.intensity),
        intensity(told, now, 12.0, floor),
    );
    assert_close("raw S", Some(got.tone), tone_state(told, now, 12.0, k));
    assert_close("raw V", Some(got.velocity), velocity(told, now));
    assert_close("raw D", Some(got.dispersion), dispersion(told, now, 12.0));
}

fn told(items: &[NewsItem], wanted: impl Fn(&NewsItem) -> Option<f64>) -> Vec<Told> {
    let told = |i: &NewsItem| {
        Some((
            i.first_seen,
            wanted(i)?,
            tone(&i.headline, &i.text, Register::Social),
        ))
    };
    items.iter().filter_map(told).collect()
}

/// Weight on a stock or a coin of its own: 1/sqrt of the number of symbols.
fn own_weight(item: &NewsItem, symbol: &str) -> Option<f64> {
    let tagged = item.symbols.iter().any(|s| s.as_str() == symbol);
    tagged.then(|| 1.0 / (item.symbols.len() as f64).sqrt())
}

/// 46 days of items about two coins, the market, and a stock.
fn crypto_items(dice: &mut Dice) -> Vec<NewsItem> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < 46 * 24 * 60 {
        at += i64::try_from(dice.roll(240)).unwrap();
        let (source, symbols): (&str, &[&str]) = match dice.roll(6) {
            0 | 1 => ("reddit/Bitcoin", &["BTC/USD"]),
            2 => ("reddit/ethtrader", &["ETH/USD"]),
            3 => ("twitter", &["BTC/USD", "ETH/USD"]),
            4 => ("reddit/CryptoCurrency", &[]),
            // Not of the crypto market.
            _ => ("twitter", &["AAPL"]),
        };
        let text = dice.pick(&TEXTS);
        items.push(item(
            &format!("i{at}-{}", items.len()),
            minute(at),
            source,
            symbols,
            text,
        ));
    }
    items
}

#[test]
fn crypto_features_equal_the_formulas() {
    let mut dice = Dice(7);
    let items = crypto_items(&mut dice);
    let market = told(&items, |i| {
        (i.symbols.first()?.as_str() != "AAPL").then_some(1.0)
    });
    let untagged = told(&items, |i| i.symbols.is_empty().then_some(1.0));
    let mut market = [market, untagged].concat();
    market.sort_by_key(|(at, ..)| *at);
    let eth = told(&items, |i| own_weight(i, "ETH/USD"));

    let mut engine = NarrativeEngine::new(plain());
    let mut waiting = items.iter().peekable();
    let mut checked = 0;
    for hour in 0..46 * 24 {
        let now = minute(hour * 60);
        while let Some(item) = waiting.next_if(|i| i.first_seen <= now) {
            engine.apply_item(item);
        }
        for symbol in ["BTC/USD", "ETH/USD"] {
            engine.apply_bar(&bar(
                symbol,
                now,
                Timeframe::Hour,
                100.0 + dice.roll(9) as f64,
            ));
        }
        let snapshot = engine.scan(now, AssetClass::Crypto);
        let names: Vec<&str> = snapshot.assets.iter().map(|(s, _)| s.as_str()).collect();
        assert_eq!(names, ["BTC/USD", "ETH/USD"]);
        let features = &snapshot.assets[1].1;
        assert_eq!(
            features.get(Feature::abnormal(Measure::tone(6))).is_some(),
            hour >= 240,
            "hour {hour}"
        );
        if hour % 97 != 0 || hour < 240 {
            continue;
        }
        let past: Vec<Instant> = (1..=30)
            .map(|days| now - TimeDelta::days(days))
            .filter(|at| *at >= start())
            .collect();
        assert_features(features, (&market, 0.5, 2.0), &eth, now, &past);
        let z = snapshot
            .assets
            .iter()
            .map(|(_, f)| f.get(Feature::abnormal(Measure::intensity(12))).unwrap())
            .sum::<f64>()
            / 2.0;
        assert!((snapshot.nvx - (50.0 + 12.5 * z).clamp(0.0, 100.0)).abs() < 1e-9);
        checked += 1;
    }
    assert!(checked > 5);
}

/// Plays stock items and bars; returns the checks made.
fn play_stocks(timeframe: Timeframe, days: i64, scan_minutes: &[i64]) -> usize {
    let mut dice = Dice(11);
    let mut items = Vec::new();
    let mut at = 0;
    while at < days * 24 * 60 {
        at += i64::try_from(dice.roll(300)).unwrap();
        let symbols: &[&str] =
            [&["AAPL"][..], &["MSFT"], &["AAPL", "MSFT"]][usize::try_from(dice.roll(3)).unwrap()];
        let text = dice.pick(&TEXTS);
        items.push(item(
            &format!("i{at}-{}", items.len()),
            minute(at),
            "twitter",
            symbols,
            text,
        ));
    }
    let apple = told(&items, |i| own_weight(i, "AAPL"));
    let first = start().date_naive();
    let sessions = MarketCalendar::nyse().sessions(first, first + TimeDelta::days(days - 1));
    let mut engine = NarrativeEngine::new(plain());
    let mut waiting = items.iter().peekable();
    let mut scanned: Vec<Instant> = Vec::new();
    let mut checked = 0;
    for (day, session) in sessions.iter().enumerate() {
        for minutes in scan_minutes {
            let now = session.open + TimeDelta::minutes(*minutes);
            while let Some(item) = waiting.next_if(|i| i.first_seen <= now) {
                engine.apply_item(item);
            }
            if timeframe == Timeframe::Hour {
                engine.apply_bar(&bar("AAPL", now, timeframe, 100.0 + dice.roll(9) as f64));
            }
            let snapshot = engine.scan(now, AssetClass::UsEquity);
            let past: Vec<Instant> = match timeframe {
                Timeframe::Day => scanned.iter().rev().take(60).copied().collect(),
                Timeframe::Hour => {
                    let oldest = now - TimeDelta::days(30);
                    let slot = |at: &Instant| {
                        sessions
                            .iter()
                            .any(|s| s.open + TimeDelta::minutes(*minutes) == *at)
                    };
                    scanned
                        .iter()
                        .copied()
                        .filter(|at| *at >= oldest && slot(at))
                        .collect()
                }
            };
            let least = if timeframe == Timeframe::Day { 20 } else { 10 };
            scanned.push(now);
            let Some((_, features)) = snapshot.assets.first() else {
                continue;
            };
            assert_eq!(
                features.get(Feature::abnormal(Measure::Velocity)).is_some(),
                past.len() >= least,
                "session {day}"
            );
            if past.len() >= least && day % 5 == 0 {
                assert_features(features, (&apple, 0.2, 0.5), &apple, now, &past);
                checked += 1;
            }
        }
        if timeframe == Timeframe::Day {
            engine.apply_bar(&bar("AAPL", session.close, timeframe, 100.0));
            if day == 0 {
                // The first scan had no asset yet, so it left no observation.
                scanned.clear();
            }
        }
    }
    checked
}

#[test]
fn hourly_stocks_compare_with_the_same_slot_of_thirty_days() {
    // Over the change of the clocks in March 2020: slots follow New York.
    assert!(play_stocks(Timeframe::Hour, 75, &[30, 210]) > 10);
}

#[test]
fn daily_stocks_compare_with_sixty_sessions() {
    assert!(play_stocks(Timeframe::Day, 130, &[5]) > 10);
}

#[test]
fn an_item_delivered_twice_counts_once() {
    let mut engine = NarrativeEngine::new(plain());
    engine.apply_bar(&bar("AAPL", minute(0), Timeframe::Hour, 100.0));
    for _ in 0..3 {
        engine.apply_item(&item("one", minute(1), "twitter", &["AAPL"], TEXTS[0]));
    }
    let snapshot = engine.scan(minute(1), AssetClass::UsEquity);
    assert!((snapshot.assets[0].1.intensity - 1.2f64.ln()).abs() < 1e-12);
    assert_eq!(
        snapshot.assets[0].1.narrative.as_ref().map(|n| n.items),
        Some(1)
    );
}

#[test]
fn hourly_bars_replace_daily_ones() {
    let mut engine = NarrativeEngine::new(plain());
    engine.apply_bar(&bar("AAPL", minute(0), Timeframe::Day, 50.0));
    engine.apply_bar(&bar("AAPL", minute(60), Timeframe::Hour, 100.0));
    engine.apply_bar(&bar("AAPL", minute(120), Timeframe::Day, 50.0));
    let snapshot = engine.scan(minute(120), AssetClass::UsEquity);
    assert_eq!(snapshot.assets[0].1.close, Some(100.0));
}
