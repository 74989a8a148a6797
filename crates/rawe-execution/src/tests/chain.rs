//! Decision ids: the same for every engine that sees the same broker.

use std::collections::HashSet;

use proptest::prelude::*;
use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol};

use super::{at, report, symbol};
use crate::broker::{Amount, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce};
use crate::chain::latest_of_purpose;
use crate::journal::Intent;

/// The id that follows from our latest order, as the desk derives it.
fn next_decision_id(
    deployment: &str,
    asset: &Symbol,
    purpose: Purpose,
    closed_orders: &[OrderReport],
    known: &[ClientOrderId],
) -> DecisionId {
    let latest = latest_of_purpose(deployment, asset, purpose, closed_orders, known);
    DecisionId::derive(deployment, asset, purpose, latest.as_ref())
}

/// What became of each order: refused at the POST (the broker has nothing), or an end.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Refused,
    Ends(OrderStatus),
}

fn any_history() -> impl Strategy<Value = Vec<(Purpose, Fate)>> {
    let purpose = prop::sample::select(vec![Purpose::Open, Purpose::Close, Purpose::Stop]);
    let fate = prop::sample::select(vec![
        Fate::Refused,
        Fate::Ends(OrderStatus::Filled),
        Fate::Ends(OrderStatus::Canceled),
        Fate::Ends(OrderStatus::Rejected),
    ]);
    prop::collection::vec((purpose, fate), 0..40)
}

fn intent(id: &DecisionId, purpose: Purpose) -> Intent {
    Intent {
        decision_id: id.clone(),
        round_id: "r".into(),
        purpose,
        order: OrderRequest {
            client_order_id: id.client_order_id(),
            symbol: symbol("AAPL"),
            side: Side::Buy,
            closes: purpose != Purpose::Open,
            amount: Amount::Quantity(super::dec("10")),
            time_in_force: TimeInForce::Day,
            kind: crate::broker::OrderKind::Market,
        },
        decided_at: at(0),
        void_after: at(60),
    }
}

fn ids_of(intents: &[Intent], purpose: Purpose) -> Vec<ClientOrderId> {
    let intents = intents.iter().filter(|intent| intent.purpose == purpose);
    intents
        .map(|intent| intent.order.client_order_id.clone())
        .collect()
}

/// Plays a history; checks on the way that no id is ever used twice at the broker.
fn play(history: &[(Purpose, Fate)], journal_from: usize) -> (Vec<OrderReport>, Vec<Intent>) {
    let (mut orders, mut intents): (Vec<OrderReport>, Vec<Intent>) = (vec![], vec![]);
    let mut used = HashSet::new();
    for (index, (purpose, fate)) in history.iter().enumerate() {
        let known = ids_of(&intents, *purpose);
        let id = next_decision_id("d", &symbol("AAPL"), *purpose, &orders, &known);
        if index >= journal_from {
            intents.push(intent(&id, *purpose));
        }
        let Fate::Ends(status) = fate else { continue };
        assert!(used.insert(id.clone()), "{id} was used twice");
        let mut order = report(id.client_order_id().as_str(), *status, "0");
        order.submitted_at = Some(at(i64::try_from(index).unwrap()));
        // The broker lists the newest first.
        orders.insert(0, order);
    }
    (orders, intents)
}

proptest! {
    #[test]
    fn engines_agree_with_or_without_their_journal(
        history in any_history(), journal_from in 0_usize..40, foreign in 0_usize..3,
    ) {
        let (mut orders, intents) = play(&history, journal_from);
        for number in 0..foreign {
            orders.insert(0, report(&format!("manual-{number}"), OrderStatus::Filled, "1"));
        }
        for purpose in [Purpose::Open, Purpose::Close, Purpose::Stop] {
            let next = |orders: &[OrderReport], intents: &[Intent]| {
                next_decision_id("d", &symbol("AAPL"), purpose, orders, &ids_of(intents, purpose))
            };
            let id = next(&orders, &intents);
            prop_assert_eq!(&id, &next(&orders, &[]));
            let mut reversed = orders.clone();
            reversed.reverse();
            prop_assert_eq!(&id, &next(&reversed, &[]));
            let latest = history.iter().enumerate().rev()
                .find(|(_, (p, fate))| *p == purpose && matches!(fate, Fate::Ends(_)))
                .map(|(index, _)| at(i64::try_from(index).unwrap()));
            let predecessor = orders
                .iter()
                .filter_map(|order| {
                    let id = ClientOrderId::parse_ours(&order.client_order_id)?;
                    Some((id, order.submitted_at))
                })
                .find(|(_, submitted)| *submitted == latest)
                .map(|(id, _)| id);
            let expected =
                DecisionId::derive("d", &symbol("AAPL"), purpose, predecessor.as_ref());
            prop_assert_eq!(id, expected);
        }
    }

    #[test]
    fn a_list_that_does_not_reach_back_is_enough(
        history in any_history(), keep in 0_usize..40,
    ) {
        let (orders, intents) = play(&history, 0);
        let window = &orders[..keep.min(orders.len())];
        for purpose in [Purpose::Open, Purpose::Close, Purpose::Stop] {
            let next = |orders: &[OrderReport], intents: &[Intent]| {
                next_decision_id("d", &symbol("AAPL"), purpose, orders, &ids_of(intents, purpose))
            };
            let of_purpose = window.iter().filter(|order| {
                intents.iter().any(|i| i.purpose == purpose
                    && i.order.client_order_id.as_str() == order.client_order_id)
            }).count();
            // One order of the purpose is enough with the journal, two are without it.
            if of_purpose >= 1 {
                prop_assert_eq!(next(&orders, &[]), next(window, &intents));
            }
            if of_purpose >= 2 {
                prop_assert_eq!(next(&orders, &[]), next(window, &[]));
            }
        }
    }
}

#[test]
fn a_working_order_keeps_its_id_so_that_the_broker_refuses_the_second() {
    let first = next_decision_id("d", &symbol("AAPL"), Purpose::Open, &[], &[]);
    let mut working = report(first.client_order_id().as_str(), OrderStatus::Working, "0");
    let again = |order: &OrderReport| {
        next_decision_id(
            "d",
            &symbol("AAPL"),
            Purpose::Open,
            std::slice::from_ref(order),
            &[],
        )
    };
    assert_eq!(again(&working), first);
    working.status = OrderStatus::PartiallyFilled;
    assert_eq!(again(&working), first);
    working.status = OrderStatus::Filled;
    assert_ne!(again(&working), first);
}
