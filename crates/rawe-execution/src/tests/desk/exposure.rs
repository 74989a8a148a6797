//! What counts as exposure while it is not certain, and what an order needs when it is sent again.

use rawe_core::{Direction, ExitReason, Purpose};

use super::*;
use crate::broker::{OrderKind, OrderStatus, Rejection};
use crate::testing::SubmitFault;

/// Looked up for so long that the session has ended, an order is not sent again.
#[test]
fn the_second_sending_needs_an_open_market_too() {
    for (closes, sent) in [(false, 2), (true, 1)] {
        let mut driver = ready();
        // Two seconds before the clock is read again.
        driver.pass(58);
        if closes {
            driver.broker.set_clock(driver.now, false);
        }
        driver.broker.script([SubmitFault::LostBefore]);
        let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
        driver.give_only(DeskEvent::Decided(Box::new(opening)));
        driver.pass(20);
        let orders = driver.broker.sent();
        let id = &orders[0].client_order_id;
        let sendings = orders.iter().filter(|order| order.client_order_id == *id);
        assert_eq!(sendings.count(), sent, "closes: {closes}");
    }
}

/// A broker that keeps less than its usual fee leaves more than the books say, and positions may
/// tell it late.
#[test]
fn coins_that_a_fee_may_have_taken_count_until_positions_tell() {
    let mut driver = ready();
    driver.broker.set_crypto_fee(dec("25"));
    open(&mut driver, "BTC/USD");
    let gross = driver.desk.books().gross_notional();
    assert_eq!(gross, dec("1000"), "9.975 coins are ours, 10 count");
    driver.pass(20);
    assert_eq!(driver.desk.books().gross_notional(), dec("997.5"));
}

/// A short that is being closed balances no long any more.
#[test]
fn what_is_being_left_balances_nothing() {
    let mut driver = ready();
    let short = decision(&driver, "MSFT", Purpose::Open, Direction::Short);
    driver.decide(short);
    let aapl = symbol("AAPL");
    let net = |driver: &DeskDriver| {
        let books = driver.desk.books();
        books.exposure(&aapl, Direction::Long).net
    };
    assert_eq!(net(&driver), dec("-1000"));
    driver.broker.script([SubmitFault::StaysWorking]);
    let closing = decision(&driver, "MSFT", Purpose::Close, Direction::Short);
    driver.give_only(DeskEvent::Decided(Box::new(closing)));
    driver.pass(1);
    assert_eq!(net(&driver), dec("0"));
    let books = driver.desk.books();
    assert_eq!(books.exposure(&aapl, Direction::Short).net, dec("1000"));
    assert_eq!(books.gross_notional(), dec("1000"));
    driver.broker.fill_working_market();
    driver.pass(20);
    assert_eq!(net(&driver), dec("0"));
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

/// Lost on the way, a closing is not sent again once somebody else may have closed the position.
#[test]
fn the_second_sending_waits_until_others_dealings_are_read() {
    for (stirred, sent) in [(false, 2), (true, 1)] {
        let mut driver = ready();
        open(&mut driver, "AAPL");
        driver.pass(30);
        let before = driver.broker.sent().len();
        driver.broker.script([SubmitFault::LostBefore]);
        let closing = decision(&driver, "AAPL", Purpose::Close, Direction::Long);
        driver.give_only(DeskEvent::Decided(Box::new(closing)));
        driver.pass(2);
        if stirred {
            let mut report = crate::tests::report("manual-1", OrderStatus::Filled, "10");
            report.symbol = symbol("AAPL");
            driver.give_only(DeskEvent::OrderUpdate(Box::new(report)));
        }
        driver.pass(5);
        let orders = driver.broker.sent();
        let closings = orders.iter().skip(before);
        let closings = closings.filter(|order| order.kind == OrderKind::Market);
        assert_eq!(closings.count(), sent, "stirred: {stirred}");
    }
}

/// Refused because the position is gone as it arrives, a closing opens nothing, and what others
/// closed is booked.
#[test]
fn a_closing_that_comes_too_late_is_refused_and_that_is_all() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.broker.script([SubmitFault::Refuse(Rejection {
        status: 422,
        code: Some(42_210_000),
        message: "position intent mismatch".into(),
    })]);
    let closing = decision(&driver, "AAPL", Purpose::Close, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(closing)));
    driver.pass(0);
    // Positions tell it after the order book does.
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    driver.pass(90);
    let orders = driver.broker.sent();
    let orders = orders.iter().filter(|o| o.kind == OrderKind::Market);
    let closes: Vec<bool> = orders.map(|order| order.closes).collect();
    assert_eq!(closes, [false, true], "the opening, and one closing");
    assert_eq!(trades(&driver)[0].reason, ExitReason::External);
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}
