//! Live: wall time, votes as they come.

use rawe_core::channels::{CONTROL_STREAM, SIGNALS_STREAM};
use rawe_core::control::{ControlCommand, ControlMessage};
use rawe_core::{ArbitrageSignal, Direction, RoundOutcome};
use rawe_execution::broker::Rejection;
use rawe_execution::journal::{JournalEntry, Resolution};
use rawe_execution::testing::SubmitFault;
use rawe_runtime::wall_now;
use rust_decimal::Decimal;

use crate::house::{AGENTS, House, symbol};

#[tokio::test]
async fn three_who_agree_buy_and_everything_is_on_record() {
    let mut house = House::running(&[]).await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    let round = house.rounds_reach(1).await.remove(0);
    assert_eq!(round.outcome, RoundOutcome::Opened, "{}", round.reason);
    assert_eq!(round.notional, Some(Decimal::from(1_000)));
    let orders = house.broker.orders();
    assert_eq!(orders.len(), 1);
    let id = round.client_order_id.unwrap();
    assert_eq!(orders[0].client_order_id, id.as_str());
    house.count_reaches("positions_opened", 1).await;
    house.count_reaches("orders_accepted", 1).await;
    assert_eq!(
        house.entries::<ArbitrageSignal>(SIGNALS_STREAM).await.len(),
        3
    );
    let rounds = house.journalled(|entry| match entry {
        JournalEntry::Round(round) => Some(round.clone()),
        _ => None,
    });
    assert_eq!(rounds.len(), 1);
    let intents = house.journalled(|entry| match entry {
        JournalEntry::Intent(intent) => Some(intent.clone()),
        _ => None,
    });
    assert_eq!(intents.len(), 1);
    assert!(matches!(
        house.resolutions().as_slice(),
        [Resolution::Terminal(_)]
    ));
    // The same trade does not fire again.
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    house.stop().await;
    assert_eq!(house.broker.orders().len(), 1);
}

#[tokio::test]
async fn two_who_agree_do_nothing_and_leave_a_record() {
    let mut house = House::running(&["--window-ms", "300"]).await;
    house.vote(&AGENTS[..2], "AAPL", Direction::Long).await;
    house.vote(&AGENTS[2..3], "AAPL", Direction::Short).await;
    let round = house.rounds_reach(1).await.remove(0);
    assert_eq!(round.outcome, RoundOutcome::NoQuorum);
    assert_eq!(round.votes.len(), 3);
    assert!(house.broker.sent().is_empty());
    house.count_reaches("near_miss.NO_QUORUM", 1).await;
}

#[tokio::test]
async fn rubbish_is_refused_counted_and_harms_nothing() {
    let mut house = House::running(&[]).await;
    house.publish(b"not json").await;
    house.publish(b"[1, 2, 3]").await;
    house.publish(&vec![b'x'; 100_000]).await;
    let now = wall_now();
    let mut stranger = house.signal(AGENTS[0], "AAPL", Direction::Long, now);
    stranger.agent = None;
    stranger.metadata.agent_name = "Mallory".to_owned();
    house.publish(&serde_json::to_vec(&stranger).unwrap()).await;
    house.vote(&AGENTS[..3], "NOSUCH", Direction::Long).await;
    for (code, count) in [
        ("NOT_JSON", 1),
        ("NOT_AN_OBJECT", 1),
        ("TOO_LARGE", 1),
        ("NOT_ON_ROSTER", 1),
    ] {
        house.count_reaches(&format!("refused.{code}"), count).await;
    }
    house.count_reaches("refused.UNKNOWN_SYMBOL", 3).await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(house.rounds_reach(1).await[0].outcome, RoundOutcome::Opened);
    house
        .until("received = applied + refused", |beat| {
            let sum = |prefix: &str| -> u64 {
                let named = beat
                    .counters
                    .iter()
                    .filter(|(name, _)| name.starts_with(prefix));
                named.map(|(_, count)| *count).sum()
            };
            sum("received") == 10 && sum("applied") == 3 && sum("refused.") == 7
        })
        .await;
}

#[tokio::test]
async fn a_message_in_the_original_format_is_a_vote_unless_its_agent_lives() {
    let mut house = House::new(&[]);
    house.agents_live(&AGENTS[3..]).await;
    house.start().await;
    let names = [
        "The Alpha Aggressor",
        "The Balanced Arbitrator",
        "The Conservative Guardian",
    ];
    for name in ["The Flux Follower", names[0], names[1], names[2]] {
        let mut signal = house.signal(AGENTS[0], "BTC/USD", Direction::Long, wall_now());
        signal.agent = None;
        signal.metadata.agent_name = name.to_owned();
        signal.ttl_ms = None;
        house.publish(&serde_json::to_vec(&signal).unwrap()).await;
    }
    assert_eq!(house.rounds_reach(1).await[0].outcome, RoundOutcome::Opened);
    house.count_reaches("refused.AGENT_ACTIVE", 1).await;
    assert_eq!(house.broker.orders().len(), 1);
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_looked_up_and_never_sent_twice() {
    let mut house = House::running(&[]).await;
    house.broker.script([SubmitFault::LostAfter]);
    house.broker.hide_lookups(2);
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(house.rounds_reach(1).await[0].outcome, RoundOutcome::Opened);
    house.count_reaches("positions_opened", 1).await;
    assert_eq!(house.broker.sent().len(), 1);
    assert_eq!(house.broker.orders().len(), 1);
}

#[tokio::test]
async fn a_refused_order_is_told_and_not_tried_again_at_once() {
    let mut house = House::running(&[]).await;
    let message = "insufficient buying power".to_owned();
    house.broker.script([SubmitFault::Refuse(Rejection {
        status: 403,
        code: None,
        message,
    })]);
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    let round = house.rounds_reach(1).await.remove(0);
    assert_eq!(round.outcome, RoundOutcome::BrokerRejected);
    assert!(
        round.reason.contains("insufficient buying power"),
        "{}",
        round.reason
    );
    let later = wall_now() + chrono::TimeDelta::milliseconds(1_500);
    // Just ahead of us, within what is allowed, and outside of the decided round.
    house
        .vote_at(&AGENTS[..3], "AAPL", Direction::Long, later)
        .await;
    house.count_reaches("applied", 6).await;
    assert_eq!(house.broker.sent().len(), 1);
}

#[tokio::test]
async fn a_halt_by_bus_or_by_file_stops_orders_and_a_resume_allows_them() {
    let mut house = House::running(&[]).await;
    let say = |command| ControlMessage::new(command, wall_now(), "drill");
    house
        .append(CONTROL_STREAM, &say(ControlCommand::Halt))
        .await;
    house
        .until("halted", |beat| {
            beat.state == rawe_core::ProcessState::Halted
        })
        .await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(house.rounds_reach(1).await[0].outcome, RoundOutcome::Halted);
    house
        .append(CONTROL_STREAM, &say(ControlCommand::Resume))
        .await;
    house
        .until("running", |beat| {
            beat.state == rawe_core::ProcessState::Running
        })
        .await;
    let file = house.folder.path().join("HALT");
    std::fs::write(&file, "").unwrap();
    house.vote(&AGENTS[..3], "MSFT", Direction::Long).await;
    assert_eq!(house.rounds_reach(2).await[1].outcome, RoundOutcome::Halted);
    std::fs::remove_file(&file).unwrap();
    house
        .until("running", |beat| {
            beat.state == rawe_core::ProcessState::Running
        })
        .await;
    house.vote(&AGENTS[..3], "NVDA", Direction::Long).await;
    assert_eq!(house.rounds_reach(3).await[2].outcome, RoundOutcome::Opened);
    assert_eq!(house.broker.quantity(&symbol("NVDA")), Decimal::TEN);
    assert_eq!(house.broker.sent().len(), 1);
}

#[tokio::test]
async fn a_journal_that_fails_stops_all_trading() {
    let mut house = House::running(&[]).await;
    house.journal.lock().unwrap().failing = true;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(
        house.rounds_reach(1).await[0].outcome,
        RoundOutcome::JournalFailed
    );
    house.journal.lock().unwrap().failing = false;
    house
        .until("halted", |beat| {
            beat.state == rawe_core::ProcessState::Halted
        })
        .await;
    house.vote(&AGENTS[..3], "MSFT", Direction::Long).await;
    assert_eq!(house.rounds_reach(2).await[1].outcome, RoundOutcome::Halted);
    assert!(house.broker.sent().is_empty());
}

#[tokio::test]
async fn a_closed_market_means_no_stock_order_but_crypto_trades() {
    let mut house = House::new(&[]);
    house.broker.set_clock(wall_now(), false);
    house.agents_live(&AGENTS).await;
    house.start().await;
    house.vote(&AGENTS[..3], "AAPL", Direction::Long).await;
    assert_eq!(
        house.rounds_reach(1).await[0].outcome,
        RoundOutcome::MarketClosed
    );
    house.vote(&AGENTS[..3], "BTC/USD", Direction::Long).await;
    assert_eq!(house.rounds_reach(2).await[1].outcome, RoundOutcome::Opened);
}
