//! Replays: the engine keeps step, decides complete rounds, acknowledges last.

use std::time::Duration;

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, DECISIONS_STREAM, STANCES_STREAM};
use rawe_core::{
    Acknowledgement, AgentId, AgentRef, BootId, ClockInstant, ClockMode, Direction, RoundOutcome,
    RoundRecord, Stance, StanceMessage, Timestamp,
};

use crate::house::{AGENTS, House, symbol};

fn hour(n: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2015, 3, 3, 15, 0, 0).unwrap() + TimeDelta::hours(n)
}

struct Replay {
    house: House,
    published: [u64; 5],
    step: u64,
}

impl Replay {
    async fn new() -> Self {
        let house = House::running(&[]).await;
        let mut replay = Self {
            house,
            published: [0; 5],
            step: 0,
        };
        replay.announce(ClockMode::WarmedUp, hour(0)).await;
        replay.acknowledge_all().await;
        replay.engine_keeps_step().await;
        replay
    }

    async fn announce(&mut self, mode: ClockMode, instant: Timestamp) {
        self.house.broker.set_clock(instant, true);
        let instant = ClockInstant {
            step: self.step,
            instant,
            mode,
            paced: true,
            run_id: "seed-7".to_owned(),
            bars_through: "0-0".to_owned(),
            news_through: "0-0".to_owned(),
        };
        self.house.append(CLOCK_STREAM, &instant).await;
    }

    async fn acknowledge(&self, place: usize) {
        let ack = Acknowledgement {
            participant: AGENTS[place].to_owned(),
            step: self.step,
            published: self.published[place],
            boot_id: format!("boot{place}"),
            next_timer: None,
        };
        self.house.append(ACKS_STREAM, &ack).await;
    }

    async fn acknowledge_all(&self) {
        for place in 0..5 {
            self.acknowledge(place).await;
        }
    }

    async fn vote(&mut self, place: usize, asset: &str, direction: Direction, at: Timestamp) {
        let mut signal = self.house.signal(AGENTS[place], asset, direction, at);
        self.published[place] += 1;
        signal.agent = Some(AgentRef {
            id: AgentId::new(AGENTS[place]).unwrap(),
            boot_id: BootId::new(&format!("boot{place}")).unwrap(),
            sequence: self.published[place],
        });
        self.house
            .publish(&serde_json::to_vec(&signal).unwrap())
            .await;
    }

    async fn stance(&self, place: usize, direction: Option<Direction>, at: Timestamp) {
        let message = StanceMessage {
            timestamp: at,
            agent: AgentRef {
                id: AgentId::new(AGENTS[place]).unwrap(),
                boot_id: BootId::new(&format!("boot{place}")).unwrap(),
                sequence: 1,
            },
            scan_secs: 3_600,
            stances: vec![Stance {
                asset: symbol("BTC/USD"),
                direction,
                expert: 0.0,
            }],
        };
        self.house.append(STANCES_STREAM, &message).await;
    }

    async fn engine_acks(&self) -> Vec<u64> {
        let acks: Vec<Acknowledgement> = self.house.entries(ACKS_STREAM).await;
        let own = acks
            .iter()
            .filter(|ack| ack.participant == "consensus-engine");
        own.map(|ack| ack.step).collect()
    }

    /// Waits for the engine's word on this step.
    async fn engine_keeps_step(&mut self) {
        let started = std::time::Instant::now();
        while self.engine_acks().await.last() != Some(&self.step) {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "no word on step {}",
                self.step
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.step += 1;
    }
}

#[tokio::test]
async fn an_instant_is_decided_when_all_is_in_and_acknowledged_when_orders_are_settled() {
    let mut replay = Replay::new().await;
    let now = hour(1);
    replay.announce(ClockMode::Paced, now).await;
    for place in [4, 2, 0, 1] {
        replay.vote(place, "BTC/USD", Direction::Long, now).await;
    }
    for place in 0..4 {
        replay.acknowledge(place).await;
    }
    replay.stance(0, Some(Direction::Long), now).await;
    replay.house.count_reaches("stances", 1).await;
    assert_eq!(replay.engine_acks().await, [0], "the fifth has not spoken");
    replay.acknowledge(4).await;
    replay.engine_keeps_step().await;
    let rounds = replay.house.rounds().await;
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].outcome, RoundOutcome::Opened);
    assert_eq!(rounds[0].votes.len(), 4, "complete, not early");
    assert_eq!(
        replay.house.broker.orders().len(),
        1,
        "settled before the acknowledgement"
    );
}

#[tokio::test]
async fn the_soft_exit_and_the_end_of_a_replay() {
    let mut replay = Replay::new().await;
    for n in 1..=14 {
        let now = hour(n);
        replay.announce(ClockMode::Paced, now).await;
        let direction = (n < 14).then_some(Direction::Long);
        for place in 0..5 {
            replay.stance(place, direction, now).await;
        }
        if n == 1 {
            for place in 0..3 {
                replay.vote(place, "BTC/USD", Direction::Long, now).await;
            }
        }
        replay.acknowledge_all().await;
        replay.engine_keeps_step().await;
    }
    let outcomes: Vec<RoundOutcome> = replay
        .house
        .rounds()
        .await
        .iter()
        .map(|round| round.outcome)
        .collect();
    assert_eq!(outcomes, [RoundOutcome::Opened, RoundOutcome::Closed]);
    assert!(replay.house.broker.quantity(&symbol("BTC/USD")).is_zero());
    replay.announce(ClockMode::Ended, hour(15)).await;
    replay.acknowledge_all().await;
    replay.engine_keeps_step().await;
    replay
        .house
        .until("ended", |beat| beat.state == rawe_core::ProcessState::Ended)
        .await;
}

#[tokio::test]
async fn the_same_votes_in_another_order_leave_the_same_records() {
    let mut runs: Vec<Vec<RoundRecord>> = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]] {
        let mut replay = Replay::new().await;
        for n in 1..=3 {
            let now = hour(n);
            replay.announce(ClockMode::Paced, now).await;
            for place in order {
                let direction = if place == 3 {
                    Direction::Short
                } else {
                    Direction::Long
                };
                for asset in ["AAPL", "BTC/USD", "MSFT"] {
                    replay.vote(place, asset, direction, now).await;
                }
            }
            for place in order {
                replay.acknowledge(place).await;
            }
            replay.engine_keeps_step().await;
        }
        runs.push(replay.house.entries(DECISIONS_STREAM).await);
    }
    assert_eq!(runs[0].len(), 9);
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn an_engine_that_restarts_in_a_replay_keeps_step_again() {
    let mut replay = Replay::new().await;
    let now = hour(1);
    replay.announce(ClockMode::Paced, now).await;
    for place in 0..3 {
        replay.vote(place, "BTC/USD", Direction::Long, now).await;
    }
    replay.acknowledge_all().await;
    replay.engine_keeps_step().await;
    replay.house.kill().await;
    replay.announce(ClockMode::Paced, hour(2)).await;
    replay.acknowledge_all().await;
    replay.house.start().await;
    replay.engine_keeps_step().await;
    let now = hour(3);
    replay.announce(ClockMode::Paced, now).await;
    for place in 0..3 {
        replay.vote(place, "BTC/USD", Direction::Long, now).await;
    }
    replay.acknowledge_all().await;
    replay.engine_keeps_step().await;
    let rounds = replay.house.rounds().await;
    assert_eq!(rounds.last().unwrap().outcome, RoundOutcome::AlreadyHeld);
    assert_eq!(replay.house.broker.orders().len(), 1);
}
