//! From a decision to an order that Alpaca takes: fractions, shorts, increments, dust.
//!
//! Pure arithmetic on what the broker says of the asset and the position. Whether the order may
//! be sent at all is the gate's; a limit of ours never appears here.

use rawe_core::{AssetClass, ClientOrderId, Direction, Purpose, Symbol};
use rust_decimal::Decimal;

use crate::broker::{
    Amount, AssetInfo, OrderKind, OrderRequest, PositionReport, Side, TimeInForce,
};
use crate::refusal::OrderRefusal;

/// Alpaca's smallest order, USD; a position worth less is dust.
pub const ORDER_NOTIONAL_MIN: Decimal = Decimal::ONE;
/// Decimals of a quantity where the broker names no increment: Alpaca takes nine.
const QUANTITY_DECIMALS: u32 = 9;

/// A decision, as far as building its order needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderIntentInput {
    /// The id the order will have at the broker.
    pub client_order_id: ClientOrderId,
    /// Open or close.
    pub purpose: Purpose,
    /// The asset.
    pub symbol: Symbol,
    /// Open: the direction to take. Close: the direction of the position to leave.
    pub direction: Direction,
    /// Open: USD to put in. Close: not used, the whole position goes.
    pub notional: Decimal,
    /// Close: at most so many units, where part of the position is not ours.
    pub quantity_limit: Option<Decimal>,
}

/// Makes the order of a decision.
///
/// `price` is the newest price in USD; opening in units needs it, closing only uses it to
/// recognise dust. `shorting_enabled` is the account's.
///
/// # Errors
/// The [`OrderRefusal`] that says why the broker would not take it, or why it would flip.
pub fn build_order(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    position: Option<&PositionReport>,
    price: Option<Decimal>,
    shorting_enabled: bool,
) -> Result<OrderRequest, OrderRefusal> {
    if !asset.tradable || asset.symbol != decision.symbol {
        return Err(OrderRefusal::NotTradable(decision.symbol.clone()));
    }
    let price = price.filter(|price| *price > Decimal::ZERO);
    let position = position
        .filter(|position| position.symbol == decision.symbol && !position.quantity.is_zero());
    let (side, amount) = match decision.purpose {
        Purpose::Open => {
            refuse_open_beside(decision, asset, position, price)?;
            match decision.direction {
                Direction::Long => (Side::Buy, long_amount(decision, asset, price)?),
                Direction::Short => (
                    Side::Sell,
                    short_amount(decision, asset, price, shorting_enabled)?,
                ),
            }
        }
        Purpose::Close => close_amount(decision, asset, position, price)?,
        Purpose::Stop => return Err(OrderRefusal::UnsupportedPurpose),
    };
    let time_in_force = match asset.class {
        AssetClass::UsEquity => TimeInForce::Day,
        AssetClass::Crypto => TimeInForce::Gtc,
    };
    Ok(OrderRequest {
        client_order_id: decision.client_order_id.clone(),
        symbol: decision.symbol.clone(),
        side,
        closes: decision.purpose != Purpose::Open,
        amount,
        time_in_force,
        kind: OrderKind::Market,
    })
}

/// Makes an order that rests at the broker and closes `quantity` of a position when its price is
/// touched. `decision.direction` is the position's.
///
/// # Errors
/// When the broker would not take it: stops of stocks are for whole shares, crypto only knows
/// stop-limit orders.
pub fn build_resting(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    quantity: Decimal,
    kind: OrderKind,
) -> Result<OrderRequest, OrderRefusal> {
    if !asset.tradable || asset.symbol != decision.symbol {
        return Err(OrderRefusal::NotTradable(decision.symbol.clone()));
    }
    let fits = match kind {
        OrderKind::Stop { .. } => asset.class == AssetClass::UsEquity,
        OrderKind::StopLimit { .. } => asset.class == AssetClass::Crypto,
        OrderKind::Market => false,
    };
    let whole = asset.class == AssetClass::UsEquity;
    let rounded = round_down(quantity.abs(), asset, whole);
    if !fits || (whole && rounded != quantity.abs()) {
        return Err(OrderRefusal::UnsupportedPurpose);
    }
    if is_under_minimum(rounded, asset, None) {
        return Err(OrderRefusal::NothingToClose(decision.symbol.clone()));
    }
    Ok(OrderRequest {
        client_order_id: decision.client_order_id.clone(),
        symbol: decision.symbol.clone(),
        side: match decision.direction {
            Direction::Long => Side::Sell,
            Direction::Short => Side::Buy,
        },
        closes: true,
        amount: Amount::Quantity(rounded),
        time_in_force: TimeInForce::Gtc,
        kind,
    })
}

/// Whether what is held is too little to be sold: it counts as flat.
pub fn is_dust(position: &PositionReport, asset: &AssetInfo, price: Option<Decimal>) -> bool {
    let quantity = round_down(
        position.quantity.abs(),
        asset,
        position.quantity.is_sign_negative(),
    );
    is_under_minimum(quantity, asset, price)
}

/// Opening beside a position would add to it or turn it around; dust of the same side is no
/// obstacle, but a short would sell through long dust.
fn refuse_open_beside(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    position: Option<&PositionReport>,
    price: Option<Decimal>,
) -> Result<(), OrderRefusal> {
    let Some(position) = position else {
        return Ok(());
    };
    let (symbol, quantity) = (decision.symbol.clone(), position.quantity);
    if direction_of(position) != decision.direction {
        return Err(OrderRefusal::WouldFlip { symbol, quantity });
    }
    if is_dust(position, asset, price) {
        return Ok(());
    }
    Err(OrderRefusal::AlreadyHeld { symbol, quantity })
}

fn direction_of(position: &PositionReport) -> Direction {
    if position.quantity.is_sign_negative() {
        Direction::Short
    } else {
        Direction::Long
    }
}

fn long_amount(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    price: Option<Decimal>,
) -> Result<Amount, OrderRefusal> {
    if asset.class == AssetClass::UsEquity && asset.fractionable {
        let notional = decision.notional.trunc_with_scale(2);
        if notional < ORDER_NOTIONAL_MIN {
            return Err(too_small(decision, notional));
        }
        return Ok(Amount::Notional(notional));
    }
    units_of_notional(decision, asset, price, false)
}

fn short_amount(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    price: Option<Decimal>,
    shorting_enabled: bool,
) -> Result<Amount, OrderRefusal> {
    if asset.class == AssetClass::Crypto || !asset.shortable || !shorting_enabled {
        return Err(OrderRefusal::NotShortable(decision.symbol.clone()));
    }
    units_of_notional(decision, asset, price, true)
}

fn units_of_notional(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    price: Option<Decimal>,
    whole: bool,
) -> Result<Amount, OrderRefusal> {
    let price = price.ok_or_else(|| OrderRefusal::PriceUnknown(decision.symbol.clone()))?;
    let units = decision
        .notional
        .max(Decimal::ZERO)
        .checked_div(price)
        .ok_or_else(|| OrderRefusal::PriceUnknown(decision.symbol.clone()))?;
    let quantity = round_down(units, asset, whole);
    if is_under_minimum(quantity, asset, Some(price)) {
        return Err(too_small(decision, quantity));
    }
    Ok(Amount::Quantity(quantity))
}

fn close_amount(
    decision: &OrderIntentInput,
    asset: &AssetInfo,
    position: Option<&PositionReport>,
    price: Option<Decimal>,
) -> Result<(Side, Amount), OrderRefusal> {
    let nothing = || OrderRefusal::NothingToClose(decision.symbol.clone());
    let position = position.ok_or_else(nothing)?;
    let direction = direction_of(position);
    if direction != decision.direction {
        return Err(OrderRefusal::WouldFlip {
            symbol: decision.symbol.clone(),
            quantity: position.quantity,
        });
    }
    let short = direction == Direction::Short;
    let held = position.quantity.abs();
    if is_under_minimum(round_down(held, asset, short), asset, price) {
        return Err(nothing());
    }
    // Never more than is held, whatever the broker says is available.
    let available = position.quantity_available.abs().min(held);
    let wanted = decision
        .quantity_limit
        .map_or(available, |limit| limit.abs().min(available));
    let quantity = round_down(wanted, asset, short);
    if is_under_minimum(quantity, asset, price) {
        let limited = decision
            .quantity_limit
            .is_some_and(|limit| limit.abs() < available);
        return Err(if limited {
            nothing()
        } else {
            OrderRefusal::HeldByOrders(decision.symbol.clone())
        });
    }
    let side = if short { Side::Buy } else { Side::Sell };
    Ok((side, Amount::Quantity(quantity)))
}

/// Rounds towards zero to what may be traded. `whole` is for shorts, which have no fractions.
fn round_down(quantity: Decimal, asset: &AssetInfo, whole: bool) -> Decimal {
    let increment = match asset.class {
        AssetClass::UsEquity if whole || !asset.fractionable => Some(Decimal::ONE),
        _ => asset
            .quantity_increment
            .filter(|increment| *increment > Decimal::ZERO),
    };
    let rounded = match increment {
        Some(increment) => quantity
            .checked_div(increment)
            .map_or(Decimal::ZERO, |steps| steps.trunc() * increment),
        None => quantity.trunc_with_scale(QUANTITY_DECIMALS),
    };
    rounded.min(quantity).normalize()
}

fn is_under_minimum(quantity: Decimal, asset: &AssetInfo, price: Option<Decimal>) -> bool {
    let value = price.and_then(|price| quantity.checked_mul(price));
    quantity <= Decimal::ZERO
        || asset.quantity_min.is_some_and(|minimum| quantity < minimum)
        || value.is_some_and(|value| value < ORDER_NOTIONAL_MIN)
}

fn too_small(decision: &OrderIntentInput, amount: Decimal) -> OrderRefusal {
    OrderRefusal::TooSmall {
        symbol: decision.symbol.clone(),
        amount,
    }
}
