//! What a scan has to tell besides stances and votes: lines for the log of a person.

use rawe_core::{AssetClass, Symbol};
use rawe_narrative::AssetFeatures;
use rawe_narrative::demand::ABNORMAL_INTENSITY;

use crate::proposal::shortened;

/// A narrative has risen when its asset's attention is so far above normal.
const RISEN_ATTENTION: f64 = 2.0;
/// A narrative of fewer items is not worth telling.
const RISEN_ITEMS: u64 = 8;
/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The collective's record opened or closed a class; said once when it changes.
    ClassStatus {
        /// The class.
        class: AssetClass,
        /// Whether votes are published for it.
        open: bool,
        /// What a trade is expected to bring after costs, basis points.
        expected_net_bp: f64,
        /// How many paper trades that rests on.
        trades: u64,
    },
    /// A story is told much more than usual; said once per story and asset.
    NarrativeRisen {
        /// The asset it is about.
        asset: Symbol,
        /// Its id.
        narrative_id: String,
        /// Its name.
        name: String,
        /// Its most central headline.
        headline: String,
        /// Its coherence rating.
        rating: String,
        /// Decayed tone, -1..1.
        tone: f64,
    },
}

impl Note {
    /// The note of the narrative that weighs most on an asset, if it has risen and is not the one
    /// told last; it is then.
    pub(crate) fn of_narrative(
        symbol: &Symbol,
        features: &AssetFeatures,
        told: &mut String,
    ) -> Option<Self> {
        let narrative = features.narrative.as_ref()?;
        let attention = features.get(ABNORMAL_INTENSITY)?;
        if attention < RISEN_ATTENTION || narrative.items < RISEN_ITEMS || *told == narrative.id {
            return None;
        }
        told.clone_from(&narrative.id);
        Some(Self::NarrativeRisen {
            asset: symbol.clone(),
            narrative_id: shortened(&narrative.id),
            name: shortened(&narrative.name),
            headline: shortened(&narrative.headline),
            rating: narrative.rating.clone(),
            tone: narrative.tone,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_narrative::NarrativeBrief;

    #[test]
    fn a_story_is_told_once_and_only_when_it_has_risen() {
        let symbol = Symbol::new("BTC/USD").unwrap();
        let features = |id: &str, items, attention| AssetFeatures {
            narrative: Some(NarrativeBrief {
                id: id.to_owned(),
                items,
                ..Default::default()
            }),
            ..AssetFeatures::default().with(ABNORMAL_INTENSITY, Some(attention))
        };
        let mut told = String::new();
        for (case, features, is_told) in [
            ("too few items", features("a", 3, 3.0), false),
            ("attention as usual", features("a", 30, 1.0), false),
            ("risen", features("a", 30, 3.0), true),
            ("told already", features("a", 31, 3.5), false),
            ("another", features("b", 31, 3.5), true),
        ] {
            let note = Note::of_narrative(&symbol, &features, &mut told);
            assert_eq!(note.is_some(), is_told, "{case}");
        }
    }
}
