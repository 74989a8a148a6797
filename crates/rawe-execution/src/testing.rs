//! A broker and a journal in memory, with scripted faults, for tests here and in other crates.
//!
//! [`ScriptedBroker`] fills market orders at once at the price it was told, keeps positions, and
//! misbehaves as told: it loses requests or answers, refuses, hides orders, is closed. Not a
//! market: that is `rawe-market`.

mod memory_journal;

pub use memory_journal::MemoryJournal;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rawe_core::{AssetClass, ClientOrderId, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{
    Account, Amount, AssetInfo, Broker, BrokerClock, BrokerError, OrderReport, OrderRequest,
    OrderStatus, PositionReport, Rejection, Side, SubmitOutcome,
};

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
    sent: Vec<OrderRequest>,
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
                sent: Vec::new(),
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

    /// Sets a price.
    pub fn set_price(&self, symbol: &Symbol, price: Decimal) {
        self.state().prices.insert(symbol.clone(), price);
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
            if !state.orders[index].status.is_terminal() {
                state.fill(index, Decimal::ONE, OrderStatus::Filled);
            }
        }
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
        });
        self.orders.len() - 1
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
        order.filled_quantity = filled;
        order.filled_average_price = (!filled.is_zero()).then_some(price);
        order.status = status;
        order.updated_at = Some(now);
        order.filled_at = (status == OrderStatus::Filled).then_some(now);
        let signed = if order.side == Side::Buy {
            filled
        } else {
            -filled
        };
        let symbol = order.symbol.clone();
        let held = self
            .positions
            .get(&symbol)
            .map_or(Decimal::ZERO, |p| p.quantity)
            + signed;
        self.account.cash -= signed * price;
        if held.is_zero() {
            self.positions.remove(&symbol);
            return;
        }
        let position = PositionReport {
            symbol: symbol.clone(),
            quantity: held,
            quantity_available: held,
            average_entry_price: price,
            market_value: held * price,
        };
        self.positions.insert(symbol, position);
    }

    /// Fills at once if the market is open, and reports.
    fn execute(&mut self, order: &OrderRequest) -> OrderReport {
        let index = self.take(order);
        if self.clock.is_open || order.symbol.class() == AssetClass::Crypto {
            self.fill(index, Decimal::ONE, OrderStatus::Filled);
        }
        self.orders[index].clone()
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
                SubmitOutcome::Accepted(Box::new(self.orders[index].clone()))
            }
            Some(SubmitFault::PartThenCanceled(fraction)) => {
                let index = self.take(order);
                self.fill(index, fraction, OrderStatus::Canceled);
                SubmitOutcome::Accepted(Box::new(self.orders[index].clone()))
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
        self.answer(|state| {
            state
                .orders
                .iter()
                .filter(|o| !o.status.is_terminal())
                .cloned()
                .collect()
        })
    }

    async fn closed_orders(&self, symbol: &Symbol) -> Result<Vec<OrderReport>, BrokerError> {
        self.answer(|state| {
            let ended = |o: &&OrderReport| o.symbol == *symbol && o.status.is_terminal();
            state
                .orders
                .iter()
                .rev()
                .filter(ended)
                .take(500)
                .cloned()
                .collect()
        })
    }

    async fn order_by_client_id(
        &self,
        id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, BrokerError> {
        self.answer(|state| {
            if state.hidden_lookups > 0 {
                state.hidden_lookups -= 1;
                return None;
            }
            state
                .orders
                .iter()
                .find(|o| o.client_order_id == id.as_str())
                .cloned()
        })
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
        self.answer(|state| {
            for order in &mut state.orders {
                if order.broker_order_id == broker_order_id && !order.status.is_terminal() {
                    order.status = OrderStatus::Canceled;
                }
            }
        })
    }
}
