//! From a decision to the POST: what is asked, what is put on record first, what is refused.

use chrono::TimeDelta;
use rawe_core::{Direction, Purpose, RoundOutcome};

use super::*;
use crate::broker::{BrokerError, OrderStatus};
use crate::limits::PriceRule;

#[test]
fn with_a_fresh_view_nothing_is_asked_between_decision_and_post() {
    let mut driver = ready();
    driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
    assert!(
        driver
            .news
            .iter()
            .any(|news| matches!(news, OrderNews::Asset { .. }))
    );
    driver.clear();
    open(&mut driver, "AAPL");
    assert_eq!(driver.asked, vec![]);
    let committed = driver.log.iter().position(|effect| {
        matches!(effect, DeskEffect::Commit { entries, .. }
            if matches!(entries[..], [JournalEntry::Round(_), JournalEntry::Intent(_)]))
    });
    let sent = driver
        .log
        .iter()
        .position(|e| matches!(e, DeskEffect::Submit(_)));
    assert!(committed < sent && committed.is_some(), "{:?}", driver.log);
    assert_eq!(ended(&driver), [(Purpose::Open, dec("10"), true)]);
    let quantity = driver.desk.books().quantity(&symbol("AAPL"));
    assert_eq!(quantity, driver.broker.quantity(&symbol("AAPL")));
    let fills = count(&driver, |e| matches!(e, JournalEntry::Fill(_)));
    assert_eq!(fills, 1);
    // The next order of the asset has its name without a question either.
    driver.clear();
    close(&mut driver, "AAPL");
    assert_eq!(
        driver.asked,
        [Question::Positions],
        "closings see what is held now"
    );
    assert_eq!(trades(&driver).len(), 1);
}

#[test]
fn what_is_missing_is_asked_for_all_at_once() {
    let mut driver = ready();
    let opening = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    let asks = driver.log.iter().rev();
    let asks: Vec<_> = asks
        .take_while(|effect| matches!(effect, DeskEffect::Ask { .. }))
        .collect();
    assert_eq!(asks.len(), 3, "asset, past orders, price: {asks:?}");
    driver.settle();
    assert_eq!(driver.broker.sent().len(), 1);
}

#[test]
fn a_silent_broker_is_asked_again_until_the_decision_is_void() {
    let mut driver = ready();
    driver.broker.fail_queries(3);
    open(&mut driver, "AAPL");
    assert_eq!(
        driver.broker.sent().len(),
        1,
        "the broker came back in time"
    );
    driver.clear();
    driver.broker.fail_queries(1_000);
    open(&mut driver, "MSFT");
    driver.pass(40);
    assert_eq!(refusals(&driver), [RoundOutcome::Stale]);
    assert_eq!(driver.broker.sent().len(), 1);
    assert!(driver.asked.len() < 200, "{}", driver.asked.len());
}

#[test]
fn two_decisions_never_share_the_same_room() {
    let mut settings = settings();
    settings.limits.gross_notional_max = dec("1500");
    let mut driver = ready_with(settings);
    driver.hold_submits = true;
    for name in ["AAPL", "MSFT"] {
        driver.give(DeskEvent::AssetWanted(symbol(name)));
        open(&mut driver, name);
    }
    let held = driver.held_back.iter().filter_map(|effect| match effect {
        DeskEffect::Submit(order) => Some(order.amount),
        _ => None,
    });
    let usd = |text| crate::broker::Amount::Notional(dec(text));
    assert_eq!(held.collect::<Vec<_>>(), [usd("1000"), usd("500")]);
    assert_eq!(driver.desk.books().gross_notional(), dec("1500"));
    driver.release();
    assert_eq!(driver.desk.books().gross_notional(), dec("1500"));
}

#[test]
fn an_unknown_order_counts_as_exposure() {
    let mut driver = ready();
    driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
    driver.broker.fail_queries(1_000);
    driver
        .broker
        .script([crate::testing::SubmitFault::LostBefore]);
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(5);
    assert_eq!(driver.desk.books().gross_notional(), dec("1000"));
    let phases: Vec<_> = driver.desk.orders().map(|(_, _, phase)| phase).collect();
    assert_eq!(phases, [crate::Phase::Unknown]);
}

#[test]
fn a_second_decision_for_an_asset_is_refused_while_the_first_is_under_way() {
    let mut driver = ready();
    driver.hold_submits = true;
    open(&mut driver, "AAPL");
    open(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::InFlight]);
    driver.release();
    assert_eq!(driver.broker.sent().len(), 1);
}

#[test]
fn every_limit_ends_in_its_own_code() {
    type Set = fn(&mut DeskSettings);
    type Prepare = fn(&mut DeskDriver);
    type Case = (&'static str, Set, Prepare, RoundOutcome);
    let cases: [Case; 8] = [
        (
            "orders a minute",
            |s| s.limits.orders_per_minute_max = 1,
            |d| open(d, "MSFT"),
            RoundOutcome::CapOrderRate,
        ),
        (
            "new positions",
            |s| s.new_positions_per_hour = 1,
            |d| open(d, "MSFT"),
            RoundOutcome::CapNewPositions,
        ),
        (
            "daily loss",
            |s| s.limits.daily_loss_max = dec("100"),
            |d| {
                open(d, "MSFT");
                d.price(&symbol("MSFT"), dec("90"));
            },
            RoundOutcome::DailyLoss,
        ),
        (
            "gross",
            |s| s.limits.gross_notional_max = dec("1000"),
            |d| open(d, "MSFT"),
            RoundOutcome::CapNotional,
        ),
        (
            "net",
            |s| s.limits.net_notional_max = dec("1000"),
            |d| open(d, "MSFT"),
            RoundOutcome::CapNotional,
        ),
        (
            "closed",
            |_| {},
            |d| {
                d.broker.set_clock(at(200), false);
                d.now = at(200);
            },
            RoundOutcome::MarketClosed,
        ),
        (
            "price",
            |s| s.limits.quote_age_secs_max = 1,
            |d| {
                d.broker.set_clock(at(-5), true);
            },
            RoundOutcome::QuoteStale,
        ),
        (
            "blocked",
            |_| {},
            |d| {
                let mut account = crate::tests::account();
                account.can_trade = false;
                d.broker.set_account(account);
                d.pass(61);
            },
            RoundOutcome::Halted,
        ),
    ];
    for (name, set, prepare, outcome) in cases {
        let mut settings = settings();
        set(&mut settings);
        let mut driver = ready_with(settings);
        prepare(&mut driver);
        driver.clear();
        open(&mut driver, "AAPL");
        assert_eq!(refusals(&driver), [outcome], "{name}");
        let open_orders = driver.broker.orders();
        assert!(
            open_orders.iter().all(|o| o.symbol != symbol("AAPL")),
            "{name}"
        );
    }
}

#[test]
fn without_the_rule_a_price_of_any_age_does() {
    let mut settings = settings();
    settings.limits.last_price = PriceRule::Off;
    settings.limits.quote_age_secs_max = 1;
    let mut driver = ready_with(settings);
    driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
    driver.pass(30);
    driver.clear();
    open(&mut driver, "AAPL");
    assert!(
        !driver
            .asked
            .contains(&Question::LatestPrice(symbol("AAPL")))
    );
    assert_eq!(driver.broker.sent().len(), 1);
}

/// A broker without a route for prices refuses the question: that is no price, not no order.
#[test]
fn a_broker_without_prices_takes_orders_in_dollars_only_without_the_rule() {
    for (rule, sent) in [(PriceRule::Off, 1), (PriceRule::Required, 0)] {
        let mut settings = settings();
        settings.limits.last_price = rule;
        let mut driver = ready_with(settings);
        let opening = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
        driver.give_only(DeskEvent::Decided(Box::new(opening)));
        driver.give_only(DeskEvent::Answered {
            question: Question::LatestPrice(symbol("MSFT")),
            answer: Err(BrokerError::Refused {
                status: 404,
                message: "no such route".into(),
            }),
        });
        driver.settle();
        assert_eq!(driver.broker.sent().len(), sent, "{rule:?}");
    }
}

#[test]
fn a_view_that_cannot_be_read_blocks_openings_after_two_intervals() {
    let mut driver = ready();
    driver.give(DeskEvent::AssetWanted(symbol("BTC/USD")));
    driver.broker.fail_queries(1_000);
    driver.pass(70);
    driver.clear();
    driver.price(&symbol("BTC/USD"), dec("100"));
    open(&mut driver, "BTC/USD");
    assert_eq!(driver.broker.sent().len(), 1, "one interval is tolerated");
    driver.pass(130);
    driver.clear();
    driver.price(&symbol("BTC/USD"), dec("100"));
    driver.give(DeskEvent::AssetWanted(symbol("BTC/USD")));
    let opening = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    driver.decide(opening);
    assert_eq!(refusals(&driver), [RoundOutcome::Unreconciled]);
    driver.broker.fail_queries(0);
    driver.pass(61);
    driver.clear();
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), []);
}

#[test]
fn a_clock_that_differs_opens_nothing() {
    let mut driver = ready();
    driver.now = at(61);
    driver.give(DeskEvent::Tick);
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "clock_skewed")
    );
    driver.clear();
    let opening = decision(&driver, "BTC/USD", Purpose::Open, Direction::Long);
    driver.decide(opening);
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
}

#[test]
fn a_refused_question_ends_the_decision() {
    let mut driver = ready();
    let opening = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.give_only(DeskEvent::Answered {
        question: Question::Asset(symbol("MSFT")),
        answer: Err(BrokerError::Refused {
            status: 403,
            message: "no".into(),
        }),
    });
    driver.settle();
    assert_eq!(refusals(&driver), [RoundOutcome::BrokerRejected]);
    assert!(driver.broker.sent().is_empty());
}

#[test]
fn in_a_replay_decisions_are_taken_to_their_ends_one_by_one() {
    let mut driver = ready();
    driver.paced = true;
    driver.give(DeskEvent::Paced(true));
    let first = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    let second = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    let again = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.clear();
    for decision in [first, second, again] {
        driver.give_only(DeskEvent::Decided(Box::new(decision)));
    }
    driver.settle();
    assert!(driver.desk.is_settled());
    let order = driver.log.iter().filter_map(|effect| match effect {
        DeskEffect::Submit(order) => Some(format!("sent {}", order.symbol)),
        DeskEffect::Tell(OrderNews::Ended { asset, .. }) => Some(format!("ended {asset}")),
        DeskEffect::Tell(OrderNews::Refused { asset, .. }) => Some(format!("refused {asset}")),
        _ => None,
    });
    assert_eq!(
        order.collect::<Vec<_>>(),
        [
            "sent AAPL",
            "ended AAPL",
            "sent MSFT",
            "ended MSFT",
            "refused AAPL"
        ]
    );
    let orders = driver.broker.orders();
    assert!(
        orders
            .iter()
            .all(|order| order.status == OrderStatus::Filled)
    );
    assert_eq!(driver.now, at(0), "market time stood still");
}

#[test]
fn live_orders_are_in_flight_together() {
    let mut driver = ready();
    driver.hold_submits = true;
    for name in ["AAPL", "MSFT", "BTC/USD"] {
        open(&mut driver, name);
    }
    let held = driver.held_back.iter();
    let posts = held.filter(|effect| matches!(effect, DeskEffect::Submit(_)));
    assert_eq!(posts.count(), 3);
}

#[test]
fn a_decision_is_valid_at_its_last_moment_and_not_after() {
    for (late_ms, sent) in [(0, 1), (1, 0)] {
        let mut driver = ready();
        driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
        let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
        driver.now = opening.void_after + TimeDelta::milliseconds(late_ms);
        driver.decide(opening);
        assert_eq!(driver.broker.sent().len(), sent, "{late_ms} ms late");
    }
}
