//! Invariants across the modules: an order is sent once, whatever fails and wherever it stops.

mod build;
mod chain;
mod desk;
mod gate;
mod submission;
mod submission_news;
mod tracker;

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_core::{DecisionId, Direction, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{
    Account, AssetInfo, BrokerClock, OrderReport, OrderStatus, PositionReport, Side,
};
use crate::build::OrderIntentInput;
use crate::gate::{ApprovedOrder, Exposure, Gate, GateInput, TradingState};
use crate::limits::RiskLimits;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub(crate) fn decision(
    name: &str,
    purpose: Purpose,
    direction: Direction,
    usd: &str,
) -> OrderIntentInput {
    let symbol = symbol(name);
    let id = DecisionId::derive("test", &symbol, purpose, None);
    OrderIntentInput {
        client_order_id: id.client_order_id(),
        purpose,
        symbol,
        direction,
        notional: dec(usd),
        quantity_limit: None,
    }
}

pub(crate) fn asset(name: &str) -> AssetInfo {
    let symbol = symbol(name);
    let crypto = name.contains('/');
    AssetInfo {
        class: symbol.class(),
        symbol,
        tradable: true,
        fractionable: true,
        shortable: !crypto,
        quantity_min: crypto.then(|| dec("0.001")),
        quantity_increment: crypto.then(|| dec("0.0001")),
    }
}

pub(crate) fn position(name: &str, quantity: &str, available: &str) -> PositionReport {
    PositionReport {
        symbol: symbol(name),
        quantity: dec(quantity),
        quantity_available: dec(available),
        average_entry_price: dec("100"),
        market_value: dec(quantity) * dec("100"),
    }
}

pub(crate) fn account() -> Account {
    Account {
        id: "a".into(),
        can_trade: true,
        shorting_enabled: true,
        equity: dec("100000"),
        cash: dec("100000"),
        buying_power: dec("200000"),
        non_marginable_buying_power: dec("100000"),
    }
}

pub(crate) fn open_clock() -> BrokerClock {
    BrokerClock {
        timestamp: at(0),
        is_open: true,
        next_open: at(1),
        next_close: at(2),
    }
}

/// An opening of 1,000 USD of AAPL that passed the gate, void after 60 s.
pub(crate) fn approved() -> ApprovedOrder {
    let (asset, account, clock) = (asset("AAPL"), account(), open_clock());
    let decision = decision("AAPL", Purpose::Open, Direction::Long, "1000");
    let input = GateInput {
        now: at(0),
        state: TradingState::Active,
        reconciled: true,
        clock_skew_secs: 0,
        clock: Some(&clock),
        account: &account,
        reserved: Decimal::ZERO,
        asset: &asset,
        in_flight: false,
        position: None,
        price: Some((dec("100"), at(0))),
        exposure: Exposure::default(),
        sent_last_minute: 0,
        opened_last_hour: 0,
        day_result: Decimal::ZERO,
        decision: &decision,
        void_after: at(60),
    };
    Gate::new(RiskLimits::default(), 3).check(&input).unwrap()
}

pub(crate) fn report(client_order_id: &str, status: OrderStatus, filled: &str) -> OrderReport {
    OrderReport {
        broker_order_id: "b".into(),
        client_order_id: client_order_id.into(),
        symbol: symbol("AAPL"),
        side: Side::Buy,
        status,
        quantity: Some(dec("10")),
        notional: None,
        filled_quantity: dec(filled),
        filled_average_price: (filled != "0").then(|| dec("100")),
        submitted_at: Some(at(0)),
        filled_at: None,
        updated_at: Some(at(0)),
        legs: Vec::new(),
    }
}
