//! Starts: after a crash anywhere, without the journal, with another's account.

use std::collections::BTreeSet;

use rawe_core::{Direction, Purpose};

use super::*;
use crate::broker::Side;
use crate::desk::Answer;
use crate::gate::TradingState;
use crate::testing::{MemoryJournal, SubmitFault};

#[test]
fn nothing_is_traded_before_all_is_understood() {
    let mut driver = DeskDriver::new(settings(), at(0));
    driver.broker.list(&symbol("AAPL"), dec("100"));
    assert_eq!(
        driver.desk.state(),
        (TradingState::Halted, "starting".into())
    );
    open(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
    driver.broker.fail_queries(10);
    driver.start();
    assert_eq!(
        driver.desk.state().0,
        TradingState::Active,
        "asked until it answered"
    );
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "broker_awaited")
    );
    assert!(driver.broker.sent().is_empty());
}

#[test]
fn what_makes_a_start_impossible_is_said_in_one_line() {
    let mut driver = DeskDriver::new(settings(), at(0));
    let mut account = crate::tests::account();
    account.can_trade = false;
    driver.broker.set_account(account);
    driver.give_only(DeskEvent::Started(vec![]));
    driver.pass(1);
    assert!(driver.desk.fault().unwrap().contains("may not trade"));
    assert_eq!(driver.desk.state().0, TradingState::Halted);
    let mut driver = DeskDriver::new(settings(), at(0));
    driver.give_only(DeskEvent::Started(vec![]));
    driver.give_only(DeskEvent::Answered {
        question: Question::Account,
        answer: Err(crate::broker::BrokerError::Unauthorized("401".into())),
    });
    assert!(driver.desk.fault().unwrap().contains("keys"));
}

#[test]
fn a_restart_knows_positions_stops_votes_and_what_the_day_made() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    open(&mut driver, "BTC/USD");
    driver.pass(30);
    let next = restarted(&driver);
    for name in ["AAPL", "BTC/USD"] {
        let (before, after) = (
            driver.desk.books().line(&symbol(name)).unwrap(),
            next.desk.books().line(&symbol(name)).unwrap(),
        );
        assert_eq!(before.quantity, after.quantity);
        assert_eq!(before.trade, after.trade, "{name}");
        assert_eq!(before.stop_price, after.stop_price);
    }
    let holdings = next.news.iter().filter_map(|news| match news {
        OrderNews::Holding {
            position: Some(position),
            last_fill: Some(_),
            ..
        } => Some((position.ours, position.agreeing.len())),
        _ => None,
    });
    assert_eq!(holdings.collect::<Vec<_>>(), [(true, 3), (true, 3)]);
    let purposes: Vec<Purpose> = next.desk.orders().map(|(_, purpose, _)| purpose).collect();
    assert_eq!(
        purposes,
        [Purpose::Stop, Purpose::Stop],
        "both stops still rest"
    );
    assert_eq!(next.desk.books().gross_notional(), dec("1997.5"));
    assert!(next.desk.is_settled());
}

#[test]
fn an_order_that_still_works_is_followed_and_told() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(1);
    let id = driver.broker.sent()[0].client_order_id.to_string();
    driver.broker.fill_part(&id, dec("0.3"));
    driver.give_only(DeskEvent::OrderUpdate(Box::new(
        driver.broker.orders()[0].clone(),
    )));
    driver.pass(1);
    let mut next = restarted(&driver);
    assert!(next.news.iter().any(|news| matches!(news,
        OrderNews::Resumed { purpose: Purpose::Open, agreeing, .. } if agreeing.len() == 3)));
    assert_eq!(
        next.desk.books().gross_notional(),
        dec("1000"),
        "its rest counts"
    );
    next.broker.fill_part(&id, dec("1"));
    next.pass(20);
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
    assert_eq!(ended(&next), [(Purpose::Open, dec("10"), true)]);
    let line = next.desk.books().line(&symbol("AAPL")).unwrap();
    assert_eq!(line.trade.as_ref().unwrap().votes.len(), 3);
    assert_eq!(
        next.broker.sent().len(),
        1 + usize::from(next.broker.sent().len() > 1)
    );
}

#[test]
fn an_intent_that_never_reached_the_broker_is_ended_and_not_sent() {
    let mut driver = ready();
    driver.hold_submits = true;
    open(&mut driver, "AAPL");
    let next = restarted(&driver);
    assert!(next.broker.sent().is_empty());
    assert_eq!(
        count(&next, |e| matches!(e, JournalEntry::Resolved { .. })),
        1
    );
    assert_eq!(next.desk.state().0, TradingState::Active);
    assert_eq!(
        next.desk.books().gross_notional(),
        dec("1000"),
        "it may have been sent all the same"
    );
}

#[test]
fn a_lost_journal_does_not_disown_a_position() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    open(&mut driver, "BTC/USD");
    driver.pass(30);
    close(&mut driver, "AAPL");
    driver.pass(30);
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("2"));
    driver.pass(61);
    driver.journal = MemoryJournal::default();
    let mut next = restarted(&driver);
    let line = |name| next.desk.books().line(&symbol(name)).unwrap().clone();
    assert_eq!(
        line("BTC/USD").quantity,
        driver.broker.quantity(&symbol("BTC/USD"))
    );
    assert!(line("BTC/USD").trade.is_some());
    assert_eq!(
        (line("AAPL").quantity, line("AAPL").foreign_quantity),
        (dec("0"), dec("2"))
    );
    assert!(
        trades(&next).is_empty(),
        "nobody is credited for what nobody remembers"
    );
    let purposes: Vec<Purpose> = next.desk.orders().map(|(_, purpose, _)| purpose).collect();
    assert_eq!(purposes, [Purpose::Stop], "the stop that rests is ours");
    close(&mut next, "BTC/USD");
    assert_eq!(next.broker.quantity(&symbol("BTC/USD")), dec("0"));
    // What was adopted is on record: the start after that agrees.
    assert_eq!(restarted(&next).desk.books().gross_notional(), dec("200"));
}

#[test]
fn a_journal_that_stopped_short_is_completed_by_the_broker() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    let kept = driver.journal.entries.len();
    driver.pass(30);
    close(&mut driver, "AAPL");
    driver.pass(15);
    driver.journal.entries.truncate(kept);
    let next = restarted(&driver);
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("0"));
    assert_eq!(next.desk.books().gross_notional(), dec("0"));
}

/// A start that holds nothing in an asset does not read its past, and lists may be moments old.
#[test]
fn a_list_older_than_the_journal_does_not_set_the_ids_back() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    close(&mut driver, "AAPL");
    driver.pass(30);
    let mut closing = None;
    driver.broker.change_orders(|orders| closing = orders.pop());
    let closing = closing.unwrap();
    assert_eq!(closing.side, Side::Sell);
    let mut next = restarted(&driver);
    next.broker.change_orders(|orders| orders.push(closing));
    open(&mut next, "AAPL");
    close(&mut next, "AAPL");
    let sent = next.broker.sent();
    let ids: BTreeSet<&str> = sent.iter().map(|o| o.client_order_id.as_str()).collect();
    assert_eq!(ids.len(), sent.len(), "no id twice: {ids:?}");
    assert_eq!(next.broker.quantity(&symbol("AAPL")), dec("0"));
}

#[test]
fn another_account_does_not_know_our_positions() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(30);
    let mut next = DeskDriver::new(settings(), driver.now);
    next.broker.list(&symbol("AAPL"), dec("100"));
    next.journal = driver.journal.clone();
    next.start();
    assert_eq!(next.desk.state().0, TradingState::Active);
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("0"));
    assert!(trades(&next).is_empty());
    open(&mut next, "AAPL");
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
}

#[test]
fn a_position_just_opened_is_kept_although_the_broker_does_not_tell_it_yet() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    let (journal, broker) = (driver.journal.clone(), driver.broker.clone());
    let mut next = DeskDriver::new(settings(), driver.now);
    next.broker.list(&symbol("AAPL"), dec("100"));
    next.journal = journal;
    next.start();
    assert_eq!(next.desk.state().0, TradingState::Active);
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
    next.broker = broker;
    next.pass(120);
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
    assert!(trades(&next).is_empty());
}

#[test]
fn an_order_in_units_of_an_earlier_start_counts_with_what_it_may_still_put_in() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    let opening = decision(&driver, "BTC/USD", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(1);
    let before = driver.desk.books().gross_notional();
    assert!(before > dec("990"), "{before}");
    assert_eq!(restarted(&driver).desk.books().gross_notional(), before);
}

#[test]
fn another_start_ignores_late_answers() {
    let mut driver = ready();
    driver.paced = true;
    driver.give(DeskEvent::Paced(true));
    open(&mut driver, "AAPL");
    driver.give_only(DeskEvent::AssetWanted(symbol("MSFT")));
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    driver.give_only(DeskEvent::Started(vec![]));
    // An answer to the first run comes late and says the opposite of the truth.
    let asked = Question::Asset(symbol("MSFT"));
    driver.give_only(DeskEvent::Answered {
        question: asked,
        answer: Ok(Answer::Asset(None)),
    });
    driver.settle();
    assert_eq!(driver.desk.state().0, TradingState::Active);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("0"));
    driver.clear();
    open(&mut driver, "MSFT");
    assert_eq!(driver.desk.books().quantity(&symbol("MSFT")), dec("10"));
}

#[test]
fn another_run_has_another_name_and_begins_with_nothing() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    let mut renamed = settings();
    renamed.deployment = "test/run-2".into();
    let (broker, journal) = (driver.broker.clone(), MemoryJournal::default());
    let mut next = DeskDriver::with(renamed, broker, journal, driver.now);
    next.paced = true;
    next.give(DeskEvent::Paced(true));
    next.start();
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("0"));
    open(&mut next, "AAPL");
    let sent = next.broker.sent().into_iter();
    let ids: Vec<_> = sent.map(|order| order.client_order_id).collect();
    let asset = symbol("AAPL");
    let first = |name: &str| {
        rawe_core::DecisionId::derive(name, &asset, Purpose::Open, None).client_order_id()
    };
    assert_eq!(ids, [first("test"), first("test/run-2")]);
}

/// Without a price of its own a position counts as the broker values it, not at its old fills.
#[test]
fn a_start_values_positions_as_the_broker_does() {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    let mut driver = ready_with(settings.clone());
    open(&mut driver, "AAPL");
    driver.pass(300);
    driver.broker.set_price(&symbol("AAPL"), dec("150"));
    let broker = driver.broker.clone();
    let mut next = DeskDriver::with(settings, broker, MemoryJournal::default(), driver.now);
    next.start();
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
    assert_eq!(next.desk.books().gross_notional(), dec("1500"));
}
