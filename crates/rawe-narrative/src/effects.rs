//! What happens to narratives, for logs and storytelling, and how a narrative is shown.

use rawe_core::{Symbol, Timestamp};

use crate::rating::Rating;

/// Something that happened to a narrative while an item was taken in.
#[derive(Clone, Debug, PartialEq)]
pub enum NarrativeEffect {
    /// An item founded a narrative.
    Born {
        /// The narrative.
        id: String,
        /// When its founding item was first seen.
        at: Timestamp,
    },
    /// A narrative reached ten items and has a rating. Told once.
    Risen {
        /// The narrative.
        id: String,
        /// Its heaviest distinctive terms.
        name: String,
        /// Its most central headline.
        headline: String,
        /// How well it holds together.
        rating: Rating,
        /// Items so far, copies included.
        items: u64,
        /// The assets it speaks of, heaviest first.
        assets: Vec<Symbol>,
        /// When.
        at: Timestamp,
    },
    /// A narrative turned out to be part of a larger one. Its id stays as an alias.
    Merged {
        /// The id that becomes an alias.
        from: String,
        /// The narrative that goes on.
        into: String,
        /// When.
        at: Timestamp,
    },
    /// Nobody tells it any more.
    Died {
        /// The narrative.
        id: String,
        /// Items it had.
        items: u64,
        /// How well it held together in the end.
        rating: Rating,
        /// When it was noticed.
        at: Timestamp,
    },
}

/// A narrative's measurable state at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct NarrativeState {
    /// Stable id, derived from the founding item.
    pub id: String,
    /// Its heaviest distinctive terms.
    pub name: String,
    /// Its most central headline.
    pub headline: String,
    /// How well it holds together.
    pub rating: Rating,
    /// Coherence c, 0..1: mean cosine of its items' texts.
    pub coherence: f64,
    /// How contested it is: entropy of its tones, 0..1.
    pub entropy: f64,
    /// How far its words drifted in 24 h: 1 − cosine, 0..1.
    pub mutation: f64,
    /// Mean tone, half-life 12 h, -1..1.
    pub tone: f64,
    /// ln(N + 0.2) with half-life 12 h.
    pub intensity: f64,
    /// Share of the voices active in 72 h who told it, 0..1.
    pub belief_penetration: f64,
    /// Items so far, copies included.
    pub items: u64,
    /// Items that are no copies.
    pub independent_items: u64,
    /// The assets it speaks of with their decayed weights, heaviest first.
    pub assets: Vec<(Symbol, f64)>,
    /// First seen.
    pub founded_at: Timestamp,
    /// Newest item.
    pub last_at: Timestamp,
}
