//! The bars of one asset as columns: 52 bytes a bar, so that years of hourly bars of many assets
//! stay small. Answers what a price was at an instant; knows nothing of orders.

use chrono::DateTime;
use rawe_core::calendar::{MarketCalendar, new_york_date, new_york_instant};
use rawe_core::{AssetClass, Bar, Symbol, Timeframe, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

/// Prices outside of this range, USD, are refused: nothing we trade comes near either end, and
/// between them no product of a price and a quantity can overflow a `Decimal`.
const PRICE_RANGE: (f64, f64) = (1e-9, 1e9);
/// The regular open of stocks, New York, in minutes after midnight.
const OPEN_MINUTES: u32 = 9 * 60 + 30;

/// Why bars cannot be traded on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SeriesError {
    /// Prices not positive or not ordered, or the bar ends before it starts.
    #[error("the bar of {symbol} that ends {end} is not sane; check its prices and times")]
    NotSane {
        /// The asset.
        symbol: Symbol,
        /// End of the bar.
        end: Timestamp,
    },
    /// Two bars of one asset cover the same time.
    #[error("bars of {symbol} overlap at {start}; give one timeframe for each asset")]
    Overlap {
        /// The asset.
        symbol: Symbol,
        /// Start of the later bar.
        start: Timestamp,
    },
    /// There is no bar at all.
    #[error("there are no bars; give a file with bars or a scenario")]
    Empty,
}

/// One bar of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarView {
    /// First instant.
    pub start: Timestamp,
    /// The instant at which the bar is complete.
    pub end: Timestamp,
    /// First price, USD.
    pub open: f64,
    /// Highest price, USD.
    pub high: f64,
    /// Lowest price, USD.
    pub low: f64,
    /// Last price, USD.
    pub close: f64,
    /// Shares or coins traded.
    pub volume: f64,
}

/// All bars of one asset, ordered in time, without overlap.
#[derive(Clone, Debug)]
pub struct PriceSeries {
    timeframe: Timeframe,
    start_s: Vec<i64>,
    length_s: Vec<u32>,
    prices: Vec<[f64; 4]>,
    volume: Vec<f64>,
}

impl PriceSeries {
    /// Builds the series from bars of one asset in any order. Of two bars with the same times the
    /// later one in `bars` counts.
    ///
    /// # Errors
    /// When a bar is not sane, when bars overlap, or when there is none.
    pub fn new(mut bars: Vec<Bar>) -> Result<Self, SeriesError> {
        for bar in &mut bars {
            bar.start = trading_start(bar);
        }
        bars.sort_by_key(|bar| (bar.start, bar.end));
        let timeframe = bars.first().ok_or(SeriesError::Empty)?.timeframe;
        let mut series = Self {
            timeframe,
            start_s: Vec::with_capacity(bars.len()),
            length_s: Vec::with_capacity(bars.len()),
            prices: Vec::with_capacity(bars.len()),
            volume: Vec::with_capacity(bars.len()),
        };
        for bar in bars {
            series.push(&bar)?;
        }
        Ok(series)
    }

    fn push(&mut self, bar: &Bar) -> Result<(), SeriesError> {
        let priced = [bar.low, bar.high]
            .iter()
            .all(|p| *p > PRICE_RANGE.0 && *p < PRICE_RANGE.1);
        let length_s = u32::try_from((bar.end - bar.start).num_seconds()).ok();
        let (Some(length_s), true) = (length_s.filter(|s| *s > 0), priced && bar.is_sane()) else {
            return Err(SeriesError::NotSane {
                symbol: bar.symbol.clone(),
                end: bar.end,
            });
        };
        let prices = [bar.open, bar.high, bar.low, bar.close];
        let last = self
            .start_s
            .len()
            .checked_sub(1)
            .and_then(|last| self.bar(last));
        match last {
            Some(last) if last.start == bar.start && last.end == bar.end => {
                self.start_s.pop();
                self.length_s.pop();
                self.prices.pop();
                self.volume.pop();
            }
            Some(last) if bar.start < last.end => {
                return Err(SeriesError::Overlap {
                    symbol: bar.symbol.clone(),
                    start: bar.start,
                });
            }
            _ => {}
        }
        self.start_s.push(bar.start.timestamp());
        self.length_s.push(length_s);
        self.prices.push(prices);
        self.volume.push(bar.volume);
        Ok(())
    }

    /// The length of the bars.
    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }

    /// How many bars there are.
    pub fn len(&self) -> usize {
        self.start_s.len()
    }

    /// Whether there is no bar; a built series always has one.
    pub fn is_empty(&self) -> bool {
        self.start_s.is_empty()
    }

    /// The bar at `index`, counted from the oldest.
    pub fn bar(&self, index: usize) -> Option<BarView> {
        let start_s = *self.start_s.get(index)?;
        let [open, high, low, close] = *self.prices.get(index)?;
        Some(BarView {
            start: DateTime::from_timestamp(start_s, 0)?,
            end: DateTime::from_timestamp(start_s + i64::from(*self.length_s.get(index)?), 0)?,
            open,
            high,
            low,
            close,
            volume: *self.volume.get(index)?,
        })
    }

    /// All bars, oldest first.
    pub fn bars(&self) -> impl DoubleEndedIterator<Item = BarView> + '_ {
        (0..self.len()).filter_map(|index| self.bar(index))
    }

    /// How many bars start at or before `instant`.
    pub fn started_count(&self, instant: Timestamp) -> usize {
        let second = instant.timestamp();
        self.start_s.partition_point(|start| *start <= second)
    }

    /// How many bars have ended at `instant`: these and only these may be seen.
    pub fn ended_count(&self, instant: Timestamp) -> usize {
        let started = self.started_count(instant);
        // Bars do not overlap, so only the last one that started can still be running.
        match started.checked_sub(1).and_then(|last| self.bar(last)) {
            Some(last) if last.end > instant => started - 1,
            _ => started,
        }
    }

    /// The newest bar that has ended at `instant`.
    pub fn last_ended(&self, instant: Timestamp) -> Option<BarView> {
        self.bar(self.ended_count(instant).checked_sub(1)?)
    }

    /// The bar that ends exactly at `instant`.
    pub fn bar_ending_at(&self, instant: Timestamp) -> Option<BarView> {
        self.last_ended(instant).filter(|bar| bar.end == instant)
    }

    /// The first start of a bar after `instant`.
    pub fn next_start(&self, instant: Timestamp) -> Option<Timestamp> {
        self.bar(self.started_count(instant)).map(|bar| bar.start)
    }

    /// The first end of a bar after `instant`.
    pub fn next_end(&self, instant: Timestamp) -> Option<Timestamp> {
        self.bar(self.ended_count(instant)).map(|bar| bar.end)
    }

    /// The price at `instant`, USD: the open of the bar that covers it (start ≤ instant < end),
    /// else the last close; `None` before the first bar.
    pub fn price_at(&self, instant: Timestamp) -> Option<Decimal> {
        let last = self.bar(self.started_count(instant).checked_sub(1)?)?;
        decimal(if instant < last.end {
            last.open
        } else {
            last.close
        })
    }

    /// The close of the newest bar that has ended at `instant`, USD.
    pub fn close_at(&self, instant: Timestamp) -> Option<Decimal> {
        self.last_ended(instant).and_then(|bar| decimal(bar.close))
    }
}

/// The first instant at which a bar's open is a price one can trade at. A stock's daily bar starts
/// at midnight by Alpaca's `t`, but its open is made at 9:30: before, yesterday's close counts.
fn trading_start(bar: &Bar) -> Timestamp {
    if bar.symbol.class() == AssetClass::Crypto {
        return bar.start;
    }
    let date = new_york_date(bar.end);
    let session = MarketCalendar::nyse()
        .session(date)
        .map(|session| session.open);
    match session.or_else(|| new_york_instant(date, OPEN_MINUTES)) {
        Some(open) if open < bar.end => bar.start.max(open),
        _ => bar.start,
    }
}

/// A price as money, at most nine digits after the point.
pub fn decimal(price: f64) -> Option<Decimal> {
    Decimal::from_f64(price).map(|price| price.round_dp(9).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone, Utc};

    fn at(hour: u32, minute: u32) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 3, 2, hour, minute, 0).unwrap()
    }

    fn bar(hour: u32, open: f64, close: f64) -> Bar {
        Bar {
            symbol: Symbol::new("BTC/USD").unwrap(),
            start: at(hour, 0),
            end: at(hour, 0) + TimeDelta::hours(1),
            timeframe: Timeframe::Hour,
            open,
            high: open.max(close),
            low: open.min(close),
            close,
            volume: 1.0,
            backfill: false,
        }
    }

    #[test]
    fn price_is_the_covering_open_else_the_last_close() {
        let series = PriceSeries::new(vec![bar(12, 30.0, 40.0), bar(10, 10.0, 20.0)]).unwrap();
        let cases = [
            (at(9, 59), None),
            (at(10, 0), Some(10)),
            (at(10, 59), Some(10)),
            (at(11, 0), Some(20)),
            (at(11, 59), Some(20)),
            (at(12, 0), Some(30)),
            (at(13, 0), Some(40)),
            (at(23, 0), Some(40)),
        ];
        for (instant, expected) in cases {
            assert_eq!(
                series.price_at(instant),
                expected.map(Decimal::from),
                "{instant}"
            );
        }
    }

    #[test]
    fn a_daily_stock_bar_has_no_open_before_half_past_nine() {
        let day = |date: u32, open: f64, close: f64| Bar {
            symbol: Symbol::new("SPY").unwrap(),
            start: Utc.with_ymd_and_hms(2026, 3, date, 5, 0, 0).unwrap(),
            end: Utc.with_ymd_and_hms(2026, 3, date, 21, 0, 0).unwrap(),
            timeframe: Timeframe::Day,
            ..bar(10, open, close)
        };
        let series = PriceSeries::new(vec![day(2, 10.0, 11.0), day(3, 20.0, 21.0)]).unwrap();
        let before_the_open = Utc.with_ymd_and_hms(2026, 3, 3, 14, 29, 59).unwrap();
        let the_open = Utc.with_ymd_and_hms(2026, 3, 3, 14, 30, 0).unwrap();
        assert_eq!(series.price_at(before_the_open), Some(Decimal::from(11)));
        assert_eq!(series.price_at(the_open), Some(Decimal::from(20)));
    }

    #[test]
    fn a_bar_is_counted_as_ended_from_its_end_on() {
        let series = PriceSeries::new(vec![bar(10, 1.0, 1.0), bar(11, 1.0, 1.0)]).unwrap();
        let just_before = at(11, 0) - TimeDelta::milliseconds(1);
        assert_eq!(series.ended_count(just_before), 0);
        assert_eq!(series.ended_count(at(11, 0)), 1);
        assert_eq!(series.ended_count(at(12, 0)), 2);
        assert_eq!(series.next_end(just_before), Some(at(11, 0)));
        assert_eq!(series.next_end(at(11, 0)), Some(at(12, 0)));
        assert_eq!(series.next_end(at(12, 0)), None);
        assert_eq!(series.next_start(at(10, 0)), Some(at(11, 0)));
        assert_eq!(
            series.bar_ending_at(at(11, 0)).map(|b| b.start),
            Some(at(10, 0))
        );
        assert_eq!(series.bar_ending_at(at(11, 30)), None);
    }

    #[test]
    fn repeats_are_replaced_and_overlaps_refused() {
        let repeated = PriceSeries::new(vec![bar(10, 1.0, 1.0), bar(10, 2.0, 2.0)]).unwrap();
        assert_eq!(repeated.len(), 1);
        let mut long = bar(10, 1.0, 1.0);
        long.end = at(12, 0);
        assert!(matches!(
            PriceSeries::new(vec![long, bar(11, 1.0, 1.0)]),
            Err(SeriesError::Overlap { .. })
        ));
        assert_eq!(PriceSeries::new(Vec::new()).err(), Some(SeriesError::Empty));
        assert!(PriceSeries::new(vec![bar(10, -1.0, 1.0)]).is_err());
        assert!(PriceSeries::new(vec![bar(10, 1e12, 1e12)]).is_err());
    }
}
