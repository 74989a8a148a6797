//! How far each asset moves in an hour, from the bars that passed: exponentially weighted, with
//! bounded memory. The disaster stop is measured by it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{AssetClass, Bar, Symbol, Timeframe, Timestamp};

/// After this many days a return weighs half.
const HALF_LIFE_DAYS: f64 = 10.0;
/// Weight of returns needed before the estimate is believed: a day of crypto, four of stocks.
const WEIGHT_MIN: f64 = 24.0;
/// How many assets are remembered; more than any universe of ours.
const ASSETS_MAX: usize = 16_384;
const HOUR_SECS: f64 = 3_600.0;
const DAY_SECS: f64 = 86_400.0;

/// What is remembered of one asset.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Returns {
    close: f64,
    at: Timestamp,
    /// Weighted number of returns, and weighted sum of their squares.
    weight: f64,
    squares: f64,
}

/// Hourly volatilities of all assets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volatilities {
    assets: BTreeMap<Symbol, Returns>,
}

impl Volatilities {
    /// Takes in a bar. Returns the standard deviation of hourly log returns once there are enough.
    ///
    /// A return over several hours of a market that never closes counts as one of an hour, scaled
    /// by the root of its length; over a night, as one of an hour as it is: then prices jump.
    pub(crate) fn on_bar(&mut self, bar: &Bar) -> Option<f64> {
        if bar.timeframe != Timeframe::Hour || !bar.is_sane() {
            return None;
        }
        if let Some(known) = self.assets.get_mut(&bar.symbol) {
            return known.add(bar);
        }
        if self.assets.len() < ASSETS_MAX {
            let first = Returns {
                close: bar.close,
                at: bar.end,
                weight: 0.0,
                squares: 0.0,
            };
            self.assets.insert(bar.symbol.clone(), first);
        }
        None
    }
}

impl Returns {
    fn add(&mut self, bar: &Bar) -> Option<f64> {
        let elapsed = bar.end - self.at;
        if elapsed <= TimeDelta::zero() {
            return None;
        }
        let secs = elapsed.num_seconds() as f64;
        let hours = match bar.symbol.class() {
            AssetClass::Crypto => (secs / HOUR_SECS).max(1.0),
            AssetClass::UsEquity => 1.0,
        };
        let moved = (bar.close / self.close).ln();
        let decay = 0.5_f64.powf(secs / DAY_SECS / HALF_LIFE_DAYS);
        self.weight = self.weight * decay + 1.0;
        self.squares = self.squares * decay + moved * moved / hours;
        self.close = bar.close;
        self.at = bar.end;
        let hourly = (self.squares / self.weight).sqrt();
        (self.weight >= WEIGHT_MIN && hourly.is_finite() && hourly > 0.0).then_some(hourly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    fn bar(symbol: &str, hour: i64, close: f64) -> Bar {
        let end = Utc.with_ymd_and_hms(2026, 1, 5, 0, 0, 0).unwrap() + TimeDelta::hours(hour);
        Bar {
            symbol: Symbol::new(symbol).unwrap(),
            start: end - TimeDelta::hours(1),
            end,
            timeframe: Timeframe::Hour,
            open: close,
            high: close,
            low: close,
            close,
            volume: 1.0,
            backfill: false,
        }
    }

    #[test]
    fn a_price_that_swings_by_a_percent_an_hour_has_that_volatility() {
        let mut known = Volatilities::default();
        let mut last = None;
        for hour in 0..400 {
            let close = if hour % 2 == 0 { 100.0 } else { 101.0 };
            last = known.on_bar(&bar("BTC/USD", hour, close));
            assert_eq!(last.is_some(), hour > 24, "hour {hour}");
        }
        assert!((last.unwrap() - 1.01_f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_gap_is_scaled_where_the_market_was_open_and_not_over_a_night() {
        for (symbol, wanted) in [("BTC/USD", 0.02 / 2.0), ("AAPL", 0.02)] {
            let mut known = Volatilities::default();
            let mut last = None;
            for step in 0..200_i32 {
                let close = if step % 2 == 0 {
                    100.0
                } else {
                    100.0 * 0.02_f64.exp()
                };
                last = known.on_bar(&bar(symbol, i64::from(step) * 4, close));
            }
            assert!((last.unwrap() - wanted).abs() < 1e-6, "{symbol} {last:?}");
        }
    }

    #[test]
    fn old_repeated_and_senseless_bars_change_nothing() {
        let mut known = Volatilities::default();
        known.on_bar(&bar("AAPL", 5, 100.0));
        let before = known.assets.clone();
        for mut other in [
            bar("AAPL", 5, 90.0),
            bar("AAPL", 4, 90.0),
            bar("AAPL", 6, 90.0),
        ] {
            if other.end > bar("AAPL", 5, 1.0).end {
                other.close = f64::NAN;
            }
            assert_eq!(known.on_bar(&other), None);
        }
        assert_eq!(known.assets, before);
    }

    proptest! {
        #[test]
        fn it_is_never_negative_nor_infinite(
            closes in prop::collection::vec(1e-6..1e9_f64, 1..80),
        ) {
            let mut known = Volatilities::default();
            for (hour, close) in (0_i64..).zip(&closes) {
                if let Some(hourly) = known.on_bar(&bar("ETH/USD", hour, *close)) {
                    prop_assert!(hourly.is_finite() && hourly > 0.0);
                }
            }
        }
    }
}
