//! How well predicted classes agree with true ones: accuracy, macro F1, Matthews correlation.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Counts of (true, predicted) classes; -1, 0, +1 for tone, -1 and +1 for direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    counts: BTreeMap<(i8, i8), u64>,
}

/// One cell of a confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionCell {
    /// The true class.
    pub truth: i8,
    /// The predicted class.
    pub predicted: i8,
    /// How many rows.
    pub count: u64,
}

impl Confusion {
    /// Counts one row.
    pub fn add(&mut self, truth: i8, predicted: i8) {
        *self.counts.entry((truth, predicted)).or_default() += 1;
    }

    /// How many rows were counted.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The classes that occur, as truth or as prediction.
    pub fn classes(&self) -> BTreeSet<i8> {
        self.counts.keys().flat_map(|(t, p)| [*t, *p]).collect()
    }

    /// The count of a cell.
    pub fn count(&self, truth: i8, predicted: i8) -> u64 {
        self.counts.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// All cells over all classes, by truth, then prediction.
    pub fn cells(&self) -> Vec<ConfusionCell> {
        let classes = self.classes();
        let cell = |truth: i8, predicted: i8| ConfusionCell {
            truth,
            predicted,
            count: self.count(truth, predicted),
        };
        classes
            .iter()
            .flat_map(|truth| {
                classes
                    .iter()
                    .map(move |predicted| cell(*truth, *predicted))
            })
            .collect()
    }

    /// Share of rows predicted right, 0..1; `None` without rows.
    pub fn accuracy(&self) -> Option<f64> {
        let right: u64 = self.classes().iter().map(|c| self.count(*c, *c)).sum();
        ratio(right, self.total())
    }

    /// Share of the most frequent true class: what saying it always would score.
    pub fn majority(&self) -> Option<f64> {
        let classes = self.classes();
        let most = classes.iter().map(|c| self.truths(*c)).max()?;
        ratio(most, self.total())
    }

    /// Mean of the classes' F1, 0..1; a class never predicted right counts 0. `None` without rows.
    pub fn macro_f1(&self) -> Option<f64> {
        let classes = self.classes();
        if classes.is_empty() {
            return None;
        }
        let f1 = |class: &i8| {
            let right = self.count(*class, *class) as f64;
            let both = (self.truths(*class) + self.predictions(*class)) as f64;
            if both > 0.0 { 2.0 * right / both } else { 0.0 }
        };
        Some(classes.iter().map(f1).sum::<f64>() / classes.len() as f64)
    }

    /// Matthews correlation of two classes, positive against the rest; `None` where a margin is 0.
    pub fn matthews(&self) -> Option<f64> {
        let cell = |truth: bool, predicted: bool| -> f64 {
            let fits = |((t, p), _): &(&(i8, i8), &u64)| (*t > 0) == truth && (*p > 0) == predicted;
            self.counts
                .iter()
                .filter(fits)
                .map(|(_, n)| *n as f64)
                .sum()
        };
        matthews(
            cell(true, true),
            cell(false, false),
            cell(false, true),
            cell(true, false),
        )
    }

    fn truths(&self, class: i8) -> u64 {
        let own = self.counts.iter().filter(|((truth, _), _)| *truth == class);
        own.map(|(_, count)| count).sum()
    }

    fn predictions(&self, class: i8) -> u64 {
        let own = self.counts.iter().filter(|((_, p), _)| *p == class);
        own.map(|(_, count)| count).sum()
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Matthews correlation from true and false positives and negatives, -1..1; `None` where one of
/// the four margins is 0.
pub fn matthews(
    true_positive: f64,
    true_negative: f64,
    false_positive: f64,
    false_negative: f64,
) -> Option<f64> {
    let margins = (true_positive + false_positive)
        * (true_positive + false_negative)
        * (true_negative + false_positive)
        * (true_negative + false_negative);
    let excess = true_positive * true_negative - false_positive * false_negative;
    (margins > 0.0).then(|| (excess / margins.sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rows: &[(i8, i8)]) -> Confusion {
        let mut confusion = Confusion::default();
        for (truth, predicted) in rows {
            confusion.add(*truth, *predicted);
        }
        confusion
    }

    #[test]
    fn agrees_with_values_by_hand_and_scikit_learn() {
        // y_true = [1, 1, 1, 0, 0, -1, -1, -1], y_pred = [1, 1, 0, 0, -1, -1, -1, 1]
        let rows = [
            (1, 1),
            (1, 1),
            (1, 0),
            (0, 0),
            (0, -1),
            (-1, -1),
            (-1, -1),
            (-1, 1),
        ];
        let confusion = of(&rows);
        assert!((confusion.accuracy().unwrap() - 0.625).abs() < 1e-12);
        // F1: 2/3 for -1, 1/2 for 0, 2/3 for +1.
        assert!((confusion.macro_f1().unwrap() - 0.611_111_111_111).abs() < 1e-9);
        assert!((confusion.majority().unwrap() - 0.375).abs() < 1e-12);
        assert_eq!(confusion.cells().len(), 9);
        // matthews_corrcoef with tp 6, tn 3, fp 1, fn 2: 16 / sqrt(7 * 8 * 4 * 5)
        assert!((matthews(6.0, 3.0, 1.0, 2.0).unwrap() - 0.478_091_443_733).abs() < 1e-9);
        assert_eq!(of(&[(1, 1), (-1, 1)]).matthews(), None);
        assert_eq!(of(&[]).accuracy(), None);
        assert_eq!(of(&[]).macro_f1(), None);
    }

    proptest! {
        #[test]
        fn bounds_hold_and_order_does_not_matter(
            rows in proptest::collection::vec((-1_i8..=1, -1_i8..=1), 1..80),
        ) {
            let confusion = of(&rows);
            let turned: Vec<_> = rows.iter().rev().copied().collect();
            prop_assert_eq!(&confusion, &of(&turned));
            let accuracy = confusion.accuracy().unwrap();
            let f1 = confusion.macro_f1().unwrap();
            prop_assert!((0.0..=1.0).contains(&accuracy) && (0.0..=1.0).contains(&f1));
            if let Some(correlation) = confusion.matthews() {
                prop_assert!((-1.0..=1.0).contains(&correlation));
                // Renaming both classes changes nothing.
                let two = rows.iter().map(|(t, p)| (if *t > 0 { -1 } else { 1 }, if *p > 0 { -1 } else { 1 }));
                let swapped = of(&two.collect::<Vec<_>>()).matthews().unwrap();
                prop_assert!((swapped - correlation).abs() < 1e-12);
            }
        }

        #[test]
        fn the_truth_itself_is_perfect(truth in proptest::collection::vec(-1_i8..=1, 1..60)) {
            let confusion = of(&truth.iter().map(|t| (*t, *t)).collect::<Vec<_>>());
            prop_assert!((confusion.accuracy().unwrap() - 1.0).abs() < 1e-12);
            prop_assert!((confusion.macro_f1().unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
