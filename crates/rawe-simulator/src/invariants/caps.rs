//! I5: the limits, orders on their way included.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Purpose, Symbol, Timestamp};
use rawe_execution::broker::{Amount, OrderRequest, Side};
use rawe_execution::journal::Resolution;
use rust_decimal::Decimal;

use crate::broker::{BrokerModel, Owner};
use crate::witness::Known;
use crate::witness::Witness;

use super::{Prices, VIEW_AGE_MAX};

/// An hour and a minute less what may lie between a decision, which the engine counts, and its
/// order's leaving.
const HOUR: TimeDelta = TimeDelta::seconds(3_600 - 65);
const MINUTE: TimeDelta = TimeDelta::seconds(60 - 15);

/// For how long an order that was given up may land, and counts.
const GIVEN_UP_WATCH: TimeDelta = TimeDelta::minutes(10);

impl Witness {
    /// I5: "caps never exceeded, in-flight and Unknown included". Valued at the prices of the last
    /// minutes that are kindest to the engine, so that a moving price is no violation.
    pub(super) fn check_caps(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        prices: &Prices,
        now: Timestamp,
    ) {
        let exposures = self.exposures(order, broker, prices, now);
        let limits = &self.settings.desk.limits;
        let over = |usd: Decimal, cap: Decimal| usd > cap * Decimal::new(1_001, 3) + Decimal::ONE;
        let (lowest, _) = price_span(prices, &order.symbol);
        let own = match order.amount {
            Amount::Notional(notional) => notional,
            Amount::Quantity(quantity) => quantity * lowest,
        };
        let asset = exposures.get(&order.symbol).copied().unwrap_or_default();
        let gross: Decimal = exposures.values().map(|e| e.long_low + e.short_low).sum();
        let buys = order.side == Side::Buy;
        let mut net_long = Decimal::ZERO;
        let mut net_short = Decimal::ZERO;
        for e in exposures.values() {
            net_long += e.long_low - e.short_high;
            net_short += e.short_low - e.long_high;
        }
        // Only the side that the order adds to: it may well shrink the other.
        let (asset, net) = if buys {
            (asset.long_low - asset.short_high, net_long)
        } else {
            (asset.short_low - asset.long_high, net_short)
        };
        let id = &order.client_order_id;
        let found = [
            ("order", own, limits.order_notional_max),
            ("asset", asset, limits.asset_notional_max),
            ("gross", gross, limits.gross_notional_max),
            ("net", net, limits.net_notional_max),
        ]
        .into_iter()
        .find(|(_, usd, cap)| over(*usd, *cap));
        if let Some((which, usd, cap)) = found {
            let detail = format!("{id} makes the {which} exposure {usd}, the cap is {cap}");
            self.fail("I5", detail);
        }
    }

    fn exposures(
        &self,
        order: &OrderRequest,
        broker: &BrokerModel,
        prices: &Prices,
        now: Timestamp,
    ) -> BTreeMap<Symbol, Exposure> {
        let mut all: BTreeMap<Symbol, Exposure> = BTreeMap::new();
        for (symbol, standing) in &broker.standings {
            // What somebody else has just done, the engine cannot know yet.
            let fresh = self
                .foreign
                .get(symbol)
                .is_some_and(|at| now - *at < VIEW_AGE_MAX * 2);
            let span = price_span(prices, symbol);
            let exposure = all.entry(symbol.clone()).or_default();
            if fresh {
                exposure.add(standing.ours, span);
                exposure.add_doubtful(standing.foreign, span);
                let before = standing.total() - moved_by_others(symbol, broker, now);
                if before.abs() > standing.total().abs() {
                    exposure.add_doubtful(before - standing.total(), span);
                }
            } else {
                exposure.add(standing.total(), span);
            }
        }
        for (symbol, units) in self.gone_untold(broker, now) {
            let span = price_span(prices, symbol);
            let exposure = all.entry(symbol.clone()).or_default();
            exposure.add_doubtful(units, span);
        }
        let mut pending: Vec<&OrderRequest> = Vec::new();
        for held in &broker.orders {
            if held.owner != Owner::Ours || held.status.is_terminal() {
                continue;
            }
            if self.purpose(&held.request.client_order_id) == Some(Purpose::Open) {
                let span = price_span(prices, &held.request.symbol);
                let usd = held.remaining_notional(span.0);
                let buys = held.request.side == Side::Buy;
                let exposure = all.entry(held.request.symbol.clone()).or_default();
                exposure.add_usd(usd, buys);
            }
        }
        // Sent, not at the broker, and nothing known of it: it may still arrive.
        for (id, post) in &self.posts {
            let open = post.known == Known::Nothing && post.boot == self.boot;
            if open && *id != order.client_order_id && broker.by_client_id(id.as_str()).is_none() {
                let intent = self.intents.get(id).filter(|i| i.purpose == Purpose::Open);
                pending.extend(intent.map(|intent| &intent.order));
            }
        }
        // One that is sent again may have landed already.
        if broker
            .by_client_id(order.client_order_id.as_str())
            .is_none()
        {
            pending.push(order);
        }
        for order in pending {
            let usd = match order.amount {
                Amount::Notional(notional) => notional,
                Amount::Quantity(quantity) => quantity * price_span(prices, &order.symbol).0,
            };
            let exposure = all.entry(order.symbol.clone()).or_default();
            exposure.add_usd(usd, order.side == Side::Buy);
        }
        all
    }

    /// Units that a closing of ours, a stop that has just been touched, took away a moment ago, and
    /// of which no news has reached the engine: it still sets them off against what it opens.
    fn gone_untold<'a>(
        &self,
        broker: &'a BrokerModel,
        now: Timestamp,
    ) -> Vec<(&'a Symbol, Decimal)> {
        let closings = broker.orders.iter().filter(|order| {
            let ours = order.owner == Owner::Ours;
            let fresh = |at: Timestamp| now + broker.skew - at < VIEW_AGE_MAX;
            ours && order.filled_at.is_some_and(fresh)
                && self.purpose(&order.request.client_order_id) != Some(Purpose::Open)
        });
        let untold = closings.filter_map(|order| {
            let told = self.filled_told.get(&order.request.client_order_id);
            let units = order.filled - told.copied().unwrap_or_default();
            let held = match order.request.side {
                Side::Buy => -units,
                Side::Sell => units,
            };
            (units > Decimal::ZERO).then_some((&order.request.symbol, held))
        });
        untold.collect()
    }

    /// I5: openings an hour, orders a minute.
    pub(super) fn check_rates(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        now: Timestamp,
    ) {
        let id = &order.client_order_id;
        self.sent.retain(|at| now - *at < MINUTE);
        let limit = self.settings.desk.limits.orders_per_minute_max as usize;
        if self.sent.len() >= limit && self.posts.get(id).is_some_and(|post| post.attempts == 1) {
            let sent = self.sent.len();
            self.fail(
                "I5",
                format!("{id} opens after {sent} orders in a minute, {limit} may be"),
            );
            return;
        }
        // Sent again, it is the opening of before.
        let again = self.posts.get(id).is_some_and(|post| post.attempts > 1);
        self.openings
            .retain(|(at, other)| now - *at < HOUR && (other != id || again));
        let real = |other: &ClientOrderId| {
            broker
                .by_client_id(other.as_str())
                .is_some_and(|order| !order.status.is_terminal() || !order.filled.is_zero())
        };
        // One that was given up long ago, and of which nothing has been told since, nobody can count.
        let given_up = |other: &ClientOrderId| {
            let end = self.resolved.get(other);
            let decided = self.intents.get(other).map(|intent| intent.decided_at);
            end.is_some_and(|end| !matches!(end, Resolution::Terminal(_)))
                && decided.is_some_and(|at| now - at >= GIVEN_UP_WATCH)
        };
        let opened = self
            .openings
            .iter()
            .filter(|(_, other)| other != id && real(other) && !given_up(other))
            .count();
        let limit = self.settings.desk.new_positions_per_hour;
        if opened >= limit {
            let detail = format!("{id} is opening {} of the hour, {limit} may be", opened + 1);
            self.fail("I5", detail);
        }
        if !again {
            self.openings.push((now, id.clone()));
        }
    }
}

/// What an asset may be worth, USD, at the kindest and unkindest price of the last minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    long_low: Decimal,
    long_high: Decimal,
    short_low: Decimal,
    short_high: Decimal,
}

impl Exposure {
    fn add(&mut self, units: Decimal, (low, high): (Decimal, Decimal)) {
        let size = units.abs();
        if units.is_sign_negative() {
            self.short_low += size * low;
            self.short_high += size * high;
        } else {
            self.long_low += size * low;
            self.long_high += size * high;
        }
    }

    /// What may count against the other side, but not against its own.
    fn add_doubtful(&mut self, units: Decimal, (_, high): (Decimal, Decimal)) {
        if units.is_sign_negative() {
            self.short_high += units.abs() * high;
        } else {
            self.long_high += units * high;
        }
    }

    fn add_usd(&mut self, usd: Decimal, buys: bool) {
        if buys {
            self.long_low += usd;
            self.long_high += usd;
        } else {
            self.short_low += usd;
            self.short_high += usd;
        }
    }
}

/// Units that others have bought, negative if sold, since a time of which the engine need not have
/// heard.
fn moved_by_others(symbol: &Symbol, broker: &BrokerModel, now: Timestamp) -> Decimal {
    let theirs = broker.orders.iter().filter(|order| {
        let fresh = |at: Timestamp| now + broker.skew - at < VIEW_AGE_MAX * 2;
        order.owner == Owner::Foreign
            && order.request.symbol == *symbol
            && order.filled_at.is_some_and(fresh)
    });
    theirs
        .map(|order| match order.request.side {
            Side::Buy => order.filled,
            Side::Sell => -order.filled,
        })
        .sum()
}

fn price_span(prices: &Prices, symbol: &Symbol) -> (Decimal, Decimal) {
    let kept = || {
        prices
            .get(symbol)
            .into_iter()
            .flatten()
            .map(|(_, price)| *price)
    };
    let low = kept().min().unwrap_or_default();
    (low, kept().max().unwrap_or_default())
}
