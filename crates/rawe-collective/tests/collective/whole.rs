//! The collective as a whole, over a scripted broker that answers in any order: what it decides
//! must not depend on the order, and what it is told must be accounted for.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use rawe_collective::{Collective, CollectiveSettings, Input, Output};
use rawe_consensus::ConsensusConfig;
use rawe_core::channels::{DECISIONS_STREAM, SIGNALS_STREAM};
use rawe_core::{Bar, Roster, RoundOutcome, RoundRecord, Symbol, Timeframe, Timestamp};
use rawe_execution::desk::{DeskEvent, DeskSettings, ExitRules};
use rawe_execution::journal::JournalEntry;
use rawe_execution::testing::ScriptedBroker;
use rawe_execution::{RiskLimits, TradingState};
use rust_decimal::Decimal;
use serde_json::json;

const AGENTS: [&str; 5] = [
    "alpha-aggressor",
    "balanced-arbitrator",
    "conservative-guardian",
    "flux-follower",
    "topological-observer",
];

fn start() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 3, 3, 15, 0, 0).unwrap()
}

/// A collective whose outputs are performed at once; `picks` says which of several waiting answers
/// comes next.
struct World {
    settings: CollectiveSettings,
    collective: Collective,
    broker: Arc<ScriptedBroker>,
    now: Timestamp,
    journal_fails: bool,
    answers: VecDeque<DeskEvent>,
    picks: VecDeque<usize>,
    journal: Vec<JournalEntry>,
    published: Vec<(&'static str, Vec<u8>)>,
    sent: Vec<String>,
    sequence: u64,
}

impl World {
    fn new(paced: bool, picks: Vec<usize>) -> Self {
        let roster = Roster::default();
        let rules = ConsensusConfig::default().check(&roster).unwrap();
        let desk = DeskSettings {
            deployment: "test".to_owned(),
            limits: RiskLimits::default(),
            exits: ExitRules::default(),
            new_positions_per_hour: rules.new_positions_per_hour(),
        };
        let broker = Arc::new(ScriptedBroker::new(start()));
        for (symbol, price) in [("AAPL", 100), ("MSFT", 100), ("BTC/USD", 50_000)] {
            broker.list(&Symbol::new(symbol).unwrap(), Decimal::from(price));
        }
        let settings = CollectiveSettings {
            rules,
            roster,
            desk,
        };
        let mut world = Self {
            collective: Collective::new(settings.clone()),
            settings,
            broker,
            now: start(),
            journal_fails: false,
            answers: VecDeque::new(),
            picks: picks.into(),
            journal: Vec::new(),
            published: Vec::new(),
            sent: Vec::new(),
            sequence: 0,
        };
        world.give(Input::Paced(paced));
        world.give(Input::Started(Vec::new()));
        assert_eq!(world.collective.state().0, TradingState::Active);
        world
    }

    /// A new process with the journal of the old one.
    fn restart(&mut self) {
        self.collective = Collective::new(self.settings.clone());
        self.answers.clear();
        self.give(Input::Paced(false));
        self.give(Input::Started(self.journal.clone()));
    }

    fn give(&mut self, input: Input) {
        let outputs = self.collective.apply(input, self.now);
        self.perform(outputs);
        while !self.answers.is_empty() {
            let pick = self.picks.pop_front().unwrap_or(0) % self.answers.len();
            let answer = self.answers.remove(pick).unwrap();
            let outputs = self.collective.apply(Input::Desk(answer), self.now);
            self.perform(outputs);
        }
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            let answer = match output {
                Output::Commit { ticket, .. } if self.journal_fails => {
                    DeskEvent::NotCommitted(ticket, "the disk is full".to_owned())
                }
                Output::Commit { ticket, entries } => {
                    self.journal.extend(entries);
                    DeskEvent::Committed(ticket)
                }
                Output::Ask { question, .. } => DeskEvent::Answered {
                    answer: self.broker.ask(&question),
                    question,
                },
                Output::Submit(order) => {
                    self.sent.push(order.client_order_id.to_string());
                    DeskEvent::Submitted {
                        outcome: self.broker.submit_now(&order),
                        id: order.client_order_id,
                    }
                }
                Output::Publish { stream, payload } => {
                    self.published.push((stream, payload));
                    continue;
                }
                Output::Cancel { .. } | Output::Notice(_) => continue,
            };
            self.answers.push_back(answer);
        }
    }

    fn signal(&mut self, agent: &str, asset: &str, direction: &str) -> Vec<u8> {
        self.sequence += 1;
        let trade = json!({
            "agent_name": agent, "financial_asset": asset, "direction": direction,
            "size": 1_000.0, "expected_profit": 12.0, "risk_score": 0.2,
        });
        let signal = json!({
            "timestamp": self.now, "narrative_id": "story", "financial_asset": asset,
            "signal_type": "narrative_leads", "strength": 0.6, "expected_profit": 12.0,
            "risk_score": 0.2, "metadata": trade, "ttl_ms": 60_000,
            "agent": {"id": agent, "boot_id": "boot", "sequence": self.sequence},
        });
        serde_json::to_vec(&signal).unwrap()
    }

    fn rounds(&self) -> Vec<RoundRecord> {
        let rounds = self
            .published
            .iter()
            .filter(|(s, _)| *s == DECISIONS_STREAM);
        rounds
            .map(|(_, payload)| serde_json::from_slice(payload).unwrap())
            .collect()
    }

    fn outcomes(&self) -> Vec<RoundOutcome> {
        self.rounds().iter().map(|round| round.outcome).collect()
    }
}

#[test]
fn votes_wait_for_the_brokers_word_and_become_one_order() {
    let mut world = World::new(false, Vec::new());
    for agent in &AGENTS[..3] {
        let payload = world.signal(agent, "AAPL", "long");
        world.give(Input::Message(payload));
    }
    assert_eq!(world.outcomes(), [RoundOutcome::Opened]);
    assert_eq!(world.sent.len(), 1);
    let copies = world.published.iter().filter(|(s, _)| *s == SIGNALS_STREAM);
    assert_eq!(copies.count(), 3);
    let counts = world.collective.counts();
    assert_eq!((counts.received(), counts.admission.applied), (3, 3));
    assert_eq!((counts.positions_opened, counts.orders_ended), (1, 1));
    assert!(world.collective.is_settled());
    assert_eq!(world.collective.signals_waiting(), 0);
}

#[test]
fn a_symbol_nobody_trades_refuses_its_votes_and_everything_received_is_accounted_for() {
    let mut world = World::new(false, Vec::new());
    let unknown = world.signal(AGENTS[0], "NOSUCH", "long");
    let stranger = world.signal("mallory", "AAPL", "long");
    for payload in [b"rubbish".to_vec(), unknown, stranger] {
        world.give(Input::Message(payload));
    }
    let counts = world.collective.counts();
    assert_eq!((counts.received(), counts.refused()), (3, 3));
    assert!(world.published.is_empty());
}

#[test]
fn a_round_that_fails_is_journalled_and_a_journal_that_fails_halts() {
    let mut world = World::new(false, Vec::new());
    let payload = world.signal(AGENTS[0], "AAPL", "long");
    world.give(Input::Message(payload));
    let deadline = world.collective.next_deadline().unwrap();
    world.now = deadline.max(world.now + TimeDelta::seconds(10));
    world.give(Input::Tick);
    assert_eq!(world.outcomes(), [RoundOutcome::NoQuorum]);
    let journalled = |world: &World| {
        let rounds = world.journal.iter();
        rounds
            .filter(|entry| matches!(entry, JournalEntry::Round(_)))
            .count()
    };
    assert_eq!(journalled(&world), 1);
    world.journal_fails = true;
    let payload = world.signal(AGENTS[1], "MSFT", "long");
    world.give(Input::Message(payload));
    world.now += TimeDelta::seconds(11);
    world.give(Input::Tick);
    let (state, why) = world.collective.state();
    assert_eq!(state, TradingState::Halted);
    assert!(why.contains("disk is full"), "{why}");
    assert!(world.collective.is_settled(), "nothing waits for ever");
}

fn hourly(start: Timestamp, open: f64) -> Bar {
    Bar {
        symbol: Symbol::new("AAPL").unwrap(),
        start,
        end: start + TimeDelta::hours(1),
        timeframe: Timeframe::Hour,
        open,
        high: open,
        low: open,
        close: open,
        volume: 1.0,
        backfill: false,
    }
}

#[test]
fn a_near_miss_is_judged_once_even_if_the_engine_dies_meanwhile() {
    let mut world = World::new(false, Vec::new());
    let payload = world.signal(AGENTS[0], "AAPL", "long");
    world.give(Input::Message(payload));
    world.now += TimeDelta::seconds(11);
    world.give(Input::Tick);
    assert_eq!(world.outcomes(), [RoundOutcome::NoQuorum]);
    let entered = start() + TimeDelta::hours(1);
    let judged = entered + TimeDelta::days(1);
    for (restarts, found) in [(1, 1), (2, 1)] {
        world.now = judged + TimeDelta::hours(1);
        world.restart();
        world.give(Input::Bar(hourly(entered, 100.0)));
        world.give(Input::Bar(hourly(judged, 101.0)));
        world.give(Input::Tick);
        let hindsight: Vec<f64> = world
            .journal
            .iter()
            .filter_map(|entry| match entry {
                JournalEntry::Hindsight(judgement) => Some(judgement.gross_bp),
                _ => None,
            })
            .collect();
        assert_eq!(hindsight.len(), found, "after {restarts}");
        assert!((hindsight[0] - 100.0).abs() < 1e-9, "{hindsight:?}");
    }
}

#[test]
fn another_run_forgets_everything_but_the_counts() {
    let mut world = World::new(true, Vec::new());
    for agent in &AGENTS[..3] {
        let payload = world.signal(agent, "BTC/USD", "long");
        world.give(Input::Message(payload));
    }
    world.give(Input::InstantComplete);
    assert_eq!(world.outcomes(), [RoundOutcome::Opened]);
    let first = world.sent.clone();
    world.broker = Arc::new(ScriptedBroker::new(start()));
    world
        .broker
        .list(&Symbol::new("BTC/USD").unwrap(), Decimal::from(50_000));
    world.give(Input::RunBegins {
        deployment: "test/other".to_owned(),
    });
    for agent in &AGENTS[..3] {
        let payload = world.signal(agent, "BTC/USD", "long");
        world.give(Input::Message(payload));
    }
    world.give(Input::InstantComplete);
    assert_eq!(
        world.outcomes(),
        [RoundOutcome::Opened, RoundOutcome::Opened]
    );
    assert_ne!(first[0], world.sent[1], "a run has ids of its own");
    assert_eq!(world.collective.counts().admission.applied, 6);
}

/// Plays three instants; the votes of each arrive in the order given, and the answers too.
fn play(orders: &[Vec<usize>], picks: Vec<usize>) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut world = World::new(true, picks);
    for order in orders {
        world.now += TimeDelta::hours(1);
        world.broker.set_clock(world.now, true);
        let mut messages = Vec::new();
        for (place, agent) in AGENTS.iter().enumerate() {
            for asset in ["MSFT", "AAPL", "BTC/USD"] {
                let direction = if place == 3 { "short" } else { "long" };
                messages.push(world.signal(agent, asset, direction));
            }
        }
        for place in order {
            world.give(Input::Message(messages[*place].clone()));
        }
        world.give(Input::InstantComplete);
        assert!(world.collective.is_settled());
    }
    let decisions = world.published.into_iter();
    let decisions = decisions.filter(|(stream, _)| *stream == DECISIONS_STREAM);
    (decisions.map(|(_, payload)| payload).collect(), world.sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn neither_the_order_of_votes_nor_of_answers_changes_what_a_replay_decides(
        orders in prop::collection::vec(Just((0..15).collect::<Vec<usize>>()).prop_shuffle(), 3),
        picks in prop::collection::vec(0..8_usize, 0..200),
    ) {
        let straight: Vec<Vec<usize>> = vec![(0..15).collect(); 3];
        let (decisions, sent) = play(&straight, Vec::new());
        prop_assert!(decisions.len() == 9 && sent.len() == 3);
        prop_assert_eq!(play(&orders, picks), (decisions, sent));
    }
}

/// While the broker is asked about one asset, what an agent says of another makes no replay of what
/// it said of the first; a real replay of it is still one.
#[test]
fn a_vote_that_waits_for_its_asset_keeps_its_place() {
    let mut world = World::new(false, Vec::new());
    let known = world.signal(AGENTS[3], "AAPL", "long");
    world.give(Input::Message(known));
    let mut outputs = Vec::new();
    let mut captured = Vec::new();
    for agent in &AGENTS[..3] {
        for asset in ["MSFT", "AAPL"] {
            let message = world.signal(agent, asset, "long");
            captured.push(message.clone());
            outputs.extend(world.collective.apply(Input::Message(message), world.now));
        }
    }
    world.perform(outputs);
    world.give(Input::Tick);
    assert_eq!(world.sent.len(), 2, "both assets have their quorum");
    assert_eq!(world.collective.counts().refused(), 0);
    for message in captured {
        world.give(Input::Message(message));
    }
    assert_eq!(world.collective.counts().refused(), 6);
    assert_eq!(world.sent.len(), 2);
}
