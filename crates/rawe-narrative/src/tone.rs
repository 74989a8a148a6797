//! The tone of a text, -1 to 1: how good or bad its words are for the asset it speaks of.
//! Rules and constants are those of the engine's design; the words are in `lexicon`.

use std::ops::Range;

use rawe_core::Register;

use crate::tokens::{TokenKind, Tokens};

mod clauses;
mod comparison;
mod model;
mod scorer;

pub(crate) use model::bounded;
pub use model::{LexiconModel, SentimentModel, SentimentText};
pub(crate) use scorer::ToneScorer;

/// The tone of headline and text together, strictly between -1 and 1; 0 is neutral.
pub fn tone(headline: &str, text: &str, register: Register) -> f64 {
    let mut tokens = Tokens::default();
    tokens.read(headline, text);
    ToneScorer::default().score(&tokens, register)
}

/// The tone for what is named at `range`, strictly between -1 and 1: that of the clause around the
/// name. 0 for who only tells or accompanies ("Acme up 5 %: Smith, Jones Securities"), and the
/// words around, the nearest most, where the clause itself says nothing. Posts are read whole:
/// clauses were measured to make their tone worse.
///
/// `range` is in bytes of what is read of the headline with the text directly after it.
pub fn tone_of(text: &SentimentText<'_>, range: Range<usize>) -> f64 {
    let mut tokens = Tokens::default();
    tokens.read(text.headline, text.text);
    let mut scorer = ToneScorer::default();
    let whole = scorer.score(&tokens, text.register);
    scorer
        .score_at(&tokens, text.register, std::iter::once(range))
        .unwrap_or(whole)
}

/// Gives `take` every word of the text in order, lower-cased, with the byte where it begins in what
/// is read of the headline with the text directly after it: for models that read words themselves.
/// Addresses, names behind `@` and tickers behind `$` are left out; marks are words of their own.
pub fn each_word(headline: &str, text: &str, mut take: impl FnMut(&str, usize)) {
    let mut tokens = Tokens::default();
    tokens.read(headline, text);
    let words = tokens.list().iter();
    for token in words.filter(|token| token.kind != TokenKind::Cashtag) {
        take(tokens.text(*token), token.at as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P of a text, from s = P / sqrt(P² + 6).
    fn points(text: &str, register: Register) -> f64 {
        let s = tone("", text, register);
        (6.0 * s * s / (1.0 - s * s)).sqrt().copysign(s)
    }

    #[test]
    fn words_score_as_the_rules_say() {
        use Register::{News, Social};
        let cases = [
            // A word; nothing; a word only posts read otherwise.
            ("upgrade", News, 2.0),
            ("the table is round", News, 0.0),
            ("", News, 0.0),
            ("bears", News, -2.0),
            ("bears", Social, 3.0),
            // Directions: with a noun near, without, and of a noun of which more is bad.
            ("profit rose", News, 1.5),
            ("costs rose", News, -1.5),
            ("profit declined", News, -1.5),
            ("costs declined", News, 1.5),
            ("sales surged", News, 4.5),
            ("it rose", News, 1.0),
            ("they raised it", News, 0.5),
            ("profit of a b c d rose", News, 1.0),
            // The nearest noun counts.
            ("profit a a costs rose", News, -1.5),
            // A polar noun counts only without a direction near.
            ("growth", News, 2.0),
            ("growth falls", News, -1.5),
            // Phrases, the longest first, each word once.
            ("price target cut", News, -2.0),
            ("all time high", News, 2.0),
            ("beats estimates", News, 2.0),
            // Boosters reach one token, negations three.
            ("huge upgrade", News, 3.0),
            ("huge a upgrade", News, 2.0),
            ("not upgrade", News, -1.4),
            ("not a b upgrade", News, -1.4),
            ("not a b c upgrade", News, 2.0),
            ("don\u{2019}t upgrade", News, -1.4),
            // What numbers are compared with, and what is said of it.
            ("profit was 8.1 mn compared to 6.5 mn", News, 1.5),
            ("profit was 6.5 mn versus 8.1 mn", News, -1.5),
            ("costs went from 5 to 8", News, -1.5),
            ("profit was 5 versus a loss of 8", News, 1.5 + 1.0),
            ("profit rose to 8.1 mn from 6.5 mn", News, 2.0),
            ("profit was 8 % compared to 6 mn", News, 0.0),
            // Percentages with a sign.
            ("+3.5%", News, 1.0),
            ("-12%", News, -1.0),
            ("12%", News, 0.0),
            // What is not read: addresses, names, tickers.
            ("http://upgrade.com @upgrade $BULL", News, 0.0),
            ("#upgrade", News, 2.0),
            ("UPGRADE \u{1F680}", News, 5.0),
        ];
        for (text, register, expected) in cases {
            let got = points(text, register);
            assert!(
                (got - expected).abs() < 1e-9,
                "{text:?}: {got}, not {expected}"
            );
        }
    }

    #[test]
    fn gives_words_with_their_places() {
        let mut words = Vec::new();
        each_word("Up +5%", "$BOLT @bob #Now!", |word, at| {
            words.push((word.to_owned(), at));
        });
        let words: Vec<_> = words
            .iter()
            .map(|(word, at)| (word.as_str(), *at))
            .collect();
        assert_eq!(words, [("up", 0), ("+5%", 3), ("now", 18), ("!", 21)]);
    }

    #[test]
    fn headline_and_text_are_read_together() {
        let joined = tone("Profit", "rose", Register::News);
        assert!((joined - tone("", "Profit rose", Register::News)).abs() < 1e-15);
        assert!(joined > 0.0 && joined < 1.0);
    }

    #[test]
    fn a_name_has_the_tone_of_its_clause() {
        use Register::{News, Social};
        let cases: &[(&str, &str, Register, f64)] = &[
            ("Acme jumps while Bolt tumbles", "Acme", News, 2.0),
            ("Acme jumps while Bolt tumbles", "Bolt", News, -2.0),
            ("Acme jumps, $BOLT tumbles", "$BOLT", News, -2.0),
            // Posts are read whole.
            ("Acme jumps while Bolt tumbles", "Bolt", Social, 0.0),
            // Who tells, judges or accompanies has no tone.
            ("Acme shares look strong: Jo Doe, Bolt", "Bolt", News, 0.0),
            ("Bolt upgrades Acme", "Bolt", News, 0.0),
            ("Acme wins deal with the Bolt", "Bolt", News, 0.0),
            // A buyer is not praised by the word.
            ("Acme buys Bolt", "Acme", News, 0.0),
            // A clause that says that nothing moves is not silent.
            ("Acme jumps, Bolt steady", "Bolt", News, 0.0),
        ];
        for (headline, name, register, expected) in cases {
            let start = headline.find(name).unwrap();
            let text = SentimentText {
                headline,
                text: "",
                register: *register,
            };
            let s = tone_of(&text, start..start + name.len());
            let got = (6.0 * s * s / (1.0 - s * s)).sqrt().copysign(s);
            assert!((got - expected).abs() < 1e-9, "{headline} {name}: {got}");
        }
    }

    #[test]
    fn a_silent_clause_hears_the_words_around_the_nearer_the_louder() {
        let of = |headline: &str| {
            let text = SentimentText {
                headline,
                text: "",
                register: Register::News,
            };
            tone_of(&text, headline.find("Bolt").unwrap()..headline.len())
        };
        let near = of("upgrade and Bolt");
        let far = of("upgrade of many other things and Bolt");
        assert!(0.0 < far && far < near && near < tone("upgrade", "", Register::News));
    }

    proptest::proptest! {
        #[test]
        fn every_text_and_range_has_a_tone(
            headline in "[a-c ,:;%0-9.]{0,12}|(profit|loss|from|to|versus|5|mn| |,|:|with){0,20}",
            text in "\\PC{0,60}",
            start in 0usize..100,
            length in 0usize..100,
        ) {
            for register in [Register::News, Register::Social] {
                let shown = SentimentText { headline: &headline, text: &text, register };
                let s = tone_of(&shown, start..start + length);
                proptest::prop_assert!(s.abs() < 1.0);
                let s = tone_of(&shown, Range { start: start + length, end: start });
                proptest::prop_assert!(s.abs() < 1.0);
            }
        }
    }
}
