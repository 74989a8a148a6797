//! The desk, driven against a scripted broker: one room a file.

mod control;
mod deciding;
mod exits;
mod explaining;
mod exposure;
mod interleavings;
mod legs;
mod orders;
mod polls;
mod reconciling;
mod starting;
mod waiting;

use chrono::TimeDelta;
use rawe_core::identity::round_id;
use rawe_core::{
    AgentId, ClosedTrade, Direction, ExitReason, Purpose, RoundOutcome, RoundRecord, RoundVote,
    SignalType,
};
use rust_decimal::Decimal;

use super::{at, dec, symbol};
use crate::desk::{Decision, DeskEffect, DeskEvent, DeskSettings, ExitRules, OrderNews, Question};
use crate::journal::JournalEntry;
use crate::limits::RiskLimits;
use crate::testing::DeskDriver;

fn settings() -> DeskSettings {
    DeskSettings {
        deployment: "test".into(),
        limits: RiskLimits::default(),
        exits: ExitRules {
            bracket_orders: false,
            ..ExitRules::default()
        },
        new_positions_per_hour: 3,
    }
}

/// A desk at rest over a broker that lists three assets at 100 USD.
fn ready() -> DeskDriver {
    ready_with(settings())
}

fn ready_with(settings: DeskSettings) -> DeskDriver {
    let mut driver = DeskDriver::new(settings, at(0));
    for name in ["AAPL", "MSFT", "BTC/USD"] {
        driver.broker.list(&symbol(name), dec("100"));
    }
    driver.broker.set_time(at(0));
    driver.broker.set_crypto_fee(dec("25"));
    driver.start();
    assert_eq!(driver.desk.state().0, crate::TradingState::Active);
    driver
}

fn vote(name: &str, direction: Direction) -> RoundVote {
    RoundVote {
        agent: AgentId::new(name).unwrap(),
        direction,
        timestamp: at(0),
        signal_id: None,
        signal_type: SignalType::NarrativeLeads,
        strength: 0.5,
        size: dec("1000"),
        expected_profit: 1.0,
        narrative_id: "n".into(),
        weight_millionths: 1_000_000,
    }
}

fn decision(driver: &DeskDriver, name: &str, purpose: Purpose, direction: Direction) -> Decision {
    let asset = symbol(name);
    let votes = ["alpha", "beta", "gamma"].map(|agent| vote(agent, direction));
    let outcome = if purpose == Purpose::Open {
        RoundOutcome::Opened
    } else {
        RoundOutcome::Closed
    };
    let record = RoundRecord {
        round_id: round_id(&asset, driver.now),
        asset,
        opened: driver.now,
        closed: driver.now,
        outcome,
        reason: "three agree".into(),
        direction: Some(direction),
        quorum: 3,
        votes: votes.into(),
        absences: std::collections::BTreeMap::new(),
        equivocated: vec![],
        effective_votes: None,
        purpose: Some(purpose),
        notional: Some(dec("1000")),
        expected_profit: Some(1.0),
        decision_id: None,
        client_order_id: None,
    };
    Decision {
        record,
        purpose,
        direction,
        void_after: driver.now + TimeDelta::seconds(30),
        exit: (purpose == Purpose::Close).then_some(ExitReason::SoftExit),
    }
}

fn open(driver: &mut DeskDriver, name: &str) {
    let opening = decision(driver, name, Purpose::Open, Direction::Long);
    driver.decide(opening);
}

fn close(driver: &mut DeskDriver, name: &str) {
    let closing = decision(driver, name, Purpose::Close, Direction::Long);
    driver.decide(closing);
}

/// The outcomes of refused decisions, in order.
fn refusals(driver: &DeskDriver) -> Vec<RoundOutcome> {
    let news = driver.news.iter();
    news.filter_map(|news| match news {
        OrderNews::Refused { record, .. } => record.as_ref().map(|record| record.outcome),
        _ => None,
    })
    .collect()
}

fn ended(driver: &DeskDriver) -> Vec<(Purpose, Decimal, bool)> {
    let news = driver.news.iter();
    news.filter_map(|news| match news {
        OrderNews::Ended {
            purpose,
            filled,
            position_left,
            ..
        } => Some((*purpose, *filled, *position_left)),
        _ => None,
    })
    .collect()
}

fn trades(driver: &DeskDriver) -> Vec<&ClosedTrade> {
    let entries = driver.journal.entries.iter();
    entries
        .filter_map(|entry| match entry {
            JournalEntry::Trade(trade) => Some(trade.as_ref()),
            _ => None,
        })
        .collect()
}

fn count(driver: &DeskDriver, wanted: fn(&JournalEntry) -> bool) -> usize {
    driver.journal.entries.iter().filter(|e| wanted(e)).count()
}

/// Another process over the same broker and journal.
fn restarted(driver: &DeskDriver) -> DeskDriver {
    let mut next = DeskDriver::with(
        settings(),
        driver.broker.clone(),
        driver.journal.clone(),
        driver.now,
    );
    next.start();
    next
}
