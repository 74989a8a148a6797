//! The grid of market time on which all agents scan, so that five processes vote together.
//!
//! Crypto: every full hour, UTC. Stocks: 09:35 New York of every session, and, where the bars are
//! hourly, the end of every regular-hours bar but the session's last. Assets with daily bars are
//! scanned at 09:35 only. When a live agent really scans (a little later) is its shell's business.

use chrono::{DurationRound, TimeDelta};
use rawe_core::calendar::{MarketCalendar, Session, new_york_date};
use rawe_core::{AssetClass, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

/// The opening scan comes this long after the open: items until 09:30 are in, prices have settled.
const OPENING_DELAY_MINUTES: i64 = 5;

/// Which assets are scanned at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridPoint {
    /// All crypto assets.
    pub crypto: bool,
    /// All stocks: the opening scan.
    pub stocks_opening: bool,
    /// Stocks with hourly bars.
    pub stocks_hourly: bool,
}

impl GridPoint {
    /// Whether nothing is scanned.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether an asset of this class and timeframe is scanned.
    pub fn includes(self, class: AssetClass, timeframe: Timeframe) -> bool {
        match class {
            AssetClass::Crypto => self.crypto,
            AssetClass::UsEquity => {
                self.stocks_opening || (self.stocks_hourly && timeframe == Timeframe::Hour)
            }
        }
    }
}

/// What kinds of assets there are so far, and the grid they give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanGrid {
    /// At least one crypto asset.
    pub crypto: bool,
    /// At least one stock with hourly bars.
    pub hourly_stocks: bool,
    /// At least one stock with daily bars.
    pub daily_stocks: bool,
}

impl ScanGrid {
    /// Takes note of an asset.
    pub fn include(&mut self, class: AssetClass, timeframe: Timeframe) {
        match (class, timeframe) {
            (AssetClass::Crypto, _) => self.crypto = true,
            (AssetClass::UsEquity, Timeframe::Hour) => self.hourly_stocks = true,
            (AssetClass::UsEquity, Timeframe::Day) => self.daily_stocks = true,
        }
    }

    /// What is scanned at exactly `instant`.
    pub fn at(self, instant: Timestamp) -> GridPoint {
        let full_hour = is_full_hour(instant);
        let session = MarketCalendar::nyse().session_at(instant);
        let stocks = self.hourly_stocks || self.daily_stocks;
        GridPoint {
            crypto: self.crypto && full_hour,
            stocks_opening: stocks && session.is_some_and(|s| opening_scan(&s) == instant),
            stocks_hourly: self.hourly_stocks && full_hour && session.is_some(),
        }
    }

    /// The first grid instant after `instant`; `None` while there is no asset.
    pub fn next_after(self, instant: Timestamp) -> Option<Timestamp> {
        let crypto = if self.crypto {
            next_full_hour(instant)
        } else {
            None
        };
        let stocks = if self.hourly_stocks || self.daily_stocks {
            self.next_of_stocks(instant)
        } else {
            None
        };
        [crypto, stocks].into_iter().flatten().min()
    }

    /// The first grid instant after `instant` at which no bar ends: the stocks' opening scan.
    pub fn next_between_bars(self, instant: Timestamp) -> Option<Timestamp> {
        if !(self.hourly_stocks || self.daily_stocks) {
            return None;
        }
        sessions_from(instant)
            .map(|s| opening_scan(&s))
            .find(|scan| *scan > instant)
    }

    fn next_of_stocks(self, instant: Timestamp) -> Option<Timestamp> {
        sessions_from(instant)
            .flat_map(|session| {
                [
                    Some(opening_scan(&session)),
                    self.next_hourly(session, instant),
                ]
            })
            .flatten()
            .filter(|scan| *scan > instant)
            .min()
    }

    /// The first full hour after `instant` inside the session, its close excluded.
    fn next_hourly(self, session: Session, instant: Timestamp) -> Option<Timestamp> {
        if !self.hourly_stocks {
            return None;
        }
        next_full_hour(instant.max(session.open)).filter(|hour| *hour < session.close)
    }
}

fn opening_scan(session: &Session) -> Timestamp {
    session.open + TimeDelta::minutes(OPENING_DELAY_MINUTES)
}

/// The session of the day of `instant`, if any, and the one after `instant`.
fn sessions_from(instant: Timestamp) -> impl Iterator<Item = Session> {
    let calendar = MarketCalendar::nyse();
    let today = calendar.session(new_york_date(instant));
    [today, calendar.next_session(instant)]
        .into_iter()
        .flatten()
}

fn is_full_hour(instant: Timestamp) -> bool {
    instant
        .duration_trunc(TimeDelta::hours(1))
        .is_ok_and(|hour| hour == instant)
}

fn next_full_hour(instant: Timestamp) -> Option<Timestamp> {
    instant
        .duration_trunc(TimeDelta::hours(1))
        .ok()
        .map(|hour| hour + TimeDelta::hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    fn at(day: u32, hour: u32, minute: u32) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 3, day, hour, minute, 0).unwrap()
    }

    fn walk(grid: ScanGrid, from: Timestamp, steps: usize) -> Vec<(u32, u32, u32)> {
        use chrono::{Datelike, Timelike};
        let mut now = from;
        (0..steps)
            .map(|_| {
                now = grid.next_after(now).unwrap();
                assert!(!grid.at(now).is_empty(), "{now} is on no grid");
                (now.day(), now.hour(), now.minute())
            })
            .collect()
    }

    #[test]
    fn stocks_are_scanned_at_the_open_and_at_bar_ends_but_the_last() {
        // Friday 6 March 2026 is winter time (open 14:30 UTC), Monday 9 March summer time.
        let hourly = ScanGrid {
            hourly_stocks: true,
            ..ScanGrid::default()
        };
        let friday = [
            (14, 35),
            (15, 0),
            (16, 0),
            (17, 0),
            (18, 0),
            (19, 0),
            (20, 0),
        ];
        let mut expected: Vec<_> = friday.iter().map(|(h, m)| (6, *h, *m)).collect();
        expected.extend([(9, 13, 35), (9, 14, 0)]);
        assert_eq!(walk(hourly, at(6, 0, 0), 9), expected);

        let daily = ScanGrid {
            daily_stocks: true,
            ..ScanGrid::default()
        };
        assert_eq!(walk(daily, at(6, 14, 35), 2), [(9, 13, 35), (10, 13, 35)]);
        assert_eq!(hourly.next_between_bars(at(6, 14, 35)), Some(at(9, 13, 35)));
        assert_eq!(hourly.next_between_bars(at(6, 14, 34)), Some(at(6, 14, 35)));
    }

    #[test]
    fn crypto_is_scanned_every_hour_and_mixes_with_stocks() {
        let both = ScanGrid {
            crypto: true,
            hourly_stocks: true,
            daily_stocks: true,
        };
        assert_eq!(
            walk(both, at(6, 13, 0), 4),
            [(6, 14, 0), (6, 14, 35), (6, 15, 0), (6, 16, 0)]
        );
        let point = both.at(at(6, 15, 0));
        assert!(point.includes(AssetClass::Crypto, Timeframe::Hour));
        assert!(point.includes(AssetClass::UsEquity, Timeframe::Hour));
        assert!(!point.includes(AssetClass::UsEquity, Timeframe::Day));
        assert!(
            both.at(at(6, 14, 35))
                .includes(AssetClass::UsEquity, Timeframe::Day)
        );
        assert_eq!(ScanGrid::default().next_after(at(6, 0, 0)), None);
        assert_eq!(
            ScanGrid {
                crypto: true,
                ..both
            }
            .next_between_bars(at(7, 0, 0)),
            Some(at(9, 13, 35))
        );
    }

    proptest! {
        #[test]
        fn the_next_instant_is_later_and_on_the_grid(seconds in 0_i64..40_000_000) {
            let grid = ScanGrid { crypto: false, hourly_stocks: true, daily_stocks: false };
            let from = at(1, 0, 0) + TimeDelta::seconds(seconds);
            let next = grid.next_after(from).unwrap();
            prop_assert!(next > from);
            prop_assert!(!grid.at(next).is_empty());
            prop_assert!(next - from < TimeDelta::days(5));
        }
    }
}
