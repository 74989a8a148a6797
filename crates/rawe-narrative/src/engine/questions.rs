//! What the engine answers when it is asked about its narratives and its index. Nothing here changes
//! the engine.

use super::{NVX_SLOPE, NarrativeEngine};
use crate::Rating;
use crate::clustering::narrative::{Narrative, TONE_HALF_LIFE_HOURS};
use crate::effects::NarrativeState;

impl NarrativeEngine {
    /// The living narratives at the newest item, heaviest (by items, half-life 12 h) first.
    pub fn narratives(&self) -> Vec<NarrativeState> {
        let Some(at) = self.clusterer.newest_item_at() else {
            return Vec::new();
        };
        let vocabulary = self.clusterer.vocabulary();
        let mut states: Vec<NarrativeState> = self
            .clusterer
            .live(at)
            .map(|narrative| {
                let sums = narrative.tone.read(at, TONE_HALF_LIFE_HOURS);
                NarrativeState {
                    id: narrative.id.to_string(),
                    name: narrative.name(vocabulary),
                    headline: narrative.headline().to_owned(),
                    rating: narrative.rating(),
                    coherence: narrative.coherence(),
                    entropy: narrative.entropy(),
                    mutation: narrative.mutation(at, vocabulary),
                    tone: sums.tone(0.5),
                    intensity: (sums.n + 0.2).ln(),
                    belief_penetration: self.belief(narrative, at),
                    items: narrative.items,
                    independent_items: narrative.independent,
                    assets: self.assets_of(narrative, at),
                    founded_at: narrative.founded_at,
                    last_at: narrative.last_at,
                }
            })
            .collect();
        let order = |a: &NarrativeState, b: &NarrativeState| {
            b.intensity
                .total_cmp(&a.intensity)
                .then_with(|| a.id.cmp(&b.id))
        };
        states.sort_by(order);
        states
    }

    /// The id of the narrative the newest item belongs to; `None` if its text has no terms.
    pub fn last_narrative_id(&self) -> Option<&str> {
        self.clusterer.last().map(|narrative| narrative.id.as_ref())
    }

    /// The rating of a narrative that did not die yet, by its present id. A dead one's is in the
    /// effect of its death.
    pub fn rating(&self, id: &str) -> Option<Rating> {
        self.clusterer.held(id).map(Narrative::rating)
    }

    /// The id a narrative goes by now, after merges; an unknown id is returned as it is.
    pub fn resolve<'a>(&'a self, id: &'a str) -> &'a str {
        self.clusterer.resolve(id)
    }

    /// NVX, 0..100, of the last scans: 50 + 12.5 × mean over assets of z(I). 50 is normal and the
    /// value before there is enough history. A gauge of the present, not a forecast.
    pub fn nvx(&self) -> f64 {
        let scores: Vec<f64> = self
            .assets
            .iter()
            .filter_map(|asset| asset.z_intensity)
            .collect();
        if scores.is_empty() {
            return 50.0;
        }
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        (50.0 + NVX_SLOPE * mean).clamp(0.0, 100.0)
    }
}
