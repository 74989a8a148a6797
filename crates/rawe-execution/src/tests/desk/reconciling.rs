//! What the broker holds against what the books say.

use super::*;
use crate::broker::{BrokerError, OrderReport, OrderStatus, Side};
use crate::desk::{Answer, HeldPosition};
use crate::testing::SubmitFault;

fn line(driver: &DeskDriver, name: &str) -> (Decimal, Decimal) {
    let line = driver.desk.books().line(&symbol(name)).unwrap();
    (line.quantity, line.foreign_quantity)
}

fn holding(driver: &DeskDriver) -> Option<HeldPosition> {
    let news = driver.news.iter().rev();
    let mut holdings = news.filter_map(|news| match news {
        OrderNews::Holding { position, .. } => Some(position.clone()),
        _ => None,
    });
    holdings.next().unwrap()
}

fn foreign(name: &str, side: Side, notional: &str) -> OrderReport {
    let mut order = crate::tests::report("manual-1", OrderStatus::Working, "0");
    order.symbol = symbol(name);
    (order.quantity, order.notional) = (None, Some(dec(notional)));
    order.side = side;
    order
}

#[test]
fn a_fee_in_coin_is_corrected() {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    let mut driver = ready_with(settings);
    driver.broker.set_crypto_fee(dec("40"));
    open(&mut driver, "BTC/USD");
    assert_eq!(
        line(&driver, "BTC/USD"),
        (dec("9.975"), dec("0")),
        "as expected"
    );
    driver.pass(20);
    assert_eq!(
        line(&driver, "BTC/USD"),
        (dec("9.96"), dec("0")),
        "as it is"
    );
    close(&mut driver, "BTC/USD");
    assert_eq!(driver.broker.quantity(&symbol("BTC/USD")), dec("0"));
    let trades = trades(&driver);
    assert_eq!(trades[0].quantity, dec("9.96"));
    assert_eq!(
        trades[0].fees,
        dec("4") + dec("2.49"),
        "coins at the entry, dollars as expected"
    );
}

#[test]
fn positions_of_others_count_and_are_never_touched() {
    let mut driver = ready();
    driver.broker.trade_elsewhere(&symbol("MSFT"), dec("20"));
    driver.pass(61);
    assert_eq!(line(&driver, "MSFT"), (dec("0"), dec("20")));
    assert_eq!(driver.desk.books().gross_notional(), dec("2000"));
    assert!(!holding(&driver).unwrap().ours);
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::AlreadyHeld]);
    // Beside ours in one asset: only ours is closed.
    open(&mut driver, "AAPL");
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("5"));
    driver.pass(61);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("5")));
    close(&mut driver, "AAPL");
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("5"));
    assert_eq!(trades(&driver).len(), 1);
}

#[test]
fn orders_of_others_count_as_exposure_until_they_are_gone() {
    let mut driver = ready();
    driver
        .broker
        .change_orders(|orders| orders.push(foreign("MSFT", Side::Buy, "700")));
    driver.pass(61);
    assert_eq!(driver.desk.books().gross_notional(), dec("700"));
    driver.broker.change_orders(Vec::clear);
    driver.pass(61);
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

/// An order in units counts for nothing without a price: it is asked for.
#[test]
fn orders_of_others_in_units_count_at_the_newest_price() {
    let mut driver = ready();
    let mut order = foreign("MSFT", Side::Sell, "0");
    (order.quantity, order.notional) = (Some(dec("7")), None);
    driver.broker.change_orders(|orders| orders.push(order));
    driver.pass(61);
    assert!(
        driver
            .asked
            .contains(&Question::LatestPrice(symbol("MSFT")))
    );
    assert_eq!(driver.desk.books().gross_notional(), dec("700"));
    driver.price(&symbol("MSFT"), dec("150"));
    assert_eq!(driver.desk.books().gross_notional(), dec("1050"));
    driver.broker.change_orders(Vec::clear);
    driver.pass(61);
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

#[test]
fn what_somebody_else_closed_is_a_trade_that_ended() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.price(&symbol("AAPL"), dec("105"));
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    driver.pass(61);
    let trades = trades(&driver);
    assert_eq!(trades[0].reason, ExitReason::External);
    assert_eq!(
        (trades[0].realised, trades[0].closed_by.clone()),
        (dec("50"), None)
    );
    assert_eq!(holding(&driver), None);
    driver.pass(61);
    let orders = driver.broker.orders();
    assert!(
        orders.iter().all(|order| order.status.is_terminal()),
        "its stop is cancelled"
    );
}

#[test]
fn positions_that_lag_behind_an_order_are_not_believed() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    // For some seconds the broker's positions do not show the fill.
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    driver.pass(7);
    assert!(
        driver
            .asked
            .iter()
            .filter(|q| **q == Question::Positions)
            .count()
            > 1
    );
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("10"));
    driver.pass(70);
    assert!(trades(&driver).is_empty());
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
}

/// A reading that was slow on its way tells of when it was made.
#[test]
fn positions_that_were_asked_for_too_early_are_not_believed_later() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    let due = driver.desk.next_deadline().unwrap();
    let effects = driver.desk.apply(DeskEvent::Tick, due);
    let late = due + TimeDelta::seconds(11);
    let mut read = 0;
    for effect in effects {
        let DeskEffect::Ask { question, .. } = effect else {
            continue;
        };
        let answer = if question == Question::Positions {
            read += 1;
            Ok(Answer::Positions(Vec::new()))
        } else {
            driver.broker.ask(&question)
        };
        let answered = DeskEvent::Answered { question, answer };
        driver.desk.apply(answered, late);
    }
    assert_eq!(read, 1);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
}

/// What others hold is known from positions and orders, whatever becomes of the other questions.
#[test]
fn positions_of_others_count_while_the_account_is_silent() {
    let mut driver = ready();
    driver.broker.trade_elsewhere(&symbol("MSFT"), dec("7"));
    let due = driver.desk.next_deadline().unwrap();
    driver.pass((due - driver.now).num_seconds() - 1);
    driver.now = due;
    for effect in driver.desk.apply(DeskEvent::Tick, due) {
        let DeskEffect::Ask { question, .. } = effect else {
            continue;
        };
        let answer = if question == Question::Account {
            Err(BrokerError::Unavailable("timed out".into()))
        } else {
            driver.broker.ask(&question)
        };
        driver.give_only(DeskEvent::Answered { question, answer });
    }
    assert_eq!(line(&driver, "MSFT"), (dec("0"), dec("7")));
    assert_eq!(driver.desk.books().gross_notional(), dec("700"));
}

/// The broker pushes what others trade too: nothing is opened on top of it unseen.
#[test]
fn what_others_have_just_traded_is_read_before_the_next_opening() {
    let mut driver = ready();
    driver.broker.trade_elsewhere(&symbol("MSFT"), dec("20"));
    let mut order = foreign("MSFT", Side::Buy, "2000");
    (order.status, order.filled_quantity) = (OrderStatus::Filled, dec("20"));
    driver.give(DeskEvent::OrderUpdate(Box::new(order)));
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::Unreconciled]);
    driver.pass(10);
    assert_eq!(line(&driver, "MSFT"), (dec("0"), dec("20")));
    driver.clear();
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::AlreadyHeld]);
}

/// An order of others that works may have filled before its fill is told; one that ended unfilled
/// has changed nothing.
#[test]
fn what_others_are_about_to_trade_is_read_before_the_next_opening() {
    for (status, wanted) in [
        (OrderStatus::Working, &[RoundOutcome::Unreconciled][..]),
        (OrderStatus::Canceled, &[]),
    ] {
        let mut driver = ready();
        let mut order = foreign("MSFT", Side::Buy, "2000");
        order.status = status;
        driver.give(DeskEvent::OrderUpdate(Box::new(order)));
        open(&mut driver, "MSFT");
        assert_eq!(refusals(&driver), wanted, "{status:?}");
    }
}

/// Positions read right after a fill of others may not tell it yet.
#[test]
fn what_others_have_just_traded_may_be_told_of_late() {
    let mut driver = ready();
    let mut order = foreign("MSFT", Side::Buy, "2000");
    (order.status, order.filled_quantity) = (OrderStatus::Filled, dec("20"));
    driver.give(DeskEvent::OrderUpdate(Box::new(order)));
    driver.pass(5);
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::Unreconciled]);
    driver.broker.trade_elsewhere(&symbol("MSFT"), dec("20"));
    driver.clear();
    driver.pass(10);
    assert_eq!(line(&driver, "MSFT"), (dec("0"), dec("20")));
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::AlreadyHeld]);
}

/// What somebody else sells is no fee of ours, however little it is.
#[test]
fn a_small_sale_of_others_is_no_fee() {
    let coin = symbol("BTC/USD");
    let mut unstopped = settings();
    unstopped.exits.stop_at_broker = false;
    let mut driver = ready_with(unstopped);
    open(&mut driver, "BTC/USD");
    driver.broker.trade_elsewhere(&coin, dec("2"));
    driver.pass(70);
    assert_eq!(line(&driver, "BTC/USD"), (dec("9.975"), dec("2")));
    driver.broker.trade_elsewhere(&coin, dec("-0.03"));
    let mut order = foreign("BTC/USD", Side::Sell, "2");
    (order.status, order.filled_quantity) = (OrderStatus::PartiallyFilled, dec("0.03"));
    driver.give(DeskEvent::OrderUpdate(Box::new(order)));
    driver.pass(30);
    assert_eq!(line(&driver, "BTC/USD"), (dec("9.975"), dec("1.97")));
}

/// Positions that lagged behind a fill looked like a fee, and less was sold than there was.
#[test]
fn coins_that_come_back_after_their_trade_are_a_position_again() {
    let coin = symbol("BTC/USD");
    let mut driver = ready();
    driver.pass(30);
    open(&mut driver, "BTC/USD");
    driver.broker.trade_elsewhere(&coin, dec("-0.09"));
    driver.pass(2);
    assert_eq!(line(&driver, "BTC/USD").0, dec("9.885"));
    close(&mut driver, "BTC/USD");
    driver.broker.trade_elsewhere(&coin, dec("0.09"));
    driver.pass(8);
    assert_eq!(trades(&driver).len(), 1);
    assert_eq!(line(&driver, "BTC/USD").0, dec("0.09"));
    for driver in [&restarted(&driver), &driver] {
        let line = driver.desk.books().line(&coin).unwrap();
        assert_eq!(line.stop_price, Some(dec("80")));
        let orders = driver.broker.orders().into_iter();
        let resting = orders.filter(|order| !order.status.is_terminal());
        assert_eq!(resting.count(), 1, "its stop");
    }
}

/// What is missing may have been closed by an order of ours that was given up.
#[test]
fn a_closing_that_lands_after_it_was_given_up_is_ours() {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    let mut driver = ready_with(settings);
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.clear();
    driver.broker.script([SubmitFault::LostAfter]);
    driver.broker.hide_lookups(6);
    let mut closing = decision(&driver, "AAPL", Purpose::Close, Direction::Long);
    closing.void_after = driver.now + TimeDelta::seconds(1);
    driver.decide(closing);
    assert_eq!(refusals(&driver), [RoundOutcome::Stale]);
    driver.pass(90);
    let trades = trades(&driver);
    assert_eq!(trades.len(), 1, "{:?}", driver.notices);
    assert_eq!(trades[0].reason, ExitReason::SoftExit);
    assert_eq!(line(&driver, "AAPL"), (dec("0"), dec("0")));
}

#[test]
fn a_failed_question_is_never_flat() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.broker.fail_queries(100);
    driver.pass(300);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
    assert!(trades(&driver).is_empty());
}

#[test]
fn the_brokers_side_is_read_every_minute_and_not_after_each_of_many_orders() {
    let mut driver = ready();
    driver.pass(1);
    driver.clear();
    driver.pass(600);
    let asked = |driver: &DeskDriver, wanted: &Question| {
        driver
            .asked
            .iter()
            .filter(|question| *question == wanted)
            .count()
    };
    for question in [Question::Account, Question::Positions, Question::OpenOrders] {
        assert_eq!(asked(&driver, &question), 10, "{question:?}");
    }
}
