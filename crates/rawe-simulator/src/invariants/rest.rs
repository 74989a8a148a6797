//! I3 and I6: what must be true when the faults have stopped and time has passed.

use std::collections::BTreeMap;

use rawe_collective::Collective;
use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::journal::{JournalEntry, Resolution};
use rust_decimal::Decimal;

use crate::broker::{BrokerModel, Owner};
use crate::journal::JournalModel;
use crate::witness::Witness;

/// How far a fee in coin may be rounded differently, units.
const ROUNDING: Decimal = Decimal::from_parts(2, 0, 0, false, 9);
/// USD.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

impl Witness {
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

    pub(super) fn check_ends(&mut self, broker: &BrokerModel, journal: &JournalModel) {
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
    pub(super) fn check_resolutions(&mut self, broker: &BrokerModel) {
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

    pub(super) fn check_exposure(&mut self, collective: &Collective, broker: &BrokerModel) {
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
            // A correction may leave dust on the other side: less than a cent is no exposure.
            let slack = CENT.checked_div(broker.price(&symbol)).unwrap_or(ROUNDING);
            let slack = slack.max(ROUNDING);
            if off > slack || off_record > slack {
                let detail = format!(
                    "{symbol}: the broker has {} of ours, the books {}, the journal {recorded}",
                    standing.ours, line.quantity
                );
                self.fail("I3", detail);
                return;
            }
            if (line.foreign_quantity - standing.foreign).abs() > slack {
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
    pub(super) fn check_protection(
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
                .any(|order| order.owner == Owner::Ours && !order.held);
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
