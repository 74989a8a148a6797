//! Bars of other lengths than the market has: hours, days, weeks and months put together from the
//! market's own bars that have ended. The newest one may still grow, as at Alpaca; what has not
//! ended is never in it.

use chrono::{Datelike, NaiveDate, TimeDelta, Timelike};
use rawe_alpaca::types as wire;
use rawe_core::calendar::{new_york_date, new_york_midnight};
use rawe_core::{AssetClass, Timeframe, Timestamp};
use rawe_feed::bar_times::alpaca_start;
use rawe_market::{BarView, PriceSeries};

/// A length that a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BarLength {
    /// Up to 59 minutes; the market has nothing that short.
    Minutes,
    /// Hours of the day, UTC.
    Hours(u32),
    /// A session, or a UTC day of crypto.
    Day,
    /// From Monday on.
    Week,
    /// So many calendar months, from January on.
    Months(u32),
}

impl BarLength {
    /// Reads Alpaca's spelling: `1Hour`, `4H`, `1Day`, `1W`, `3Month`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let number: u32 = number.parse().ok()?;
        match unit {
            "Min" | "T" if (1..=59).contains(&number) => Some(Self::Minutes),
            // Alpaca takes no 60, but clients of ours have sent it.
            "Min" | "T" if number == 60 => Some(Self::Hours(1)),
            "Hour" | "H" if (1..=23).contains(&number) => Some(Self::Hours(number)),
            "Day" | "D" if number == 1 => Some(Self::Day),
            "Week" | "W" if number == 1 => Some(Self::Week),
            "Month" | "M" if [1, 2, 3, 4, 6, 12].contains(&number) => Some(Self::Months(number)),
            _ => None,
        }
    }

    /// Whether this is the length of a series' own bars.
    pub(crate) fn is_own(self, timeframe: Timeframe) -> bool {
        matches!(
            (self, timeframe),
            (Self::Hours(1), Timeframe::Hour) | (Self::Day, Timeframe::Day)
        )
    }

    /// Whether bars of this length can be put together from bars of `timeframe`.
    pub(crate) fn holds(self, timeframe: Timeframe) -> bool {
        match self {
            Self::Minutes => false,
            Self::Hours(_) => timeframe == Timeframe::Hour,
            Self::Day | Self::Week | Self::Months(_) => true,
        }
    }

    /// The `t` of the bar that holds what starts at `start`.
    fn window(self, class: AssetClass, start: Timestamp) -> Option<Timestamp> {
        let date = match class {
            AssetClass::UsEquity => new_york_date(start),
            AssetClass::Crypto => start.date_naive(),
        };
        let first = match self {
            Self::Minutes => return None,
            Self::Hours(hours) => {
                let hour = start.hour() / hours.max(1) * hours.max(1);
                return Some(start.date_naive().and_hms_opt(hour, 0, 0)?.and_utc());
            }
            Self::Day => date,
            Self::Week => {
                let since = date.weekday().num_days_from_monday();
                date.checked_sub_signed(TimeDelta::days(i64::from(since)))?
            }
            Self::Months(months) => {
                let month = date.month0() / months.max(1) * months.max(1);
                NaiveDate::from_ymd_opt(date.year(), month + 1, 1)?
            }
        };
        match class {
            AssetClass::UsEquity => new_york_midnight(first),
            AssetClass::Crypto => Some(first.and_hms_opt(0, 0, 0)?.and_utc()),
        }
    }
}

/// A bar of the market as it is served. There are two trades in it, see [`crate::ticks`]; its mean
/// price is the mean of its four prices.
pub(crate) fn own_bar(class: AssetClass, timeframe: Timeframe, bar: &BarView) -> wire::BarData {
    wire::BarData {
        t: alpaca_start(class, timeframe, bar.start),
        o: bar.open,
        h: bar.high,
        l: bar.low,
        c: bar.close,
        v: bar.volume,
        n: Some(2),
        vw: Some(tidy((bar.open + bar.high + bar.low + bar.close) / 4.0)),
    }
}

/// Nine digits after the point are more than any price has.
pub(crate) fn tidy(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// All bars of `length` with `t` in `start..=end` that are known at `now`, oldest first.
pub(crate) fn put_together(
    length: BarLength,
    class: AssetClass,
    series: &PriceSeries,
    (start, end): (Timestamp, Timestamp),
    now: Timestamp,
) -> Vec<wire::BarData> {
    let mut bars: Vec<wire::BarData> = Vec::new();
    if !length.holds(series.timeframe()) {
        return bars;
    }
    let first = series.started_count(start).saturating_sub(1);
    for bar in (first..series.ended_count(now)).filter_map(|index| series.bar(index)) {
        let Some(t) = length.window(class, bar.start) else {
            continue;
        };
        if t < start {
            continue;
        }
        if t > end {
            break;
        }
        let bar = own_bar(class, series.timeframe(), &bar);
        match bars.last_mut().filter(|last| last.t == t) {
            Some(last) => add(last, &bar),
            None => bars.push(wire::BarData { t, ..bar }),
        }
    }
    bars
}

/// The bar of `length` that holds the market's newest ended bar, and the one before it.
pub(crate) fn newest(
    length: BarLength,
    class: AssetClass,
    series: &PriceSeries,
    now: Timestamp,
) -> (Option<wire::BarData>, Option<wire::BarData>) {
    let from = now - TimeDelta::days(12);
    let mut bars = put_together(length, class, series, (from, now), now);
    let last = bars.pop();
    (last, bars.pop())
}

fn add(bar: &mut wire::BarData, next: &wire::BarData) {
    let volume = bar.v + next.v;
    if let (Some(mean), Some(next_mean)) = (bar.vw, next.vw)
        && volume > 0.0
    {
        bar.vw = Some(tidy((mean * bar.v + next_mean * next.v) / volume));
    }
    bar.h = bar.h.max(next.h);
    bar.l = bar.l.min(next.l);
    bar.c = next.c;
    bar.v = volume;
    bar.n = bar.n.zip(next.n).map(|(n, more)| n + more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_alpaca_spells_them() {
        for (text, expected) in [
            ("1Min", Some(BarLength::Minutes)),
            ("59T", Some(BarLength::Minutes)),
            ("60Min", Some(BarLength::Hours(1))),
            ("61Min", None),
            ("4Hour", Some(BarLength::Hours(4))),
            ("24H", None),
            ("1D", Some(BarLength::Day)),
            ("2Day", None),
            ("1Week", Some(BarLength::Week)),
            ("3M", Some(BarLength::Months(3))),
            ("5Month", None),
            ("", None),
            ("Day", None),
            ("1é", None),
        ] {
            assert_eq!(BarLength::read(text), expected, "{text}");
        }
    }

    #[test]
    fn windows_start_where_alpaca_stamps_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // A Wednesday evening in New York, Thursday in London.
        let evening = at("2026-03-05T02:30:00Z");
        for (length, class, expected) in [
            (
                BarLength::Hours(4),
                AssetClass::Crypto,
                "2026-03-05T00:00:00Z",
            ),
            (BarLength::Day, AssetClass::Crypto, "2026-03-05T00:00:00Z"),
            (BarLength::Day, AssetClass::UsEquity, "2026-03-04T05:00:00Z"),
            (
                BarLength::Week,
                AssetClass::UsEquity,
                "2026-03-02T05:00:00Z",
            ),
            (
                BarLength::Months(3),
                AssetClass::UsEquity,
                "2026-01-01T05:00:00Z",
            ),
        ] {
            assert_eq!(
                length.window(class, evening),
                Some(at(expected)),
                "{length:?}"
            );
        }
    }
}
