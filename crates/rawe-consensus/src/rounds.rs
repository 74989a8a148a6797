//! What is held per asset: its votes, its rounds, and where its one position stands.
//!
//! A round is the record of the votes that fell together: opened by the first, joined by later
//! ones within the window, closed by a decision or a timer. It says nothing about quorums, which
//! are a property of the votes alone (`quorum`).

use std::collections::{BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_core::{AgentId, Direction, RoundVote, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::quorum::{Inserted, VoteSet};

/// How many rounds of one asset may be open at once. Votes of one instant need one; more only
/// appear when votes of several instants arrive together.
const OPEN_ROUNDS_MAX: usize = 8;
/// How many closed rounds are remembered, so that late votes join them.
const CLOSED_ROUNDS_MAX: usize = 64;

/// Assets by an instant: the earliest first.
pub(crate) type AssetTimers = BTreeSet<(Timestamp, Symbol)>;

/// A span of market time covered by the votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

impl Span {
    fn of(instant: Timestamp) -> Self {
        Self {
            first: instant,
            last: instant,
        }
    }

    fn with(self, instant: Timestamp) -> Self {
        Self {
            first: self.first.min(instant),
            last: self.last.max(instant),
        }
    }

    pub(crate) fn contains(self, instant: Timestamp) -> bool {
        self.first <= instant && instant <= self.last
    }

    fn admits(self, instant: Timestamp, window: TimeDelta) -> bool {
        let wider = self.with(instant);
        wider.last - wider.first <= window
    }
}

/// A round still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenRound {
    pub(crate) span: Span,
    /// Market time at which the timer closes it.
    pub(crate) deadline: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClosedRound {
    span: Span,
    decided: bool,
    forget_at: Timestamp,
}

/// What became of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It counts in an open round.
    Counted,
    /// The very same vote was there already.
    Duplicate,
    /// It came after its round had closed.
    Late,
}

/// What a reversal needs once the old position is closed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reversal {
    pub(crate) direction: Direction,
    pub(crate) votes: Vec<RoundVote>,
    pub(crate) agreeing: BTreeSet<AgentId>,
    pub(crate) notional: Decimal,
    pub(crate) expected_profit: f64,
}

/// A position held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) direction: Direction,
    pub(crate) opened_at: Timestamp,
    pub(crate) agreeing: BTreeSet<AgentId>,
}

/// Where the one position of an asset stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Holding {
    #[default]
    Flat,
    Opening {
        direction: Direction,
        agreeing: BTreeSet<AgentId>,
    },
    Held(Held),
    Closing {
        held: Held,
        reversal: Option<Box<Reversal>>,
    },
    /// Somebody else's position: it is never touched.
    Foreign,
}

/// Everything held for one asset.
#[derive(Clone, Debug, Default)]
pub(crate) struct AssetState {
    pub(crate) votes: VoteSet,
    pub(crate) open: Vec<OpenRound>,
    closed: VecDeque<ClosedRound>,
    pub(crate) holding: Holding,
    /// The last fill of an entry or exit.
    pub(crate) last_fill: Option<Timestamp>,
    /// No attempt before this, after a refused or unfilled order.
    pub(crate) retry_after: Option<Timestamp>,
    /// The timer that is queued for this asset's rounds.
    pub(crate) timer: Option<Timestamp>,
    /// When this asset is visited to forget what no longer matters, if that is queued.
    pub(crate) visit: Option<Timestamp>,
    /// When the opening on its way was decided.
    pub(crate) opening_since: Option<Timestamp>,
    /// Newest scan that spoke of this asset: exits wait until its stances have settled.
    pub(crate) scanned: Option<Timestamp>,
    /// Whose stances were last reported as unknown.
    pub(crate) alarmed: Vec<AgentId>,
}

impl AssetState {
    /// Adds a vote at market time `now` to the round it belongs to, opening one if need be.
    pub(crate) fn join(
        &mut self,
        vote: RoundVote,
        now: Timestamp,
        window: TimeDelta,
    ) -> (Joined, Inserted) {
        let instant = vote.timestamp;
        // A round that spans the instant comes before one that would have to stretch: so no two
        // rounds ever begin at the same instant, which is their name.
        let spanned = self.open.iter().any(|round| round.span.contains(instant));
        let late_within = self
            .closed
            .iter()
            .find(|round| round.span.contains(instant));
        if let Some(round) = late_within.filter(|_| !spanned) {
            return (Joined::Late, self.votes.insert(vote, round.decided, window));
        }
        let open = self.open.iter_mut().find(|round| {
            (!spanned || round.span.contains(instant)) && round.span.admits(instant, window)
        });
        if let Some(round) = open {
            round.span = round.span.with(instant);
            let inserted = self.votes.insert(vote, false, window);
            let joined = match inserted {
                Inserted::Duplicate => Joined::Duplicate,
                Inserted::New | Inserted::Repeated => Joined::Counted,
            };
            return (joined, inserted);
        }
        let late = self
            .closed
            .iter()
            .find(|round| round.span.admits(instant, window));
        if let Some(round) = late {
            return (Joined::Late, self.votes.insert(vote, round.decided, window));
        }
        if self.open.len() >= OPEN_ROUNDS_MAX {
            // Counting it nowhere can only remove a quorum.
            return (Joined::Late, Inserted::New);
        }
        self.open.reserve_exact(1);
        self.open.push(OpenRound {
            span: Span::of(instant),
            deadline: now + window,
        });
        (Joined::Counted, self.votes.insert(vote, false, window))
    }

    /// Moves a round from open to closed. A decided one uses up the votes that fell within one
    /// window of `used`: leftovers never vote again.
    pub(crate) fn close(
        &mut self,
        round: OpenRound,
        used: Option<Span>,
        window: TimeDelta,
        forget_at: Timestamp,
    ) {
        self.open.retain(|other| *other != round);
        if self.open.is_empty() {
            self.open = Vec::new();
        }
        if let Some(used) = used {
            self.votes.consume(used.last - window, used.first + window);
        }
        if self.closed.len() >= CLOSED_ROUNDS_MAX {
            self.closed.pop_front();
        }
        if self.closed.is_empty() {
            // Most assets have one.
            self.closed.reserve_exact(1);
        }
        self.closed.push_back(ClosedRound {
            span: round.span,
            decided: used.is_some(),
            forget_at,
        });
    }

    /// Forgets what can no longer matter.
    pub(crate) fn forget(&mut self, now: Timestamp, votes_before: Timestamp) {
        self.votes.forget_before(votes_before);
        self.closed.retain(|round| round.forget_at > now);
    }

    /// Whether nothing is left worth remembering at `now`.
    pub(crate) fn is_idle(&self, now: Timestamp, cool_down: TimeDelta) -> bool {
        self.holding == Holding::Flat
            && self.open.is_empty()
            && self.closed.is_empty()
            && self.votes.is_empty()
            && self.last_fill.is_none_or(|fill| fill + cool_down <= now)
            && self.retry_after.is_none_or(|retry| retry <= now)
    }

    /// When something of it may be forgotten next, if time alone will tell.
    pub(crate) fn next_visit(
        &self,
        lifetime: TimeDelta,
        cool_down: TimeDelta,
    ) -> Option<Timestamp> {
        let votes = self.votes.oldest().map(|at| at + lifetime);
        let closed = self.closed.front().map(|round| round.forget_at);
        let flat = self.holding == Holding::Flat;
        let waits = [
            self.last_fill.map(|fill| fill + cool_down),
            self.retry_after,
        ];
        let waits = waits.into_iter().flatten().filter(|_| flat);
        // A round still open is closed by its own timer, and the asset is visited after that.
        waits.chain(votes).chain(closed).min()
    }

    /// The earliest timer of an open round.
    pub(crate) fn round_deadline(&self) -> Option<Timestamp> {
        self.open.iter().map(|round| round.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::SignalType;

    fn vote(agent: &str, second: i64) -> RoundVote {
        RoundVote {
            agent: AgentId::new(agent).unwrap(),
            direction: Direction::Long,
            timestamp: start() + TimeDelta::seconds(second),
            signal_id: None,
            signal_type: SignalType::Divergence,
            strength: 0.5,
            size: Decimal::from(100),
            expected_profit: 1.0,
            narrative_id: "n".into(),
            weight_millionths: 1_000_000,
        }
    }

    fn start() -> Timestamp {
        Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap()
    }

    #[test]
    fn votes_join_their_round_open_or_closed_and_else_open_one() {
        let window = TimeDelta::seconds(10);
        let mut asset = AssetState::default();
        let join = |asset: &mut AssetState, agent, second| {
            asset
                .join(
                    vote(agent, second),
                    start() + TimeDelta::seconds(second),
                    window,
                )
                .0
        };
        assert_eq!(join(&mut asset, "a", 0), Joined::Counted);
        assert_eq!(join(&mut asset, "b", 8), Joined::Counted);
        assert_eq!(join(&mut asset, "b", 8), Joined::Duplicate);
        assert_eq!(
            join(&mut asset, "c", -3),
            Joined::Counted,
            "eleven seconds apart: its own"
        );
        assert_eq!(asset.open.len(), 2);
        let first = asset.open[0];
        asset.close(first, None, window, start() + TimeDelta::seconds(60));
        assert_eq!(join(&mut asset, "d", 9), Joined::Late);
        assert_eq!(join(&mut asset, "d", 11), Joined::Counted);
        assert_eq!(asset.open.len(), 2);
    }

    #[test]
    fn memory_is_bounded_and_forgotten() {
        let window = TimeDelta::seconds(10);
        let mut asset = AssetState::default();
        for second in 0..10_000 {
            let now = start() + TimeDelta::seconds(second);
            asset.join(vote("a", second), now, window);
            while let Some(round) = asset.open.iter().find(|r| r.deadline <= now).copied() {
                asset.close(round, None, window, now + TimeDelta::seconds(60));
            }
            assert!(asset.open.len() <= OPEN_ROUNDS_MAX);
            assert!(asset.closed.len() <= CLOSED_ROUNDS_MAX);
        }
        let later = start() + TimeDelta::seconds(20_000);
        asset.open.clear();
        asset.forget(later, later);
        assert!(asset.is_idle(later, TimeDelta::zero()));
    }
}
