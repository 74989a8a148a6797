//! Items of files and scenarios in the order in which they are first seen, released by a clock.

use std::collections::VecDeque;

use rawe_core::{NewsItem, Timestamp};

/// Items that wait for their time.
#[derive(Clone, Debug, Default)]
pub struct NewsTimeline {
    waiting: VecDeque<NewsItem>,
}

impl NewsTimeline {
    /// Merges the items of several sources. Equal times keep a fixed order: by id, then source.
    pub fn merge(sources: impl IntoIterator<Item = Vec<NewsItem>>) -> Self {
        let mut items: Vec<NewsItem> = sources.into_iter().flatten().collect();
        items.sort_by(|a, b| {
            (a.first_seen, &a.id, &a.source).cmp(&(b.first_seen, &b.id, &b.source))
        });
        items.dedup_by(|a, b| a.source == b.source && a.id == b.id);
        Self {
            waiting: items.into(),
        }
    }

    /// How many items still wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all items have been released.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops all items first seen at or before `instant`.
    pub fn skip_through(&mut self, instant: Timestamp) {
        let skipped = self
            .waiting
            .partition_point(|item| item.first_seen <= instant);
        self.waiting.drain(..skipped);
    }

    /// Releases at most `count` items first seen at or before `instant`, oldest first.
    pub fn release(&mut self, instant: Timestamp, count: usize) -> Vec<NewsItem> {
        let due = self
            .waiting
            .partition_point(|item| item.first_seen <= instant);
        self.waiting.drain(..due.min(count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, minute: i64) -> NewsItem {
        let time = chrono::DateTime::from_timestamp(minute * 60, 0).unwrap();
        NewsItem {
            id: id.into(),
            published: time,
            first_seen: time,
            source: "s".into(),
            register: rawe_core::Register::News,
            author: None,
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: Vec::new(),
            headline: "h".into(),
            text: String::new(),
            backfill: false,
        }
    }

    #[test]
    fn items_come_once_in_order_and_never_early() {
        let mut timeline = NewsTimeline::merge([
            vec![item("c", 3), item("a", 1)],
            vec![item("b", 2), item("a", 1)],
        ]);
        assert_eq!(timeline.len(), 3);
        let at = |minute: i64| chrono::DateTime::from_timestamp(minute * 60, 0).unwrap();
        let ids = |items: Vec<NewsItem>| items.into_iter().map(|i| i.id).collect::<Vec<_>>();
        assert_eq!(ids(timeline.release(at(0), 9)), [""; 0]);
        assert_eq!(ids(timeline.release(at(2), 1)), ["a"]);
        assert_eq!(ids(timeline.release(at(2), 9)), ["b"]);
        timeline.skip_through(at(3));
        assert!(timeline.is_empty());
    }
}
