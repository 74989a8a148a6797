//! What an expert has learned, apart from what it is: a snapshot holds the one, the profile the
//! other.

use serde::{Deserialize, Serialize};

use super::Expert;
use crate::profile::Profile;
use crate::smoothing::{ExponentialMean, LearnedSign};

/// All that the past has made of an expert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExpertState {
    main: ExponentialMean,
    second: ExponentialMean,
    dispute: ExponentialMean,
    learned: LearnedSign,
}

impl Expert {
    /// What it has learned.
    pub(crate) fn state(&self) -> ExpertState {
        ExpertState {
            main: self.main.clone(),
            second: self.second.clone(),
            dispute: self.dispute.clone(),
            learned: self.learned.clone(),
        }
    }

    /// An expert of `profile` that has learned `state`; `None` if the state is not of its form.
    pub(crate) fn with_state(profile: &Profile, state: ExpertState) -> Option<Self> {
        Some(Self {
            main: state.main,
            second: state.second,
            dispute: state.dispute,
            learned: state.learned,
            ..Self::new(profile)
        })
    }
}
