//! Ids of Alpaca's articles that were delivered, forgotten when they are too old to be listed
//! again.

use std::collections::{BTreeSet, HashSet};

use rawe_core::Timestamp;

/// The ids.
#[derive(Clone, Debug, Default)]
pub struct KnownArticles {
    ids: HashSet<i64>,
    by_update: BTreeSet<(Timestamp, i64)>,
}

impl KnownArticles {
    /// Whether an article was delivered.
    pub fn contains(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    /// Notes an article.
    pub fn add(&mut self, id: i64, updated_at: Timestamp) {
        self.ids.insert(id);
        self.by_update.insert((updated_at, id));
    }

    /// Forgets what was updated before `instant`.
    pub fn forget_before(&mut self, instant: Timestamp) {
        let kept = self.by_update.split_off(&(instant, i64::MIN));
        for (_, id) in std::mem::replace(&mut self.by_update, kept) {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_articles_are_forgotten() {
        let at = |minute: i64| chrono::DateTime::from_timestamp(minute * 60, 0).unwrap();
        let mut known = KnownArticles::default();
        known.add(1, at(1));
        known.add(2, at(2));
        known.forget_before(at(2));
        assert!(!known.contains(1) && known.contains(2));
    }
}
