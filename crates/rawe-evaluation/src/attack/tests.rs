//! Attacks on a made-up history: the least number is found, and limits make it larger.

use super::*;
use chrono::{TimeDelta, TimeZone, Utc};
use rawe_core::{Register, Timeframe};

/// 45 days of hourly bars of BTC that go nowhere, and ever fewer posts by forty known authors.
fn history() -> (Vec<NewsItem>, Vec<Bar>) {
    let start = Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
    let symbol = Symbol::new("BTC/USD").unwrap();
    let (mut items, mut bars) = (Vec::new(), Vec::new());
    for hour in 0..45 * 24i64 {
        let at = start + TimeDelta::hours(hour);
        let price = 100.0 + f64::from(i32::try_from(hour * 7_907 % 97).unwrap()) / 100.0;
        bars.push(Bar {
            symbol: symbol.clone(),
            start: at - TimeDelta::hours(1),
            end: at,
            timeframe: Timeframe::Hour,
            open: price,
            high: price + 0.2,
            low: price - 0.2,
            close: price,
            volume: 1.0,
            backfill: false,
        });
        // Ever fewer posts, so that nobody is long for the talk alone.
        for post in 0..=hour * 7_919 % 101 % 2 + (45 * 24 - hour) / 200 {
            let at = at + TimeDelta::minutes(7 + post);
            items.push(NewsItem {
                id: format!("{hour}-{post}"),
                published: at,
                first_seen: at,
                source: "forum".into(),
                register: Register::Social,
                author: Some(format!("author {}", (hour * 3 + post) % 40)),
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: vec![symbol.clone()],
                headline: String::new(),
                text: format!("post {hour} about wallets {post}"),
                backfill: false,
            });
        }
    }
    (items, bars)
}

#[test]
fn more_accounts_never_cost_more_and_limits_never_help_the_attacker() {
    let (items, bars) = history();
    let settings = AttackSettings {
        hours: 12,
        accounts: vec![1, 30],
        items_max: 300,
        targets: 1,
    };
    let mut last = 0.0;
    let report = measure(&items, &bars, &settings, &mut |part| last = part).unwrap();
    assert!(last > 0.99, "{last}");
    assert_eq!(report.targets.len(), 1);
    assert_eq!(report.rows.len(), 6);
    let cost = |limits: bool, accounts: usize| {
        let row = report.rows.iter().find(|row| {
            row.limits == limits && row.accounts == accounts && row.hiding == Hiding::NewAccounts
        });
        let least = row
            .unwrap()
            .agents
            .iter()
            .filter_map(|agent| agent.median)
            .min();
        least.unwrap_or(usize::MAX)
    };
    assert!(cost(false, 1) < usize::MAX, "{}", report.table());
    assert!(cost(true, 1) > cost(false, 1), "{}", report.table());
    assert!(cost(true, 30) <= cost(true, 1), "{}", report.table());
    assert!(report.table().lines().count() == 8);
}

#[test]
fn the_least_number_is_found() {
    for wanted in [0, 1, 2, 7, 100, 2_999, 3_000] {
        let found = least_that(3_000, |n| n >= wanted).unwrap();
        assert!(
            found >= wanted && found <= wanted + wanted / 20 + 1,
            "{wanted} {found}"
        );
    }
    assert_eq!(least_that(3_000, |_| false), None);
}
