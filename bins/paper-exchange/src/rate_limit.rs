//! So many requests a minute and account, by wall time, told in the headers that Alpaca sends.

use std::sync::{Mutex, PoisonError};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rawe_core::Timestamp;
use rawe_runtime::wall_now;

use crate::account::Caller;
use crate::refusals::ApiRefusal;

/// Seconds of a window.
const WINDOW_S: i64 = 60;

/// The budget of an account.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    per_minute: Option<u32>,
    window: Mutex<Window>,
}

/// What was used of one minute.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    minute: i64,
    used: u32,
}

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quota {
    limit: u32,
    remaining: u32,
    /// Unix seconds at which the quota is whole again.
    reset_s: i64,
    /// Whether this request is one too many.
    exceeded: bool,
}

impl RateLimit {
    /// A budget; `None` is none at all, and no headers.
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self {
            per_minute,
            window: Mutex::default(),
        }
    }

    /// Counts a request at `now`.
    fn count(&self, now: Timestamp) -> Option<Quota> {
        let limit = self.per_minute?;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.timestamp().div_euclid(WINDOW_S);
        if window.minute != minute {
            *window = Window { minute, used: 0 };
        }
        window.used = window.used.saturating_add(1);
        Some(Quota {
            limit,
            remaining: limit.saturating_sub(window.used),
            reset_s: (minute + 1) * WINDOW_S,
            exceeded: window.used > limit,
        })
    }
}

/// Lets a request through if its account has budget left.
pub(crate) async fn limit(request: Request, next: Next) -> Response {
    let now = wall_now();
    let caller = request.extensions().get::<Caller>();
    let Some(quota) = caller.and_then(|caller| caller.0.rate_limit.count(now)) else {
        return next.run(request).await;
    };
    let mut answer = if quota.exceeded {
        too_many(quota.limit, quota.reset_s, quota.reset_s - now.timestamp())
    } else {
        next.run(request).await
    };
    put_headers(
        answer.headers_mut(),
        quota.limit,
        quota.remaining,
        quota.reset_s,
    );
    answer
}

/// 429 with the headers by which a client knows when to come back. The code is not published.
pub(crate) fn too_many(limit: u32, reset_s: i64, wait_s: i64) -> Response {
    let refusal = ApiRefusal::coded(
        StatusCode::TOO_MANY_REQUESTS,
        42_910_000,
        "rate limit exceeded",
    );
    let mut answer = refusal.into_response();
    put_headers(answer.headers_mut(), limit, 0, reset_s);
    put(answer.headers_mut(), "retry-after", wait_s.max(0));
    answer
}

fn put_headers(headers: &mut HeaderMap, limit: u32, remaining: u32, reset_s: i64) {
    put(headers, "x-ratelimit-limit", i64::from(limit));
    put(headers, "x-ratelimit-remaining", i64::from(remaining));
    put(headers, "x-ratelimit-reset", reset_s);
}

fn put(headers: &mut HeaderMap, name: &'static str, value: i64) {
    headers.insert(name, HeaderValue::from(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_whole_again_each_minute() {
        let at = |second: i64| chrono::DateTime::from_timestamp(second, 0).unwrap();
        let budget = RateLimit::new(Some(2));
        let used: Vec<_> = [120, 121, 122, 180]
            .map(|second| budget.count(at(second)).unwrap())
            .into_iter()
            .map(|quota| (quota.remaining, quota.exceeded, quota.reset_s))
            .collect();
        assert_eq!(
            used,
            [
                (1, false, 180),
                (0, false, 180),
                (0, true, 180),
                (1, false, 240)
            ]
        );
        assert_eq!(RateLimit::new(None).count(at(0)), None);
    }
}
