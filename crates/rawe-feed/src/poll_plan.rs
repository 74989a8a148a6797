//! When a source on the web is asked again: politely. Its own pause, a little off the beat of
//! others; longer after failures; as long as it asks for; and only for what has changed since.

use chrono::{DateTime, TimeDelta};
use rawe_core::Timestamp;

/// The longest pause after failures.
const FAILED_PAUSE_MAX: TimeDelta = TimeDelta::hours(1);
/// The longest pause that a server may ask for.
const ASKED_PAUSE_MAX: TimeDelta = TimeDelta::hours(24);
/// A pause may be longer by up to this part of itself: a tenth.
const JITTER_PART: u64 = 10;

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollOutcome {
    /// A document, with what to ask by next time.
    Document {
        /// The header `ETag`.
        etag: Option<String>,
        /// The header `Last-Modified`.
        last_modified: Option<String>,
    },
    /// Nothing has changed.
    NotModified,
    /// No, and maybe not before so long.
    Refused {
        /// The header `Retry-After`, read by [`retry_after`].
        retry_after: Option<TimeDelta>,
    },
    /// It is gone for good, it says: nobody asks again.
    Gone,
}

/// The plan for one source.
#[derive(Clone, Debug)]
pub struct PollPlan {
    pause: TimeDelta,
    failures: u32,
    next: Option<Timestamp>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl PollPlan {
    /// A plan that asks at `first`, and then every `pause`.
    pub fn new(pause: TimeDelta, first: Timestamp) -> Self {
        Self {
            pause,
            failures: 0,
            next: Some(first),
            etag: None,
            last_modified: None,
        }
    }

    /// When to ask; `None`: never again.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// The value of `If-None-Match`.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The value of `If-Modified-Since`.
    pub fn last_modified(&self) -> Option<&str> {
        self.last_modified.as_deref()
    }

    /// Notes what came of asking at `now`; `random` is any number.
    pub fn asked(&mut self, outcome: PollOutcome, now: Timestamp, random: u64) {
        let pause = match outcome {
            PollOutcome::Document {
                etag,
                last_modified,
            } => {
                (self.etag, self.last_modified) = (etag, last_modified);
                self.failures = 0;
                self.pause
            }
            PollOutcome::NotModified => {
                self.failures = 0;
                self.pause
            }
            PollOutcome::Refused { retry_after } => {
                let doubled = self.pause * 2_i32.saturating_pow(self.failures.min(12));
                self.failures = self.failures.saturating_add(1);
                let own = doubled.min(FAILED_PAUSE_MAX.max(self.pause));
                let asked = retry_after.unwrap_or_default().min(ASKED_PAUSE_MAX);
                own.max(asked)
            }
            PollOutcome::Gone => {
                self.next = None;
                return;
            }
        };
        let longest_ms = pause.num_milliseconds().unsigned_abs() / JITTER_PART + 1;
        let extra_ms = i64::try_from(random % longest_ms).unwrap_or(0);
        let extra = TimeDelta::milliseconds(extra_ms);
        self.next = Some(now + pause + extra);
    }
}

/// The pause that a header `Retry-After` asks for: seconds, or a date.
pub fn retry_after(header: &str, now: Timestamp) -> Option<TimeDelta> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let date = DateTime::parse_from_rfc2822(header).ok()?;
    Some((date.to_utc() - now).max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> Timestamp {
        DateTime::from_timestamp(1_795_341_600 + minute * 60, 0).unwrap()
    }

    fn document(etag: &str) -> PollOutcome {
        PollOutcome::Document {
            etag: Some(etag.to_owned()),
            last_modified: None,
        }
    }

    #[test]
    fn failures_double_the_pause_and_a_success_ends_that() {
        let mut plan = PollPlan::new(TimeDelta::minutes(5), at(0));
        assert_eq!(plan.next(), Some(at(0)));
        let refused = PollOutcome::Refused { retry_after: None };
        for (now, next) in [(0, 5), (5, 15), (15, 35), (35, 75), (75, 135), (135, 195)] {
            plan.asked(refused.clone(), at(now), 0);
            assert_eq!(plan.next(), Some(at(next)));
        }
        plan.asked(document("a"), at(200), 0);
        assert_eq!((plan.next(), plan.etag()), (Some(at(205)), Some("a")));
        plan.asked(PollOutcome::NotModified, at(205), 0);
        assert_eq!((plan.next(), plan.etag()), (Some(at(210)), Some("a")));
        plan.asked(PollOutcome::Gone, at(210), 0);
        assert_eq!(plan.next(), None);
    }

    #[test]
    fn what_a_server_asks_for_is_granted_within_a_day() {
        let mut plan = PollPlan::new(TimeDelta::minutes(5), at(0));
        for (asked, next) in [(1, 5), (90, 90), (100_000, 1_440)] {
            let retry_after = Some(TimeDelta::minutes(asked));
            plan.asked(PollOutcome::Refused { retry_after }, at(0), 0);
            assert_eq!(plan.next(), Some(at(next)));
            plan.asked(PollOutcome::NotModified, at(0), 0);
        }
        for (header, wanted) in [
            ("120", Some(2)),
            (" Sun, 22 Nov 2026 10:07:00 GMT ", Some(7)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("99999999999999", None),
        ] {
            assert_eq!(
                retry_after(header, at(0)),
                wanted.map(TimeDelta::minutes),
                "{header}"
            );
        }
    }

    proptest! {
        #[test]
        fn nobody_is_asked_more_often_than_said(
            outcomes in prop::collection::vec((0_u8..3, any::<u32>(), any::<u64>()), 1..60),
            pause_secs in 1_i64..10_000,
        ) {
            let pause = TimeDelta::seconds(pause_secs);
            let mut plan = PollPlan::new(pause, at(0));
            let mut now = at(0);
            for (kind, seconds, random) in outcomes {
                let retry_after = Some(TimeDelta::seconds(seconds.into()));
                let outcome = match kind {
                    0 => document("x"),
                    1 => PollOutcome::NotModified,
                    _ => PollOutcome::Refused { retry_after },
                };
                plan.asked(outcome, now, random);
                let next = plan.next().unwrap();
                prop_assert!(next - now >= pause);
                prop_assert!(next - now <= TimeDelta::hours(27));
                now = next;
            }
        }
    }
}
