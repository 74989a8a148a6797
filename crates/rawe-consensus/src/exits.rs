//! How positions end by vote: the soft exit, and the reversal that may follow a closing.

use rawe_core::identity::round_id;
use rawe_core::{AgentId, Direction, Purpose, RoundOutcome, RoundVote, Symbol, Timestamp};

use crate::consensus::Consensus;
use crate::event::Effect;
use crate::records::RoundFacts;
use crate::rounds::{AssetState, Held, Holding, Reversal};

/// What the stances of those who agreed to a position say now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Support {
    /// At least one still agrees, or nobody who agreed can be judged.
    Stands,
    /// Nobody is known to have left for sure: these are too old to know.
    Unknown(Vec<AgentId>),
    /// Every one has since said abstain or the opposite.
    Gone,
}

impl Consensus {
    /// Looks at every position held. `settled` says that all stances of this instant are in; else
    /// an asset waits one window after its newest scan, so that a stance of this scan is never
    /// weighed against one of the last.
    pub(crate) fn check_exits(&mut self, now: Timestamp, settled: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        for asset in self.exits.to_look_at(now, settled) {
            effects.extend(self.check_exit(&asset, now, settled));
            self.looked_at(&asset);
        }
        effects
    }

    fn check_exit(&mut self, asset: &Symbol, now: Timestamp, settled: bool) -> Option<Effect> {
        let state = self.assets.get(asset)?;
        let Holding::Held(held) = &state.holding else {
            return None;
        };
        let settling = |scan: Timestamp| now < scan + self.rules.window;
        if !settled && state.scanned.is_some_and(settling) {
            return None;
        }
        match self.support(asset, held, now) {
            Support::Stands => {
                self.set_alarm(asset, Vec::new());
                None
            }
            Support::Unknown(agents) => {
                if state.alarmed == agents {
                    return None;
                }
                self.set_alarm(asset, agents.clone());
                let asset = asset.clone();
                Some(Effect::StanceAlarm { asset, agents })
            }
            Support::Gone => {
                let held = held.clone();
                self.soft_exit(asset, &held, now)
            }
        }
    }

    fn set_alarm(&mut self, asset: &Symbol, agents: Vec<AgentId>) {
        if let Some(state) = self.assets.get_mut(asset) {
            state.alarmed = agents;
        }
    }

    /// When a soft exit that only waits for time will be due, if that is still to come.
    pub(crate) fn exit_due(&self, asset: &Symbol, state: &AssetState) -> Option<Timestamp> {
        let Holding::Held(held) = &state.holding else {
            return None;
        };
        let now = self.now?;
        if self.support(asset, held, now) != Support::Gone {
            return None;
        }
        let mut due = held.opened_at + self.rules.min_hold;
        if let Some(retry_after) = state.retry_after {
            due = due.max(retry_after);
        }
        if let Some(scan) = state.scanned.filter(|_| !self.is_complete()) {
            due = due.max(scan + self.rules.window);
        }
        (due > now).then_some(due)
    }

    /// Whether a quorum of agents has ever sent stances.
    pub(crate) fn enough_speak(&self) -> bool {
        self.stances.speakers() >= self.rules.quorum
    }

    fn support(&self, asset: &Symbol, held: &Held, now: Timestamp) -> Support {
        let most_speak = self.enough_speak();
        let scans_max = self.rules.stance_scans_max;
        let mut unknown = Vec::new();
        let mut gone = 0_usize;
        let mut stands = false;
        for agent in &held.agreeing {
            match self.stances.of(agent, asset) {
                // Agents that never speak of it are ignored once a quorum of others does.
                None if most_speak => {}
                None => unknown.push(agent.clone()),
                Some(standing) if standing.is_unknown(asset.class(), now, scans_max) => {
                    unknown.push(agent.clone());
                }
                Some(standing) if standing.direction == Some(held.direction) => stands = true,
                Some(_) => gone += 1,
            }
        }
        if !unknown.is_empty() {
            Support::Unknown(unknown)
        } else if stands || gone == 0 {
            Support::Stands
        } else {
            Support::Gone
        }
    }

    fn soft_exit(&mut self, asset: &Symbol, held: &Held, now: Timestamp) -> Option<Effect> {
        let state = self.assets.get(asset)?;
        let in_hold = now < held.opened_at + self.rules.min_hold;
        if in_hold || self.exit_obstacle(asset, state, now).is_some() {
            return None;
        }
        let names: Vec<&str> = held.agreeing.iter().map(AgentId::as_str).collect();
        let reason = format!(
            "every agent that agreed to hold {asset} {} has since left it: {}",
            held.direction,
            names.join(", ")
        );
        self.counts.rounds += 1;
        let mut record = self.record(RoundFacts {
            asset,
            round_id: format!("{}-exit", round_id(asset, now)),
            opened: now,
            closed: now,
            outcome: RoundOutcome::Closed,
            reason,
            direction: Some(held.direction.opposite()),
            votes: Vec::new(),
        });
        record.purpose = Some(Purpose::Close);
        self.begin_closing(asset, None);
        Some(self.order(record, Purpose::Close, held.direction, now))
    }

    /// After a confirmed closing by an opposing quorum: opens the other side if the opposite
    /// stances still stand and nothing forbids it; else the asset stays flat.
    pub(crate) fn reverse(
        &mut self,
        asset: &Symbol,
        reversal: Reversal,
        now: Timestamp,
    ) -> Vec<Effect> {
        let standing = self.standing_for(asset, &reversal, now);
        if !self.voices().decides(&standing) {
            return Vec::new();
        }
        let obstacle = self
            .opening_obstacle(asset, reversal.direction, reversal.notional, now)
            .or_else(|| self.cap_obstacle(now));
        let (outcome, reason) = obstacle.clone().unwrap_or_else(|| {
            let reason = format!(
                "the opposing position is closed and its opponents still stand: {asset} {}",
                reversal.direction
            );
            (RoundOutcome::Opened, reason)
        });
        self.counts.rounds += 1;
        let mut record = self.record(RoundFacts {
            asset,
            round_id: format!("{}-reversal", round_id(asset, now)),
            opened: now,
            closed: now,
            outcome,
            reason,
            direction: Some(reversal.direction),
            votes: reversal.votes,
        });
        record.notional = Some(reversal.notional);
        record.expected_profit = Some(reversal.expected_profit);
        if obstacle.is_some() {
            return vec![Effect::NearMiss(Box::new(record))];
        }
        record.purpose = Some(Purpose::Open);
        self.begin_opening(asset, reversal.direction, reversal.agreeing, now);
        vec![self.order(record, Purpose::Open, reversal.direction, now)]
    }

    /// The votes of those who voted for the reversal and still stand for it.
    fn standing_for(&self, asset: &Symbol, reversal: &Reversal, now: Timestamp) -> Vec<RoundVote> {
        let stands = |agent: &AgentId| {
            self.stances.of(agent, asset).is_some_and(|standing| {
                let known = !standing.is_unknown(asset.class(), now, self.rules.stance_scans_max);
                known && standing.direction == Some(reversal.direction)
            })
        };
        let votes = reversal.votes.iter();
        votes
            .filter(|vote| vote.direction == reversal.direction && stands(&vote.agent))
            .cloned()
            .collect()
    }

    /// The direction of the position the collective holds in `asset`, if it holds one.
    pub fn held_direction(&self, asset: &Symbol) -> Option<Direction> {
        match &self.assets.get(asset)?.holding {
            Holding::Held(held) | Holding::Closing { held, .. } => Some(held.direction),
            Holding::Flat | Holding::Opening { .. } | Holding::Foreign => None,
        }
    }
}
