//! What we have ordered before in an asset: the predecessors of its next ids, and when it last
//! filled.
//!
//! Ids of orders follow from those before them, so an asset whose past is not known is asked for
//! before it is traded. An account with few orders tells its whole past in one answer at the start,
//! and no asset has to be asked for after that.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol};

use crate::broker::{OrderReport, PastOrders};
use crate::desk::{Desk, chain_index};

/// How many orders of an asset are placed at most while an earlier one of them is still on its way.
const LINKS_MAX: usize = 8;

/// Our latest terminal order for each purpose of an asset.
pub(crate) type Latest = [Option<ClientOrderId>; 3];

/// How much is known of assets that have no chain of their own.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Whether an asset without a chain was never ordered by us.
    complete: bool,
    /// Assets whose ids turned out to be taken: their past is read again.
    doubted: BTreeSet<Symbol>,
    /// What the journal knows to have ended in assets whose past the start did not read: the
    /// broker's lists may be some moments old when they are.
    on_record: BTreeMap<Symbol, Latest>,
}

impl Desk {
    /// Whether the id of the next order in an asset is known.
    pub(crate) fn knows_past_of(&self, asset: &Symbol) -> bool {
        self.chains.contains_key(asset)
            || (self.past.complete && !self.past.doubted.contains(asset))
    }

    /// Our latest terminal order for a purpose of an asset, if there is one and it is known.
    pub(crate) fn latest_of(&self, asset: &Symbol, purpose: Purpose) -> Option<&ClientOrderId> {
        self.chains.get(asset)?[chain_index(purpose)].as_ref()
    }

    /// What the journal tells of the past of assets that the start had no reason to look at.
    pub(crate) fn recall_past(&mut self, on_record: BTreeMap<Symbol, Latest>) {
        self.past.on_record = on_record;
    }

    /// The orders of an asset that have ended by the journal, if the start did not look at it.
    pub(crate) fn recalled(&self, asset: &Symbol) -> Vec<(Purpose, ClientOrderId)> {
        let latest = self.past.on_record.get(asset);
        let purposes = [Purpose::Open, Purpose::Close, Purpose::Stop];
        let of = |purpose| Some((purpose, latest?[chain_index(purpose)].clone()?));
        purposes.into_iter().filter_map(of).collect()
    }

    /// The asset may be traded from now on.
    pub(crate) fn note_past_of(&mut self, asset: &Symbol) {
        if self.knows_past_of(asset) {
            self.chains.entry(asset.clone()).or_default();
        }
    }

    pub(crate) fn set_past_of(&mut self, asset: &Symbol, latest: Latest) {
        self.past.doubted.remove(asset);
        self.chains.insert(asset.clone(), latest);
    }

    /// An order of ours has ended at the broker. One that was given up and landed late may be older
    /// than the latest.
    pub(crate) fn extend_chain(&mut self, asset: &Symbol, purpose: Purpose, id: &ClientOrderId) {
        let latest = self.latest_of(asset, purpose);
        if latest.is_some_and(|latest| self.follows(asset, purpose, latest, id)) {
            return;
        }
        if self.knows_past_of(asset) {
            let latest = self.chains.entry(asset.clone()).or_default();
            latest[chain_index(purpose)] = Some(id.clone());
        }
    }

    /// Whether the id of an order follows from that of an earlier one, over a few others maybe.
    pub(crate) fn follows(
        &self,
        asset: &Symbol,
        purpose: Purpose,
        later: &ClientOrderId,
        earlier: &ClientOrderId,
    ) -> bool {
        let deployment = &self.settings.deployment;
        let mut id = earlier.clone();
        (0..LINKS_MAX).any(|_| {
            id = DecisionId::derive(deployment, asset, purpose, Some(&id)).client_order_id();
            id == *later
        })
    }

    /// The past of an asset is read again before its next order.
    pub(crate) fn doubt_past_of(&mut self, asset: &Symbol) {
        self.chains.remove(asset);
        self.past.doubted.insert(asset.clone());
    }

    /// Past orders of all assets. Those of an asset that is known already say nothing new; of a
    /// past that is cut off nothing can be told, because the first order of each id's line counts.
    pub(crate) fn take_past_orders(&mut self, past: PastOrders) {
        if !past.complete {
            return;
        }
        let mut by_asset: BTreeMap<Symbol, Vec<OrderReport>> = BTreeMap::new();
        for order in past.orders {
            by_asset
                .entry(order.symbol.clone())
                .or_default()
                .push(order);
        }
        for asset in self.past.on_record.keys() {
            by_asset.entry(asset.clone()).or_default();
        }
        for (asset, orders) in by_asset {
            if !self.chains.contains_key(&asset) && !self.past.doubted.contains(&asset) {
                self.take_closed_orders(&asset, orders);
            }
        }
        self.past.complete = true;
        self.past.on_record.clear();
    }
}
