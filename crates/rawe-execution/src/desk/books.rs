//! The books: what is ours in each asset, what is not, what is under way, what the day has made.
//!
//! Every change goes through one place that keeps the sums, so that no check and no event ever
//! walks over all assets. Money is counted in USD; fills and fees come in as records.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rawe_core::calendar::new_york_date;
use rawe_core::{
    AssetClass, ClientOrderId, ClosedTrade, Direction, ExitReason, Fill, Purpose, Symbol,
    Timestamp, TradeVote,
};
use rust_decimal::Decimal;

use crate::gate::Exposure;

/// Decimals to which values are kept: sums of them are exact.
const VALUE_DECIMALS: u32 = 6;

/// A position of ours from its first fill on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTrade {
    /// The order that opened it.
    pub opened_by: ClientOrderId,
    /// The round that decided it.
    pub opening_round: String,
    /// Market time of the last fill of the opening.
    pub opened_at: Timestamp,
    /// Long or short.
    pub direction: Direction,
    /// Everyone's vote in the opening round.
    pub votes: Vec<TradeVote>,
    /// Units bought or sold short.
    pub entry_quantity: Decimal,
    /// USD of them.
    pub entry_value: Decimal,
    /// Units left again.
    pub exit_quantity: Decimal,
    /// USD of them.
    pub exit_value: Decimal,
    /// USD kept as fees so far, coins at the price of their fill.
    pub fees: Decimal,
    /// Market time of the last fill of a closing.
    pub closed_at: Option<Timestamp>,
}

/// One asset's line of the books.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Units of ours, negative when short: fills less fees in coin, dust included.
    pub quantity: Decimal,
    /// Units at the broker that are not ours; never touched.
    pub foreign_quantity: Decimal,
    /// The position of ours that is not dust, if there is one.
    pub trade: Option<Box<OpenTrade>>,
    /// The price at which it is left at the latest, fixed at entry.
    pub stop_price: Option<Decimal>,
    /// Newest price known and its market time.
    pub price: Option<(Decimal, Timestamp)>,
    /// Market time of the last fill of ours.
    pub last_fill: Option<Timestamp>,
    /// Hourly standard deviation of log returns, if known.
    pub hourly_volatility: Option<f64>,
    /// USD that orders under way may still buy, ours and foreign.
    pub pending_long: Decimal,
    /// USD that orders under way may still sell, ours that open and foreign.
    pub pending_short: Decimal,
    /// USD of longs that closings of ours under way leave: they balance no short any more.
    pub(crate) leaving_long: Decimal,
    /// USD of shorts that closings of ours under way leave: they balance no long any more.
    pub(crate) leaving_short: Decimal,
    /// Coins that fees are expected to have taken: held or not, until positions tell.
    fee_expected: Decimal,
    /// What a unit is valued at, USD.
    mark: Decimal,
}

/// What a line adds to the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    gross: Decimal,
    net: Decimal,
    /// What may still be added to either side of the net.
    net_long: Decimal,
    net_short: Decimal,
}

impl Line {
    /// Mean entry price, USD a unit; 0 when nothing is held.
    pub fn entry_price(&self) -> Decimal {
        self.trade
            .as_ref()
            .map_or(Decimal::ZERO, |trade| trade.entry_price())
    }

    /// What a unit is valued at, USD: the newest price, or that of the last fill.
    pub fn mark(&self) -> Decimal {
        self.mark
    }

    /// Direction of our position, dust not counted.
    pub fn direction(&self) -> Option<Direction> {
        self.trade.as_ref().map(|trade| trade.direction)
    }

    /// USD held and under way: the absolute value of the position and all that may be added.
    pub fn notional(&self) -> Decimal {
        let weight = self.weight();
        weight.gross
    }

    fn weight(&self) -> Weight {
        let held = (self.quantity + self.foreign_quantity)
            .saturating_mul(self.mark)
            .round_dp(VALUE_DECIMALS);
        // A broker that keeps less than expected leaves more than the books say.
        let unsure = self
            .fee_expected
            .saturating_mul(self.mark)
            .round_dp(VALUE_DECIMALS);
        let pending_long = self.pending_long + unsure;
        Weight {
            gross: held.abs() + pending_long + self.pending_short,
            net: held,
            net_long: pending_long + self.leaving_short,
            net_short: self.pending_short + self.leaving_long,
        }
    }
}

impl OpenTrade {
    /// Mean price of the opening, USD a unit.
    pub fn entry_price(&self) -> Decimal {
        self.entry_value
            .checked_div(self.entry_quantity)
            .unwrap_or_default()
    }

    /// The trade as it ended.
    pub(crate) fn close(self, end: TradeEnd, asset: &Symbol) -> ClosedTrade {
        let entry_price = self.entry_price();
        let exit_price = self
            .exit_value
            .checked_div(self.exit_quantity)
            .unwrap_or(entry_price);
        let gain = (exit_price - entry_price).saturating_mul(self.exit_quantity);
        let gain = match self.direction {
            Direction::Long => gain,
            Direction::Short => -gain,
        };
        ClosedTrade {
            opened_by: self.opened_by,
            closed_by: end.closed_by,
            opening_round: self.opening_round,
            closing_round: end.closing_round,
            asset: asset.clone(),
            direction: self.direction,
            opened_at: self.opened_at,
            closed_at: self.closed_at.unwrap_or(end.at),
            quantity: self.exit_quantity.normalize(),
            entry_price: entry_price.round_dp(9).normalize(),
            exit_price: exit_price.round_dp(9).normalize(),
            fees: self.fees.round_dp(VALUE_DECIMALS).normalize(),
            realised: (gain - self.fees).round_dp(VALUE_DECIMALS).normalize(),
            reason: end.reason,
            votes: self.votes,
        }
    }
}

/// How a trade ended.
#[derive(Clone, Debug)]
pub(crate) struct TradeEnd {
    pub(crate) at: Timestamp,
    pub(crate) closed_by: Option<ClientOrderId>,
    pub(crate) closing_round: Option<String>,
    pub(crate) reason: ExitReason,
}

/// Coins that are missing up to this part of ours are a fee that was not as expected.
const FEE_TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// Where an opening comes from, for the trade that it begins.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) round_id: &'a str,
    pub(crate) votes: &'a [TradeVote],
}

/// The books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    lines: BTreeMap<Symbol, Box<Line>>,
    sums: Weight,
    day: Option<NaiveDate>,
    day_result: Decimal,
}

impl Books {
    /// The line of an asset.
    pub fn line(&self, asset: &Symbol) -> Option<&Line> {
        self.lines.get(asset).map(Box::as_ref)
    }

    /// All lines, by asset.
    pub fn lines(&self) -> impl Iterator<Item = (&Symbol, &Line)> {
        self.lines.iter().map(|(asset, line)| (asset, &**line))
    }

    /// Sum of the absolute values of all positions and of all orders under way, ours and foreign,
    /// USD.
    pub fn gross_notional(&self) -> Decimal {
        self.sums.gross
    }

    /// Value of longs less that of shorts, ours and foreign, orders under way not counted, USD.
    pub fn net_notional(&self) -> Decimal {
        self.sums.net
    }

    /// What our positions have made since the New York day of the last event began, made real or
    /// not, net of fees, USD. After a restart positions opened on an earlier day count from their
    /// entry.
    pub fn day_result(&self) -> Decimal {
        self.day_result
    }

    /// Units of ours.
    pub fn quantity(&self, asset: &Symbol) -> Decimal {
        self.line(asset).map_or(Decimal::ZERO, |line| line.quantity)
    }

    /// What the gate weighs for an opening in this direction.
    pub(crate) fn exposure(&self, asset: &Symbol, direction: Direction) -> Exposure {
        let net = match direction {
            Direction::Long => self.sums.net + self.sums.net_long,
            Direction::Short => self.sums.net_short - self.sums.net,
        };
        Exposure {
            asset: self.line(asset).map_or(Decimal::ZERO, Line::notional),
            gross: self.sums.gross,
            net,
        }
    }

    /// Changes a line and keeps the sums.
    pub(crate) fn change<R>(&mut self, asset: &Symbol, change: impl FnOnce(&mut Line) -> R) -> R {
        if !self.lines.contains_key(asset) {
            self.lines.insert(asset.clone(), Box::default());
        }
        let line = self.lines.entry(asset.clone()).or_default();
        let before = line.weight();
        let result = change(line);
        let after = line.weight();
        let sums = &mut self.sums;
        sums.gross += after.gross - before.gross;
        sums.net += after.net - before.net;
        sums.net_long += after.net_long - before.net_long;
        sums.net_short += after.net_short - before.net_short;
        result
    }

    /// Another New York day begins with nothing made.
    pub(crate) fn turn_day(&mut self, now: Timestamp) {
        let today = new_york_date(now);
        if self.day != Some(today) {
            self.day = Some(today);
            self.day_result = Decimal::ZERO;
        }
    }

    /// Values an asset of which no price is known.
    pub(crate) fn value_at(&mut self, asset: &Symbol, mark: Decimal) {
        self.change(asset, |line| line.mark = mark);
    }

    /// Takes a price unless a newer one is known; says whether it was taken.
    pub(crate) fn note_price(&mut self, asset: &Symbol, price: Decimal, at: Timestamp) -> bool {
        let known = self.line(asset).and_then(|line| line.price);
        if price <= Decimal::ZERO || known.is_some_and(|(_, newest)| newest > at) {
            return false;
        }
        let moved = self.change(asset, |line| {
            let before = line.mark;
            line.price = Some((price, at));
            line.mark = price;
            if before.is_zero() {
                Decimal::ZERO
            } else {
                line.quantity.saturating_mul(price - before)
            }
        });
        self.day_result += moved;
        true
    }

    /// Takes a fill. The first one of an opening begins a trade.
    pub(crate) fn take_fill(&mut self, fill: &Fill, origin: &Origin<'_>) {
        let result = self.change(&fill.asset, |line| line.take_fill(fill, origin));
        self.day_result += result;
    }

    /// The broker's positions have told what its fees have left of an asset.
    pub(crate) fn confirm_fee(&mut self, asset: &Symbol) {
        self.change(asset, |line| line.fee_expected = Decimal::ZERO);
    }

    /// Whether coins are expected to have been kept as fees in an asset.
    pub(crate) fn expects_fee(&self, asset: &Symbol) -> bool {
        self.line(asset)
            .is_some_and(|line| !line.fee_expected.is_zero())
    }

    /// Corrects our units by a fee in coin that was not as expected. Coins that seem to have been
    /// taken may come back: positions that do not know of a small fill yet look the same.
    pub(crate) fn correct_fee(&mut self, asset: &Symbol, difference: Decimal) {
        let lost = self.change(asset, |line| {
            line.quantity += difference;
            line.fee_expected = (line.fee_expected - difference).max(Decimal::ZERO);
            let lost = difference.saturating_mul(line.mark);
            let entry_price = line.entry_price();
            if let Some(trade) = &mut line.trade {
                trade.fees -= difference.saturating_mul(entry_price);
            }
            lost
        });
        self.day_result += lost;
    }
}

impl Line {
    /// Whether a difference is a fee in coin that was not as expected. There may be more than the
    /// books say by no more than what they expect to have been kept: the rest is what somebody else
    /// has bought.
    pub(crate) fn is_fee(&self, asset: &Symbol, difference: Decimal) -> bool {
        asset.class() == AssetClass::Crypto
            && !difference.is_zero()
            && difference <= self.fee_expected
            && -difference <= self.quantity.abs().saturating_mul(FEE_TOLERANCE)
    }

    /// Gives back what the fill made or cost against the mark, fees included.
    fn take_fill(&mut self, fill: &Fill, origin: &Origin<'_>) -> Decimal {
        if self.mark.is_zero() {
            self.mark = fill.price;
        }
        let value = fill.quantity.saturating_mul(fill.price);
        let buys = is_buy(fill.purpose, fill.direction);
        let units = if buys { fill.quantity } else { -fill.quantity };
        self.quantity += units - fill.fee_quantity;
        self.fee_expected += fill.fee_quantity;
        self.last_fill = self.last_fill.max(Some(fill.at));
        match fill.purpose {
            Purpose::Open => {
                let trade = self.trade.get_or_insert_with(|| {
                    Box::new(OpenTrade {
                        opened_by: fill.client_order_id.clone(),
                        opening_round: origin.round_id.to_owned(),
                        opened_at: fill.at,
                        direction: fill.direction,
                        votes: origin.votes.to_vec(),
                        entry_quantity: Decimal::ZERO,
                        entry_value: Decimal::ZERO,
                        exit_quantity: Decimal::ZERO,
                        exit_value: Decimal::ZERO,
                        fees: Decimal::ZERO,
                        closed_at: None,
                    })
                });
                trade.entry_quantity += fill.quantity;
                trade.entry_value += value;
                trade.opened_at = trade.opened_at.max(fill.at);
                trade.fees += fill.fee;
            }
            Purpose::Close | Purpose::Stop => {
                if let Some(trade) = &mut self.trade {
                    trade.exit_quantity += fill.quantity;
                    trade.exit_value += value;
                    trade.closed_at = trade.closed_at.max(Some(fill.at));
                    trade.fees += fill.fee;
                }
            }
        }
        units.saturating_mul(self.mark - fill.price) - fill.fee
    }
}

/// Whether an order of this purpose for a position of this direction buys.
pub(crate) fn is_buy(purpose: Purpose, direction: Direction) -> bool {
    (purpose == Purpose::Open) == (direction == Direction::Long)
}

/// What the broker is expected to keep of a fill: coins and USD, those coins included.
pub(crate) fn expected_fee(
    asset: &Symbol,
    buys: bool,
    quantity: Decimal,
    price: Decimal,
    crypto_fee_bp: Decimal,
) -> (Decimal, Decimal) {
    if asset.class() != AssetClass::Crypto || crypto_fee_bp.is_zero() {
        return (Decimal::ZERO, Decimal::ZERO);
    }
    let rate = crypto_fee_bp / Decimal::from(10_000);
    let up = rust_decimal::RoundingStrategy::AwayFromZero;
    if buys {
        let coins = quantity.saturating_mul(rate).round_dp_with_strategy(9, up);
        (coins, coins.saturating_mul(price).round_dp(VALUE_DECIMALS))
    } else {
        let value = quantity.saturating_mul(price);
        let usd = value.saturating_mul(rate).round_dp(VALUE_DECIMALS);
        (Decimal::ZERO, usd)
    }
}
