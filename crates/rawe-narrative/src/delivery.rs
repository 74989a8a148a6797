//! Knowing an item that a feed delivers twice: streams deliver at least once, stories count once.

use std::collections::VecDeque;

use rawe_core::NewsItem;
use serde::{Deserialize, Serialize};

use crate::hash::{FastSet, text_hash};
use crate::tokens::truncate;

/// Items remembered; a second delivery comes soon or not at all.
const REMEMBERED: usize = 8_192;
/// Only this much of an id is compared, bytes.
const ID_BYTES_MAX: usize = 256;

/// The items delivered lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Delivered {
    known: FastSet<u64>,
    order: VecDeque<u64>,
}

impl Delivered {
    /// Whether the item was not delivered lately; remembers it. Items without an id are always new.
    pub(crate) fn is_new(&mut self, item: &NewsItem) -> bool {
        if item.id.is_empty() {
            return true;
        }
        let key = text_hash(truncate(&item.source, ID_BYTES_MAX)).rotate_left(29)
            ^ text_hash(truncate(&item.id, ID_BYTES_MAX));
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
