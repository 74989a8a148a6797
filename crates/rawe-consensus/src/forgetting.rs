//! How memory stays bounded: each asset is visited when something of it may be forgotten, and only
//! then, so that what is held costs nothing per message.

use chrono::TimeDelta;
use rawe_core::{Symbol, Timestamp};

use crate::consensus::{Consensus, OPENINGS_SPAN, ORIGINAL_HEARD};
use crate::rounds::{AssetState, AssetTimers};

impl Consensus {
    /// How long a vote or a closed round may matter.
    pub(crate) fn lifetime(&self) -> TimeDelta {
        self.rules.ttl_max + self.rules.window
    }

    /// Sees to it that an asset of which something changed is visited.
    pub(crate) fn visit_later(&mut self, asset: &Symbol, now: Timestamp) {
        let by = now + self.lifetime();
        if let Some(state) = self.assets.get_mut(asset) {
            visit_by(&mut self.visits, asset, state, by);
        }
    }

    /// Forgets what can no longer matter.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        while let Some((at, asset)) = self.visits.first()
            && *at <= now
        {
            let asset = asset.clone();
            self.visits.pop_first();
            self.visit(&asset, now);
        }
        while let Some((at, _)) = self.openings.first()
            && now - *at >= OPENINGS_SPAN
        {
            self.openings.pop_first();
        }
        let votes_before = now - self.lifetime();
        if !self.gaps.is_empty() {
            self.gaps.retain(|gap| gap.last >= votes_before);
        }
        if !self.original_speakers.is_empty() {
            self.original_speakers
                .retain(|_, at| now - *at <= ORIGINAL_HEARD);
        }
    }

    fn visit(&mut self, asset: &Symbol, now: Timestamp) {
        let (lifetime, cool_down) = (self.lifetime(), self.rules.cool_down);
        let Some(state) = self.assets.get_mut(asset) else {
            return;
        };
        state.visit = None;
        state.forget(now, now - lifetime);
        if state.is_idle(now, cool_down) {
            self.assets.remove(asset);
        } else if let Some(at) = state.next_visit(lifetime, cool_down) {
            // Never at this instant again: it has been visited.
            let at = at.max(now + TimeDelta::milliseconds(1));
            visit_by(&mut self.visits, asset, state, at);
        }
    }
}

/// Queues a visit, unless an earlier one is queued.
pub(crate) fn visit_by(
    visits: &mut AssetTimers,
    asset: &Symbol,
    state: &mut AssetState,
    at: Timestamp,
) {
    if let Some(known) = state.visit {
        if known <= at {
            return;
        }
        visits.remove(&(known, asset.clone()));
    }
    visits.insert((at, asset.clone()));
    state.visit = Some(at);
}
