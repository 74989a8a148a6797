//! Sent once, whatever fails; known in the end, wherever the engine was killed.

use std::time::Duration;

use proptest::prelude::*;
use rawe_core::{DecisionId, Purpose, RoundOutcome, Timestamp};
use rust_decimal::Decimal;

use super::{approved, at, dec, symbol};
use crate::broker::{OrderReport, OrderStatus, Rejection, Side, SubmitOutcome};
use crate::desk::{Answer, Question};
use crate::journal::{Intent, Journal, JournalEntry, Resolution};
use crate::submission::{Action, End, Event, Phase, Submission};
use crate::testing::{MemoryJournal, ScriptedBroker, SubmitFault};

pub(super) fn submission() -> Submission {
    let id = DecisionId::derive("test", &symbol("AAPL"), Purpose::Open, None);
    Submission::new(approved(), id, "AAPL@1".into(), at(0))
}

fn broker() -> ScriptedBroker {
    let broker = ScriptedBroker::new(at(0));
    broker.list(&symbol("AAPL"), dec("100"));
    broker
}

/// Performs actions to the submission's end, or until `steps` are used up, as if killed then.
fn perform(
    submission: &mut Submission,
    steps: &mut usize,
    broker: &ScriptedBroker,
    journal: &mut MemoryJournal,
    now: Timestamp,
) {
    let order = submission.intent().order.clone();
    let mut actions = submission.begin();
    loop {
        let mut event = None;
        for action in std::mem::take(&mut actions) {
            if *steps == 0 {
                return;
            }
            *steps -= 1;
            match action {
                Action::RecordIntent => {
                    let entry = JournalEntry::Intent(submission.intent().clone());
                    event = Some(match journal.commit(&[entry]) {
                        Ok(()) => Event::Recorded,
                        Err(error) => Event::NotRecorded(error.to_string()),
                    });
                }
                Action::Send => {
                    assert_eq!(intents(journal).len(), 1, "sent before it was on record");
                    event = Some(Event::Sent(broker.submit_now(&order)));
                }
                Action::LookUp { .. } => {
                    let question = Question::Order(order.client_order_id.clone());
                    let answer = broker.ask(&question).map(|answer| match answer {
                        Answer::Order(report) => report,
                        other => panic!("{other:?}"),
                    });
                    event = Some(Event::LookedUp(answer));
                }
                Action::RecordReport(report) => {
                    let entry = JournalEntry::Report { at: now, report };
                    journal.commit(&[entry]).unwrap();
                }
                Action::Resolve(resolution) => {
                    let entry = JournalEntry::Resolved {
                        at: now,
                        client_order_id: order.client_order_id.clone(),
                        resolution,
                    };
                    journal.commit(&[entry]).unwrap();
                }
                Action::Finish => return,
            }
        }
        actions = submission.apply(event.unwrap(), now);
    }
}

fn run(broker: &ScriptedBroker, journal: &mut MemoryJournal) -> Submission {
    let mut submission = submission();
    perform(
        &mut submission,
        &mut usize::MAX.clone(),
        broker,
        journal,
        at(1),
    );
    submission
}

fn intents(journal: &MemoryJournal) -> Vec<&Intent> {
    let entries = journal.entries.iter();
    entries
        .filter_map(|entry| match entry {
            JournalEntry::Intent(intent) => Some(intent),
            _ => None,
        })
        .collect()
}

fn ends(journal: &MemoryJournal) -> Vec<&Resolution> {
    let entries = journal.entries.iter();
    entries
        .filter_map(|entry| match entry {
            JournalEntry::Resolved { resolution, .. } => Some(resolution),
            _ => None,
        })
        .collect()
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
        let (broker, mut journal) = (broker(), MemoryJournal::default());
        broker.script(faults);
        broker.hide_lookups(hidden);
        broker.fail_queries(failing);
        let submission = run(&broker, &mut journal);
        let end = submission.end().unwrap();
        assert!(check(end), "{name}: {end:?}");
        assert_eq!(broker.sent().len(), sends, "{name}");
        assert!(broker.orders().len() <= 1, "{name}");
        assert_eq!(
            (intents(&journal).len(), ends(&journal).len()),
            (1, 1),
            "{name}"
        );
    }
}

#[test]
fn nothing_is_sent_that_is_not_on_record() {
    let broker = broker();
    let mut journal = MemoryJournal {
        failing: true,
        ..MemoryJournal::default()
    };
    let submission = run(&broker, &mut journal);
    assert_eq!(
        submission.end().unwrap().outcome(),
        Some(RoundOutcome::JournalFailed)
    );
    assert!(broker.sent().is_empty());
}

#[test]
fn a_void_decision_is_not_sent_and_not_sent_again() {
    let (broker, mut journal) = (broker(), MemoryJournal::default());
    let mut ended = submission();
    let steps = &mut usize::MAX.clone();
    perform(&mut ended, steps, &broker, &mut journal, at(61));
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
        let mut left = steps;
        perform(&mut submission(), &mut left, &broker, &mut journal, at(1));
        let started = !intents(&journal).is_empty();
        // The next start: every intent without an end is looked up until it has one.
        broker.fill_working();
        if ends(&journal).is_empty() {
            for intent in intents(&journal).into_iter().cloned().collect::<Vec<_>>() {
                let mut resumed = Submission::resume(intent);
                let steps = &mut usize::MAX.clone();
                perform(&mut resumed, steps, &broker, &mut journal, at(5));
            }
        }
        prop_assert_eq!(intents(&journal).len(), ends(&journal).len());
        prop_assert!(broker.orders().len() <= 1 && broker.sent().len() <= 2);
        prop_assert!(started || broker.sent().is_empty());
        let in_books = ends(&journal).into_iter().find_map(|end| match end {
            Resolution::Terminal(report) => Some(report.filled_quantity),
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
        legs: Vec::new(),
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

/// The broker answered this very request: another amount is followed and noticed, never doubted.
#[test]
fn an_accepted_order_of_another_size_is_followed_and_noticed() {
    let cases: [(&str, Change, bool); 4] = [
        ("the same", |_| {}, false),
        (
            "neither amount nor time",
            |r| (r.notional, r.submitted_at) = (None, None),
            false,
        ),
        ("more", |r| r.notional = Some(dec("1001")), true),
        (
            "in units",
            |r| (r.notional, r.quantity) = (None, Some(dec("10"))),
            true,
        ),
    ];
    for (name, change, differs) in cases {
        let mut submission = submission();
        let id = submission.intent().order.client_order_id.to_string();
        let mut answer = super::report(&id, OrderStatus::Working, "0");
        (answer.quantity, answer.notional) = (None, Some(dec("1000")));
        change(&mut answer);
        submission.begin();
        submission.apply(Event::Recorded, at(1));
        let found = Event::LookedUp(Ok(Some(answer.clone())));
        submission.apply(
            Event::Sent(SubmitOutcome::Accepted(Box::new(answer))),
            at(1),
        );
        assert_eq!(submission.phase(), Phase::Working, "{name}");
        assert_eq!(submission.differs_in_size(), differs, "{name}");
        submission.apply(found, at(2));
        assert_eq!(
            (submission.phase(), submission.sends()),
            (Phase::Working, 1),
            "{name}"
        );
    }
}
