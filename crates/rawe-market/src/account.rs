//! What the account is worth and what it may still buy. Reg T in short: stocks take half their
//! value as margin, crypto all of it; open orders reserve what they would open.

use rawe_core::{AssetClass, Timestamp};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::data::AssetIndex;
use crate::exchange::Exchange;

/// The account at the virtual now; money in USD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The account's id.
    pub id: Uuid,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Cash, proceeds of shorts included.
    pub cash: Decimal,
    /// Cash plus the value of all positions.
    pub equity: Decimal,
    /// Equity at the close of the last session.
    pub last_equity: Decimal,
    /// Value of the long positions.
    pub long_market_value: Decimal,
    /// Value of the short positions, negative.
    pub short_market_value: Decimal,
    /// Margin that positions and open orders take.
    pub initial_margin: Decimal,
    /// Margin that positions must keep.
    pub maintenance_margin: Decimal,
    /// How many times the excess stock positions may cost: 1 or 2.
    pub multiplier: Decimal,
    /// What new stock positions may cost.
    pub buying_power: Decimal,
    /// What new crypto positions may cost.
    pub non_marginable_buying_power: Decimal,
    /// Gain or loss made real since the start, before fees.
    pub realised: Decimal,
    /// Fees paid since the start.
    pub fees: Decimal,
    /// Gain or loss not yet real.
    pub unrealised: Decimal,
    /// Whether it may sell short.
    pub shorting_enabled: bool,
    /// Whether its owner has suspended trading.
    pub suspended: bool,
}

/// Sums over the positions.
#[derive(Default)]
struct Holdings {
    long: Decimal,
    short: Decimal,
    unrealised: Decimal,
    initial_margin: Decimal,
    maintenance_margin: Decimal,
}

impl Exchange {
    /// The account at the virtual now.
    pub fn account(&self) -> AccountView {
        let holdings = self.holdings();
        let reserved = self.reserved_margin();
        let equity = self.cash + holdings.long + holdings.short;
        let excess = equity - holdings.initial_margin - reserved;
        let free_cash = self.cash + holdings.short * Decimal::TWO - reserved;
        AccountView {
            id: self.account_id,
            created_at: self.created_at,
            cash: self.cash.normalize(),
            equity: equity.normalize(),
            last_equity: self.last_equity.normalize(),
            long_market_value: holdings.long.normalize(),
            short_market_value: holdings.short.normalize(),
            initial_margin: (holdings.initial_margin + reserved).normalize(),
            maintenance_margin: holdings.maintenance_margin.normalize(),
            buying_power: (excess.max(Decimal::ZERO) * self.multiplier()).normalize(),
            multiplier: self.multiplier(),
            non_marginable_buying_power: excess.min(free_cash).max(Decimal::ZERO).normalize(),
            realised: self.realised.normalize(),
            fees: self.fees.normalize(),
            unrealised: holdings.unrealised.normalize(),
            shorting_enabled: self.config.shorting_enabled && !self.limits.no_shorting,
            suspended: self.limits.suspended,
        }
    }

    fn holdings(&self) -> Holdings {
        let mut sums = Holdings::default();
        for (asset, position) in self.positions() {
            let (Some(price), Some(attributes)) = (self.price(asset), self.data.asset(asset))
            else {
                continue;
            };
            let value = position.market_value(price);
            if value.is_sign_negative() {
                sums.short += value;
            } else {
                sums.long += value;
            }
            sums.unrealised += position.unrealised(price);
            sums.initial_margin += value.abs() * self.initial_rate(attributes.class);
            let keep = match attributes.class {
                AssetClass::Crypto => Decimal::ONE,
                AssetClass::UsEquity if value.is_sign_negative() => Decimal::new(30, 2),
                AssetClass::UsEquity => Decimal::new(25, 2),
            };
            sums.maintenance_margin += value.abs() * keep;
        }
        sums
    }

    /// Margin that the open orders would take when filled.
    fn reserved_margin(&self) -> Decimal {
        self.open_orders()
            .filter_map(|order| {
                let class = self.data.asset(order.asset)?.class;
                Some(order.reserved.cost * self.initial_rate(class))
            })
            .sum()
    }

    /// Value of a position now, USD, if the asset has a price.
    pub fn market_value(&self, asset: AssetIndex) -> Option<Decimal> {
        Some(self.position(asset).market_value(self.price(asset)?))
    }

    /// How many times the excess stock positions may cost.
    fn multiplier(&self) -> Decimal {
        self.limits
            .margin_multiplier
            .clamp(Decimal::ONE, Decimal::TWO)
    }

    /// The part of a position's value that must be covered by equity.
    fn initial_rate(&self, class: AssetClass) -> Decimal {
        match class {
            AssetClass::Crypto => Decimal::ONE,
            AssetClass::UsEquity => Decimal::ONE
                .checked_div(self.multiplier())
                .unwrap_or(Decimal::ONE),
        }
    }
}
