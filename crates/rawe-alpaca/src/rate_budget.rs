//! What the broker says of its rate limit, on every answer, and how long reads keep still after it
//! said "too many". Orders and cancellations are never held back by it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rawe_core::Timestamp;
use reqwest::header::HeaderMap;

/// The longest a read waits by itself for the broker's leave; beyond it the question fails at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest time we let a server keep us from reading, whatever it asks for.
const HOLD_MAX: Duration = Duration::from_mins(2);

/// The newest word of the broker on its rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBudget {
    /// Requests allowed in a window (Alpaca: a minute).
    pub limit: Option<u32>,
    /// Requests left in this window.
    pub remaining: Option<u32>,
    /// When the next window begins, broker time.
    pub resets_at: Option<Timestamp>,
}

impl RateBudget {
    /// Reads `X-RateLimit-Limit`, `-Remaining` and `-Reset` (unix seconds); `None` without any.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let count = |name| number(name).and_then(|n| u32::try_from(n.max(0)).ok());
        let budget = Self {
            limit: count("x-ratelimit-limit"),
            remaining: count("x-ratelimit-remaining"),
            resets_at: number("x-ratelimit-reset")
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        };
        (budget != Self::default()).then_some(budget)
    }
}

/// How long a 429 asks us to wait: `Retry-After` in seconds or as a date, else until the window
/// ends.
pub(crate) fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let until = |instant: Timestamp| (instant - now).max(TimeDelta::zero()).to_std().ok();
    let after = headers.get("retry-after").and_then(|v| v.to_str().ok());
    let after = after.map(str::trim).and_then(|text| {
        text.parse()
            .ok()
            .map(Duration::from_secs)
            .or_else(|| until(DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc)))
    });
    after.or_else(|| until(RateBudget::read(headers)?.resets_at?))
}

/// Shared by all clones of a client.
#[derive(Debug, Default)]
pub(crate) struct RateWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    budget: Option<RateBudget>,
    hold_until: Option<Instant>,
}

/// Whether a read may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Now.
    Now,
    /// After so long.
    After(Duration),
    /// Not soon: fail, and ask again after so long.
    Refused(Duration),
}

impl RateWatch {
    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an answer's headers.
    pub(crate) fn note(&self, headers: &HeaderMap, too_many: bool, now: Timestamp) {
        let budget = RateBudget::read(headers);
        if budget.is_none() && !too_many {
            return;
        }
        let mut watched = self.watched();
        if budget.is_some() {
            watched.budget = budget;
        }
        if too_many && let Some(wait) = asked_wait(headers, now) {
            let until = Instant::now().checked_add(wait.min(HOLD_MAX));
            watched.hold_until = watched.hold_until.max(until);
        }
    }

    pub(crate) fn budget(&self) -> Option<RateBudget> {
        self.watched().budget
    }

    pub(crate) fn leave(&self) -> Leave {
        let hold = self.watched().hold_until;
        match hold.map(|until| until.saturating_duration_since(Instant::now())) {
            None | Some(Duration::ZERO) => Leave::Now,
            Some(wait) if wait <= PATIENCE => Leave::After(wait),
            Some(wait) => Leave::Refused(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn budgets_are_read_and_rubbish_is_none() {
        let read = RateBudget::read(&headers(&[
            ("x-ratelimit-limit", "200"),
            ("x-ratelimit-remaining", "-1"),
            ("x-ratelimit-reset", "1767625200"),
        ]));
        let expected = RateBudget {
            limit: Some(200),
            remaining: Some(0),
            resets_at: Some("2026-01-05T15:00:00Z".parse().unwrap()),
        };
        assert_eq!(read, Some(expected));
        assert_eq!(
            RateBudget::read(&headers(&[("x-ratelimit-reset", "soon")])),
            None
        );
        assert_eq!(RateBudget::read(&headers(&[])), None);
    }

    #[test]
    fn a_wait_is_asked_for_in_three_ways() {
        let now = "2026-01-05T15:00:00Z".parse().unwrap();
        let cases = [
            ("retry-after", "7", Some(7)),
            ("retry-after", "Mon, 05 Jan 2026 15:00:09 GMT", Some(9)),
            ("retry-after", "Mon, 05 Jan 2026 14:00:00 GMT", Some(0)),
            ("x-ratelimit-reset", "1767625230", Some(30)),
            ("retry-after", "whenever", None),
            ("x-other", "7", None),
        ];
        for (name, value, seconds) in cases {
            let wait = asked_wait(&headers(&[(name, value)]), now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{name}: {value}");
        }
    }

    #[test]
    fn a_429_holds_reads_back_but_not_for_ever() {
        let now = "2026-01-05T15:00:00Z".parse().unwrap();
        let watch = RateWatch::default();
        watch.note(&headers(&[("retry-after", "3")]), false, now);
        assert_eq!(watch.leave(), Leave::Now, "only a 429 counts");
        watch.note(&headers(&[("retry-after", "3")]), true, now);
        assert!(matches!(watch.leave(), Leave::After(wait) if wait > Duration::from_secs(2)));
        watch.note(&headers(&[("retry-after", "99999999")]), true, now);
        assert!(matches!(watch.leave(), Leave::Refused(wait) if wait <= HOLD_MAX));
    }
}
