//! The numbers beside ours: what was asked for on the development sets, what others published, what
//! a plain model scores. Quoted, not measured here; where they come from is in `docs/evaluation.md`.

/// What is known of a measure on a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) at_least: Option<f64>,
    pub(crate) moonshot: Option<f64>,
    pub(crate) beside: Option<&'static str>,
}

type Entry = (
    &'static str,
    &'static str,
    &'static str,
    Option<f64>,
    Option<f64>,
    &'static str,
);

/// Part, set, measure, at least, moonshot, beside (quoted).
const TABLE: &[Entry] = &[
    (
        "tone",
        "phrasebank",
        "accuracy, lexicon",
        Some(0.74),
        Some(0.78),
        "VADER .544",
    ),
    (
        "tone",
        "sentfin",
        "accuracy, lexicon",
        Some(0.71),
        Some(0.75),
        "VADER .513",
    ),
    (
        "tone",
        "stockemo",
        "accuracy, lexicon",
        Some(0.72),
        Some(0.76),
        "VADER .555",
    ),
    (
        "tone",
        "phrasebank",
        "accuracy, learned layer",
        Some(0.79),
        Some(0.82),
        "FinBERT .86 to .97",
    ),
    (
        "tone",
        "sentfin",
        "accuracy, learned layer",
        Some(0.77),
        Some(0.80),
        "RoBERTa .943, own protocol",
    ),
    (
        "tone",
        "stockemo",
        "accuracy, learned layer",
        Some(0.76),
        Some(0.81),
        "LR .74, BERT .81 (micro F1)",
    ),
    (
        "clusters",
        "stream-news",
        "NMI, geometric",
        Some(0.88),
        Some(0.90),
        "MStream .834",
    ),
    (
        "clusters",
        "stream-news-t",
        "NMI, geometric",
        Some(0.91),
        Some(0.93),
        "MStreamF .873",
    ),
    (
        "clusters",
        "stream-news",
        "BCubed F1",
        Some(0.77),
        Some(0.82),
        "",
    ),
    (
        "clusters",
        "stream-news-t",
        "BCubed F1",
        Some(0.83),
        Some(0.87),
        "",
    ),
    (
        "clusters",
        "stream-news",
        "purity, rated BBB or better",
        Some(0.91),
        Some(0.95),
        "",
    ),
    (
        "clusters",
        "stream-news-t",
        "purity, rated BBB or better",
        Some(0.91),
        Some(0.95),
        "",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, mix, 10 bp",
        Some(2.2),
        Some(2.6),
        "reference +2.35 [+1.44 +3.15]",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, crowd, 10 bp",
        None,
        None,
        "reference +1.51 [+0.33 +2.63]",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, mood, 10 bp",
        None,
        None,
        "reference +1.57 [+0.53 +2.61]",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, trend, 10 bp",
        None,
        None,
        "price only; reference +2.02",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, narrative-leads, 10 bp",
        None,
        None,
        "reference +1.11 [+0.09 +2.08]",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, capital-leads, 10 bp",
        None,
        None,
        "reference +1.29 [+0.33 +2.36]",
    ),
    (
        "direction",
        "crypto",
        "Sharpe, holding, 10 bp",
        None,
        None,
        "reference -0.21",
    ),
    (
        "votes",
        "crypto",
        "Sharpe, three of five, 10 bp",
        None,
        None,
        "reference +2.33 [+1.34 +3.30]",
    ),
    (
        "votes",
        "crypto",
        "Sharpe, three of five, 25 bp",
        None,
        None,
        "reference +2.13 [+1.10 +3.13]",
    ),
    (
        "votes",
        "crypto",
        "Sharpe, three of five long only, 10 bp",
        None,
        None,
        "reference +1.56 [+0.37 +2.62]",
    ),
    (
        "votes",
        "crypto",
        "Sharpe, three of five long only, 25 bp",
        None,
        None,
        "reference +1.39 [+0.15 +2.48]",
    ),
    (
        "votes",
        "crypto",
        "effective votes",
        None,
        None,
        "reference 3.0",
    ),
    (
        "votes",
        "crypto",
        "mean vote correlation",
        None,
        None,
        "reference .17",
    ),
    (
        "direction",
        "stocknet",
        "accuracy, mix",
        None,
        None,
        "SLOT .587, StockNet .536 to .582 (their test)",
    ),
    (
        "direction",
        "stocknet",
        "MCC, mix",
        None,
        None,
        "SLOT .207, StockNet -.025 to .081 (their test)",
    ),
    (
        "direction",
        "stocknet",
        "MCC, reversal",
        None,
        None,
        "reference +.017 [-.004 +.035]",
    ),
    (
        "direction",
        "sn2",
        "MCC, reversal",
        None,
        None,
        "reference +.036 [+.014 +.059]",
    ),
    ("direction", "sn2", "accuracy, mix", None, None, "SEP .514"),
    ("direction", "sn2", "MCC, mix", None, None, "SEP .030"),
    (
        "volatility",
        "sn2",
        "gain over HAR, %",
        Some(0.44),
        Some(1.5),
        "reference 0.44 (t 3.4)",
    ),
    (
        "volatility",
        "stocknet",
        "gain over HAR, %",
        None,
        None,
        "reference 0.08 (t 0.9)",
    ),
    (
        "volatility",
        "stocknet",
        "residual rank IC, velocity",
        Some(0.035),
        None,
        "reference +.035 (t 5.0)",
    ),
    (
        "volatility",
        "sn2",
        "residual rank IC, velocity",
        None,
        None,
        "reference +.047 (t 5.8)",
    ),
];

/// What is known of `measure` of a part on a set.
pub(crate) fn reference(part: &str, set: &str, measure: &str) -> Option<Reference> {
    let found = TABLE
        .iter()
        .find(|(p, s, m, ..)| *p == part && *s == set && *m == measure)?;
    let (_, _, _, at_least, moonshot, beside) = *found;
    Some(Reference {
        at_least,
        moonshot,
        beside: Some(beside).filter(|text| !text.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_named_twice_and_moonshots_are_farther() {
        for (index, (part, set, measure, at_least, moonshot, _)) in TABLE.iter().enumerate() {
            let again = TABLE.iter().skip(index + 1);
            let mut same = again.filter(|(p, s, m, ..)| (p, s, m) == (part, set, measure));
            assert!(same.next().is_none(), "{part} {set} {measure}");
            if let (Some(least), Some(most)) = (at_least, moonshot) {
                assert!(least < most, "{part} {set} {measure}");
            }
        }
        assert!(reference("tone", "nowhere", "accuracy, lexicon").is_none());
    }
}
