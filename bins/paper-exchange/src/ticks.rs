//! Trades and quotes made from bars: the market knows nothing finer.
//!
//! Each bar has two trades: one at its open, as large as half of what the bar before traded, and
//! one at its close, half of its own volume. With each comes a quote, half a spread to either
//! side. So nothing of a bar but its open is seen before it has ended.

use chrono::TimeDelta;
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::PriceSeries;
use serde_json::{Map, Value, json};

use crate::bar_windows::tidy;

/// How far a stock may move at once, part of its price: limit up, limit down, for large stocks.
const BAND_PART: f64 = 0.05;
/// The last minutes of a session, in which it may move twice as far.
const BAND_WIDE_MINUTES: i64 = 25;

/// One trade, and the quote with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Counts from 0 in its series.
    pub(crate) number: usize,
    pub(crate) at: Timestamp,
    /// USD a unit.
    pub(crate) price: f64,
    /// Units.
    pub(crate) size: f64,
}

/// How many ticks there are up to `now`.
pub(crate) fn count(series: &PriceSeries, now: Timestamp) -> usize {
    series.started_count(now) + series.ended_count(now)
}

/// The tick of this number.
pub(crate) fn tick(series: &PriceSeries, number: usize) -> Option<Tick> {
    let (index, at_close) = (number / 2, number % 2 == 1);
    let bar = series.bar(index)?;
    let volume = if at_close {
        bar.volume
    } else {
        let before = index.checked_sub(1).and_then(|before| series.bar(before));
        before.map_or(2.0, |before| before.volume)
    };
    Some(Tick {
        number,
        at: if at_close { bar.end } else { bar.start },
        price: if at_close { bar.close } else { bar.open },
        size: tidy(volume / 2.0),
    })
}

/// The numbers of the ticks from `start` to `end`, both inclusive, none after `now`.
pub(crate) fn between(
    series: &PriceSeries,
    start: Timestamp,
    end: Timestamp,
    now: Timestamp,
) -> std::ops::Range<usize> {
    let before = count(series, start - TimeDelta::nanoseconds(1));
    let through = count(series, end.min(now));
    before..through.max(before)
}

/// A trade as it is served and streamed.
pub(crate) fn trade(class: AssetClass, tick: &Tick) -> Map<String, Value> {
    let mut trade = fields(json!({
        "t": tick.at, "p": whole(tick.price), "s": size(class, tick), "i": tick.number + 1,
    }));
    match class {
        AssetClass::Crypto => trade.extend(fields(json!({"tks": "B"}))),
        AssetClass::UsEquity => {
            trade.extend(fields(json!({"x": "V", "c": ["@"], "z": "C"})));
        }
    }
    trade
}

/// A quote as it is served and streamed; `half_spread` is a factor.
pub(crate) fn quote(class: AssetClass, tick: &Tick, half_spread: f64) -> Map<String, Value> {
    let (bid, ask) = sides(class, tick.price, half_spread);
    let size = size(class, tick);
    let mut quote = fields(json!({"t": tick.at, "bp": bid, "bs": size, "ap": ask, "as": size}));
    if class == AssetClass::UsEquity {
        quote.extend(fields(json!({"bx": "V", "ax": "V", "c": ["R"], "z": "C"})));
    }
    quote
}

/// A book of one level, as it is served and streamed.
pub(crate) fn book(tick: &Tick, half_spread: f64) -> Map<String, Value> {
    let (bid, ask) = sides(AssetClass::Crypto, tick.price, half_spread);
    let size = size(AssetClass::Crypto, tick);
    fields(json!({"t": tick.at, "b": [{"p": bid, "s": size}], "a": [{"p": ask, "s": size}]}))
}

/// A change of the trading status, as it is streamed: codes and words of the tape of Nasdaq.
pub(crate) fn status(at: Timestamp, halted: bool) -> Map<String, Value> {
    let (code, words, reason, because) = if halted {
        ("H", "Trading Halt", "T1", "Halt News Pending")
    } else {
        ("T", "Trading Resumption", "T3", "News and Resumption Times")
    };
    fields(json!({"sc": code, "sm": words, "rc": reason, "rm": because, "t": at, "z": "C"}))
}

/// The band in which a stock may trade, as it is streamed: 5 % to either side of the price, 10 % in
/// the last 25 minutes of a session; none outside sessions.
pub(crate) fn band(tick: &Tick) -> Option<Map<String, Value>> {
    let session = MarketCalendar::nyse().session_at(tick.at)?;
    let wide = session.close - tick.at <= TimeDelta::minutes(BAND_WIDE_MINUTES);
    let part = if wide { 2.0 * BAND_PART } else { BAND_PART };
    let cents = |price: f64| whole((price * 100.0).round() / 100.0);
    let (up, down) = (tick.price * (1.0 + part), tick.price * (1.0 - part));
    Some(fields(json!({
        "u": cents(up), "d": cents(down), "i": "B", "t": tick.at, "z": "C",
    })))
}

/// Bid and ask.
fn sides(class: AssetClass, price: f64, half_spread: f64) -> (Value, Value) {
    let digits = match class {
        AssetClass::Crypto => 1e9,
        AssetClass::UsEquity => 1e4,
    };
    let rounded = |price: f64| whole((price * digits).round() / digits);
    (
        rounded(price * (1.0 - half_spread)),
        rounded(price * (1.0 + half_spread)),
    )
}

/// Units; stocks are traded in whole ones.
fn size(class: AssetClass, tick: &Tick) -> Value {
    match class {
        AssetClass::UsEquity => whole(tick.size.floor().max(1.0)),
        AssetClass::Crypto => whole(tick.size),
    }
}

/// A whole number goes out without a fraction.
fn whole(number: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "bounded just before")]
    if number.fract().abs() < f64::EPSILON && number.abs() < 1e15 {
        return json!(number as i64);
    }
    json!(number)
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
