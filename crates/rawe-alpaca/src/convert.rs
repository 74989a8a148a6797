//! From Alpaca's words to the collective's, and back.
//!
//! What cannot be understood is an error, never a default: a garbled answer must not look flat.

use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_execution::broker::{
    Account, Amount, AssetInfo, BrokerClock, OrderKind, OrderReport, OrderRequest, OrderStatus,
    PositionReport, Side, TimeInForce,
};
use rust_decimal::Decimal;

use crate::types;
use crate::types::{AssetClassName, OrderSide, PositionSide};

/// A field that is missing or makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

fn missing<T>(value: Option<T>, what: &str) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable(format!("{what} is missing")))
}

/// Quote currencies of Alpaca's pairs, longest first, for `BTCUSD` without its slash.
const QUOTE_CURRENCIES: [&str; 4] = ["USDT", "USDC", "USD", "BTC"];

/// The symbol of a text that may lack its slash. `is_crypto` is what the answer says of it, and
/// `known` are pairs already seen with their slash.
pub(crate) fn symbol_of(
    text: &str,
    is_crypto: Option<bool>,
    known: &[Symbol],
) -> Result<Symbol, Unreadable> {
    let unreadable = |_| Unreadable(format!("'{text:.40}' is not a symbol"));
    if text.contains('/') || is_crypto == Some(false) {
        return Symbol::new(text).map_err(unreadable);
    }
    if let Some(pair) = known.iter().find(|pair| pair.without_slash() == text) {
        return Ok(pair.clone());
    }
    if is_crypto == Some(true) {
        for quote in QUOTE_CURRENCIES {
            if let Some(base) = text.strip_suffix(quote).filter(|base| !base.is_empty()) {
                return Symbol::new(&format!("{base}/{quote}")).map_err(unreadable);
            }
        }
    }
    Symbol::new(text).map_err(unreadable)
}

fn is_crypto(class: Option<&AssetClassName>) -> Option<bool> {
    class.map(|class| *class == AssetClassName::Crypto)
}

pub(crate) fn account(account: &types::Account) -> Result<Account, Unreadable> {
    let cash = missing(account.cash, "the account's cash")?;
    let blocked =
        account.trading_blocked || account.account_blocked || account.trade_suspended_by_user;
    Ok(Account {
        id: account.id.clone(),
        can_trade: account.status == types::AccountStatus::Active && !blocked,
        shorting_enabled: account.shorting_enabled,
        equity: missing(
            account.equity.or(account.portfolio_value),
            "the account's equity",
        )?,
        cash,
        buying_power: missing(account.buying_power, "the account's buying power")?,
        non_marginable_buying_power: account
            .non_marginable_buying_power
            .unwrap_or(cash.max(Decimal::ZERO)),
    })
}

pub(crate) fn clock(clock: &types::Clock) -> BrokerClock {
    BrokerClock {
        timestamp: clock.timestamp.to_utc(),
        is_open: clock.is_open,
        next_open: clock.next_open.to_utc(),
        next_close: clock.next_close.to_utc(),
    }
}

/// `None` for classes that the collective does not trade.
pub(crate) fn asset(asset: &types::Asset) -> Result<Option<AssetInfo>, Unreadable> {
    let class = match asset.class {
        AssetClassName::UsEquity => AssetClass::UsEquity,
        AssetClassName::Crypto => AssetClass::Crypto,
        AssetClassName::UsOption | AssetClassName::Other(_) => return Ok(None),
    };
    let symbol = symbol_of(&asset.symbol, Some(class == AssetClass::Crypto), &[])?;
    let hard_to_borrow = asset.easy_to_borrow == Some(false)
        || asset.borrow_status == Some(types::BorrowStatus::HardToBorrow);
    Ok(Some(AssetInfo {
        symbol,
        class,
        tradable: asset.tradable && asset.status == types::AssetStatus::Active,
        fractionable: asset.fractionable,
        shortable: asset.shortable && !hard_to_borrow && class == AssetClass::UsEquity,
        quantity_min: asset.min_order_size,
        quantity_increment: asset.min_trade_increment,
    }))
}

pub(crate) fn position(
    position: &types::Position,
    known: &[Symbol],
) -> Result<PositionReport, Unreadable> {
    let symbol = symbol_of(
        &position.symbol,
        is_crypto(position.asset_class.as_ref()),
        known,
    )?;
    let short = position.side == Some(PositionSide::Short);
    // Shorts are negative at Alpaca; should one ever come as a plain number, the side decides.
    let signed = |value: Decimal| if short { -value.abs() } else { value };
    let quantity = signed(position.qty);
    let average_entry_price =
        missing(position.avg_entry_price, "a position's average entry price")?;
    let value = position
        .market_value
        .or_else(|| quantity.checked_mul(average_entry_price));
    Ok(PositionReport {
        symbol,
        quantity,
        quantity_available: signed(position.qty_available.unwrap_or(position.qty)),
        average_entry_price,
        market_value: signed(missing(value, "a position's market value")?),
    })
}

fn order_status(order: &types::Order, filled: Decimal) -> OrderStatus {
    match &order.status {
        types::OrderStatus::Filled => OrderStatus::Filled,
        // The id of a replaced order is over; its successor has another one.
        types::OrderStatus::Canceled | types::OrderStatus::Replaced => OrderStatus::Canceled,
        types::OrderStatus::Expired => OrderStatus::Expired,
        types::OrderStatus::Rejected => OrderStatus::Rejected,
        // Everything else, also what Alpaca invents later, may still change.
        _ if filled > Decimal::ZERO => OrderStatus::PartiallyFilled,
        _ => OrderStatus::Working,
    }
}

pub(crate) fn order(order: &types::Order, known: &[Symbol]) -> Result<OrderReport, Unreadable> {
    let symbol = symbol_of(&order.symbol, is_crypto(order.asset_class.as_ref()), known)?;
    let side = match &order.side {
        Some(OrderSide::Buy) => Side::Buy,
        Some(OrderSide::Sell) => Side::Sell,
        other => return Err(Unreadable(format!("order {} has side {other:?}", order.id))),
    };
    let filled_quantity = match order.filled_qty {
        Some(quantity) => quantity,
        None if order.status == types::OrderStatus::Filled => {
            return Err(Unreadable(format!(
                "order {} is filled without a quantity",
                order.id
            )));
        }
        None => Decimal::ZERO,
    };
    Ok(OrderReport {
        broker_order_id: order.id.clone(),
        client_order_id: order.client_order_id.clone(),
        symbol,
        side,
        status: order_status(order, filled_quantity),
        quantity: order.qty,
        notional: order.notional,
        filled_quantity,
        filled_average_price: order.filled_avg_price,
        submitted_at: order.submitted_at.or(order.created_at),
        filled_at: order.filled_at,
        updated_at: order.updated_at,
    })
}

pub(crate) fn order_request(order: &OrderRequest) -> types::OrderRequest {
    let (qty, notional) = match order.amount {
        Amount::Quantity(quantity) => (Some(quantity.normalize()), None),
        Amount::Notional(notional) => (None, Some(notional.normalize())),
    };
    types::OrderRequest {
        symbol: Some(order.symbol.to_string()),
        qty,
        notional,
        side: Some(match order.side {
            Side::Buy => OrderSide::Buy,
            Side::Sell => OrderSide::Sell,
        }),
        order_type: Some(match order.kind {
            OrderKind::Market => types::OrderType::Market,
            OrderKind::Stop { .. } => types::OrderType::Stop,
            OrderKind::StopLimit { .. } => types::OrderType::StopLimit,
        }),
        stop_price: match order.kind {
            OrderKind::Market => None,
            OrderKind::Stop { stop } | OrderKind::StopLimit { stop, .. } => Some(stop.normalize()),
        },
        limit_price: match order.kind {
            OrderKind::Market | OrderKind::Stop { .. } => None,
            OrderKind::StopLimit { limit, .. } => Some(limit.normalize()),
        },
        time_in_force: Some(match order.time_in_force {
            TimeInForce::Day => types::TimeInForce::Day,
            TimeInForce::Gtc => types::TimeInForce::Gtc,
            TimeInForce::Ioc => types::TimeInForce::Ioc,
        }),
        client_order_id: Some(order.client_order_id.to_string()),
        position_intent: position_intent(order),
        ..types::OrderRequest::default()
    }
}

/// What keeps a closing that arrives late from opening the other side. Crypto has no other side.
fn position_intent(order: &OrderRequest) -> Option<types::PositionIntent> {
    let guarded = order.closes && order.symbol.class() == AssetClass::UsEquity;
    guarded.then_some(match order.side {
        Side::Buy => types::PositionIntent::BuyToClose,
        Side::Sell => types::PositionIntent::SellToClose,
    })
}

/// A price as market data gives it; `None` unless it is a positive amount.
pub(crate) fn price(number: f64, at: Timestamp) -> Option<(Decimal, Timestamp)> {
    types::lenient::parse_decimal(&number.to_string())
        .filter(|price| *price > Decimal::ZERO)
        .map(|price| (price, at))
}
