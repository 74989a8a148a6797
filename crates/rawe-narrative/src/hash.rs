//! A fast, fixed hash for the tables of the engine. Not for untrusted table sizes: every table
//! keyed by outside text is bounded. No table's iteration order may reach a result.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A hash map with the fixed hash below. It is written to a snapshot sorted by key, so that equal
/// maps give equal bytes whatever happened to them before.
#[derive(Clone, Debug)]
pub(crate) struct FastMap<K, V>(HashMap<K, V, BuildHasherDefault<FastHasher>>);

/// A hash set with the fixed hash below, written sorted as [`FastMap`] is.
#[derive(Clone, Debug)]
pub(crate) struct FastSet<K>(HashSet<K, BuildHasherDefault<FastHasher>>);

impl<K: Eq + Hash, V: PartialEq> PartialEq for FastMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K, V> Default for FastMap<K, V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K, V> Deref for FastMap<K, V> {
    type Target = HashMap<K, V, BuildHasherDefault<FastHasher>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> DerefMut for FastMap<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for FastMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<K, V> IntoIterator for FastMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::collections::hash_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for FastMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs: Vec<(&K, &V)> = self.0.iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
        serializer.collect_map(pairs)
    }
}

impl<'de, K, V> Deserialize<'de> for FastMap<K, V>
where
    K: Eq + Hash + Deserialize<'de>,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashMap::deserialize(deserializer).map(Self)
    }
}

impl<K: Eq + Hash> PartialEq for FastSet<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Default for FastSet<K> {
    fn default() -> Self {
        Self(HashSet::default())
    }
}

impl<K> Deref for FastSet<K> {
    type Target = HashSet<K, BuildHasherDefault<FastHasher>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K> DerefMut for FastSet<K> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K: Ord + Serialize> Serialize for FastSet<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<&K> = self.0.iter().collect();
        keys.sort_unstable();
        serializer.collect_seq(keys)
    }
}

impl<'de, K: Eq + Hash + Deserialize<'de>> Deserialize<'de> for FastSet<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashSet::deserialize(deserializer).map(Self)
    }
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Multiply-and-rotate over words of eight bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct FastHasher(u64);

impl FastHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.mix(u64::from_le_bytes(word) ^ ((chunk.len() as u64) << 59));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(MULTIPLIER);
        hash ^ (hash >> 29)
    }
}

/// The hash of a text: the same on every machine and in every version of this crate.
pub(crate) fn text_hash(text: &str) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(text.as_bytes());
    hasher.write_u8(0xFF);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // Narrative ids are made of it, so a change would rename every story.
        assert_eq!(text_hash("twitter"), 142_905_779_455_059_942);
        assert_eq!(text_hash(""), 9_997_589_574_936_062_745);
        assert_ne!(text_hash("ab"), text_hash("ba"));
        assert_ne!(text_hash("a"), text_hash("a\0"));
        assert_ne!(text_hash("12345678"), text_hash("123456789"));
    }
}
