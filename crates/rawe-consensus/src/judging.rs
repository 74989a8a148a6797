//! How a round is judged: is there a quorum, and does anything stand in the way of trading on it?

use std::collections::BTreeSet;

use rawe_core::{
    AgentId, Direction, Purpose, RoundOutcome, RoundRecord, RoundVote, Symbol, Timestamp,
};
use rust_decimal::Decimal;

use crate::config::TieBreak;
use crate::consensus::Consensus;
use crate::event::{Effect, OrderProposal};
use crate::obstacles::retry_obstacle;
use crate::quorum::Tally;
use crate::records::{self, RoundFacts};
use crate::rounds::{AssetState, Held, Holding, OpenRound, Reversal, Span};

/// What the votes of a round say, before positions, clocks and limits.
#[derive(Clone, Debug, PartialEq)]
enum Judgement {
    NoQuorum {
        closest: Option<Tally>,
    },
    /// Enough heads, but too little weight.
    WeightShort(Tally),
    Conflict,
    Quorum(Tally),
}

/// What stands in the way of a trade, if anything.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    NearMiss(RoundOutcome, String),
    Open,
    Close { reverses: bool },
}

impl Consensus {
    /// Whether a round can be decided now, whatever votes may still come: a side has its quorum
    /// and the other cannot reach one any more.
    pub(crate) fn decides_early(&self, asset: &Symbol, round: OpenRound) -> bool {
        let quorum = self.rules.quorum;
        let voices = self.voices();
        let (long, short) = self.sides(asset, round);
        let leading = [long, short].into_iter().flatten().max_by_key(|tally| {
            (
                voices.rank(&tally.agreeing),
                tally.direction == Direction::Long,
            )
        });
        leading.is_some_and(|tally| {
            let unheard = self.roster.len().saturating_sub(tally.voted());
            voices.decides(&tally.agreeing) && tally.dissenting.len() + unheard < quorum
        })
    }

    /// Closes rounds, those with the best prospects first, and says what follows.
    pub(crate) fn close_rounds(
        &mut self,
        rounds: Vec<(Symbol, OpenRound)>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let mut judged: Vec<(Symbol, OpenRound, Judgement)> = rounds
            .into_iter()
            .map(|(asset, round)| {
                let judgement = self.judge(&asset, round);
                (asset, round, judgement)
            })
            .collect();
        // The limit on new positions must not favour the beginning of the alphabet.
        judged.sort_by(|a, b| {
            let profit = |judgement: &Judgement| match judgement {
                Judgement::Quorum(tally) => mean_profit(&tally.agreeing),
                _ => f64::NEG_INFINITY,
            };
            profit(&b.2)
                .total_cmp(&profit(&a.2))
                .then_with(|| a.0.cmp(&b.0))
        });
        judged
            .into_iter()
            .map(|(asset, round, judgement)| self.settle(&asset, round, &judgement, now))
            .collect()
    }

    /// Ends rounds without a judgement.
    pub(crate) fn abandon_rounds(
        &mut self,
        rounds: Vec<(Symbol, OpenRound)>,
        now: Timestamp,
    ) -> Vec<Effect> {
        rounds
            .into_iter()
            .map(|(asset, round)| {
                let judgement = Judgement::NoQuorum { closest: None };
                self.settle(&asset, round, &judgement, now)
            })
            .collect()
    }

    fn sides(&self, asset: &Symbol, round: OpenRound) -> (Option<Tally>, Option<Tally>) {
        let Some(state) = self.assets.get(asset) else {
            return (None, None);
        };
        let best = |direction| {
            let voices = self.voices();
            state
                .votes
                .best(direction, self.rules.window, round.span, &voices)
        };
        (best(Direction::Long), best(Direction::Short))
    }

    fn judge(&self, asset: &Symbol, round: OpenRound) -> Judgement {
        let voices = self.voices();
        let enough = |tally: &Tally| voices.decides(&tally.agreeing);
        let short_of_weight = |tally: &Tally| voices.has_heads(&tally.agreeing);
        let (long, short) = self.sides(asset, round);
        match (long, short) {
            (Some(long), Some(short)) if enough(&long) && enough(&short) => {
                self.break_tie(long, short)
            }
            (Some(tally), _) | (_, Some(tally)) if enough(&tally) => Judgement::Quorum(tally),
            (Some(tally), _) | (_, Some(tally)) if short_of_weight(&tally) => {
                Judgement::WeightShort(tally)
            }
            (Some(long), Some(short)) => {
                let closest = match long.agreeing.len().cmp(&short.agreeing.len()) {
                    std::cmp::Ordering::Greater => Some(long),
                    std::cmp::Ordering::Less => Some(short),
                    std::cmp::Ordering::Equal => None,
                };
                Judgement::NoQuorum { closest }
            }
            (long, short) => Judgement::NoQuorum {
                closest: long.or(short),
            },
        }
    }

    fn break_tie(&self, long: Tally, short: Tally) -> Judgement {
        let (long_profit, short_profit) =
            (mean_profit(&long.agreeing), mean_profit(&short.agreeing));
        match self.rules.tie_break {
            TieBreak::ExpectedProfit if long_profit > short_profit => Judgement::Quorum(long),
            TieBreak::ExpectedProfit if short_profit > long_profit => Judgement::Quorum(short),
            TieBreak::Skip | TieBreak::ExpectedProfit => Judgement::Conflict,
        }
    }

    /// Closes one round, which leaves exactly one record.
    fn settle(
        &mut self,
        asset: &Symbol,
        round: OpenRound,
        judgement: &Judgement,
        now: Timestamp,
    ) -> Effect {
        self.counts.rounds += 1;
        let verdict = self.verdict(asset, judgement, now);
        let (tally, direction) = match judgement {
            Judgement::Quorum(tally) => (Some(tally), Some(tally.direction)),
            Judgement::NoQuorum { closest } => (None, closest.as_ref().map(|side| side.direction)),
            Judgement::WeightShort(tally) => (None, Some(tally.direction)),
            Judgement::Conflict => (None, None),
        };
        let shown = match judgement {
            Judgement::Quorum(tally) | Judgement::WeightShort(tally) => Some(tally),
            Judgement::NoQuorum { .. } | Judgement::Conflict => None,
        };
        let votes = self.record_votes(asset, round, shown);
        let used = match judgement {
            Judgement::Quorum(tally) => Some(Span {
                first: tally.first,
                last: tally.last,
            }),
            Judgement::Conflict => Some(round.span),
            Judgement::NoQuorum { .. } | Judgement::WeightShort(_) => None,
        };
        let forget_at = now + self.rules.ttl_max + self.rules.window;
        let window = self.rules.window;
        if let Some(state) = self.assets.get_mut(asset) {
            state.close(round, used, window, forget_at);
        }
        self.remember_deadline(asset);
        self.visit_later(asset, now);
        let (outcome, reason) = match &verdict {
            Verdict::NearMiss(outcome, reason) => (*outcome, reason.clone()),
            Verdict::Open => {
                let reason = records::agreed(tally, &self.rules, self.voices());
                (RoundOutcome::Opened, reason)
            }
            Verdict::Close { reverses } => {
                let reason = records::opposed(tally, *reverses, self.voices());
                (RoundOutcome::Closed, reason)
            }
        };
        let opened = votes
            .iter()
            .map(|vote| vote.timestamp)
            .min()
            .unwrap_or(round.span.first);
        let record = self.record(RoundFacts {
            asset,
            // A quorum may reach back to votes of an earlier round: the round keeps its own name.
            round_id: rawe_core::identity::round_id(asset, round.span.first),
            opened,
            closed: now,
            outcome,
            reason,
            direction,
            votes,
        });
        match tally {
            None => Effect::NearMiss(Box::new(record)),
            Some(tally) => self.act(record, tally, &verdict, now),
        }
    }

    /// What follows from a round with a quorum.
    fn act(
        &mut self,
        mut record: RoundRecord,
        tally: &Tally,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Effect {
        let notional = notional_after_dissent(tally);
        let expected_profit = mean_profit(&tally.agreeing);
        record.notional = Some(notional);
        record.expected_profit = Some(expected_profit);
        let asset = record.asset.clone();
        match verdict {
            Verdict::NearMiss(..) => Effect::NearMiss(Box::new(record)),
            Verdict::Open => {
                record.purpose = Some(Purpose::Open);
                self.begin_opening(&asset, tally.direction, agents_of(&tally.agreeing), now);
                self.order(record, Purpose::Open, tally.direction, now)
            }
            Verdict::Close { reverses } => {
                record.purpose = Some(Purpose::Close);
                let reversal = reverses.then(|| Reversal {
                    direction: tally.direction,
                    votes: record.votes.clone(),
                    agreeing: agents_of(&tally.agreeing),
                    notional,
                    expected_profit,
                });
                self.begin_closing(&asset, reversal);
                self.order(record, Purpose::Close, tally.direction.opposite(), now)
            }
        }
    }

    pub(crate) fn order(
        &self,
        record: RoundRecord,
        purpose: Purpose,
        direction: Direction,
        now: Timestamp,
    ) -> Effect {
        let ttl = self.rules.decision_ttl;
        Effect::Order(Box::new(OrderProposal::new(
            record, purpose, direction, now, ttl,
        )))
    }

    /// The votes that stand in the record: those that made and opposed the quorum, or all of a
    /// round without one.
    fn record_votes(
        &self,
        asset: &Symbol,
        round: OpenRound,
        tally: Option<&Tally>,
    ) -> Vec<RoundVote> {
        let mut votes = match tally {
            Some(tally) => {
                let mut votes = tally.agreeing.clone();
                votes.extend(tally.dissenting.iter().cloned());
                votes.sort_by(|a, b| (&a.agent, a.direction).cmp(&(&b.agent, b.direction)));
                votes
            }
            None => self.assets.get(asset).map_or_else(Vec::new, |state| {
                state.votes.within(round.span.first, round.span.last)
            }),
        };
        let voices = self.voices();
        for vote in &mut votes {
            vote.weight_millionths = voices.of(vote);
        }
        votes
    }

    fn verdict(&self, asset: &Symbol, judgement: &Judgement, now: Timestamp) -> Verdict {
        let miss = |outcome, reason: String| Verdict::NearMiss(outcome, reason);
        let tally = match judgement {
            Judgement::Quorum(tally) => tally,
            Judgement::Conflict => {
                let reason = "both directions have a quorum, so neither is followed";
                return miss(RoundOutcome::Conflict, reason.to_owned());
            }
            Judgement::WeightShort(tally) => {
                return miss(RoundOutcome::WeightShort, self.voices().weight_short(tally));
            }
            Judgement::NoQuorum { closest } => {
                let able = self.able_to_vote(now);
                if self.alive.is_some() && able < self.rules.quorum {
                    let reason = format!(
                        "only {able} of the roster can be heard and {} must agree",
                        self.rules.quorum
                    );
                    return miss(RoundOutcome::TooFewAlive, reason);
                }
                return miss(RoundOutcome::NoQuorum, self.no_quorum(closest.as_ref()));
            }
        };
        if let Some(vote) = tally
            .agreeing
            .iter()
            .find(|vote| self.in_gap(vote.timestamp))
        {
            let reason = format!(
                "messages may have been lost at {} when {} voted, so the quorum is void",
                vote.timestamp.format("%H:%M:%S"),
                vote.agent
            );
            return miss(RoundOutcome::BusGap, reason);
        }
        let Some(state) = self.assets.get(asset) else {
            return miss(
                RoundOutcome::NotTradable,
                format!("nothing is known of {asset}"),
            );
        };
        match &state.holding {
            Holding::Opening { .. } | Holding::Closing { .. } => miss(
                RoundOutcome::InFlight,
                format!("an order for {asset} is on its way"),
            ),
            Holding::Foreign => miss(
                RoundOutcome::AlreadyHeld,
                format!("a position in {asset} that we did not open is never touched"),
            ),
            Holding::Held(held) if held.direction == tally.direction => miss(
                RoundOutcome::AlreadyHeld,
                format!("the collective already holds {asset} {}", held.direction),
            ),
            Holding::Held(held) => self.exit_verdict(asset, state, held, tally, now),
            Holding::Flat => match self.entry_obstacle(asset, state, tally, now) {
                Some((outcome, reason)) => miss(outcome, reason),
                None => Verdict::Open,
            },
        }
    }

    fn in_gap(&self, instant: Timestamp) -> bool {
        self.gaps.iter().any(|gap| gap.contains(instant))
    }

    /// An opposing quorum: may the position be closed?
    fn exit_verdict(
        &self,
        asset: &Symbol,
        state: &AssetState,
        held: &Held,
        tally: &Tally,
        now: Timestamp,
    ) -> Verdict {
        let free_at = held.opened_at + self.rules.min_hold;
        if now < free_at {
            let reason = format!(
                "{asset} is held {} since {} and is not closed by vote before {}",
                held.direction,
                held.opened_at.format("%d %b %H:%M"),
                free_at.format("%d %b %H:%M")
            );
            return Verdict::NearMiss(RoundOutcome::MinHold, reason);
        }
        if let Some((outcome, reason)) = self.exit_obstacle(asset, state, now) {
            return Verdict::NearMiss(outcome, reason);
        }
        let shortable = self.facts.get(asset).is_some_and(|facts| facts.shortable);
        Verdict::Close {
            reverses: tally.direction == Direction::Long || shortable,
        }
    }

    /// What forbids opening a position from flat after a quorum.
    fn entry_obstacle(
        &self,
        asset: &Symbol,
        state: &AssetState,
        tally: &Tally,
        now: Timestamp,
    ) -> Option<(RoundOutcome, String)> {
        let notional = notional_after_dissent(tally);
        self.opening_obstacle(asset, tally.direction, notional, now)
            .or_else(|| retry_obstacle(state, now))
            .or_else(|| {
                let free_at = state.last_fill? + self.rules.cool_down;
                (now < free_at).then(|| {
                    let reason = format!(
                        "{asset} was traded at {}; no entry before {}",
                        (free_at - self.rules.cool_down).format("%d %b %H:%M"),
                        free_at.format("%d %b %H:%M")
                    );
                    (RoundOutcome::CoolDown, reason)
                })
            })
            .or_else(|| self.cap_obstacle(now))
    }

    fn no_quorum(&self, closest: Option<&Tally>) -> String {
        let (quorum, voters) = (self.rules.quorum, self.roster.len());
        match closest {
            Some(tally) => format!(
                "{} of {voters} voted {}, {} against, and {quorum} must agree",
                tally.agreeing.len(),
                tally.direction,
                tally.dissenting.len()
            ),
            None => format!("the votes are divided, and {quorum} of {voters} must agree"),
        }
    }
}

/// The mean size of the agreeing votes × (agreeing − dissenting) / voted, USD, in whole cents.
pub(crate) fn notional_after_dissent(tally: &Tally) -> Decimal {
    let agreeing = Decimal::from(tally.agreeing.len());
    let dissenting = Decimal::from(tally.dissenting.len());
    let voted = Decimal::from(tally.voted());
    let sum: Decimal = tally.agreeing.iter().map(|vote| vote.size).sum();
    let denominator = agreeing * voted;
    if denominator.is_zero() || dissenting >= agreeing {
        return Decimal::ZERO;
    }
    (sum * (agreeing - dissenting) / denominator)
        .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::ToZero)
}

/// The mean expected profit of votes, USD; 0 for none.
pub(crate) fn mean_profit(votes: &[RoundVote]) -> f64 {
    if votes.is_empty() {
        return 0.0;
    }
    votes.iter().map(|vote| vote.expected_profit).sum::<f64>() / votes.len() as f64
}

fn agents_of(votes: &[RoundVote]) -> BTreeSet<AgentId> {
    votes.iter().map(|vote| vote.agent.clone()).collect()
}
