//! Replays: the votes of an instant are weighed together, in one fixed order, once the broker has
//! said what it knows of every asset they name and whether the market is open. So two runs decide
//! the same, whatever the order in which messages and answers came.

use std::collections::BTreeSet;
use std::time::Duration;

use rawe_consensus::{Event, Universe};
use rawe_core::{AssetClass, Symbol};
use rawe_execution::desk::{DeskEvent, Question};

use crate::collective::{Collective, Turn};
use crate::event::Output;
use crate::intake::Received;

/// An instant being weighed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weighing {
    signals: Vec<Received>,
    /// Assets the broker has been asked about.
    pub(crate) unknown: BTreeSet<Symbol>,
    /// Whether the broker's clock has been asked.
    pub(crate) hours_asked: bool,
    /// Whether it has answered, if only that it cannot be asked.
    pub(crate) hours_answered: bool,
}

impl Collective {
    /// Everything of the instant is in.
    pub(crate) fn on_instant_complete(&mut self, turn: &mut Turn) {
        let mut stances = std::mem::take(&mut self.held_stances);
        stances.sort_by(|a, b| (a.timestamp, &a.agent.id).cmp(&(b.timestamp, &b.agent.id)));
        for message in stances {
            self.tell_consensus(Event::Stances(message), turn);
        }
        let mut signals = std::mem::take(&mut self.known.held);
        signals.sort_by_cached_key(Received::order);
        let unknown: BTreeSet<Symbol> = signals
            .iter()
            .map(|received| &received.signal.financial_asset)
            .filter(|symbol| !self.known.assets.contains_key(*symbol))
            .cloned()
            .collect();
        self.weighing = Some(Weighing {
            signals,
            unknown: unknown.clone(),
            ..Weighing::default()
        });
        for symbol in unknown {
            self.tell_desk(DeskEvent::AssetWanted(symbol), turn);
        }
    }

    /// Goes on with the instant once all that it needs is known.
    pub(crate) fn weigh(&mut self, turn: &mut Turn) {
        let hours_known = self.hours.is_some_and(|hours| turn.now < hours.until);
        let stocks = self
            .known
            .assets
            .keys()
            .any(|symbol| symbol.class() == AssetClass::UsEquity);
        let Some(weighing) = &mut self.weighing else {
            return;
        };
        if !weighing.unknown.is_empty() {
            return;
        }
        if stocks && !hours_known && !weighing.hours_answered {
            if !weighing.hours_asked {
                weighing.hours_asked = true;
                turn.outputs.push(Output::Ask {
                    question: Question::Clock,
                    after: Duration::ZERO,
                });
            }
            return;
        }
        let signals = std::mem::take(&mut weighing.signals);
        self.weighing = None;
        for received in signals {
            let symbol = &received.signal.financial_asset;
            let universe = self.known.assets.get(symbol).copied();
            self.admit(received, universe.unwrap_or(Universe::Outside), turn);
        }
        self.tell_consensus(Event::InstantComplete, turn);
        self.tell_desk(DeskEvent::Tick, turn);
        self.say_unsaid(turn);
    }
}
