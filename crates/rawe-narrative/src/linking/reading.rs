//! Reading the surroundings of a found name: whether it stands alone, how it is written, which
//! words are near, and the ticker behind a mark. What follows from it is the parent's.

use super::universe::{Case, Context, Universe};

/// Words this near on either side are a name's context.
const CONTEXT_WORDS: usize = 6;
/// Context words are looked for within this many bytes on either side.
const CONTEXT_BYTES: usize = 160;
/// Case says nothing where at least this share of the letters are capitals.
const SHOUTING_SHARE: f64 = 0.7;
/// Shorter texts are not called shouting, letters.
const SHOUTING_LETTERS_MIN: usize = 16;
/// A name of at least this many bytes may stand behind `$` and carry a plural s.
const LONG_NAME_BYTES: usize = 4;
/// The longest ticker behind a mark, letters.
const TICKER_LETTERS_MAX: usize = 6;

/// How a found name touches its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Inside another word, an address or a stranger's handle.
    Part,
    /// A word of its own.
    Word,
    /// The whole of a handle: `@apple`.
    Handle,
}

/// Whether the range is a word of its own; a plural s may follow.
pub(super) fn standing(text: &str, start: usize, end: usize) -> Standing {
    let bytes = text.as_bytes();
    let long = end - start >= LONG_NAME_BYTES;
    let mut after = text.get(end..).unwrap_or("").chars();
    let mut next = after.next();
    if long && next == Some('s') {
        next = after.next();
    }
    if next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@')) {
        return Standing::Part;
    }
    let previous = text.get(..start).and_then(|t| t.chars().next_back());
    match previous {
        Some('@') => {
            let mail = start >= 2 && bytes.get(start - 2).is_some_and(|b| is_word_byte(*b));
            if mail {
                Standing::Part
            } else {
                Standing::Handle
            }
        }
        Some('$') if !long => Standing::Part,
        Some(c) if c.is_alphanumeric() || matches!(c, '_' | '.') => Standing::Part,
        _ if is_in_address(text, start) => Standing::Part,
        _ => Standing::Word,
    }
}

/// Whether the range is a word or words of their own.
pub(super) fn is_word(text: &str, start: usize, end: usize) -> bool {
    standing(text, start, end) != Standing::Part
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether the run of non-space characters around `start` begins like a web address.
fn is_in_address(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or("");
    let run = before.rsplit(char::is_whitespace).next().unwrap_or("");
    run.contains("://") || run.contains("www.") || run.contains("t.co/")
}

/// Whether `written` obeys the rule of `name`, case for case.
pub(super) fn is_written(case: Case, name: &str, written: &str) -> bool {
    match case {
        Case::Any => true,
        Case::Exact => written == name,
        Case::Capital => {
            // Small words inside a name, as in "Bank of America", may stay small.
            let mut words = written.split([' ', '-']);
            words.all(|word| {
                let first = word.chars().next();
                first.is_none_or(|c| !c.is_lowercase())
                    || matches!(word, "of" | "and" | "the" | "for")
            })
        }
    }
}

/// Whether a text is written in capitals, so that a capital distinguishes nothing.
pub(super) fn is_shouting(text: &str) -> bool {
    let (mut upper, mut lower, mut skipping) = (0usize, 0usize, false);
    for byte in text.bytes() {
        match byte {
            b'$' | b'@' => skipping = true,
            b' ' | b'\n' | b'\t' => skipping = false,
            _ if skipping => {}
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            _ => {}
        }
    }
    let letters = upper + lower;
    letters >= SHOUTING_LETTERS_MIN && upper as f64 >= SHOUTING_SHARE * letters as f64
}

/// Whether a word that makes the name count stands near the range.
pub(super) fn has_context(
    universe: &Universe,
    context: &Context,
    text: &str,
    start: usize,
    end: usize,
) -> bool {
    let before = text.get(floor(text, start.saturating_sub(CONTEXT_BYTES))..start);
    let after = text.get(end..floor(text, (end + CONTEXT_BYTES).min(text.len())));
    let is_edge = |c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '-' | '\u{2019}'));
    let backward = before.unwrap_or("").rsplit(is_edge);
    let forward = after.unwrap_or("").split(is_edge);
    let mut word = String::new();
    let mut counts = |raw: &str| {
        word.clear();
        word.extend(raw.chars().flat_map(char::to_lowercase));
        let stem = word
            .strip_suffix("'s")
            .or_else(|| word.strip_suffix("\u{2019}s"));
        let stem = stem.unwrap_or(&word).trim_matches(['\'', '\u{2019}', '-']);
        match context {
            Context::Free => true,
            Context::General => universe.is_context(stem),
            Context::GeneralOr(own) => {
                universe.is_context(stem) || own.iter().any(|w| w.as_ref() == stem)
            }
            Context::Only(own) => own.iter().any(|w| w.as_ref() == stem),
        }
    };
    let full = |word: &&str| !word.is_empty();
    let near = backward.filter(full).take(CONTEXT_WORDS);
    if near.into_iter().any(&mut counts) {
        return true;
    }
    forward.filter(full).take(CONTEXT_WORDS).any(&mut counts)
}

/// The nearest character boundary at or below `place`.
fn floor(text: &str, place: usize) -> usize {
    let mut place = place.min(text.len());
    while place > 0 && !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

/// Where the ticker right behind `end` ends, after spaces if the mark was a word (`NYSE: IBM`);
/// with its start. Up to six letters, one `.` or `/` with letters allowed.
pub(super) fn ticker(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mark_is_dollar = end - start == 1;
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    if before.is_some_and(|c| c.is_alphanumeric() || c == '$') {
        return None;
    }
    let mut from = end;
    if !mark_is_dollar {
        while bytes.get(from) == Some(&b' ') && from < end + 2 {
            from += 1;
        }
        if bytes.get(from) == Some(&b'$') {
            return None;
        }
    }
    let letters = |from: usize| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        rest.iter().take_while(|b| b.is_ascii_alphabetic()).count()
    };
    let length = letters(from);
    if length == 0 || length > TICKER_LETTERS_MAX + 2 {
        return None;
    }
    let mut to = from + length;
    if matches!(bytes.get(to), Some(b'.' | b'/' | b'-')) {
        let class = letters(to + 1);
        let slash = bytes.get(to) == Some(&b'/');
        if (1..=2).contains(&class) || (slash && (3..=4).contains(&class)) {
            to += 1 + class;
        }
    }
    let next = text.get(to..).and_then(|t| t.chars().next());
    if next.is_some_and(|c| c.is_alphabetic() || c == '_') {
        return None;
    }
    // A tag in words, not in capitals or small letters alone, is a name: left to the names.
    Some((from, to))
}
