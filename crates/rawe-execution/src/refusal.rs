//! Why an order was not built or not let through: one code each, in one closed list.

use rawe_core::RoundOutcome;
use rust_decimal::Decimal;

/// Why there is no order. Each maps to the code its round is recorded under.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// Trading is halted, or only reducing orders are allowed and this one opens.
    #[error("trading is halted or reducing; run `rawe resume` to trade again")]
    Halted,
    /// The account is blocked or not active.
    #[error("the broker does not let this account trade")]
    AccountBlocked,
    /// The decision is past its time to live.
    #[error("the decision is too old: it was void after {void_after}")]
    Stale {
        /// When it became void, market time.
        void_after: rawe_core::Timestamp,
    },
    /// The regular session is closed, or the broker's clock did not say.
    #[error("the market is closed, or the broker's clock is unknown")]
    MarketClosed,
    /// The broker does not trade the asset.
    #[error("the broker does not trade {0}")]
    NotTradable(rawe_core::Symbol),
    /// There is no price to turn USD into units.
    #[error("there is no usable price of {0}")]
    PriceUnknown(rawe_core::Symbol),
    /// The asset or the account cannot be short.
    #[error("{0} cannot be sold short")]
    NotShortable(rawe_core::Symbol),
    /// The order is smaller than the broker takes.
    #[error("{amount} is under the smallest order of {symbol}")]
    TooSmall {
        /// The asset.
        symbol: rawe_core::Symbol,
        /// What was left: USD, or units where the order is in units.
        amount: Decimal,
    },
    /// A limit of ours on notional leaves no room.
    #[error("risk.{limit} leaves {room} USD for this order")]
    CapNotional {
        /// The key of the tightest limit.
        limit: &'static str,
        /// What it leaves, USD.
        room: Decimal,
    },
    /// As many orders as allowed went out within the minute.
    #[error("{sent} orders went out within the minute; risk.orders_per_minute_max is {limit}")]
    CapOrderRate {
        /// How many.
        sent: usize,
        /// The limit.
        limit: u32,
    },
    /// The day's loss has reached its limit.
    #[error("the day has lost {lost} USD; risk.daily_loss_max is {limit}")]
    DailyLoss {
        /// USD.
        lost: Decimal,
        /// The limit, USD.
        limit: Decimal,
    },
    /// The newest price is too old.
    #[error("the newest price of {symbol} is {age_secs} s old; risk.quote_age_secs_max is {limit}")]
    QuoteStale {
        /// The asset.
        symbol: rawe_core::Symbol,
        /// How old, seconds.
        age_secs: i64,
        /// The limit, seconds.
        limit: u32,
    },
    /// Positions or the account could not be read for too long.
    #[error("the broker has not told positions, orders and the account lately")]
    Unreconciled,
    /// The broker's clock and ours differ.
    #[error("the broker's clock differs from ours by {seconds} s; set one of them right")]
    ClockSkew {
        /// Seconds, either way.
        seconds: i64,
    },
    /// Another order or decision for the asset is under way.
    #[error("another order for {0} is under way")]
    InFlight(rawe_core::Symbol),
    /// The broker refused a question that had to be asked.
    #[error("{0}")]
    BrokerRefused(String),
    /// The broker could not be asked while the decision was valid.
    #[error("the decision was given up: {0}")]
    BrokerSilent(String),
    /// The intent could not be put on record.
    #[error("{0}")]
    JournalFailed(String),
    /// As many positions as allowed were opened within the hour.
    #[error("{opened} positions were opened within the hour; the limit is {limit}")]
    CapNewPositions {
        /// How many.
        opened: usize,
        /// The limit.
        limit: usize,
    },
    /// The account's buying power does not suffice.
    #[error("the order needs {needed} USD of buying power; the account has {available}")]
    BuyingPower {
        /// USD.
        needed: Decimal,
        /// USD.
        available: Decimal,
    },
    /// The broker already holds a position in this direction.
    #[error("the broker already holds {quantity} of {symbol}")]
    AlreadyHeld {
        /// The asset.
        symbol: rawe_core::Symbol,
        /// Units.
        quantity: Decimal,
    },
    /// The order would turn a position around.
    #[error("the broker holds {quantity} of {symbol}: this order would turn it around")]
    WouldFlip {
        /// The asset.
        symbol: rawe_core::Symbol,
        /// Units.
        quantity: Decimal,
    },
    /// Nothing to close, or only dust.
    #[error("there is nothing of {0} to close but dust")]
    NothingToClose(rawe_core::Symbol),
    /// All of the position is held by open orders.
    #[error("open orders hold all of {0}; cancel them first")]
    HeldByOrders(rawe_core::Symbol),
    /// This build does not make orders of this purpose.
    #[error("orders that rest at the broker are not built here")]
    UnsupportedPurpose,
}

impl OrderRefusal {
    /// The code of the round that ended so.
    pub fn outcome(&self) -> RoundOutcome {
        match self {
            Self::Halted | Self::AccountBlocked | Self::ClockSkew { .. } => RoundOutcome::Halted,
            Self::Stale { .. } | Self::BrokerSilent(_) => RoundOutcome::Stale,
            Self::CapOrderRate { .. } => RoundOutcome::CapOrderRate,
            Self::DailyLoss { .. } => RoundOutcome::DailyLoss,
            Self::QuoteStale { .. } => RoundOutcome::QuoteStale,
            Self::Unreconciled => RoundOutcome::Unreconciled,
            Self::BrokerRefused(_) => RoundOutcome::BrokerRejected,
            Self::JournalFailed(_) => RoundOutcome::JournalFailed,
            Self::MarketClosed => RoundOutcome::MarketClosed,
            Self::NotTradable(_) | Self::PriceUnknown(_) | Self::UnsupportedPurpose => {
                RoundOutcome::NotTradable
            }
            Self::NotShortable(_) => RoundOutcome::NotShortable,
            Self::TooSmall { .. } | Self::NothingToClose(_) => RoundOutcome::TooSmall,
            Self::CapNotional { .. } => RoundOutcome::CapNotional,
            Self::CapNewPositions { .. } => RoundOutcome::CapNewPositions,
            Self::BuyingPower { .. } => RoundOutcome::BuyingPower,
            Self::AlreadyHeld { .. } | Self::WouldFlip { .. } => RoundOutcome::AlreadyHeld,
            Self::HeldByOrders(_) | Self::InFlight(_) => RoundOutcome::InFlight,
        }
    }
}
