//! Invariants of clustering, whatever is told in whatever order.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use rawe_core::{NewsItem, Register, Timestamp};

use super::narrative::Narrative;
use super::{Clusterer, Incoming, MERGE_EVERY_ITEMS, TERMS_MAX};
use crate::effects::NarrativeEffect;
use crate::tokens::Tokens;

fn start() -> Timestamp {
    DateTime::from_timestamp(1_600_000_000, 0).unwrap()
}

fn item(number: u32, at: Timestamp, text: &str) -> NewsItem {
    NewsItem {
        id: number.to_string(),
        published: at,
        first_seen: at,
        source: "test".into(),
        register: Register::News,
        author: Some(format!("author{}", number % 7)),
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: Vec::new(),
        headline: text.into(),
        text: String::new(),
        backfill: false,
    }
}

/// Words of a few stories with shared ones; numbers choose them.
fn telling(choice: u32) -> String {
    let story = choice % 5;
    let mut text = String::new();
    for place in 0..(3 + choice % 4) {
        let word = (choice >> (5 + 3 * place)) % 8;
        let owner = if (choice >> place).is_multiple_of(6) {
            9
        } else {
            story
        };
        text = text + "story" + &owner.to_string() + "word" + &word.to_string() + " ";
    }
    text
}

struct Player {
    clusterer: Clusterer,
    tokens: Tokens,
    effects: Vec<NarrativeEffect>,
    number: u32,
    /// The id each item was given.
    given: Vec<String>,
}

impl Player {
    fn new() -> Self {
        Self {
            clusterer: Clusterer::new(),
            tokens: Tokens::default(),
            effects: Vec::new(),
            number: 0,
            given: Vec::new(),
        }
    }

    fn tell(&mut self, minute: i64, text: &str) {
        let at = start() + TimeDelta::minutes(minute);
        let item = item(self.number, at, text);
        self.number += 1;
        self.tokens.read(&item.headline, &item.text);
        let incoming = Incoming {
            at,
            item: &item,
            tokens: &self.tokens,
            tone: 0.1,
            links: &[(self.number % 3, 1.0)],
        };
        self.clusterer.add(&incoming, &mut self.effects);
        let id = self.clusterer.last().map(|n| n.id.to_string());
        self.given.extend(id);
    }

    fn held(&self) -> impl Iterator<Item = &Narrative> {
        self.clusterer.slots.iter().flatten()
    }

    fn check(&self) {
        let ids: BTreeSet<&str> = self.held().map(|n| n.id.as_ref()).collect();
        assert_eq!(ids.len(), self.held().count(), "two narratives with one id");
        let mut died = BTreeSet::new();
        let mut died_items = 0;
        for effect in &self.effects {
            match effect {
                NarrativeEffect::Died { id, items, .. } => {
                    died_items += items;
                    died.insert(id.as_str());
                }
                NarrativeEffect::Merged { from, into, .. } => {
                    let resolve = |id| self.clusterer.resolve(id);
                    assert_eq!(resolve(from), resolve(into));
                }
                _ => {}
            }
        }
        // No id vanishes without an alias or a death.
        for id in &self.given {
            let now = self.clusterer.resolve(id);
            assert!(ids.contains(now) || died.contains(now), "{id} is lost");
        }
        // Every item is counted in one narrative, through all merges.
        let counted: u64 = self.held().map(|n| n.items).sum::<u64>() + died_items;
        assert_eq!(counted, self.given.len() as u64);
        for narrative in self.held() {
            assert!(narrative.independent >= 1 && narrative.independent <= narrative.items);
            assert!((0.0..=1.0).contains(&narrative.coherence()));
            assert!((0.0..=1.0).contains(&narrative.entropy()));
            assert!((0.0..=1.0).contains(&narrative.looseness()));
            assert!(narrative.terms().len() <= TERMS_MAX);
            let most = narrative.terms().iter().map(|term| term.count).max();
            assert!(most.is_some_and(|most| u64::from(most) <= narrative.independent));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_lost_and_every_item_is_counted_once(
        choices in prop::collection::vec(any::<u32>(), 1..1_200),
        minutes in prop::sample::select(vec![0i64, 1, 30]),
    ) {
        let mut player = Player::new();
        for (n, choice) in (0..).zip(&choices) {
            player.tell(n * minutes, &telling(*choice));
        }
        player.check();
    }

    #[test]
    fn a_restored_clusterer_goes_on_as_if_nothing_had_been(
        choices in prop::collection::vec(any::<u32>(), 600..900),
        cut in 1i64..590,
    ) {
        let mut whole = Player::new();
        let mut restored = Player::new();
        for (n, choice) in (0..).zip(&choices) {
            let text = telling(*choice);
            whole.tell(n, &text);
            restored.tell(n, &text);
            if n == cut {
                let bytes = postcard::to_allocvec(&restored.clusterer).unwrap();
                restored.clusterer = postcard::from_bytes(&bytes).unwrap();
            }
        }
        prop_assert_eq!(&whole.given, &restored.given);
        prop_assert_eq!(&whole.effects, &restored.effects);
        let bytes = |player: &Player| postcard::to_allocvec(&player.clusterer).unwrap();
        prop_assert_eq!(bytes(&whole), bytes(&restored));
    }
}

#[test]
fn small_talk_does_not_swallow_the_stories() {
    // Templates with a slot each: alike in half of their words, about nothing in common.
    let templates = [
        "looks good today watch",
        "watch levels today marked",
        "notes levels marked week",
        "week sideways notes far",
        "happy far sideways good",
    ];
    let mut player = Player::new();
    for (minute, n) in (0..4_000).zip(0usize..) {
        let text = if n % 4 == 0 {
            let words = ["zhengzhou", "foxconn", "strike", "workers", "factory"];
            let (a, b, c) = (words[n / 4 % 5], words[n / 20 % 5], words[n / 100 % 5]);
            format!("{a} {b} {c} aside{}", n % 97)
        } else {
            format!(
                "{} thing{} thing{}",
                templates[n % 5],
                n * 7 % 53,
                n * 11 % 89
            )
        };
        player.tell(minute, &text);
    }
    player.check();
    let story = player.held().max_by_key(|n| {
        let id = n.terms().iter().filter(|t| {
            let text = player.clusterer.vocabulary.text(t.id);
            ["zhengzhou", "foxconn", "strike"].contains(&text)
        });
        id.map(|t| t.count).sum::<u32>()
    });
    let story = story.unwrap();
    assert!(story.coherence() > 0.12, "{}", story.coherence());
    assert!(story.independent < 1_010, "{}", story.independent);
    for narrative in player.held().filter(|n| n.independent >= 100) {
        assert!(narrative.coherence() > 0.07, "{}", narrative.coherence());
    }
}

#[test]
fn merge_passes_find_what_a_look_at_all_pairs_finds() {
    let mut player = Player::new();
    let mut dice = 77u32;
    for (n, _) in (0..).zip(0..4 * MERGE_EVERY_ITEMS) {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        player.tell(n, &telling(dice >> 3));
    }
    // A pass with every narrative marked as changed finds next to nothing more.
    let before = player.held().count();
    player.clusterer.changed.fill(true);
    player.clusterer.merge_pass(start(), &mut player.effects);
    assert!(player.held().count() + before / 20 + 1 >= before);
}
