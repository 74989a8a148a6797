//! One position and its books: signed units and signed entry value, so that the same two lines
//! work for longs and shorts.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::asset::money;

/// Units held of one asset. Long positions are positive, short ones negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Units; negative when short.
    pub quantity: Decimal,
    /// What the open units cost, USD; negative (the proceeds) when short.
    pub entry_value: Decimal,
}

impl Position {
    /// Whether nothing is held.
    pub fn is_flat(&self) -> bool {
        self.quantity.is_zero()
    }

    /// Mean entry price of the open units, USD; zero when flat.
    pub fn average_entry_price(&self) -> Decimal {
        self.entry_value
            .checked_div(self.quantity)
            .unwrap_or_default()
            .normalize()
    }

    /// Value at `price`, USD; negative when short.
    pub fn market_value(&self, price: Decimal) -> Decimal {
        money(self.quantity * price)
    }

    /// Gain or loss not yet real at `price`, USD.
    pub fn unrealised(&self, price: Decimal) -> Decimal {
        self.market_value(price) - self.entry_value
    }

    /// Books a change of `quantity` units (signed) worth `value` USD (same sign) and returns the
    /// gain or loss made real by it. The change must not cross zero: orders never flip.
    pub fn apply(&mut self, quantity: Decimal, value: Decimal) -> Decimal {
        let opens =
            self.is_flat() || self.quantity.is_sign_positive() == quantity.is_sign_positive();
        if opens {
            self.quantity += quantity;
            self.entry_value += value;
            return Decimal::ZERO;
        }
        let closed = quantity.abs().min(self.quantity.abs());
        let entry_value = if closed == self.quantity.abs() {
            self.entry_value
        } else {
            let part = closed
                .checked_div(self.quantity.abs())
                .unwrap_or(Decimal::ONE);
            money(self.entry_value * part)
        };
        self.quantity += quantity;
        self.entry_value -= entry_value;
        -value - entry_value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_and_shorts_realise_with_the_right_sign() {
        let cases = [
            // (opening units, at, closing units, at, realised)
            (10, 100, -10, 110, 100),
            (10, 100, -4, 90, -40),
            (-10, 100, 10, 90, 100),
            (-10, 100, 5, 120, -100),
        ];
        for (opened, at, closed, then, realised) in cases {
            let mut position = Position::default();
            let (opened, closed) = (Decimal::from(opened), Decimal::from(closed));
            position.apply(opened, opened * Decimal::from(at));
            let gained = position.apply(closed, closed * Decimal::from(then));
            assert_eq!(gained, Decimal::from(realised));
            assert_eq!(position.quantity, opened + closed);
            if !position.is_flat() {
                assert_eq!(position.average_entry_price(), Decimal::from(at));
            }
        }
    }

    #[test]
    fn entries_average() {
        let mut position = Position::default();
        position.apply(Decimal::ONE, Decimal::from(100));
        position.apply(Decimal::ONE, Decimal::from(200));
        assert_eq!(position.average_entry_price(), Decimal::from(150));
        assert_eq!(position.unrealised(Decimal::from(160)), Decimal::from(20));
    }
}
