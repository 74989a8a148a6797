//! The risk gate: the only place where an order that may be sent comes into being.
//!
//! [`ApprovedOrder`] has no public constructor, and a submission takes nothing else, so an order
//! that was not checked does not compile. Openings pass every check; closings pass those that
//! protect the broker's rules, because an exit must not be refused for being too big.

use rawe_core::{AssetClass, DecisionId, Direction, Purpose, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::broker::{
    Account, Amount, AssetInfo, BrokerClock, OrderKind, OrderRequest, PositionReport, TimeInForce,
};
use crate::build::{ORDER_NOTIONAL_MIN, OrderIntentInput, build_order, build_resting};
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

use crate::limits::{PriceRule, RiskLimits, SkewRule};

/// How much more than the last price Alpaca reserves for an order in units: its market buys are
/// collared 4 % above the market, and its shorts valued 3 % above the ask.
const RESERVED_FACTOR: Decimal = Decimal::from_parts(104, 0, 0, false, 2);

/// By how much prices may take an approved order over a limit before it leaves: a tenth of a
/// percent.
const DRIFT_FACTOR: Decimal = Decimal::from_parts(1_001, 0, 0, false, 3);

/// What is held and under way, USD, in-flight and unknown orders included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Absolute value of the decision's asset.
    pub asset: Decimal,
    /// Sum of the absolute values of all assets.
    pub gross: Decimal,
    /// Longs less shorts if only what adds to the decision's direction fills, taken positive in
    /// that direction.
    pub net: Decimal,
}

/// What the gate looks at. Positions and in-flight orders are the caller's books.
#[derive(Debug)]
pub struct GateInput<'a> {
    /// Market time.
    pub now: Timestamp,
    /// Whether orders may be sent at all.
    pub state: TradingState,
    /// Whether positions, orders and account were read lately enough.
    pub reconciled: bool,
    /// How far the broker's clock is from ours, seconds either way.
    pub clock_skew_secs: i64,
    /// The broker's clock; `None` counts as closed.
    pub clock: Option<&'a BrokerClock>,
    /// The account.
    pub account: &'a Account,
    /// Buying power taken by orders that the account as read does not know of, USD.
    pub reserved: Decimal,
    /// The asset.
    pub asset: &'a AssetInfo,
    /// Whether another order or decision for the asset is under way.
    pub in_flight: bool,
    /// What the broker holds of it.
    pub position: Option<&'a PositionReport>,
    /// Newest price, USD, and its market time.
    pub price: Option<(Decimal, Timestamp)>,
    /// What is held and under way.
    pub exposure: Exposure,
    /// Orders sent within the last minute.
    pub sent_last_minute: usize,
    /// Positions opened within the last hour, in-flight ones included.
    pub opened_last_hour: usize,
    /// What our positions have made since the New York day began, USD, net of fees.
    pub day_result: Decimal,
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
    reserved: Decimal,
}

impl ApprovedOrder {
    /// What the broker will reserve of the buying power for it, USD; 0 for a closing.
    pub fn reserved(&self) -> Decimal {
        self.reserved
    }

    /// Lets an opening in whole shares of a stock bring its exits along. The broker gives them its
    /// time in force, so it has to be one that outlives the day. Any other order stays as it is.
    pub(crate) fn with_exits(mut self, exits: OrderKind) -> Self {
        let stock = self.request.symbol.class() == AssetClass::UsEquity;
        let whole = matches!(self.request.amount, Amount::Quantity(q) if q.fract().is_zero());
        let plain = self.request.kind == OrderKind::Market && self.purpose == Purpose::Open;
        if stock && whole && plain {
            self.request.kind = exits;
            self.request.time_in_force = TimeInForce::Gtc;
        }
        self
    }

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
            leg_of: None,
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
    /// The first refusal, in the order: halted, stale, closed, in flight, view, rates, loss, price,
    /// limits, asset, buying power.
    pub fn check(&self, input: &GateInput<'_>) -> Result<ApprovedOrder, OrderRefusal> {
        let opens = input.decision.purpose == Purpose::Open;
        check_state(input, opens)?;
        if input.now > input.void_after {
            return Err(OrderRefusal::Stale {
                void_after: input.void_after,
            });
        }
        check_open(input)?;
        if input.in_flight {
            return Err(OrderRefusal::InFlight(input.decision.symbol.clone()));
        }
        let mut decision = input.decision.clone();
        if opens {
            self.check_openings(input)?;
            decision.notional = self.shrink_to_limits(input, decision.notional)?;
        }
        let price = input.price.map(|(price, _)| price);
        let request = build_order(
            &decision,
            input.asset,
            input.position,
            price,
            input.account.shorting_enabled,
        )?;
        let notional = match request.amount {
            Amount::Notional(notional) => notional,
            Amount::Quantity(quantity) => price
                .and_then(|price| quantity.checked_mul(price))
                .unwrap_or(Decimal::ZERO),
        };
        let reserved = if opens {
            check_buying_power(input, &request, notional)?
        } else {
            Decimal::ZERO
        };
        Ok(ApprovedOrder {
            request,
            purpose: decision.purpose,
            void_after: input.void_after,
            notional,
            reserved,
        })
    }

    /// Checks and builds an order that rests at the broker to protect a position. It shrinks what
    /// is held, so the limits on money do not hold for it.
    ///
    /// # Errors
    /// Halted, closed, or what the broker would not take.
    pub fn check_resting(
        &self,
        input: &GateInput<'_>,
        quantity: Decimal,
        kind: OrderKind,
    ) -> Result<ApprovedOrder, OrderRefusal> {
        check_state(input, false)?;
        check_open(input)?;
        if input.in_flight {
            return Err(OrderRefusal::InFlight(input.decision.symbol.clone()));
        }
        let request = build_resting(input.decision, input.asset, quantity, kind)?;
        Ok(ApprovedOrder {
            request,
            purpose: Purpose::Stop,
            void_after: input.void_after,
            notional: Decimal::ZERO,
            reserved: Decimal::ZERO,
        })
    }

    fn check_openings(&self, input: &GateInput<'_>) -> Result<(), OrderRefusal> {
        let limits = &self.limits;
        if !input.reconciled {
            return Err(OrderRefusal::Unreconciled);
        }
        let seconds = input.clock_skew_secs;
        if seconds > RiskLimits::CLOCK_SKEW_SECS_MAX && limits.clock_skew == SkewRule::Halt {
            return Err(OrderRefusal::ClockSkew { seconds });
        }
        let (sent, limit) = (input.sent_last_minute, limits.orders_per_minute_max);
        if u32::try_from(sent).is_ok_and(|sent| sent >= limit) {
            return Err(OrderRefusal::CapOrderRate { sent, limit });
        }
        let (opened, limit) = (input.opened_last_hour, self.new_positions_per_hour);
        if opened >= limit {
            return Err(OrderRefusal::CapNewPositions { opened, limit });
        }
        let (lost, limit) = (-input.day_result, limits.daily_loss_max);
        if lost >= limit {
            return Err(OrderRefusal::DailyLoss { lost, limit });
        }
        self.check_price(input)
    }

    fn check_price(&self, input: &GateInput<'_>) -> Result<(), OrderRefusal> {
        let symbol = &input.decision.symbol;
        let Some((price, at)) = input.price else {
            // Where units are to be made of dollars, building the order refuses all the same.
            return match self.limits.last_price {
                PriceRule::Off => Ok(()),
                PriceRule::Required => Err(OrderRefusal::PriceUnknown(symbol.clone())),
            };
        };
        if price <= Decimal::ZERO {
            return Err(OrderRefusal::PriceUnknown(symbol.clone()));
        }
        let limit = self.limits.quote_age_secs_max;
        let age_secs = (input.now - at).num_seconds();
        if age_secs > i64::from(limit) && self.limits.last_price == PriceRule::Required {
            return Err(OrderRefusal::QuoteStale {
                symbol: symbol.clone(),
                age_secs,
                limit,
            });
        }
        Ok(())
    }

    /// The limit that is exceeded with an approved order counted in: what else is held may have
    /// changed since. By how far prices move meanwhile does not count.
    pub(crate) fn exceeded(&self, exposure: &Exposure) -> Option<&'static str> {
        let limits = &self.limits;
        let over = |usd: Decimal, limit: Decimal| usd > limit.saturating_mul(DRIFT_FACTOR);
        [
            (
                "asset_notional_max",
                exposure.asset,
                limits.asset_notional_max,
            ),
            (
                "gross_notional_max",
                exposure.gross,
                limits.gross_notional_max,
            ),
            ("net_notional_max", exposure.net, limits.net_notional_max),
        ]
        .into_iter()
        .find_map(|(limit, usd, most)| over(usd, most).then_some(limit))
    }

    fn shrink_to_limits(
        &self,
        input: &GateInput<'_>,
        notional: Decimal,
    ) -> Result<Decimal, OrderRefusal> {
        let (limits, exposure) = (&self.limits, &input.exposure);
        let rooms = [
            ("order_notional_max", limits.order_notional_max),
            (
                "asset_notional_max",
                limits.asset_notional_max.saturating_sub(exposure.asset),
            ),
            (
                "gross_notional_max",
                limits.gross_notional_max.saturating_sub(exposure.gross),
            ),
            (
                "net_notional_max",
                limits.net_notional_max.saturating_sub(exposure.net),
            ),
        ];
        let tightest = rooms.into_iter().min_by_key(|(_, room)| *room);
        let (limit, room) = tightest.unwrap_or(("order_notional_max", Decimal::ZERO));
        if room < ORDER_NOTIONAL_MIN {
            return Err(OrderRefusal::CapNotional { limit, room });
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

fn check_open(input: &GateInput<'_>) -> Result<(), OrderRefusal> {
    let open = match input.asset.class {
        AssetClass::Crypto => true,
        AssetClass::UsEquity => input.clock.is_some_and(|clock| clock.is_open),
    };
    if open {
        Ok(())
    } else {
        Err(OrderRefusal::MarketClosed)
    }
}

/// What the broker reserves for an opening, USD: orders in units are collared.
fn reserved_for(
    asset: &AssetInfo,
    direction: Direction,
    request: &OrderRequest,
    notional: Decimal,
) -> Decimal {
    let collared = matches!(request.amount, Amount::Quantity(_))
        && (asset.class == AssetClass::UsEquity || direction == Direction::Short);
    if collared {
        notional.saturating_mul(RESERVED_FACTOR)
    } else {
        notional
    }
}

fn check_buying_power(
    input: &GateInput<'_>,
    request: &OrderRequest,
    notional: Decimal,
) -> Result<Decimal, OrderRefusal> {
    let account = input.account;
    let available = match input.asset.class {
        AssetClass::UsEquity => account.buying_power,
        AssetClass::Crypto => account.non_marginable_buying_power,
    };
    let needed = reserved_for(input.asset, input.decision.direction, request, notional);
    let available = available.saturating_sub(input.reserved);
    if needed <= available {
        Ok(needed)
    } else {
        Err(OrderRefusal::BuyingPower { needed, available })
    }
}
