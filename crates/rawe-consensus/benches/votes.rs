//! What one vote costs, from bytes to the engine's state: `cargo bench -p rawe-consensus`.
//!
//! Rounds of three or five votes on fresh assets, each decided, filled and held, while 0, 5,000 or
//! 50,000 lone proposals stand open on other assets. After every message the next deadline is
//! asked for, after every tenth a tick is applied, as the shell does. Throughput is in messages;
//! time is that of the processor, so that a busy machine tells nearly the same.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros write no documentation, and a benchmark may fail"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use chrono::{TimeDelta, TimeZone, Utc};
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nix::time::{ClockId, clock_gettime};
use rawe_consensus::{
    Admission, AssetFacts, Consensus, ConsensusConfig, Effect, Event, MarketHours, Reception,
    Trading, Universe, Vote, Voting,
};
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{
    AgentId, AgentRef, ArbitrageSignal, BootId, Direction, ProposedTrade, Roster, SignalType,
    Symbol, Timestamp, parse_signal,
};
use rust_decimal::Decimal;

/// The time this thread has spent on a processor.
struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
    }

    fn end(&self, started: Duration) -> Duration {
        self.start().saturating_sub(started)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Rounds of one measured batch.
const ROUNDS: usize = 400;

fn start() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 6, 15, 0, 0).unwrap()
}

/// The `number`-th asset: four letters and a class of stocks.
fn asset(prefix: char, number: usize) -> Symbol {
    Symbol::new(&format!("{prefix}{number:05}")).unwrap()
}

fn signal(agent: usize, sequence: u64, asset: Symbol, at: Timestamp) -> ArbitrageSignal {
    let (id, name) = FOUNDING_AGENTS[agent];
    let narrative = "n-3f9ac1d2e07b4c55".to_owned();
    ArbitrageSignal {
        timestamp: at,
        narrative_id: narrative.clone(),
        financial_asset: asset.clone(),
        signal_type: SignalType::NarrativeLeads,
        strength: 0.61,
        expected_profit: 37.5,
        risk_score: 0.31,
        metadata: ProposedTrade {
            agent_name: name.to_owned(),
            financial_asset: asset,
            direction: Direction::Long,
            size: Decimal::from(1_000),
            expected_profit: 37.5,
            risk_score: 0.31,
            timestamp: Some(at),
            narrative_id: Some(narrative),
            strategy: Some("crowd_attention".to_owned()),
            confidence: Some(0.74),
            horizon_secs: Some(86_400),
            metadata: serde_json::json!({
                "nvx": 1.8123, "sentiment": 0.42, "coherence": "B", "entropy": 2.31,
                "velocity": 0.0041, "items": ["t-1234567", "t-1234568", "t-1234569"]
            })
            .as_object()
            .unwrap()
            .clone(),
        },
        version: 1,
        signal_id: Some(format!("018f5d2e-7c1a-7b3e-9a44-{sequence:012}")),
        agent: Some(AgentRef {
            id: AgentId::new(id).unwrap(),
            boot_id: BootId::new("018f5d2e7c1a7b3e9a44c0ffee000001").unwrap(),
            sequence,
        }),
        ttl_ms: Some(60_000),
        signature: None,
        timestamp_was_naive: false,
    }
}

/// An engine's inside with `held` lone proposals that stand for an hour.
#[derive(Clone)]
struct Inside {
    admission: Admission,
    consensus: Consensus,
    alive: BTreeSet<AgentId>,
    now: Timestamp,
}

impl Inside {
    fn new(held: usize, voting: Voting) -> Self {
        let config = ConsensusConfig {
            window_ms: 3_600_000,
            ttl_ms_max: 3_600_000,
            new_positions_per_hour: 1_000_000,
            voting,
            ..ConsensusConfig::default()
        };
        let roster = Roster::default();
        let rules = config.check(&roster).unwrap();
        let mut inside = Self {
            admission: Admission::new(rules.clone(), roster.clone()),
            consensus: Consensus::new(rules, roster),
            alive: FOUNDING_AGENTS
                .iter()
                .map(|(id, _)| AgentId::new(id).unwrap())
                .collect(),
            now: start(),
        };
        let until = start() + TimeDelta::days(1);
        inside.tell(Event::Trading(Trading::Active));
        inside.tell(Event::Market(Some(MarketHours {
            is_open: true,
            until,
        })));
        for number in 0..ROUNDS {
            let facts = AssetFacts {
                tradable: true,
                shortable: true,
            };
            inside.tell(Event::Asset(asset('R', number), Some(facts)));
        }
        for number in 0..held {
            let lone = signal(0, 0, asset('H', number), start());
            inside.tell(Event::Vote(vote(&lone)));
        }
        inside
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.consensus.apply(event, self.now)
    }

    /// One message, as the shell handles it.
    fn take(&mut self, payload: &[u8], place: usize) {
        self.now = start() + TimeDelta::milliseconds(i64::try_from(place).unwrap());
        let checked = self.admission.read(payload).unwrap();
        let reception = Reception {
            now: self.now,
            virtual_clock: false,
            alive: &self.alive,
            universe: Universe::Inside,
        };
        let vote = self.admission.admit(&checked, reception).unwrap();
        for effect in self.tell(Event::Vote(vote)) {
            let Effect::Order(proposal) = effect else {
                continue;
            };
            let filled_at = Some(self.now);
            self.tell(Event::OrderEnded {
                asset: proposal.record.asset.clone(),
                purpose: proposal.purpose,
                filled: Decimal::ONE,
                filled_at,
                position_left: true,
            });
        }
        black_box(self.consensus.next_deadline());
        if place.is_multiple_of(10) {
            black_box(self.tell(Event::Tick));
        }
    }
}

fn vote(signal: &ArbitrageSignal) -> Vote {
    Vote {
        asset: signal.financial_asset.clone(),
        original_format: false,
        vote: rawe_core::RoundVote {
            agent: signal.agent.as_ref().unwrap().id.clone(),
            direction: signal.metadata.direction,
            timestamp: signal.timestamp,
            signal_id: signal.signal_id.clone(),
            signal_type: signal.signal_type,
            strength: signal.strength,
            size: signal.metadata.size,
            expected_profit: signal.expected_profit,
            narrative_id: signal.narrative_id.clone(),
            weight_millionths: 1_000_000,
        },
    }
}

fn payloads(votes_a_round: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for number in 0..ROUNDS {
        for agent in 0..votes_a_round {
            let sequence = u64::try_from(number + 1).unwrap();
            let at = start() + TimeDelta::milliseconds(i64::try_from(payloads.len()).unwrap());
            let signal = signal(agent, sequence, asset('R', number), at);
            payloads.push(serde_json::to_vec(&signal).unwrap());
        }
    }
    payloads
}

fn whole_path(criterion: &mut Criterion<ProcessorTime>) {
    for votes_a_round in [3, 5] {
        let payloads = payloads(votes_a_round);
        let mut group = criterion.benchmark_group(format!("path, {votes_a_round} votes a round"));
        group.throughput(Throughput::Elements(payloads.len() as u64));
        for held in [0, 5_000, 50_000] {
            let inside = Inside::new(held, Voting::Headcount);
            group.bench_with_input(BenchmarkId::new("held", held), &inside, |bench, inside| {
                bench.iter_batched_ref(
                    || inside.clone(),
                    |inside| {
                        for (place, payload) in payloads.iter().enumerate() {
                            inside.take(payload, place);
                        }
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn parts(criterion: &mut Criterion<ProcessorTime>) {
    let payloads = payloads(3);
    let mut group = criterion.benchmark_group("parts");
    group.throughput(Throughput::Elements(payloads.len() as u64));
    group.bench_function("parse", |bench| {
        bench.iter(|| {
            for payload in &payloads {
                black_box(parse_signal(payload).unwrap());
            }
        });
    });
    // What a general reader of JSON takes for the same bytes: a measure for the machine.
    group.bench_function("json value", |bench| {
        bench.iter(|| {
            for payload in &payloads {
                black_box(serde_json::from_slice::<serde_json::Value>(payload).unwrap());
            }
        });
    });
    let votes: Vec<Vote> = payloads
        .iter()
        .map(|payload| vote(&parse_signal(payload).unwrap()))
        .collect();
    for (name, voting) in [("headcount", Voting::Headcount), ("earned", Voting::Earned)] {
        let inside = Inside::new(5_000, voting);
        group.bench_function(BenchmarkId::new("apply", name), |bench| {
            bench.iter_batched_ref(
                || (inside.clone(), votes.clone()),
                |(inside, votes)| {
                    for vote in votes.drain(..) {
                        black_box(inside.tell(Event::Vote(vote)));
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = whole_path, parts
}
criterion_main!(benches);
