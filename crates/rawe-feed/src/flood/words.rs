//! The words of a flood: small ones, phrases of finance, and made-up ones by number.

/// Words that carry no story, about in the order of their frequency.
pub(super) const SMALL_WORDS: [&str; 40] = [
    "the", "to", "of", "in", "and", "for", "a", "on", "at", "with", "as", "is", "by", "from",
    "after", "its", "over", "up", "down", "this", "that", "be", "are", "an", "it", "will", "has",
    "was", "not", "more", "new", "says", "out", "than", "about", "into", "could", "amid", "may",
    "no",
];

/// What headlines about money say.
pub(super) const PHRASES: [&str; 96] = [
    "shares",
    "profit rose",
    "profit fell",
    "earnings",
    "revenue",
    "beats estimates",
    "misses",
    "guidance",
    "raises guidance",
    "cuts forecast",
    "upgrade",
    "downgrade",
    "price target",
    "analyst",
    "surges",
    "plunges",
    "rally",
    "selloff",
    "stocks",
    "market",
    "bull",
    "bear",
    "buy",
    "sell",
    "dividend",
    "buyback",
    "merger",
    "acquisition",
    "deal",
    "lawsuit",
    "probe",
    "recall",
    "fraud",
    "bankruptcy",
    "layoffs",
    "hires",
    "CEO",
    "quarter",
    "results",
    "outlook",
    "growth",
    "debt",
    "inflation",
    "Fed",
    "rates",
    "oil prices",
    "jobs",
    "tariffs",
    "China",
    "Europe",
    "demand",
    "supply",
    "record high",
    "all-time high",
    "52-week low",
    "higher",
    "lower",
    "gains",
    "losses",
    "weak",
    "strong",
    "warns",
    "expects",
    "announces",
    "launches",
    "Apple",
    "Microsoft",
    "Tesla",
    "Amazon",
    "Bitcoin",
    "Ethereum",
    "Google",
    "JPMorgan Chase",
    "AT&T",
    "10%",
    "+3.5%",
    "-2%",
    "$1.2 billion",
    "Q3",
    "2020",
    "not good",
    "very strong",
    "hack",
    "outage",
    "approval",
    "trial",
    "patent",
    "contract",
    "production",
    "sales",
    "volume",
    "options",
    "short interest",
    "index",
    "futures",
    "S&P 500",
];

const CONSONANTS: &[u8; 16] = b"bcdfghjklmnprstv";
const VOWELS: &[u8; 4] = b"aeio";

/// Appends the made-up word of a number: two or more syllables, another number another word.
pub(super) fn made_up_word(number: u64, text: &mut String) {
    let mut rest = number;
    for syllable in 0.. {
        if syllable >= 2 && rest == 0 {
            break;
        }
        let consonant = CONSONANTS.get((rest & 15) as usize).copied();
        let vowel = VOWELS.get((rest >> 4 & 3) as usize).copied();
        text.push(char::from(consonant.unwrap_or(b'b')));
        text.push(char::from(vowel.unwrap_or(b'a')));
        rest >>= 6;
    }
    // Two and three syllables with an ending, so that no two numbers meet in a word.
    text.push(char::from(
        CONSONANTS
            .get((number % 13) as usize)
            .copied()
            .unwrap_or(b'n'),
    ));
}

/// The symbol of an asset by its number: well-known ones first, then made-up ones.
pub(super) fn symbol_of(asset: u64) -> String {
    const KNOWN: [&str; 12] = [
        "AAPL", "BTC/USD", "TSLA", "MSFT", "ETH/USD", "AMZN", "JPM", "T", "GOOGL", "NVDA", "BAC",
        "XOM",
    ];
    match usize::try_from(asset).ok().and_then(|n| KNOWN.get(n)) {
        Some(known) => (*known).to_owned(),
        None => format!("Q{asset}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn made_up_words_differ() {
        let words: HashSet<String> = (0..100_000)
            .map(|number| {
                let mut word = String::new();
                made_up_word(number, &mut word);
                word
            })
            .collect();
        assert_eq!(words.len(), 100_000);
    }
}
