//! The broker's book: assets, orders, positions, cash; fills, cancellations, expiries, fees.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_execution::broker::{
    Amount, AssetInfo, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce,
};
use rust_decimal::Decimal;

/// Decimals of a quantity.
const QUANTITY_DECIMALS: u32 = 9;
/// What Alpaca keeps of a crypto trade at its lowest tier: 25 basis points.
pub(crate) const CRYPTO_FEE: Decimal = Decimal::from_parts(25, 0, 0, false, 4);

/// An asset and its price.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What may be done with it.
    pub info: AssetInfo,
    /// USD a unit, now.
    pub price: Decimal,
    /// Since when it is so.
    pub priced_at: Timestamp,
}

/// Who sent an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The engine.
    Ours,
    /// Somebody else with the same account.
    Foreign,
}

/// An order in the book.
#[derive(Clone, Debug)]
pub struct Order {
    /// The broker's id.
    pub id: String,
    /// What was sent.
    pub request: OrderRequest,
    /// The client's id as text, foreign ones included.
    pub client_id: String,
    /// Who sent it.
    pub owner: Owner,
    /// Where it stands.
    pub status: OrderStatus,
    /// Units filled.
    pub filled: Decimal,
    /// USD of the fills.
    pub filled_value: Decimal,
    /// Units this order may fill, once known.
    pub quantity: Option<Decimal>,
    /// When it was taken, broker time, as all times but `seen_from`.
    pub taken_at: Timestamp,
    /// When it last filled.
    pub filled_at: Option<Timestamp>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Whether a stop has been touched (market orders: always).
    pub triggered: bool,
    /// From when a look-up by id sees it.
    pub seen_from: Timestamp,
    /// Whether a cancellation is on its way.
    pub cancelling: bool,
    /// For an exit of an order: the place of that order.
    pub leg_of: Option<usize>,
    /// Whether an exit waits until all of its order has filled.
    pub held: bool,
}

impl Order {
    /// Units still to be filled at `price`.
    pub fn remaining(&self, price: Decimal) -> Decimal {
        let whole = self.quantity.unwrap_or_else(|| match self.request.amount {
            Amount::Quantity(quantity) => quantity,
            Amount::Notional(notional) => notional
                .checked_div(price)
                .unwrap_or_default()
                .trunc_with_scale(QUANTITY_DECIMALS),
        });
        (whole - self.filled).max(Decimal::ZERO)
    }

    /// USD that this order may still move at `price`, never negative.
    pub fn remaining_notional(&self, price: Decimal) -> Decimal {
        match (self.request.amount, self.quantity) {
            (Amount::Notional(notional), None) => (notional - self.filled_value).max(Decimal::ZERO),
            _ => self.remaining(price) * price,
        }
    }
}

/// What is held in an asset, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Units of the engine's, negative when short.
    pub ours: Decimal,
    /// Units of somebody else's.
    pub foreign: Decimal,
    /// USD paid for all of it, signed as the units.
    pub cost: Decimal,
    /// Coins that will be taken as fee later.
    pub fee_due: Decimal,
}

impl Standing {
    /// Units as the broker reports them.
    pub fn total(&self) -> Decimal {
        self.ours + self.foreign
    }
}

/// Somebody else has sold what was ours, or bought back our short: it is ours no more.
fn net_out(standing: &mut Standing) {
    let opposite = standing.ours.is_sign_negative() != standing.foreign.is_sign_negative();
    if !opposite || standing.ours.is_zero() || standing.foreign.is_zero() {
        return;
    }
    let both = standing.ours.abs().min(standing.foreign.abs());
    let signed = if standing.ours.is_sign_negative() {
        -both
    } else {
        both
    };
    standing.ours -= signed;
    standing.foreign += signed;
}

/// An order that has changed, as it is pushed to listeners.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Place in the book.
    pub place: usize,
    /// As reported at that moment.
    pub report: OrderReport,
}

/// The broker.
#[derive(Clone, Debug)]
pub struct BrokerModel {
    /// Assets by symbol.
    pub assets: BTreeMap<Symbol, Listed>,
    /// All orders ever taken, in order.
    pub orders: Vec<Order>,
    /// All positions, those that are zero included.
    pub standings: BTreeMap<Symbol, Standing>,
    /// USD.
    pub cash: Decimal,
    /// Whether the account may short.
    pub shorting: bool,
    /// Whether the account is blocked.
    pub blocked: bool,
    /// How far the broker's clock is ahead of ours.
    pub skew: TimeDelta,
    /// Whether fees in coin are posted later.
    pub fees_later: bool,
    /// Positions as they are reported: they may lag behind.
    pub reported: BTreeMap<Symbol, Standing>,
    /// Anything that went through the model's own assertions.
    pub faults: Vec<String>,
}

impl BrokerModel {
    /// A broker with these assets and this much cash.
    pub fn new(assets: Vec<Listed>, cash: Decimal, shorting: bool) -> Self {
        Self {
            assets: assets
                .into_iter()
                .map(|listed| (listed.info.symbol.clone(), listed))
                .collect(),
            orders: Vec::new(),
            standings: BTreeMap::new(),
            cash,
            shorting,
            blocked: false,
            skew: TimeDelta::zero(),
            fees_later: false,
            reported: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// The newest price of an asset; 0 if there is none.
    pub fn price(&self, symbol: &Symbol) -> Decimal {
        self.assets
            .get(symbol)
            .map_or(Decimal::ZERO, |listed| listed.price)
    }

    /// What is held of an asset.
    pub fn standing(&self, symbol: &Symbol) -> Standing {
        self.standings.get(symbol).cloned().unwrap_or_default()
    }

    /// The order with this client id.
    pub fn by_client_id(&self, id: &str) -> Option<&Order> {
        self.orders.iter().rev().find(|order| order.client_id == id)
    }

    /// Open orders of an asset.
    pub fn open_orders<'a>(&'a self, symbol: &'a Symbol) -> impl Iterator<Item = &'a Order> {
        self.orders
            .iter()
            .filter(|order| !order.status.is_terminal() && order.request.symbol == *symbol)
    }

    /// The report of an order as it stands.
    pub fn report(&self, order: &Order) -> OrderReport {
        let average = order.filled_value.checked_div(order.filled);
        let (quantity, notional) = match order.request.amount {
            Amount::Quantity(quantity) => (Some(quantity), None),
            Amount::Notional(notional) => (None, Some(notional)),
        };
        OrderReport {
            broker_order_id: order.id.clone(),
            client_order_id: order.client_id.clone(),
            symbol: order.request.symbol.clone(),
            side: order.request.side,
            status: order.status,
            quantity,
            notional,
            filled_quantity: order.filled,
            filled_average_price: average
                .filter(|_| !order.filled.is_zero())
                .map(|price| price.round_dp(9)),
            submitted_at: Some(order.taken_at),
            filled_at: order
                .filled_at
                .filter(|_| order.status == OrderStatus::Filled),
            updated_at: Some(order.changed_at),
            legs: Vec::new(),
        }
    }

    pub(super) fn changed(&self, place: usize) -> Option<Changed> {
        let order = self.orders.get(place)?;
        Some(Changed {
            place,
            report: self.report(order),
        })
    }

    /// Takes an order that the rules allow.
    pub(crate) fn take(
        &mut self,
        request: &OrderRequest,
        client_id: &str,
        owner: Owner,
        now: Timestamp,
    ) -> usize {
        let place = self.orders.len();
        self.orders.push(Order {
            id: format!("b{place}"),
            request: request.clone(),
            client_id: client_id.to_owned(),
            owner,
            status: OrderStatus::Working,
            filled: Decimal::ZERO,
            filled_value: Decimal::ZERO,
            quantity: match request.amount {
                Amount::Quantity(quantity) => Some(quantity),
                Amount::Notional(_) => None,
            },
            taken_at: now + self.skew,
            filled_at: None,
            changed_at: now + self.skew,
            triggered: matches!(
                request.kind,
                OrderKind::Market | OrderKind::WithExits { .. }
            ),
            seen_from: now,
            cancelling: false,
            leg_of: None,
            held: false,
        });
        self.take_legs(place);
        place
    }

    /// Fills `part` (0 to 1) of what is left of an order at the present price.
    pub fn fill(&mut self, place: usize, part: Decimal, now: Timestamp) -> Option<Changed> {
        let order = self.orders.get(place)?;
        if order.status.is_terminal() || !order.triggered {
            return None;
        }
        let symbol = order.request.symbol.clone();
        let price = self.price(&symbol);
        if let OrderKind::StopLimit { limit, .. } | OrderKind::Limit { limit } = order.request.kind
        {
            let worse = match order.request.side {
                Side::Sell => price < limit,
                Side::Buy => price > limit,
            };
            if worse {
                return None;
            }
        }
        let remaining = order.remaining(price);
        let whole_units = order.quantity.is_some_and(|q| q.fract().is_zero());
        let increment = self.increment(&symbol, whole_units);
        let whole = order.quantity.is_some();
        let mut quantity = (remaining * part).trunc_with_scale(QUANTITY_DECIMALS);
        if let Some(increment) = increment.filter(|_| whole)
            && let Some(steps) = quantity.checked_div(increment)
        {
            quantity = steps.trunc() * increment;
        }
        if part >= Decimal::ONE || quantity.is_zero() {
            quantity = remaining;
        }
        if quantity.is_zero() {
            return None;
        }
        self.settle(place, quantity, price, now);
        let done = self.orders.get(place)?.remaining(price) <= Decimal::ZERO;
        let order = self.orders.get_mut(place)?;
        if order.quantity.is_none() {
            // A notional order fixes its units with its first fill.
            order.quantity = Some(order.filled + (remaining - quantity));
        }
        order.status = if done || quantity == remaining {
            OrderStatus::Filled
        } else {
            OrderStatus::PartiallyFilled
        };
        self.changed(place)
    }

    fn increment(&self, symbol: &Symbol, whole: bool) -> Option<Decimal> {
        let info = &self.assets.get(symbol)?.info;
        match info.class {
            // Shorts have no fractions, and orders in whole units fill in whole units.
            AssetClass::UsEquity if !info.fractionable || whole => Some(Decimal::ONE),
            _ => info.quantity_increment,
        }
    }

    /// Moves units and money for a fill.
    fn settle(&mut self, place: usize, quantity: Decimal, price: Decimal, now: Timestamp) {
        let Some(order) = self.orders.get_mut(place) else {
            return;
        };
        order.filled += quantity;
        order.filled_value += quantity * price;
        order.filled_at = Some(now + self.skew);
        order.changed_at = now + self.skew;
        let (owner, side) = (order.owner, order.request.side);
        let symbol = order.request.symbol.clone();
        let crypto = symbol.class() == AssetClass::Crypto;
        let signed = if side == Side::Buy {
            quantity
        } else {
            -quantity
        };
        let before = self.standing(&symbol);
        let standing = self.standings.entry(symbol.clone()).or_default();
        match owner {
            Owner::Ours => standing.ours += signed,
            Owner::Foreign => standing.foreign += signed,
        }
        standing.cost += signed * price;
        self.cash -= signed * price;
        if crypto && side == Side::Buy {
            let fee = (quantity * CRYPTO_FEE).trunc_with_scale(QUANTITY_DECIMALS);
            if owner == Owner::Ours && self.fees_later {
                standing.fee_due += fee;
            } else if owner == Owner::Ours {
                standing.ours -= fee;
            } else {
                standing.foreign -= fee;
            }
        } else if crypto {
            self.cash -= (quantity * price * CRYPTO_FEE).round_dp(2);
        }
        let unnetted = standing.ours;
        let theirs = standing.foreign;
        net_out(standing);
        let after = standing.clone();
        if after.total().is_zero() {
            standing.cost = Decimal::ZERO;
        }
        let apart = |one: Decimal, other: Decimal| {
            !one.is_zero() && !other.is_zero() && one.is_sign_negative() != other.is_sign_negative()
        };
        let touched =
            owner == Owner::Ours && (apart(before.ours, unnetted) || apart(unnetted, theirs));
        if touched || apart(before.total(), after.total()) {
            self.faults.push(format!(
                "{symbol}: a fill of {signed} turned {} of ours into {unnetted} beside {} of others",
                before.ours, before.foreign
            ));
        }
    }

    /// Ends an order that is not terminal.
    pub fn end(&mut self, place: usize, status: OrderStatus, now: Timestamp) -> Option<Changed> {
        let theirs = now + self.skew;
        let order = self.orders.get_mut(place)?;
        if order.status.is_terminal() {
            return None;
        }
        order.status = status;
        order.changed_at = theirs;
        self.changed(place)
    }

    /// A new price; the orders that it triggers.
    pub fn set_price(&mut self, symbol: &Symbol, price: Decimal, now: Timestamp) -> Vec<usize> {
        if let Some(listed) = self.assets.get_mut(symbol) {
            listed.price = price;
            listed.priced_at = now;
        }
        let mut triggered = Vec::new();
        for (place, order) in self.orders.iter_mut().enumerate() {
            let waits = order.triggered || order.held;
            if order.status.is_terminal() || waits || order.request.symbol != *symbol {
                continue;
            }
            if order.is_touched(price) {
                order.triggered = true;
                triggered.push(place);
            }
        }
        triggered
    }

    /// Posts the fees in coin that are due; which assets changed.
    pub fn post_fees(&mut self) -> Vec<Symbol> {
        let mut changed = Vec::new();
        let free: BTreeMap<Symbol, Decimal> = self
            .standings
            .iter()
            .map(|(symbol, standing)| (symbol.clone(), self.available(symbol, standing.total())))
            .collect();
        for (symbol, standing) in &mut self.standings {
            if standing.fee_due.is_zero() {
                continue;
            }
            // What was sold in the meantime, or is being sold, cannot be taken any more.
            let free = free.get(symbol).copied().unwrap_or_default();
            let fee = standing
                .fee_due
                .min(free.max(Decimal::ZERO))
                .min(standing.ours);
            standing.ours -= fee;
            standing.fee_due = Decimal::ZERO;
            changed.push(symbol.clone());
        }
        changed
    }

    /// The session has closed: day orders expire.
    pub fn close_session(&mut self, now: Timestamp) -> Vec<Changed> {
        let due: Vec<usize> = self
            .orders
            .iter()
            .enumerate()
            .filter(|(_, order)| !order.status.is_terminal())
            .filter(|(_, order)| order.request.time_in_force == TimeInForce::Day)
            .map(|(place, _)| place)
            .collect();
        due.into_iter()
            .filter_map(|place| self.end(place, OrderStatus::Expired, now))
            .collect()
    }

    /// Makes the positions visible to questions as they stand now.
    pub fn publish_positions(&mut self) {
        self.reported.clone_from(&self.standings);
    }
}
