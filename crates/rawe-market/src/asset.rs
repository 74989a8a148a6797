//! What may be done with an asset: the attributes Alpaca reports, and the defaults by class.
//! Prices live in [`crate::series`], rules that use the attributes in [`crate::checks`].

use rawe_core::{AssetClass, Symbol};
use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

/// Digits after the point of a quantity, as at Alpaca.
pub const QUANTITY_DECIMALS: u32 = 9;
/// Digits after the point of money in our books: finer than a cent, so that fractions of shares
/// do not leak value through rounding.
pub const MONEY_DECIMALS: u32 = 8;
/// USD an order must be worth at least, for the smallest crypto quantity.
const SMALLEST_CRYPTO_ORDER_USD: Decimal = Decimal::ONE;

/// The attributes of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The broker's id, derived from the symbol so that it is the same in every run.
    pub id: Uuid,
    /// The symbol, crypto with its slash.
    pub symbol: Symbol,
    /// Stock or crypto.
    pub class: AssetClass,
    /// A name for people.
    pub name: String,
    /// Whether orders are taken at all.
    pub tradable: bool,
    /// Whether fractions and dollar amounts may be traded.
    pub fractionable: bool,
    /// Whether it may be sold short, and is easy to borrow.
    pub shortable: bool,
    /// Whether it may be bought on margin.
    pub marginable: bool,
    /// Smallest order in units; crypto only.
    pub quantity_min: Option<Decimal>,
    /// Smallest step of a quantity; crypto only.
    pub quantity_increment: Option<Decimal>,
    /// Smallest step of a price, USD.
    pub price_increment: Decimal,
}

impl Asset {
    /// An asset with the usual attributes of its class: stocks can be traded in fractions, sold
    /// short and bought on margin; crypto is long only and cash only. `first_price` (USD) sets the
    /// smallest crypto order at about one dollar.
    pub fn usual(symbol: Symbol, first_price: Decimal) -> Self {
        let class = symbol.class();
        let stock = class == AssetClass::UsEquity;
        let step = Decimal::new(1, QUANTITY_DECIMALS);
        let smallest = SMALLEST_CRYPTO_ORDER_USD
            .checked_div(first_price)
            .unwrap_or(step)
            .round_dp_with_strategy(QUANTITY_DECIMALS, RoundingStrategy::AwayFromZero)
            .max(step)
            .normalize();
        Self {
            id: stable_uuid(&format!("asset:{symbol}")),
            name: if stock {
                format!("{symbol} Common Stock")
            } else {
                format!("{symbol} pair")
            },
            symbol,
            class,
            tradable: true,
            fractionable: true,
            shortable: stock,
            marginable: stock,
            quantity_min: (!stock).then_some(smallest),
            quantity_increment: (!stock).then_some(step),
            price_increment: if stock { Decimal::new(1, 2) } else { step },
        }
    }
}

/// A UUID that is a pure function of `name` and looks like the random ones (version 4) which
/// clients of Alpaca expect.
pub fn stable_uuid(name: &str) -> Uuid {
    let hashed = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
    uuid::Builder::from_random_bytes(hashed.into_bytes()).into_uuid()
}

/// Rounds USD to the digits of our books.
pub fn money(amount: Decimal) -> Decimal {
    amount.round_dp(MONEY_DECIMALS).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_follow_the_class() {
        let stock = Asset::usual(Symbol::new("AAPL").unwrap(), Decimal::from(100));
        assert!(stock.shortable && stock.marginable && stock.quantity_min.is_none());
        let coin = Asset::usual(Symbol::new("BTC/USD").unwrap(), Decimal::from(40_000));
        assert!(!coin.shortable && !coin.marginable && coin.fractionable);
        assert_eq!(coin.quantity_min, Some(Decimal::new(25, 6)));
    }

    #[test]
    fn stable_ids_look_random_and_repeat() {
        let id = stable_uuid("asset:AAPL");
        assert_eq!(id, stable_uuid("asset:AAPL"));
        assert_ne!(id, stable_uuid("asset:MSFT"));
        assert_eq!(id.get_version_num(), 4);
    }
}
