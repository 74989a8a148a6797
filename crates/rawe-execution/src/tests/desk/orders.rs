//! Orders under way: doubts, parts, cancellations, ends, and what they do to the books.

use chrono::TimeDelta;
use rawe_core::{Direction, Purpose, RoundOutcome};

use super::*;
use crate::broker::{OrderReport, OrderStatus, Rejection};
use crate::desk::Control;
use crate::desk::ControlSource;
use crate::gate::TradingState;
use crate::testing::SubmitFault;

fn refusal() -> Rejection {
    Rejection {
        status: 403,
        code: None,
        message: "insufficient buying power".into(),
    }
}

#[test]
fn whatever_happens_to_the_post_there_is_one_order_and_one_end() {
    let half = dec("0.5");
    let cases: [(&str, Vec<SubmitFault>, u32, usize, &str); 7] = [
        ("accepted", vec![], 0, 1, "10"),
        ("answer lost", vec![SubmitFault::LostAfter], 0, 1, "10"),
        ("found late", vec![SubmitFault::LostAfter], 5, 1, "10"),
        ("request lost", vec![SubmitFault::LostBefore], 0, 2, "10"),
        (
            "lost twice",
            vec![SubmitFault::LostBefore, SubmitFault::LostBefore],
            0,
            2,
            "0",
        ),
        ("refused", vec![SubmitFault::Refuse(refusal())], 0, 1, "0"),
        ("part", vec![SubmitFault::PartThenCanceled(half)], 0, 1, "5"),
    ];
    for (name, faults, hidden, posts, held) in cases {
        let mut driver = ready();
        driver.broker.script(faults);
        driver.broker.hide_lookups(hidden);
        open(&mut driver, "AAPL");
        assert_eq!(driver.broker.sent().len(), posts, "{name}");
        assert_eq!(
            driver.desk.books().quantity(&symbol("AAPL")),
            dec(held),
            "{name}"
        );
        assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec(held), "{name}");
        let intents = count(&driver, |e| matches!(e, JournalEntry::Intent(_)));
        let ends = count(&driver, |e| matches!(e, JournalEntry::Resolved { .. }));
        assert_eq!((intents, ends), (1, 1), "{name}");
        assert!(driver.desk.is_settled(), "{name}");
        // What was lost twice may still land, and counts.
        let lost = if name == "lost twice" { "10" } else { "0" };
        let exposure = (dec(held) + dec(lost)) * dec("100");
        assert_eq!(driver.desk.books().gross_notional(), exposure, "{name}");
    }
}

#[test]
fn a_refused_order_gives_its_id_its_room_and_its_place_back() {
    let mut settings = settings();
    settings.new_positions_per_hour = 1;
    settings.limits.gross_notional_max = dec("1000");
    let mut driver = ready_with(settings);
    driver.broker.script([SubmitFault::Refuse(refusal())]);
    open(&mut driver, "AAPL");
    assert_eq!(refusals(&driver), [RoundOutcome::BrokerRejected]);
    open(&mut driver, "AAPL");
    let sent = driver.broker.sent();
    assert_eq!(sent[0].client_order_id, sent[1].client_order_id);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
}

#[test]
fn an_order_is_followed_by_pushes_and_by_polls() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
    driver.give_only(DeskEvent::Decided(Box::new(opening)));
    driver.pass(1);
    let accepted = |d: &DeskDriver| {
        d.news
            .iter()
            .any(|n| matches!(n, OrderNews::Accepted { .. }))
    };
    assert!(accepted(&driver) && driver.desk.is_settled());
    let id = driver.broker.sent()[0].client_order_id.to_string();
    driver.broker.fill_part(&id, dec("0.4"));
    let report = driver.broker.orders()[0].clone();
    for _ in 0..2 {
        // A repeated push changes nothing.
        driver.give_only(DeskEvent::OrderUpdate(Box::new(report.clone())));
    }
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("4"));
    assert_eq!(
        driver.desk.books().gross_notional(),
        dec("1000"),
        "the rest is under way"
    );
    driver.broker.fill_part(&id, dec("1"));
    driver.pass(20);
    assert_eq!(
        driver.desk.books().quantity(&symbol("AAPL")),
        dec("10"),
        "a poll saw it"
    );
    assert_eq!(count(&driver, |e| matches!(e, JournalEntry::Fill(_))), 2);
    assert_eq!(ended(&driver), [(Purpose::Open, dec("10"), true)]);
    // A late report of the past is not news.
    driver.clear();
    driver.give(DeskEvent::OrderUpdate(Box::new(report)));
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
    assert!(driver.news.is_empty());
}

#[test]
fn a_fill_after_the_end_counts() {
    let mut driver = ready();
    driver
        .broker
        .script([SubmitFault::PartThenCanceled(dec("0.5"))]);
    open(&mut driver, "AAPL");
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("5"));
    let mut late = driver.broker.orders()[0].clone();
    late.filled_quantity = dec("6");
    driver.give(DeskEvent::OrderUpdate(Box::new(late)));
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("6"));
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "order_filled_late")
    );
}

#[test]
fn a_trade_is_booked_with_its_votes_and_net_of_fees() {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    let mut driver = ready_with(settings);
    driver.broker.set_crypto_fee(dec("25"));
    open(&mut driver, "BTC/USD");
    let btc = symbol("BTC/USD");
    assert_eq!(driver.desk.books().quantity(&btc), dec("9.975"));
    assert_eq!(
        driver.desk.books().quantity(&btc),
        driver.broker.quantity(&btc)
    );
    driver.price(&btc, dec("110"));
    // 9.975 coins gained 10 each, less the fee of 0.025 coins at 100.
    assert_eq!(driver.desk.books().day_result(), dec("97.25"));
    close(&mut driver, "BTC/USD");
    let trades = trades(&driver);
    let [trade] = trades.as_slice() else {
        panic!("{trades:?}");
    };
    let sale_fee = dec("9.975") * dec("110") * dec("0.0025");
    assert_eq!(trade.fees, (dec("2.5") + sale_fee).round_dp(6));
    assert_eq!(trade.realised, (dec("99.75") - trade.fees).normalize());
    assert_eq!(driver.desk.books().day_result(), trade.realised);
    assert_eq!(trade.reason, ExitReason::SoftExit);
    assert_eq!(trade.votes.len(), 3);
    assert_eq!(
        (trade.entry_price, trade.exit_price),
        (dec("100"), dec("110"))
    );
    // What the broker's cash says is what was made.
    let answer = driver.broker.ask(&Question::Account);
    let Ok(crate::desk::Answer::Account(account)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (account.cash - dec("100000")).round_dp(6).normalize(),
        trade.realised
    );
    // What fees have left is known once positions are read.
    driver.pass(20);
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

#[test]
fn a_short_gains_when_the_price_falls() {
    let mut driver = ready();
    let opening = decision(&driver, "AAPL", Purpose::Open, Direction::Short);
    driver.decide(opening);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("-10"));
    assert_eq!(driver.desk.books().net_notional(), dec("-1000"));
    driver.price(&symbol("AAPL"), dec("95"));
    let closing = decision(&driver, "AAPL", Purpose::Close, Direction::Short);
    driver.decide(closing);
    let made: Vec<Decimal> = trades(&driver).iter().map(|trade| trade.realised).collect();
    assert_eq!(made, [dec("50")]);
    assert_eq!(driver.desk.books().day_result(), dec("50"));
}

#[test]
fn the_days_result_begins_anew_at_new_yorks_midnight() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver.price(&symbol("AAPL"), dec("90"));
    assert_eq!(driver.desk.books().day_result(), dec("-100"));
    driver.pass(24 * 3_600);
    assert_eq!(driver.desk.books().day_result(), dec("0"));
    driver.price(&symbol("AAPL"), dec("89"));
    assert_eq!(driver.desk.books().day_result(), dec("-10"));
}

#[test]
fn dust_is_kept_valued_and_treated_as_flat() {
    let mut settings = settings();
    settings.exits.stop_at_broker = false;
    let mut driver = ready_with(settings);
    driver.broker.set_crypto_fee(dec("0"));
    open(&mut driver, "BTC/USD");
    driver
        .broker
        .script([SubmitFault::PartThenCanceled(dec("0.9999"))]);
    close(&mut driver, "BTC/USD");
    let btc = symbol("BTC/USD");
    assert_eq!(driver.desk.books().quantity(&btc), dec("0.001"));
    assert_eq!(driver.desk.books().gross_notional(), dec("0.1"), "valued");
    assert_eq!(
        ended(&driver).last(),
        Some(&(Purpose::Close, dec("9.999"), false))
    );
    assert_eq!(trades(&driver).len(), 1);
    let closed = driver
        .notices
        .iter()
        .find(|n| n.event == "position_closed")
        .unwrap();
    assert!(
        closed.fields.contains(&("dust", "0.001".into())),
        "{closed:?}"
    );
    driver.pass(30);
    assert_eq!(trades(&driver).len(), 1, "the reconciliation agrees");
}

#[test]
fn a_part_that_was_closed_leaves_the_rest_held() {
    let mut driver = ready();
    open(&mut driver, "AAPL");
    driver
        .broker
        .script([SubmitFault::PartThenCanceled(dec("0.5"))]);
    close(&mut driver, "AAPL");
    assert_eq!(
        ended(&driver).last(),
        Some(&(Purpose::Close, dec("5"), true))
    );
    assert!(trades(&driver).is_empty());
    driver.pass(61);
    close(&mut driver, "AAPL");
    let quantities: Vec<Decimal> = trades(&driver).iter().map(|trade| trade.quantity).collect();
    assert_eq!(quantities, [dec("10")]);
}

#[test]
fn nothing_is_sent_while_the_journal_has_not_answered_and_never_if_it_fails() {
    let mut driver = ready();
    driver.hold_commits = true;
    open(&mut driver, "AAPL");
    driver.pass(5);
    assert!(driver.broker.sent().is_empty());
    driver.journal.failing = true;
    driver.release();
    assert!(driver.broker.sent().is_empty());
    assert_eq!(refusals(&driver), [RoundOutcome::JournalFailed]);
    assert_eq!(driver.desk.state().0, TradingState::Halted);
    driver.journal.failing = false;
    driver.give(DeskEvent::Control(Control {
        source: ControlSource::Bus,
        state: TradingState::Active,
        flatten: false,
        reason: "please".into(),
    }));
    open(&mut driver, "MSFT");
    assert!(
        driver.broker.sent().is_empty(),
        "halted until the next start"
    );
    assert_eq!(driver.desk.books().gross_notional(), dec("0"));
}

#[test]
fn an_order_that_was_changed_on_the_way_is_said_aloud() {
    let mut driver = ready();
    driver.hold_submits = true;
    open(&mut driver, "AAPL");
    let Some(DeskEffect::Submit(order)) = driver.held_back.pop() else {
        panic!("nothing was sent");
    };
    let crate::broker::SubmitOutcome::Accepted(mut report) = driver.broker.submit_now(&order)
    else {
        panic!("not accepted");
    };
    report.notional = Some(dec("1100"));
    driver.hold_submits = false;
    driver.give(DeskEvent::Submitted {
        id: order.client_order_id,
        outcome: crate::broker::SubmitOutcome::Accepted(report),
    });
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| notice.event == "order_amount_differs")
    );
    assert_eq!(driver.broker.sent().len(), 1);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
    assert!(
        driver
            .broker
            .orders()
            .iter()
            .all(|o| o.status == OrderStatus::Filled)
    );
}

/// A POST may be delayed for longer than it was looked for: what lands then is ours.
#[test]
fn an_order_that_lands_after_it_was_given_up_counts() {
    for pushed in [false, true] {
        let mut driver = ready();
        driver.broker.script([SubmitFault::LostAfter]);
        driver.broker.hide_lookups(6);
        driver.give(DeskEvent::AssetWanted(symbol("AAPL")));
        let mut opening = decision(&driver, "AAPL", Purpose::Open, Direction::Long);
        opening.void_after = driver.now + TimeDelta::seconds(1);
        driver.decide(opening);
        assert_eq!(refusals(&driver), [RoundOutcome::Stale]);
        assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("0"));
        if pushed {
            let report = driver.broker.orders()[0].clone();
            driver.give(DeskEvent::OrderUpdate(Box::new(report)));
        } else {
            driver.pass(90);
        }
        let sent = driver.broker.sent().into_iter();
        let openings = sent.filter(|order| order.side == crate::broker::Side::Buy);
        assert_eq!(openings.count(), 1);
        assert_eq!(
            driver.desk.books().quantity(&symbol("AAPL")),
            dec("10"),
            "{pushed}"
        );
        let line = driver.desk.books().line(&symbol("AAPL")).unwrap();
        assert_eq!(line.foreign_quantity, dec("0"));
        assert_eq!(line.trade.as_ref().unwrap().votes.len(), 3);
        assert_eq!(ended(&driver), [(Purpose::Open, dec("10"), true)]);
        let next = restarted(&driver);
        assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
    }
}

/// Sends an order whose POST the broker takes without an answer, and which is not found for so
/// long that it is given up; leaves it at the broker.
fn give_up(driver: &mut DeskDriver, name: &str) -> OrderReport {
    driver.broker.script([SubmitFault::LostAfter]);
    driver.broker.hide_lookups(6);
    driver.give(DeskEvent::AssetWanted(symbol(name)));
    let mut opening = decision(driver, name, Purpose::Open, Direction::Long);
    opening.void_after = driver.now + TimeDelta::seconds(1);
    driver.decide(opening);
    assert_eq!(refusals(driver), [RoundOutcome::Stale]);
    driver.broker.orders()[0].clone()
}

#[test]
fn an_opening_that_lands_after_it_was_given_up_is_one_of_the_hour() {
    let mut limited = settings();
    limited.new_positions_per_hour = 1;
    let mut driver = ready_with(limited);
    let landed = give_up(&mut driver, "AAPL");
    driver.give(DeskEvent::OrderUpdate(Box::new(landed)));
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("10"));
    driver.clear();
    open(&mut driver, "MSFT");
    assert_eq!(refusals(&driver), [RoundOutcome::CapNewPositions]);
    assert_eq!(driver.desk.books().quantity(&symbol("MSFT")), dec("0"));
}

/// A stop rests at the broker after all: it is followed, and cancelled with its position.
#[test]
fn a_stop_that_lands_after_it_was_given_up_is_followed() {
    for held in [true, false] {
        let mut driver = ready();
        open(&mut driver, "AAPL");
        driver
            .broker
            .script([SubmitFault::LostBefore, SubmitFault::LostBefore]);
        driver.pass(60);
        let sent = driver.broker.sent();
        let lost = sent.last().unwrap().clone();
        assert_eq!(lost.side, crate::broker::Side::Sell);
        assert_eq!(sent.iter().filter(|order| **order == lost).count(), 2);
        assert_eq!(driver.desk.orders().count(), 0, "given up");
        if !held {
            close(&mut driver, "AAPL");
            assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("0"));
        }
        // The POST was on its way all the time.
        driver.broker.submit_now(&lost);
        let orders = driver.broker.orders().into_iter();
        let stop = orders.rev().find(|order| !order.status.is_terminal());
        driver.give(DeskEvent::OrderUpdate(Box::new(stop.unwrap())));
        assert_eq!(driver.desk.orders().count(), usize::from(held), "followed");
        driver.pass(60);
        close(&mut driver, "AAPL");
        driver.pass(60);
        assert_eq!(driver.broker.quantity(&symbol("AAPL")), dec("0"));
        let open = driver.broker.orders().into_iter();
        assert_eq!(open.filter(|o| !o.status.is_terminal()).count(), 0);
        let of_stop = |entry: &&JournalEntry| {
            matches!(entry, JournalEntry::Resolved { client_order_id, .. }
                if *client_order_id == lost.client_order_id)
        };
        let mut ends = driver.journal.entries.iter().filter(of_stop);
        let last = ends.next_back().unwrap();
        let terminal = |entry: &JournalEntry| {
            matches!(
                entry,
                JournalEntry::Resolved {
                    resolution: crate::journal::Resolution::Terminal(_),
                    ..
                }
            )
        };
        assert!(terminal(last), "{last:?}");
    }
}

/// What was sent before a kill may land after the new start has given it up.
#[test]
fn an_order_of_the_last_run_that_lands_after_it_was_given_up_counts() {
    let mut driver = ready();
    driver.hold_submits = true;
    open(&mut driver, "AAPL");
    let sent = driver.held_back.iter().find_map(|effect| match effect {
        DeskEffect::Submit(order) => Some(order.clone()),
        _ => None,
    });
    let mut next = restarted(&driver);
    assert_eq!(next.desk.orders().count(), 0, "given up");
    next.broker.submit_now(&sent.unwrap());
    let landed = next.broker.orders()[0].clone();
    next.give(DeskEvent::OrderUpdate(Box::new(landed)));
    assert_eq!(next.desk.books().quantity(&symbol("AAPL")), dec("10"));
}

/// While an opening is looked for, what balanced it is closed: sent again it would be too much.
#[test]
fn an_opening_is_not_sent_again_over_a_limit() {
    let mut limited = settings();
    limited.limits.order_notional_max = dec("5000");
    limited.limits.net_notional_max = dec("1500");
    let mut driver = ready_with(limited);
    let short = decision(&driver, "AAPL", Purpose::Open, Direction::Short);
    driver.decide(short);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("-10"));
    driver.clear();
    driver.broker.script([SubmitFault::LostBefore]);
    let mut long = decision(&driver, "MSFT", Purpose::Open, Direction::Long);
    long.record.notional = Some(dec("2000"));
    driver.give_only(DeskEvent::Decided(Box::new(long)));
    driver.pass(1);
    let cover = decision(&driver, "AAPL", Purpose::Close, Direction::Short);
    driver.decide(cover);
    driver.pass(20);
    assert_eq!(driver.desk.books().quantity(&symbol("AAPL")), dec("0"));
    let sent = driver.broker.sent().into_iter();
    assert_eq!(sent.filter(|o| o.symbol == symbol("MSFT")).count(), 1);
    assert_eq!(driver.broker.quantity(&symbol("MSFT")), dec("0"));
    assert_eq!(refusals(&driver), [RoundOutcome::Stale]);
}

#[test]
fn the_units_left_of_an_order_count_whatever_the_others_have_cost() {
    let mut driver = ready();
    driver.broker.script([SubmitFault::StaysWorking]);
    open(&mut driver, "BTC/USD");
    let id = driver.broker.orders()[0].client_order_id.clone();
    driver.broker.set_price(&symbol("BTC/USD"), dec("110"));
    driver.broker.fill_part(&id, dec("0.5"));
    let report = driver.broker.orders()[0].clone();
    driver.give_only(DeskEvent::OrderUpdate(Box::new(report)));
    let line = driver.desk.books().line(&symbol("BTC/USD")).unwrap();
    assert_eq!(line.quantity, dec("4.9875"));
    assert_eq!(line.pending_long, dec("500"));
}
