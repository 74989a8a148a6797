//! Sent once, whatever fails; known in the end, wherever the engine was killed.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use rawe_core::{DecisionId, Purpose, RoundOutcome};
use rust_decimal::Decimal;

use super::{approved, at, dec, symbol};
use crate::broker::{Broker, OrderReport, OrderStatus, Rejection, Side, SubmitOutcome};
use crate::journal::Journal;
use crate::settle::{Until, resolve_unresolved, settle};
use crate::submission::{Action, End, Event, Phase, Submission};
use crate::testing::{MemoryJournal, ScriptedBroker, SubmitFault};

fn submission() -> Submission {
    let id = DecisionId::derive("test", &symbol("AAPL"), Purpose::Open, None);
    Submission::new(approved(), id, "AAPL@1".into(), at(0))
}

fn broker() -> ScriptedBroker {
    let broker = ScriptedBroker::new(at(0));
    broker.list(&symbol("AAPL"), dec("100"));
    broker
}

/// The scripted broker never waits, so every future here is ready when polled.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a scripted future waited"),
    }
}

fn run(broker: &ScriptedBroker, journal: &Mutex<MemoryJournal>) -> Submission {
    now(settle(
        submission(),
        Until::Ended,
        broker,
        journal,
        || at(1),
        |_| ready(()),
    ))
    .unwrap()
}

fn refusal() -> Rejection {
    Rejection {
        status: 403,
        code: None,
        message: "insufficient buying power".into(),
    }
}

/// Says whether an end is the expected one.
type Check = fn(&End) -> bool;
/// Name, faults, look-ups that find nothing, questions that fail, expected POSTs and end.
type FaultCase = (&'static str, Vec<SubmitFault>, u32, u32, usize, Check);

#[test]
fn each_fault_has_its_end() {
    let half = dec("0.5");
    let filled: Check = |end| matches!(end, End::Terminal(r) if r.status == OrderStatus::Filled);
    let cases: Vec<FaultCase> = vec![
        ("accepted", vec![], 0, 0, 1, filled),
        ("answer lost", vec![SubmitFault::LostAfter], 0, 0, 1, filled),
        (
            "answer lost, found late",
            vec![SubmitFault::LostAfter],
            5,
            0,
            1,
            filled,
        ),
        (
            "answer lost, found too late",
            vec![SubmitFault::LostAfter],
            8,
            0,
            2,
            filled,
        ),
        (
            "answer lost, broker down",
            vec![SubmitFault::LostAfter],
            0,
            50,
            1,
            filled,
        ),
        (
            "request lost",
            vec![SubmitFault::LostBefore],
            0,
            0,
            2,
            filled,
        ),
        (
            "request lost, then refused",
            vec![SubmitFault::LostBefore, SubmitFault::Refuse(refusal())],
            0,
            0,
            2,
            |end| end.outcome() == Some(RoundOutcome::BrokerRejected),
        ),
        (
            "request lost twice",
            vec![SubmitFault::LostBefore, SubmitFault::LostBefore],
            0,
            0,
            2,
            |end| matches!(end, End::NeverSent(_)),
        ),
        (
            "refused",
            vec![SubmitFault::Refuse(refusal())],
            0,
            0,
            1,
            |end| *end == End::Rejected("403 insufficient buying power".into()),
        ),
        (
            "part",
            vec![SubmitFault::PartThenCanceled(half)],
            0,
            0,
            1,
            |end| matches!(end, End::Terminal(r) if r.filled_quantity == Decimal::from(5)),
        ),
    ];
    for (name, faults, hidden, failing, sends, check) in cases {
        let (broker, journal) = (broker(), Mutex::new(MemoryJournal::default()));
        broker.script(faults);
        broker.hide_lookups(hidden);
        broker.fail_queries(failing);
        let submission = run(&broker, &journal);
        let end = submission.end().unwrap();
        assert!(check(end), "{name}: {end:?}");
        assert_eq!(broker.sent().len(), sends, "{name}");
        assert!(broker.orders().len() <= 1, "{name}");
        let journal = journal.lock().unwrap();
        assert!(journal.unresolved().unwrap().is_empty(), "{name}");
        assert_eq!(journal.intents.len(), 1);
    }
}

#[test]
fn nothing_is_sent_that_is_not_on_record() {
    let broker = broker();
    let journal = Mutex::new(MemoryJournal {
        failing: true,
        ..MemoryJournal::default()
    });
    let submission = run(&broker, &journal);
    assert_eq!(
        submission.end().unwrap().outcome(),
        Some(RoundOutcome::JournalFailed)
    );
    assert!(broker.sent().is_empty());
}

#[test]
fn a_void_decision_is_not_sent_and_not_sent_again() {
    let (broker, journal) = (broker(), Mutex::new(MemoryJournal::default()));
    let late = || at(61);
    let ended = now(settle(
        submission(),
        Until::Ended,
        &broker,
        &journal,
        late,
        |_| ready(()),
    ))
    .unwrap();
    assert!(matches!(ended.end(), Some(End::NeverSent(_))));
    assert!(broker.sent().is_empty());

    let mut submission = submission();
    submission.begin();
    submission.apply(Event::Recorded, at(1));
    submission.apply(Event::Sent(SubmitOutcome::Unknown("lost".into())), at(1));
    let mut actions = vec![];
    for _ in 0..6 {
        assert_eq!(submission.phase(), Phase::Unknown);
        actions = submission.apply(Event::LookedUp(Ok(None)), at(61));
    }
    assert_eq!(actions.last(), Some(&Action::Finish));
    assert_eq!(submission.sends(), 1);
}

type Change = fn(&mut OrderReport);

#[test]
fn an_id_taken_by_another_order_does_not_count_as_placed() {
    let cases: [(&str, Change, bool); 5] = [
        ("the same", |_| {}, true),
        ("other side", |r| r.side = Side::Sell, false),
        ("other size", |r| r.notional = Some(dec("999")), false),
        (
            "in units",
            |r| (r.notional, r.quantity) = (None, Some(dec("10"))),
            false,
        ),
        (
            "of an older decision",
            |r| r.submitted_at = Some(at(-61)),
            false,
        ),
    ];
    for (name, change, placed) in cases {
        let mut submission = submission();
        let id = submission.intent().order.client_order_id.to_string();
        let mut found = super::report(&id, OrderStatus::Filled, "10");
        (found.quantity, found.notional) = (None, Some(dec("1000")));
        change(&mut found);
        submission.begin();
        submission.apply(Event::Recorded, at(1));
        submission.apply(Event::Sent(SubmitOutcome::Duplicate("used".into())), at(1));
        assert_eq!(submission.phase(), Phase::Duplicate);
        submission.apply(Event::LookedUp(Ok(Some(found))), at(1));
        let end = submission.end().unwrap();
        assert_eq!(matches!(end, End::Terminal(_)), placed, "{name}: {end:?}");
    }
}

#[test]
fn waits_grow_and_are_capped() {
    let mut submission = submission();
    submission.begin();
    submission.apply(Event::Recorded, at(1));
    submission.apply(Event::Sent(SubmitOutcome::Unknown("lost".into())), at(1));
    let down = || Event::LookedUp(Err(crate::broker::BrokerError::Unavailable("down".into())));
    let mut last = Duration::ZERO;
    for _ in 0..40 {
        let Some(Action::LookUp { after }) = submission.apply(down(), at(1)).pop() else {
            panic!("gave up while the broker was down");
        };
        assert!(after >= last && after <= Duration::from_secs(5));
        last = after;
    }
    assert_eq!(last, Duration::from_secs(5));
}

#[test]
fn a_working_order_is_known_at_once_and_settled_later() {
    let (broker, journal) = (broker(), Mutex::new(MemoryJournal::default()));
    broker.script([SubmitFault::StaysWorking]);
    let known = now(settle(
        submission(),
        Until::Known,
        &broker,
        &journal,
        || at(1),
        |_| ready(()),
    ))
    .unwrap();
    assert_eq!((known.phase(), known.end()), (Phase::Working, None));
    broker.fill_working();
    let ended = now(settle(
        known,
        Until::Ended,
        &broker,
        &journal,
        || at(2),
        |_| ready(()),
    ))
    .unwrap();
    assert_eq!(ended.report().unwrap().status, OrderStatus::Filled);
    assert_eq!(broker.sent().len(), 1);
    assert_eq!(journal.lock().unwrap().reports.len(), 2);
}

/// Performs actions until `steps` are used up: then the engine is killed between two actions.
fn run_for(mut steps: usize, broker: &ScriptedBroker, journal: &mut MemoryJournal) {
    let mut submission = submission();
    let order = submission.intent().order.clone();
    let mut actions = submission.begin();
    loop {
        let mut event = None;
        for action in std::mem::take(&mut actions) {
            if steps == 0 {
                return;
            }
            steps -= 1;
            match action {
                Action::RecordIntent => {
                    journal.record_intent(submission.intent()).unwrap();
                    event = Some(Event::Recorded);
                }
                Action::Send => {
                    assert_eq!(journal.intents.len(), 1, "sent before it was on record");
                    event = Some(Event::Sent(now(broker.submit(&order))));
                }
                Action::LookUp { .. } => {
                    let answer = now(broker.order_by_client_id(&order.client_order_id));
                    event = Some(Event::LookedUp(answer));
                }
                Action::RecordReport(report) => journal.record_report(at(1), &report).unwrap(),
                Action::Resolve(end) => {
                    journal
                        .resolve(&order.client_order_id, at(1), &end)
                        .unwrap();
                }
                Action::Finish => return,
            }
        }
        actions = submission.apply(event.unwrap(), at(1));
    }
}

fn any_fault() -> impl Strategy<Value = SubmitFault> {
    prop_oneof![
        Just(SubmitFault::LostBefore),
        Just(SubmitFault::LostAfter),
        Just(SubmitFault::StaysWorking),
        Just(SubmitFault::Refuse(refusal())),
        Just(SubmitFault::PartThenCanceled(dec("0.25"))),
    ]
}

proptest! {
    #[test]
    fn killed_anywhere_and_resolved_at_start_there_is_one_order_and_the_books_agree(
        faults in prop::collection::vec(any_fault(), 0..3),
        hidden in 0_u32..5, failing in 0_u32..8, steps in 0_usize..30,
    ) {
        let (broker, mut journal) = (broker(), MemoryJournal::default());
        broker.script(faults);
        broker.hide_lookups(hidden);
        broker.fail_queries(failing);
        run_for(steps, &broker, &mut journal);
        let started = !journal.intents.is_empty();
        // The next start: first every intent is known, then what works is settled.
        broker.fill_working();
        let journal = Mutex::new(journal);
        let known = now(resolve_unresolved(&broker, &journal, || at(5), |_| ready(()))).unwrap();
        for submission in known {
            now(settle(submission, Until::Ended, &broker, &journal, || at(5), |_| ready(())))
                .unwrap();
        }
        let journal = journal.into_inner().unwrap();
        prop_assert!(journal.unresolved().unwrap().is_empty());
        prop_assert!(broker.orders().len() <= 1 && broker.sent().len() <= 2);
        prop_assert!(started || broker.sent().is_empty());
        let in_books = journal.resolutions.iter().find_map(|(_, end)| match end {
            crate::journal::Resolution::Terminal(report) => Some(report.filled_quantity),
            _ => None,
        });
        let at_broker = broker.orders().first().map(|order| order.filled_quantity);
        prop_assert_eq!(in_books, at_broker);
        prop_assert_eq!(at_broker.unwrap_or_default(), broker.quantity(&symbol("AAPL")));
    }
}

/// An acceptance is matched by id, asset and side: some brokers do not echo the amount, and to
/// doubt such an answer would send the order a second time.
#[test]
fn an_acceptance_is_matched_by_id_asset_and_side() {
    let sent = || {
        let mut submission = submission();
        submission.begin();
        submission.apply(Event::Recorded, at(0));
        submission
    };
    let order = sent().intent().order.clone();
    let opposite = match order.side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    };
    let answer = OrderReport {
        broker_order_id: "1".into(),
        client_order_id: order.client_order_id.as_str().into(),
        symbol: order.symbol.clone(),
        side: order.side,
        status: OrderStatus::Working,
        quantity: None,
        notional: None,
        filled_quantity: Decimal::ZERO,
        filled_average_price: None,
        submitted_at: None,
        filled_at: None,
        updated_at: None,
    };
    let cases = [
        ("amount not echoed", answer.clone(), Phase::Working),
        (
            "another id",
            OrderReport {
                client_order_id: "rawe-other".into(),
                ..answer.clone()
            },
            Phase::Unknown,
        ),
        (
            "another asset",
            OrderReport {
                symbol: symbol("MSFT"),
                ..answer.clone()
            },
            Phase::Unknown,
        ),
        (
            "the other side",
            OrderReport {
                side: opposite,
                ..answer
            },
            Phase::Unknown,
        ),
    ];
    for (case, report, expected) in cases {
        let mut submission = sent();
        let outcome = SubmitOutcome::Accepted(Box::new(report));
        submission.apply(Event::Sent(outcome), at(1));
        assert_eq!(submission.phase(), expected, "{case}");
        assert_eq!(submission.sends(), 1, "{case}");
    }
}
