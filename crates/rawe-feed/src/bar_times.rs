//! When a bar starts and ends: pure conversions between the stamp of our files (the END of a bar)
//! and Alpaca's `t` (its START), for stocks by the calendar of sessions, for crypto by UTC.
//!
//! A stock's hour is a clock hour cut at the session's edges: `[09:30, 10:00)`, `[10:00, 11:00)`,
//! and so on until the close. Alpaca stamps the first of them `09:00`; both spellings are read. A
//! stock's day starts at midnight New York (Alpaca's `t`) and is usable at the session's close.
//! Bars outside the regular session are no bars here: `None`.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use rawe_core::calendar::{
    MarketCalendar, Session, new_york_date, new_york_instant, new_york_midnight,
};
use rawe_core::{AssetClass, Bar, Timeframe, Timestamp};

/// The regular close, New York, in minutes after midnight; for days the calendar does not know.
const CLOSE_MINUTES: u32 = 16 * 60;
/// The regular open, New York, in minutes after midnight; for days the calendar does not know.
const OPEN_MINUTES: u32 = 9 * 60 + 30;

/// The two instants of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BarSpan {
    /// First instant, as in [`Bar::start`].
    pub start: Timestamp,
    /// The instant at which the bar is complete, as in [`Bar::end`].
    pub end: Timestamp,
}

/// The bar that a file stamps with its END.
///
/// A daily bar of a stock is known by its New York date: whatever the time of day, it ends at that
/// session's close (files often write 16:00 on half days too). `None` when no regular bar of the
/// class ends there: an hour outside the session, or a stock's hour that ends off the full hour.
pub fn span_from_end(class: AssetClass, timeframe: Timeframe, end: Timestamp) -> Option<BarSpan> {
    match (class, timeframe) {
        (AssetClass::Crypto, Timeframe::Hour) => Some(BarSpan {
            start: end.checked_sub_signed(TimeDelta::hours(1))?,
            end,
        }),
        (AssetClass::Crypto, Timeframe::Day) => Some(BarSpan {
            start: end.checked_sub_signed(TimeDelta::days(1))?,
            end,
        }),
        (AssetClass::UsEquity, Timeframe::Day) => stock_day(new_york_date(end)),
        (AssetClass::UsEquity, Timeframe::Hour) => {
            let hour = end.checked_sub_signed(TimeDelta::nanoseconds(1))?;
            stock_hour(hour).filter(|span| span.end == end)
        }
    }
}

/// The bar that a file stamps with a date only: the session of that date, or the UTC day.
pub fn span_of_date(class: AssetClass, date: NaiveDate) -> Option<BarSpan> {
    match class {
        AssetClass::UsEquity => stock_day(date),
        AssetClass::Crypto => {
            let start = date.and_hms_opt(0, 0, 0)?.and_utc();
            Some(BarSpan {
                start,
                end: start.checked_add_signed(TimeDelta::days(1))?,
            })
        }
    }
}

/// The bar to which Alpaca's START `t` belongs.
///
/// `None` when the hour lies outside the regular session: pre-market and after-hours bars are not
/// used. A bar whose `end` is later than now is still growing: that is for the caller to hold back.
pub fn span_from_alpaca(class: AssetClass, timeframe: Timeframe, t: Timestamp) -> Option<BarSpan> {
    match (class, timeframe) {
        (AssetClass::Crypto, Timeframe::Hour) => Some(BarSpan {
            start: t,
            end: t.checked_add_signed(TimeDelta::hours(1))?,
        }),
        (AssetClass::Crypto, Timeframe::Day) => Some(BarSpan {
            start: t,
            end: t.checked_add_signed(TimeDelta::days(1))?,
        }),
        (AssetClass::UsEquity, Timeframe::Day) => stock_day(new_york_date(t)),
        (AssetClass::UsEquity, Timeframe::Hour) => stock_hour(t),
    }
}

/// The `t` under which Alpaca serves a bar that starts at `start`: the clock hour for a stock's
/// hour (`09:00` for the bar from 09:30), midnight New York for its day, `start` itself for crypto.
pub fn alpaca_start(class: AssetClass, timeframe: Timeframe, start: Timestamp) -> Timestamp {
    match (class, timeframe) {
        (AssetClass::Crypto, _) => start,
        (AssetClass::UsEquity, Timeframe::Hour) => hour_floor(start).unwrap_or(start),
        (AssetClass::UsEquity, Timeframe::Day) => {
            new_york_midnight(new_york_date(start)).unwrap_or(start)
        }
    }
}

/// The time in which the market trades inside a bar: the session of a stock's day, else the bar.
pub fn trading_span(bar: &Bar) -> BarSpan {
    let whole = BarSpan {
        start: bar.start,
        end: bar.end,
    };
    match (bar.symbol.class(), bar.timeframe) {
        (AssetClass::UsEquity, Timeframe::Day) => {
            let session = session_or_usual(new_york_date(bar.end));
            session.map_or(whole, |session| BarSpan {
                start: session.open,
                end: session.close,
            })
        }
        _ => whole,
    }
}

/// All regular bars of a class that end in `(after, through]`, in order.
pub fn spans_between(
    class: AssetClass,
    timeframe: Timeframe,
    after: Timestamp,
    through: Timestamp,
) -> Vec<BarSpan> {
    let spans: Vec<BarSpan> = match class {
        AssetClass::Crypto => crypto_spans(timeframe, after, through),
        AssetClass::UsEquity => MarketCalendar::nyse()
            .sessions(new_york_date(after), new_york_date(through))
            .into_iter()
            .flat_map(|session| session_spans(timeframe, session))
            .collect(),
    };
    spans
        .into_iter()
        .filter(|span| after < span.end && span.end <= through)
        .collect()
}

/// The whole UTC hours or days around the range; the caller cuts the edges.
fn crypto_spans(timeframe: Timeframe, after: Timestamp, through: Timestamp) -> Vec<BarSpan> {
    let (first, length) = match timeframe {
        Timeframe::Hour => (hour_floor(after), TimeDelta::hours(1)),
        Timeframe::Day => (
            after.date_naive().and_hms_opt(0, 0, 0).map(|t| t.and_utc()),
            TimeDelta::days(1),
        ),
    };
    let Some(first) = first else {
        return Vec::new();
    };
    std::iter::successors(Some(first), |start| start.checked_add_signed(length))
        .map(|start| BarSpan {
            start,
            end: start + length,
        })
        .take_while(|span| span.end <= through)
        .collect()
}

/// The bars of one session.
fn session_spans(timeframe: Timeframe, session: Session) -> Vec<BarSpan> {
    match timeframe {
        Timeframe::Day => stock_day(session.date).into_iter().collect(),
        Timeframe::Hour => {
            let next = |span: &BarSpan| stock_hour(span.end);
            std::iter::successors(stock_hour(session.open), next).collect()
        }
    }
}

/// The daily bar of a New York date; days the calendar does not know end at 16:00.
fn stock_day(date: NaiveDate) -> Option<BarSpan> {
    let end = session_or_usual(date)?.close;
    Some(BarSpan {
        start: new_york_midnight(date)?,
        end,
    })
}

/// The session of a date by the calendar, or 9:30 to 16:00 of a day it takes for closed: a file
/// that has prices of that day knows better.
fn session_or_usual(date: NaiveDate) -> Option<Session> {
    let usual = || {
        let open = new_york_instant(date, OPEN_MINUTES)?;
        Some(Session {
            date,
            open,
            close: new_york_instant(date, CLOSE_MINUTES)?,
        })
    };
    MarketCalendar::nyse().session(date).or_else(usual)
}

/// The regular hour bar that contains `instant`, or that Alpaca stamps with it.
fn stock_hour(instant: Timestamp) -> Option<BarSpan> {
    let session = MarketCalendar::nyse().session(new_york_date(instant))?;
    let hour = hour_floor(instant)?;
    let start = hour.max(session.open);
    let end = hour
        .checked_add_signed(TimeDelta::hours(1))?
        .min(session.close);
    (start < end).then_some(BarSpan { start, end })
}

/// The full hour at or before an instant. New York's offsets are whole hours, so UTC hours serve.
pub(crate) fn hour_floor(instant: Timestamp) -> Option<DateTime<Utc>> {
    instant.with_minute(0)?.with_second(0)?.with_nanosecond(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AssetClass::{Crypto, UsEquity};
    use Timeframe::{Day, Hour};
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn file_bars_travel_to_alpaca_and_back() {
        // class, timeframe, file END, start, Alpaca's t
        let cases = [
            // Winter and summer days, both sides of the change on 8 March 2026.
            (
                UsEquity,
                Day,
                "2026-03-06T21:00:00Z",
                "2026-03-06T05:00:00Z",
                "2026-03-06T05:00:00Z",
            ),
            (
                UsEquity,
                Day,
                "2026-03-09T20:00:00Z",
                "2026-03-09T04:00:00Z",
                "2026-03-09T04:00:00Z",
            ),
            // A half day ends at 13:00 New York.
            (
                UsEquity,
                Day,
                "2025-11-28T18:00:00Z",
                "2025-11-28T05:00:00Z",
                "2025-11-28T05:00:00Z",
            ),
            (
                UsEquity,
                Hour,
                "2026-03-06T15:00:00Z",
                "2026-03-06T14:30:00Z",
                "2026-03-06T14:00:00Z",
            ),
            (
                UsEquity,
                Hour,
                "2026-03-06T21:00:00Z",
                "2026-03-06T20:00:00Z",
                "2026-03-06T20:00:00Z",
            ),
            (
                UsEquity,
                Hour,
                "2026-03-09T14:00:00Z",
                "2026-03-09T13:30:00Z",
                "2026-03-09T13:00:00Z",
            ),
            (
                UsEquity,
                Hour,
                "2025-11-28T18:00:00Z",
                "2025-11-28T17:00:00Z",
                "2025-11-28T17:00:00Z",
            ),
            (
                Crypto,
                Hour,
                "2026-03-08T07:00:00Z",
                "2026-03-08T06:00:00Z",
                "2026-03-08T06:00:00Z",
            ),
            (
                Crypto,
                Day,
                "2026-03-08T00:00:00Z",
                "2026-03-07T00:00:00Z",
                "2026-03-07T00:00:00Z",
            ),
        ];
        for (class, timeframe, end, start, t) in cases {
            let span = BarSpan {
                start: at(start),
                end: at(end),
            };
            assert_eq!(
                span_from_end(class, timeframe, at(end)),
                Some(span),
                "file {end}"
            );
            assert_eq!(
                alpaca_start(class, timeframe, span.start),
                at(t),
                "t of {end}"
            );
            assert_eq!(
                span_from_alpaca(class, timeframe, at(t)),
                Some(span),
                "back from {t}"
            );
            assert_eq!(
                span_from_alpaca(class, timeframe, at(start)),
                Some(span),
                "from {start}"
            );
        }
    }

    #[test]
    fn a_daily_file_bar_is_known_by_its_date() {
        let half_day_stamped_at_four = at("2025-11-28T21:00:00Z");
        let span = span_from_end(UsEquity, Day, half_day_stamped_at_four).unwrap();
        assert_eq!(span.end, at("2025-11-28T18:00:00Z"));
        assert_eq!(
            span_of_date(UsEquity, "2025-11-28".parse().unwrap()),
            Some(span)
        );
        let day = span_of_date(Crypto, "2025-11-28".parse().unwrap()).unwrap();
        assert_eq!(day.end, at("2025-11-29T00:00:00Z"));
    }

    #[test]
    fn hours_outside_the_session_are_no_bars() {
        for t in [
            "2026-03-06T13:00:00Z",
            "2026-03-06T21:00:00Z",
            "2026-03-07T15:00:00Z",
        ] {
            assert_eq!(span_from_alpaca(UsEquity, Hour, at(t)), None, "{t}");
        }
        for end in [
            "2026-03-06T14:30:00Z",
            "2026-03-06T15:30:00Z",
            "2026-03-06T22:00:00Z",
        ] {
            assert_eq!(span_from_end(UsEquity, Hour, at(end)), None, "{end}");
        }
    }

    #[test]
    fn a_session_has_seven_hours_and_a_half_day_four() {
        let spans = |from: &str, to: &str| spans_between(UsEquity, Hour, at(from), at(to));
        let whole = spans("2026-03-05T21:00:00Z", "2026-03-06T21:00:00Z");
        assert_eq!(whole.len(), 7);
        assert!(whole.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(
            spans("2025-11-28T00:00:00Z", "2025-11-29T00:00:00Z").len(),
            4
        );
        let crypto = spans_between(
            Crypto,
            Hour,
            at("2026-03-06T21:30:00Z"),
            at("2026-03-07T00:00:00Z"),
        );
        assert_eq!(crypto.len(), 3);
        let days = spans_between(
            UsEquity,
            Day,
            at("2026-03-05T21:00:00Z"),
            at("2026-03-09T20:00:00Z"),
        );
        assert_eq!(days.len(), 2);
    }

    #[test]
    fn a_daily_stock_bar_trades_in_its_session() {
        let span = stock_day("2026-03-06".parse().unwrap()).unwrap();
        let bar = Bar {
            symbol: rawe_core::Symbol::new("AAPL").unwrap(),
            start: span.start,
            end: span.end,
            timeframe: Day,
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 0.0,
            backfill: false,
        };
        assert_eq!(trading_span(&bar).start, at("2026-03-06T14:30:00Z"));
        assert_eq!(trading_span(&bar).end, bar.end);
    }

    proptest! {
        #[test]
        fn every_span_survives_the_round_trip(
            seconds in 946_684_800_i64..2_300_000_000,
            crypto: bool,
            daily: bool,
        ) {
            let class = if crypto { Crypto } else { UsEquity };
            let timeframe = if daily { Day } else { Hour };
            let t = DateTime::from_timestamp(seconds, 0).unwrap();
            if let Some(span) = span_from_alpaca(class, timeframe, t) {
                prop_assert!(span.start < span.end);
                prop_assert_eq!(span_from_end(class, timeframe, span.end), Some(span));
                let served = alpaca_start(class, timeframe, span.start);
                prop_assert_eq!(span_from_alpaca(class, timeframe, served), Some(span));
            }
        }

        #[test]
        fn no_instant_panics(seconds in any::<i64>(), crypto: bool, daily: bool) {
            let class = if crypto { Crypto } else { UsEquity };
            let timeframe = if daily { Day } else { Hour };
            if let Some(t) = DateTime::from_timestamp(seconds, 0) {
                let _ = span_from_alpaca(class, timeframe, t);
                let _ = span_from_end(class, timeframe, t);
            }
        }
    }
}
