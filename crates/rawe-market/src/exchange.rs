//! One account on the simulated market: its clock, orders, positions and money, and every question
//! about them. How orders are taken is in [`crate::checks`], how they fill in [`crate::matching`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::{Asset, stable_uuid};
use crate::costs::Charge;
use crate::data::{AssetIndex, MarketData};
use crate::events::EventLog;
use crate::liquidity::Participation;
use crate::order::{Fill, Order, OrderStatus};
use crate::position::Position;
use crate::refusal::OrderRefusal;
use crate::terms::{NewOrder, Side};

/// What can be set about the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeConfig {
    /// Cash at the start, USD.
    pub cash: Decimal,
    /// What a market order in stocks pays off the price, in basis points (half the spread).
    pub half_spread_bps_stocks: Decimal,
    /// The same for crypto.
    pub half_spread_bps_crypto: Decimal,
    /// Fee of crypto trades, basis points of what is received.
    pub fee_bps_crypto: Decimal,
    /// Fee of stock sales, basis points of what is received: what the regulators take.
    pub fee_bps_stock_sales: Decimal,
    /// How much worse an order fills that is as large as the newest complete bar's volume, basis
    /// points; a smaller one by its part of it.
    pub impact_bps: Decimal,
    /// Cost of borrowing what is sold short, basis points of its value a year.
    pub borrow_bps_year: Decimal,
    /// Whether the account may sell short.
    pub shorting_enabled: bool,
    /// The smallest order, USD.
    pub order_value_min: Decimal,
    /// The smallest equity that may sell short, USD.
    pub short_equity_min: Decimal,
    /// The part of a bar's volume that our orders may take, above 0 and at most 1; `None` fills
    /// every order whole.
    pub participation_max: Option<Decimal>,
    /// Makes the ids of the account and its orders, so that a run can be repeated.
    pub seed: u64,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            cash: Decimal::from(100_000),
            half_spread_bps_stocks: Decimal::from(2),
            half_spread_bps_crypto: Decimal::from(5),
            fee_bps_crypto: Decimal::from(25),
            fee_bps_stock_sales: Decimal::ZERO,
            impact_bps: Decimal::ZERO,
            borrow_bps_year: Decimal::ZERO,
            shorting_enabled: true,
            order_value_min: Decimal::ONE,
            short_equity_min: Decimal::from(2_000),
            participation_max: None,
            seed: 7,
        }
    }
}

/// What the owner of the account has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradingLimits {
    /// No new orders.
    pub suspended: bool,
    /// No new shorts.
    pub no_shorting: bool,
    /// Fractions and dollar amounts are allowed.
    pub fractions: bool,
    /// How many times its excess the account may buy, at most two.
    pub margin_multiplier: Decimal,
}

impl Default for TradingLimits {
    fn default() -> Self {
        Self {
            suspended: false,
            no_shorting: false,
            fractions: true,
            margin_multiplier: Decimal::TWO,
        }
    }
}

/// The clock was asked to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the market's clock is at {now} and never goes back; {asked} is earlier")]
pub struct ClockRefusal {
    /// Where the clock stands.
    pub now: Timestamp,
    /// What was asked.
    pub asked: Timestamp,
}

/// One account on a market.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(crate) data: Arc<MarketData>,
    pub(crate) config: ExchangeConfig,
    pub(crate) account_id: Uuid,
    pub(crate) created_at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) cash: Decimal,
    pub(crate) realised: Decimal,
    pub(crate) fees: Decimal,
    pub(crate) last_equity: Decimal,
    pub(crate) orders: Vec<Order>,
    pub(crate) open: BTreeSet<usize>,
    pub(crate) by_id: HashMap<Uuid, usize>,
    pub(crate) by_client_id: HashMap<String, usize>,
    pub(crate) positions: BTreeMap<AssetIndex, Position>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) charges: Vec<Charge>,
    pub(crate) limits: TradingLimits,
    pub(crate) events: EventLog,
    pub(crate) participation: BTreeMap<AssetIndex, Participation>,
    /// Assets whose trading is halted, and until when; without an instant, until told otherwise.
    pub(crate) halted: BTreeMap<AssetIndex, Option<Timestamp>>,
    pub(crate) resumed_at: BTreeMap<AssetIndex, Timestamp>,
}

impl Exchange {
    /// A fresh account on `data`, its clock at `now`.
    pub fn new(data: Arc<MarketData>, config: ExchangeConfig, now: Timestamp) -> Self {
        Self {
            data,
            account_id: stable_uuid(&format!("account:{}", config.seed)),
            created_at: now,
            now,
            cash: config.cash,
            realised: Decimal::ZERO,
            fees: Decimal::ZERO,
            last_equity: config.cash,
            config,
            orders: Vec::new(),
            open: BTreeSet::new(),
            by_id: HashMap::new(),
            by_client_id: HashMap::new(),
            positions: BTreeMap::new(),
            fills: Vec::new(),
            charges: Vec::new(),
            limits: TradingLimits::default(),
            events: EventLog::default(),
            participation: BTreeMap::new(),
            halted: BTreeMap::new(),
            resumed_at: BTreeMap::new(),
        }
    }

    /// The market's data.
    pub fn data(&self) -> &Arc<MarketData> {
        &self.data
    }

    /// The settings.
    pub fn config(&self) -> &ExchangeConfig {
        &self.config
    }

    /// What the owner of the account has set.
    pub fn limits(&self) -> TradingLimits {
        self.limits
    }

    /// Sets what the account may do from now on.
    pub fn set_limits(&mut self, limits: TradingLimits) {
        self.limits = limits;
    }

    /// The virtual now.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The price of an asset now, USD; `None` before its first bar.
    pub fn price(&self, asset: AssetIndex) -> Option<Decimal> {
        self.data.price_at(asset, self.now)
    }

    /// Whether an asset trades now.
    pub fn is_open(&self, class: AssetClass) -> bool {
        MarketCalendar::nyse().is_open(class, self.now)
    }

    /// Moves the clock to `instant`; orders fill and expire on the way, each at its own time.
    /// Returns the executions, oldest first.
    ///
    /// # Errors
    /// When `instant` is earlier than the virtual now.
    pub fn advance_to(&mut self, instant: Timestamp) -> Result<Vec<Fill>, ClockRefusal> {
        if instant < self.now {
            return Err(ClockRefusal {
                now: self.now,
                asked: instant,
            });
        }
        let filled_before = self.fills.len();
        while let Some(next) = self.next_event(instant) {
            self.now = next;
            self.work_orders();
        }
        self.now = instant;
        Ok(self.fills.iter().skip(filled_before).cloned().collect())
    }

    /// Takes an order, and fills it at once if the market is open and the price allows.
    ///
    /// # Errors
    /// A refusal in Alpaca's words; the book is then unchanged.
    pub fn submit(&mut self, order: &NewOrder) -> Result<&Order, OrderRefusal> {
        self.take(order, None)
    }

    /// Cancels an open order; it is cancelled when this returns.
    ///
    /// # Errors
    /// 404 when there is no such order, 422 when it can no longer be cancelled.
    pub fn cancel(&mut self, id: Uuid) -> Result<(), OrderRefusal> {
        let unknown = || OrderRefusal::not_found(format!("order not found for {id}"));
        let index = *self.by_id.get(&id).ok_or_else(unknown)?;
        if !self.open.contains(&index) {
            let status = self
                .orders
                .get(index)
                .map_or("unknown", |order| order.status.name());
            return Err(OrderRefusal::unprocessable(format!(
                "order is already in \"{status}\" state"
            )));
        }
        self.end_order(index, OrderStatus::Canceled);
        Ok(())
    }

    /// All orders, in the order in which they were taken.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The open orders, oldest first.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|index| self.orders.get(*index))
    }

    /// An order by the exchange's id.
    pub fn order(&self, id: Uuid) -> Option<&Order> {
        self.orders.get(*self.by_id.get(&id)?)
    }

    /// An order by the client's id.
    pub fn order_by_client_id(&self, id: &str) -> Option<&Order> {
        self.orders.get(*self.by_client_id.get(id)?)
    }

    /// All executions, oldest first.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The positions that are not flat, ordered by symbol.
    pub fn positions(&self) -> impl Iterator<Item = (AssetIndex, &Position)> {
        self.positions
            .iter()
            .filter(|(_, position)| !position.is_flat())
            .map(|(asset, position)| (*asset, position))
    }

    /// The position in an asset; flat if there is none.
    pub fn position(&self, asset: AssetIndex) -> Position {
        self.positions.get(&asset).copied().unwrap_or_default()
    }

    /// Units of a position that no open order holds, with the position's sign.
    pub fn quantity_available(&self, asset: AssetIndex) -> Decimal {
        let position = self.position(asset);
        let held = self.held_quantity(asset, None);
        if position.quantity.is_sign_negative() {
            position.quantity + held
        } else {
            position.quantity - held
        }
    }

    /// Units of an asset that open orders hold back, leaving out the order at `except`.
    pub(crate) fn held_quantity(&self, asset: AssetIndex, except: Option<usize>) -> Decimal {
        self.open
            .iter()
            .filter(|index| Some(**index) != except)
            .filter_map(|index| self.orders.get(*index))
            .filter(|order| order.asset == asset)
            .map(|order| order.reserved.quantity)
            .sum()
    }

    /// Half the spread of a class as a factor: a buy pays `1 + factor`, a sell gets `1 - factor`.
    pub fn half_spread(&self, class: AssetClass) -> Decimal {
        let points = match class {
            AssetClass::UsEquity => self.config.half_spread_bps_stocks,
            AssetClass::Crypto => self.config.half_spread_bps_crypto,
        };
        points / Decimal::from(10_000)
    }

    /// What a market order would pay or get for an asset now, USD a unit.
    pub fn quote(&self, asset: AssetIndex, side: Side) -> Option<Decimal> {
        let price = self.price(asset)?;
        Some(self.with_spread(self.data.asset(asset)?, side, price))
    }

    /// A price as one side of the market sees it, USD a unit.
    pub(crate) fn with_spread(&self, asset: &Asset, side: Side, price: Decimal) -> Decimal {
        let spread = self.half_spread(asset.class);
        let factor = match side {
            Side::Buy => Decimal::ONE + spread,
            Side::Sell => Decimal::ONE - spread,
        };
        let digits = if asset.class == AssetClass::Crypto {
            9
        } else {
            4
        };
        (price * factor).round_dp(digits).normalize()
    }
}
