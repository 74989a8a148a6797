//! Earned weights: what the closed trades of the collective say of its voters.
//!
//! The update is Hedge (Freund & Schapire 1997, after Littlestone & Warmuth's weighted majority,
//! 1994): a weight is the exponential of what its agent has earned. An agent that did not vote
//! earns nothing (specialists, Freund, Schapire, Singer & Warmuth 1997), the past is discounted
//! (Cesa-Bianchi & Lugosi 2006, section 2.11), and what was earned is bounded, so that no run of
//! luck takes longer to undo than a good agent takes to show. Whole millionths throughout: the
//! same trades give the same weights on every machine. `docs/consensus.md` tells it in words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rawe_core::{AgentId, ClientOrderId, ClosedTrade, Direction, Roster, Timestamp, WeightChange};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::config::Rules;
use crate::weights_rules::WeightRules;
use crate::weights_scale::{MILLION, exponential_millionths, limit, part_of, scale};

/// How many credited trades are remembered by name. Older ones are known by their time.
const CREDITED_MAX: usize = 65_536;

/// What one agent has earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Earned {
    /// The logarithm of its weight, millionths.
    score: i64,
    /// Trades it voted on.
    trades: u64,
}

/// The weights of a roster's voters, and all that the next change of them starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    rules: WeightRules,
    /// How many of the strongest together must hold less than half.
    few: usize,
    earned: BTreeMap<AgentId, Earned>,
    voices: BTreeMap<AgentId, u64>,
    /// Credited trades by the order that opened them, and the order in which they were credited.
    credited: BTreeSet<ClientOrderId>,
    credited_in_turn: VecDeque<(Timestamp, ClientOrderId)>,
    /// Trades closed up to here may have been forgotten by name: they are never credited again.
    forgotten_through: Option<Timestamp>,
    /// Whether any change was ever made or restored.
    begun: bool,
}

impl Weights {
    /// Equal voices for everyone on the roster.
    pub fn new(rules: &Rules, roster: &Roster) -> Self {
        let voters = roster.len();
        let quorum = rules.quorum();
        let mut weights = Self {
            rules: rules.weights.clone(),
            few: few(voters, quorum),
            earned: roster
                .0
                .iter()
                .map(|agent| (agent.id.clone(), Earned::default()))
                .collect(),
            voices: BTreeMap::new(),
            credited: BTreeSet::new(),
            credited_in_turn: VecDeque::new(),
            forgotten_through: None,
            begun: false,
        };
        weights.reweigh();
        weights
    }

    /// The weights after these trades, in the order in which they were closed and told: what a
    /// journal's trades say they should be.
    pub fn replay<'a>(
        rules: &Rules,
        roster: &Roster,
        trades: impl IntoIterator<Item = &'a ClosedTrade>,
    ) -> Self {
        let mut weights = Self::new(rules, roster);
        for trade in trades {
            weights.credit(trade);
        }
        weights
    }

    /// The agent's weight, millionths; 0 for who is not on the roster.
    pub fn of(&self, agent: &AgentId) -> u64 {
        self.voices.get(agent).copied().unwrap_or(0)
    }

    /// All weights, millionths; their mean is 1,000,000 but for rounding.
    pub fn all(&self) -> &BTreeMap<AgentId, u64> {
        &self.voices
    }

    /// The sum of all weights, millionths.
    pub fn total(&self) -> u64 {
        self.voices.values().sum()
    }

    /// How many trades the agent has been credited or debited for.
    pub fn trades(&self, agent: &AgentId) -> u64 {
        self.earned.get(agent).map_or(0, |earned| earned.trades)
    }

    /// Credits a closed trade, once however often it is told. Gives the changes to journal: none
    /// if nothing changed; before the very first also the equal weights from which it started.
    pub fn credit(&mut self, trade: &ClosedTrade) -> Vec<WeightChange> {
        let forgotten = self
            .forgotten_through
            .is_some_and(|through| trade.closed_at <= through);
        if forgotten || self.credited.contains(&trade.opened_by) {
            return Vec::new();
        }
        let sides = sides(trade);
        let Some(returned) = bounded_return(trade, self.rules.return_full) else {
            return Vec::new();
        };
        if !sides.keys().any(|agent| self.earned.contains_key(*agent)) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if !self.begun {
            let reason = "before the first closed trade all voices are equal".to_owned();
            changes.push(self.change(trade.closed_at, None, reason));
        }
        self.begun = true;
        self.remember(trade.closed_at, &trade.opened_by);
        let full = part_of(self.rules.learning_rate, returned);
        for (agent, earned) in &mut self.earned {
            let forgotten = part_of(earned.score, self.rules.shrinkage);
            let side = sides.get(agent).copied().unwrap_or(0);
            earned.trades += u64::from(side != 0);
            earned.score = (earned.score - forgotten + side * full)
                .clamp(-self.rules.score_max, self.rules.score_max);
        }
        self.reweigh();
        let reason = sentence(trade, &sides);
        changes.push(self.change(trade.closed_at, Some(trade.opened_by.clone()), reason));
        changes
    }

    /// Takes up a change of an earlier start, as the journal has it; oldest first.
    pub fn restore(&mut self, change: &WeightChange) {
        self.begun = true;
        if let Some(trade) = &change.trade {
            self.remember(change.at, trade);
        }
        for (agent, earned) in &mut self.earned {
            let score = change.scores_millionths.get(agent).copied().unwrap_or(0);
            earned.score = score.clamp(-self.rules.score_max, self.rules.score_max);
            earned.trades = change.trades.get(agent).copied().unwrap_or(0);
        }
        self.reweigh();
    }

    fn remember(&mut self, at: Timestamp, trade: &ClientOrderId) {
        if !self.credited.insert(trade.clone()) {
            return;
        }
        self.credited_in_turn.push_back((at, trade.clone()));
        if self.credited_in_turn.len() > CREDITED_MAX
            && let Some((at, oldest)) = self.credited_in_turn.pop_front()
        {
            self.credited.remove(&oldest);
            self.forgotten_through = self.forgotten_through.max(Some(at));
        }
    }

    fn change(&self, at: Timestamp, trade: Option<ClientOrderId>, reason: String) -> WeightChange {
        let each = || self.earned.iter();
        WeightChange {
            at,
            trade,
            weights_millionths: self.voices.clone(),
            trades: each().map(|(id, e)| (id.clone(), e.trades)).collect(),
            scores_millionths: each().map(|(id, e)| (id.clone(), e.score)).collect(),
            reason,
        }
    }

    /// Works the weights out from what was earned.
    fn reweigh(&mut self) {
        let mut weights: Vec<u64> = self
            .earned
            .values()
            .map(|earned| {
                if earned.trades < self.rules.sample_min {
                    MILLION
                } else {
                    exponential_millionths(earned.score)
                }
            })
            .collect();
        scale(&mut weights);
        limit(&mut weights, self.few);
        self.voices = self.earned.keys().cloned().zip(weights).collect();
    }
}

/// How many of the strongest must hold less than half: fewer than K, so that their weight can
/// never stand in for a quorum of heads, and few enough that any K+1 heads suffice.
fn few(voters: usize, quorum: usize) -> usize {
    let below_quorum = quorum.saturating_sub(1);
    below_quorum.min(voters.saturating_sub(quorum + 1))
}

/// +1 for who voted for the trade, -1 for who voted against, 0 for who did both.
fn sides(trade: &ClosedTrade) -> BTreeMap<&AgentId, i64> {
    let mut votes: BTreeSet<(&AgentId, Direction)> = BTreeSet::new();
    votes.extend(trade.votes.iter().map(|vote| (&vote.agent, vote.direction)));
    let mut sides: BTreeMap<&AgentId, i64> = BTreeMap::new();
    for (agent, direction) in votes {
        let side = if direction == trade.direction { 1 } else { -1 };
        *sides.entry(agent).or_default() += side;
    }
    sides
}

/// What the trade made of what was put in, of `full`, millionths within -1..=1. `None` if nothing
/// was put in.
fn bounded_return(trade: &ClosedTrade, full: Decimal) -> Option<i64> {
    let notional = trade.notional();
    if notional <= Decimal::ZERO {
        return None;
    }
    let one = Decimal::from(MILLION);
    let part = trade.realised.checked_div(notional);
    let scaled = part
        .and_then(|part| part.checked_div(full))
        .and_then(|part| part.checked_mul(one));
    // What cannot be worked out is far beyond full.
    let far = if trade.realised.is_sign_negative() {
        -one
    } else {
        one
    };
    let bounded = scaled.unwrap_or(far);
    bounded.clamp(-one, one).trunc().to_i64()
}

fn sentence(trade: &ClosedTrade, sides: &BTreeMap<&AgentId, i64>) -> String {
    let names = |wanted: i64| {
        let names = sides.iter().filter(|(_, side)| **side == wanted);
        let names: Vec<&str> = names.map(|(agent, _)| agent.as_str()).collect();
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    let made = trade
        .realised
        .checked_div(trade.notional())
        .map_or(Decimal::ZERO, |part| {
            (part * Decimal::ONE_HUNDRED).round_dp(2)
        });
    format!(
        "{} {} made {made:+} % of what was put in ({}): for it {}, against {}",
        trade.asset,
        trade.direction,
        trade.reason,
        names(1),
        names(-1)
    )
}
