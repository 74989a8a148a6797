//! How well one partition of items (clusters) agrees with another (true stories): BCubed, mutual
//! information, purity. Names of clusters do not matter, only who is with whom.

use std::collections::BTreeMap;

/// Items counted by their cluster and their true story.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    cells: BTreeMap<(u64, u64), u64>,
    clusters: BTreeMap<u64, u64>,
    stories: BTreeMap<u64, u64>,
    total: u64,
}

/// Precision, recall and their harmonic mean, each 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BCubed {
    /// Mean share of an item's cluster that tells the item's story.
    pub precision: f64,
    /// Mean share of an item's story that is in the item's cluster.
    pub recall: f64,
    /// 2 P R / (P + R).
    pub f1: f64,
}

/// Mutual information of clusters and stories, normalised to 0..1 by a mean of their entropies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MutualInformation {
    /// By the geometric mean, sqrt(H(clusters) H(stories)).
    pub geometric: f64,
    /// By the arithmetic mean, (H(clusters) + H(stories)) / 2.
    pub arithmetic: f64,
}

impl Partition {
    /// Counts one item.
    pub fn add(&mut self, cluster: u64, story: u64) {
        *self.cells.entry((cluster, story)).or_default() += 1;
        *self.clusters.entry(cluster).or_default() += 1;
        *self.stories.entry(story).or_default() += 1;
        self.total += 1;
    }

    /// How many items were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many clusters and how many stories there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.clusters.len(), self.stories.len())
    }

    /// BCubed precision and recall (Bagga and Baldwin 1998); `None` without items.
    pub fn bcubed(&self) -> Option<BCubed> {
        if self.total == 0 {
            return None;
        }
        let (mut precision, mut recall) = (0.0, 0.0);
        for ((cluster, story), count) in &self.cells {
            let together = (*count as f64).powi(2);
            precision += together / size(&self.clusters, *cluster);
            recall += together / size(&self.stories, *story);
        }
        precision /= self.total as f64;
        recall /= self.total as f64;
        Some(BCubed {
            precision,
            recall,
            f1: 2.0 * precision * recall / (precision + recall),
        })
    }

    /// Normalised mutual information; 1 where both are one lump, `None` without items.
    pub fn mutual_information(&self) -> Option<MutualInformation> {
        if self.total == 0 {
            return None;
        }
        let total = self.total as f64;
        let mutual: f64 = self
            .cells
            .iter()
            .map(|((cluster, story), count)| {
                let count = *count as f64;
                let expected = size(&self.clusters, *cluster) * size(&self.stories, *story);
                count / total * (count * total / expected).ln()
            })
            .sum();
        let (clusters, stories) = (self.entropy(&self.clusters), self.entropy(&self.stories));
        let normalised = |by: f64| {
            if by > 1e-12 {
                (mutual / by).clamp(0.0, 1.0)
            } else if clusters.max(stories) <= 1e-12 {
                1.0
            } else {
                0.0
            }
        };
        Some(MutualInformation {
            geometric: normalised((clusters * stories).sqrt()),
            arithmetic: normalised(f64::midpoint(clusters, stories)),
        })
    }

    /// Share of items whose story is the most frequent one of their cluster, over the clusters
    /// that `counts` accepts; with the number of items counted. `None` without such items.
    pub fn purity(&self, counts: impl Fn(u64) -> bool) -> Option<(f64, u64)> {
        let mut most: BTreeMap<u64, u64> = BTreeMap::new();
        for ((cluster, _), count) in self.cells.iter().filter(|((c, _), _)| counts(*c)) {
            let best = most.entry(*cluster).or_default();
            *best = (*best).max(*count);
        }
        let items: u64 = most.keys().filter_map(|c| self.clusters.get(c)).sum();
        (items > 0).then(|| (most.values().sum::<u64>() as f64 / items as f64, items))
    }

    fn entropy(&self, sizes: &BTreeMap<u64, u64>) -> f64 {
        let total = self.total as f64;
        let share = |count: &u64| *count as f64 / total;
        sizes.values().map(share).map(|p| -p * p.ln()).sum()
    }
}

fn size(sizes: &BTreeMap<u64, u64>, key: u64) -> f64 {
    sizes.get(&key).copied().unwrap_or(0).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rows: &[(u64, u64)]) -> Partition {
        let mut partition = Partition::default();
        for (cluster, story) in rows {
            partition.add(*cluster, *story);
        }
        partition
    }

    #[test]
    fn agrees_with_values_by_hand_and_scikit_learn() {
        // labels_true = [0, 0, 0, 1, 1, 2], labels_pred = [5, 5, 6, 6, 6, 6]
        let partition = of(&[(5, 0), (5, 0), (6, 0), (6, 1), (6, 1), (6, 2)]);
        let found = partition.bcubed().unwrap();
        // P = (2*1 + 1*1/4 + 2*2/4 + 1*1/4) / 6, R = (2*2/3 + 1/3 + 2 + 1) / 6.
        assert!((found.precision - 3.5 / 6.0).abs() < 1e-12);
        assert!((found.recall - (5.0 / 3.0 + 3.0) / 6.0).abs() < 1e-12);
        let mutual = partition.mutual_information().unwrap();
        // MI = ln 2 / 3 + ln(1/2) / 6 + ln(3/2) / 2; H = 0.636514, 1.011404.
        let by_hand = 2f64.ln() / 3.0 + 0.5f64.ln() / 6.0 + 1.5f64.ln() / 2.0;
        let (clusters, stories) = (0.636_514_168_294_8_f64, 1.011_404_264_707_351_5_f64);
        assert!((mutual.geometric - by_hand / (clusters * stories).sqrt()).abs() < 1e-9);
        assert!((mutual.arithmetic - by_hand / f64::midpoint(clusters, stories)).abs() < 1e-9);
        let (purity, items) = partition.purity(|_| true).unwrap();
        assert!((purity - 4.0 / 6.0).abs() < 1e-12 && items == 6);
        assert_eq!(partition.purity(|cluster| cluster == 5), Some((1.0, 2)));
        assert_eq!(partition.purity(|_| false), None);
        assert_eq!(Partition::default().bcubed(), None);
    }

    proptest! {
        #[test]
        fn bounds_hold_and_names_do_not_matter(
            rows in proptest::collection::vec((0_u64..6, 0_u64..6), 1..60),
        ) {
            let partition = of(&rows);
            let found = partition.bcubed().unwrap();
            let mutual = partition.mutual_information().unwrap();
            for value in [found.precision, found.recall, found.f1, mutual.geometric, mutual.arithmetic] {
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&value), "{value}");
            }
            prop_assert!(mutual.arithmetic <= mutual.geometric + 1e-9);
            let renamed: Vec<_> = rows.iter().rev().map(|(c, s)| (97 - c, s * 3 + 1)).collect();
            let other = of(&renamed);
            prop_assert!((other.bcubed().unwrap().f1 - found.f1).abs() < 1e-9);
            let again = other.mutual_information().unwrap().geometric;
            prop_assert!((again - mutual.geometric).abs() < 1e-9);
            // Precision of one is recall of the other.
            let turned = of(&rows.iter().map(|(c, s)| (*s, *c)).collect::<Vec<_>>());
            prop_assert!((turned.bcubed().unwrap().recall - found.precision).abs() < 1e-9);
        }
    }
}
