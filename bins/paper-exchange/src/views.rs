//! The market's own types in Alpaca's clothes.

use rawe_alpaca::types as wire;
use rawe_core::calendar::{MarketCalendar, new_york_date};
use rawe_core::new_york::in_new_york;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::{
    AccountView, Amount, Asset, AssetIndex, Exchange, GroupRole, MarketData, Order, OrderClass,
    OrderType, Position, PositionIntent, Side, TimeInForce, Trail,
};
use rust_decimal::Decimal;

/// The class as Alpaca names it.
pub(crate) fn class_name(class: AssetClass) -> wire::AssetClassName {
    match class {
        AssetClass::UsEquity => wire::AssetClassName::UsEquity,
        AssetClass::Crypto => wire::AssetClassName::Crypto,
    }
}

fn exchange_name(class: AssetClass) -> &'static str {
    match class {
        AssetClass::UsEquity => "NASDAQ",
        AssetClass::Crypto => "CRYPTO",
    }
}

/// The clock at `now`. Without a session ahead (the calendar ends in 2049) there is none.
pub(crate) fn clock(now: Timestamp) -> Option<wire::Clock> {
    let calendar = MarketCalendar::nyse();
    let open = calendar.session_at(now);
    let next = calendar.next_session(now)?;
    Some(wire::Clock {
        timestamp: in_new_york(now),
        is_open: open.is_some(),
        next_open: in_new_york(next.open),
        next_close: in_new_york(open.unwrap_or(next).close),
    })
}

/// The account.
pub(crate) fn account(view: &AccountView) -> wire::Account {
    let id = view.id.to_string();
    let number: String = id.chars().filter(char::is_ascii_digit).take(9).collect();
    wire::Account {
        account_number: Some(format!("PA{number}")),
        id,
        status: wire::AccountStatus::Active,
        currency: Some("USD".to_owned()),
        cash: Some(view.cash),
        equity: Some(view.equity),
        last_equity: Some(view.last_equity),
        portfolio_value: Some(view.equity),
        buying_power: Some(view.buying_power),
        regt_buying_power: Some(view.buying_power),
        non_marginable_buying_power: Some(view.non_marginable_buying_power),
        long_market_value: Some(view.long_market_value),
        short_market_value: Some(view.short_market_value),
        initial_margin: Some(view.initial_margin),
        maintenance_margin: Some(view.maintenance_margin),
        last_maintenance_margin: None,
        sma: None,
        accrued_fees: Some(Decimal::ZERO),
        multiplier: Some(view.multiplier),
        trading_blocked: false,
        transfers_blocked: false,
        account_blocked: false,
        trade_suspended_by_user: view.suspended,
        shorting_enabled: view.shorting_enabled,
        created_at: Some(view.created_at),
        user_configurations: None,
    }
}

/// An asset.
pub(crate) fn asset(asset: &Asset) -> wire::Asset {
    let stock = asset.class == AssetClass::UsEquity;
    let borrow = if asset.shortable {
        wire::BorrowStatus::EasyToBorrow
    } else {
        wire::BorrowStatus::HardToBorrow
    };
    wire::Asset {
        id: asset.id.to_string(),
        class: class_name(asset.class),
        exchange: exchange_name(asset.class).to_owned(),
        symbol: asset.symbol.to_string(),
        name: asset.name.clone(),
        status: wire::AssetStatus::Active,
        tradable: asset.tradable,
        marginable: asset.marginable,
        shortable: asset.shortable,
        fractionable: asset.fractionable,
        easy_to_borrow: Some(asset.shortable),
        borrow_status: stock.then_some(borrow),
        min_order_size: asset.quantity_min,
        min_trade_increment: asset.quantity_increment,
        price_increment: (!stock).then_some(asset.price_increment),
        attributes: if stock && asset.fractionable {
            vec!["fractional_eh_enabled".to_owned()]
        } else {
            Vec::new()
        },
        cusip: None,
    }
}

/// An order.
pub(crate) fn order(data: &MarketData, order: &Order) -> wire::Order {
    let asset = data.asset(order.asset);
    let order_type = match order.order_type {
        OrderType::Market => wire::OrderType::Market,
        OrderType::Limit(_) => wire::OrderType::Limit,
        OrderType::Stop(_) => wire::OrderType::Stop,
        OrderType::StopLimit { .. } => wire::OrderType::StopLimit,
        OrderType::TrailingStop(_) => wire::OrderType::TrailingStop,
    };
    let (trail_price, trail_percent) = match order.order_type {
        OrderType::TrailingStop(Trail::Price(price)) => (Some(price.normalize()), None),
        OrderType::TrailingStop(Trail::Percent(percent)) => (None, Some(percent.normalize())),
        _ => (None, None),
    };
    let (qty, notional) = match order.amount {
        Amount::Quantity(quantity) => (Some(quantity.normalize()), None),
        Amount::Notional(notional) => (None, Some(notional.normalize())),
    };
    wire::Order {
        id: order.id.to_string(),
        client_order_id: order.client_order_id.clone(),
        created_at: Some(order.submitted_at),
        updated_at: Some(order.updated_at),
        submitted_at: Some(order.submitted_at),
        filled_at: order.filled_at,
        expired_at: order.expired_at,
        expires_at: order.expires_at,
        canceled_at: order.canceled_at,
        failed_at: order.failed_at,
        replaced_at: order.replaced_at,
        replaced_by: order.replaced_by.map(|id| id.to_string()),
        replaces: order.replaces.map(|id| id.to_string()),
        asset_id: asset.map(|asset| asset.id.to_string()),
        symbol: asset
            .map(|asset| asset.symbol.to_string())
            .unwrap_or_default(),
        asset_class: asset.map(|asset| class_name(asset.class)),
        notional,
        qty,
        filled_qty: Some(order.filled_quantity),
        filled_avg_price: order.filled_average_price,
        order_class: order_class(order.class),
        order_type: Some(order_type.clone()),
        order_type_deprecated: Some(order_type),
        side: Some(side(order.side)),
        time_in_force: Some(time_in_force(order.time_in_force)),
        limit_price: match order.order_type {
            OrderType::Market | OrderType::Stop(_) | OrderType::TrailingStop(_) => None,
            OrderType::Limit(limit) | OrderType::StopLimit { limit, .. } => Some(limit.normalize()),
        },
        stop_price: order.stop().map(|stop| stop.normalize()),
        status: status(order),
        extended_hours: order.extended_hours,
        legs: None,
        trail_percent,
        trail_price,
        hwm: order.best_price.map(|best| best.normalize()),
        position_intent: Some(match order.position_intent {
            PositionIntent::BuyToOpen => wire::PositionIntent::BuyToOpen,
            PositionIntent::BuyToClose => wire::PositionIntent::BuyToClose,
            PositionIntent::SellToOpen => wire::PositionIntent::SellToOpen,
            PositionIntent::SellToClose => wire::PositionIntent::SellToClose,
        }),
        group_id: order.group().map(|id| id.to_string()),
        group_role: order.role.map(|role| role_name(role).to_owned()),
        ratio_qty: None,
        source: None,
        subtag: None,
    }
}

fn time_in_force(lasting: TimeInForce) -> wire::TimeInForce {
    match lasting {
        TimeInForce::Day => wire::TimeInForce::Day,
        TimeInForce::Gtc => wire::TimeInForce::Gtc,
        TimeInForce::Ioc => wire::TimeInForce::Ioc,
        TimeInForce::Fok => wire::TimeInForce::Fok,
        TimeInForce::Opg => wire::TimeInForce::Opg,
        TimeInForce::Cls => wire::TimeInForce::Cls,
    }
}

/// The class of a group; Alpaca has no word for none.
fn order_class(class: OrderClass) -> Option<wire::OrderClass> {
    match class {
        OrderClass::Simple => None,
        OrderClass::Bracket => Some(wire::OrderClass::Bracket),
        OrderClass::Oco => Some(wire::OrderClass::Oco),
        OrderClass::Oto => Some(wire::OrderClass::Oto),
    }
}

fn role_name(role: GroupRole) -> &'static str {
    match role {
        GroupRole::Entry => "entry",
        GroupRole::TakeProfit => "take_profit",
        GroupRole::StopLoss => "stop_loss",
    }
}

/// An order with its legs, one level deep.
pub(crate) fn nested(exchange: &Exchange, parent: &Order) -> wire::Order {
    let data = exchange.data();
    let mut view = order(data, parent);
    if !parent.legs.is_empty() {
        let legs = parent.legs.iter().filter_map(|id| exchange.order(*id));
        let legs = legs.map(|leg| serde_json::to_value(order(data, leg)).unwrap_or_default());
        view.legs = Some(legs.collect());
    }
    view
}

/// A side as Alpaca names it.
pub(crate) fn side(side: Side) -> wire::OrderSide {
    match side {
        Side::Buy => wire::OrderSide::Buy,
        Side::Sell => wire::OrderSide::Sell,
    }
}

fn status(order: &Order) -> wire::OrderStatus {
    use rawe_market::OrderStatus as Ours;
    match order.status {
        Ours::Held => wire::OrderStatus::Held,
        Ours::Accepted => wire::OrderStatus::Accepted,
        Ours::New => wire::OrderStatus::New,
        Ours::PartiallyFilled => wire::OrderStatus::PartiallyFilled,
        Ours::Filled => wire::OrderStatus::Filled,
        Ours::Canceled => wire::OrderStatus::Canceled,
        Ours::Expired => wire::OrderStatus::Expired,
        Ours::Rejected => wire::OrderStatus::Rejected,
        Ours::Replaced => wire::OrderStatus::Replaced,
    }
}

/// A position at the virtual now.
pub(crate) fn position(
    exchange: &Exchange,
    index: AssetIndex,
    held: &Position,
) -> Option<wire::Position> {
    let asset = exchange.data().asset(index)?;
    let price = exchange.price(index);
    let last_day = last_day_price(exchange, index, asset.class);
    let unrealised = price.map(|price| held.unrealised(price));
    let today = price
        .zip(last_day)
        .map(|(price, last)| held.quantity * (price - last));
    let short = held.quantity.is_sign_negative();
    Some(wire::Position {
        asset_id: asset.id.to_string(),
        symbol: asset.symbol.without_slash(),
        exchange: exchange_name(asset.class).to_owned(),
        asset_class: Some(class_name(asset.class)),
        asset_marginable: Some(asset.marginable),
        qty: held.quantity.normalize(),
        qty_available: Some(exchange.quantity_available(index).normalize()),
        avg_entry_price: Some(held.average_entry_price()),
        side: Some(if short {
            wire::PositionSide::Short
        } else {
            wire::PositionSide::Long
        }),
        market_value: price.map(|price| held.market_value(price)),
        cost_basis: Some(held.entry_value.normalize()),
        unrealized_pl: unrealised.map(|value| value.normalize()),
        unrealized_plpc: unrealised.and_then(|value| ratio(value, held.entry_value.abs())),
        unrealized_intraday_pl: today.map(|value| value.normalize()),
        unrealized_intraday_plpc: today
            .zip(last_day)
            .and_then(|(value, last)| ratio(value, (held.quantity * last).abs())),
        current_price: price,
        lastday_price: last_day,
        change_today: price
            .zip(last_day)
            .and_then(|(price, last)| ratio(price - last, last)),
    })
}

fn ratio(part: Decimal, whole: Decimal) -> Option<Decimal> {
    part.checked_div(whole)
        .map(|ratio| ratio.round_dp(9).normalize())
}

/// The last close before today: of the former session, or of the former UTC day for crypto.
fn last_day_price(exchange: &Exchange, index: AssetIndex, class: AssetClass) -> Option<Decimal> {
    let now = exchange.now();
    let day_start = match class {
        AssetClass::Crypto => now.date_naive().and_hms_opt(0, 0, 0)?.and_utc(),
        AssetClass::UsEquity => rawe_core::calendar::new_york_midnight(new_york_date(now))?,
    };
    exchange.data().series(index)?.close_at(day_start)
}
