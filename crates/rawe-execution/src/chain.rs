//! The chain of decision ids: what the next order for an asset and purpose is called.
//!
//! The id is derived from the broker's own list, so that two engines, or one that lost its
//! journal, compute the same one, and the broker refuses the second order.

use std::collections::HashSet;

use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol};

use crate::broker::OrderReport;
use crate::journal::Intent;

/// The next decision id for `asset` and `purpose`.
///
/// Its predecessor is our latest terminal order for them as the broker reports it in
/// `closed_orders`. An order does not say its purpose, but the chain does: one whose id follows
/// from nothing, or from another order of the list, under this purpose, has this purpose.
/// `intents` (the journal's, may be empty) settle the rest: an order whose predecessor is older
/// than the broker's list reaches.
pub fn next_decision_id(
    deployment: &str,
    asset: &Symbol,
    purpose: Purpose,
    closed_orders: &[OrderReport],
    intents: &[Intent],
) -> DecisionId {
    let derive = |predecessor: Option<&ClientOrderId>| {
        DecisionId::derive(deployment, asset, purpose, predecessor)
    };
    let ended: Vec<(&OrderReport, ClientOrderId)> = closed_orders
        .iter()
        .filter(|order| order.symbol == *asset && order.status.is_terminal())
        .filter_map(|order| Some((order, ClientOrderId::parse_ours(&order.client_order_id)?)))
        .collect();
    let present: HashSet<&str> = ended.iter().map(|(_, id)| id.as_str()).collect();
    let successors: Vec<ClientOrderId> = ended
        .iter()
        .map(|(_, id)| derive(Some(id)).client_order_id())
        .collect();
    let first = derive(None).client_order_id();
    let mut of_purpose: HashSet<&str> = successors.iter().map(ClientOrderId::as_str).collect();
    of_purpose.insert(first.as_str());
    of_purpose.extend(
        intents
            .iter()
            .filter(|intent| intent.purpose == purpose && intent.order.symbol == *asset)
            .map(|intent| intent.order.client_order_id.as_str()),
    );
    let latest = ended
        .iter()
        .zip(&successors)
        .filter(|((_, id), _)| of_purpose.contains(id.as_str()))
        .filter(|(_, successor)| !present.contains(successor.as_str()))
        .max_by_key(|((order, id), _)| (order.submitted_at, id.as_str()));
    derive(latest.map(|((_, id), _)| id))
}
