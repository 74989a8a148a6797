//! What near misses would have made: each is entered and judged by bars that come later.
//!
//! A trade is entered at the open of the first bar that starts at or after the round closed, which
//! is a price that could have been had. It is judged one day later: crypto after 24 hours; stocks
//! at the same New York time of the next session (at its close if that comes first), because a
//! stock's day is a session, and 24 hours on the clock would leave out every Friday. Costs are not
//! counted: they depend on the account.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Bar, Direction, Hindsight, Purpose, RoundRecord, Symbol, Timestamp};

/// How many near misses are kept in mind per asset: more than a window opens in a day of votes.
const PER_ASSET_MAX: usize = 256;
/// How many are kept in mind over all assets.
const PENDING_MAX: usize = 16_384;
/// A near miss whose asset has had no bar for this long beyond its horizon is given up.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(14);

/// How often, at most, it is looked for those when there is no room.
const SWEPT_EVERY: TimeDelta = TimeDelta::hours(1);

/// A near miss that waits for its bars.
#[derive(Clone, Debug)]
struct Pending {
    round_id: String,
    direction: Direction,
    closed: Timestamp,
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    price: f64,
    due: Timestamp,
}

/// Near misses on their way to being judged. Deterministic: the same records and bars in the same
/// order give the same judgements.
#[derive(Clone, Debug)]
pub struct HindsightTracker {
    horizon: TimeDelta,
    pending: BTreeMap<Symbol, VecDeque<Pending>>,
    count: usize,
    dropped: u64,
    /// When it was last looked for near misses that never saw a bar.
    swept: Option<Timestamp>,
}

impl Default for HindsightTracker {
    fn default() -> Self {
        Self::new(Self::HORIZON_DEFAULT)
    }
}

impl HindsightTracker {
    /// One day: longer than the collective's minimum hold, short enough to learn from soon.
    pub const HORIZON_DEFAULT: TimeDelta = TimeDelta::hours(24);

    /// A tracker that judges crypto after `horizon` (above 0) and stocks after as many sessions as
    /// it has whole days, at least one.
    pub fn new(horizon: TimeDelta) -> Self {
        Self {
            horizon,
            pending: BTreeMap::new(),
            count: 0,
            dropped: 0,
            swept: None,
        }
    }

    /// How many near misses wait.
    pub fn pending(&self) -> usize {
        self.count
    }

    /// How many were given up: too many at once, or no bars came.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes note of a closed round. Only near misses with a direction are judged, openings that
    /// the gate or the broker refused among them, but no closings; told twice, noted once.
    pub fn note(&mut self, record: &RoundRecord) {
        let (false, Some(direction)) = (record.outcome.is_decision(), record.direction) else {
            return;
        };
        if record.purpose == Some(Purpose::Close) {
            return;
        }
        let since = self.swept.map(|at| record.closed - at);
        if self.count >= PENDING_MAX && since.is_none_or(|since| since >= SWEPT_EVERY) {
            self.give_up(record.closed);
        }
        let total = self.count;
        let waiting = self.pending.entry(record.asset.clone()).or_default();
        if waiting.iter().any(|p| p.round_id == record.round_id) {
            return;
        }
        if waiting.len() >= PER_ASSET_MAX || total >= PENDING_MAX {
            self.dropped += 1;
            return;
        }
        waiting.push_back(Pending {
            round_id: record.round_id.clone(),
            direction,
            closed: record.closed,
            entry: None,
        });
        self.count += 1;
    }

    /// Takes note of a round that closed before a restart, unless its bars have stayed away for so
    /// long at `now` that it would be given up.
    pub fn resume(&mut self, record: &RoundRecord, now: Timestamp) {
        if now - record.closed <= self.horizon + GIVEN_UP_AFTER {
            self.note(record);
        }
    }

    /// Takes in a bar, history included, and gives the near misses that it judges. Bars of an
    /// asset come in the order of their ends.
    pub fn on_bar(&mut self, bar: &Bar) -> Vec<Hindsight> {
        if !bar.is_sane() {
            return Vec::new();
        }
        let Some(waiting) = self.pending.get_mut(&bar.symbol) else {
            return Vec::new();
        };
        let horizon = self.horizon;
        let mut judged = Vec::new();
        waiting.retain_mut(|pending| {
            let found = judge(pending, bar, horizon);
            let stays = found.is_none();
            judged.extend(found);
            stays
        });
        if waiting.is_empty() {
            self.pending.remove(&bar.symbol);
        }
        self.count -= judged.len();
        judged
    }

    /// Gives up what has waited too long for bars at market time `now`.
    fn give_up(&mut self, now: Timestamp) {
        self.swept = Some(now);
        let wait = self.horizon + GIVEN_UP_AFTER;
        let before = self.count;
        self.pending.retain(|_, waiting| {
            waiting.retain(|pending| now - pending.closed <= wait);
            !waiting.is_empty()
        });
        self.count = self.pending.values().map(VecDeque::len).sum();
        self.dropped += u64::try_from(before - self.count).unwrap_or(0);
    }
}

fn judge(pending: &mut Pending, bar: &Bar, horizon: TimeDelta) -> Option<Hindsight> {
    if pending.entry.is_none() && bar.start >= pending.closed {
        pending.entry = Some(Entry {
            at: bar.start,
            price: bar.open,
            due: due(bar.symbol.class(), bar.start, horizon),
        });
    }
    let entry = pending.entry?;
    let (judged_at, exit_price) = if bar.start >= entry.due {
        (bar.start, bar.open)
    } else if bar.end >= entry.due {
        (bar.end, bar.close)
    } else {
        return None;
    };
    let moved = exit_price / entry.price - 1.0;
    Some(Hindsight {
        round_id: pending.round_id.clone(),
        asset: bar.symbol.clone(),
        direction: pending.direction,
        entered_at: entry.at,
        entry_price: entry.price,
        judged_at,
        exit_price,
        gross_bp: pending.direction.sign() * moved * 10_000.0,
    })
}

/// When a trade entered at `at` is judged.
fn due(class: AssetClass, at: Timestamp, horizon: TimeDelta) -> Timestamp {
    let calendar = MarketCalendar::nyse();
    let session = match class {
        AssetClass::Crypto => None,
        AssetClass::UsEquity => calendar.session_at(at),
    };
    let Some(session) = session else {
        return at + horizon;
    };
    let into = at - session.open;
    let mut next = session;
    for _ in 0..horizon.num_days().max(1) {
        match calendar.next_session(next.open) {
            Some(later) => next = later,
            None => return at + horizon,
        }
    }
    (next.open + into).min(next.close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::{RoundOutcome, Timeframe};

    fn at(day: u32, hour: u32, minute: u32) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 3, day, hour, minute, 0).unwrap()
    }

    fn miss(asset: &str, id: &str, closed: Timestamp) -> RoundRecord {
        RoundRecord {
            round_id: id.to_owned(),
            asset: Symbol::new(asset).unwrap(),
            opened: closed,
            closed,
            outcome: RoundOutcome::NoQuorum,
            reason: "two are not three".to_owned(),
            direction: Some(Direction::Short),
            quorum: 3,
            votes: Vec::new(),
            absences: BTreeMap::new(),
            equivocated: Vec::new(),
            effective_votes: None,
            purpose: None,
            notional: None,
            expected_profit: None,
            decision_id: None,
            client_order_id: None,
        }
    }

    fn bar(asset: &str, start: Timestamp, hours: i64, open: f64, close: f64) -> Bar {
        Bar {
            symbol: Symbol::new(asset).unwrap(),
            start,
            end: start + TimeDelta::hours(hours),
            timeframe: Timeframe::Hour,
            open,
            high: open.max(close),
            low: open.min(close),
            close,
            volume: 1.0,
            backfill: false,
        }
    }

    #[test]
    fn crypto_is_judged_after_a_day() {
        let mut tracker = HindsightTracker::default();
        tracker.note(&miss("BTC/USD", "r", at(3, 10, 20)));
        tracker.note(&miss("BTC/USD", "r", at(3, 10, 20)));
        assert_eq!(tracker.pending(), 1);
        // The hour in which the round closed is no price that could have been had.
        assert!(
            tracker
                .on_bar(&bar("BTC/USD", at(3, 10, 0), 1, 90.0, 91.0))
                .is_empty()
        );
        for hour in 11..34 {
            let start = at(3, 0, 0) + TimeDelta::hours(hour);
            assert!(
                tracker
                    .on_bar(&bar("BTC/USD", start, 1, 100.0, 100.0))
                    .is_empty()
            );
        }
        let judged = tracker.on_bar(&bar("BTC/USD", at(4, 10, 0), 1, 100.0, 98.0));
        assert_eq!(judged.len(), 1);
        assert_eq!(judged[0].entered_at, at(3, 11, 0));
        assert_eq!(judged[0].judged_at, at(4, 11, 0));
        assert!((judged[0].gross_bp - 200.0).abs() < 1e-9);
        assert_eq!(tracker.pending(), 0);
    }

    #[test]
    fn stocks_are_judged_in_the_next_session_at_the_same_new_york_time() {
        // Friday 6 March is winter time in New York, Monday 9 March is summer time.
        let entered = at(6, 18, 0);
        let later = due(AssetClass::UsEquity, entered, TimeDelta::hours(24));
        assert_eq!(later, at(9, 17, 0));
        // At the close when the next session is a half day: 24 December 2025.
        let afternoon = Utc.with_ymd_and_hms(2025, 12, 23, 20, 0, 0).unwrap();
        let close = Utc.with_ymd_and_hms(2025, 12, 24, 18, 0, 0).unwrap();
        assert_eq!(
            due(AssetClass::UsEquity, afternoon, TimeDelta::hours(24)),
            close
        );
        // Outside sessions, by the clock.
        let night = at(6, 3, 0);
        assert_eq!(
            due(AssetClass::UsEquity, night, TimeDelta::hours(24)),
            at(7, 3, 0)
        );
    }

    #[test]
    fn a_gap_in_the_bars_is_judged_by_the_next_open() {
        let mut tracker = HindsightTracker::default();
        tracker.note(&miss("BTC/USD", "r", at(3, 10, 0)));
        assert!(
            tracker
                .on_bar(&bar("BTC/USD", at(3, 10, 0), 1, 100.0, 1.0))
                .is_empty()
        );
        let judged = tracker.on_bar(&bar("BTC/USD", at(5, 0, 0), 1, 110.0, 1.0));
        assert_eq!(judged[0].judged_at, at(5, 0, 0));
        assert!((judged[0].gross_bp + 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn after_a_restart_it_waits_on_but_not_for_ever() {
        let mut tracker = HindsightTracker::default();
        tracker.resume(&miss("BTC/USD", "old", at(3, 10, 0)), at(18, 10, 1));
        assert_eq!(tracker.pending(), 0);
        tracker.resume(&miss("BTC/USD", "young", at(3, 10, 0)), at(18, 10, 0));
        let entered = tracker.on_bar(&bar("BTC/USD", at(3, 10, 0), 1, 100.0, 1.0));
        assert_eq!((entered.len(), tracker.pending()), (0, 1));
    }

    #[test]
    fn memory_is_bounded_and_what_is_dropped_is_counted() {
        let mut tracker = HindsightTracker::default();
        for n in 0..300 {
            tracker.note(&miss("AAPL", &format!("r{n}"), at(3, 15, 0)));
        }
        assert_eq!((tracker.pending(), tracker.dropped()), (256, 44));
        for n in 0..PENDING_MAX {
            tracker.note(&miss(
                &format!("A{}", n / 8),
                &format!("q{n}"),
                at(3, 15, 0),
            ));
        }
        assert_eq!((tracker.pending(), tracker.dropped()), (PENDING_MAX, 300));
        // Weeks later what never saw a bar makes room.
        tracker.note(&miss("MSFT", "late", at(28, 15, 0)));
        assert_eq!(tracker.pending(), 1);
        let mut decided = miss("MSFT", "decided", at(28, 15, 0));
        decided.outcome = RoundOutcome::Opened;
        tracker.note(&decided);
        let mut divided = miss("MSFT", "divided", at(28, 15, 0));
        divided.direction = None;
        tracker.note(&divided);
        let mut closing = miss("MSFT", "closing", at(28, 15, 0));
        closing.purpose = Some(Purpose::Close);
        tracker.note(&closing);
        assert_eq!(
            tracker.pending(),
            1,
            "neither a decision nor a tie is a near miss"
        );
    }
}
