//! The names of the language, and what a misspelt one may have meant.

use super::program::{Constant, Source};
use rawe_narrative::{Feature, Measure, StreamChoice};

/// The functions and features with arguments, each with how it is written.
pub(crate) const CALLS: [(&str, &str); 17] = [
    ("tone", "tone(6h) or tone(6h, own)"),
    ("intensity", "intensity(12h) or intensity(12h, own)"),
    ("dispersion", "dispersion(48h) or dispersion(48h, own)"),
    ("velocity", "velocity or velocity(own)"),
    ("z", "z(feature), as in z(tone(6h))"),
    ("move", "move(24h)"),
    ("return", "return(24h)"),
    ("abs", "abs(x)"),
    ("sign", "sign(x)"),
    ("exp", "exp(x)"),
    ("ln", "ln(x)"),
    ("min", "min(x, y, ...)"),
    ("max", "max(x, y, ...)"),
    ("clip", "clip(x) or clip(x, 2)"),
    ("mean", "mean(24h, x)"),
    ("learned", "learned(60d, 60d, x)"),
    ("band", "band(x, 0.25)"),
];

/// The names without arguments.
const PLAIN: [(&str, Value); 11] = {
    use Value::{Constant as C, Source as S};
    [
        (
            "velocity",
            S(Source::Measured(Feature::Raw(
                Measure::Velocity,
                StreamChoice::Market,
            ))),
        ),
        ("sigma", S(Source::Sigma)),
        ("volatility_percentile", S(Source::VolatilityPercentile)),
        ("narrative_volatility", S(Source::NarrativeVolatility)),
        ("coherence", S(Source::Coherence)),
        ("entropy", S(Source::Entropy)),
        ("belief_penetration", S(Source::BeliefPenetration)),
        ("narrative_tone", S(Source::NarrativeTone)),
        ("nvx", S(Source::Nvx)),
        ("flux_sensitivity", C(Constant::FluxSensitivity)),
        ("stress_sensitivity", C(Constant::StressSensitivity)),
    ]
};

/// What a name without arguments stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Source(Source),
    Constant(Constant),
}

/// The value of a name without arguments.
pub(crate) fn plain(name: &str) -> Option<Value> {
    let found = PLAIN.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

/// How a function or feature with arguments is written.
pub(crate) fn usage(name: &str) -> Option<&'static str> {
    let found = CALLS.iter().find(|(known, _)| *known == name);
    found.map(|(_, usage)| *usage)
}

/// A stream's name.
pub(crate) fn stream(name: &str) -> Option<StreamChoice> {
    match name {
        "own" => Some(StreamChoice::Own),
        "market" => Some(StreamChoice::Market),
        _ => None,
    }
}

/// Whether the language itself has the name.
pub(crate) fn is_reserved(name: &str) -> bool {
    plain(name).is_some() || usage(name).is_some() || stream(name).is_some()
}

/// All names the language itself has, streams excepted.
pub(crate) fn all<'a>() -> impl Iterator<Item = &'a str> {
    let calls = CALLS.iter().map(|(name, _)| -> &'a str { name });
    calls.chain(PLAIN.iter().map(|(name, _)| -> &'a str { name }))
}

/// Longest name that is compared with others, bytes.
const COMPARED_BYTES_MAX: usize = 64;

/// `; did you mean 'x'?` with the closest of the language's names and `more`, if one is close.
pub(crate) fn did_you_mean<'a>(name: &str, more: impl Iterator<Item = &'a str>) -> String {
    if name.len() > COMPARED_BYTES_MAX {
        return String::new();
    }
    let wanted = name.to_ascii_lowercase();
    let closest = all()
        .chain(more)
        .filter(|known| known.len() <= COMPARED_BYTES_MAX)
        .map(|known| (distance(&wanted, known), known))
        .min();
    match closest {
        Some((edits, known)) if edits <= (name.len() / 3).max(1) => {
            format!("; did you mean '{known}'?")
        }
        _ => String::new(),
    }
}

/// Letters to add, drop or replace to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, left) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = replaced.min(*cell + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_meant() {
        for (a, b, edits) in [("tne", "tone", 1), ("", "abs", 3), ("mood", "mood", 0)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
        assert_eq!(
            did_you_mean("Tonne", [].into_iter()),
            "; did you mean 'tone'?"
        );
        assert_eq!(
            did_you_mean("croud", ["crowd"].into_iter()),
            "; did you mean 'crowd'?"
        );
        assert_eq!(did_you_mean("elephant", [].into_iter()), "");
    }
}
