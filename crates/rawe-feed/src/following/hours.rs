//! Hours that are put together from streamed minutes. What an hour consists of may be corrected
//! until it is told; whether it may be told at all is the parent's business.

use std::collections::BTreeMap;

use rawe_alpaca::types::BarData;
use rawe_core::{Bar, Symbol, Timeframe, Timestamp};

use crate::bar_times::{BarSpan, hour_floor, span_from_alpaca};

/// Hours that have begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    /// Minutes by their start, by end of the hour and symbol: a minute that comes twice is one.
    building: BTreeMap<(Timestamp, Symbol), BTreeMap<Timestamp, BarData>>,
}

/// The regular hour that a minute belongs to.
pub(super) fn hour_of(symbol: &Symbol, minute: Timestamp) -> Option<BarSpan> {
    let span = span_from_alpaca(symbol.class(), Timeframe::Hour, hour_floor(minute)?)?;
    (span.start <= minute && minute < span.end).then_some(span)
}

impl Hours {
    /// Adds a minute to the hour that ends at `end`.
    pub(super) fn add(&mut self, symbol: Symbol, end: Timestamp, minute: BarData) {
        let minutes = self.building.entry((end, symbol)).or_default();
        minutes.insert(minute.t, minute);
    }

    /// The end of the hour that ends first.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.building.keys().next().map(|(end, _)| *end)
    }

    /// Takes out all hours that end at or before `through`; those that make no sane bar are left
    /// out.
    pub(super) fn take_through(&mut self, through: Timestamp) -> Vec<Bar> {
        let mut taken = Vec::new();
        while self.first_end().is_some_and(|end| end <= through) {
            if let Some(((end, symbol), minutes)) = self.building.pop_first() {
                taken.extend(bar_of(symbol, end, &minutes).filter(Bar::is_sane));
            }
        }
        taken
    }
}

fn bar_of(symbol: Symbol, end: Timestamp, minutes: &BTreeMap<Timestamp, BarData>) -> Option<Bar> {
    let (first, last) = (minutes.values().next()?, minutes.values().next_back()?);
    let span = hour_of(&symbol, first.t)?;
    let top = minutes.values().map(|m| m.h).fold(f64::MIN, f64::max);
    let bottom = minutes.values().map(|m| m.l).fold(f64::MAX, f64::min);
    Some(Bar {
        symbol,
        start: span.start,
        end,
        timeframe: Timeframe::Hour,
        open: first.o,
        high: top,
        low: bottom,
        close: last.c,
        volume: minutes.values().map(|m| m.v).sum(),
        backfill: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn minute(time: &str, prices: [f64; 4], volume: f64) -> BarData {
        BarData {
            t: at(time),
            o: prices[0],
            h: prices[1],
            l: prices[2],
            c: prices[3],
            v: volume,
            n: None,
            vw: None,
        }
    }

    #[test]
    fn minutes_in_any_order_corrected_and_repeated_make_one_hour() {
        let symbol = Symbol::new("BTC/USD").unwrap();
        let end = at("2026-11-20T16:00:00Z");
        let mut hours = Hours::default();
        for minute in [
            minute("2026-11-20T15:59:00Z", [3.0, 4.0, 2.5, 3.5], 1.0),
            minute("2026-11-20T15:00:00Z", [1.0, 2.0, 0.5, 1.5], 1.0),
            minute("2026-11-20T15:59:00Z", [3.0, 4.0, 2.5, 3.5], 1.0),
            minute("2026-11-20T15:59:00Z", [3.0, 5.0, 2.5, 3.6], 2.0),
        ] {
            hours.add(symbol.clone(), end, minute);
        }
        assert!(hours.take_through(at("2026-11-20T15:59:59Z")).is_empty());
        let taken = hours.take_through(end);
        assert_eq!(taken.len(), 1);
        let bar = &taken[0];
        assert_eq!((bar.start, bar.end), (at("2026-11-20T15:00:00Z"), end));
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
        assert_eq!(
            numbers.map(f64::to_bits),
            [1.0, 5.0, 0.5, 3.6, 3.0].map(f64::to_bits)
        );
        assert!(hours.take_through(end).is_empty());
    }

    #[test]
    fn minutes_belong_to_the_hours_of_the_session() {
        let (coin, stock) = (Symbol::new("BTC/USD").unwrap(), Symbol::new("KO").unwrap());
        for (symbol, t, wanted) in [
            (&coin, "2026-11-21T15:37:00Z", Some("2026-11-21T15:00:00Z")),
            (&stock, "2026-11-20T14:30:00Z", Some("2026-11-20T14:30:00Z")),
            (&stock, "2026-11-20T20:59:00Z", Some("2026-11-20T20:00:00Z")),
            // Before the open, after the close, at the weekend.
            (&stock, "2026-11-20T14:29:00Z", None),
            (&stock, "2026-11-20T21:00:00Z", None),
            (&stock, "2026-11-21T15:00:00Z", None),
        ] {
            let start = hour_of(symbol, at(t)).map(|span| span.start);
            assert_eq!(start, wanted.map(at), "{symbol} {t}");
        }
    }
}
