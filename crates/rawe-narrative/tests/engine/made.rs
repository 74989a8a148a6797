//! Items and bars made up for the tests.

use chrono::{DateTime, TimeDelta, Utc};
use rawe_core::{Bar, NewsItem, Register, Symbol, Timeframe};

/// A stream of numbers that is the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`.
    pub(crate) fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// One of `choices`.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()]
    }
}

/// The first instant of every test's market.
pub(crate) fn start() -> DateTime<Utc> {
    "2020-01-06T00:00:00Z".parse().unwrap()
}

/// `minutes` after the start.
pub(crate) fn minute(minutes: i64) -> DateTime<Utc> {
    start() + TimeDelta::minutes(minutes)
}

pub(crate) fn item(
    id: &str,
    at: DateTime<Utc>,
    source: &str,
    symbols: &[&str],
    text: &str,
) -> NewsItem {
    NewsItem {
        id: id.to_owned(),
        published: at,
        first_seen: at,
        source: source.to_owned(),
        register: Register::Social,
        author: Some(format!("author-{}", id.len() % 5)),
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: symbols.iter().map(|s| Symbol::new(s).unwrap()).collect(),
        headline: String::new(),
        text: text.to_owned(),
        backfill: false,
    }
}

pub(crate) fn bar(symbol: &str, end: DateTime<Utc>, timeframe: Timeframe, close: f64) -> Bar {
    Bar {
        symbol: Symbol::new(symbol).unwrap(),
        start: end - TimeDelta::minutes(30),
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
