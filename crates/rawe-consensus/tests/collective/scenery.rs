//! A collective of five with everything known and allowed, and short words to speak to it.

use std::collections::BTreeSet;

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_consensus::{
    AssetFacts, Consensus, ConsensusConfig, Effect, Event, MarketHours, OrderProposal, Trading,
    Vote,
};
use rawe_core::{
    AgentId, AgentRef, BootId, Direction, Purpose, Roster, RoundRecord, RoundVote, SignalType,
    Stance, StanceMessage, Symbol, Timestamp,
};
use rust_decimal::Decimal;

pub(crate) const AGENTS: [&str; 5] = [
    "alpha-aggressor",
    "balanced-arbitrator",
    "conservative-guardian",
    "flux-follower",
    "topological-observer",
];
pub(crate) const LONG: Direction = Direction::Long;
pub(crate) const SHORT: Direction = Direction::Short;

/// Tuesday 6 January 2026, 10:00 in New York.
pub(crate) fn start() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 6, 15, 0, 0).unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    start() + TimeDelta::seconds(seconds)
}

pub(crate) fn hours(n: i64) -> i64 {
    n * 3_600
}

pub(crate) fn agent(place: usize) -> AgentId {
    AgentId::new(AGENTS[place]).unwrap()
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn round_vote(place: usize, direction: Direction, timestamp: Timestamp) -> RoundVote {
    RoundVote {
        agent: agent(place),
        direction,
        timestamp,
        signal_id: None,
        signal_type: SignalType::NarrativeLeads,
        strength: 0.5,
        size: Decimal::from(100 * (place + 1)),
        expected_profit: 10.0 * (place as f64 + 1.0),
        narrative_id: "story".to_owned(),
        weight_millionths: 1_000_000,
    }
}

pub(crate) struct Scene {
    pub(crate) consensus: Consensus,
    pub(crate) asset: Symbol,
    pub(crate) seconds: i64,
}

impl Scene {
    pub(crate) fn with(config: &ConsensusConfig, asset: &str) -> Self {
        let roster = Roster::default();
        let rules = config.check(&roster).unwrap();
        let mut scene = Self {
            consensus: Consensus::new(rules, roster),
            asset: symbol(asset),
            seconds: 0,
        };
        let facts = AssetFacts {
            tradable: true,
            shortable: !asset.contains('/'),
        };
        scene.tell(Event::Trading(Trading::Active));
        scene.tell(Event::Asset(symbol(asset), Some(facts)));
        let until = at(hours(24 * 365));
        scene.tell(Event::Market(Some(MarketHours {
            is_open: true,
            until,
        })));
        scene.tell(Event::Liveness(
            AGENTS.iter().map(|id| AgentId::new(id).unwrap()).collect(),
        ));
        scene
    }

    pub(crate) fn new(asset: &str) -> Self {
        Self::with(&ConsensusConfig::default(), asset)
    }

    pub(crate) fn paced(asset: &str) -> Self {
        let mut scene = Self::new(asset);
        scene.tell(Event::Paced(true));
        scene
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.seconds)
    }

    pub(crate) fn tell(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        self.consensus.apply(event, now)
    }

    pub(crate) fn vote(&mut self, place: usize, direction: Direction) -> Vec<Effect> {
        let now = self.now();
        self.vote_at(place, direction, now)
    }

    pub(crate) fn vote_at(
        &mut self,
        place: usize,
        direction: Direction,
        timestamp: Timestamp,
    ) -> Vec<Effect> {
        let vote = round_vote(place, direction, timestamp);
        let asset = self.asset.clone();
        self.tell(Event::Vote(Vote {
            asset,
            vote,
            original_format: false,
        }))
    }

    /// Votes of several agents at once; their effects.
    pub(crate) fn votes(&mut self, places: &[usize], direction: Direction) -> Vec<Effect> {
        places
            .iter()
            .flat_map(|place| self.vote(*place, direction))
            .collect()
    }

    pub(crate) fn tick_at(&mut self, seconds: i64) -> Vec<Effect> {
        self.seconds = seconds;
        self.tell(Event::Tick)
    }

    pub(crate) fn stance(&mut self, place: usize, direction: Option<Direction>) -> Vec<Effect> {
        let message = StanceMessage {
            timestamp: self.now(),
            agent: AgentRef {
                id: agent(place),
                boot_id: BootId::new("boot").unwrap(),
                sequence: 1,
            },
            scan_secs: 3_600,
            stances: vec![Stance {
                asset: self.asset.clone(),
                direction,
                expert: direction.map_or(0.0, Direction::sign) * 0.5,
            }],
        };
        self.tell(Event::Stances(message))
    }

    pub(crate) fn fill(&mut self, purpose: Purpose) -> Vec<Effect> {
        let now = self.now();
        self.tell(Event::OrderEnded {
            asset: self.asset.clone(),
            purpose,
            filled: Decimal::ONE,
            filled_at: Some(now),
            position_left: purpose == Purpose::Open,
        })
    }

    /// Opens and fills a position by the first three agents.
    pub(crate) fn open(&mut self, direction: Direction) {
        let effects = self.votes(&[0, 1, 2], direction);
        let effects = if effects.is_empty() {
            self.tell(Event::InstantComplete)
        } else {
            effects
        };
        assert_eq!(order(&effects).purpose, Purpose::Open);
        self.fill(Purpose::Open);
        assert_eq!(self.consensus.held_direction(&self.asset), Some(direction));
    }

    pub(crate) fn alive(&mut self, places: &[usize]) -> Vec<Effect> {
        let alive: BTreeSet<AgentId> = places.iter().map(|place| agent(*place)).collect();
        self.tell(Event::Liveness(alive))
    }
}

/// The one order among the effects.
pub(crate) fn order(effects: &[Effect]) -> &OrderProposal {
    match effects {
        [Effect::Order(proposal)] => proposal,
        other => panic!("expected one order, got {other:?}"),
    }
}

/// The records of all rounds that the effects close.
pub(crate) fn records(effects: &[Effect]) -> Vec<&RoundRecord> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::NearMiss(record) => Some(record.as_ref()),
            Effect::Order(proposal) => Some(&proposal.record),
            _ => None,
        })
        .collect()
}

/// The one record among the effects.
pub(crate) fn record(effects: &[Effect]) -> &RoundRecord {
    match records(effects).as_slice() {
        [record] => record,
        other => panic!("expected one record, got {other:?}"),
    }
}
