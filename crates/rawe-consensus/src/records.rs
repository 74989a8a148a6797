//! What a closed round leaves for people: the record, who was absent and why, the sentence.

use std::collections::BTreeMap;

use rawe_core::decision::Absence;
use rawe_core::{AgentId, Direction, RoundOutcome, RoundRecord, RoundVote, Symbol, Timestamp};

use crate::config::Rules;
use crate::consensus::Consensus;
use crate::quorum::Tally;
use crate::voices::Voices;

/// What differs from record to record.
pub(crate) struct RoundFacts<'a> {
    pub(crate) asset: &'a Symbol,
    pub(crate) round_id: String,
    pub(crate) opened: Timestamp,
    pub(crate) closed: Timestamp,
    pub(crate) outcome: RoundOutcome,
    pub(crate) reason: String,
    pub(crate) direction: Option<Direction>,
    pub(crate) votes: Vec<RoundVote>,
}

impl Consensus {
    /// The record of a round; what only decisions have is added by the caller.
    pub(crate) fn record(&self, facts: RoundFacts<'_>) -> RoundRecord {
        let mut equivocated: Vec<AgentId> = facts
            .votes
            .iter()
            .filter(|vote| {
                vote.direction == Direction::Short
                    && facts.votes.iter().any(|other| {
                        other.agent == vote.agent && other.direction == Direction::Long
                    })
            })
            .map(|vote| vote.agent.clone())
            .collect();
        equivocated.sort();
        RoundRecord {
            absences: self.absences(facts.asset, facts.opened, &facts.votes),
            round_id: facts.round_id,
            asset: facts.asset.clone(),
            opened: facts.opened,
            closed: facts.closed,
            outcome: facts.outcome,
            reason: facts.reason,
            direction: facts.direction,
            quorum: u32::try_from(self.rules.quorum).unwrap_or(u32::MAX),
            votes: facts.votes,
            equivocated,
            effective_votes: self.stances.effective_votes(self.roster.len()),
            purpose: None,
            notional: None,
            expected_profit: None,
            decision_id: None,
            client_order_id: None,
        }
    }

    fn absences(
        &self,
        asset: &Symbol,
        opened: Timestamp,
        votes: &[RoundVote],
    ) -> BTreeMap<AgentId, Absence> {
        self.roster
            .0
            .iter()
            .filter(|agent| votes.iter().all(|vote| vote.agent != agent.id))
            .map(|agent| (agent.id.clone(), self.absence(&agent.id, asset, opened)))
            .collect()
    }

    fn absence(&self, agent: &AgentId, asset: &Symbol, opened: Timestamp) -> Absence {
        let lives = self
            .alive
            .as_ref()
            .is_none_or(|alive| alive.contains(agent));
        if !lives {
            return if self.original_speakers.contains_key(agent) {
                Absence::Unknown
            } else {
                Absence::Dead
            };
        }
        let this_instant = |scan: Timestamp| scan + self.rules.window >= opened;
        if !self.stances.latest_scan(agent).is_some_and(this_instant) {
            return Absence::Silent;
        }
        match self.stances.of(agent, asset) {
            Some(standing) if this_instant(standing.timestamp) => match standing.direction {
                None => Absence::Abstained,
                // It has a view, but its vote has not come.
                Some(_) => Absence::Silent,
            },
            _ => Absence::NotEligible,
        }
    }
}

/// Why a position is opened.
pub(crate) fn agreed(tally: Option<&Tally>, rules: &Rules, voices: Voices<'_>) -> String {
    tally.map_or_else(String::new, |tally| {
        format!(
            "{} agents agree on {} ({}), {} against, and {} must agree{}",
            tally.agreeing.len(),
            tally.direction,
            names(&tally.agreeing),
            tally.dissenting.len(),
            rules.quorum,
            voices.share(tally)
        )
    })
}

/// Why a position is closed by an opposing quorum.
pub(crate) fn opposed(tally: Option<&Tally>, reverses: bool, voices: Voices<'_>) -> String {
    let next = if reverses {
        "the other side may follow"
    } else {
        "flat follows"
    };
    tally.map_or_else(String::new, |tally| {
        format!(
            "{} agents now vote {} ({}){}: the position is closed, {next}",
            tally.agreeing.len(),
            tally.direction,
            names(&tally.agreeing),
            voices.share(tally)
        )
    })
}

fn names(votes: &[RoundVote]) -> String {
    let names: Vec<&str> = votes.iter().map(|vote| vote.agent.as_str()).collect();
    names.join(", ")
}
