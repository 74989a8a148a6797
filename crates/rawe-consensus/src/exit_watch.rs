//! Which positions have to be looked at, and when. Only those to which something happened, or for
//! which time alone may have changed something, are: a tick costs nothing for all others.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{StanceMessage, Symbol, Timestamp};

use crate::consensus::Consensus;
use crate::rounds::Holding;

/// One timer per asset.
#[derive(Clone, Debug, Default)]
struct Timers {
    by_time: BTreeSet<(Timestamp, Symbol)>,
    by_asset: BTreeMap<Symbol, Timestamp>,
}

impl Timers {
    fn set(&mut self, asset: &Symbol, at: Option<Timestamp>) {
        let known = self.by_asset.get(asset).copied();
        if known == at {
            return;
        }
        if let Some(known) = known {
            self.by_time.remove(&(known, asset.clone()));
            self.by_asset.remove(asset);
        }
        if let Some(at) = at {
            self.by_time.insert((at, asset.clone()));
            self.by_asset.insert(asset.clone(), at);
        }
    }

    fn through(&self, now: Timestamp) -> impl Iterator<Item = &Symbol> {
        let due = self.by_time.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, asset)| asset)
    }
}

/// The positions held, and when to look at them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExitWatch {
    held: BTreeSet<Symbol>,
    /// Something that bears on their exits has happened since they were last looked at.
    changed: BTreeSet<Symbol>,
    /// When time alone may change what is to be done; never too late.
    looks: Timers,
    /// When a soft exit that only waits for time is due.
    dues: Timers,
}

impl ExitWatch {
    /// Says that every position has to be looked at again.
    pub(crate) fn mark_all(&mut self) {
        self.changed.clone_from(&self.held);
    }

    /// The positions to look at, in the order of their symbols.
    pub(crate) fn to_look_at(&self, now: Timestamp, all: bool) -> BTreeSet<Symbol> {
        if all {
            return self.held.clone();
        }
        let mut wanted = self.changed.clone();
        wanted.extend(self.looks.through(now).cloned());
        wanted
    }

    /// The next instant after `now` at which a soft exit is due.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let dues = self.dues.by_time.iter().map(|(at, _)| *at);
        dues.into_iter().find(|at| *at > now)
    }

    fn forget(&mut self, asset: &Symbol) {
        self.held.remove(asset);
        self.changed.remove(asset);
        self.looks.set(asset, None);
        self.dues.set(asset, None);
    }
}

impl Consensus {
    /// Takes note that what is held of an asset may have changed.
    pub(crate) fn watch(&mut self, asset: &Symbol) {
        let state = self.assets.get(asset);
        if state.is_some_and(|state| matches!(state.holding, Holding::Held(_))) {
            self.exits.held.insert(asset.clone());
            self.exits.changed.insert(asset.clone());
            self.set_exit_timers(asset);
        } else if self.exits.held.contains(asset) {
            self.exits.forget(asset);
        }
    }

    /// Takes note of stances. `spoke` says whether enough agents had spoken before them.
    pub(crate) fn watch_stances(&mut self, message: &StanceMessage, spoke: bool) {
        if spoke != self.enough_speak() {
            self.watch_all();
            return;
        }
        if self.exits.held.is_empty() {
            return;
        }
        for stance in &message.stances {
            if self.exits.held.contains(&stance.asset) {
                self.watch(&stance.asset);
            }
        }
    }

    /// Takes note that something changed that bears on every position.
    pub(crate) fn watch_all(&mut self) {
        for asset in self.exits.held.clone() {
            self.watch(&asset);
        }
    }

    /// A position has just been looked at.
    pub(crate) fn looked_at(&mut self, asset: &Symbol) {
        self.exits.changed.remove(asset);
        self.set_exit_timers(asset);
    }

    fn set_exit_timers(&mut self, asset: &Symbol) {
        let (Some(now), Some(state)) = (self.now, self.assets.get(asset)) else {
            return;
        };
        let Holding::Held(held) = &state.holding else {
            self.exits.forget(asset);
            return;
        };
        let due = self.exit_due(asset, state);
        let settles = state.scanned.map(|scan| scan + self.rules.window);
        let scans_max = self.rules.stance_scans_max;
        let ages = held
            .agreeing
            .iter()
            .filter_map(|agent| self.stances.of(agent, asset))
            .filter(|standing| !standing.is_unknown(asset.class(), now, scans_max))
            .map(|standing| standing.unknown_not_before(asset.class(), now, scans_max));
        let look = ages.chain(due).chain(settles.filter(|at| *at > now)).min();
        self.exits.looks.set(asset, look);
        self.exits.dues.set(asset, due);
    }
}
