//! What an expert has learned, apart from what it is: a snapshot holds the one, the profile the
//! other.

use serde::{Deserialize, Serialize};

use super::Expert;
use crate::formula::Memory;
use crate::profile::Profile;

/// All that the past has made of an expert: the memories of its formula's nodes, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExpertState(Vec<Memory>);

impl Expert {
    /// What it has learned.
    pub(crate) fn state(&self) -> ExpertState {
        ExpertState(self.memories.clone())
    }

    /// An expert of `profile` that has learned `state`; `None` if the state is not of its form.
    pub(crate) fn with_state(profile: &Profile, state: ExpertState) -> Option<Self> {
        let fresh = Self::new(profile);
        let ExpertState(memories) = state;
        let fits = memories.len() == fresh.memories.len()
            && memories
                .iter()
                .zip(&fresh.memories)
                .all(|(memory, other)| memory.is_like(other));
        fits.then_some(Self { memories, ..fresh })
    }
}
