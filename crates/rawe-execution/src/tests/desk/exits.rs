//! Stops at the broker and watched, targets, maximum hold; and closings beside a resting stop.

use proptest::prelude::*;
use rawe_core::{Direction, Purpose};

use super::*;
use crate::broker::{Amount, OrderKind, OrderRequest, OrderStatus, Side, TimeInForce};
use crate::testing::SubmitFault;

fn stops(driver: &DeskDriver) -> Vec<OrderRequest> {
    let sent = driver.broker.sent().into_iter();
    sent.filter(|order| order.kind != OrderKind::Market)
        .collect()
}

fn stop_price(driver: &DeskDriver, name: &str) -> Option<Decimal> {
    driver.desk.books().line(&symbol(name))?.stop_price
}

#[test]
fn the_stop_is_fixed_at_entry_by_the_assets_moves() {
    let rules = ExitRules::default();
    let cases = [
        (None, Direction::Long, "80"),
        (None, Direction::Short, "120"),
        (Some(0.001), Direction::Long, "90"),
        (Some(0.005), Direction::Long, "80.56"),
        (Some(0.005), Direction::Short, "119.44"),
        (Some(0.5), Direction::Long, "65"),
    ];
    for (hourly, direction, expected) in cases {
        let stop = rules.stop_price(dec("100"), direction, hourly);
        assert_eq!(stop, Some(dec(expected)), "{hourly:?} {direction}");
    }
    let off = ExitRules {
        stop: false,
        ..ExitRules::default()
    };
    assert_eq!(off.stop_price(dec("100"), Direction::Long, None), None);
    assert_eq!(rules.problems(), Vec::<String>::new());
    let wrong = ExitRules {
        stop_distance_min: 0.5,
        target: Some(0.0),
        maximum_hold_hours: Some(0),
        ..ExitRules::default()
    };
    assert_eq!(wrong.problems().len(), 3);
}

#[test]
fn stops_rest_at_the_broker_where_it_takes_them() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    open(&mut driver, "BTC/USD");
    driver.price(&symbol("MSFT"), dec("300"));
    open(&mut driver, "MSFT");
    driver.pass(30);
    let mut stops = stops(&driver);
    stops.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let [stock, coin] = stops.as_slice() else {
        panic!("fractions of a share have no stop at the broker: {stops:?}");
    };
    let stop = dec("80");
    assert_eq!(stock.kind, OrderKind::Stop { stop });
    assert_eq!(
        coin.kind,
        OrderKind::StopLimit {
            stop,
            limit: dec("76")
        }
    );
    for order in [stock, coin] {
        let units = if order.symbol == symbol("AAPL") {
            "10"
        } else {
            "9.975"
        };
        assert_eq!(order.amount, Amount::Quantity(dec(units)));
        assert_eq!(
            (order.side, order.time_in_force),
            (Side::Sell, TimeInForce::Gtc)
        );
    }
    let records = driver
        .journal
        .entries
        .iter()
        .filter_map(|entry| match entry {
            JournalEntry::Position(record) => Some(record.stop_price),
            _ => None,
        });
    assert!(
        records.collect::<Vec<_>>().contains(&Some(stop)),
        "on record"
    );
    let intents = driver
        .journal
        .entries
        .iter()
        .filter_map(|entry| match entry {
            JournalEntry::Intent(intent) => Some(intent),
            _ => None,
        });
    let rounds: Vec<&str> = intents
        .filter(|intent| intent.purpose == Purpose::Stop)
        .map(|intent| intent.round_id.as_str())
        .collect();
    assert!(
        rounds.iter().all(|round| round.contains('@')),
        "the opening's round: {rounds:?}"
    );
    assert!(driver.desk.is_settled(), "a resting stop is not waited for");
    let asked = driver
        .asked
        .iter()
        .filter(|q| matches!(q, Question::Order(_)))
        .count();
    driver.pass(600);
    let later = driver
        .asked
        .iter()
        .filter(|q| matches!(q, Question::Order(_)))
        .count();
    assert_eq!(asked, later, "and not polled");
}

#[test]
fn a_stop_that_the_broker_filled_closes_the_trade() {
    let mut driver = ready();
    open(&mut driver, "BTC/USD");
    driver.pass(30);
    // The broker fills it and its push is lost: the next reconciliation finds out.
    driver.broker.set_price(&symbol("BTC/USD"), dec("79"));
    driver.pass(61);
    driver.pass(15);
    assert_eq!(
        ended(&driver).last(),
        Some(&(Purpose::Stop, dec("9.975"), false))
    );
    let trades = trades(&driver);
    let [trade] = trades.as_slice() else {
        panic!("{trades:?}");
    };
    assert_eq!(trade.reason, ExitReason::DisasterStop);
    assert_eq!(
        trade.closed_by.as_ref(),
        Some(&stops(&driver)[0].client_order_id)
    );
    assert_eq!(driver.desk.books().quantity(&symbol("BTC/USD")), dec("0"));
}

#[test]
fn a_stop_that_only_we_watch_is_closed_at_the_market_with_its_own_round() {
    let mut driver = ready();
    driver.price(&symbol("MSFT"), dec("300"));
    open(&mut driver, "MSFT");
    driver.pass(30);
    driver.price(&symbol("MSFT"), dec("240.01"));
    assert!(trades(&driver).is_empty());
    driver.price(&symbol("MSFT"), dec("240"));
    let trades = trades(&driver);
    assert_eq!(trades[0].reason, ExitReason::DisasterStop);
    let round = trades[0].closing_round.clone().unwrap();
    let records = driver
        .journal
        .entries
        .iter()
        .filter_map(|entry| match entry {
            JournalEntry::Round(record) if record.round_id == round => Some(record),
            _ => None,
        });
    let reasons: Vec<&str> = records.map(|record| record.reason.as_str()).collect();
    assert!(reasons[0].contains("crossed the stop 240"), "{reasons:?}");
    let resumed = driver.news.iter().any(|news| {
        matches!(
            news,
            OrderNews::Resumed {
                purpose: Purpose::Close,
                ..
            }
        )
    });
    assert!(resumed, "the consensus knows that it is being closed");
}

#[test]
fn a_resting_stop_that_does_not_fill_is_overtaken() {
    let mut driver = ready();
    open(&mut driver, "BTC/USD");
    driver.pass(30);
    // The price gaps through the stop's limit: told to us, not seen by the stop.
    let (asset, at) = (symbol("BTC/USD"), driver.now);
    let price = dec("60");
    driver.give(DeskEvent::Price { asset, price, at });
    driver.pass(30);
    assert!(trades(&driver).is_empty(), "it has its time");
    driver.pass(40);
    assert_eq!(trades(&driver).len(), 1);
    assert_eq!(stops(&driver).len(), 1);
    assert_eq!(driver.broker.quantity(&symbol("BTC/USD")), dec("0"));
    let canceled = driver.broker.orders();
    assert_eq!(
        canceled[1].status,
        OrderStatus::Canceled,
        "cancelled before it was closed"
    );
}

#[test]
fn before_a_closing_the_stop_is_cancelled_and_its_end_confirmed() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.clear();
    driver.broker.fail_cancels(2);
    close(&mut driver, "AAPL");
    let steps: Vec<&str> = driver
        .log
        .iter()
        .filter_map(|effect| match effect {
            DeskEffect::Cancel { .. } => Some("cancel"),
            DeskEffect::Submit(_) => Some("submit"),
            _ => None,
        })
        .collect();
    assert_eq!(steps, ["cancel", "cancel", "cancel", "submit"]);
    assert_eq!(trades(&driver)[0].reason, ExitReason::SoftExit);
    assert!(
        driver
            .broker
            .orders()
            .iter()
            .all(|order| order.status.is_terminal())
    );
}

#[test]
fn a_stop_that_filled_while_it_was_cancelled_leaves_nothing_to_close() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    driver.broker.set_price(&symbol("AAPL"), dec("79"));
    driver.clear();
    close(&mut driver, "AAPL");
    assert_eq!(driver.broker.sent().len(), 2, "the opening and the stop");
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("0"));
    assert_eq!(ended(&driver), [(Purpose::Stop, dec("10"), false)]);
    assert_eq!(refusals(&driver), [RoundOutcome::TooSmall]);
    assert_eq!(trades(&driver).len(), 1);
}

#[test]
fn a_refused_or_lost_stop_is_watched_and_tried_again_later() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver
        .broker
        .script([SubmitFault::Refuse(crate::broker::Rejection {
            status: 422,
            code: None,
            message: "no stops today".into(),
        })]);
    driver.pass(30);
    assert_eq!(stops(&driver).len(), 1);
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "stop_lost")
    );
    driver.pass(300);
    assert_eq!(stops(&driver).len(), 1);
    driver.pass(400);
    assert_eq!(stops(&driver).len(), 2);
    // Somebody cancels it.
    let id = stops(&driver)[1].client_order_id.to_string();
    driver.broker.change_orders(|orders| {
        for order in orders
            .iter_mut()
            .filter(|order| order.client_order_id == id)
        {
            order.status = OrderStatus::Canceled;
        }
    });
    driver.pass(1_000);
    assert_eq!(stops(&driver).len(), 3);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("10"));
}

/// No price feed: the broker's own valuation, read every minute, watches the stops.
#[test]
fn stops_are_watched_without_prices_too_and_over_a_restart() {
    let mut driver = ready();
    driver.price(&symbol("MSFT"), dec("300"));
    open(&mut driver, "MSFT");
    driver.pass(30);
    let mut crashed = DeskDriver::with(
        settings(),
        driver.broker.clone(),
        driver.journal.clone(),
        driver.now,
    );
    driver.broker.set_price(&symbol("MSFT"), dec("200"));
    crashed.start();
    crashed.pass(1);
    assert_eq!(
        trades(&crashed)[0].reason,
        ExitReason::DisasterStop,
        "seen at the start"
    );
    let mut driver = ready();
    driver.price(&symbol("MSFT"), dec("300"));
    open(&mut driver, "MSFT");
    driver.pass(30);
    driver.broker.set_price(&symbol("MSFT"), dec("200"));
    driver.pass(130);
    assert_eq!(trades(&driver)[0].reason, ExitReason::DisasterStop);
}

#[test]
fn targets_and_holds_are_off_until_asked_for() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(20);
    driver.price(&symbol("AAPL"), dec("1000"));
    driver.pass(3_600 * 24 * 3);
    assert!(trades(&driver).is_empty());
    let mut settings = settings();
    settings.exits.target = Some(0.1);
    settings.exits.maximum_hold_hours = Some(2);
    let mut driver = ready_with(settings);
    for name in ["AAPL", "MSFT"] {
        open(&mut driver, name);
    }
    driver.pass(20);
    driver.price(&symbol("AAPL"), dec("109.99"));
    assert!(trades(&driver).is_empty());
    driver.price(&symbol("AAPL"), dec("110"));
    assert_eq!(trades(&driver)[0].reason, ExitReason::Target);
    driver.pass(2 * 3_600);
    driver.pass(60);
    let reasons: Vec<_> = trades(&driver).iter().map(|trade| trade.reason).collect();
    assert_eq!(reasons, [ExitReason::Target, ExitReason::MaximumHold]);
}

#[test]
fn a_replay_watches_its_stops_itself() {
    let mut driver = ready();
    driver.paced = true;
    driver.give(DeskEvent::Paced(true));
    open(&mut driver, "BTC/USD");
    assert!(stops(&driver).is_empty());
    assert_eq!(stop_price(&driver, "BTC/USD"), Some(dec("80")));
    driver.price(&symbol("BTC/USD"), dec("80"));
    assert_eq!(trades(&driver)[0].reason, ExitReason::DisasterStop);
    assert!(driver.desk.is_settled());
}

proptest! {
    #[test]
    fn a_stop_is_always_on_the_losing_side_within_its_bounds(
        cents in 1_i64..10_000_000, hourly in prop::option::of(0.0001_f64..2.0), long: bool,
    ) {
        let entry = Decimal::new(cents, 2);
        let direction = if long { Direction::Long } else { Direction::Short };
        let stop = ExitRules::default().stop_price(entry, direction, hourly).unwrap();
        let distance = (stop - entry).abs() / entry;
        prop_assert_eq!(stop < entry, long);
        prop_assert!(distance >= dec("0.089") && distance <= dec("0.361"), "{}", distance);
    }
}
