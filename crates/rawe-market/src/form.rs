//! What an order must look like by itself: amounts, prices, times in force, in Alpaca's words. What
//! it may do to the account is in [`crate::checks`].

use rawe_core::AssetClass;
use rust_decimal::Decimal;

use crate::asset::{Asset, QUANTITY_DECIMALS};
use crate::refusal::OrderRefusal;
use crate::terms::{Amount, Exits, NewOrder, OrderType, TimeInForce, Trail};

/// Quantities, dollars and prices beyond this are typing errors; the bound keeps every product of
/// two of them inside a `Decimal`.
const NUMBER_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Dollar amounts count as fractional: they almost never buy whole shares.
pub(crate) fn is_fractional(amount: Amount) -> bool {
    match amount {
        Amount::Notional(_) => true,
        Amount::Quantity(quantity) => !quantity.fract().is_zero(),
    }
}

/// Amounts and prices: above zero, not too fine, and those that the type wants.
pub(crate) fn check_numbers(asset: &Asset, order: &NewOrder) -> Result<(), OrderRefusal> {
    let (amount, kind) = (order.amount, order.order_type);
    let (name, number) = match amount {
        Amount::Quantity(quantity) => ("qty", quantity),
        Amount::Notional(notional) => ("notional", notional),
    };
    if number <= Decimal::ZERO {
        return Err(OrderRefusal::malformed(format!("{name} must be > 0")));
    }
    if number > NUMBER_MAX || number.normalize().scale() > QUANTITY_DECIMALS {
        return Err(OrderRefusal::malformed(format!(
            "{name} must be limited to {QUANTITY_DECIMALS} decimal places and {NUMBER_MAX}"
        )));
    }
    if let (Amount::Quantity(quantity), Some(smallest)) = (amount, asset.quantity_min)
        && quantity < smallest
    {
        return Err(OrderRefusal::unprocessable(format!(
            "minimal qty of order is {smallest} for {}",
            asset.symbol
        )));
    }
    check_prices(asset, kind)?;
    if let Some(profit) = order.exits.take_profit() {
        check_price(asset, "limit", profit.limit)?;
    }
    if let Some(loss) = order.exits.stop_loss() {
        check_prices(asset, loss.order_type())?;
    }
    Ok(())
}

fn check_prices(asset: &Asset, kind: OrderType) -> Result<(), OrderRefusal> {
    let (stop, limit) = match kind {
        OrderType::Market | OrderType::TrailingStop(_) => (None, None),
        OrderType::Limit(limit) => (None, Some(limit)),
        OrderType::Stop(stop) => (Some(stop), None),
        OrderType::StopLimit { stop, limit } => (Some(stop), Some(limit)),
    };
    let stock_only = matches!(kind, OrderType::Stop(_) | OrderType::TrailingStop(_));
    if stock_only && asset.class == AssetClass::Crypto {
        return Err(OrderRefusal::malformed(
            "invalid order type for crypto order",
        ));
    }
    if let OrderType::TrailingStop(trail) = kind {
        check_trail(trail)?;
    }
    for (name, price) in [("stop", stop), ("limit", limit)] {
        if let Some(price) = price {
            check_price(asset, name, price)?;
        }
    }
    Ok(())
}

fn check_trail(trail: Trail) -> Result<(), OrderRefusal> {
    match trail {
        Trail::Price(price) if price <= Decimal::ZERO || price > NUMBER_MAX => {
            Err(OrderRefusal::malformed("trail price must be > 0"))
        }
        Trail::Percent(percent) if percent <= Decimal::ZERO || percent >= Decimal::ONE_HUNDRED => {
            Err(OrderRefusal::malformed(
                "trail percent must be > 0 and < 100",
            ))
        }
        Trail::Price(_) | Trail::Percent(_) => Ok(()),
    }
}

fn check_price(asset: &Asset, name: &str, price: Decimal) -> Result<(), OrderRefusal> {
    if price <= Decimal::ZERO || price > NUMBER_MAX {
        return Err(OrderRefusal::malformed(format!("{name} price must be > 0")));
    }
    let digits = match asset.class {
        AssetClass::Crypto => QUANTITY_DECIMALS,
        AssetClass::UsEquity if price >= Decimal::ONE => 2,
        AssetClass::UsEquity => 4,
    };
    if price.normalize().scale() > digits {
        return Err(OrderRefusal::unprocessable(format!(
            "invalid {name}_price {price}. sub-penny increment does not fulfill minimum pricing \
             criteria"
        )));
    }
    Ok(())
}

/// Which times in force, hours and groups go with the asset, the type and the amount.
pub(crate) fn check_time_in_force(asset: &Asset, order: &NewOrder) -> Result<(), OrderRefusal> {
    let (kind, lasting) = (order.order_type, order.time_in_force);
    if asset.class == AssetClass::Crypto {
        if !matches!(lasting, TimeInForce::Gtc | TimeInForce::Ioc) {
            return Err(OrderRefusal::unprocessable("invalid crypto time_in_force"));
        }
        if order.exits != Exits::None {
            return Err(OrderRefusal::unprocessable(format!(
                "crypto orders not allowed for advanced order_class: {}",
                order.exits.class().name()
            )));
        }
        return Ok(());
    }
    let lasts = matches!(lasting, TimeInForce::Day | TimeInForce::Gtc);
    let stops = kind.stop().is_some() || matches!(kind, OrderType::TrailingStop(_));
    if !lasts && (stops || order.exits != Exits::None) {
        let what = if stops {
            kind.name()
        } else {
            order.exits.class().name()
        };
        return Err(OrderRefusal::unprocessable(format!(
            "invalid time_in_force for {what} order: must be day or gtc"
        )));
    }
    check_extended_hours(order, lasts)?;
    check_group(order)?;
    if !is_fractional(order.amount) {
        return Ok(());
    }
    if !asset.fractionable {
        return Err(OrderRefusal::forbidden(format!(
            "asset \"{}\" is not fractionable",
            asset.symbol
        )));
    }
    if lasting != TimeInForce::Day {
        return Err(OrderRefusal::unprocessable(
            "fractional orders must be DAY orders",
        ));
    }
    if matches!(kind, OrderType::TrailingStop(_)) {
        return Err(OrderRefusal::unprocessable(
            "fractional orders cannot be trailing stop orders",
        ));
    }
    Ok(())
}

fn check_extended_hours(order: &NewOrder, lasts: bool) -> Result<(), OrderRefusal> {
    if !order.extended_hours {
        return Ok(());
    }
    if !lasts || !matches!(order.order_type, OrderType::Limit(_)) {
        return Err(OrderRefusal::unprocessable(
            "extended hours order must be DAY or GTC limit orders",
        ));
    }
    if order.exits != Exits::None {
        return Err(OrderRefusal::unprocessable(
            "extended hours orders must be simple orders",
        ));
    }
    Ok(())
}

fn check_group(order: &NewOrder) -> Result<(), OrderRefusal> {
    match order.exits {
        Exits::None => Ok(()),
        _ if is_fractional(order.amount) => Err(OrderRefusal::unprocessable(
            "fractional orders must be simple orders",
        )),
        Exits::Oco(_) if !matches!(order.order_type, OrderType::Limit(_)) => Err(
            OrderRefusal::unprocessable("oco orders must be limit orders"),
        ),
        _ if matches!(order.order_type, OrderType::TrailingStop(_)) => {
            Err(OrderRefusal::unprocessable(format!(
                "trailing stop orders cannot be {} orders",
                order.exits.class().name()
            )))
        }
        _ => Ok(()),
    }
}
