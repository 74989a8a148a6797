//! Crash-only: whatever the moment of the end, nothing is ever sent twice.

use rawe_core::{DecisionId, Direction, Purpose, RoundOutcome};
use rawe_execution::broker::{Amount, Broker, OrderRequest, Side, TimeInForce};
use rawe_execution::journal::{Intent, Journal as _, JournalEntry, Resolution};
use rawe_execution::testing::{MemoryJournal, SubmitFault};
use rawe_runtime::wall_now;
use rust_decimal::Decimal;

use crate::house::{AGENTS, House, symbol};

fn intent() -> Intent {
    let decision_id = DecisionId::derive("local", &symbol("AAPL"), Purpose::Open, None);
    let now = wall_now();
    Intent {
        round_id: "round".to_owned(),
        purpose: Purpose::Open,
        order: OrderRequest {
            client_order_id: decision_id.client_order_id(),
            symbol: symbol("AAPL"),
            side: Side::Buy,
            closes: false,
            amount: Amount::Notional(Decimal::from(1_000)),
            time_in_force: TimeInForce::Day,
            kind: rawe_execution::broker::OrderKind::Market,
        },
        decision_id,
        decided_at: now,
        void_after: now + chrono::TimeDelta::seconds(60),
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_was_never_sent_is_resolved_and_not_sent() {
    let mut house = House::new(&[]);
    house
        .journal
        .lock()
        .unwrap()
        .commit(&[JournalEntry::Intent(intent())])
        .unwrap();
    house.agents_live(&AGENTS).await;
    house.start().await;
    assert!(house.broker.sent().is_empty());
    assert!(matches!(
        house.resolutions().as_slice(),
        [Resolution::NeverSent { .. }]
    ));
}

#[tokio::test]
async fn an_intent_whose_order_arrived_is_a_position_after_the_restart() {
    let mut house = House::new(&[]);
    house
        .journal
        .lock()
        .unwrap()
        .commit(&[JournalEntry::Intent(intent())])
        .unwrap();
    house.broker.submit(&intent().order).await;
    house.agents_live(&AGENTS).await;
    house.start().await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(
        house.rounds_reach(1).await[0].outcome,
        RoundOutcome::AlreadyHeld
    );
    assert_eq!(house.broker.sent().len(), 1);
    assert!(matches!(
        house.resolutions().as_slice(),
        [Resolution::Terminal(_)]
    ));
}

#[tokio::test]
async fn killed_while_an_order_works_the_next_start_follows_it() {
    let mut house = House::running(&[]).await;
    house.broker.script([SubmitFault::StaysWorking]);
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    house.rounds_reach(1).await;
    house.kill().await;
    house.start().await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(
        house.rounds_reach(2).await[1].outcome,
        RoundOutcome::InFlight
    );
    house.broker.fill_working();
    house.count_reaches("positions_opened", 1).await;
    assert_eq!(house.broker.sent().len(), 1);
}

#[tokio::test]
async fn a_lost_journal_orders_nothing_twice() {
    let mut house = House::running(&[]).await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    house.count_reaches("positions_opened", 1).await;
    house.stop().await;
    *house.journal.lock().unwrap() = MemoryJournal::default();
    house.start().await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(
        house.rounds_reach(2).await[1].outcome,
        RoundOutcome::AlreadyHeld
    );
    assert_eq!(house.broker.orders().len(), 1);
}

#[tokio::test]
async fn two_engines_with_one_name_order_once() {
    let mut house = House::running(&[]).await;
    let mut other = House::new(&[]);
    other.broker = house.broker.clone();
    other.agents_live(&AGENTS).await;
    other.start().await;
    let now = wall_now();
    for agent in &AGENTS[..3] {
        house.vote_at(&[agent], "AAPL", Direction::Long, now).await;
        other.vote_at(&[agent], "AAPL", Direction::Long, now).await;
    }
    house.rounds_reach(1).await;
    other.rounds_reach(1).await;
    house.stop().await;
    other.stop().await;
    assert_eq!(house.broker.orders().len(), 1, "the broker knows the id");
}
