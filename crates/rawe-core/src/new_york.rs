//! New York's clock: how far it is behind UTC, worked out from the rules of its daylight saving.
//!
//! Of all time zones only this one matters here, and it follows five rules since 1967; a database of
//! all zones is 1.8 MB in the memory of every process. A test compares each change with it. Before
//! 1967 New York set its clocks by rules of its own: then the rule of 1967 is applied.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Weekday};

use crate::Timestamp;

/// Hours behind UTC in winter.
const STANDARD_HOURS: i32 = 5;
/// Hours behind UTC while daylight is saved.
const DAYLIGHT_HOURS: i32 = 4;
/// The wall time at which the clock changes, hours after midnight.
const CHANGE_HOUR: u32 = 2;

/// An instant as New York's clock shows it.
pub fn in_new_york(instant: Timestamp) -> DateTime<FixedOffset> {
    let hours = hours_behind(instant.naive_utc());
    // Four or five hours are an offset; were they none, UTC would be shown.
    let offset = FixedOffset::west_opt(hours * 3600);
    offset.map_or_else(|| instant.fixed_offset(), |it| instant.with_timezone(&it))
}

/// The instant of a New York wall time: the earlier one of an hour that comes twice, none in the
/// hour that is left out.
pub(crate) fn instant_of(wall: NaiveDateTime) -> Option<Timestamp> {
    [DAYLIGHT_HOURS, STANDARD_HOURS]
        .into_iter()
        .find_map(|hours| {
            let utc = wall.checked_add_signed(TimeDelta::hours(hours.into()))?;
            (hours_behind(utc) == hours).then(|| utc.and_utc())
        })
}

fn hours_behind(utc: NaiveDateTime) -> i32 {
    let saves = daylight(utc.year()).is_some_and(|(begin, end)| begin <= utc && utc < end);
    if saves {
        DAYLIGHT_HOURS
    } else {
        STANDARD_HOURS
    }
}

/// When daylight saving begins and ends in a year, UTC.
fn daylight(year: i32) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let begin = match year {
        2007.. => sunday(year, 3, 8),
        1987..2007 => sunday(year, 4, 1),
        // Two years of an oil crisis.
        1975 => sunday(year, 2, 23),
        1974 => sunday(year, 1, 6),
        _ => sunday(year, 4, 24),
    };
    let end = match year {
        2007.. => sunday(year, 11, 1),
        _ => sunday(year, 10, 25),
    };
    let at = |day: NaiveDate, hours: i32| {
        let wall = day.and_hms_opt(CHANGE_HOUR, 0, 0)?;
        wall.checked_add_signed(TimeDelta::hours(hours.into()))
    };
    Some((at(begin?, STANDARD_HOURS)?, at(end?, DAYLIGHT_HOURS)?))
}

/// The first Sunday of a month on or after a day.
fn sunday(year: i32, month: u32, from: u32) -> Option<NaiveDate> {
    let from = NaiveDate::from_ymd_opt(year, month, from)?;
    let days = Weekday::Sun.days_since(from.weekday());
    from.checked_add_signed(TimeDelta::days(days.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Offset, TimeZone, Utc};
    use chrono_tz::America::New_York;

    #[test]
    fn the_clock_is_that_of_the_database_of_time_zones() {
        let mut changes = 0;
        for year in 1967..=2099 {
            let first = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
            let mut before = None;
            for hour in 0..366 * 24 {
                let instant = first + TimeDelta::hours(hour);
                let expected = instant.with_timezone(&New_York).offset().fix();
                let near = before.replace(expected) != Some(expected) || hour % 12 == 0;
                if !near {
                    continue;
                }
                changes += 1;
                for instant in [-1, 0, 1].map(|step| instant + TimeDelta::seconds(step)) {
                    let expected = instant.with_timezone(&New_York).fixed_offset();
                    let ours = in_new_york(instant);
                    assert_eq!(ours.naive_local(), expected.naive_local(), "{instant}");
                    assert_eq!(ours.offset(), expected.offset(), "{instant}");
                }
            }
        }
        assert!(changes > 2 * 133);
    }

    #[test]
    fn a_wall_time_is_the_instant_of_the_database_of_time_zones() {
        for year in 1967..=2099 {
            for (month, day) in [(1, 6), (2, 23), (7, 4)]
                .into_iter()
                .chain((8..15).map(|day| (3, day)))
                .chain((1..8).chain(24..31).map(|day| (4, day)))
                .chain((25..32).map(|day| (10, day)))
                .chain((1..8).map(|day| (11, day)))
            {
                let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
                for minutes in (0..24 * 60).step_by(30) {
                    let wall = date.and_hms_opt(minutes / 60, minutes % 60, 0).unwrap();
                    let expected = New_York.from_local_datetime(&wall).earliest();
                    let expected = expected.map(|it| it.with_timezone(&Utc));
                    assert_eq!(instant_of(wall), expected, "{wall}");
                }
            }
        }
    }
}
