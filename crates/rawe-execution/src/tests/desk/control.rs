//! Halt, reduce, resume, flatten; and what fails closed.

use rawe_core::{Direction, Purpose, RoundOutcome};

use super::*;
use crate::desk::{Control, ControlSource};
use crate::gate::TradingState;
use crate::testing::SubmitFault;

fn say(driver: &mut DeskDriver, source: ControlSource, state: TradingState) {
    driver.give(DeskEvent::Control(Control {
        source,
        state,
        flatten: false,
        reason: "test".into(),
    }));
}

fn flatten(driver: &mut DeskDriver) {
    driver.give(DeskEvent::Control(Control {
        source: ControlSource::Bus,
        state: TradingState::Reducing,
        flatten: true,
        reason: "enough".into(),
    }));
}

#[test]
fn the_strictest_word_rules_and_each_source_takes_back_its_own() {
    let mut driver = ready();
    let state = |driver: &DeskDriver| driver.desk.state().0;
    say(&mut driver, ControlSource::Bus, TradingState::Reducing);
    assert_eq!(state(&driver), TradingState::Reducing);
    say(&mut driver, ControlSource::File, TradingState::Halted);
    say(&mut driver, ControlSource::Bus, TradingState::Active);
    assert_eq!(driver.desk.state(), (TradingState::Halted, "test".into()));
    say(&mut driver, ControlSource::File, TradingState::Active);
    assert_eq!(state(&driver), TradingState::Active);
    say(&mut driver, ControlSource::Signal, TradingState::Halted);
    assert_eq!(state(&driver), TradingState::Halted);
    say(&mut driver, ControlSource::Bus, TradingState::Active);
    assert_eq!(
        state(&driver),
        TradingState::Active,
        "a signal cannot say resume"
    );
    let told = driver
        .news
        .iter()
        .filter(|n| matches!(n, OrderNews::State(_)))
        .count();
    assert_eq!(told, 7, "starting told once, then every change");
}

#[test]
fn a_halt_and_a_reduce_outlive_a_restart_until_resumed() {
    for source in [ControlSource::Bus, ControlSource::Signal] {
        for state in [TradingState::Halted, TradingState::Reducing] {
            let mut driver = ready();
            say(&mut driver, source, state);
            let mut next = restarted(&driver);
            assert_eq!(next.desk.state().0, state, "{source:?}");
            say(&mut next, ControlSource::Bus, TradingState::Active);
            assert_eq!(next.desk.state().0, TradingState::Active);
            assert_eq!(restarted(&next).desk.state().0, TradingState::Active);
        }
    }
    let mut driver = ready();
    say(&mut driver, ControlSource::Engine, TradingState::Halted);
    assert_eq!(
        restarted(&driver).desk.state().0,
        TradingState::Active,
        "another process"
    );
}

/// The bus takes a signal back although its own word stays what it was.
#[test]
fn a_second_resume_outlives_a_restart_too() {
    let mut driver = ready();
    say(&mut driver, ControlSource::Bus, TradingState::Halted);
    say(&mut driver, ControlSource::Bus, TradingState::Active);
    say(&mut driver, ControlSource::Signal, TradingState::Halted);
    say(&mut driver, ControlSource::Bus, TradingState::Active);
    for driver in [&driver, &restarted(&driver)] {
        assert_eq!(driver.desk.state(), (TradingState::Active, String::new()));
    }
}

#[test]
fn repeated_words_are_not_put_on_record_again() {
    let mut driver = ready();
    for _ in 0..5 {
        say(&mut driver, ControlSource::File, TradingState::Active);
        say(&mut driver, ControlSource::Bus, TradingState::Halted);
    }
    assert_eq!(count(&driver, |e| matches!(e, JournalEntry::Control(_))), 1);
}

#[test]
fn a_halt_stops_what_is_decided_and_not_sent() {
    // Waiting for answers.
    let mut driver = ready();
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    say(&mut driver, ControlSource::Bus, TradingState::Halted);
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
    assert!(driver.broker.sent().is_empty());
    // Waiting for the journal.
    let mut driver = ready();
    driver.hold_commits = true;
    open(&mut driver, "AAPL");
    say(&mut driver, ControlSource::Bus, TradingState::Halted);
    driver.release();
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
    assert!(driver.broker.sent().is_empty() && driver.desk.is_settled());
    // Lost, confirmed not found, about to be sent again.
    let mut driver = ready();
    driver.broker.script([SubmitFault::LostBefore]);
    driver.broker.fail_queries(0);
    driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(1);
    say(&mut driver, ControlSource::Bus, TradingState::Halted);
    driver.pass(10);
    assert_eq!(driver.broker.sent().len(), 1);
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
}

#[test]
fn reducing_closes_and_does_not_open() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    say(&mut driver, ControlSource::Bus, TradingState::Reducing);
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
    close(&mut driver, "AAPL");
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("0"));
    say(&mut driver, ControlSource::Bus, TradingState::Halted);
    driver.clear();
    close(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::Halted]);
}

#[test]
fn flatten_cancels_and_closes_everything_of_ours_and_stays_reducing() {
    let mut driver = ready();
    driver.broker.list(&symbol("KO"), dec("50"));
    driver.broker.trade_elsewhere(&symbol("KO"), dec("7"));
    open(&mut driver, "AAPL");
    open(&mut driver, "BTC/USD");
    driver.pass(30);
    let resting = driver
        .broker
        .orders()
        .iter()
        .filter(|o| !o.status.is_terminal())
        .count();
    assert_eq!(resting, 2, "a stop of whole shares and one of coins");
    driver.broker.script([SubmitFault::StaysWorking]);
    let opening = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(1);
    flatten(&mut driver);
    driver.pass(30);
    for name in ["AAPL", "MSFT", "BTC/USD"] {
        assert_eq!(driver.broker.quantity(&symbol(name)), dec("0"), "{name}");
        assert_eq!(
            driver.desk.books().quantity(&symbol(name)),
            dec("0"),
            "{name}"
        );
    }
    assert_eq!(
        driver.broker.quantity(&symbol("KO")),
        dec("7"),
        "never touched"
    );
    assert!(
        driver
            .broker
            .orders()
            .iter()
            .all(|order| order.status.is_terminal())
    );
    assert_eq!(driver.desk.state().0, TradingState::Reducing);
    let reasons: Vec<_> = trades(&driver).iter().map(|trade| trade.reason).collect();
    assert_eq!(reasons, [ExitReason::Flatten, ExitReason::Flatten]);
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "flattened")
    );
    assert_eq!(restarted(&driver).desk.state().0, TradingState::Reducing);
}

#[test]
fn a_flatten_goes_on_after_a_restart_and_over_refusals() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver
        .broker
        .script([SubmitFault::Refuse(crate::broker::Rejection {
            status: 403,
            code: None,
            message: "insufficient qty available".into(),
        })]);
    flatten(&mut driver);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("10"));
    let mut next = restarted(&driver);
    next.pass(70);
    assert_eq!(next.broker.quantity(&symbol("AAPL")), dec("0"));
    driver.pass(1);
    // Without a restart the same, once the hold-off is over.
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.broker.fail_queries(200);
    flatten(&mut driver);
    driver.broker.fail_queries(0);
    driver.pass(140);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("0"));
}

#[test]
fn a_flatten_said_with_a_halt_closes_first_and_halts_then() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.give(DeskEvent::Control(Control {
        source: ControlSource::Bus,
        state: TradingState::Halted,
        flatten: true,
        reason: "out".into(),
    }));
    driver.pass(5);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("0"));
    assert_eq!(driver.desk.state().0, TradingState::Halted);
    // Somebody else's halt is stricter: nothing goes out.
    let mut driver = ready();
    open(&mut driver, "AAPL");
    say(&mut driver, ControlSource::File, TradingState::Halted);
    flatten(&mut driver);
    driver.pass(5);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("10"));
}

/// Each input that trading depends on, broken in turn: nothing is opened.
#[test]
fn everything_that_fails_fails_closed() {
    type Break = fn(&mut DeskDriver);
    let cases: [(&str, Break); 6] = [
        ("the journal", |d| d.journal.failing = true),
        ("the broker's answers", |d| d.broker.fail_queries(100_000)),
        ("the broker's clock", |d| {
            d.broker.set_clock(d.now, false);
            d.pass(61);
        }),
        ("the account", |d| {
            let mut account = crate::tests::account();
            account.buying_power = dec("0");
            d.broker.set_account(account);
            d.pass(61);
        }),
        ("the asset", |d| {
            let mut info = crate::tests::asset("AAPL");
            info.tradable = false;
            d.broker.list_asset(info, dec("100"));
        }),
        ("the price", |d| {
            d.broker.set_price(&symbol("AAPL"), dec("0"));
        }),
    ];
    for (name, break_it) in cases {
        let mut driver = ready();
        break_it(&mut driver);
        driver.clear();
        let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
        driver.give_only(DeskEvent::Decided(Box::new(opening)));
        driver.pass(60);
        assert!(driver.broker.sent().is_empty(), "{name}");
        assert_eq!(refusals(&driver).len(), 1, "{name}: {:?}", driver.news);
    }
}
