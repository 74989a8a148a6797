//! What a fill does to cash, position and fees, and to the order itself.

use rawe_core::AssetClass;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::asset::{Asset, QUANTITY_DECIMALS, money};
use crate::exchange::Exchange;
use crate::order::{Fill, Order};
use crate::terms::{Amount, Side};

/// Digits after the point of a mean fill price.
const AVERAGE_DECIMALS: u32 = 12;

impl Exchange {
    /// Books an execution: cash, position, fees. Fees of crypto are taken from what is received:
    /// coins on buys, dollars on sells.
    pub(crate) fn book(
        &mut self,
        order: &Order,
        asset: &Asset,
        quantity: Decimal,
        price: Decimal,
    ) -> Fill {
        let rate = match asset.class {
            AssetClass::Crypto => self.config.fee_bps_crypto / Decimal::from(10_000),
            AssetClass::UsEquity => Decimal::ZERO,
        };
        let value = money(quantity * price);
        let round_up = RoundingStrategy::AwayFromZero;
        let (fee_quantity, fee_value, position_change, cash_change) = match order.side {
            Side::Buy => {
                let fee = (quantity * rate).round_dp_with_strategy(QUANTITY_DECIMALS, round_up);
                (fee, money(fee * price), quantity - fee, -value)
            }
            Side::Sell => {
                let fee = self.sale_fee(asset.class, value);
                (Decimal::ZERO, fee, -quantity, value - fee)
            }
        };
        let traded = match order.side {
            Side::Buy => value - fee_value,
            Side::Sell => -value,
        };
        let position = self.positions.entry(order.asset).or_default();
        let realised = position.apply(position_change, traded);
        self.cash += cash_change;
        self.realised += realised;
        self.fees += fee_value;
        Fill {
            order_id: order.id,
            client_order_id: order.client_order_id.clone(),
            asset: order.asset,
            side: order.side,
            quantity: quantity.normalize(),
            price: price.normalize(),
            fee_quantity: fee_quantity.normalize(),
            fee_value: fee_value.normalize(),
            position_change: position_change.normalize(),
            cash_change: cash_change.normalize(),
            realised: realised.normalize(),
            at: self.now,
        }
    }
}

impl Order {
    /// Counts an execution in.
    pub(crate) fn add_fill(&mut self, quantity: Decimal, price: Decimal) {
        let total = self.filled_quantity + quantity;
        let paid = self.filled_average_price.unwrap_or_default() * self.filled_quantity;
        let average = if self.filled_quantity.is_zero() {
            price
        } else {
            (paid + quantity * price)
                .checked_div(total)
                .unwrap_or(price)
        };
        self.filled_quantity = total.normalize();
        self.filled_average_price = Some(average.round_dp(AVERAGE_DECIMALS).normalize());
        self.filled_value += money(quantity * price);
    }

    /// Gives back what was held for `quantity` of the `wanted` units.
    pub(crate) fn shrink_reserved(&mut self, quantity: Decimal, wanted: Decimal) {
        let left = (wanted - quantity).checked_div(wanted).unwrap_or_default();
        self.reserved.quantity = match self.amount {
            Amount::Quantity(_) => (self.reserved.quantity - quantity).max(Decimal::ZERO),
            Amount::Notional(_) => self.reserved.quantity * left,
        };
        self.reserved.cost = money(self.reserved.cost * left);
    }
}
