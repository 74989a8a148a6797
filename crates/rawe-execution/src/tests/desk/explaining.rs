//! Differences between the broker and the books that an order of ours explains, and what is told
//! of it late or not at all.

use super::*;
use crate::broker::{AssetInfo, OrderRequest};
use crate::desk::Answer;
use crate::testing::{MemoryJournal, SubmitFault};

fn line(driver: &DeskDriver, name: &str) -> (Decimal, Decimal) {
    let line = driver.desk.books().line(&symbol(name)).unwrap();
    (line.quantity, line.foreign_quantity)
}

fn watched() -> DeskSettings {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    settings
}

/// Lets an order be lost twice, so that it is given up; gives back what is still on its way.
fn give_up(driver: &mut DeskDriver, purpose: Purpose) -> OrderRequest {
    let lost = [SubmitFault::LostBefore, SubmitFault::LostBefore];
    driver.broker.script(lost);
    let decision = decision(driver, "AAPL", purpose, Direction::Long);
    driver.decide(decision);
    assert_eq!(driver.desk.orders().count(), 0, "given up");
    driver.broker.sent().last().unwrap().clone()
}

/// Reads the broker's side, with something happening there after orders were listed and before
/// positions are.
fn read_with(driver: &mut DeskDriver, between: impl FnOnce(&DeskDriver)) {
    let due = driver.desk.next_deadline().unwrap();
    driver.pass((due - driver.now).num_seconds() - 1);
    driver.now = due;
    let effects = driver.desk.apply(DeskEvent::Tick, due);
    let asked = effects.into_iter().filter_map(|effect| match effect {
        DeskEffect::Ask { question, .. } => Some(question),
        _ => None,
    });
    let (late, early): (Vec<_>, Vec<_>) =
        asked.partition(|question| *question == Question::Positions);
    assert_eq!((late.len(), early.len()), (1, 3));
    for question in early {
        let answer = driver.broker.ask(&question);
        driver.give_only(DeskEvent::Answered { question, answer });
    }
    between(driver);
    for question in late {
        let answer = driver.broker.ask(&question);
        driver.give_only(DeskEvent::Answered { question, answer });
    }
    driver.pass(1);
}

#[test]
fn dust_left_by_a_trade_is_no_position_after_a_restart() {
    for on_record in [true, false] {
        let mut watched = watched();
        watched.exits.target = Some(0.02);
        let mut driver = ready_with(watched.clone());
        let bitcoin = symbol("BTC/USD");
        let step = Some(dec("0.01"));
        let coarse = AssetInfo {
            symbol: bitcoin.clone(),
            class: bitcoin.class(),
            tradable: true,
            fractionable: true,
            shortable: false,
            quantity_min: step,
            quantity_increment: step,
        };
        driver.broker.list_asset(coarse, dec("100"));
        driver.start();
        open(&mut driver, "BTC/USD");
        driver.pass(30);
        if !on_record {
            // A trade that nobody remembers is not on record when it ends either.
            driver.journal = MemoryJournal::default();
            let broker = driver.broker.clone();
            let journal = driver.journal.clone();
            driver = DeskDriver::with(watched.clone(), broker, journal, driver.now);
            driver.start();
        }
        close(&mut driver, "BTC/USD");
        driver.pass(90);
        assert_eq!(line(&driver, "BTC/USD"), (dec("0.005"), dec("0")));
        assert_eq!(trades(&driver).len(), usize::from(on_record));
        let (broker, journal) = (driver.broker.clone(), driver.journal.clone());
        let mut next = DeskDriver::with(watched, broker, journal, driver.now);
        next.start();
        next.price(&bitcoin, dec("150"));
        next.pass(90);
        assert_eq!(line(&next, "BTC/USD"), (dec("0.005"), dec("0")));
        let books = next.desk.books().line(&bitcoin).unwrap();
        assert_eq!((&books.trade, books.stop_price), (&None, None));
        let refused = next.notices.iter().any(|n| n.event == "exit_refused");
        assert!(!refused, "{:?}", next.notices);
    }
}

/// Positions may tell of a fill before the order does: it is not somebody else's doing.
#[test]
fn a_stop_that_filled_between_two_answers_has_closed_the_position() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(120);
    let stop = driver.broker.orders().last().unwrap().clone();
    assert!(!stop.status.is_terminal());
    read_with(&mut driver, |driver| {
        driver.broker.fill_part(&stop.client_order_id, dec("1"));
    });
    driver.pass(90);
    let trades = trades(&driver);
    let reasons: Vec<ExitReason> = trades.iter().map(|trade| trade.reason).collect();
    assert_eq!(reasons, [ExitReason::DisasterStop]);
    assert_eq!(line(&driver, "AAPL"), (dec("0"), dec("0")));
}

/// A stop that is looked at and has not filled explains nothing.
#[test]
fn what_others_close_beside_a_resting_stop_is_theirs() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(120);
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-4"));
    driver.pass(61);
    assert_eq!(line(&driver, "AAPL"), (dec("6"), dec("0")));
    driver.broker.fail_queries(3);
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-6"));
    driver.pass(90);
    assert_eq!(trades(&driver)[0].reason, ExitReason::External);
}

/// While it is not known whose doing a difference is, nothing is opened anywhere.
#[test]
fn nothing_is_opened_while_a_difference_is_in_doubt() {
    let mut driver = ready_with(watched());
    give_up(&mut driver, Purpose::Open);
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("3"));
    driver.pass(50);
    driver.clear();
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::Unreconciled]);
    driver.pass(30);
    assert_eq!(line(&driver, "AAPL"), (dec("0"), dec("3")));
    open(&mut driver, "MSFT");
    assert_eq!(line(&driver, "MSFT"), (dec("10"), dec("0")));
}

/// The look-up may lag behind the positions.
#[test]
fn one_look_that_finds_nothing_does_not_disown_a_fill() {
    let mut driver = ready_with(watched());
    let lost = give_up(&mut driver, Purpose::Open);
    driver.broker.submit_now(&lost);
    driver.broker.hide_lookups(1);
    driver.pass(120);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
    let books = driver.desk.books().line(&symbol("AAPL")).unwrap();
    assert_eq!(books.trade.as_ref().unwrap().votes.len(), 3);
    assert!(books.stop_price.is_some());
}

/// Not to be found when it was looked for again, an order may land all the same.
#[test]
fn an_order_given_up_is_remembered_when_it_was_not_found_again() {
    for pushed in [true, false] {
        let mut driver = ready_with(watched());
        let lost = give_up(&mut driver, Purpose::Open);
        driver.broker.trade_elsewhere(&symbol("AAPL"), dec("3"));
        driver.pass(120);
        assert_eq!(line(&driver, "AAPL"), (dec("0"), dec("3")));
        driver.broker.submit_now(&lost);
        if pushed {
            let landed = driver.broker.orders()[0].clone();
            driver.give(DeskEvent::OrderUpdate(Box::new(landed)));
        }
        driver.pass(120);
        assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("3")), "{pushed}");
        assert_eq!(
            driver.broker.sent().len(),
            3,
            "the last is the test's, {pushed}"
        );
    }
}

/// What may land counts in the limits as long as it may, over a restart too, and no longer.
#[test]
fn an_opening_given_up_counts_while_it_may_land() {
    for restart in [false, true] {
        let mut one_an_hour = watched();
        one_an_hour.new_positions_per_hour = 1;
        let mut driver = ready_with(one_an_hour.clone());
        give_up(&mut driver, Purpose::Open);
        if restart {
            let (broker, journal) = (driver.broker.clone(), driver.journal.clone());
            driver = DeskDriver::with(one_an_hour, broker, journal, driver.now);
            driver.start();
        }
        driver.clear();
        open(&mut driver, "MSFT");
        assert_eq!(refusals(&driver), [RoundOutcome::CapNewPositions]);
        assert_eq!(driver.desk.books().gross_notional(), dec("1000"));
        driver.pass(600);
        assert_eq!(driver.desk.books().gross_notional(), dec("0"));
        driver.price(&symbol("MSFT"), dec("100"));
        open(&mut driver, "MSFT");
        assert_eq!(line(&driver, "MSFT"), (dec("10"), dec("0")), "{restart}");
    }
}

/// It counts once when it has landed, and what it took of the limits is given back at its end.
#[test]
fn an_opening_given_up_that_lands_counts_once() {
    let mut driver = ready_with(watched());
    let lost = give_up(&mut driver, Purpose::Open);
    driver.broker.submit_now(&lost);
    driver.pass(90);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
    assert_eq!(driver.desk.books().gross_notional(), dec("1000"));
    driver.pass(700);
    close(&mut driver, "AAPL");
    driver.pass(30);
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

/// The refusal of the second sending says nothing of the first.
#[test]
fn an_order_whose_repetition_was_refused_may_land() {
    let mut driver = ready_with(watched());
    let busy = crate::broker::Rejection {
        status: 429,
        code: None,
        message: "rate limit exceeded".into(),
    };
    let faults = [SubmitFault::LostBefore, SubmitFault::Refuse(busy)];
    driver.broker.script(faults);
    open(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::BrokerRejected]);
    let lost = driver.broker.sent()[0].clone();
    driver.broker.submit_now(&lost);
    driver.pass(90);
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
}

/// What the broker refused at once never lands: it counts in no limit, after a restart neither.
#[test]
fn an_opening_refused_at_once_does_not_count() {
    let mut driver = ready();
    let poor = crate::broker::Rejection {
        status: 403,
        code: None,
        message: "insufficient buying power".into(),
    };
    driver.broker.script([SubmitFault::Refuse(poor)]);
    open(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::BrokerRejected]);
    for driver in [&driver, &restarted(&driver)] {
        assert_eq!(driver.desk.books().gross_notional(), dec("0"));
    }
}

/// A restart does not forget what may still be on its way.
#[test]
fn an_order_given_up_is_remembered_over_a_restart() {
    for landed in [Purpose::Open, Purpose::Close] {
        for pushed in [true, false] {
            let mut driver = ready_with(watched());
            if landed == Purpose::Close {
                open(&mut driver, "AAPL");
                driver.pass(30);
            }
            let lost = give_up(&mut driver, landed);
            let mut next = restarted(&driver);
            next.pass(5);
            next.broker.submit_now(&lost);
            if pushed {
                let order = next.broker.orders().last().unwrap().clone();
                next.give(DeskEvent::OrderUpdate(Box::new(order)));
            }
            next.pass(120);
            let (held, ended) = match landed {
                Purpose::Open => (dec("10"), 0),
                _ => (dec("0"), 1),
            };
            assert_eq!(line(&next, "AAPL"), (held, dec("0")), "{landed} {pushed}");
            let reasons = trades(&next).into_iter().map(|trade| trade.reason);
            let outside = reasons.filter(|reason| *reason == ExitReason::External);
            assert_eq!((trades(&next).len(), outside.count()), (ended, 0));
        }
    }
}

/// It may land while the next order of its id is being put on record: that one is not sent.
#[test]
fn an_order_given_up_may_land_before_the_next_one_is_sent() {
    let mut driver = ready_with(watched());
    let lost = give_up(&mut driver, Purpose::Open);
    driver.clear();
    let before = driver.broker.sent().len();
    driver.hold_commits = true;
    open(&mut driver, "AAPL");
    driver.broker.submit_now(&lost);
    let landed = driver.broker.orders().last().unwrap().clone();
    driver.give(DeskEvent::OrderUpdate(Box::new(landed)));
    driver.release();
    driver.pass(30);
    assert_eq!(
        driver.broker.sent().len(),
        before + 1,
        "only what was on its way"
    );
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
}

/// The second sending is an order more; those let through meanwhile go first.
#[test]
fn an_opening_is_not_sent_again_when_the_minute_is_full() {
    let mut limited = watched();
    limited.limits.orders_per_minute_max = 2;
    let mut driver = ready_with(limited);
    driver.broker.script([SubmitFault::LostBefore]);
    let lost = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(lost)));
    driver.pass(1);
    open(&mut driver, "MSFT");
    driver.pass(20);
    let sent = driver.broker.sent().into_iter().map(|order| order.symbol);
    assert_eq!(sent.collect::<Vec<_>>(), [symbol("AAPL"), symbol("MSFT")]);
    assert_eq!(refusals(&driver), [RoundOutcome::Stale]);
}

/// It lands between two runs, so that the start finds it among the past orders: it counts once,
/// and is not looked for any more.
#[test]
fn an_order_given_up_that_a_start_finds_counts_once() {
    for landed in [Purpose::Open, Purpose::Close] {
        let mut driver = ready_with(watched());
        // Something is held in any case, so that the start reads the asset's past.
        open(&mut driver, "AAPL");
        driver.pass(30);
        if landed == Purpose::Open {
            close(&mut driver, "AAPL");
            driver.pass(30);
        }
        let lost = give_up(&mut driver, landed);
        driver.broker.submit_now(&lost);
        let mut next = restarted(&driver);
        next.pass(200);
        let held = match landed {
            Purpose::Open => dec("10"),
            _ => dec("0"),
        };
        assert_eq!(line(&next, "AAPL"), (held, dec("0")), "{landed}");
        let fills = next.journal.entries.iter().filter(|entry| {
            matches!(entry, JournalEntry::Fill(fill)
                if fill.client_order_id == lost.client_order_id)
        });
        assert_eq!(fills.count(), 1, "{landed}");
        let outside = |trade: &&ClosedTrade| trade.reason == ExitReason::External;
        assert_eq!(trades(&next).into_iter().filter(outside).count(), 0);
    }
}

/// The next decision has the same id. When the first order lands after all, the second is refused,
/// and the first one counts.
#[test]
fn an_order_given_up_may_take_the_place_of_the_next_one() {
    let mut driver = ready_with(watched());
    let lost = give_up(&mut driver, Purpose::Open);
    driver.broker.submit_now(&lost);
    let mut larger = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    larger.record.notional = Some(dec("1500"));
    driver.decide(larger);
    driver.pass(30);
    let sent = driver.broker.sent();
    assert_eq!(sent.len(), 4, "the last but one is the test's");
    assert_eq!(sent[3].client_order_id, lost.client_order_id);
    assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("10"));
    assert_eq!(line(&driver, "AAPL"), (dec("10"), dec("0")));
}

/// What rests at the broker is ours from the first reading on, journal or not.
#[test]
fn our_own_stop_is_no_order_of_others_when_the_journal_is_lost() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(120);
    assert_eq!(driver.desk.books().gross_notional(), dec("1000"));
    driver.journal = MemoryJournal::default();
    let next = restarted(&driver);
    assert_eq!(next.desk.orders().count(), 1, "the stop");
    assert_eq!(next.desk.books().gross_notional(), dec("1000"));
}

/// While news of orders do not come, somebody else may have traded a moment ago.
#[test]
fn without_news_of_orders_positions_are_read_before_each_opening() {
    let mut driver = ready_with(watched());
    driver.give(DeskEvent::OrderNewsFlow(true));
    driver.pass(70);
    driver.give(DeskEvent::OrderNewsFlow(false));
    driver.pass(20);
    driver.broker.trade_elsewhere(&symbol("AAPL"), dec("5"));
    driver.clear();
    let short = decision(&driver, "AAPL", Purpose::Open, Direction::Short);
    driver.decide(short);
    assert_eq!(refusals(&driver).len(), 1);
    assert!(driver.broker.sent().is_empty());
    // They flow again: what was missed is read once, then no more than before.
    driver.broker.trade_elsewhere(&symbol("MSFT"), dec("5"));
    driver.give(DeskEvent::OrderNewsFlow(true));
    driver.clear();
    let short = decision(&driver, "MSFT", Purpose::Open, Direction::Short);
    driver.decide(short);
    assert_eq!(refusals(&driver).len(), 1);
    assert!(driver.broker.sent().is_empty());
    driver.pass(30);
    driver.clear();
    open(&mut driver, "BTC/USD");
    assert!(!driver.asked.contains(&Question::Positions));
    assert_eq!(line(&driver, "BTC/USD").0, dec("9.975"));
}

/// An answer that fits no question of a doubt changes nothing.
#[test]
fn a_look_asked_before_the_doubt_is_no_evidence() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.pass(120);
    let stop = driver.broker.orders().last().unwrap().clone();
    let id = rawe_core::ClientOrderId::parse_ours(&stop.client_order_id).unwrap();
    let question = Question::Order(id);
    driver.price(&symbol("AAPL"), dec("100"));
    read_with(&mut driver, |driver| {
        driver.broker.trade_elsewhere(&symbol("AAPL"), dec("-10"));
    });
    let answer = Ok(Answer::Order(Some(stop)));
    driver.give(DeskEvent::Answered { question, answer });
    driver.pass(90);
    assert_eq!(trades(&driver)[0].reason, ExitReason::External);
}
