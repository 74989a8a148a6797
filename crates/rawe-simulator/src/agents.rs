//! The agents: what five voters say in public, as the very bytes that go over the bus.
//!
//! Each asset has a mood that agents follow more or less. What was really said by whom is kept, so
//! that a quorum in the journal can be compared with what was said.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use rawe_core::{
    AgentId, AgentRef, BootId, Direction, Roster, RoundVote, SignalType, Stance, StanceMessage,
    Symbol, Timestamp,
};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use serde_json::json;

use crate::plan::{Faults, Plan, part};
use crate::random::Dice;

/// Something put on the bus.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// One voter.
#[derive(Clone, Debug)]
struct Voter {
    id: AgentId,
    name: String,
    boot: u32,
    sequence: u64,
    stance_sequence: u64,
    /// Until when it is dead.
    dead_until: Option<Timestamp>,
    /// Speaks the original format and has no heartbeat.
    original: bool,
}

impl Voter {
    fn boot_id(&self) -> Option<BootId> {
        BootId::new(&format!("boot-{}", self.boot)).ok()
    }
}

/// All voters.
#[derive(Clone, Debug)]
pub struct Agents {
    voters: Vec<Voter>,
    moods: BTreeMap<Symbol, Option<Direction>>,
    dice: Dice,
    agreement: f64,
    size: i64,
    window: TimeDelta,
    /// Everything that was really voted, by asset.
    pub voted: BTreeMap<Symbol, Vec<RoundVote>>,
}

impl Agents {
    /// The roster's voters in the mood of the seed.
    pub fn new(plan: &Plan, roster: &Roster, assets: &[Symbol]) -> Self {
        let mut dice = Dice::new(plan.seed, part::AGENTS);
        let one_original = dice.chance(0.25);
        let original = dice.index(roster.len());
        let voters = roster.0.iter().enumerate().map(|(place, agent)| Voter {
            id: agent.id.clone(),
            name: agent.name.clone(),
            boot: 1,
            sequence: 0,
            stance_sequence: 0,
            dead_until: None,
            original: one_original && place == original,
        });
        Self {
            voters: voters.collect(),
            moods: assets.iter().map(|asset| (asset.clone(), None)).collect(),
            dice,
            agreement: plan.agreement,
            size: plan.size,
            window: TimeDelta::milliseconds(i64::try_from(plan.window_ms).unwrap_or(10_000)),
            voted: BTreeMap::new(),
        }
    }

    /// Who has a heartbeat.
    pub fn alive(&self, now: Timestamp) -> std::collections::BTreeSet<AgentId> {
        let lives =
            |voter: &&Voter| !voter.original && voter.dead_until.is_none_or(|until| until <= now);
        self.voters
            .iter()
            .filter(lives)
            .map(|voter| voter.id.clone())
            .collect()
    }

    /// Kills an agent for a while; when it comes back it is another boot.
    pub fn kill_one(&mut self, now: Timestamp) {
        let (index, minutes) = (self.dice.index(self.voters.len()), self.dice.between(1, 30));
        if let Some(voter) = self.voters.get_mut(index) {
            voter.dead_until = Some(now + TimeDelta::minutes(minutes));
            voter.boot += 1;
            voter.sequence = 0;
            voter.stance_sequence = 0;
        }
    }

    /// Everybody scans: votes, and a stance message each.
    pub fn scan(
        &mut self,
        now: Timestamp,
        scan: TimeDelta,
        faults: &Faults,
    ) -> (Vec<Said>, Vec<StanceMessage>) {
        self.change_moods();
        let (mut said, mut stances) = (Vec::new(), Vec::new());
        for place in 0..self.voters.len() {
            let Some(mut voter) = self.voters.get(place).cloned() else {
                continue;
            };
            if voter.dead_until.is_some_and(|until| until > now) {
                continue;
            }
            // Agents scan within a window of each other, but for stragglers.
            let spread = self.window.num_milliseconds();
            let spread = if self.dice.chance(0.1) {
                spread * 3
            } else {
                spread
            };
            let at = now + TimeDelta::milliseconds(self.dice.between(0, spread));
            let views = self.views();
            for (asset, view) in &views {
                if let Some(direction) = view {
                    said.extend(self.vote(&mut voter, asset, *direction, at, faults));
                }
            }
            if let Some(message) = stance_message(&mut voter, &views, at, scan) {
                stances.push(message);
            }
            if let Some(slot) = self.voters.get_mut(place) {
                *slot = voter;
            }
        }
        (said, stances)
    }

    fn change_moods(&mut self) {
        for mood in self.moods.values_mut() {
            if self.dice.chance(0.2) {
                *mood = match self.dice.between(0, 9) {
                    0..=3 => Some(Direction::Long),
                    4..=6 => Some(Direction::Short),
                    _ => None,
                };
            }
        }
    }

    /// What one agent thinks of each asset.
    fn views(&mut self) -> Vec<(Symbol, Option<Direction>)> {
        let mut views = Vec::new();
        for (asset, mood) in &self.moods {
            let view = if self.dice.chance(self.agreement) {
                *mood
            } else if self.dice.chance(0.4) {
                mood.map(Direction::opposite)
            } else {
                None
            };
            views.push((asset.clone(), view));
        }
        views
    }

    fn vote(
        &mut self,
        voter: &mut Voter,
        asset: &Symbol,
        direction: Direction,
        at: Timestamp,
        faults: &Faults,
    ) -> Vec<Said> {
        let mut said = Vec::new();
        if self.dice.chance(faults.vote_garbage) {
            let payload = self.garbage(voter, asset, at);
            said.push(Said { at, payload });
        }
        // A stale vote was really meant then; a naive or original one says so in another format.
        let timestamp = if self.dice.chance(faults.vote_delayed * 0.3) {
            at - TimeDelta::milliseconds(self.dice.between(0, 90_000))
        } else {
            at
        };
        said.push(self.speak(voter, asset, direction, timestamp, at));
        if self.dice.chance(faults.equivocation) {
            said.push(self.speak(voter, asset, direction.opposite(), timestamp, at));
        }
        said
    }

    fn speak(
        &mut self,
        voter: &mut Voter,
        asset: &Symbol,
        direction: Direction,
        timestamp: Timestamp,
        at: Timestamp,
    ) -> Said {
        let usd = (self.size as f64 * (0.5 + self.dice.unit())).round();
        let size = Decimal::from_f64(usd).unwrap_or_default();
        let profit = (self.dice.unit() * 100.0).round();
        let stamp = timestamp.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut message = json!({
            "timestamp": stamp,
            "narrative_id": "n1",
            "financial_asset": asset.as_str(),
            "signal_type": "narrative_leads",
            "strength": 0.5,
            "expected_profit": profit,
            "risk_score": 0.2,
            "metadata": {
                "agent_name": voter.name,
                "financial_asset": asset.as_str(),
                "direction": direction.to_string(),
                "size": usd,
                "expected_profit": profit,
                "risk_score": 0.2,
            },
        });
        let mut signal_id = None;
        if !voter.original
            && let Some(object) = message.as_object_mut()
            && let Some(boot) = voter.boot_id()
        {
            voter.sequence += 1;
            let id = format!("{}-{}-{}", voter.id, voter.boot, voter.sequence);
            object.insert("version".into(), json!(1));
            object.insert("signal_id".into(), json!(id));
            signal_id = Some(id);
            object.insert("ttl_ms".into(), json!(60_000));
            object.insert(
                "agent".into(),
                json!({"id": voter.id, "boot_id": boot, "sequence": voter.sequence}),
            );
        }
        // The wire carries milliseconds; what was said is what the wire carries.
        let exact = timestamp
            - TimeDelta::nanoseconds(i64::from(timestamp.timestamp_subsec_nanos() % 1_000_000));
        self.voted
            .entry(asset.clone())
            .or_default()
            .push(RoundVote {
                agent: voter.id.clone(),
                direction,
                timestamp: exact,
                signal_id,
                signal_type: SignalType::NarrativeLeads,
                strength: 0.5,
                size,
                expected_profit: profit,
                narrative_id: "n1".to_owned(),
                weight_millionths: 1_000_000,
            });
        let payload = message.to_string().into_bytes();
        Said { at, payload }
    }

    /// Bytes that must never count: no JSON, strangers, the future, another one's name.
    fn garbage(&mut self, voter: &Voter, asset: &Symbol, at: Timestamp) -> Vec<u8> {
        let stamp = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let with = |time: String, name: &str, id: Option<&str>, size: f64, asset: &str| {
            let mut message = json!({
                "timestamp": time, "narrative_id": "x", "financial_asset": asset,
                "signal_type": "divergence", "strength": 0.9, "expected_profit": 1e6,
                "risk_score": 0.1,
                "metadata": {"agent_name": name, "financial_asset": asset, "direction": "long",
                    "size": size, "expected_profit": 1e6, "risk_score": 0.1},
            });
            if let (Some(id), Some(object)) = (id, message.as_object_mut()) {
                let agent = json!({"id": id, "boot_id": "forged", "sequence": u64::MAX});
                object.insert("agent".into(), agent);
            }
            message.to_string().into_bytes()
        };
        let id = voter.id.as_str();
        match self.dice.between(0, 7) {
            0 => b"not json".to_vec(),
            1 => b"[1,2,3]".to_vec(),
            2 => vec![b'x'; 70_000],
            3 => with(stamp(at), "Nobody", None, 1e5, asset.as_str()),
            4 => with(stamp(at), "Nobody", Some("stranger"), 1e5, asset.as_str()),
            5 => {
                let future = stamp(at + TimeDelta::hours(1));
                with(future, &voter.name, Some(id), 1e5, asset.as_str())
            }
            6 => with(
                stamp(at - TimeDelta::days(1)),
                &voter.name,
                Some(id),
                1e5,
                asset.as_str(),
            ),
            _ => with(stamp(at), &voter.name, Some(id), 1e9, asset.as_str()),
        }
    }
}

fn stance_message(
    voter: &mut Voter,
    views: &[(Symbol, Option<Direction>)],
    at: Timestamp,
    scan: TimeDelta,
) -> Option<StanceMessage> {
    if voter.original {
        return None;
    }
    voter.stance_sequence += 1;
    Some(StanceMessage {
        timestamp: at,
        agent: AgentRef {
            id: voter.id.clone(),
            boot_id: voter.boot_id()?,
            sequence: voter.stance_sequence,
        },
        scan_secs: u32::try_from(scan.num_seconds()).unwrap_or(300),
        stances: views
            .iter()
            .map(|(asset, direction)| Stance {
                asset: asset.clone(),
                direction: *direction,
                expert: direction.map_or(0.0, Direction::sign) * 0.5,
            })
            .collect(),
    })
}
