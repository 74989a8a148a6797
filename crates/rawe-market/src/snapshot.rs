//! The whole state of an account, to be kept and taken up again on the same market.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use rawe_core::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::stable_uuid;
use crate::costs::Charge;
use crate::data::{AssetIndex, MarketData};
use crate::exchange::{Exchange, ExchangeConfig, TradingLimits};
use crate::liquidity::Participation;
use crate::order::{Fill, Order};
use crate::position::Position;

/// Everything an [`Exchange`] knows, but for the market's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    market: Uuid,
    config: ExchangeConfig,
    account_id: Uuid,
    created_at: Timestamp,
    now: Timestamp,
    cash: Decimal,
    realised: Decimal,
    fees: Decimal,
    last_equity: Decimal,
    orders: Vec<Order>,
    positions: Vec<(AssetIndex, Position)>,
    fills: Vec<Fill>,
    charges: Vec<Charge>,
    limits: TradingLimits,
    participation: Vec<(AssetIndex, Participation)>,
    halted: Vec<(AssetIndex, Option<Timestamp>)>,
    resumed_at: Vec<(AssetIndex, Timestamp)>,
    event_count: u64,
}

/// A snapshot does not belong to this market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the saved state belongs to another market; start with the data and the seed it was saved with"
)]
pub struct OtherMarket;

impl Snapshot {
    /// Where the clock stood.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

impl MarketData {
    /// Names the data: another set of assets or bars has another name.
    pub fn fingerprint(&self) -> Uuid {
        let mut text = String::new();
        for (index, asset) in self.assets() {
            let Some(series) = self.series(index) else {
                continue;
            };
            let ends = [series.bar(0), series.bar(series.len().saturating_sub(1))];
            // Writing to a text does not fail.
            let _written = write!(text, "{}:{}:{ends:?};", asset.symbol, series.len());
        }
        stable_uuid(&format!("market:{text}"))
    }
}

impl Exchange {
    /// Everything there is to know about the account.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            market: self.data.fingerprint(),
            config: self.config.clone(),
            account_id: self.account_id,
            created_at: self.created_at,
            now: self.now,
            cash: self.cash,
            realised: self.realised,
            fees: self.fees,
            last_equity: self.last_equity,
            orders: self.orders.clone(),
            positions: self.positions.iter().map(|(a, p)| (*a, *p)).collect(),
            fills: self.fills.clone(),
            charges: self.charges.clone(),
            limits: self.limits,
            participation: self.participation.iter().map(|(a, p)| (*a, *p)).collect(),
            halted: self.halts().collect(),
            resumed_at: self.resumed_at.iter().map(|(a, at)| (*a, *at)).collect(),
            event_count: self.events.count(),
        }
    }

    /// Takes up an account where it was left.
    ///
    /// # Errors
    /// When the snapshot was made on other data.
    pub fn restore(data: Arc<MarketData>, saved: Snapshot) -> Result<Self, OtherMarket> {
        if saved.market != data.fingerprint() {
            return Err(OtherMarket);
        }
        let mut exchange = Self::new(data, saved.config, saved.now);
        for (index, order) in saved.orders.iter().enumerate() {
            exchange.by_id.insert(order.id, index);
            exchange
                .by_client_id
                .insert(order.client_order_id.clone(), index);
            if order.is_open() {
                exchange.open.insert(index);
            }
        }
        exchange.account_id = saved.account_id;
        exchange.created_at = saved.created_at;
        exchange.cash = saved.cash;
        exchange.realised = saved.realised;
        exchange.fees = saved.fees;
        exchange.last_equity = saved.last_equity;
        exchange.orders = saved.orders;
        exchange.positions = saved.positions.into_iter().collect::<BTreeMap<_, _>>();
        exchange.fills = saved.fills;
        exchange.charges = saved.charges;
        exchange.limits = saved.limits;
        exchange.participation = saved.participation.into_iter().collect();
        exchange.halted = saved.halted.into_iter().collect();
        exchange.resumed_at = saved.resumed_at.into_iter().collect();
        exchange.events.continue_from(saved.event_count);
        Ok(exchange)
    }
}
