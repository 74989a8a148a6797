//! Account, clock, calendar, assets and positions, as the trading API answers them.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::enums::{AccountStatus, AssetClassName, AssetStatus, BorrowStatus, PositionSide};
use super::lenient;

/// `GET /v2/account`. Amounts are USD. The pattern-day-trader fields are gone and not missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// A UUID.
    pub id: String,
    /// Shown to people.
    #[serde(default, with = "lenient::text_opt")]
    pub account_number: Option<String>,
    /// Whether it may trade.
    pub status: AccountStatus,
    /// Always `USD`.
    #[serde(default, with = "lenient::text_opt")]
    pub currency: Option<String>,
    /// Cash; negative under margin.
    #[serde(default, with = "lenient::decimal_opt")]
    pub cash: Option<Decimal>,
    /// Cash plus long plus short market value.
    #[serde(default, with = "lenient::decimal_opt")]
    pub equity: Option<Decimal>,
    /// Equity at the last close.
    #[serde(default, with = "lenient::decimal_opt")]
    pub last_equity: Option<Decimal>,
    /// Equity under its deprecated name.
    #[serde(default, with = "lenient::decimal_opt")]
    pub portfolio_value: Option<Decimal>,
    /// What new stock positions may cost.
    #[serde(default, with = "lenient::decimal_opt")]
    pub buying_power: Option<Decimal>,
    /// The same by Regulation T.
    #[serde(default, with = "lenient::decimal_opt")]
    pub regt_buying_power: Option<Decimal>,
    /// What new crypto positions may cost.
    #[serde(default, with = "lenient::decimal_opt")]
    pub non_marginable_buying_power: Option<Decimal>,
    /// Value of long positions.
    #[serde(default, with = "lenient::decimal_opt")]
    pub long_market_value: Option<Decimal>,
    /// Value of short positions, negative.
    #[serde(default, with = "lenient::decimal_opt")]
    pub short_market_value: Option<Decimal>,
    /// Initial margin of the positions.
    #[serde(default, with = "lenient::decimal_opt")]
    pub initial_margin: Option<Decimal>,
    /// Maintenance margin of the positions.
    #[serde(default, with = "lenient::decimal_opt")]
    pub maintenance_margin: Option<Decimal>,
    /// Maintenance margin at the last close.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub last_maintenance_margin: Option<Decimal>,
    /// Special memorandum account.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub sma: Option<Decimal>,
    /// Fees not yet taken.
    #[serde(default, with = "lenient::decimal_opt")]
    pub accrued_fees: Option<Decimal>,
    /// `1`, `2` or `4`.
    #[serde(default, with = "lenient::decimal_opt")]
    pub multiplier: Option<Decimal>,
    /// No orders, by the broker.
    #[serde(default, with = "lenient::null_default")]
    pub trading_blocked: bool,
    /// No transfers.
    #[serde(default, with = "lenient::null_default")]
    pub transfers_blocked: bool,
    /// Nothing at all.
    #[serde(default, with = "lenient::null_default")]
    pub account_blocked: bool,
    /// No orders, by its owner.
    #[serde(default, with = "lenient::null_default")]
    pub trade_suspended_by_user: bool,
    /// Whether shorts are allowed.
    #[serde(default, with = "lenient::null_default")]
    pub shorting_enabled: bool,
    /// When it was opened.
    #[serde(default, with = "lenient::text_opt")]
    pub created_at: Option<DateTime<Utc>>,
    /// What its owner has set about it; null unless it is asked for.
    #[serde(default)]
    pub user_configurations: Option<serde_json::Value>,
}

/// `GET /v2/clock`; the times carry New York's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Now.
    pub timestamp: DateTime<FixedOffset>,
    /// Whether the regular session is open.
    pub is_open: bool,
    /// The next regular open.
    pub next_open: DateTime<FixedOffset>,
    /// The next regular close.
    pub next_close: DateTime<FixedOffset>,
}

/// One day of `GET /v2/calendar`. Times are New York wall time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarDay {
    /// The day.
    pub date: NaiveDate,
    /// Regular open, `HH:MM`.
    pub open: String,
    /// Regular close, `HH:MM`.
    pub close: String,
    /// Extended open, `HHMM`, without a colon.
    #[serde(default, with = "lenient::text_opt")]
    pub session_open: Option<String>,
    /// Extended close, `HHMM`, without a colon.
    #[serde(default, with = "lenient::text_opt")]
    pub session_close: Option<String>,
    /// When its trades settle.
    #[serde(default, with = "lenient::text_opt")]
    pub settlement_date: Option<NaiveDate>,
}

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// A UUID.
    pub id: String,
    /// Stock or crypto.
    pub class: AssetClassName,
    /// Where it is listed.
    #[serde(default, with = "lenient::null_default")]
    pub exchange: String,
    /// The symbol, with its slash for crypto.
    pub symbol: String,
    /// Its name in words.
    #[serde(default, with = "lenient::null_default")]
    pub name: String,
    /// Whether it is listed.
    pub status: AssetStatus,
    /// Whether it may be traded.
    #[serde(default, with = "lenient::null_default")]
    pub tradable: bool,
    /// Whether it may be bought on margin.
    #[serde(default, with = "lenient::null_default")]
    pub marginable: bool,
    /// Whether it may be sold short.
    #[serde(default, with = "lenient::null_default")]
    pub shortable: bool,
    /// Whether fractions and notional orders are allowed.
    #[serde(default, with = "lenient::null_default")]
    pub fractionable: bool,
    /// On its way out, yet required by the official Python client.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::bool_opt"
    )]
    pub easy_to_borrow: Option<bool>,
    /// Its successor; absent for crypto.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub borrow_status: Option<BorrowStatus>,
    /// Smallest order, units (crypto).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub min_order_size: Option<Decimal>,
    /// Smallest step of the quantity, units (crypto).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub min_trade_increment: Option<Decimal>,
    /// Smallest step of the price, USD (crypto).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub price_increment: Option<Decimal>,
    /// Further properties.
    #[serde(default, with = "lenient::null_default")]
    pub attributes: Vec<String>,
    /// Its CUSIP; null to whoever has not asked Alpaca for it.
    #[serde(default, with = "lenient::text_opt")]
    pub cusip: Option<String>,
}

/// A position. Shorts have negative quantity and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The asset's id; has differed from the asset's own for crypto.
    #[serde(default, with = "lenient::null_default")]
    pub asset_id: String,
    /// The symbol, WITHOUT a slash for crypto.
    pub symbol: String,
    /// Where it is listed; may be empty.
    #[serde(default, with = "lenient::null_default")]
    pub exchange: String,
    /// Stock or crypto.
    #[serde(default, with = "lenient::text_opt")]
    pub asset_class: Option<AssetClassName>,
    /// Whether it may be bought on margin.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::bool_opt"
    )]
    pub asset_marginable: Option<bool>,
    /// Units.
    #[serde(with = "lenient::decimal")]
    pub qty: Decimal,
    /// Units not held by open orders.
    #[serde(default, with = "lenient::decimal_opt")]
    pub qty_available: Option<Decimal>,
    /// Mean entry price, USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub avg_entry_price: Option<Decimal>,
    /// Which way.
    #[serde(default, with = "lenient::text_opt")]
    pub side: Option<PositionSide>,
    /// USD at the current price.
    #[serde(default, with = "lenient::decimal_opt")]
    pub market_value: Option<Decimal>,
    /// USD paid.
    #[serde(default, with = "lenient::decimal_opt")]
    pub cost_basis: Option<Decimal>,
    /// USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub unrealized_pl: Option<Decimal>,
    /// A factor: 0.0084 is 0.84 %.
    #[serde(default, with = "lenient::decimal_opt")]
    pub unrealized_plpc: Option<Decimal>,
    /// USD since the last close.
    #[serde(default, with = "lenient::decimal_opt")]
    pub unrealized_intraday_pl: Option<Decimal>,
    /// A factor.
    #[serde(default, with = "lenient::decimal_opt")]
    pub unrealized_intraday_plpc: Option<Decimal>,
    /// USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub current_price: Option<Decimal>,
    /// USD at the last close.
    #[serde(default, with = "lenient::decimal_opt")]
    pub lastday_price: Option<Decimal>,
    /// A factor.
    #[serde(default, with = "lenient::decimal_opt")]
    pub change_today: Option<Decimal>,
}
