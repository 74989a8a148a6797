//! What a starting desk learns from the journal: its entries, folded in their order into books,
//! open intents and standing words.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{
    ClientOrderId, ClosedTrade, DecisionId, Direction, ExitReason, Fill, Purpose, RoundRecord,
    Symbol, Timestamp, TradeVote,
};
use rust_decimal::Decimal;

use crate::broker::{Amount, OrderReport, OrderRequest, Side, TimeInForce};
use crate::desk::books::{Line, OpenTrade, Origin};
use crate::desk::deciding::{direction_of, votes_of};
use crate::desk::legs::kind_with;
use crate::desk::orders::LiveOrder;
use crate::desk::past::Latest;
use crate::desk::rates::Rates;
use crate::desk::reconciling::FEE_CORRECTED;
use crate::desk::{Desk, chain_index};
use crate::journal::{Intent, JournalEntry, PositionRecord, Resolution};
use crate::submission::Submission;

/// An order by the journal.
#[derive(Clone, Debug)]
pub(crate) struct KnownOrder {
    pub(crate) intent: Intent,
    pub(crate) filled: Decimal,
    pub(crate) value: Decimal,
    /// How it ended, if it did: whether it reached the broker.
    pub(crate) ended: Option<bool>,
    /// How often it was sent, as far as the outcome is on record.
    sends: u32,
    /// Whether it ended without an order at the broker as far as could be found out, and may land.
    pub(crate) given_up: bool,
}

/// What the journal tells beside the books.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) orders: BTreeMap<ClientOrderId, KnownOrder>,
    rounds: BTreeMap<String, Vec<TradeVote>>,
    positions: BTreeMap<Symbol, PositionRecord>,
    /// Orders of trades that are over, whose intents the history may leave out.
    pub(crate) past: BTreeMap<ClientOrderId, (Symbol, Purpose)>,
    /// When the journal last tells something of an asset.
    pub(crate) latest: BTreeMap<Symbol, Timestamp>,
}

impl Folded {
    /// Our orders in an asset that reached the broker, or may have.
    pub(crate) fn ids_of(&self, asset: &Symbol) -> Vec<(Purpose, ClientOrderId)> {
        let known = self.orders.iter();
        let known = known.filter(|(_, order)| order.intent.order.symbol == *asset);
        let known = known.map(|(id, order)| (order.intent.purpose, id.clone()));
        let past = self.past.iter().filter(|(_, (of, _))| of == asset);
        known
            .chain(past.map(|(id, (_, purpose))| (*purpose, id.clone())))
            .collect()
    }

    /// Our orders in an asset that have ended at the broker, in the order of their decisions.
    pub(crate) fn ended_of(&self, asset: &Symbol) -> Vec<(Purpose, ClientOrderId)> {
        let ended = self.ended(|of| of == asset).into_iter();
        ended
            .map(|intent| (intent.purpose, intent.order.client_order_id.clone()))
            .collect()
    }

    /// The latest of our orders that have ended at the broker, for each purpose of the assets that
    /// are not among these.
    pub(crate) fn latest_but_of<T>(&self, known: &BTreeMap<Symbol, T>) -> BTreeMap<Symbol, Latest> {
        let mut latest: BTreeMap<Symbol, Latest> = BTreeMap::new();
        for intent in self.ended(|of| !known.contains_key(of)) {
            let of_asset = latest.entry(intent.order.symbol.clone()).or_default();
            of_asset[chain_index(intent.purpose)] = Some(intent.order.client_order_id.clone());
        }
        latest
    }

    /// Oldest decision first. Exits at the broker are left out: their ids are its own.
    fn ended(&self, of: impl Fn(&Symbol) -> bool) -> Vec<&Intent> {
        let ended = self.orders.values().filter(|o| o.ended == Some(true));
        let ended = ended.map(|order| &order.intent);
        let mut ended: Vec<&Intent> = ended
            .filter(|intent| intent.leg_of.is_none() && of(&intent.order.symbol))
            .collect();
        ended.sort_by_key(|intent| intent.decided_at);
        ended
    }

    pub(crate) fn votes(&self, round_id: &str) -> &[TradeVote] {
        self.rounds.get(round_id).map_or(&[], Vec::as_slice)
    }

    fn note(&mut self, asset: &Symbol, at: Timestamp) {
        let latest = self.latest.entry(asset.clone()).or_insert(at);
        *latest = at.max(*latest);
    }
}

impl Desk {
    /// Folds the history into empty books.
    pub(crate) fn fold(&mut self, history: Vec<JournalEntry>, now: Timestamp) -> Folded {
        let mut folded = Folded::default();
        for entry in history {
            self.fold_entry(entry, &mut folded);
        }
        self.books.turn_day(now);
        self.restore_trades(&folded);
        let (minute, hour) = (now - TimeDelta::minutes(1), now - TimeDelta::hours(1));
        self.rates = Rates::default();
        for (id, order) in &folded.orders {
            let at = order.intent.decided_at;
            let came_to_nothing = order.ended.is_some() && order.filled.is_zero();
            if at > hour && order.intent.purpose == Purpose::Open && !came_to_nothing {
                self.rates.note_opening(at, id);
            }
            if at > minute {
                self.rates.note_sent(at);
            }
        }
        folded
    }

    fn fold_entry(&mut self, entry: JournalEntry, folded: &mut Folded) {
        match entry {
            JournalEntry::Round(round) => fold_round(&round, folded),
            JournalEntry::Intent(intent) => {
                folded.note(&intent.order.symbol, intent.decided_at);
                let order = KnownOrder {
                    filled: Decimal::ZERO,
                    value: Decimal::ZERO,
                    ended: None,
                    sends: 0,
                    given_up: false,
                    intent,
                };
                let id = order.intent.order.client_order_id.clone();
                folded.orders.insert(id, order);
            }
            JournalEntry::Fill(fill) => self.fold_fill(&fill, folded),
            JournalEntry::Resolved {
                client_order_id,
                resolution,
                ..
            } => {
                if let Some(order) = folded.orders.get_mut(&client_order_id) {
                    order.ended = Some(matches!(resolution, Resolution::Terminal(_)));
                    order.given_up = match resolution {
                        Resolution::Terminal(_) => false,
                        // The refusal of a second sending says nothing of the first.
                        Resolution::Rejected { .. } => order.sends > 1,
                        Resolution::NeverSent { .. } => true,
                    };
                }
            }
            JournalEntry::Trade(trade) => self.fold_trade(&trade, folded),
            JournalEntry::Position(record) => {
                folded.note(&record.asset, record.at);
                if record.cause == FEE_CORRECTED {
                    let difference = record.quantity - self.books.quantity(&record.asset);
                    self.books.correct_fee(&record.asset, difference);
                }
                let left = record.entry_price.is_zero();
                if left {
                    self.held.remove(&record.asset);
                }
                self.books.change(&record.asset, |line| {
                    line.quantity = record.quantity;
                    line.stop_price = record.stop_price;
                    line.trade = line.trade.take().filter(|_| !left);
                });
                folded.positions.insert(record.asset.clone(), record);
            }
            JournalEntry::Control(record) => self.control.recall(&record),
            JournalEntry::Submission {
                client_order_id,
                attempt,
                ..
            } => {
                if let Some(order) = folded.orders.get_mut(&client_order_id) {
                    order.sends = order.sends.max(attempt);
                }
            }
            JournalEntry::Report { .. } | JournalEntry::Weights(_) | JournalEntry::Hindsight(_) => {
            }
        }
    }

    fn fold_trade(&mut self, trade: &ClosedTrade, folded: &mut Folded) {
        folded.note(&trade.asset, trade.closed_at);
        let opened = (trade.asset.clone(), Purpose::Open);
        folded.past.insert(trade.opened_by.clone(), opened);
        if let Some(id) = &trade.closed_by {
            let known = folded.orders.get(id).map(|order| order.intent.purpose);
            let purpose = known.unwrap_or(if trade.reason == ExitReason::DisasterStop {
                Purpose::Stop
            } else {
                Purpose::Close
            });
            folded
                .past
                .insert(id.clone(), (trade.asset.clone(), purpose));
        }
        // What is left of it is dust, whatever its last line says.
        folded.positions.remove(&trade.asset);
        self.held.remove(&trade.asset);
        self.books.change(&trade.asset, |line| {
            line.trade = None;
            line.stop_price = None;
            line.last_fill = line.last_fill.max(Some(trade.closed_at));
        });
    }

    fn fold_fill(&mut self, fill: &Fill, folded: &mut Folded) {
        folded.note(&fill.asset, fill.at);
        self.books.turn_day(fill.at);
        self.books.note_price(&fill.asset, fill.price, fill.at);
        let round_id = match folded.orders.get_mut(&fill.client_order_id) {
            Some(order) => {
                order.filled += fill.quantity;
                order.value += fill.quantity.saturating_mul(fill.price);
                order.intent.round_id.clone()
            }
            None => String::new(),
        };
        let votes = folded.votes(&round_id);
        let origin = Origin {
            round_id: &round_id,
            votes,
        };
        self.books.take_fill(fill, &origin);
        if fill.purpose == Purpose::Open {
            self.held.insert(fill.asset.clone());
        }
    }

    /// A position whose fills the history leaves out is known by its last line.
    fn restore_trades(&mut self, folded: &Folded) {
        for (asset, record) in &folded.positions {
            let missing = self
                .books
                .line(asset)
                .is_none_or(|line| line.trade.is_none());
            if !missing || record.quantity.is_zero() || record.entry_price.is_zero() {
                continue;
            }
            if self.hold_unknown(asset, record.quantity, record.entry_price, record.at) {
                self.books.note_price(asset, record.entry_price, record.at);
            }
        }
    }

    /// Makes a position of which nothing but units and a price are known; whether it could.
    pub(crate) fn hold_unknown(
        &mut self,
        asset: &Symbol,
        units: Decimal,
        price: Decimal,
        at: Timestamp,
    ) -> bool {
        let Some(opened_by) = ClientOrderId::parse_ours(ClientOrderId::PREFIX) else {
            return false;
        };
        let value = units.abs().saturating_mul(price);
        let trade = unknown_trade(opened_by, at, direction_of(units), units.abs(), value);
        self.books
            .change(asset, |line| line.trade = Some(Box::new(trade)));
        self.held.insert(asset.clone());
        true
    }

    /// Takes up an order of an earlier start that has no end on record.
    pub(crate) fn take_up(&mut self, order: KnownOrder, folded: &Folded) {
        let live = self.lived(order, folded);
        let (id, asset) = (live.id().clone(), live.asset().clone());
        let notional = live.approved_notional();
        self.insert_order(id.clone(), asset, live);
        self.set_notional(&id, notional);
    }

    /// An order of an earlier start as it is known.
    pub(crate) fn lived(&self, order: KnownOrder, folded: &Folded) -> LiveOrder {
        let intent = order.intent;
        let direction = direction_left_or_opened(intent.purpose, intent.order.side);
        let line = self.books.line(&intent.order.symbol);
        let notional = notional_of(&intent.order, line.map_or(Decimal::ZERO, Line::mark));
        let votes = folded.votes(&intent.round_id).to_vec();
        let exit = exit_of(&intent);
        let mut live = LiveOrder::new(Submission::resume(intent), direction)
            .resumed(order.filled, order.value)
            .approved_at(notional);
        live.votes = votes;
        live.exit = exit;
        live
    }
}

fn fold_round(round: &RoundRecord, folded: &mut Folded) {
    if round.outcome.is_decision() {
        folded
            .rounds
            .insert(round.round_id.clone(), votes_of(round));
    }
}

/// A trade of which only the position is known.
fn unknown_trade(
    opened_by: ClientOrderId,
    at: Timestamp,
    direction: Direction,
    quantity: Decimal,
    value: Decimal,
) -> OpenTrade {
    OpenTrade {
        opened_by,
        opening_round: String::new(),
        opened_at: at,
        direction,
        votes: Vec::new(),
        entry_quantity: quantity,
        entry_value: value,
        exit_quantity: Decimal::ZERO,
        exit_value: Decimal::ZERO,
        fees: Decimal::ZERO,
        closed_at: None,
    }
}

/// The direction of the position that an order opens or leaves.
pub(crate) fn direction_left_or_opened(purpose: Purpose, side: Side) -> Direction {
    if (purpose == Purpose::Open) == (side == Side::Buy) {
        Direction::Long
    } else {
        Direction::Short
    }
}

/// USD of an order at a price.
pub(crate) fn notional_of(order: &OrderRequest, price: Decimal) -> Decimal {
    match order.amount {
        Amount::Notional(notional) => notional,
        Amount::Quantity(quantity) => quantity.saturating_mul(price),
    }
}

/// Why a position is being closed, as far as the intent tells: the desk's own rounds say it.
fn exit_of(intent: &Intent) -> Option<ExitReason> {
    let (_, word) = intent.round_id.rsplit_once('/')?;
    [
        ExitReason::DisasterStop,
        ExitReason::Target,
        ExitReason::MaximumHold,
        ExitReason::Flatten,
    ]
    .into_iter()
    .find(|reason| reason.as_str() == word)
}

/// The intent that an order found at the broker must have had.
pub(crate) fn intent_of(
    purpose: Purpose,
    decision_id: DecisionId,
    order: &OrderReport,
    now: Timestamp,
) -> Intent {
    let decided_at = order.submitted_at.unwrap_or(now);
    let quantity = order.quantity.unwrap_or(order.filled_quantity);
    Intent {
        round_id: String::new(),
        purpose,
        order: OrderRequest {
            client_order_id: decision_id.client_order_id(),
            symbol: order.symbol.clone(),
            side: order.side,
            closes: purpose != Purpose::Open,
            amount: order
                .notional
                .map_or(Amount::Quantity(quantity), Amount::Notional),
            time_in_force: TimeInForce::Gtc,
            kind: kind_with(&order.legs),
        },
        decision_id,
        decided_at,
        void_after: decided_at + TimeDelta::seconds(60),
        leg_of: None,
    }
}
