//! What trading and holding cost beyond the spread: the impact of an order on its price, fees of
//! stock sales, and the borrowing of what is sold short. All are off by default.

use rawe_core::{AssetClass, Timestamp};
use rust_decimal::prelude::FromPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::asset::{Asset, MONEY_DECIMALS, money};
use crate::data::AssetIndex;
use crate::exchange::Exchange;
use crate::order::Order;
use crate::terms::Side;

/// Days of a year by which borrowing is charged.
const BORROW_YEAR_DAYS: u32 = 360;

/// Money taken for something that is no fill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// For which asset.
    pub asset: AssetIndex,
    /// Units that were borrowed.
    pub quantity: Decimal,
    /// USD, above zero.
    pub amount: Decimal,
    /// When.
    pub at: Timestamp,
}

impl Exchange {
    /// What an order for `quantity` units pays or gets if `price` is quoted, USD a unit: worse by
    /// `impact_bps` times the order's part of the newest complete bar's volume (at most all of
    /// it), and never worse than its limit.
    pub(crate) fn with_impact(
        &self,
        order: &Order,
        asset: &Asset,
        quantity: Decimal,
        price: Decimal,
    ) -> Decimal {
        if self.config.impact_bps.is_zero() {
            return price;
        }
        let volume = self
            .data
            .series(order.asset)
            .and_then(|series| series.last_ended(self.now))
            .and_then(|bar| Decimal::from_f64(bar.volume));
        let part = volume
            .and_then(|volume| quantity.checked_div(volume))
            .unwrap_or(Decimal::ONE)
            .min(Decimal::ONE);
        let worse = part * self.config.impact_bps / Decimal::from(10_000);
        let digits = if asset.class == AssetClass::Crypto {
            9
        } else {
            4
        };
        let limit = order.order_type.limit(order.side);
        let moved = match order.side {
            Side::Buy => price * (Decimal::ONE + worse),
            Side::Sell => price * (Decimal::ONE - worse),
        };
        let moved = moved.round_dp(digits).normalize();
        match (order.side, limit) {
            (Side::Buy, Some(limit)) => moved.min(limit),
            (Side::Sell, Some(limit)) => moved.max(limit),
            (_, None) => moved,
        }
    }

    /// The fee of a sale worth `value` USD: of crypto the trading fee, of stocks what the
    /// regulators take.
    pub(crate) fn sale_fee(&self, class: AssetClass, value: Decimal) -> Decimal {
        let points = match class {
            AssetClass::Crypto => self.config.fee_bps_crypto,
            AssetClass::UsEquity => self.config.fee_bps_stock_sales,
        };
        let rate = points / Decimal::from(10_000);
        (value * rate).round_dp_with_strategy(MONEY_DECIMALS, RoundingStrategy::AwayFromZero)
    }

    /// Charges a day's borrowing of the short positions, at the close of a session.
    pub(crate) fn charge_borrowing(&mut self) {
        if self.config.borrow_bps_year.is_zero() {
            return;
        }
        let rate =
            self.config.borrow_bps_year / Decimal::from(10_000) / Decimal::from(BORROW_YEAR_DAYS);
        let charges: Vec<Charge> = self
            .positions()
            .filter(|(_, position)| position.quantity.is_sign_negative())
            .filter_map(|(asset, position)| {
                let value = position.market_value(self.price(asset)?).abs();
                Some(Charge {
                    asset,
                    quantity: position.quantity.abs().normalize(),
                    amount: money(value * rate),
                    at: self.now,
                })
            })
            .filter(|charge| !charge.amount.is_zero())
            .collect();
        for charge in charges {
            self.cash -= charge.amount;
            self.fees += charge.amount;
            self.charges.push(charge);
        }
    }

    /// What was charged beside fills, oldest first.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }
}
