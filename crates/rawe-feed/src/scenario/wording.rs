//! Who says what, where: turns a topic and a tone into the text of one item.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, LogNormal};
use rawe_core::{AssetClass, Register};

use super::assets::Asset;
use super::phrases::{
    CHATTER_NEGATIVE, CHATTER_NEUTRAL, CHATTER_POSITIVE, CRYPTO_TALK, NEWS_NEGATIVE, NEWS_NEUTRAL,
    NEWS_POSITIVE, POST_NEGATIVE, POST_NEUTRAL, POST_POSITIVE, SECOND, WHEN,
};

/// How an item reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Positive,
    Neutral,
    Negative,
}

/// Where items appear, and how often there: stocks.
const STOCK_SOURCES: [(&str, f64); 5] = [
    ("twitter/sim", 0.42),
    ("stocktwits/sim", 0.22),
    ("reddit/sim-stocks", 0.12),
    ("wire/sim-markets", 0.14),
    ("wire/sim-business", 0.10),
];
/// Where items appear, and how often there: crypto.
const CRYPTO_SOURCES: [(&str, f64); 4] = [
    ("reddit/sim-crypto", 0.42),
    ("twitter/sim", 0.33),
    ("wire/sim-coindesk", 0.13),
    ("stocktwits/sim", 0.12),
];
/// The board of untagged crypto talk; its name marks its items as crypto.
pub(super) const CRYPTO_BOARD: &str = "reddit/sim-crypto";

/// Text of one item, before it has a time.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    pub(super) source: &'static str,
    pub(super) headline: String,
    pub(super) text: String,
}

/// A person who posts.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) name: String,
    pub(super) followers: u64,
}

/// The crowd: few with many followers, many with few.
pub(super) fn crowd(draws: &mut ChaCha12Rng, size: u32) -> Vec<Author> {
    (0..size)
        .map(|_| {
            let name = format!("{:010x}", draws.random::<u64>() >> 24);
            // The median has 250 followers, one in a hundred about 20,000.
            let followers: f64 = LogNormal::new(5.5, 1.9).map_or(250.0, |d| d.sample(draws));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "capped"
            )]
            Author {
                name,
                followers: followers.clamp(0.0, 5e6) as u64,
            }
        })
        .collect()
}

/// One of `choices`; empty for none.
fn pick<'a>(draws: &mut ChaCha12Rng, choices: &[&'a str]) -> &'a str {
    let place = draws.random_range(0..choices.len().max(1));
    choices.get(place).copied().unwrap_or("")
}

fn pick_source(draws: &mut ChaCha12Rng, sources: &[(&'static str, f64)]) -> &'static str {
    let mut left: f64 = draws.random();
    for (source, share) in sources {
        left -= share;
        if left < 0.0 {
            return source;
        }
    }
    sources
        .first()
        .map_or("wire/sim-markets", |(source, _)| source)
}

/// An item about `subject` of an asset, or small talk about it when there is none.
pub(super) fn word(
    draws: &mut ChaCha12Rng,
    asset: &Asset,
    subject: Option<&str>,
    tone: Tone,
) -> Wording {
    let sources: &[(&str, f64)] = match asset.class() {
        AssetClass::UsEquity => &STOCK_SOURCES,
        AssetClass::Crypto => &CRYPTO_SOURCES,
    };
    let source = pick_source(draws, sources);
    let social = crate::register_of(source) == Register::Social;
    let templates: &[&str] = match (subject.is_some(), social, tone) {
        (true, true, Tone::Positive) => &POST_POSITIVE,
        (true, true, Tone::Neutral) => &POST_NEUTRAL,
        (true, true, Tone::Negative) => &POST_NEGATIVE,
        (true, false, Tone::Positive) => &NEWS_POSITIVE,
        (true, false, Tone::Neutral) => &NEWS_NEUTRAL,
        (true, false, Tone::Negative) => &NEWS_NEGATIVE,
        (false, _, Tone::Positive) => &CHATTER_POSITIVE,
        (false, _, Tone::Neutral) => &CHATTER_NEUTRAL,
        (false, _, Tone::Negative) => &CHATTER_NEGATIVE,
    };
    let cashtag = format!("${}", asset.cashtag());
    let mut line = pick(draws, templates)
        .replace("{n}", asset.name)
        .replace("{t}", if social { &cashtag } else { asset.cashtag() })
        .replace("{s}", subject.unwrap_or(""));
    if draws.random_bool(0.3) {
        line = format!("{line} {}", pick(draws, &WHEN));
    }
    let second = if draws.random_bool(0.35) {
        pick(draws, &SECOND)
    } else {
        ""
    };
    // Wires and boards have headlines, short posts have only a text.
    if social && !source.starts_with("reddit") {
        Wording {
            source,
            headline: String::new(),
            text: line,
        }
    } else {
        Wording {
            source,
            headline: sentence_case(&line),
            text: second.to_owned(),
        }
    }
}

/// Talk of a crypto board that names no asset.
pub(super) fn word_crypto_talk(draws: &mut ChaCha12Rng) -> Wording {
    let headline = format!("{} {}", pick(draws, &CRYPTO_TALK), pick(draws, &WHEN));
    Wording {
        source: CRYPTO_BOARD,
        headline: sentence_case(&headline),
        text: String::new(),
    }
}

fn sentence_case(line: &str) -> String {
    let mut letters = line.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
