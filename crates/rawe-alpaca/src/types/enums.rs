//! Alpaca's enumerations, each with a place for values that did not exist when this was written.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An enumeration of texts that reads everything and writes back what it read.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value this build does not know, as it was received.
            Other(String),
        }

        impl $name {
            /// The values this build knows.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)+];

            /// The value as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl FromStr for $name {
            type Err = Infallible;
            fn from_str(text: &str) -> Result<Self, Infallible> {
                Ok(match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(text.parse().unwrap_or_else(|never: Infallible| match never {}))
            }
        }
    };
}

open_enum!(
    /// Buy or sell; shorts are sells.
    OrderSide {
        /// Buy.
        Buy => "buy",
        /// Sell, also short.
        Sell => "sell",
    }
);

open_enum!(
    /// How an order is priced.
    OrderType {
        /// At the market.
        Market => "market",
        /// At a price or better.
        Limit => "limit",
        /// Market once a price is touched.
        Stop => "stop",
        /// Limit once a price is touched.
        StopLimit => "stop_limit",
        /// A stop that follows the price.
        TrailingStop => "trailing_stop",
    }
);

open_enum!(
    /// How long an order lives.
    TimeInForce {
        /// Until the session's close.
        Day => "day",
        /// Until cancelled.
        Gtc => "gtc",
        /// At the opening auction.
        Opg => "opg",
        /// At the closing auction.
        Cls => "cls",
        /// Immediately or cancelled.
        Ioc => "ioc",
        /// Completely and immediately, or cancelled.
        Fok => "fok",
    }
);

open_enum!(
    /// One order or a group. Alpaca answers `""` for a simple one, which reads as absent.
    OrderClass {
        /// One order.
        Simple => "simple",
        /// Entry with both exits.
        Bracket => "bracket",
        /// One exit cancels the other.
        Oco => "oco",
        /// Entry with one exit.
        Oto => "oto",
        /// Several option legs.
        Mleg => "mleg",
    }
);

open_enum!(
    /// A guard against accidental shorts.
    PositionIntent {
        /// Opens or adds to a long.
        BuyToOpen => "buy_to_open",
        /// Covers a short.
        BuyToClose => "buy_to_close",
        /// Opens or adds to a short.
        SellToOpen => "sell_to_open",
        /// Sells a long.
        SellToClose => "sell_to_close",
    }
);

open_enum!(
    /// What `trade_updates` tell of an order.
    TradeEvent {
        /// Taken, not routed yet.
        Accepted => "accepted",
        /// Routed to be executed.
        New => "new",
        /// On its way there.
        PendingNew => "pending_new",
        /// Completely filled: the last fill says so.
        Fill => "fill",
        /// Some of it filled.
        PartialFill => "partial_fill",
        /// Cancelled; some of it may be filled.
        Canceled => "canceled",
        /// Its time ran out.
        Expired => "expired",
        /// Done for today.
        DoneForDay => "done_for_day",
        /// Replaced by another order; the message has the old one.
        Replaced => "replaced",
        /// Refused after it was taken.
        Rejected => "rejected",
        /// A cancellation was asked for.
        PendingCancel => "pending_cancel",
        /// A replacement was asked for.
        PendingReplace => "pending_replace",
        /// Executed, but not yet told to whom.
        Stopped => "stopped",
        /// Done, its costs are being worked out.
        Calculated => "calculated",
        /// Not eligible for trading at present.
        Suspended => "suspended",
        /// Changed by the venue.
        Restated => "restated",
        /// A replacement was refused; the order stays.
        ReplaceRejected => "order_replace_rejected",
        /// A cancellation was refused; the order stays.
        CancelRejected => "order_cancel_rejected",
    }
);

open_enum!(
    /// Where an order stands, in Alpaca's words.
    OrderStatus {
        /// Routed.
        New => "new",
        /// Partly filled.
        PartiallyFilled => "partially_filled",
        /// Completely filled.
        Filled => "filled",
        /// Done for today, may go on tomorrow.
        DoneForDay => "done_for_day",
        /// Cancelled; some may be filled.
        Canceled => "canceled",
        /// Expired; some may be filled.
        Expired => "expired",
        /// Replaced by another order.
        Replaced => "replaced",
        /// A cancel is on its way.
        PendingCancel => "pending_cancel",
        /// A replace is on its way.
        PendingReplace => "pending_replace",
        /// Taken, not routed: usual outside market hours.
        Accepted => "accepted",
        /// Taken, being routed.
        PendingNew => "pending_new",
        /// Waiting for an auction.
        AcceptedForBidding => "accepted_for_bidding",
        /// A trade is guaranteed, not done.
        Stopped => "stopped",
        /// Refused after it was taken.
        Rejected => "rejected",
        /// Suspended.
        Suspended => "suspended",
        /// Done for today, being settled.
        Calculated => "calculated",
        /// Waiting for its parent.
        Held => "held",
        /// Being reviewed.
        PendingReview => "pending_review",
    }
);

impl OrderStatus {
    /// Whether the order of this id can never change again.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Canceled | Self::Expired | Self::Rejected | Self::Replaced
        )
    }
}

open_enum!(
    /// Whether the account may trade; only `ACTIVE` does.
    AccountStatus {
        /// May trade.
        Active => "ACTIVE",
        /// May not.
        Inactive => "INACTIVE",
        /// Paper only.
        PaperOnly => "PAPER_ONLY",
    }
);

open_enum!(
    /// What an asset is.
    AssetClassName {
        /// Stocks and ETFs.
        UsEquity => "us_equity",
        /// Crypto pairs.
        Crypto => "crypto",
        /// Options.
        UsOption => "us_option",
    }
);

open_enum!(
    /// Whether an asset is listed.
    AssetStatus {
        /// Listed.
        Active => "active",
        /// No longer.
        Inactive => "inactive",
    }
);

open_enum!(
    /// Whether shares can be borrowed for a short.
    BorrowStatus {
        /// Freely.
        EasyToBorrow => "easy_to_borrow",
        /// Only with a locate.
        HardToBorrow => "hard_to_borrow",
    }
);

open_enum!(
    /// Which way a position stands.
    PositionSide {
        /// Owned.
        Long => "long",
        /// Owed.
        Short => "short",
    }
);
