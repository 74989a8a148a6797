//! How much a source may say: so many items within an hour, saved up while it is silent for as long
//! as an hour. What to do with further ones is their receiver's business.

use rawe_core::Timestamp;

const HOUR_MS: f64 = 3_600_000.0;

/// What one source may still say, and since when that has been so; all of it before its first item.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance(Option<(f64, Timestamp)>);

impl Allowance {
    /// Whether one more item is allowed; it is counted.
    pub(crate) fn allows(&mut self, per_hour: u32, now: Timestamp) -> bool {
        let most = f64::from(per_hour);
        let (left, since) = self.0.unwrap_or((most, now));
        let passed = (now - since).num_milliseconds().max(0) as f64 / HOUR_MS;
        let left = (left + passed * most).min(most);
        let allowed = left >= 1.0;
        self.0 = Some((if allowed { left - 1.0 } else { left }, now.max(since)));
        allowed
    }
}
