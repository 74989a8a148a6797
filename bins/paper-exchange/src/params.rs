//! The query string as clients send it: any value may be absent, empty or rubbish, and each is
//! read with a refusal that names it.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate, Utc};
use rawe_core::Timestamp;

/// All parameters by name; of a repeated one the last counts.
#[derive(Debug, Default)]
pub(crate) struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let read = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        Ok(Self(read.map(|Query(values)| values).unwrap_or_default()))
    }
}

impl Params {
    /// A value that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Whether a value is true; some clients write it `True`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A comma list; empty if absent.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name).unwrap_or("");
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// An instant: RFC 3339 or a date, which means its first instant, or its last one when
    /// `ends_day`. `Err` carries words for the client.
    pub(crate) fn instant(&self, name: &str, ends_day: bool) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // An unescaped `+` of an offset arrives as a space.
        let text = text.replace(' ', "+");
        parse_instant(&text, ends_day)
            .map(Some)
            .ok_or_else(|| format!("invalid {name}: {text:.40} is neither RFC 3339 nor a date"))
    }

    /// A whole number in a range, or `default` if absent.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, String> {
        let Some(text) = self.text("limit") else {
            return Ok(default);
        };
        text.parse::<usize>()
            .ok()
            .filter(|limit| (1..=max).contains(limit))
            .ok_or_else(|| format!("invalid limit: must be between 1 and {max}"))
    }

    /// Whether the newest come first; `name` is `sort` or `direction`.
    pub(crate) fn newest_first(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.text(name) {
            None => Ok(default),
            Some("asc") => Ok(false),
            Some("desc") => Ok(true),
            Some(_) => Err(format!("invalid {name}: must be asc or desc")),
        }
    }
}

/// Reads RFC 3339 or a date (its first instant UTC, or its last second).
pub(crate) fn parse_instant(text: &str, ends_day: bool) -> Option<Timestamp> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.with_timezone(&Utc));
    }
    let date: NaiveDate = text.parse().ok()?;
    let time = if ends_day {
        date.and_hms_opt(23, 59, 59)?
    } else {
        date.and_hms_opt(0, 0, 0)?
    };
    Some(time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn instants_are_read_in_every_usual_form() {
        let noon = "2026-03-02T12:00:00Z".parse::<Timestamp>().unwrap();
        for text in ["2026-03-02T12:00:00Z", "2026-03-02T13:00:00 01:00"] {
            assert_eq!(
                params(&[("start", text)]).instant("start", false),
                Ok(Some(noon))
            );
        }
        let midnight = "2026-03-02T00:00:00Z".parse::<Timestamp>().unwrap();
        assert_eq!(parse_instant("2026-03-02", false), Some(midnight));
        assert!(
            params(&[("start", "soon")])
                .instant("start", false)
                .is_err()
        );
        assert_eq!(params(&[("start", "")]).instant("start", false), Ok(None));
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!(params(&[]).limit(10, 50), Ok(10));
        assert_eq!(params(&[("limit", "50")]).limit(10, 50), Ok(50));
        for bad in ["0", "51", "-1", "x", "1.5"] {
            assert!(params(&[("limit", bad)]).limit(10, 50).is_err(), "{bad}");
        }
    }
}
