//! Openings that bring their exits along: what is sent, how the exits become orders of ours, what
//! they fill, and that nothing of it is lost on the way or over a restart.

use rawe_core::ClientOrderId;

use super::*;
use crate::broker::{Amount, OrderKind, OrderRequest, OrderStatus, TimeInForce};
use crate::desk::Notice;
use crate::journal::Intent;
use crate::testing::SubmitFault;

const ASSET: &str = "BRKB";

fn with_brackets(target: Option<f64>) -> DeskSettings {
    DeskSettings {
        exits: ExitRules {
            target,
            ..ExitRules::default()
        },
        ..settings()
    }
}

/// A desk over a broker that also lists a stock without fractions, at 100 USD.
fn ready_with_whole_shares(target: Option<f64>) -> DeskDriver {
    let mut driver = ready_with(with_brackets(target));
    list(&driver);
    driver.price(&symbol(ASSET), dec("100"));
    driver
}

fn list(driver: &DeskDriver) {
    let info = crate::broker::AssetInfo {
        symbol: symbol(ASSET),
        class: symbol(ASSET).class(),
        tradable: true,
        fractionable: false,
        shortable: true,
        quantity_min: None,
        quantity_increment: None,
    };
    driver.broker.list_asset(info, dec("100"));
}

/// Another process over the same broker and journal.
fn restarted(driver: DeskDriver, target: Option<f64>) -> DeskDriver {
    let mut next = DeskDriver::with(
        with_brackets(target),
        driver.broker.clone(),
        driver.journal,
        driver.now,
    );
    next.start();
    next
}

fn kinds_sent(driver: &DeskDriver) -> Vec<OrderKind> {
    let sent = driver.broker.sent().into_iter();
    sent.map(|order: OrderRequest| order.kind).collect()
}

fn legs(driver: &DeskDriver) -> Vec<Intent> {
    let entries = driver.journal.entries.iter();
    let intents = entries.filter_map(|entry| match entry {
        JournalEntry::Intent(intent) => Some(intent.clone()),
        _ => None,
    });
    intents.filter(|intent| intent.leg_of.is_some()).collect()
}

fn noticed<'a>(driver: &'a DeskDriver, event: &str) -> Vec<&'a Notice> {
    let notices = driver.notices.iter();
    notices.filter(|notice| notice.event == event).collect()
}

fn quantity(driver: &DeskDriver) -> Decimal {
    driver.desk.books().quantity(&symbol(ASSET))
}

#[test]
fn only_whole_shares_bring_their_exits_along() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    open(&mut driver, ASSET);
    open(&mut driver, "AAPL");
    open(&mut driver, "BTC/USD");
    let exits = OrderKind::WithExits {
        stop: dec("80"),
        target: Some(dec("110")),
    };
    assert_eq!(kinds_sent(&driver)[..1], [exits]);
    let sent = driver.broker.sent();
    assert_eq!(sent[0].amount, Amount::Quantity(dec("10")));
    assert_eq!(sent[0].time_in_force, TimeInForce::Gtc, "as its exits");
    assert!(
        sent[1..]
            .iter()
            .all(|order| order.kind == OrderKind::Market)
    );
    let opening = &sent[0].client_order_id;
    let legs = legs(&driver);
    let kinds: Vec<OrderKind> = legs.iter().map(|leg| leg.order.kind).collect();
    let (limit, stop) = (dec("110"), dec("80"));
    assert_eq!(
        kinds,
        [OrderKind::Limit { limit }, OrderKind::Stop { stop }]
    );
    for leg in &legs {
        assert_eq!(leg.leg_of.as_ref(), Some(opening));
        assert_eq!(leg.purpose, Purpose::Stop);
    }
    driver.pass(600);
    let sent = driver.broker.sent().into_iter();
    let beside = sent.filter(|order| order.symbol == symbol(ASSET)).count();
    assert_eq!(beside, 1, "no stop of its own beside them");
    assert_eq!(noticed(&driver, "exits_placed").len(), 1);
}

#[test]
fn an_exit_that_fills_closes_the_trade_and_ends_the_other() {
    for (price, reason) in [
        ("79", ExitReason::DisasterStop),
        ("111", ExitReason::Target),
    ] {
        let mut driver = ready_with_whole_shares(Some(0.1));
        open(&mut driver, ASSET);
        driver.broker.set_price(&symbol(ASSET), dec(price));
        driver.pass(90);
        let trades = trades(&driver);
        assert_eq!(trades.len(), 1, "{reason}");
        assert_eq!(trades[0].reason, reason);
        let closed_by = trades[0].closed_by.as_ref().map(ClientOrderId::as_str);
        assert!(
            closed_by.is_some_and(|id| id.starts_with("leg-of-")),
            "{closed_by:?}"
        );
        assert_eq!(quantity(&driver), dec("0"));
        assert_eq!(driver.desk.orders().count(), 0, "{reason}");
        assert_eq!(noticed(&driver, "stop_lost").len(), 0);
    }
}

#[test]
fn a_closing_cancels_the_exits_first() {
    let mut driver = ready_with_whole_shares(None);
    open(&mut driver, ASSET);
    driver.pass(30);
    close(&mut driver, ASSET);
    assert_eq!(driver.broker.quantity(&symbol(ASSET)), dec("0"));
    let last = kinds_sent(&driver).last().copied();
    assert_eq!(last, Some(OrderKind::Market));
    assert_eq!(trades(&driver).len(), 1);
    assert_eq!(driver.desk.orders().count(), 0);
}

#[test]
fn what_a_partly_filled_opening_leaves_gets_a_stop_of_its_own() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    driver
        .broker
        .script([SubmitFault::PartThenCanceled(dec("0.3"))]);
    open(&mut driver, ASSET);
    assert_eq!(quantity(&driver), dec("3"));
    driver.pass(90);
    let last = driver.broker.sent().pop().unwrap();
    assert_eq!(last.kind, OrderKind::Stop { stop: dec("80") });
    assert_eq!(last.amount, Amount::Quantity(dec("3")));
    assert_eq!(driver.desk.orders().count(), 1);
}

#[test]
fn an_opening_of_which_nothing_filled_leaves_nothing() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    driver
        .broker
        .script([SubmitFault::PartThenCanceled(dec("0"))]);
    open(&mut driver, ASSET);
    driver.pass(90);
    assert_eq!(driver.desk.orders().count(), 0);
    assert_eq!(quantity(&driver), dec("0"));
}

#[test]
fn exits_are_found_when_the_answer_was_lost() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    driver.broker.script([SubmitFault::LostAfter]);
    open(&mut driver, ASSET);
    assert_eq!(legs(&driver).len(), 2);
    assert_eq!(driver.desk.orders().count(), 2);
    assert_eq!(quantity(&driver), dec("10"));
}

#[test]
fn news_of_an_exit_before_the_answer_are_not_anothers() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    driver.hold_submits = true;
    open(&mut driver, ASSET);
    let sent = driver.log.iter().rev().find_map(|effect| match effect {
        DeskEffect::Submit(order) => Some((**order).clone()),
        _ => None,
    });
    driver.broker.submit_now(&sent.unwrap());
    driver.broker.set_price(&symbol(ASSET), dec("79"));
    let stop = driver.broker.orders().pop().unwrap();
    assert_eq!(stop.status, OrderStatus::Filled);
    driver.give(DeskEvent::OrderUpdate(Box::new(stop)));
    assert_eq!(
        quantity(&driver),
        dec("0"),
        "the opening's fill comes first"
    );
    let opening = driver.broker.orders().remove(0);
    driver.give(DeskEvent::OrderUpdate(Box::new(opening)));
    driver.pass(5);
    let trades = trades(&driver);
    assert_eq!(trades.len(), 1);
    assert_eq!(trades[0].reason, ExitReason::DisasterStop);
    assert_eq!(trades[0].quantity, dec("10"));
    assert_eq!(quantity(&driver), dec("0"));
}

#[test]
fn a_restart_finds_the_exits_with_and_without_the_journal() {
    for keeps in [true, false] {
        let mut driver = ready_with_whole_shares(Some(0.1));
        open(&mut driver, ASSET);
        if !keeps {
            driver.journal.entries.clear();
        }
        let mut driver = restarted(driver, Some(0.1));
        assert_eq!(driver.desk.orders().count(), 2, "journal: {keeps}");
        assert_eq!(quantity(&driver), dec("10"));
        let line = driver.desk.books().line(&symbol(ASSET)).unwrap();
        assert_eq!(line.stop_price, Some(dec("80")));
        driver.pass(120);
        assert_eq!(driver.broker.sent().len(), 1, "nothing beside them");
        driver.broker.set_price(&symbol(ASSET), dec("111"));
        driver.pass(90);
        assert_eq!(quantity(&driver), dec("0"));
        assert_eq!(driver.desk.orders().count(), 0);
    }
}

#[test]
fn exits_that_filled_while_nobody_looked_are_booked() {
    for keeps in [true, false] {
        let mut driver = ready_with_whole_shares(Some(0.1));
        open(&mut driver, ASSET);
        if !keeps {
            driver.journal.entries.clear();
        }
        driver.broker.set_price(&symbol(ASSET), dec("79"));
        let driver = restarted(driver, Some(0.1));
        assert_eq!(quantity(&driver), dec("0"), "journal: {keeps}");
        assert_eq!(driver.desk.orders().count(), 0);
        assert_eq!(noticed(&driver, "position_reconciled").len(), 0);
    }
}

#[test]
fn exits_that_the_broker_ended_are_replaced_by_a_stop() {
    let mut driver = ready_with_whole_shares(Some(0.1));
    open(&mut driver, ASSET);
    driver.broker.change_orders(|orders| {
        for order in orders.iter_mut().skip(1) {
            order.status = OrderStatus::Canceled;
        }
    });
    driver.pass(180);
    assert_eq!(noticed(&driver, "stop_lost").len(), 1);
    let last = driver.broker.sent().pop().unwrap();
    assert_eq!(last.kind, OrderKind::Stop { stop: dec("80") });
    assert_eq!(last.amount, Amount::Quantity(dec("10")));
}

#[test]
fn an_opening_that_waits_ends_with_the_session() {
    let mut driver = ready_with_whole_shares(None);
    driver.broker.script([SubmitFault::StaysWorking]);
    open(&mut driver, ASSET);
    driver.broker.set_clock(driver.now, false);
    driver.give(DeskEvent::OrderNewsFlow(true));
    for _ in 0..5 {
        driver.broker.set_clock(driver.now, false);
        driver.pass(60);
    }
    assert_eq!(driver.broker.orders()[0].status, OrderStatus::Canceled);
    assert_eq!(driver.desk.orders().count(), 0);
}
