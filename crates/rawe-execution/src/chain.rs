//! The chain of decision ids: what the next order for an asset and purpose is called.
//!
//! The id is derived from the broker's own list, so that two engines, or one that lost its
//! journal, compute the same one, and the broker refuses the second order.

use std::collections::{BTreeMap, HashMap, HashSet};

use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol};

use crate::broker::{Leg, OrderReport};

/// Our latest terminal order for `asset` and `purpose`, as the broker reports it in
/// `closed_orders`: the predecessor from which the next decision's id is derived.
///
/// An order does not say its purpose, but the chain does: one whose id follows from nothing, or from
/// another order of the list, under this purpose, has this purpose. `known` (ids of this purpose by
/// the journal, may be empty) settle the rest: an order whose predecessor is older than the broker's
/// list reaches.
pub fn latest_of_purpose(
    deployment: &str,
    asset: &Symbol,
    purpose: Purpose,
    closed_orders: &[OrderReport],
    known: &[ClientOrderId],
) -> Option<ClientOrderId> {
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
    of_purpose.extend(known.iter().map(ClientOrderId::as_str));
    let latest = ended
        .iter()
        .zip(&successors)
        .filter(|((_, id), _)| of_purpose.contains(id.as_str()))
        .filter(|(_, successor)| !present.contains(successor.as_str()))
        .max_by_key(|((order, id), _)| (order.submitted_at, id.as_str()));
    latest.map(|((_, id), _)| id.clone())
}

/// An order that this deployment made, or an exit that the broker made of one.
#[derive(Clone, Copy, Debug)]
pub struct OurOrder<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// As the broker reports it.
    pub report: &'a OrderReport,
    /// For an exit: the order it is an exit of, and its own kind.
    pub leg_of: Option<(&'a OrderReport, &'a Leg)>,
}

/// The orders of the broker's list that this deployment made, each with its decision and purpose:
/// those the journal knows (`known`), and those whose ids follow from each other by the
/// deployment's name, so that a lost journal does not disown a position. Exits told with an order
/// are of its decision.
pub fn our_orders<'a>(
    deployment: &str,
    asset: &Symbol,
    orders: &'a [OrderReport],
    known: &[(Purpose, ClientOrderId)],
) -> Vec<(DecisionId, OurOrder<'a>)> {
    let by_id: HashMap<&str, &OrderReport> = orders
        .iter()
        .filter(|order| order.symbol == *asset)
        .map(|order| (order.client_order_id.as_str(), order))
        .collect();
    let mut found: BTreeMap<String, (DecisionId, OurOrder<'a>)> = BTreeMap::new();
    for purpose in [Purpose::Open, Purpose::Close, Purpose::Stop] {
        let seeds = known.iter().filter(|(of, _)| *of == purpose);
        let seeds = seeds.map(|(_, id)| Some(id.clone())).chain([None]);
        for seed in seeds {
            let mut predecessor = seed;
            loop {
                let id = DecisionId::derive(deployment, asset, purpose, predecessor.as_ref());
                let order_id = id.client_order_id();
                let Some(report) = by_id.get(order_id.as_str()).copied() else {
                    break;
                };
                let order = OurOrder {
                    purpose,
                    report,
                    leg_of: None,
                };
                let legs = report.legs.iter().map(|leg| {
                    let order = OurOrder {
                        purpose: Purpose::Stop,
                        report: &leg.report,
                        leg_of: Some((report, leg)),
                    };
                    (leg.report.client_order_id.clone(), (id.clone(), order))
                });
                found.extend(legs);
                if found.insert(order_id.to_string(), (id, order)).is_some() {
                    break;
                }
                predecessor = Some(order_id);
            }
        }
    }
    found.into_values().collect()
}
