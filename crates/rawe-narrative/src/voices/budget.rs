//! How much an item counts by who says it: no single author, and no handful of new ones, may move
//! an asset's signal, while a crowd may.
//!
//! Three limits. An author's n-th item about one asset within a day counts 1/n. The strangers of an
//! asset (authors first heard less than a week ago), and each source that names no authors, may
//! together count a few times their own usual rate for that asset, and beyond it ever less: so a
//! newswire or a forum is measured by itself, not by an absolute number. And a text that was told
//! already counts as spread, but its n-th telling has 1/n of a tone. Tables are bounded by turning
//! two generations over; what is forgotten in a flood counts as new, which only lowers its weight.

use rawe_core::{NewsItem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Voice, voice_of};
use crate::hash::{FastMap, text_hash};
use crate::tokens::{TokenKind, Tokens};

const DAY_SECONDS: i64 = 86_400;
/// An author's items about an asset are counted with this half-life, hours.
const AUTHOR_HALF_LIFE_HOURS: f64 = 12.0;
/// How long an author is a stranger, seconds.
const STRANGER_SECONDS: i64 = 7 * DAY_SECONDS;
/// What a group said lately: half-life, hours.
const LATELY_HALF_LIFE_HOURS: f64 = 24.0;
/// What it usually says: half-life, hours.
const USUALLY_HALF_LIFE_HOURS: f64 = 24.0 * 14.0;
/// A stream younger than this knows no custom, and nobody is limited by it, hours.
const YOUNG_HOURS: f64 = 72.0;
/// A group counts in full up to this many times its usual rate.
const USUAL_TIMES: f64 = 4.0;
/// Or up to this many items a day, for groups that are usually silent.
const ITEMS_PER_DAY_FREE: f64 = 3.0;
/// A text told again within this time is a copy, hours.
const COPY_HOURS: f64 = 24.0;
/// Entries of one generation of each table.
const GENERATION_MAX: usize = 16_384;
/// A generation of acquaintance lasts this long, days.
const ACQUAINTANCE_DAYS: i64 = 45;
/// A generation of the other tables lasts this long, days.
const COUNT_DAYS: i64 = 3;
/// A generation of usual rates lasts this long, days.
const RATE_DAYS: i64 = 90;
/// The stream of a whole market, among the numbers of assets.
pub(crate) const CRYPTO_MARKET: u32 = u32::MAX;

/// A table of two generations: when the young one is full or old, it becomes the old one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Generations<K: std::hash::Hash + Eq + Ord, V> {
    young: FastMap<K, V>,
    old: FastMap<K, V>,
    /// When the young one was begun, Unix seconds.
    since: Option<i64>,
    days: i64,
}

impl<K: std::hash::Hash + Eq + Ord + Copy, V: Copy> Generations<K, V> {
    fn new(days: i64) -> Self {
        Self {
            young: FastMap::default(),
            old: FastMap::default(),
            since: None,
            days,
        }
    }

    /// The entry of `key`, made by `new` at first sight.
    fn entry(&mut self, at: i64, key: K, new: impl FnOnce() -> V) -> &mut V {
        let since = *self.since.get_or_insert(at);
        let full = self.young.len() >= GENERATION_MAX && !self.young.contains_key(&key);
        if full || at - since > self.days * DAY_SECONDS {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(at);
        }
        let old = &self.old;
        self.young
            .entry(key)
            .or_insert_with(|| old.get(&key).copied().unwrap_or_else(new))
    }
}

/// A part of a full voice.
fn trust_of(percent: u8) -> f64 {
    f64::from(percent.min(100)) / 100.0
}

/// Hours from `from` to `to`, Unix seconds; 0 if it is not later.
fn hours(from: i64, to: i64) -> f64 {
    (to - from).max(0) as f64 / 3_600.0
}

/// A count that fades.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Count {
    /// Unix seconds.
    at: i64,
    value: f64,
}

impl Count {
    fn add(&mut self, at: i64, half_life_hours: f64) -> f64 {
        let hours = hours(self.at, at);
        self.value = self.value * (-hours / half_life_hours).exp2() + 1.0;
        self.at = self.at.max(at);
        self.value
    }
}

/// What a group said about a stream, lately and usually.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Rate {
    lately: Count,
    usually: Count,
}

/// Who an item's voices are counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    /// An author heard for a week or more.
    Known(Voice),
    /// An author first heard lately.
    Stranger(Voice),
    /// A source that names no author.
    Source(Voice),
}

/// One item as its voice lets it count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// `None` where voices are not limited.
    speaker: Option<Speaker>,
    tone_share: f64,
    /// How far its source is trusted, 0..1.
    trust: f64,
}

impl Heard {
    /// An item that counts in full.
    pub(crate) fn unlimited() -> Self {
        Self {
            speaker: None,
            tone_share: 1.0,
            trust: 1.0,
        }
    }

    /// How much of the item counts for a stream, and how much of its tone, both 0..1; and
    /// remembers that it was said.
    pub(crate) fn weigh(&self, budgets: &mut Budgets, at: Timestamp, stream: u32) -> (f64, f64) {
        let weight = |speaker| budgets.weigh(at, speaker, stream);
        let weight = self.speaker.map_or(1.0, weight) * self.trust;
        (weight, self.tone_share)
    }
}

/// The budgets of all voices.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Budgets {
    acquaintance: Generations<Voice, i64>,
    authors: Generations<(u32, Voice), Count>,
    rates: Generations<(u32, Voice), Rate>,
    streams: Generations<u32, i64>,
    copies: Generations<u64, Count>,
    /// The first item of all, Unix seconds.
    first: Option<i64>,
}

impl Budgets {
    pub(crate) fn new() -> Self {
        Self {
            acquaintance: Generations::new(ACQUAINTANCE_DAYS),
            authors: Generations::new(COUNT_DAYS),
            rates: Generations::new(RATE_DAYS),
            streams: Generations::new(RATE_DAYS),
            copies: Generations::new(COUNT_DAYS),
            first: None,
        }
    }

    /// Hears an item whose tokens have been read.
    pub(crate) fn hear(&mut self, at: Timestamp, item: &NewsItem, tokens: &Tokens) -> Heard {
        Heard {
            speaker: Some(self.speaker(at, item)),
            tone_share: self.tone_share(at, tokens),
            trust: item.trust_percent.map_or(1.0, trust_of),
        }
    }

    fn speaker(&mut self, at: Timestamp, item: &NewsItem) -> Speaker {
        let at = at.timestamp();
        let first = *self.first.get_or_insert(at);
        let voice = voice_of(item);
        if item.author.is_none() {
            return Speaker::Source(voice);
        }
        let met = *self.acquaintance.entry(at, voice, || at);
        // In the first week everybody is new, and nobody is a stranger for that.
        if at - met < STRANGER_SECONDS && at - first >= STRANGER_SECONDS {
            Speaker::Stranger(voice)
        } else {
            Speaker::Known(voice)
        }
    }

    /// How much an item of the speaker counts for a stream, 0..1; and remembers it.
    fn weigh(&mut self, at: Timestamp, speaker: Speaker, stream: u32) -> f64 {
        let at = at.timestamp();
        let (author, group) = match speaker {
            Speaker::Known(voice) => (Some(voice), None),
            Speaker::Stranger(voice) => (Some(voice), Some(0)),
            Speaker::Source(voice) => (None, Some(voice.max(1))),
        };
        let begun = *self.streams.entry(at, stream, || at);
        let mut weight = 1.0;
        if let Some(author) = author {
            let silent = || Count { at, value: 0.0 };
            let count = self.authors.entry(at, (stream, author), silent);
            weight /= count.add(at, AUTHOR_HALF_LIFE_HOURS).max(1.0);
        }
        if let Some(group) = group {
            let silent = Count { at, value: 0.0 };
            let rate = self.rates.entry(at, (stream, group), || Rate {
                lately: silent,
                usually: silent,
            });
            weight *= rate.share(at, hours(begun, at));
        }
        weight
    }

    /// The share of an item's tone that counts: 1 for a text not told within a day, 1/n for its
    /// n-th telling.
    fn tone_share(&mut self, at: Timestamp, tokens: &Tokens) -> f64 {
        let at = at.timestamp();
        let mut key = 0u64;
        for token in tokens.list().iter().filter(|t| t.kind == TokenKind::Word) {
            key = key.rotate_left(7) ^ text_hash(tokens.text(*token));
        }
        let count = self.copies.entry(at, key, || Count { at, value: 0.0 });
        if hours(count.at, at) > COPY_HOURS {
            count.value = 0.0;
        }
        count.at = at.max(count.at);
        count.value += 1.0;
        1.0 / count.value
    }
}

impl Rate {
    /// The share of one more item that counts, in a stream that began `age_hours` ago.
    fn share(&mut self, at: i64, age_hours: f64) -> f64 {
        // A count of half-life h holds rate × h / ln 2, times how much of it has been filled.
        let per_day = |count: f64, half_life: f64| {
            let filled = 1.0 - (-age_hours / half_life).exp2();
            count * 24.0 * std::f64::consts::LN_2 / (half_life * filled.max(1e-3))
        };
        // What is said lately is no custom yet: a flood must not raise its own allowance.
        let before = (self.usually.value - self.lately.value).max(0.0);
        let usually = per_day(before, USUALLY_HALF_LIFE_HOURS);
        self.usually.add(at, USUALLY_HALF_LIFE_HOURS);
        let lately = self.lately.add(at, LATELY_HALF_LIFE_HOURS);
        let lately = lately * 24.0 * std::f64::consts::LN_2 / LATELY_HALF_LIFE_HOURS;
        if age_hours < YOUNG_HOURS {
            return 1.0;
        }
        let free = (USUAL_TIMES * usually).max(ITEMS_PER_DAY_FREE);
        (free / lately).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone, Utc};
    use rawe_core::Register;

    fn start() -> Timestamp {
        Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap()
    }

    fn item(source: &str, author: Option<&str>, text: &str) -> NewsItem {
        NewsItem {
            id: String::new(),
            published: start(),
            first_seen: start(),
            source: source.into(),
            register: Register::Social,
            author: author.map(str::to_owned),
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: Vec::new(),
            headline: String::new(),
            text: text.into(),
            backfill: false,
        }
    }

    /// The weights of `count` items at `at`, by `voice(n)`.
    fn flood(
        budgets: &mut Budgets,
        at: Timestamp,
        count: usize,
        voice: impl Fn(usize) -> String,
    ) -> f64 {
        (0..count)
            .map(|n| {
                let speaker = budgets.speaker(at, &item("x", Some(&voice(n)), ""));
                budgets.weigh(at, speaker, 1)
            })
            .sum()
    }

    /// A month of 20 known authors, one item a day each, with two strangers a day.
    fn month() -> (Budgets, Timestamp) {
        let mut budgets = Budgets::new();
        for day in 0..30 {
            let at = start() + TimeDelta::days(day);
            flood(&mut budgets, at, 20, |n| format!("known {n}"));
            flood(&mut budgets, at, 2, |n| format!("stranger {day} {n}"));
        }
        (budgets, start() + TimeDelta::days(30))
    }

    #[test]
    fn known_voices_count_in_full_and_a_crowd_of_them_too() {
        let (mut budgets, now) = month();
        let weight = flood(&mut budgets, now, 20, |n| format!("known {n}"));
        // Half-life 12 h: a quarter of yesterday's item is remembered.
        assert!(weight > 14.0, "{weight}");
    }

    #[test]
    fn one_author_counts_ever_less() {
        let (mut budgets, now) = month();
        let weight = flood(&mut budgets, now, 1_000, |_| "known 1".into());
        assert!(weight < 8.5, "{weight}");
    }

    #[test]
    fn a_handful_of_strangers_counts_as_a_multiple_of_the_usual_strangers() {
        let (mut budgets, now) = month();
        let few = flood(&mut budgets.clone(), now, 3, |n| format!("new {n}"));
        assert!(few > 2.9, "{few}");
        let many = flood(&mut budgets, now, 1_000, |n| format!("new {n}"));
        assert!(many < 60.0, "{many}");
    }

    #[test]
    fn a_source_is_measured_by_its_own_rate() {
        let mut budgets = Budgets::new();
        let mut heard = |at: Timestamp, source: &str, count: usize| -> f64 {
            (0..count)
                .map(|_| {
                    let speaker = budgets.speaker(at, &item(source, None, ""));
                    budgets.weigh(at, speaker, CRYPTO_MARKET)
                })
                .sum()
        };
        for day in 0..30 {
            heard(start() + TimeDelta::days(day), "wire", 100);
        }
        let now = start() + TimeDelta::days(30);
        let (wire, upstart) = (heard(now, "wire", 200), heard(now, "upstart", 200));
        assert!(wire > 199.0, "{wire}");
        assert!(upstart < 25.0, "{upstart}");
    }

    #[test]
    fn a_source_trusted_in_part_counts_in_part_whatever_it_says() {
        let mut tokens = Tokens::default();
        tokens.read("", "coins rise");
        let weight = |percent| {
            let mut budgets = Budgets::new();
            let mut item = item("rumours", Some("a"), "coins rise");
            item.trust_percent = percent;
            let heard = budgets.hear(start(), &item, &tokens);
            heard.weigh(&mut budgets, start(), CRYPTO_MARKET).0
        };
        for (percent, wanted) in [
            (None, 1.0),
            (Some(100), 1.0),
            (Some(25), 0.25),
            (Some(255), 1.0),
        ] {
            assert!((weight(percent) - wanted).abs() < 1e-12, "{percent:?}");
        }
    }

    #[test]
    fn a_copy_has_ever_less_tone_for_a_day() {
        let mut budgets = Budgets::new();
        let mut share = |text: &str, hours: i64| {
            let mut tokens = Tokens::default();
            tokens.read("", text);
            budgets.tone_share(start() + TimeDelta::hours(hours), &tokens)
        };
        assert!((share("Buy it now!", 0) - 1.0).abs() < 1e-12);
        assert!((share("buy it now http://t.co/x", 1) - 0.5).abs() < 1e-12);
        assert!((share("something else", 1) - 1.0).abs() < 1e-12);
        assert!((share("buy it now", 40) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn tables_stay_bounded_in_a_flood() {
        let mut budgets = Budgets::new();
        for n in 0..60_000u32 {
            let at = start() + TimeDelta::days(10) + TimeDelta::seconds(n.into());
            let speaker = budgets.speaker(at, &item("x", Some(&format!("{n}")), ""));
            let weight = budgets.weigh(at, speaker, n % 7);
            assert!((0.0..=1.0).contains(&weight));
        }
        let authors = &budgets.authors;
        assert!(authors.young.len() + authors.old.len() <= 2 * GENERATION_MAX);
        assert!(budgets.acquaintance.young.len() <= GENERATION_MAX);
    }
}
