//! A broker and a journal in memory, with scripted faults, for tests here and in other crates.
//!
//! [`ScriptedBroker`] fills market orders at once at the price it was told, keeps positions, and
//! misbehaves as told: it loses requests or answers, refuses, hides orders, is closed. Not a
//! market: that is `rawe-market`.

mod asking;
mod driver;
mod groups;
mod memory_journal;

pub use driver::DeskDriver;
pub use memory_journal::MemoryJournal;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rawe_core::{AssetClass, ClientOrderId, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{
    Account, Amount, AssetInfo, Broker, BrokerClock, BrokerError, OrderKind, OrderReport,
    OrderRequest, OrderStatus, PastOrders, PositionReport, Rejection, Side, SubmitOutcome,
};
use crate::desk::{Answer, Question};

/// What happens to the next submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitFault {
    /// The request is lost on the way: the outcome is unknown and there is no order.
    LostBefore,
    /// The answer is lost on the way: the outcome is unknown and the order is there and filled.
    LostAfter,
    /// The order is refused.
    Refuse(Rejection),
    /// The order is taken and stays working until [`ScriptedBroker::fill_working`].
    StaysWorking,
    /// A part of it is filled (0..1), the rest cancelled.
    PartThenCanceled(Decimal),
}

/// The scripted broker. All methods take `&self`; share it in an `Arc`.
#[derive(Debug)]
pub struct ScriptedBroker {
    state: Mutex<BrokerState>,
}

#[derive(Debug)]
struct BrokerState {
    clock: BrokerClock,
    account: Account,
    assets: BTreeMap<Symbol, AssetInfo>,
    prices: BTreeMap<Symbol, Decimal>,
    positions: BTreeMap<Symbol, PositionReport>,
    orders: Vec<OrderReport>,
    kinds: Vec<OrderKind>,
    sent: Vec<OrderRequest>,
    crypto_fee_bp: Decimal,
    failing_cancels: u32,
    faults: VecDeque<SubmitFault>,
    failing_queries: u32,
    hidden_lookups: u32,
}

impl ScriptedBroker {
    /// A broker with an open market and 100,000 USD at `now`.
    pub fn new(now: Timestamp) -> Self {
        let usd = Decimal::from(100_000);
        Self {
            state: Mutex::new(BrokerState {
                clock: BrokerClock {
                    timestamp: now,
                    is_open: true,
                    next_open: now,
                    next_close: now,
                },
                account: Account {
                    id: "scripted".to_owned(),
                    can_trade: true,
                    shorting_enabled: true,
                    equity: usd,
                    cash: usd,
                    buying_power: usd * Decimal::TWO,
                    non_marginable_buying_power: usd,
                },
                assets: BTreeMap::new(),
                prices: BTreeMap::new(),
                positions: BTreeMap::new(),
                orders: Vec::new(),
                kinds: Vec::new(),
                sent: Vec::new(),
                crypto_fee_bp: Decimal::ZERO,
                failing_cancels: 0,
                faults: VecDeque::new(),
                failing_queries: 0,
                hidden_lookups: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, BrokerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists an asset at a price: stocks fractionable and shortable, crypto with an increment.
    pub fn list(&self, symbol: &Symbol, price: Decimal) {
        let crypto = symbol.class() == AssetClass::Crypto;
        let step = crypto.then(|| Decimal::new(1, 9));
        self.list_asset(
            AssetInfo {
                symbol: symbol.clone(),
                class: symbol.class(),
                tradable: true,
                fractionable: true,
                shortable: !crypto,
                quantity_min: step,
                quantity_increment: step,
            },
            price,
        );
    }

    /// Lists an asset with chosen properties.
    pub fn list_asset(&self, asset: AssetInfo, price: Decimal) {
        let mut state = self.state();
        state.prices.insert(asset.symbol.clone(), price);
        state.assets.insert(asset.symbol.clone(), asset);
    }

    /// Sets a price; stops that it touches fill.
    pub fn set_price(&self, symbol: &Symbol, price: Decimal) {
        let mut state = self.state();
        state.prices.insert(symbol.clone(), price);
        if let Some(position) = state.positions.get_mut(symbol) {
            position.market_value = position.quantity * price;
        }
        for index in 0..state.orders.len() {
            let order = &state.orders[index];
            let touched = match state.kinds[index] {
                OrderKind::Market | OrderKind::WithExits { .. } => false,
                OrderKind::Limit { limit } => (order.side == Side::Sell) == (price >= limit),
                OrderKind::Stop { stop } | OrderKind::StopLimit { stop, .. } => {
                    (order.side == Side::Sell) == (price <= stop)
                }
            };
            let works = !order.status.is_terminal() && !state.is_held(index);
            if touched && order.symbol == *symbol && works {
                state.fill(index, Decimal::ONE, OrderStatus::Filled);
            }
        }
    }

    /// Coins and dollars kept of crypto orders, basis points; 0 at first.
    pub fn set_crypto_fee(&self, basis_points: Decimal) {
        self.state().crypto_fee_bp = basis_points;
    }

    /// Changes a position as if somebody else had traded.
    pub fn trade_elsewhere(&self, symbol: &Symbol, units: Decimal) {
        self.state().hold(symbol, units);
    }

    /// Adds an order of somebody else that stays working, or ends one of ours.
    pub fn change_orders(&self, change: impl FnOnce(&mut Vec<OrderReport>)) {
        let mut state = self.state();
        change(&mut state.orders);
        let count = state.orders.len();
        state.kinds.resize(count, OrderKind::Market);
    }

    /// Fills a part (0..1) of what a working order wants in all.
    pub fn fill_part(&self, client_order_id: &str, fraction: Decimal) {
        let mut state = self.state();
        let found = state
            .orders
            .iter()
            .position(|o| o.client_order_id == client_order_id && !o.status.is_terminal());
        if let Some(index) = found {
            let whole = fraction >= Decimal::ONE;
            let status = if whole {
                OrderStatus::Filled
            } else {
                OrderStatus::PartiallyFilled
            };
            state.fill(index, fraction, status);
        }
    }

    /// The next `count` cancellations fail as if the broker were down.
    pub fn fail_cancels(&self, count: u32) {
        self.state().failing_cancels = count;
    }

    /// Sets the time and whether the stock market is open. Opening it fills nothing by itself.
    pub fn set_clock(&self, now: Timestamp, is_open: bool) {
        let clock = BrokerClock {
            timestamp: now,
            is_open,
            next_open: now,
            next_close: now,
        };
        self.state().clock = clock;
    }

    /// Sets the time; the session stays as it is, and its next change a day ahead.
    pub fn set_time(&self, now: Timestamp) {
        let mut state = self.state();
        let clock = &mut state.clock;
        clock.timestamp = now;
        let ahead = now + chrono::TimeDelta::days(1);
        (clock.next_open, clock.next_close) = (ahead, ahead);
    }

    /// Sets the account.
    pub fn set_account(&self, account: Account) {
        self.state().account = account;
    }

    /// Queues what happens to the next submissions, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = SubmitFault>) {
        self.state().faults.extend(faults);
    }

    /// The next `count` questions fail as if the broker were down.
    pub fn fail_queries(&self, count: u32) {
        self.state().failing_queries = count;
    }

    /// The next `count` look-ups by client order id find nothing, as just after a lost POST.
    pub fn hide_lookups(&self, count: u32) {
        self.state().hidden_lookups = count;
    }

    /// Every request that arrived, also repeated and refused ones.
    pub fn sent(&self) -> Vec<OrderRequest> {
        self.state().sent.clone()
    }

    /// Every order the broker has.
    pub fn orders(&self) -> Vec<OrderReport> {
        self.state().orders.clone()
    }

    /// Units held.
    pub fn quantity(&self, symbol: &Symbol) -> Decimal {
        self.state()
            .positions
            .get(symbol)
            .map_or(Decimal::ZERO, |position| position.quantity)
    }

    /// Fills every working order at the present prices.
    pub fn fill_working(&self) {
        let mut state = self.state();
        for index in 0..state.orders.len() {
            if !state.orders[index].status.is_terminal() && !state.is_leg(index) {
                state.fill(index, Decimal::ONE, OrderStatus::Filled);
            }
        }
    }

    /// Fills the working market orders; stops go on resting.
    pub fn fill_working_market(&self) {
        let mut state = self.state();
        for index in 0..state.orders.len() {
            let market = is_market(state.kinds[index]);
            if market && !state.orders[index].status.is_terminal() {
                state.fill(index, Decimal::ONE, OrderStatus::Filled);
            }
        }
    }

    /// Forgets the faults still queued.
    pub fn forgive(&self) {
        self.state().faults.clear();
    }

    fn answer<T>(&self, read: impl FnOnce(&mut BrokerState) -> T) -> Result<T, BrokerError> {
        let mut state = self.state();
        if state.failing_queries > 0 {
            state.failing_queries -= 1;
            return Err(BrokerError::Unavailable("scripted".to_owned()));
        }
        Ok(read(&mut state))
    }
}

fn is_market(kind: OrderKind) -> bool {
    matches!(kind, OrderKind::Market | OrderKind::WithExits { .. })
}

impl BrokerState {
    /// Takes a new order and gives its index.
    fn take(&mut self, order: &OrderRequest) -> usize {
        let (notional, quantity) = match order.amount {
            Amount::Notional(notional) => (Some(notional), None),
            Amount::Quantity(quantity) => (None, Some(quantity)),
        };
        let now = Some(self.clock.timestamp);
        self.orders.push(OrderReport {
            broker_order_id: format!("order-{}", self.orders.len() + 1),
            client_order_id: order.client_order_id.to_string(),
            symbol: order.symbol.clone(),
            side: order.side,
            status: OrderStatus::Working,
            quantity,
            notional,
            filled_quantity: Decimal::ZERO,
            filled_average_price: None,
            submitted_at: now,
            filled_at: None,
            updated_at: now,
            legs: Vec::new(),
        });
        self.kinds.push(order.kind);
        let index = self.orders.len() - 1;
        self.make_legs(index, order.kind);
        index
    }

    /// Adds units to a position.
    fn hold(&mut self, symbol: &Symbol, units: Decimal) {
        let price = self.prices.get(symbol).copied().unwrap_or(Decimal::ONE);
        let held = self
            .positions
            .get(symbol)
            .map_or(Decimal::ZERO, |p| p.quantity)
            + units;
        if held.is_zero() {
            self.positions.remove(symbol);
            return;
        }
        let position = PositionReport {
            symbol: symbol.clone(),
            quantity: held,
            quantity_available: held,
            average_entry_price: price,
            market_value: held * price,
        };
        self.positions.insert(symbol.clone(), position);
    }

    fn fill(&mut self, index: usize, fraction: Decimal, status: OrderStatus) {
        let now = self.clock.timestamp;
        let order = &mut self.orders[index];
        let price = self
            .prices
            .get(&order.symbol)
            .copied()
            .unwrap_or(Decimal::ONE);
        let whole = order
            .quantity
            .unwrap_or_else(|| (order.notional.unwrap_or_default() / price).trunc_with_scale(9));
        let filled = (whole * fraction).trunc_with_scale(9);
        let newly = filled - order.filled_quantity;
        order.filled_quantity = filled;
        order.filled_average_price = (!filled.is_zero()).then_some(price);
        order.status = status;
        order.updated_at = Some(now);
        order.filled_at = (status == OrderStatus::Filled).then_some(now);
        let (symbol, buys) = (order.symbol.clone(), order.side == Side::Buy);
        let rate = if symbol.class() == AssetClass::Crypto {
            self.crypto_fee_bp / Decimal::from(10_000)
        } else {
            Decimal::ZERO
        };
        let up = rust_decimal::RoundingStrategy::AwayFromZero;
        let units = if buys {
            newly - (newly * rate).round_dp_with_strategy(9, up)
        } else {
            -newly
        };
        let value = newly * price;
        self.account.cash += if buys { -value } else { value - value * rate };
        self.hold(&symbol, units);
        self.follow_group(index);
    }

    /// Fills at once if the market is open, and reports.
    fn execute(&mut self, order: &OrderRequest) -> OrderReport {
        let index = self.take(order);
        let open = self.clock.is_open || order.symbol.class() == AssetClass::Crypto;
        if is_market(order.kind) && open {
            self.fill(index, Decimal::ONE, OrderStatus::Filled);
        }
        self.nested(index)
    }

    fn submit(&mut self, order: &OrderRequest) -> SubmitOutcome {
        self.sent.push(order.clone());
        let fault = self.faults.pop_front();
        if fault == Some(SubmitFault::LostBefore) {
            return SubmitOutcome::Unknown("scripted: the request was lost".to_owned());
        }
        if self
            .orders
            .iter()
            .any(|o| o.client_order_id == order.client_order_id.as_str())
        {
            return SubmitOutcome::Duplicate("client_order_id must be unique".to_owned());
        }
        match fault {
            Some(SubmitFault::Refuse(rejection)) => SubmitOutcome::Rejected(rejection),
            Some(SubmitFault::StaysWorking) => {
                let index = self.take(order);
                SubmitOutcome::Accepted(Box::new(self.nested(index)))
            }
            Some(SubmitFault::PartThenCanceled(fraction)) => {
                let index = self.take(order);
                self.fill(index, fraction, OrderStatus::Canceled);
                SubmitOutcome::Accepted(Box::new(self.nested(index)))
            }
            Some(SubmitFault::LostAfter) => {
                self.execute(order);
                SubmitOutcome::Unknown("scripted: the answer was lost".to_owned())
            }
            Some(SubmitFault::LostBefore) | None => {
                SubmitOutcome::Accepted(Box::new(self.execute(order)))
            }
        }
    }
}

#[async_trait]
impl Broker for ScriptedBroker {
    async fn account(&self) -> Result<Account, BrokerError> {
        self.answer(|state| state.account.clone())
    }

    async fn clock(&self) -> Result<BrokerClock, BrokerError> {
        self.answer(|state| state.clock)
    }

    async fn asset(&self, symbol: &Symbol) -> Result<Option<AssetInfo>, BrokerError> {
        self.answer(|state| state.assets.get(symbol).cloned())
    }

    async fn positions(&self) -> Result<Vec<PositionReport>, BrokerError> {
        self.answer(|state| state.positions.values().cloned().collect())
    }

    async fn open_orders(&self) -> Result<Vec<OrderReport>, BrokerError> {
        self.answer(|state| state.listed(|o| !o.status.is_terminal()))
    }

    async fn closed_orders(&self, symbol: &Symbol) -> Result<Vec<OrderReport>, BrokerError> {
        match self.ask(&Question::ClosedOrders(symbol.clone()))? {
            Answer::Orders(orders) => Ok(orders),
            other => Err(BrokerError::Unreadable(format!("{other:?}"))),
        }
    }

    async fn past_orders(&self) -> Result<PastOrders, BrokerError> {
        match self.ask(&Question::PastOrders)? {
            Answer::PastOrders(past) => Ok(past),
            other => Err(BrokerError::Unreadable(format!("{other:?}"))),
        }
    }

    async fn order_by_client_id(
        &self,
        id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, BrokerError> {
        self.answer(|state| state.look_up(id))
    }

    async fn latest_price(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<(Decimal, Timestamp)>, BrokerError> {
        self.answer(|state| {
            state
                .prices
                .get(symbol)
                .map(|price| (*price, state.clock.timestamp))
        })
    }

    async fn submit(&self, order: &OrderRequest) -> SubmitOutcome {
        self.state().submit(order)
    }

    async fn cancel(&self, broker_order_id: &str) -> Result<(), BrokerError> {
        self.cancel_now(broker_order_id)
    }
}
