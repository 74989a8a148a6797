//! Each voter's record, added up from the journal's rounds, trades and changes of weights.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::decision::Absence;
use rawe_core::{AgentId, ClosedTrade, Direction, RoundRecord, Timestamp, WeightChange};
use rust_decimal::Decimal;
use serde::Serialize;

/// An equal voice, millionths.
pub(super) const EQUAL: u64 = 1_000_000;

/// What the journal says of one voter.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Record {
    /// Votes in rounds, both ways counted.
    pub(super) votes: u64,
    /// Rounds with a vote of it.
    pub(super) rounds: u64,
    /// Rounds in which it voted the way that had, or came closest to, a quorum.
    pub(super) agreed: u64,
    /// Rounds in which it voted the other way only.
    pub(super) dissented: u64,
    /// Rounds in which it voted both ways.
    pub(super) equivocated: u64,
    /// Rounds of others without a vote of it, by cause.
    pub(super) absent: BTreeMap<Absence, u64>,
    /// Closed trades it voted for or against.
    pub(super) trades: u64,
    /// Of these, those in which it was on the side that gained.
    pub(super) hits: u64,
    /// USD: what the trades made that it voted for, less what those made that it voted against.
    #[serde(with = "rust_decimal::serde::str")]
    pub(super) realised: Decimal,
    /// What its newest vote counted for, millionths.
    pub(super) weight_counted: Option<u64>,
    /// What it has earned, millionths: what its vote counts for under earned voting.
    pub(super) weight_earned: u64,
    #[serde(skip)]
    newest_vote: Option<Timestamp>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            votes: 0,
            rounds: 0,
            agreed: 0,
            dissented: 0,
            equivocated: 0,
            absent: BTreeMap::new(),
            trades: 0,
            hits: 0,
            realised: Decimal::ZERO,
            weight_counted: None,
            weight_earned: EQUAL,
            newest_vote: None,
        }
    }
}

impl Record {
    /// The share of its trades in which it was on the side that gained.
    pub(super) fn hit_rate(&self) -> Option<f64> {
        (self.trades > 0).then(|| self.hits as f64 / self.trades as f64)
    }

    /// Rounds of others without a vote of it.
    pub(super) fn absences(&self) -> u64 {
        self.absent.values().sum()
    }
}

/// Everyone's record.
#[derive(Debug, Default)]
pub(super) struct Records {
    by_agent: BTreeMap<AgentId, Record>,
    /// Every change of the weights, oldest first.
    pub(super) changes: Vec<WeightChange>,
    /// Rounds with votes.
    pub(super) rounds: u64,
    /// Rounds with votes that led to an order.
    pub(super) decisions: u64,
    /// Closed trades.
    pub(super) trades: u64,
    /// The effective number of votes in the newest round that has one, and when it closed.
    pub(super) effective: Option<(Timestamp, f64)>,
    /// Rounds that had the heads and not the weight.
    pub(super) weight_short: u64,
}

impl Records {
    /// Whether the journal mentions the voter.
    pub(super) fn knows(&self, agent: &AgentId) -> bool {
        self.by_agent.contains_key(agent)
    }

    /// All voters the journal mentions.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentId> {
        self.by_agent.keys()
    }

    /// Everyone's record, by id.
    pub(super) fn all(&self) -> &BTreeMap<AgentId, Record> {
        &self.by_agent
    }

    /// Adds a round; whether it counts. What led to an order without votes of its own (a soft
    /// exit, or a reversal, which repeats the votes of the round before) does not.
    pub(super) fn round(&mut self, round: &RoundRecord) -> bool {
        if round.votes.is_empty() || round.round_id.ends_with("-reversal") {
            return false;
        }
        self.rounds += 1;
        self.decisions += u64::from(round.outcome.is_decision());
        let short = round.outcome == rawe_core::RoundOutcome::WeightShort;
        self.weight_short += u64::from(short);
        if let Some(effective) = round.effective_votes
            && self.effective.is_none_or(|(at, _)| at <= round.closed)
        {
            self.effective = Some((round.closed, effective));
        }
        let mut sides: BTreeMap<&AgentId, BTreeSet<Direction>> = BTreeMap::new();
        for vote in &round.votes {
            sides.entry(&vote.agent).or_default().insert(vote.direction);
            let record = self.by_agent.entry(vote.agent.clone()).or_default();
            record.votes += 1;
            if record.newest_vote.is_none_or(|at| at <= vote.timestamp) {
                record.newest_vote = Some(vote.timestamp);
                record.weight_counted = Some(vote.weight_millionths);
            }
        }
        for (agent, directions) in sides {
            let record = self.by_agent.entry(agent.clone()).or_default();
            record.rounds += 1;
            match round.direction {
                _ if directions.len() > 1 => record.equivocated += 1,
                Some(direction) if directions.contains(&direction) => record.agreed += 1,
                Some(_) => record.dissented += 1,
                None => {}
            }
        }
        for (agent, cause) in &round.absences {
            let record = self.by_agent.entry(agent.clone()).or_default();
            *record.absent.entry(*cause).or_default() += 1;
        }
        true
    }

    /// Adds a closed trade.
    pub(super) fn trade(&mut self, trade: &ClosedTrade) {
        self.trades += 1;
        let mut sides: BTreeMap<&AgentId, i64> = BTreeMap::new();
        for vote in &trade.votes {
            let side = if vote.direction == trade.direction {
                1
            } else {
                -1
            };
            *sides.entry(&vote.agent).or_default() += side;
        }
        for (agent, side) in sides.into_iter().filter(|(_, side)| *side != 0) {
            let record = self.by_agent.entry(agent.clone()).or_default();
            let made = if side > 0 {
                trade.realised
            } else {
                -trade.realised
            };
            record.trades += 1;
            record.hits += u64::from(made > Decimal::ZERO);
            record.realised = record.realised.saturating_add(made);
        }
    }

    /// Adds a change of the weights.
    pub(super) fn weights(&mut self, change: &WeightChange) {
        for (agent, weight) in &change.weights_millionths {
            let record = self.by_agent.entry(agent.clone()).or_default();
            record.weight_earned = *weight;
        }
        self.changes.push(change.clone());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::{
        ClientOrderId, ExitReason, RoundOutcome, RoundVote, SignalType, Symbol, TradeVote,
    };

    pub(crate) fn id(name: &str) -> AgentId {
        AgentId::new(name).unwrap()
    }

    fn at(second: u32) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 3, 2, 15, 0, second).unwrap()
    }

    /// A round at `second` with these votes: agent, long or short, weight.
    pub(crate) fn round(second: u32, votes: &[(&str, Direction, u64)]) -> RoundRecord {
        RoundRecord {
            round_id: format!("AAPL@{second}"),
            asset: Symbol::new("AAPL").unwrap(),
            opened: at(second),
            closed: at(second),
            outcome: RoundOutcome::NoQuorum,
            reason: "a test".to_owned(),
            direction: Some(Direction::Long),
            quorum: 3,
            votes: votes
                .iter()
                .map(|(agent, direction, weight)| RoundVote {
                    agent: id(agent),
                    direction: *direction,
                    timestamp: at(second),
                    signal_id: None,
                    signal_type: SignalType::Divergence,
                    strength: 0.5,
                    size: Decimal::ONE_HUNDRED,
                    expected_profit: 1.0,
                    narrative_id: "n".to_owned(),
                    weight_millionths: *weight,
                })
                .collect(),
            absences: [(id("d"), Absence::Abstained)].into(),
            equivocated: Vec::new(),
            effective_votes: Some(f64::from(second)),
            purpose: None,
            notional: None,
            expected_profit: None,
            decision_id: None,
            client_order_id: None,
        }
    }

    fn trade(made: i64) -> ClosedTrade {
        let vote = |agent: &str, direction| TradeVote {
            agent: id(agent),
            direction,
        };
        ClosedTrade {
            opened_by: ClientOrderId::parse_ours("rawe-1").unwrap(),
            closed_by: None,
            opening_round: "r".to_owned(),
            closing_round: None,
            asset: Symbol::new("AAPL").unwrap(),
            direction: Direction::Long,
            opened_at: at(1),
            closed_at: at(2),
            quantity: Decimal::ONE,
            entry_price: Decimal::ONE_HUNDRED,
            exit_price: Decimal::ONE_HUNDRED,
            fees: Decimal::ZERO,
            realised: Decimal::from(made),
            reason: ExitReason::Target,
            votes: vec![
                vote("a", Direction::Long),
                vote("b", Direction::Short),
                vote("c", Direction::Long),
                vote("c", Direction::Short),
            ],
        }
    }

    #[test]
    fn rounds_say_who_agreed_dissented_equivocated_and_was_absent() {
        use Direction::{Long, Short};
        let mut records = Records::default();
        let votes = [
            ("a", Long, 1),
            ("b", Short, 2),
            ("c", Long, 3),
            ("c", Short, 3),
        ];
        assert!(records.round(&round(1, &votes)));
        assert!(records.round(&round(2, &[("a", Short, 9)])));
        let mut exit = round(3, &[]);
        exit.outcome = RoundOutcome::Closed;
        assert!(!records.round(&exit), "a soft exit is no round");
        let mut reversal = round(4, &votes);
        reversal.round_id.push_str("-reversal");
        assert!(!records.round(&reversal), "its votes were counted before");
        let all = records.all();
        let of = |name: &str| &all[&id(name)];
        assert_eq!(
            (of("a").rounds, of("a").agreed, of("a").dissented),
            (2, 1, 1)
        );
        assert_eq!((of("b").agreed, of("b").dissented), (0, 1));
        assert_eq!(
            (of("c").votes, of("c").rounds, of("c").equivocated),
            (2, 1, 1)
        );
        assert_eq!(of("d").absences(), 2);
        assert_eq!(of("a").weight_counted, Some(9), "that of the newest vote");
        assert_eq!(records.effective, Some((at(2), 2.0)));
    }

    #[test]
    fn trades_are_credited_to_both_sides() {
        let mut records = Records::default();
        records.trade(&trade(30));
        records.trade(&trade(-10));
        let all = records.all();
        assert_eq!(all[&id("a")].realised, Decimal::from(20));
        assert_eq!(all[&id("b")].realised, Decimal::from(-20));
        assert_eq!(all[&id("a")].hit_rate(), Some(0.5));
        assert!(!all.contains_key(&id("c")), "both ways is neither");
    }
}
