//! What the learned layer sees of a text: hashed words and pairs of words, and what the lexicon
//! says. Features are numbers of dimensions with values; what they weigh is `model`'s.

use std::collections::BTreeSet;
use std::ops::Range;

use rawe_narrative::SentimentText;
use rawe_narrative::tone::{self, LexiconModel, SentimentModel as _};

/// Dimensions that words and pairs are hashed to.
pub(crate) const HASHED: usize = 1 << 16;
/// The first of the further dimensions.
const FIRST_EXTRA: u32 = 1 << 16;
/// Further dimensions: the constant and the lexicon's.
pub(crate) const EXTRA: usize = 5;
/// All dimensions.
pub(crate) const DIMENSIONS: usize = HASHED + EXTRA;

/// Words this near to the name count a second time, as the name's.
const NEAR_TOKENS: usize = 3;

/// A text as the learned layer sees it: dimensions, ascending, with their values.
pub(crate) type Features = Vec<(u32, f32)>;

/// Reads the features of a text, or of what is named at `range` in it.
pub(crate) fn read(text: &SentimentText<'_>, range: Option<&Range<usize>>) -> Features {
    let words = words(text, range);
    let mut grams = BTreeSet::new();
    let mut before: &str = "<s>";
    for word in words.iter().map(String::as_str).chain(["</s>"]) {
        if word != "</s>" {
            grams.insert(bucket(&[word]));
        }
        grams.insert(bucket(&[before, word]));
        before = word;
    }
    if let Some(name) = words.iter().position(|word| word == NAME) {
        for (place, word) in words.iter().enumerate() {
            let side = match place.cmp(&name) {
                std::cmp::Ordering::Less => "<before>",
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Greater => "<after>",
            };
            if place.abs_diff(name) <= NEAR_TOKENS {
                grams.insert(bucket(&[side, word]));
            }
        }
    }
    let value = 1.0 / (grams.len().max(1) as f32).sqrt();
    let mut features: Features = grams.into_iter().map(|gram| (gram, value)).collect();
    features.extend(extras(text, range));
    features
}

/// Stands for the name asked for.
const NAME: &str = "<name>";

/// The constant, and s, max(s, 0), max(-s, 0), [s = 0] of the lexicon.
fn extras(text: &SentimentText<'_>, range: Option<&Range<usize>>) -> [(u32, f32); EXTRA] {
    let s = match range {
        Some(range) => LexiconModel.score_at(text, range.clone()),
        None => LexiconModel.score(text),
    };
    let silent = if s == 0.0 { 1.0 } else { 0.0 };
    let values = [1.0, s, s.max(0.0), (-s).max(0.0), silent];
    let mut dimension = FIRST_EXTRA;
    values.map(|value| {
        let feature = (dimension, compact(value));
        dimension += 1;
        feature
    })
}

/// The words with numbers folded, the name asked for as one word.
fn words(text: &SentimentText<'_>, range: Option<&Range<usize>>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut named = false;
    tone::each_word(text.headline, text.text, |word, at| {
        if range.is_some_and(|range| range.contains(&at)) {
            if !named {
                words.push(NAME.to_owned());
            }
            named = true;
        } else {
            words.push(folded(word).to_owned());
        }
    });
    words
}

/// Numbers lose their digits: what they are is not what they say.
fn folded(word: &str) -> &str {
    let unsigned = word.trim_start_matches(['+', '-']);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return word;
    }
    let (up, down) = (word.starts_with('+'), word.starts_with('-'));
    match (unsigned.ends_with('%'), up, down) {
        (true, true, _) => "<+pct>",
        (true, _, true) => "<-pct>",
        (true, ..) => "<pct>",
        _ if unsigned.contains(|c: char| c.is_alphabetic()) => word,
        _ => "<num>",
    }
}

/// FNV-1a of the parts, each closed by a byte that no text has.
fn bucket(parts: &[&str]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    // The low bits of the last multiplication know only low bits of what came before.
    let folded = hash ^ (hash >> 32) ^ (hash >> 17);
    u32::try_from(folded % u64::from(FIRST_EXTRA)).unwrap_or(0)
}

/// A value kept in half the space where its last digits do not matter.
#[allow(
    clippy::cast_possible_truncation,
    reason = "features and weights are rounded on purpose"
)]
pub(crate) fn compact(value: f64) -> f32 {
    value as f32
}
