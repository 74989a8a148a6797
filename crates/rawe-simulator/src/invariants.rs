//! What must hold after every step, each with the sentence of the design that asks for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_collective::Collective;
use rawe_consensus::quorum_directions;
use rawe_core::{
    AssetClass, ClientOrderId, Purpose, RoundOutcome, RoundRecord, RoundVote, Symbol, Timestamp,
};
use rawe_execution::broker::{Amount, OrderRequest, Side};
use rawe_execution::journal::{JournalEntry, Resolution};
use rawe_execution::{RiskLimits, TradingState};
use rust_decimal::Decimal;

use crate::broker::{BrokerModel, Owner};
use crate::journal::JournalModel;
use crate::witness::{Known, Post};
pub use crate::witness::{Violation, Witness};

/// The invariants and their sentences.
pub const INVARIANTS: [(&str, &str); 8] = [
    ("I1", "one order per decision id"),
    (
        "I2",
        "no order without a quorum in the journal, and none before its intent is there",
    ),
    ("I3", "exposure by the journal equals the broker's at rest"),
    (
        "I4",
        "no order while halted, closed, skewed or unreconciled",
    ),
    (
        "I5",
        "caps are never exceeded, in-flight and unknown orders included",
    ),
    (
        "I6",
        "every intent ends once faults stop, and every position has its stop or its end",
    ),
    ("I7", "received = applied + dropped by reason"),
    ("I8", "queues are bounded, and nothing spins"),
];

/// Prices by asset, oldest first.
pub type Prices = BTreeMap<Symbol, VecDeque<(Timestamp, Decimal)>>;

/// How long a view of the account may be believed: two intervals of a minute, and the slack of
/// slow answers.
const VIEW_AGE_MAX: TimeDelta = TimeDelta::seconds(150);
/// How far market hours may be misjudged by a clock within its limits.
const HOURS_SLACK: TimeDelta = TimeDelta::seconds(25);
/// How soon the operator's word has to be on record.
const RECORD_WITHIN: TimeDelta = TimeDelta::seconds(8);
/// How far a fee in coin may be rounded differently, units.
const ROUNDING: Decimal = Decimal::from_parts(2, 0, 0, false, 9);
/// How many sendings of one intent there may be.
const ATTEMPTS_MAX: u32 = 2;

impl Witness {
    /// An order leaves the engine.
    pub(crate) fn submits(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        journal: &JournalModel,
        prices: &Prices,
        now: Timestamp,
    ) {
        self.check_single_sending(order, now);
        self.check_intent(order, journal);
        let purpose = self
            .purpose(&order.client_order_id)
            .unwrap_or(Purpose::Open);
        self.check_state(order, purpose, now);
        self.check_hours(order, broker, now);
        self.check_view(order, purpose, broker, now);
        if purpose == Purpose::Open {
            self.check_caps(order, broker, prices, now);
            self.check_rates(order, broker, now);
        }
        self.sent.push(now);
    }

    /// I1: "resolved by lookup; the POST is sent again at most once, after a confirmed not-found".
    fn check_single_sending(&mut self, order: &OrderRequest, now: Timestamp) {
        let id = &order.client_order_id;
        let boot = self.boot;
        let Some(post) = self.posts.get_mut(id) else {
            let post = Post {
                at: now,
                known: Known::Nothing,
                attempts: 1,
                boot,
            };
            self.posts.insert(id.clone(), post);
            return;
        };
        let known = post.known;
        post.attempts = if post.boot == boot {
            post.attempts + 1
        } else {
            1
        };
        let attempts = post.attempts;
        (post.at, post.known, post.boot) = (now, Known::Nothing, boot);
        match known {
            Known::Refused | Known::NotFound if attempts <= ATTEMPTS_MAX => {
                self.coverage.add("orders_sent_again", 1);
            }
            Known::Refused | Known::NotFound => {
                self.fail(
                    "I1",
                    format!("{id} was sent {attempts} times for one intent"),
                );
            }
            Known::Nothing | Known::Taken => {
                let detail = format!("{id} was sent again when the broker {known:?} of it");
                self.fail("I1", detail);
            }
        }
    }

    /// I2: "the intent is committed before the first byte leaves"; an opening's round is there too.
    fn check_intent(&mut self, order: &OrderRequest, journal: &JournalModel) {
        let id = &order.client_order_id;
        let Some(intent) = self.intents.get(id) else {
            self.fail(
                "I2",
                format!("{id} was sent without an intent in the journal"),
            );
            return;
        };
        if intent.order != *order {
            let detail = format!(
                "{id} was sent as {order:?}, on record is {:?}",
                intent.order
            );
            self.fail("I2", detail);
            return;
        }
        let on_disk = journal.durable.iter().rev().any(
            |entry| matches!(entry, JournalEntry::Intent(i) if i.order.client_order_id == *id),
        );
        if !on_disk {
            self.fail(
                "I2",
                format!("{id} was sent, and the disk does not have its intent"),
            );
            return;
        }
        if intent.purpose == Purpose::Open && !self.rounds.contains_key(&intent.round_id) {
            let round = intent.round_id.clone();
            self.fail(
                "I2",
                format!("{id} opens, and its round {round} is not on record"),
            );
        }
    }

    /// I2: "survives kill -9": every order of ours that the broker has is on record at a start.
    pub(crate) fn check_on_record(&mut self, history: &[JournalEntry], broker: &BrokerModel) {
        if self.journal_was_lost {
            return;
        }
        let known: BTreeSet<&str> = history
            .iter()
            .filter_map(|entry| match entry {
                JournalEntry::Intent(intent) => Some(intent.order.client_order_id.as_str()),
                _ => None,
            })
            .collect();
        let unknown = broker
            .orders
            .iter()
            .find(|order| order.owner == Owner::Ours && !known.contains(order.client_id.as_str()));
        if let Some(order) = unknown {
            let detail = format!("the journal of a start does not know {}", order.client_id);
            self.fail("I2", detail);
        }
    }

    /// I2: K distinct agents of the roster, votes really cast, within the window. And: "losing,
    /// duplicating, delaying or reordering can only remove quorums": whatever counted as a quorum
    /// is one of all that was ever said.
    pub(crate) fn check_round(
        &mut self,
        round: &RoundRecord,
        voted: &BTreeMap<Symbol, Vec<RoundVote>>,
    ) {
        let had_none = matches!(
            round.outcome,
            RoundOutcome::NoQuorum | RoundOutcome::Conflict | RoundOutcome::TooFewAlive
        );
        // Exits without a round have no votes: stances, stops and the operator decide them.
        let by_vote = !round.votes.is_empty() || round.purpose == Some(Purpose::Open);
        let Some(direction) = round.direction.filter(|_| !had_none && by_vote) else {
            return;
        };
        let quorum = self.settings.rules.quorum();
        let agreeing: Vec<RoundVote> = round
            .votes
            .iter()
            .filter(|vote| vote.direction == direction)
            .cloned()
            .collect();
        let agents: BTreeSet<&str> = agreeing.iter().map(|vote| vote.agent.as_str()).collect();
        let id = &round.round_id;
        if agents.len() < quorum {
            let detail = format!("{id} {} with {} agents", round.outcome, agents.len());
            self.fail("I2", detail);
            return;
        }
        if !quorum_directions(&agreeing, quorum, self.window).contains(&direction) {
            self.fail("I2", format!("{id}: its votes do not fall within a window"));
            return;
        }
        let all = voted
            .get(&round.asset)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for vote in &agreeing {
            let said = all.iter().rev().any(|said| {
                said.agent == vote.agent
                    && said.direction == vote.direction
                    && said.timestamp == vote.timestamp
            });
            if !said {
                let detail = format!(
                    "{id} counts a vote of {} at {} that was never cast",
                    vote.agent, vote.timestamp
                );
                self.fail("I2", detail);
                return;
            }
        }
    }

    /// I4: "no order while halted"; reducing, only what shrinks.
    fn check_state(&mut self, order: &OrderRequest, purpose: Purpose, now: Timestamp) {
        let _ = now;
        let id = &order.client_order_id;
        if self.heard.journal_broken {
            self.fail(
                "I4",
                format!("{id} was sent although the journal had failed"),
            );
            return;
        }
        for (source, (state, _)) in &self.controls {
            let refused = match state {
                TradingState::Active => false,
                TradingState::Reducing => purpose == Purpose::Open,
                TradingState::Halted => true,
            };
            if refused {
                let detail = format!("{id} ({purpose}) was sent although {source} says {state:?}");
                self.fail("I4", detail);
                return;
            }
        }
    }

    /// I4: "no order while closed".
    fn check_hours(&mut self, order: &OrderRequest, broker: &BrokerModel, now: Timestamp) {
        if order.symbol.class() == AssetClass::Crypto {
            return;
        }
        let open = [now - HOURS_SLACK, now, now + HOURS_SLACK]
            .into_iter()
            .any(|instant| broker.session_open(instant));
        if !open {
            let detail = format!(
                "{} was sent while the market is closed",
                order.client_order_id
            );
            self.fail("I4", detail);
        }
    }

    /// I4: "no order while unreconciled" or skewed. Start: account, positions, open orders and
    /// clock read, every intent resolved. Later: a view of the account that is not too old.
    fn check_view(
        &mut self,
        order: &OrderRequest,
        purpose: Purpose,
        broker: &BrokerModel,
        now: Timestamp,
    ) {
        let heard = &self.heard;
        let id = &order.client_order_id;
        let missing = [
            (heard.account, "account"),
            (heard.clock.is_some(), "clock"),
            (heard.positions.is_some(), "positions"),
            (heard.open_orders, "open orders"),
        ];
        if let Some((_, what)) = missing.iter().find(|(there, _)| !there) {
            self.fail(
                "I4",
                format!("{id} was sent before the {what} had been read"),
            );
            return;
        }
        if let Some(open) = heard.open_intents.iter().find(|open| *open != id) {
            let detail = format!("{id} was sent before the intent {open} was resolved");
            self.fail("I4", detail);
            return;
        }
        if purpose != Purpose::Open {
            return;
        }
        // The engine counts whole seconds.
        let limit = (RiskLimits::CLOCK_SKEW_SECS_MAX + 1) * 1_000;
        let skewed = |ms: i64| ms.abs() > limit;
        if heard.clock.is_some_and(skewed) && skewed(broker.skew.num_milliseconds()) {
            let skew = heard.clock.unwrap_or_default();
            self.fail(
                "I4",
                format!("{id} opens although the clocks are {skew} ms apart"),
            );
            return;
        }
        if heard.positions.is_none_or(|at| now - at > VIEW_AGE_MAX) {
            self.fail(
                "I4",
                format!("{id} opens on a view of the account that is too old"),
            );
        }
    }

    /// I5: "caps never exceeded, in-flight and Unknown included". Valued at the prices of the last
    /// minutes that are kindest to the engine, so that a moving price is no violation.
    fn check_caps(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        prices: &Prices,
        now: Timestamp,
    ) {
        let exposures = self.exposures(order, broker, prices, now);
        let limits = &self.settings.desk.limits;
        let over = |usd: Decimal, cap: Decimal| usd > cap * Decimal::new(1_001, 3) + Decimal::ONE;
        let (lowest, _) = price_span(prices, &order.symbol);
        let own = match order.amount {
            Amount::Notional(notional) => notional,
            Amount::Quantity(quantity) => quantity * lowest,
        };
        let asset = exposures.get(&order.symbol).copied().unwrap_or_default();
        let gross: Decimal = exposures.values().map(|e| e.long_low + e.short_low).sum();
        let mut net_long = Decimal::ZERO;
        let mut net_short = Decimal::ZERO;
        for e in exposures.values() {
            net_long += e.long_low - e.short_high;
            net_short += e.short_low - e.long_high;
        }
        let asset = (asset.long_low - asset.short_high).max(asset.short_low - asset.long_high);
        let id = &order.client_order_id;
        let found = [
            ("order", own, limits.order_notional_max),
            ("asset", asset, limits.asset_notional_max),
            ("gross", gross, limits.gross_notional_max),
            ("net", net_long.max(net_short), limits.net_notional_max),
        ]
        .into_iter()
        .find(|(_, usd, cap)| over(*usd, *cap));
        if let Some((which, usd, cap)) = found {
            let detail = format!("{id} makes the {which} exposure {usd}, the cap is {cap}");
            self.fail("I5", detail);
        }
    }

    fn exposures(
        &self,
        order: &OrderRequest,
        broker: &BrokerModel,
        prices: &Prices,
        now: Timestamp,
    ) -> BTreeMap<Symbol, Exposure> {
        let mut all: BTreeMap<Symbol, Exposure> = BTreeMap::new();
        for (symbol, standing) in &broker.standings {
            // What somebody else has just done, the engine cannot know yet.
            let fresh = self
                .foreign
                .get(symbol)
                .is_some_and(|at| now - *at < VIEW_AGE_MAX * 2);
            let units = if fresh {
                standing.ours
            } else {
                standing.total()
            };
            all.entry(symbol.clone())
                .or_default()
                .add(units, price_span(prices, symbol));
        }
        let mut pending: Vec<&OrderRequest> = Vec::new();
        for held in &broker.orders {
            if held.owner != Owner::Ours || held.status.is_terminal() {
                continue;
            }
            if self.purpose(&held.request.client_order_id) == Some(Purpose::Open) {
                let span = price_span(prices, &held.request.symbol);
                let usd = held.remaining_notional(span.0);
                let buys = held.request.side == Side::Buy;
                let exposure = all.entry(held.request.symbol.clone()).or_default();
                exposure.add_usd(usd, buys);
            }
        }
        // Sent, not at the broker, and nothing known of it: it may still arrive.
        for (id, post) in &self.posts {
            let open = post.known == Known::Nothing && post.boot == self.boot;
            if open && *id != order.client_order_id && broker.by_client_id(id.as_str()).is_none() {
                let intent = self.intents.get(id).filter(|i| i.purpose == Purpose::Open);
                pending.extend(intent.map(|intent| &intent.order));
            }
        }
        pending.push(order);
        for order in pending {
            let usd = match order.amount {
                Amount::Notional(notional) => notional,
                Amount::Quantity(quantity) => quantity * price_span(prices, &order.symbol).0,
            };
            let exposure = all.entry(order.symbol.clone()).or_default();
            exposure.add_usd(usd, order.side == Side::Buy);
        }
        all
    }

    /// I5: openings an hour, orders a minute.
    fn check_rates(&mut self, order: &OrderRequest, broker: &BrokerModel, now: Timestamp) {
        let id = &order.client_order_id;
        self.sent.retain(|at| now - *at < TimeDelta::minutes(1));
        let limit = self.settings.desk.limits.orders_per_minute_max as usize;
        if self.sent.len() >= limit && self.posts.get(id).is_some_and(|post| post.attempts == 1) {
            let sent = self.sent.len();
            self.fail(
                "I5",
                format!("{id} opens after {sent} orders in a minute, {limit} may be"),
            );
            return;
        }
        // Sent again, it is the opening of before.
        let again = self.posts.get(id).is_some_and(|post| post.attempts > 1);
        self.openings
            .retain(|(at, other)| now - *at < TimeDelta::hours(1) && (other != id || again));
        let real = |other: &ClientOrderId| {
            broker
                .by_client_id(other.as_str())
                .is_some_and(|order| !order.status.is_terminal() || !order.filled.is_zero())
        };
        let opened = self
            .openings
            .iter()
            .filter(|(_, other)| other != id && real(other))
            .count();
        let limit = self.settings.desk.new_positions_per_hour;
        if opened >= limit {
            let detail = format!("{id} is opening {} of the hour, {limit} may be", opened + 1);
            self.fail("I5", detail);
        }
        if !again {
            self.openings.push((now, id.clone()));
        }
    }

    /// I1: at the broker, at most one order of an asset and purpose works at a time, and a round
    /// opens at most once.
    pub(crate) fn taken(&mut self, order: &OrderRequest, broker: &BrokerModel, now: Timestamp) {
        let _ = now;
        let id = &order.client_order_id;
        let Some(intent) = self.intents.get(id) else {
            self.fail("I2", format!("the broker has {id}, the journal has not"));
            return;
        };
        let (purpose, round) = (intent.purpose, intent.round_id.clone());
        let others: Vec<&crate::broker::Order> = broker
            .orders
            .iter()
            .filter(|other| other.owner == Owner::Ours && other.client_id != id.as_str())
            .collect();
        let same = others.iter().find(|other| {
            !other.status.is_terminal()
                && other.request.symbol == order.symbol
                && self.purpose(&other.request.client_order_id) == Some(purpose)
        });
        if let Some(other) = same {
            let detail = format!(
                "{id} and {} both {purpose} {}",
                other.client_id, order.symbol
            );
            self.fail("I1", detail);
            return;
        }
        let again = others.iter().find(|other| {
            purpose == Purpose::Open
                && self
                    .intents
                    .get(&other.request.client_order_id)
                    .is_some_and(|i| i.purpose == Purpose::Open && i.round_id == round)
        });
        if let Some(other) = again {
            self.fail(
                "I1",
                format!("{id} and {} are of one round, {round}", other.client_id),
            );
        }
    }

    /// "Positions and orders we did not create are never touched."
    pub(crate) fn cancels(&mut self, broker_order_id: &str, broker: &BrokerModel) {
        let theirs = broker
            .orders
            .iter()
            .any(|order| order.id == broker_order_id && order.owner == Owner::Foreign);
        if theirs {
            self.fail(
                "I3",
                format!("{broker_order_id} is not ours and was cancelled"),
            );
        }
    }

    /// After every step.
    pub(crate) fn look(&mut self, broker: &BrokerModel, _journal: &JournalModel, now: Timestamp) {
        self.looks += 1;
        if let Some(flaw) = broker.faults.get(self.flaws_seen) {
            let flaw = flaw.clone();
            self.flaws_seen += 1;
            self.fail(
                "I3",
                format!("an order flipped a position or sold another's: {flaw}"),
            );
        }
        if let Some((at, source, state)) = self.unrecorded.first()
            && self.journal_failed.is_none()
            && *state != TradingState::Active
            && now - *at > RECORD_WITHIN
        {
            let detail = format!("{source} said {state:?} at {at}, and it is not on record");
            self.fail("I4", detail);
        }
    }

    /// I7 and I8, after every input.
    pub(crate) fn counts(&mut self, collective: Option<&Collective>, queued: usize) {
        let Some(collective) = collective else {
            return;
        };
        if queued > 2_000 || collective.signals_waiting() > 20_000 {
            self.fail("I8", format!("{queued} batches wait for the journal"));
        }
        if collective.consensus().assets_remembered() > 64 {
            self.fail("I8", "more assets are remembered than there are".to_owned());
        }
        if self.looks % 32 == 0 {
            self.check_counts(collective);
        }
    }

    fn check_counts(&mut self, collective: &Collective) {
        let counts = collective.counts();
        let waiting = collective.signals_waiting() as u64;
        let told = self.heard.messages;
        let decided = counts.admission.applied + counts.refused();
        if counts.received() + waiting != told || decided != counts.received() {
            let detail = format!(
                "{told} messages came in; {} received, {} applied, {} refused, {waiting} wait",
                counts.received(),
                counts.admission.applied,
                counts.refused()
            );
            self.fail("I7", detail);
        }
    }

    /// The faults have stopped and time has passed: I3, I6 and I7.
    pub(crate) fn at_rest(
        &mut self,
        collective: &Collective,
        broker: &BrokerModel,
        journal: &JournalModel,
        now: Timestamp,
        resumed: bool,
    ) {
        self.check_counts(collective);
        self.check_ends(broker, journal);
        let (state, why) = collective.state();
        if resumed && state != TradingState::Active {
            self.fail("I6", format!("resumed, and still {state:?}: {why}"));
        }
        if !collective.is_settled() {
            self.fail(
                "I6",
                "something is still under way long after the faults".to_owned(),
            );
        }
        if !self.journal_was_lost {
            self.check_exposure(collective, broker);
            self.check_protection(collective, broker, now, state);
        }
        self.coverage.add("rests", 1);
    }

    fn check_ends(&mut self, broker: &BrokerModel, journal: &JournalModel) {
        let mut open: BTreeMap<&str, &rawe_execution::journal::Intent> = BTreeMap::new();
        for entry in &journal.durable {
            match entry {
                JournalEntry::Intent(intent) => {
                    open.insert(intent.order.client_order_id.as_str(), intent);
                }
                JournalEntry::Resolved {
                    client_order_id, ..
                } => {
                    open.remove(client_order_id.as_str());
                }
                _ => {}
            }
        }
        for (id, intent) in open {
            let works = broker
                .by_client_id(id)
                .is_some_and(|order| !order.status.is_terminal());
            if !works {
                let detail = format!("the intent {id} ({}) never ended", intent.purpose);
                self.fail("I6", detail);
                return;
            }
        }
        self.check_resolutions(broker);
    }

    /// I3: what the journal says of an order's end is what the broker says.
    fn check_resolutions(&mut self, broker: &BrokerModel) {
        let mut wrong = None;
        for (id, resolution) in &self.resolved {
            let order = broker.by_client_id(id.as_str());
            let filled = order.map_or(Decimal::ZERO, |order| order.filled);
            let believed = match resolution {
                Resolution::Terminal(report) => report.filled_quantity,
                Resolution::Rejected { .. } | Resolution::NeverSent { .. } => Decimal::ZERO,
            };
            if filled != believed || order.is_some_and(|order| !order.status.is_terminal()) {
                wrong = Some(format!(
                    "{id} is {resolution:?}, at the broker it filled {filled}"
                ));
            }
        }
        if let Some(detail) = wrong.filter(|_| !self.journal_was_lost) {
            self.fail("I3", detail);
        }
    }

    fn check_exposure(&mut self, collective: &Collective, broker: &BrokerModel) {
        let books = collective.desk().books();
        let symbols: Vec<Symbol> = broker.assets.keys().cloned().collect();
        for symbol in symbols {
            let standing = broker.standing(&symbol);
            let line = books.line(&symbol).cloned().unwrap_or_default();
            let recorded = self
                .positions
                .get(&symbol)
                .map_or(Decimal::ZERO, |record| record.quantity);
            let off = (line.quantity - standing.ours).abs();
            let off_record = (recorded - standing.ours).abs();
            if off > ROUNDING || off_record > ROUNDING {
                let detail = format!(
                    "{symbol}: the broker has {} of ours, the books {}, the journal {recorded}",
                    standing.ours, line.quantity
                );
                self.fail("I3", detail);
                return;
            }
            if (line.foreign_quantity - standing.foreign).abs() > ROUNDING {
                let detail = format!(
                    "{symbol}: others hold {}, the books say {}",
                    standing.foreign, line.foreign_quantity
                );
                self.fail("I3", detail);
                return;
            }
        }
    }

    /// I6: every position has its stop or its end.
    fn check_protection(
        &mut self,
        collective: &Collective,
        broker: &BrokerModel,
        now: Timestamp,
        state: TradingState,
    ) {
        if state == TradingState::Halted {
            return;
        }
        for (symbol, line) in collective.desk().books().lines() {
            let worth = line.quantity.abs() * broker.price(symbol);
            let open = symbol.class() == AssetClass::Crypto || broker.session_open(now);
            if worth < Decimal::from(2) || !open {
                continue;
            }
            let ending = broker
                .open_orders(symbol)
                .any(|order| order.owner == Owner::Ours);
            if line.stop_price.is_none() && !ending {
                let detail = format!("{symbol} holds {} without a stop", line.quantity);
                self.fail("I6", detail);
                return;
            }
            if ending {
                self.coverage.add("positions_protected_at_broker", 1);
            } else {
                self.coverage.add("positions_watched", 1);
            }
        }
    }
}

/// What an asset may be worth, USD, at the kindest and unkindest price of the last minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Exposure {
    long_low: Decimal,
    long_high: Decimal,
    short_low: Decimal,
    short_high: Decimal,
}

impl Exposure {
    fn add(&mut self, units: Decimal, (low, high): (Decimal, Decimal)) {
        let size = units.abs();
        if units.is_sign_negative() {
            self.short_low += size * low;
            self.short_high += size * high;
        } else {
            self.long_low += size * low;
            self.long_high += size * high;
        }
    }

    fn add_usd(&mut self, usd: Decimal, buys: bool) {
        if buys {
            self.long_low += usd;
            self.long_high += usd;
        } else {
            self.short_low += usd;
            self.short_high += usd;
        }
    }
}

fn price_span(prices: &Prices, symbol: &Symbol) -> (Decimal, Decimal) {
    let kept = || {
        prices
            .get(symbol)
            .into_iter()
            .flatten()
            .map(|(_, price)| *price)
    };
    let low = kept().min().unwrap_or_default();
    (low, kept().max().unwrap_or_default())
}
