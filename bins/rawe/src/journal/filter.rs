//! Which rounds, orders or trades are meant: an asset, a range of market time, how many.

use chrono::{NaiveDate, NaiveDateTime};
use rawe_core::{Symbol, Timestamp};
use rawe_journal::Filter;

/// Flags that all lists have.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FilterArgs {
    /// Only this asset, such as AAPL or BTC/USD
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<Symbol>,
    /// Only from this market time on, UTC: 2026-05-04 or 2026-05-04T13:30
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only before this market time, UTC; a day by itself ends at its beginning
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// How many, the newest first
    #[arg(
        short = 'n',
        long,
        alias = "last",
        value_name = "COUNT",
        default_value_t = 20
    )]
    limit: u32,
}

impl FilterArgs {
    /// What the journal is asked for.
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            asset: self.asset.clone(),
            since: self.since,
            until: self.until,
            limit: Some(self.limit),
            ..Filter::default()
        }
    }
}

/// Reads a time as people write it: a day, a minute, a second, or RFC 3339. All are UTC.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let text = text.replace(' ', "T");
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(&text, form) {
            return Ok(at.and_utc());
        }
    }
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d");
    day.ok()
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map(|at| at.and_utc())
        .ok_or_else(|| "it must be a time such as 2026-05-04 or 2026-05-04T13:30".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2026-05-04", "2026-05-04T00:00:00+00:00"),
            ("2026-05-04T13:30", "2026-05-04T13:30:00+00:00"),
            ("2026-05-04 13:30:05", "2026-05-04T13:30:05+00:00"),
            ("2026-05-04T13:30:00-04:00", "2026-05-04T17:30:00+00:00"),
        ] {
            assert_eq!(parse_time(text).unwrap().to_rfc3339(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
