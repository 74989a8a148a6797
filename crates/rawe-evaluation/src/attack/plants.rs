//! The planted items: a hopeful story about one asset, told in ever new words. When they come and
//! what they move is the parent's.

use std::fmt;

use chrono::TimeDelta;
use rawe_core::{NewsItem, Register, Symbol, Timestamp};
use serde::Serialize;

/// Who plants the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hiding {
    /// Accounts nobody has heard before, at the history's busiest source.
    NewAccounts,
    /// The history's busiest source itself, without authors, as a forum's feed shows them.
    Forum,
}

impl fmt::Display for Hiding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewAccounts => "new accounts",
            Self::Forum => "the busiest source, unnamed",
        })
    }
}

const WHO: [&str; 7] = [
    "insiders",
    "analysts",
    "big funds",
    "friends at the desk",
    "early backers",
    "engineers",
    "traders",
];
const VERB: [&str; 6] = ["expect", "see", "confirm", "report", "promise", "praise"];
const WHAT: [&str; 8] = [
    "a huge breakthrough",
    "record profits",
    "strong growth",
    "a great partnership",
    "an amazing rally",
    "massive gains",
    "an upgrade",
    "a winning product",
];
const END: [&str; 5] = [
    "very bullish",
    "time to buy",
    "this will soar",
    "best news in years",
    "moon soon",
];

/// `count` items about `symbol`, spread evenly over the `hours` before `until`, told by `accounts`
/// in turn at `source`.
pub(super) fn plant(
    symbol: &Symbol,
    hiding: Hiding,
    accounts: usize,
    count: usize,
    until: Timestamp,
    hours: i64,
    source: &str,
) -> Vec<NewsItem> {
    let step = TimeDelta::hours(hours).num_seconds() as f64 / (count + 1) as f64;
    let name = symbol.as_str().split('/').next().unwrap_or_default();
    (0..count)
        .map(|n| {
            // Seconds of a day or two: exact in f64, and whole after rounding.
            #[allow(clippy::cast_possible_truncation, reason = "seconds of a few days")]
            let before = ((count - n) as f64 * step).round() as i64;
            let at = until - TimeDelta::seconds(before);
            NewsItem {
                id: format!("planted-{n}"),
                published: at,
                first_seen: at,
                source: source.to_owned(),
                register: Register::Social,
                author: (hiding == Hiding::NewAccounts)
                    .then(|| format!("planted-account-{}", n % accounts.max(1))),
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: vec![symbol.clone()],
                headline: String::new(),
                text: story(name, n),
                backfill: false,
            }
        })
        .collect()
}

/// The n-th variant of the story; 1,680 differ in their words and all in a number.
fn story(name: &str, n: usize) -> String {
    let pick = |list: &'static [&'static str], n: usize| list.get(n % list.len()).copied();
    let (who, n1) = (pick(&WHO, n), n / WHO.len());
    let (verb, n2) = (pick(&VERB, n1), n1 / VERB.len());
    let (what, n3) = (pick(&WHAT, n2), n2 / WHAT.len());
    let words = [who, verb, what, pick(&END, n3)].map(Option::unwrap_or_default);
    let [who, verb, what, end] = words;
    format!("{name}: {who} {verb} {what}, {end} (part {n})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn plants_differ_and_come_before_the_scan() {
        let symbol = Symbol::new("BTC/USD").unwrap();
        let until = Timestamp::UNIX_EPOCH + TimeDelta::days(10_000);
        let plants = plant(&symbol, Hiding::NewAccounts, 3, 500, until, 24, "forum");
        assert_eq!(plants.len(), 500);
        let texts: BTreeSet<&str> = plants.iter().map(|i| i.text.as_str()).collect();
        assert_eq!(texts.len(), 500);
        let authors: BTreeSet<_> = plants.iter().map(|i| i.author.clone()).collect();
        assert_eq!(authors.len(), 3);
        assert!(plants.is_sorted_by_key(|item| item.first_seen));
        let inside = |at: Timestamp| at < until && at > until - TimeDelta::hours(24);
        assert!(plants.iter().all(|item| inside(item.first_seen)));
        assert!(
            plant(&symbol, Hiding::Forum, 1, 5, until, 24, "f")
                .iter()
                .all(|i| i.author.is_none())
        );
    }
}
