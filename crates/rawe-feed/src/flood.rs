//! A flood: an endless stream of made-up items for benchmarks and tests of endurance. Words follow
//! Zipf's law, stories come and go, copies are passed on, and everything drifts: new words, new
//! authors, new assets and new stories for as long as one cares to listen.
//!
//! Only integers are drawn and computed with, so a seed gives the same bytes on every machine.
//! A market whose prices follow its stories is `scenario`'s.

use chrono::{DateTime, TimeDelta};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rawe_core::{NewsItem, Register, Symbol, Timestamp};

mod words;

use words::{PHRASES, SMALL_WORDS, made_up_word, symbol_of};

/// The first item's second: 2020-01-06T00:00:00Z.
const START_SECONDS: i64 = 1_578_268_800;
/// Words of a story that its items draw from.
const STORY_WORDS: usize = 9;
/// General words in use at a time: ranks below two to this power.
const GENERAL_BITS: u32 = 15;
/// General words that never change: ranks below two to this power.
const LASTING_BITS: u32 = 11;
/// A general word of the tail is replaced after this many items.
const DRIFT_ITEMS: u64 = 64;
/// Made-up words of stories are numbered from here on, far above the general ones.
const STORY_WORDS_FROM: u64 = 1 << 32;
/// Texts kept to be passed on.
const COPIED: usize = 256;

/// What the items of a flood look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodKind {
    /// Headlines of about ten words.
    Headlines,
    /// Posts of about 25 words with cashtags, hashtags, percentages and emoji.
    Posts,
    /// Posts of some hundred words.
    LongPosts,
}

/// A flood's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloodConfig {
    /// The same seed gives the same stream.
    pub seed: u64,
    /// What the items look like.
    pub kind: FloodKind,
    /// Stories told at a time.
    pub stories: usize,
    /// A new story replaces an old one after this many items.
    pub story_items: u64,
    /// A new asset appears after this many items.
    pub asset_items: u64,
    /// Market time between two items.
    pub step: TimeDelta,
}

impl Default for FloodConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            kind: FloodKind::Headlines,
            stories: 300,
            story_items: 20,
            asset_items: 2_000,
            step: TimeDelta::seconds(2),
        }
    }
}

/// One story: its words and its asset.
#[derive(Clone, Debug)]
struct Story {
    words: [u64; STORY_WORDS],
    asset: u64,
}

/// The stream; it never ends.
#[derive(Debug)]
pub struct Flood {
    config: FloodConfig,
    draws: ChaCha8Rng,
    number: u64,
    stories: Vec<Story>,
    stories_told: u64,
    texts: Vec<(String, String)>,
}

impl Flood {
    /// A flood that has not begun.
    pub fn new(config: FloodConfig) -> Self {
        let mut flood = Self {
            draws: ChaCha8Rng::seed_from_u64(config.seed),
            number: 0,
            stories: Vec::new(),
            stories_told: 0,
            texts: Vec::new(),
            config,
        };
        for _ in 0..flood.config.stories.max(1) {
            let story = flood.new_story();
            flood.stories.push(story);
        }
        flood
    }

    /// The instant of the item that comes next.
    pub fn now(&self) -> Timestamp {
        let start = DateTime::from_timestamp(START_SECONDS, 0).unwrap_or_default();
        let passed = i32::try_from(self.number).unwrap_or(i32::MAX);
        start + self.config.step * passed
    }

    /// How many assets the source has named so far, at most.
    pub fn assets(&self) -> u64 {
        100 + self.number / self.config.asset_items.max(1)
    }

    /// The first `count` assets a flood names.
    pub fn symbols(count: usize) -> Vec<Symbol> {
        let names = (0_u64..).take(count).map(symbol_of);
        names.filter_map(|name| Symbol::new(&name).ok()).collect()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draws.random::<u64>() % bound.max(1)
    }

    /// A place in a list of `length`.
    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A rank below 2^`bits` with a density of about one over the rank.
    fn rank(&mut self, bits: u32) -> u64 {
        let octave = self.draws.random::<u32>() % bits.max(1);
        (1 << octave) - 1 + self.draws.random::<u64>() % (1 << octave)
    }

    fn new_story(&mut self) -> Story {
        self.stories_told += 1;
        let first = STORY_WORDS_FROM + self.stories_told * 4;
        let asset = self.asset();
        // Four words of its own; the others it shares with the rest of the world.
        let mut words = [0; STORY_WORDS];
        for (place, word) in words.iter_mut().enumerate() {
            *word = match place {
                0..4 => first + place as u64,
                _ => self.general_word(),
            };
        }
        Story { words, asset }
    }

    fn asset(&mut self) -> u64 {
        // Half of the news is about a few dozen assets that stay; the rest spreads to the newest.
        if self.below(2) == 0 {
            self.rank(6)
        } else {
            let assets = self.assets();
            self.below(assets)
        }
    }

    fn general_word(&mut self) -> u64 {
        let rank = self.rank(GENERAL_BITS);
        if rank < 1 << LASTING_BITS {
            rank
        } else {
            rank + ((self.number / DRIFT_ITEMS) << 1)
        }
    }

    fn story(&mut self) -> Option<Story> {
        // A quarter of all items tells no story; some stories are told much, most little.
        if self.below(4) == 0 {
            return None;
        }
        let bits = self.stories.len().next_power_of_two().trailing_zeros();
        let place = usize::try_from(self.rank(bits)).unwrap_or(0) % self.stories.len();
        self.stories.get(place).cloned()
    }

    fn words(&mut self, story: Option<&Story>, count: u64, text: &mut String) {
        for _ in 0..count {
            if !text.is_empty() {
                text.push(' ');
            }
            match (self.below(16), story) {
                (0..4, _) => {
                    let place = usize::try_from(self.rank(6)).unwrap_or(0) % SMALL_WORDS.len();
                    text.push_str(SMALL_WORDS.get(place).copied().unwrap_or("the"));
                }
                (4..6, _) => {
                    let place = self.place(PHRASES.len());
                    text.push_str(PHRASES.get(place).copied().unwrap_or("news"));
                }
                (6..12, Some(story)) => {
                    let place = self.place(STORY_WORDS);
                    made_up_word(story.words.get(place).copied().unwrap_or(0), text);
                }
                (12, _) if self.config.kind != FloodKind::Headlines => self.decoration(text),
                _ => made_up_word(self.general_word(), text),
            }
        }
    }

    fn decoration(&mut self, text: &mut String) {
        let asset = self.asset();
        let percent = self.below(200);
        let decoration = match self.below(6) {
            0 | 1 => format!("${}", symbol_of(asset)),
            2 => format!("+{}.{}%", percent / 10, percent % 10),
            3 => format!("-{}%", percent / 10),
            4 => "🚀🚀".to_owned(),
            _ => "https://t.co/abcdef #stocks @someone".to_owned(),
        };
        text.push_str(&decoration);
    }

    fn texts(&mut self, story: Option<&Story>) -> (String, String) {
        let copied = self.below(8) == 0;
        if copied && !self.texts.is_empty() {
            let place = self.place(self.texts.len());
            return self.texts.get(place).cloned().unwrap_or_default();
        }
        let (mut headline, mut text) = (String::new(), String::new());
        match self.config.kind {
            FloodKind::Headlines => {
                let count = 7 + self.below(7);
                self.words(story, count, &mut headline);
            }
            FloodKind::Posts => {
                let count = 15 + self.below(20);
                self.words(story, count, &mut text);
            }
            FloodKind::LongPosts => {
                self.words(story, 10, &mut headline);
                let count = 100 + self.below(300);
                self.words(story, count, &mut text);
            }
        }
        let texts = (headline, text);
        if self.texts.len() < COPIED {
            self.texts.push(texts.clone());
        } else {
            let place = self.place(COPIED);
            if let Some(kept) = self.texts.get_mut(place) {
                kept.clone_from(&texts);
            }
        }
        texts
    }
}

impl Iterator for Flood {
    type Item = NewsItem;

    fn next(&mut self) -> Option<NewsItem> {
        let at = self.now();
        if self.number.is_multiple_of(self.config.story_items.max(1)) {
            let story = self.new_story();
            let place = self.place(self.stories.len());
            if let Some(told) = self.stories.get_mut(place) {
                *told = story;
            }
        }
        let story = self.story();
        let (headline, text) = self.texts(story.as_ref());
        let asset = match &story {
            Some(story) => story.asset,
            None => self.asset(),
        };
        let tagged = self.below(4) != 0;
        let symbols = Symbol::new(&symbol_of(asset)).ok().filter(|_| tagged);
        let author = self.rank(14) + self.number / 16;
        let headlines = self.config.kind == FloodKind::Headlines;
        let item = NewsItem {
            id: self.number.to_string(),
            published: at,
            first_seen: at,
            source: if headlines { "wire" } else { "twitter" }.to_owned(),
            register: if headlines {
                Register::News
            } else {
                Register::Social
            },
            author: Some(format!("a{author:x}")),
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: symbols.into_iter().collect(),
            headline,
            text,
            backfill: false,
        };
        self.number += 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn items(config: FloodConfig, count: usize) -> Vec<NewsItem> {
        Flood::new(config).take(count).collect()
    }

    #[test]
    fn a_seed_is_a_stream_and_another_seed_another() {
        let of = |seed| {
            let config = FloodConfig {
                seed,
                ..FloodConfig::default()
            };
            items(config, 300)
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn headlines_are_of_headline_length_and_everything_drifts() {
        let items = items(FloodConfig::default(), 20_000);
        let words: usize = items
            .iter()
            .map(|item| item.headline.split(' ').count())
            .sum();
        let mean = words as f64 / items.len() as f64;
        assert!((9.0..12.0).contains(&mean), "{mean}");
        let (early, late) = items.split_at(items.len() / 2);
        let of = |items: &[NewsItem]| -> HashSet<String> {
            let words = items.iter().flat_map(|item| item.headline.split(' '));
            words.map(str::to_owned).collect()
        };
        let fresh = of(late).difference(&of(early)).count();
        assert!(fresh > 1_000, "{fresh}");
        assert!(items.is_sorted_by_key(|item| item.first_seen));
        let texts: HashSet<&str> = items.iter().map(|item| item.headline.as_str()).collect();
        assert!(texts.len() < items.len() * 95 / 100, "{}", texts.len());
    }

    #[test]
    fn posts_are_longer() {
        for (kind, least) in [(FloodKind::Posts, 60), (FloodKind::LongPosts, 600)] {
            let config = FloodConfig {
                kind,
                ..FloodConfig::default()
            };
            let items = items(config, 200);
            let bytes: usize = items.iter().map(|item| item.text.len()).sum();
            assert!(bytes / items.len() > least, "{kind:?}: {bytes}");
        }
    }
}
