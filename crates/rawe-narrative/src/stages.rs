//! The stages of taking in an item, for whoever wants to time them: the engine reads no clock, so
//! it only says when a stage is over.

/// A part of the work on one item, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Knowing a second delivery, and cutting the text into tokens.
    Tokens,
    /// Tone of the whole item.
    Tone,
    /// Finding the assets it names.
    Links,
    /// Weighing the voice and adding to the streams of assets and market, entity-aware tone
    /// included.
    State,
    /// Finding or founding the narrative, and every 500 items merging.
    Clustering,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Self; 5] = [
        Self::Tokens,
        Self::Tone,
        Self::Links,
        Self::State,
        Self::Clustering,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Tone => "tone",
            Self::Links => "links",
            Self::State => "state",
            Self::Clustering => "clustering",
        }
    }
}

/// Is told when a stage is over. Items known from an earlier delivery end without any.
pub trait Watch {
    /// The stage is over.
    fn over(&mut self, stage: Stage);
}

/// Nobody watches; costs nothing.
impl Watch for () {
    fn over(&mut self, _: Stage) {}
}
