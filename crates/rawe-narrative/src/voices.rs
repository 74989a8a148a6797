//! Who speaks: authors (or sources, where no author is known) active in the last 72 hours.

mod budget;

use std::collections::VecDeque;

use chrono::TimeDelta;
use rawe_core::{NewsItem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hash::{FastMap, text_hash};

pub(crate) use budget::{Budgets, CRYPTO_MARKET, Heard};

/// How long a voice counts as active.
const ACTIVE_HOURS: i64 = 72;
/// The most events remembered of all voices; bounds memory in a flood.
const EVENTS_MAX: usize = 50_000;
/// The most voices remembered of one narrative.
const VOICES_PER_NARRATIVE_MAX: usize = 512;

/// A voice, by hash.
pub(crate) type Voice = u32;

/// The voice of an item.
pub(crate) fn voice_of(item: &NewsItem) -> Voice {
    let name = item.author.as_deref().unwrap_or(&item.source);
    let hash = text_hash(crate::tokens::truncate(name, 256));
    Voice::try_from(hash >> 32).unwrap_or_default()
}

/// All active voices.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Words")]
pub(crate) struct ActiveVoices {
    #[serde(with = "crate::snapshot::timed")]
    events: VecDeque<(Timestamp, Voice)>,
    #[serde(skip)]
    counts: FastMap<Voice, u32>,
}

/// What a snapshot keeps of the active voices: who has how many words is counted again.
#[derive(Deserialize)]
struct Words {
    #[serde(with = "crate::snapshot::timed")]
    events: VecDeque<(Timestamp, Voice)>,
}

impl From<Words> for ActiveVoices {
    fn from(Words { events }: Words) -> Self {
        let mut counts: FastMap<Voice, u32> = FastMap::default();
        for (_, voice) in &events {
            *counts.entry(*voice).or_default() += 1;
        }
        Self { events, counts }
    }
}

impl ActiveVoices {
    pub(crate) fn hear(&mut self, at: Timestamp, voice: Voice) {
        self.events.push_back((at, voice));
        *self.counts.entry(voice).or_default() += 1;
        self.forget(at);
    }

    /// How many voices spoke in the 72 hours before the newest word or [`Self::forget`].
    pub(crate) fn active(&self) -> usize {
        self.counts.len()
    }

    /// Lets voices fall silent that did not speak in the 72 hours before `now`.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let oldest = now - TimeDelta::hours(ACTIVE_HOURS);
        while let Some((at, voice)) = self.events.front().copied() {
            if at >= oldest && self.events.len() <= EVENTS_MAX {
                return;
            }
            self.events.pop_front();
            if let Some(count) = self.counts.get_mut(&voice) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&voice);
                }
            }
        }
    }
}

/// The voices that told one narrative, with the time of their last word.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tellers(#[serde(with = "crate::snapshot::timed")] Vec<(Timestamp, Voice)>);

impl Tellers {
    pub(crate) fn hear(&mut self, at: Timestamp, voice: Voice) {
        if let Some((last, _)) = self.0.iter_mut().find(|(_, known)| *known == voice) {
            *last = (*last).max(at);
            return;
        }
        if self.0.len() >= VOICES_PER_NARRATIVE_MAX {
            self.make_room(at);
        }
        self.0.push((at, voice));
    }

    fn make_room(&mut self, now: Timestamp) {
        let oldest = now - TimeDelta::hours(ACTIVE_HOURS);
        self.0.retain(|(last, _)| *last >= oldest);
        if self.0.len() >= VOICES_PER_NARRATIVE_MAX {
            self.0.remove(0);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (last, voice) in &other.0 {
            self.hear(*last, *voice);
        }
    }

    /// How many told it in the 72 hours before `now`.
    pub(crate) fn active(&self, now: Timestamp) -> usize {
        let oldest = now - TimeDelta::hours(ACTIVE_HOURS);
        self.0.iter().filter(|(last, _)| *last >= oldest).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    #[test]
    fn voices_fall_silent_after_three_days() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let mut voices = ActiveVoices::default();
        let mut tellers = Tellers::default();
        for (hour, voice) in [(0, 1), (10, 2), (20, 1)] {
            voices.hear(start + TimeDelta::hours(hour), voice);
            tellers.hear(start + TimeDelta::hours(hour), voice);
        }
        for (hour, count) in [(20, 2), (82, 2), (83, 1), (92, 1), (93, 0)] {
            let now = start + TimeDelta::hours(hour);
            voices.forget(now);
            assert_eq!(
                (voices.active(), tellers.active(now)),
                (count, count),
                "{hour}"
            );
        }
    }

    #[test]
    fn a_flood_of_voices_stays_bounded() {
        let now = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let mut voices = ActiveVoices::default();
        let mut tellers = Tellers::default();
        for voice in 0..60_000 {
            voices.hear(now, voice);
            tellers.hear(now, voice);
        }
        assert_eq!(voices.active(), EVENTS_MAX);
        assert_eq!(tellers.active(now), VOICES_PER_NARRATIVE_MAX);
    }
}
