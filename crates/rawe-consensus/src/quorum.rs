//! A quorum as a property of a *set* of votes: K distinct agents, one asset and direction,
//! timestamps within one window, whatever the order of arrival.
//!
//! Because more votes can only add windows that qualify, losing, delaying, duplicating or
//! reordering messages never creates a quorum and never turns one around. Rounds, which are the
//! record of votes that fell together, are in `rounds`.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{AgentId, Direction, RoundVote, Timestamp};

use crate::rounds::Span;
use crate::voices::Voices;

/// How many votes of one agent and direction are held per asset. Dropping the oldest beyond it can
/// only remove quorums; an agent that needs more speaks more than once a second.
const VOTES_PER_AGENT_MAX: usize = 16;

/// What inserting a vote found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The first of its agent and direction within a window.
    New,
    /// Its agent said the same within the window before; it moves the vote, it adds none.
    Repeated,
    /// The very same agent, direction and timestamp: ignored.
    Duplicate,
}

/// A vote held for counting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeldVote {
    pub(crate) vote: RoundVote,
    /// Used by a decided round: it never counts again.
    pub(crate) consumed: bool,
}

/// The recent votes of one asset, sorted by (timestamp, agent, direction).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct VoteSet {
    votes: Vec<HeldVote>,
}

/// The votes for one direction that fall within one window, and those against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) direction: Direction,
    /// One vote per agent (its latest within the window), sorted by agent.
    pub(crate) agreeing: Vec<RoundVote>,
    /// One vote per agent of the other direction, sorted by agent.
    pub(crate) dissenting: Vec<RoundVote>,
    /// Earliest timestamp of the agreeing votes.
    pub(crate) first: Timestamp,
    /// Latest timestamp of the agreeing votes.
    pub(crate) last: Timestamp,
}

impl Tally {
    /// How many distinct agents voted at all.
    pub(crate) fn voted(&self) -> usize {
        let both = self
            .dissenting
            .iter()
            .filter(|vote| self.agreeing.iter().any(|other| other.agent == vote.agent))
            .count();
        self.agreeing.len() + self.dissenting.len() - both
    }
}

impl VoteSet {
    /// Adds a vote.
    pub(crate) fn insert(
        &mut self,
        vote: RoundVote,
        consumed: bool,
        window: TimeDelta,
    ) -> Inserted {
        let same = |held: &HeldVote| {
            held.vote.agent == vote.agent && held.vote.direction == vote.direction
        };
        if self
            .votes
            .iter()
            .any(|held| same(held) && held.vote.timestamp == vote.timestamp)
        {
            return Inserted::Duplicate;
        }
        let repeated = self
            .votes
            .iter()
            .any(|held| same(held) && (held.vote.timestamp - vote.timestamp).abs() <= window);
        if self.votes.iter().filter(|held| same(held)).count() >= VOTES_PER_AGENT_MAX
            && let Some(oldest) = self.votes.iter().position(same)
        {
            self.votes.remove(oldest);
        }
        let place = self
            .votes
            .partition_point(|held| key(&held.vote) < key(&vote));
        // Most assets see as many votes as there are agents: room for no more than come.
        self.votes.reserve_exact(1);
        self.votes.insert(place, HeldVote { vote, consumed });
        if repeated {
            Inserted::Repeated
        } else {
            Inserted::New
        }
    }

    /// Forgets votes older than `before`.
    pub(crate) fn forget_before(&mut self, before: Timestamp) {
        self.votes.retain(|held| held.vote.timestamp >= before);
    }

    /// Marks the votes of `from..=through` as used.
    pub(crate) fn consume(&mut self, from: Timestamp, through: Timestamp) {
        for held in &mut self.votes {
            if (from..=through).contains(&held.vote.timestamp) {
                held.consumed = true;
            }
        }
    }

    /// The votes of `from..=through`, each agent's latest of each direction, sorted by agent.
    pub(crate) fn within(&self, from: Timestamp, through: Timestamp) -> Vec<RoundVote> {
        let mut latest: BTreeMap<(&AgentId, Direction), &RoundVote> = BTreeMap::new();
        for held in self
            .votes
            .iter()
            .filter(|h| (from..=through).contains(&h.vote.timestamp))
        {
            latest.insert((&held.vote.agent, held.vote.direction), &held.vote);
        }
        latest.into_values().cloned().collect()
    }

    /// Timestamp of the oldest vote held.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.votes.first().map(|held| held.vote.timestamp)
    }

    /// Whether there are `quorum` votes of one direction at all that may still count: without
    /// them there is no quorum, and no need to look for one.
    pub(crate) fn may_decide(&self, quorum: usize) -> bool {
        [Direction::Long, Direction::Short]
            .into_iter()
            .any(|direction| {
                let side = self.votes.iter().filter(|held| !held.consumed);
                side.filter(|held| held.vote.direction == direction).count() >= quorum
            })
    }

    /// Whether no vote is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.votes.is_empty()
    }

    /// The window whose voters for `direction` rank highest that holds at least one vote of `span`;
    /// the earliest of equals. `None` if nobody voted that way.
    pub(crate) fn best(
        &self,
        direction: Direction,
        window: TimeDelta,
        span: Span,
        voices: &Voices<'_>,
    ) -> Option<Tally> {
        let free: Vec<&RoundVote> = self
            .votes
            .iter()
            .filter(|held| !held.consumed)
            .map(|held| &held.vote)
            .collect();
        let mut best: Option<Tally> = None;
        for start in free.iter().filter(|vote| vote.direction == direction) {
            let end = start.timestamp + window;
            let inside = |vote: &&&RoundVote| (start.timestamp..=end).contains(&vote.timestamp);
            let touches = free
                .iter()
                .filter(inside)
                .any(|vote| vote.direction == direction && span.contains(vote.timestamp));
            if !touches {
                continue;
            }
            let agreeing = latest_by_agent(
                free.iter()
                    .filter(inside)
                    .filter(|vote| vote.direction == direction),
            );
            if best
                .as_ref()
                .is_some_and(|best| voices.rank(&best.agreeing) >= voices.rank(&agreeing))
            {
                continue;
            }
            let first = agreeing.iter().map(|vote| vote.timestamp).min();
            let last = agreeing.iter().map(|vote| vote.timestamp).max();
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            let compatible = (last - window)..=(first + window);
            let dissenting = latest_by_agent(free.iter().filter(|vote| {
                vote.direction != direction && compatible.contains(&vote.timestamp)
            }));
            best = Some(Tally {
                direction,
                agreeing,
                dissenting,
                first,
                last,
            });
        }
        best
    }
}

/// The order in which votes are held.
fn key(vote: &RoundVote) -> (Timestamp, &AgentId, Direction) {
    (vote.timestamp, &vote.agent, vote.direction)
}

/// Each agent's latest vote, sorted by agent.
fn latest_by_agent<'a>(votes: impl Iterator<Item = &'a &'a RoundVote>) -> Vec<RoundVote> {
    let mut latest: BTreeMap<&AgentId, &RoundVote> = BTreeMap::new();
    for vote in votes {
        latest
            .entry(&vote.agent)
            .and_modify(|held| {
                if vote.timestamp > held.timestamp {
                    *held = vote;
                }
            })
            .or_insert(vote);
    }
    latest.into_values().cloned().collect()
}

/// The directions in which `votes` hold a quorum of `quorum` distinct agents within `window`.
/// The specification of a quorum, in one function, for tests and for readers.
pub fn quorum_directions(votes: &[RoundVote], quorum: usize, window: TimeDelta) -> Vec<Direction> {
    [Direction::Long, Direction::Short]
        .into_iter()
        .filter(|direction| {
            let side = || votes.iter().filter(|vote| vote.direction == *direction);
            side().any(|start| {
                let span = start.timestamp..=(start.timestamp + window);
                let mut agents: Vec<&AgentId> = side()
                    .filter(|vote| span.contains(&vote.timestamp))
                    .map(|vote| &vote.agent)
                    .collect();
                agents.sort();
                agents.dedup();
                agents.len() >= quorum
            })
        })
        .collect()
}
