//! Grades of a narrative: the coherence rating AAA to D, and the entropy of its tone.

use serde::{Deserialize, Serialize};

use std::fmt;

/// Items whose tone is nearer to 0 than this are neutral.
const NEUTRAL_TONE: f64 = 0.05;
/// Below this many independent items there is no rating.
pub(crate) const RATED_ITEMS_MIN: u64 = 4;

/// How well the items of a narrative hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rating {
    /// Under four independent items.
    NotRated,
    /// c below .05.
    D,
    /// c ≥ .05.
    C,
    /// c ≥ .07.
    Cc,
    /// c ≥ .10.
    Ccc,
    /// c ≥ .12.
    B,
    /// c ≥ .15.
    Bb,
    /// c ≥ .20: investment grade from here, measured purity .91 or more.
    Bbb,
    /// c ≥ .25.
    A,
    /// c ≥ .30.
    Aa,
    /// c ≥ .40.
    Aaa,
}

impl Rating {
    /// The rating of coherence `c` over `items` independent items.
    pub fn of(coherence: f64, items: u64) -> Self {
        if items < RATED_ITEMS_MIN {
            return Self::NotRated;
        }
        [
            (0.40, Self::Aaa),
            (0.30, Self::Aa),
            (0.25, Self::A),
            (0.20, Self::Bbb),
            (0.15, Self::Bb),
            (0.12, Self::B),
            (0.10, Self::Ccc),
            (0.07, Self::Cc),
            (0.05, Self::C),
        ]
        .into_iter()
        .find_map(|(least, rating)| (coherence >= least).then_some(rating))
        .unwrap_or(Self::D)
    }

    /// BBB or better.
    pub fn is_investment_grade(self) -> bool {
        self >= Self::Bbb
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRated => "NR",
            Self::D => "D",
            Self::C => "C",
            Self::Cc => "CC",
            Self::Ccc => "CCC",
            Self::B => "B",
            Self::Bb => "BB",
            Self::Bbb => "BBB",
            Self::A => "A",
            Self::Aa => "AA",
            Self::Aaa => "AAA",
        })
    }
}

/// Items of a narrative by the sign of their tone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToneCounts {
    negative: u64,
    neutral: u64,
    positive: u64,
}

impl ToneCounts {
    pub(crate) fn add(&mut self, tone: f64) {
        if tone > NEUTRAL_TONE {
            self.positive += 1;
        } else if tone < -NEUTRAL_TONE {
            self.negative += 1;
        } else {
            self.neutral += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.negative += other.negative;
        self.neutral += other.neutral;
        self.positive += other.positive;
    }

    /// −Σ p ln p / ln 3, in 0..1: 0 is agreement, 1 an even dispute.
    pub(crate) fn entropy(self) -> f64 {
        let counts = [self.negative, self.neutral, self.positive];
        let total = counts.iter().sum::<u64>() as f64;
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| *count as f64 / total)
            .map(|p| -p * p.ln())
            .sum();
        // The entropy of one certain outcome comes out as -0.
        (entropy.abs() / 3.0_f64.ln()).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_follow_the_scale() {
        let cases = [
            (0.41, 9, "AAA", true),
            (0.40, 4, "AAA", true),
            (0.30, 4, "AA", true),
            (0.25, 4, "A", true),
            (0.20, 4, "BBB", true),
            (0.199, 4, "BB", false),
            (0.12, 4, "B", false),
            (0.10, 4, "CCC", false),
            (0.07, 4, "CC", false),
            (0.05, 4, "C", false),
            (0.049, 4, "D", false),
            (0.9, 3, "NR", false),
        ];
        for (coherence, items, name, investment) in cases {
            let rating = Rating::of(coherence, items);
            assert_eq!(
                (rating.to_string().as_str(), rating.is_investment_grade()),
                (name, investment)
            );
        }
    }

    #[test]
    fn entropy_is_zero_in_agreement_and_one_in_even_dispute() {
        let mut counts = ToneCounts::default();
        assert!(counts.entropy().abs() < 1e-15);
        counts.add(0.5);
        assert!(counts.entropy().abs() < 1e-15);
        counts.add(-0.5);
        assert!((counts.entropy() - 2f64.ln() / 3f64.ln()).abs() < 1e-12);
        counts.add(0.0);
        assert!((counts.entropy() - 1.0).abs() < 1e-12);
    }
}
