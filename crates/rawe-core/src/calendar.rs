//! The regular sessions of the US stock exchanges: days, half days, holidays, daylight saving.
//!
//! The rules of holidays are worked out by the `usec` crate; the list is ours, because its default
//! list reads an environment variable and lacks the one-off closures. Live trading never relies on
//! this calendar: the broker's clock decides. Replays, the exchange and the scan grid do.

use std::sync::OnceLock;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Weekday};
use usec::calendar::{Calendar, HalfCheck, Holiday, NthWeek};

use crate::new_york::{in_new_york, instant_of};
use crate::{AssetClass, Timestamp};

/// First and last year worked out.
const YEARS: (i32, i32) = (2000, 2049);
/// The regular open, New York: 9:30.
const OPEN_MINUTES: u32 = 9 * 60 + 30;
/// The regular close, New York: 16:00.
const CLOSE_MINUTES: u32 = 16 * 60;
/// The close of a half day, New York: 13:00.
const HALF_DAY_CLOSE_MINUTES: u32 = 13 * 60;
/// Days without trading that follow no rule: 11 to 14 September 2001 (attacks), 11 June 2004 and
/// 2 January 2007 (mourning), 29 and 30 October 2012 (hurricane), 5 December 2018 and 9 January
/// 2025 (mourning).
const ONE_OFF_CLOSURES: [(i32, u32, u32); 10] = [
    (2001, 9, 11),
    (2001, 9, 12),
    (2001, 9, 13),
    (2001, 9, 14),
    (2004, 6, 11),
    (2007, 1, 2),
    (2012, 10, 29),
    (2012, 10, 30),
    (2018, 12, 5),
    (2025, 1, 9),
];

/// One regular session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The day, New York.
    pub date: NaiveDate,
    /// 9:30 New York.
    pub open: Timestamp,
    /// 16:00 New York, or 13:00 on a half day.
    pub close: Timestamp,
}

/// The calendar of regular sessions.
#[derive(Debug)]
pub struct MarketCalendar {
    calendar: Calendar,
}

impl MarketCalendar {
    /// The one calendar, worked out at first use.
    pub fn nyse() -> &'static Self {
        static CALENDAR: OnceLock<MarketCalendar> = OnceLock::new();
        CALENDAR.get_or_init(|| Self {
            calendar: Calendar::calc_calendar(&holiday_rules(), YEARS.0, YEARS.1),
        })
    }

    /// The regular session of `date`, if there is one.
    pub fn session(&self, date: NaiveDate) -> Option<Session> {
        if !self.calendar.is_business_day(date) {
            return None;
        }
        let close = if self.calendar.is_half_holiday(date) {
            HALF_DAY_CLOSE_MINUTES
        } else {
            CLOSE_MINUTES
        };
        Some(Session {
            date,
            open: new_york_instant(date, OPEN_MINUTES)?,
            close: new_york_instant(date, close)?,
        })
    }

    /// The session that is open at `instant` (open ≤ instant < close).
    pub fn session_at(&self, instant: Timestamp) -> Option<Session> {
        self.session(new_york_date(instant))
            .filter(|session| session.open <= instant && instant < session.close)
    }

    /// The first session that opens after `instant`.
    pub fn next_session(&self, instant: Timestamp) -> Option<Session> {
        self.search(new_york_date(instant), 1, |session| session.open > instant)
    }

    /// The last session that closed at or before `instant`.
    pub fn previous_session(&self, instant: Timestamp) -> Option<Session> {
        self.search(new_york_date(instant), -1, |session| {
            session.close <= instant
        })
    }

    /// All sessions of the days `from..=to`, New York dates.
    pub fn sessions(&self, from: NaiveDate, to: NaiveDate) -> Vec<Session> {
        from.iter_days()
            .take_while(|day| *day <= to)
            .filter_map(|day| self.session(day))
            .collect()
    }

    /// Whether `class` trades at `instant`: crypto always does.
    pub fn is_open(&self, class: AssetClass, instant: Timestamp) -> bool {
        match class {
            AssetClass::Crypto => true,
            AssetClass::UsEquity => self.session_at(instant).is_some(),
        }
    }

    /// Looks day by day, at most two weeks: no closure in history was longer.
    fn search(
        &self,
        from: NaiveDate,
        step_days: i64,
        wanted: impl Fn(&Session) -> bool,
    ) -> Option<Session> {
        (0..=14)
            .filter_map(|n| from.checked_add_signed(TimeDelta::days(n * step_days)))
            .filter_map(|day| self.session(day))
            .find(|session| wanted(session))
    }
}

/// The New York date of an instant.
pub fn new_york_date(instant: Timestamp) -> NaiveDate {
    in_new_york(instant).date_naive()
}

/// The instant of a New York wall time, given in minutes after midnight.
pub fn new_york_instant(date: NaiveDate, minutes: u32) -> Option<Timestamp> {
    let time = NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0)?;
    instant_of(date.and_time(time))
}

/// The first instant of a New York day, which Alpaca gives as the start of a daily bar.
pub fn new_york_midnight(date: NaiveDate) -> Option<Timestamp> {
    new_york_instant(date, 0)
}

/// The day before `date`.
pub fn day_before(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(1)).unwrap_or(date)
}

/// The rules of the NYSE since 2000.
fn holiday_rules() -> Vec<Holiday> {
    let yearly = |month, day, first, half_check| Holiday::MovableYearlyDay {
        month,
        day,
        first,
        last: None,
        half_check,
    };
    let monthly = |month, weekday, nth, half_check| Holiday::MonthWeekday {
        month,
        weekday,
        nth,
        first: None,
        last: None,
        half_check,
    };
    let mut rules = vec![
        Holiday::WeekDay(Weekday::Sat),
        Holiday::WeekDay(Weekday::Sun),
        yearly(1, 1, None, None),
        monthly(1, Weekday::Mon, NthWeek::Third, None),
        monthly(2, Weekday::Mon, NthWeek::Third, None),
        Holiday::EasterOffset {
            offset: -2,
            first: Some(YEARS.0),
            last: None,
        },
        monthly(5, Weekday::Mon, NthWeek::Last, None),
        yearly(6, 19, Some(2022), None),
        yearly(7, 4, None, Some(HalfCheck::Before)),
        monthly(9, Weekday::Mon, NthWeek::First, None),
        monthly(11, Weekday::Thu, NthWeek::Fourth, Some(HalfCheck::After)),
        yearly(12, 25, None, Some(HalfCheck::Before)),
    ];
    rules.extend(
        ONE_OFF_CLOSURES
            .iter()
            .filter_map(|(year, month, day)| NaiveDate::from_ymd_opt(*year, *month, *day))
            .map(Holiday::SingularDay),
    );
    rules
}

/// Whether a UTC instant falls on a Saturday or Sunday, New York.
pub fn is_weekend(instant: Timestamp) -> bool {
    matches!(
        new_york_date(instant).weekday(),
        Weekday::Sat | Weekday::Sun
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn known_days_of_the_exchange() {
        let calendar = MarketCalendar::nyse();
        for closed in [
            day(2014, 4, 18),
            day(2015, 7, 3),
            day(2018, 12, 5),
            day(2021, 12, 24),
            day(2022, 6, 20),
            day(2025, 1, 9),
            day(2026, 11, 22),
        ] {
            assert!(calendar.session(closed).is_none(), "{closed} was open");
        }
        for open in [
            day(2021, 6, 18),
            day(2021, 12, 31),
            day(2022, 1, 3),
            day(2014, 1, 2),
        ] {
            assert!(calendar.session(open).is_some(), "{open} was closed");
        }
        for half in [day(2014, 7, 3), day(2015, 11, 27), day(2025, 12, 24)] {
            let session = calendar.session(half).unwrap();
            assert_eq!((session.close - session.open).num_minutes(), 210, "{half}");
        }
    }

    #[test]
    fn sessions_follow_new_yorks_daylight_saving() {
        let calendar = MarketCalendar::nyse();
        let winter = calendar.session(day(2026, 3, 6)).unwrap();
        let summer = calendar.session(day(2026, 3, 9)).unwrap();
        assert_eq!(
            winter.open,
            Utc.with_ymd_and_hms(2026, 3, 6, 14, 30, 0).unwrap()
        );
        assert_eq!(
            summer.open,
            Utc.with_ymd_and_hms(2026, 3, 9, 13, 30, 0).unwrap()
        );
    }

    #[test]
    fn next_and_previous_session_skip_a_weekend() {
        let calendar = MarketCalendar::nyse();
        let friday = calendar.session(day(2026, 3, 6)).unwrap();
        let monday = calendar.session(day(2026, 3, 9)).unwrap();
        assert_eq!(calendar.next_session(friday.open), Some(monday));
        assert_eq!(calendar.previous_session(monday.open), Some(friday));
        assert_eq!(calendar.session_at(friday.close), None);
        assert_eq!(calendar.session_at(friday.open), Some(friday));
    }
}
