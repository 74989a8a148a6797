//! The one position per asset: flat, opening, held, closing, as orders begin and end.

use std::collections::BTreeSet;

use rawe_core::{AgentId, Direction, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::consensus::Consensus;
use crate::event::{Effect, Event, ObservedPosition};
use crate::rounds::{Held, Holding, Reversal};

impl Consensus {
    /// What orders and observations do to the position of an asset.
    pub(crate) fn apply_to_holding(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let (asset, effects) = match event {
            Event::OrderResumed {
                asset,
                purpose,
                direction,
                agreeing,
            } => {
                self.on_resumed(&asset, purpose, direction, agreeing, now);
                (asset, Vec::new())
            }
            Event::OrderRefused { asset, purpose } => {
                self.on_refused(&asset, purpose, now);
                (asset, Vec::new())
            }
            Event::OrderEnded {
                asset,
                purpose,
                filled,
                filled_at,
                position_left,
            } => {
                let filled_at = filled_at.map(|at| at.min(now));
                let effects = self.on_ended(&asset, purpose, filled, filled_at, position_left, now);
                (asset, effects)
            }
            Event::PositionObserved {
                asset,
                position,
                last_fill,
            } => {
                self.on_observed(&asset, position, last_fill);
                (asset, Vec::new())
            }
            _ => return Vec::new(),
        };
        self.watch(&asset);
        self.visit_later(&asset, now);
        effects
    }

    fn on_refused(&mut self, asset: &Symbol, purpose: Purpose, now: Timestamp) {
        let Some(state) = self.assets.get_mut(asset) else {
            return;
        };
        state.retry_after = Some(now + self.rules.retry_wait);
        match (&state.holding, purpose) {
            (Holding::Opening { .. }, Purpose::Open) => {
                state.holding = Holding::Flat;
                if let Some(at) = state.opening_since.take() {
                    self.openings.remove(&(at, asset.clone()));
                }
            }
            (Holding::Closing { held, .. }, Purpose::Close) => {
                state.holding = Holding::Held(held.clone());
            }
            _ => {}
        }
    }

    fn on_ended(
        &mut self,
        asset: &Symbol,
        purpose: Purpose,
        filled: Decimal,
        filled_at: Option<Timestamp>,
        position_left: bool,
        now: Timestamp,
    ) -> Vec<Effect> {
        if filled <= Decimal::ZERO && purpose != Purpose::Stop {
            self.on_refused(asset, purpose, now);
            return Vec::new();
        }
        let state = self.assets.of(asset);
        state.last_fill = state.last_fill.max(filled_at.or(Some(now)));
        match (std::mem::take(&mut state.holding), purpose) {
            (
                Holding::Opening {
                    direction,
                    agreeing,
                },
                Purpose::Open,
            ) => {
                let opened_at = filled_at.unwrap_or(now);
                state.alarmed.clear();
                state.holding = if position_left {
                    Holding::Held(Held {
                        direction,
                        opened_at,
                        agreeing,
                    })
                } else {
                    Holding::Flat
                };
                Vec::new()
            }
            (Holding::Closing { held, .. }, Purpose::Close) if position_left => {
                state.holding = Holding::Held(held);
                state.retry_after = Some(now + self.rules.retry_wait);
                Vec::new()
            }
            (Holding::Closing { reversal, .. }, Purpose::Close) => {
                reversal.map_or_else(Vec::new, |reversal| self.reverse(asset, *reversal, now))
            }
            (Holding::Held(held), Purpose::Close | Purpose::Stop) => {
                state.holding = if position_left {
                    Holding::Held(held)
                } else {
                    Holding::Flat
                };
                Vec::new()
            }
            (other, _) => {
                state.holding = other;
                Vec::new()
            }
        }
    }

    fn on_observed(
        &mut self,
        asset: &Symbol,
        position: Option<ObservedPosition>,
        last_fill: Option<Timestamp>,
    ) {
        let state = self.assets.of(asset);
        state.last_fill = state.last_fill.max(last_fill);
        if matches!(
            state.holding,
            Holding::Opening { .. } | Holding::Closing { .. }
        ) {
            return;
        }
        state.holding = match position {
            None => Holding::Flat,
            Some(position) if !position.ours => Holding::Foreign,
            Some(position) => Holding::Held(Held {
                direction: position.direction,
                opened_at: position.opened_at,
                agreeing: position.agreeing,
            }),
        };
    }

    fn on_resumed(
        &mut self,
        asset: &Symbol,
        purpose: Purpose,
        direction: Direction,
        agreeing: BTreeSet<AgentId>,
        now: Timestamp,
    ) {
        let state = self.assets.of(asset);
        match (std::mem::take(&mut state.holding), purpose) {
            // Part of the position is there already; the rest is on its way.
            (Holding::Flat | Holding::Held(_), Purpose::Open) => {
                self.begin_opening(asset, direction, agreeing, now);
            }
            (Holding::Held(held), Purpose::Close) => {
                state.holding = Holding::Closing {
                    held,
                    reversal: None,
                };
            }
            (other, _) => state.holding = other,
        }
    }

    /// Marks an asset as being opened.
    pub(crate) fn begin_opening(
        &mut self,
        asset: &Symbol,
        direction: Direction,
        agreeing: BTreeSet<AgentId>,
        now: Timestamp,
    ) {
        let state = self.assets.of(asset);
        state.holding = Holding::Opening {
            direction,
            agreeing,
        };
        state.opening_since = Some(now);
        self.openings.insert((now, asset.clone()));
    }

    /// Marks an asset as being closed.
    pub(crate) fn begin_closing(&mut self, asset: &Symbol, reversal: Option<Reversal>) {
        let Some(state) = self.assets.get_mut(asset) else {
            return;
        };
        if let Holding::Held(held) = &state.holding {
            let held = held.clone();
            state.holding = Holding::Closing {
                held,
                reversal: reversal.map(Box::new),
            };
            self.watch(asset);
        }
    }
}
