//! Who acts of their own will: the agents and the bus that carries them, the operator, somebody
//! else with the same account; and what breaks for a while.

use chrono::TimeDelta;
use rawe_collective::Input;
use rawe_core::{ClientOrderId, Symbol};
use rawe_execution::TradingState;
use rawe_execution::broker::{Amount, OrderKind, OrderRequest, Side, TimeInForce};
use rawe_execution::desk::{Control, ControlSource};
use rust_decimal::Decimal;

use super::{Happening, World};
use crate::broker::Owner;

/// How long it may take until the engine has read what others have closed, with answers missing.
const READING_MAX: TimeDelta = TimeDelta::minutes(5);

impl World {
    /// Agents scan, and the bus carries what they say.
    pub(crate) fn scan(&mut self) {
        if self.is_calm() {
            return;
        }
        let scan = self.plan.scan;
        let (said, stances) = self.agents.scan(self.now, scan, &self.faults);
        let gap = self.bus.chance(self.faults.bus_gap);
        let gap_for = Self::soon(&mut self.bus, 500, 20_000);
        let gap_from = self.now + Self::soon(&mut self.bus, 0, 3_000);
        for word in said {
            let on_time = word.at - self.now;
            if gap && word.at >= gap_from && word.at <= gap_from + gap_for {
                self.coverage.add("votes_lost_in_gap", 1);
                continue;
            }
            if self.bus.chance(self.faults.vote_lost) {
                self.coverage.add("votes_lost", 1);
                continue;
            }
            let copies = if self.bus.chance(self.faults.vote_repeated) {
                3
            } else {
                1
            };
            for _ in 0..copies {
                let late = self.bus.chance(self.faults.vote_delayed);
                let (low, high) = if late { (500, 30_000) } else { (0, 20) };
                let after = on_time + Self::soon(&mut self.bus, low, high);
                let boot = self.boot;
                self.tell_later(boot, after, Input::Message(word.payload.clone()));
            }
        }
        if gap {
            self.coverage.add("bus_gaps", 1);
            let (from, through) = (gap_from, gap_from + gap_for);
            let boot = self.boot;
            self.tell_later(boot, through - self.now, Input::BusGap { from, through });
        }
        for message in stances {
            if self.bus.chance(self.faults.stances_lost) {
                continue;
            }
            let after = message.timestamp - self.now + Self::soon(&mut self.bus, 0, 20);
            let boot = self.boot;
            self.tell_later(boot, after, Input::Stances(message));
        }
        self.at(scan, Happening::Scan);
    }

    /// Heartbeats reach the engine; now and then something breaks for a while.
    pub(crate) fn beat(&mut self) {
        if !self.is_calm() {
            if self.fate.chance(self.faults.agent_dies) {
                self.coverage.add("agents_died", 1);
                self.agents.kill_one(self.now);
            }
            if self.net.chance(self.faults.outage * 0.1) {
                self.coverage.add("outages", 1);
                self.outage_until = Some(self.now + Self::soon(&mut self.net, 1_000, 180_000));
            }
            if self.disk.chance(self.faults.journal_fails * 0.2) {
                let long = Self::soon(&mut self.disk, 100, 60_000);
                self.journal.fails_until = Some(self.now + long);
            }
            if self.net.chance(self.faults.account_blocked) {
                self.broker.blocked = !self.broker.blocked;
            }
        }
        // An engine that cannot write its journal is restarted by somebody, sooner or later.
        if self.needs_restart && self.person.chance(0.05) {
            self.kill(usize::MAX);
        }
        let alive = self.agents.alive(self.now);
        self.tell(Input::Alive(alive));
        self.at(TimeDelta::seconds(10), Happening::Beat);
    }

    fn control(&mut self, source: ControlSource, state: TradingState, flatten: bool) {
        let after = Self::soon(&mut self.person, 1, 900);
        if source == ControlSource::File {
            self.halt_file = state != TradingState::Active;
        }
        if state != TradingState::Active && !self.said.contains(&source) {
            self.said.push(source);
        }
        let control = Control {
            source,
            state,
            flatten,
            reason: "the simulated operator".to_owned(),
        };
        let boot = self.boot;
        self.tell_later(boot, after, Input::Control(control));
    }

    /// The operator halts, reduces, flattens or resumes.
    pub(crate) fn operator(&mut self) {
        if !self.is_calm() {
            if self.person.chance(self.faults.operator) {
                match self.person.between(0, 9) {
                    0 => self.control(ControlSource::Bus, TradingState::Halted, false),
                    1 => self.control(ControlSource::File, TradingState::Halted, false),
                    2 => self.control(ControlSource::Signal, TradingState::Halted, false),
                    3 => self.control(ControlSource::Bus, TradingState::Reducing, false),
                    4 => self.control(ControlSource::Bus, TradingState::Reducing, true),
                    _ => self.resume_all(),
                }
            }
            let after = Self::soon(&mut self.person, 20_000, 60_000);
            self.at(after, Happening::Operator);
        }
    }

    /// The operator takes back everything that was said, as soon as somebody can hear it.
    pub(crate) fn resume_all(&mut self) {
        self.halt_file = false;
        if self.engine.is_none() {
            self.at(TimeDelta::seconds(7), Happening::Resume);
            return;
        }
        let mut sources = std::mem::take(&mut self.said);
        // The file is gone, whoever noticed that it was there; the bus takes back a signal.
        for source in [ControlSource::Bus, ControlSource::File] {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        for source in sources {
            let control = Control {
                source,
                state: TradingState::Active,
                flatten: false,
                reason: "the simulated operator resumes".to_owned(),
            };
            let boot = self.boot;
            let after = TimeDelta::milliseconds(300);
            self.tell_later(boot, after, Input::Control(control));
        }
    }

    pub(crate) fn foreign_at_start(&mut self) {
        if !self.person.chance(self.faults.foreign * 2.0) {
            return;
        }
        let symbols: Vec<Symbol> = self.broker.assets.keys().cloned().collect();
        let symbols: Vec<Symbol> = symbols
            .into_iter()
            .filter(|symbol| !self.broker.fees_later || !symbol.as_str().contains('/'))
            .collect();
        if let Some(symbol) = self.person.pick(&symbols).cloned() {
            let standing = self.broker.standings.entry(symbol).or_default();
            standing.foreign = Decimal::from(self.person.between(1, 20));
            standing.cost = standing.foreign;
            self.broker.publish_positions();
        }
    }

    /// Somebody else buys, sells what is theirs, or closes what is ours.
    pub(crate) fn foreign(&mut self) {
        if self.is_calm() {
            return;
        }
        if self.person.chance(self.faults.foreign) {
            self.foreign_trade();
        }
        if self.person.chance(self.faults.foreign_closes) {
            self.foreign_close();
        }
        let after = Self::soon(&mut self.person, 30_000, 120_000);
        self.at(after, Happening::Foreign);
    }

    fn foreign_trade(&mut self) {
        let symbols: Vec<Symbol> = self.broker.assets.keys().cloned().collect();
        let Some(symbol) = self.person.pick(&symbols).cloned() else {
            return;
        };
        if self.broker.fees_later && symbol.as_str().contains('/') {
            // Whose coins pay a fee that comes later, nobody can tell.
            return;
        }
        let closed = self.closed_by_others.get(&symbol);
        if closed.is_some_and(|at| self.now - *at < READING_MAX) {
            // Closed and bought anew between two readings, with the news of both lost, looks like
            // closed in part: nobody can tell.
            return;
        }
        let standing = self.broker.standing(&symbol);
        if standing.foreign > Decimal::ZERO {
            self.foreign_order(&symbol, Side::Sell, standing.foreign);
        } else if standing.ours >= Decimal::ZERO && standing.foreign.is_zero() {
            let price = self.broker.price(&symbol).max(Decimal::new(1, 2));
            let units = (Decimal::from(500) / price).trunc().max(Decimal::ONE);
            self.foreign_order(&symbol, Side::Buy, units);
        }
    }

    fn foreign_close(&mut self) {
        let ours: Vec<(Symbol, Decimal)> = self
            .broker
            .standings
            .iter()
            .filter(|(_, standing)| !standing.ours.is_zero() && standing.foreign.is_zero())
            .map(|(symbol, standing)| (symbol.clone(), standing.ours))
            .collect();
        let Some((symbol, quantity)) = self.person.pick(&ours).cloned() else {
            return;
        };
        let side = if quantity.is_sign_negative() {
            Side::Buy
        } else {
            Side::Sell
        };
        if self.foreign_order(&symbol, side, quantity.abs()) {
            self.closed_by_others.insert(symbol, self.now);
            self.coverage.add("positions_closed_by_others", 1);
        }
    }

    fn foreign_order(&mut self, symbol: &Symbol, side: Side, quantity: Decimal) -> bool {
        // Only the text of the id matters, and that it is not one of ours.
        let Some(id) = ClientOrderId::parse_ours("rawe-foreign") else {
            return false;
        };
        let whole = quantity.fract().is_zero();
        let crypto = symbol.as_str().contains('/');
        let request = OrderRequest {
            client_order_id: id,
            symbol: symbol.clone(),
            side,
            closes: false,
            amount: Amount::Quantity(quantity),
            time_in_force: if crypto || whole {
                TimeInForce::Gtc
            } else {
                TimeInForce::Day
            },
            kind: OrderKind::Market,
        };
        let client_id = format!("manual-{}", self.broker.orders.len());
        match self
            .broker
            .submit(&request, &client_id, Owner::Foreign, self.now)
        {
            Ok(place) => {
                self.coverage.add("foreign_orders", 1);
                self.witness.foreign_acts(symbol, self.now);
                self.order_taken(place);
                true
            }
            Err(_) => false,
        }
    }
}
