//! The risk gate: the only place where an order that may be sent comes into being.
//!
//! [`ApprovedOrder`] has no public constructor, and a submission takes nothing else, so an order
//! that was not checked does not compile. Openings pass every check; closings pass those that
//! protect the broker's rules, because an exit must not be refused for being too big.

use chrono::TimeDelta;
use rawe_core::{AssetClass, DecisionId, Direction, Purpose, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::broker::{Account, Amount, AssetInfo, BrokerClock, OrderRequest, PositionReport};
use crate::build::{ORDER_NOTIONAL_MIN, OrderIntentInput, build_order};
use crate::journal::Intent;
use crate::refusal::OrderRefusal;

/// Whether orders may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradingState {
    /// All orders.
    Active,
    /// Only orders that shrink a position.
    Reducing,
    /// None. Every engine starts here.
    #[default]
    Halted,
}

use crate::limits::RiskLimits;

/// How much more than the last price Alpaca reserves for an order in units: its market buys are
/// collared 4 % above the market, and its shorts valued 3 % above the ask.
const RESERVED_FACTOR: Decimal = Decimal::from_parts(104, 0, 0, false, 2);

/// What the gate looks at. Positions and in-flight orders are the caller's books.
#[derive(Debug)]
pub struct GateInput<'a> {
    /// Market time.
    pub now: Timestamp,
    /// Whether orders may be sent at all.
    pub state: TradingState,
    /// The broker's clock; `None` counts as closed.
    pub clock: Option<&'a BrokerClock>,
    /// The account.
    pub account: &'a Account,
    /// The asset.
    pub asset: &'a AssetInfo,
    /// What the broker holds of it.
    pub position: Option<&'a PositionReport>,
    /// Newest price, USD.
    pub price: Option<Decimal>,
    /// Sum of the absolute values of all positions, in-flight and unknown orders, USD.
    pub gross_notional: Decimal,
    /// Market times of the openings of the last hour or more, in-flight ones included.
    pub openings: &'a [Timestamp],
    /// The decision.
    pub decision: &'a OrderIntentInput,
    /// Market time after which the decision must not be sent.
    pub void_after: Timestamp,
}

/// The gate: limits, and nothing that changes.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: RiskLimits,
    new_positions_per_hour: usize,
}

/// An order that passed the gate. Only [`Gate::check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedOrder {
    request: OrderRequest,
    purpose: Purpose,
    void_after: Timestamp,
    notional: Decimal,
}

impl ApprovedOrder {
    /// The order as it will be sent.
    pub fn request(&self) -> &OrderRequest {
        &self.request
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Its size in USD at the price the gate saw; 0 for a closing without a price.
    pub fn notional(&self) -> Decimal {
        self.notional
    }

    /// The intent to put on record before it is sent.
    pub fn into_intent(
        self,
        decision_id: DecisionId,
        round_id: String,
        decided_at: Timestamp,
    ) -> Intent {
        Intent {
            decision_id,
            round_id,
            purpose: self.purpose,
            order: self.request,
            decided_at,
            void_after: self.void_after,
        }
    }
}

impl Gate {
    /// A gate with these limits; `new_positions_per_hour` is the collective's own rule.
    pub fn new(limits: RiskLimits, new_positions_per_hour: usize) -> Self {
        Self {
            limits,
            new_positions_per_hour,
        }
    }

    /// Checks a decision and builds its order.
    ///
    /// # Errors
    /// The first refusal, in the order: halted, stale, closed, asset, limits, buying power.
    pub fn check(&self, input: &GateInput<'_>) -> Result<ApprovedOrder, OrderRefusal> {
        let opens = input.decision.purpose == Purpose::Open;
        check_state(input, opens)?;
        if input.now > input.void_after {
            return Err(OrderRefusal::Stale {
                void_after: input.void_after,
            });
        }
        let open = match input.asset.class {
            AssetClass::Crypto => true,
            AssetClass::UsEquity => input.clock.is_some_and(|clock| clock.is_open),
        };
        if !open {
            return Err(OrderRefusal::MarketClosed);
        }
        let mut decision = input.decision.clone();
        if opens {
            self.check_openings(input)?;
            decision.notional = self.shrink_to_limits(input, decision.notional)?;
        }
        let request = build_order(
            &decision,
            input.asset,
            input.position,
            input.price,
            input.account.shorting_enabled,
        )?;
        let notional = match request.amount {
            Amount::Notional(notional) => notional,
            Amount::Quantity(quantity) => input
                .price
                .and_then(|price| quantity.checked_mul(price))
                .unwrap_or(Decimal::ZERO),
        };
        if opens {
            check_buying_power(input, &request, notional)?;
        }
        Ok(ApprovedOrder {
            request,
            purpose: decision.purpose,
            void_after: input.void_after,
            notional,
        })
    }

    fn check_openings(&self, input: &GateInput<'_>) -> Result<(), OrderRefusal> {
        let since = input.now - TimeDelta::hours(1);
        let opened = input.openings.iter().filter(|at| **at > since).count();
        if opened < self.new_positions_per_hour {
            Ok(())
        } else {
            Err(OrderRefusal::CapNewPositions {
                opened,
                limit: self.new_positions_per_hour,
            })
        }
    }

    fn shrink_to_limits(
        &self,
        input: &GateInput<'_>,
        notional: Decimal,
    ) -> Result<Decimal, OrderRefusal> {
        let gross_room = self
            .limits
            .gross_notional_max
            .saturating_sub(input.gross_notional.abs());
        let room = self.limits.order_notional_max.min(gross_room);
        if room < ORDER_NOTIONAL_MIN {
            return Err(OrderRefusal::CapNotional { room });
        }
        Ok(notional.min(room))
    }
}

fn check_state(input: &GateInput<'_>, opens: bool) -> Result<(), OrderRefusal> {
    match input.state {
        TradingState::Halted => return Err(OrderRefusal::Halted),
        TradingState::Reducing if opens => return Err(OrderRefusal::Halted),
        TradingState::Reducing | TradingState::Active => {}
    }
    if input.account.can_trade {
        Ok(())
    } else {
        Err(OrderRefusal::AccountBlocked)
    }
}

fn check_buying_power(
    input: &GateInput<'_>,
    request: &OrderRequest,
    notional: Decimal,
) -> Result<(), OrderRefusal> {
    let account = input.account;
    let available = match input.asset.class {
        AssetClass::UsEquity => account.buying_power,
        AssetClass::Crypto => account.non_marginable_buying_power,
    };
    let collared = matches!(request.amount, Amount::Quantity(_))
        && (input.asset.class == AssetClass::UsEquity
            || input.decision.direction == Direction::Short);
    let needed = if collared {
        notional.saturating_mul(RESERVED_FACTOR)
    } else {
        notional
    };
    if needed <= available {
        Ok(())
    } else {
        Err(OrderRefusal::BuyingPower { needed, available })
    }
}
