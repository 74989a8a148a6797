//! Who decides: K heads, and under earned voting more than half of the roster's weight as well.
//!
//! Both grow with every agent that joins a side, so that losing votes can only remove decisions.

use rawe_core::RoundVote;

use crate::config::Rules;
use crate::quorum::Tally;
use crate::weights::Weights;
use crate::weights_rules::Voting;
use crate::weights_scale::MILLION;

/// How much a side's voters count for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voices<'a> {
    quorum: usize,
    /// `None` under a headcount.
    weights: Option<&'a Weights>,
}

/// How a side ranks among others: one that decides first, then more heads, then more weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    decides: bool,
    heads: usize,
    weight: u64,
}

impl<'a> Voices<'a> {
    /// The voices under these rules.
    pub(crate) fn new(rules: &Rules, weights: &'a Weights) -> Self {
        Self {
            quorum: rules.quorum,
            weights: (rules.voting == Voting::Earned).then_some(weights),
        }
    }

    /// Whether enough heads agree.
    pub(crate) fn has_heads(&self, agreeing: &[RoundVote]) -> bool {
        agreeing.len() >= self.quorum
    }

    /// Whether a side with one vote per agent decides.
    pub(crate) fn decides(&self, agreeing: &[RoundVote]) -> bool {
        self.has_heads(agreeing) && self.has_weight(agreeing)
    }

    /// Whether the agreeing agents hold more than half of the weight; always under a headcount.
    pub(crate) fn has_weight(&self, agreeing: &[RoundVote]) -> bool {
        self.weights
            .is_none_or(|weights| 2 * self.weight(agreeing) > weights.total())
    }

    /// The rank of a side with one vote per agent.
    pub(crate) fn rank(&self, agreeing: &[RoundVote]) -> Rank {
        Rank {
            decides: self.decides(agreeing),
            heads: agreeing.len(),
            weight: self.weight(agreeing),
        }
    }

    /// The weight that stands in the record of a vote, millionths.
    pub(crate) fn of(&self, vote: &RoundVote) -> u64 {
        self.weights
            .map_or(MILLION, |weights| weights.of(&vote.agent))
    }

    fn weight(&self, agreeing: &[RoundVote]) -> u64 {
        agreeing.iter().map(|vote| self.of(vote)).sum()
    }

    /// Why a side with enough heads does not decide.
    pub(crate) fn weight_short(&self, tally: &Tally) -> String {
        let agents: Vec<&str> = tally.agreeing.iter().map(|v| v.agent.as_str()).collect();
        format!(
            "{} agents agree on {} ({}){}, and more than half is needed",
            tally.agreeing.len(),
            tally.direction,
            agents.join(", "),
            self.share(tally)
        )
    }

    /// What a side holds of the weight, to follow its voters' names; nothing under a headcount.
    pub(crate) fn share(&self, tally: &Tally) -> String {
        let voices = |millionths: u64| millionths as f64 / MILLION as f64;
        self.weights.map_or_else(String::new, |weights| {
            format!(
                ", with {:.2} of {:.2} of the earned weight",
                voices(self.weight(&tally.agreeing)),
                voices(weights.total())
            )
        })
    }
}
