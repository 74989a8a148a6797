//! How well items are linked to assets: precision and recall against what people read in a sample.
//!
//! The sample holds only ids and symbols; its texts come from the caller. What the reader of the
//! sample could not see is hidden from the linker too: the source's symbols, and cashtags, which
//! become nothing. So the figures are those of names, products, people and bare tickers.

use std::collections::BTreeMap;

use rawe_core::{NewsItem, Symbol};
use rawe_narrative::linking::Universe;
use serde::Serialize;

/// The shipped sample.
const SAMPLE: &str = include_str!("../data/linking-sample.tsv");
/// The first line of a sample that is no comment.
const HEADER: &str = "set\tid\tsymbols";
/// The longest ticker behind a dollar sign, letters.
const TICKER_LETTERS_MAX: usize = 8;

/// What a person reads in one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The data set.
    pub set: String,
    /// The item's id in it.
    pub id: String,
    /// The assets its text names; may be none.
    pub symbols: Vec<Symbol>,
}

/// Why a sample cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading a linking sample, line {line}: {problem}")]
pub struct SampleError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Counts and the shares that follow from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkingCounts {
    /// Items scored.
    pub items: usize,
    /// Items of the sample whose text the caller did not have.
    pub absent: usize,
    /// Links that people made too.
    pub right: usize,
    /// Links that people did not make.
    pub invented: usize,
    /// Links of people that were not made.
    pub missed: usize,
    /// right / (right + invented); 1 where nothing was linked.
    pub precision: f64,
    /// right / (right + missed); 1 where there was nothing to link.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// One item on which the linker and people differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkingMistake {
    /// The data set.
    pub set: String,
    /// The item's id.
    pub id: String,
    /// Assets only the linker found.
    pub invented: Vec<Symbol>,
    /// Assets only people found.
    pub missed: Vec<Symbol>,
}

/// How well a sample is linked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkingScore {
    /// Of the whole sample.
    pub total: LinkingCounts,
    /// By data set.
    pub sets: BTreeMap<String, LinkingCounts>,
    /// For people to read, in the order of the sample.
    pub mistakes: Vec<LinkingMistake>,
}

impl LinkingCounts {
    fn finish(&mut self) {
        let share = |part: usize, rest: usize| {
            if part + rest == 0 {
                1.0
            } else {
                part as f64 / (part + rest) as f64
            }
        };
        self.precision = share(self.right, self.invented);
        self.recall = share(self.right, self.missed);
        self.f1 = share(2 * self.right, self.invented + self.missed);
    }
}

/// The sample that ships with the crate: 400 items of four sets.
///
/// # Errors
/// Never for the shipped file, which a test reads.
pub fn sample() -> Result<Vec<Labelled>, SampleError> {
    parse_sample(SAMPLE)
}

/// Reads a sample: a header line, then `set`, `id`, symbols with spaces between (or `-` for none),
/// by tabs; `#` begins a comment.
///
/// # Errors
/// When a line is malformed.
pub fn parse_sample(text: &str) -> Result<Vec<Labelled>, SampleError> {
    let mut header_seen = false;
    let mut sample = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let failed = |problem: String| SampleError {
            line: place + 1,
            problem,
        };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !header_seen {
            if line.trim_end() != HEADER {
                return Err(failed(
                    "begin with 'set', 'id', 'symbols', tabs between".into(),
                ));
            }
            header_seen = true;
            continue;
        }
        let mut fields = line.split('\t');
        let (Some(set), Some(id), Some(symbols)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(failed("a line is set, id and symbols, tabs between".into()));
        };
        let symbols = symbols
            .split_whitespace()
            .filter(|symbol| *symbol != "-")
            .map(Symbol::new)
            .collect::<Result<_, _>>()
            .map_err(|error| failed(error.to_string()))?;
        sample.push(Labelled {
            set: set.to_owned(),
            id: id.to_owned(),
            symbols,
        });
    }
    Ok(sample)
}

/// Links each item of the sample, whose texts `item` gives by set and id, and compares.
pub fn score(
    universe: &Universe,
    sample: &[Labelled],
    item: impl Fn(&str, &str) -> Option<NewsItem>,
) -> LinkingScore {
    let mut score = LinkingScore::default();
    for labelled in sample {
        let counts = score.sets.entry(labelled.set.clone()).or_default();
        let Some(item) = item(&labelled.set, &labelled.id) else {
            counts.absent += 1;
            continue;
        };
        counts.items += 1;
        let found = names_in(universe, &item);
        let in_both = |one: &[Symbol], other: &[Symbol], wanted: bool| -> Vec<Symbol> {
            let is_in = |s: &Symbol| other.iter().any(|o| universe.is_same(s, o));
            one.iter().filter(|s| is_in(s) == wanted).cloned().collect()
        };
        let right = in_both(&labelled.symbols, &found, true).len();
        let invented = in_both(&found, &labelled.symbols, false);
        let missed = in_both(&labelled.symbols, &found, false);
        counts.right += right;
        counts.invented += invented.len();
        counts.missed += missed.len();
        if !invented.is_empty() || !missed.is_empty() {
            score.mistakes.push(LinkingMistake {
                set: labelled.set.clone(),
                id: labelled.id.clone(),
                invented,
                missed,
            });
        }
    }
    for counts in score.sets.values_mut() {
        counts.finish();
        score.total.items += counts.items;
        score.total.absent += counts.absent;
        score.total.right += counts.right;
        score.total.invented += counts.invented;
        score.total.missed += counts.missed;
    }
    score.total.finish();
    score
}

/// The assets an item's words name, each once, without its source's symbols and its cashtags.
fn names_in(universe: &Universe, item: &NewsItem) -> Vec<Symbol> {
    let bare = NewsItem {
        symbols: Vec::new(),
        headline: without_cashtags(&item.headline),
        text: without_cashtags(&item.text),
        ..item.clone()
    };
    let mut symbols: Vec<Symbol> = Vec::new();
    for mention in universe.mentions(&bare, &|symbol| universe.title(symbol).is_some()) {
        if !symbols.contains(&mention.symbol) {
            symbols.push(mention.symbol);
        }
    }
    symbols
}

/// The text with each `$TICKER` taken out.
pub fn without_cashtags(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        bare.push_str(before);
        let letters = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let mut length = letters(after);
        if (1..=TICKER_LETTERS_MAX).contains(&length) {
            let class = after.get(length..).and_then(|tail| tail.strip_prefix('.'));
            let class = class.map_or(0, letters);
            if (1..=2).contains(&class) {
                length += 1 + class;
            }
        } else {
            length = 0;
            bare.push('$');
        }
        rest = after.get(length..).unwrap_or("");
    }
    bare.push_str(rest);
    bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_core::Register;

    fn item(text: &str) -> NewsItem {
        NewsItem {
            id: "1".into(),
            published: chrono::DateTime::default(),
            first_seen: chrono::DateTime::default(),
            source: "x".into(),
            register: Register::Social,
            author: None,
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: vec![Symbol::new("MSFT").unwrap()],
            headline: String::new(),
            text: text.into(),
            backfill: false,
        }
    }

    #[test]
    fn the_shipped_sample_is_whole() {
        let sample = sample().unwrap();
        assert_eq!(sample.len(), 400);
        let universe = Universe::shipped();
        for labelled in &sample {
            for symbol in &labelled.symbols {
                assert!(
                    universe.title(symbol).is_some(),
                    "{symbol} of {}",
                    labelled.id
                );
            }
        }
        assert!(sample.iter().filter(|l| !l.symbols.is_empty()).count() > 100);
    }

    #[test]
    fn counts_what_is_right_invented_and_missed() {
        let table = "set\tid\tsymbols\na\t1\tAAPL GOOG\na\t2\t-\nb\t3\tTSLA\nb\t4\tIBM\n";
        let sample = parse_sample(table).unwrap();
        let texts = |_: &str, id: &str| match id {
            "1" => Some(item("Apple and Google up, $IBM too")),
            "2" => Some(item("Microsoft mentioned")),
            "3" => Some(item("an electric car maker")),
            _ => None,
        };
        let score = score(&Universe::shipped(), &sample, texts);
        let total = &score.total;
        assert_eq!((total.right, total.invented, total.missed), (2, 1, 1));
        assert_eq!((total.items, total.absent), (3, 1));
        assert!((total.precision - 2.0 / 3.0).abs() < 1e-12);
        assert!((total.recall - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(score.mistakes.len(), 2);
        assert_eq!(score.sets["a"].right, 2);
    }

    #[test]
    fn takes_cashtags_out() {
        for (text, bare) in [
            ("$AAPL up", " up"),
            ("a $BRK.B b $5 $", "a  b $5 $"),
            ("US$100 $x.", "US$100 ."),
            ("€ $TSLA700c", "€ 700c"),
        ] {
            assert_eq!(without_cashtags(text), bare);
        }
    }

    #[test]
    fn refuses_a_malformed_sample_with_its_line() {
        for (text, line) in [("x", 1), ("set\tid\tsymbols\nonly one field", 2)] {
            assert_eq!(parse_sample(text).unwrap_err().line, line);
        }
        assert_eq!(
            parse_sample("set\tid\tsymbols\na\t1\taapl")
                .unwrap_err()
                .line,
            2
        );
    }
}
