//! A live feed's mind against simulated worlds: streams that come and go and fall silent, an API
//! that fails and is slow. Nothing is lost, nothing told twice, and hours are what they were.

mod rules;

use std::collections::VecDeque;

use proptest::prelude::*;
use rawe_core::NewsItem;

use super::*;

/// Seconds of a simulated world.
const HOURS: i64 = 6;
/// Steps of it, milliseconds.
const STEP_MS: i64 = 750;

fn start() -> Timestamp {
    "2026-11-20T10:20:00Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    start() + TimeDelta::seconds(seconds)
}

fn coins() -> [Symbol; 2] {
    ["BTC/USD", "ETH/USD"].map(|text| Symbol::new(text).unwrap())
}

fn minute(t: Timestamp, price: f64) -> BarData {
    BarData {
        t,
        o: price,
        h: price + 1.0,
        l: price - 1.0,
        c: price + 0.5,
        v: 2.0,
        n: None,
        vw: None,
    }
}

fn article(id: i64, created_at: Timestamp) -> NewsArticle {
    NewsArticle {
        id,
        headline: format!("Story {id}"),
        author: String::new(),
        created_at,
        updated_at: created_at,
        summary: String::new(),
        content: String::new(),
        images: Vec::new(),
        symbols: vec!["BTCUSD".into()],
        source: "wire".into(),
        url: None,
    }
}

fn following() -> Following {
    let delivered = Delivered {
        bars_through: start(),
        news_through: start(),
        ..Delivered::default()
    };
    let groups = crate::groups(coins().map(|coin| (coin, Timeframe::Hour)));
    Following::new(
        groups,
        Some(60),
        SymbolMap::default(),
        TimeDelta::seconds(60),
        TimeDelta::days(8),
        delivered,
    )
}

/// What is true: every minute of both coins, and articles.
struct World {
    minutes: Vec<(Symbol, BarData)>,
    articles: Vec<NewsArticle>,
}

impl World {
    fn new(article_seconds: &[i64]) -> Self {
        let first = start() - TimeDelta::minutes(20);
        let minutes = (0..(HOURS + 1) * 60).flat_map(|n| {
            let t = first + TimeDelta::minutes(n);
            coins()
                .into_iter()
                .enumerate()
                .filter_map(move |(place, coin)| {
                    // The second coin is not traded in every minute.
                    let traded = place == 0 || n % 7 != 3;
                    traded.then(|| (coin, minute(t, 100.0 + (n % 13) as f64)))
                })
        });
        let articles = article_seconds.iter().zip(1..);
        Self {
            minutes: minutes.collect(),
            articles: articles
                .map(|(seconds, id)| article(id, at(*seconds)))
                .collect(),
        }
    }

    /// The hours that end in `(after, through]`, as the API tells them.
    fn hours(&self, after: Timestamp, through: Timestamp) -> Vec<Bar> {
        let mut hours = Hours::default();
        let long_ago = after - TimeDelta::hours(1);
        for (symbol, minute) in self.minutes.iter().filter(|(_, m)| m.t >= long_ago) {
            let span = hour_of(symbol, minute.t).unwrap();
            hours.add(symbol.clone(), span.end, minute.clone());
        }
        let all = hours.take_through(through);
        all.into_iter().filter(|bar| bar.end > after).collect()
    }

    fn updated(&self, from: Timestamp, through: Timestamp) -> Vec<NewsArticle> {
        let inside = |a: &&NewsArticle| from <= a.updated_at && a.updated_at <= through;
        self.articles.iter().filter(inside).cloned().collect()
    }
}

/// What goes wrong and when, in seconds since the start.
#[derive(Clone, Debug)]
struct Trouble {
    /// The streams are down.
    cuts: Vec<(i64, i64)>,
    /// The streams fall silent and stay so until they are opened again.
    silences: Vec<i64>,
    /// The API fails.
    failures: Vec<(i64, i64)>,
    /// How long it takes to answer, milliseconds.
    latency_ms: i64,
}

/// What was delivered.
#[derive(Default)]
struct Told {
    bars: Vec<(Timestamp, Bar)>,
    items: Vec<(Timestamp, NewsItem)>,
    streamed: u64,
}

struct Play<'a> {
    world: &'a World,
    trouble: &'a Trouble,
    mind: Following,
    told: Told,
    answers: VecDeque<(Timestamp, Seen)>,
    up: bool,
    silent: bool,
    /// Opened again not before this.
    reopen: Timestamp,
}

impl Play<'_> {
    fn see(&mut self, seen: Seen, now: Timestamp) {
        for act in self.mind.apply(seen, now) {
            match act {
                Act::Deliver(bars, items) => {
                    self.told
                        .bars
                        .extend(bars.into_iter().map(|bar| (now, bar)));
                    self.told
                        .items
                        .extend(items.into_iter().map(|item| (now, item)));
                }
                Act::AskBars(question) => {
                    let bars = self.world.hours(question.after, question.through);
                    self.answer(now, |good| Seen::Bars(question, good.then_some(bars)));
                }
                Act::AskArticles(question) => {
                    let articles = self.world.updated(question.from, question.through);
                    self.answer(now, |good| {
                        Seen::Articles(question, good.then_some(articles))
                    });
                }
                Act::Restart(_) => self.close(now),
                Act::Count(counter, n) if counter == "bars_streamed" => self.told.streamed += n,
                Act::Count(..) => {}
            }
        }
    }

    fn answer(&mut self, now: Timestamp, seen: impl FnOnce(bool) -> Seen) {
        let seconds = (now - start()).num_seconds();
        let fails = |(from, to): &(i64, i64)| (*from..*to).contains(&seconds);
        let good = !self.trouble.failures.iter().any(fails);
        let when = now + TimeDelta::milliseconds(self.trouble.latency_ms);
        self.answers.push_back((when, seen(good)));
    }

    fn close(&mut self, now: Timestamp) {
        if self.up {
            (self.up, self.silent) = (false, false);
            self.reopen = now + TimeDelta::seconds(3);
            for channel in [Channel::Crypto, Channel::News] {
                self.see(Seen::Down(channel), now);
            }
        }
    }

    fn step(&mut self, before: Timestamp, now: Timestamp) {
        let seconds = (now - start()).num_seconds();
        let cut = |(from, to): &(i64, i64)| (*from..*to).contains(&seconds);
        if self.trouble.cuts.iter().any(cut) {
            self.close(now);
        } else if !self.up && now >= self.reopen {
            self.up = true;
            for channel in [Channel::Crypto, Channel::News] {
                self.see(Seen::Up(channel), now);
            }
        }
        let begins = |silence: &i64| before < at(*silence) && at(*silence) <= now;
        self.silent |= self.trouble.silences.iter().any(begins);
        if self.up && !self.silent {
            // A minute is told 700 ms after it is over, sometimes twice.
            let late = TimeDelta::milliseconds(700) + TimeDelta::minutes(1);
            let world = self.world;
            let told = |time: Timestamp| world.minutes.partition_point(|(_, m)| m.t + late <= time);
            for (symbol, bar) in &world.minutes[told(before)..told(now)] {
                let times = if bar.t.timestamp() / 60 % 5 == 0 {
                    2
                } else {
                    1
                };
                for _ in 0..times {
                    self.see(Seen::Minute(symbol.clone(), bar.clone()), now);
                }
            }
            for article in &world.articles {
                if before < article.created_at && article.created_at <= now {
                    self.see(Seen::Article(Box::new(article.clone())), now);
                }
            }
        }
        while self.answers.front().is_some_and(|(when, _)| *when <= now) {
            if let Some((_, seen)) = self.answers.pop_front() {
                self.see(seen, now);
            }
        }
        if self.mind.due(before) <= now {
            self.see(Seen::Time, now);
        }
    }
}

/// Plays a world with its trouble, and ten minutes without at the end.
fn play(world: &World, trouble: &Trouble) -> Told {
    let mut play = Play {
        world,
        trouble,
        mind: following(),
        told: Told::default(),
        answers: VecDeque::new(),
        up: false,
        silent: false,
        reopen: start(),
    };
    let mut now = start();
    for _ in 0..HOURS * 3_600_000 / STEP_MS {
        let before = now;
        now += TimeDelta::milliseconds(STEP_MS);
        play.step(before, now);
    }
    play.told
}

/// Nothing lost, nothing twice, nothing early, nothing but the truth, and each coin in order.
fn check(world: &World, told: &Told, in_order: bool) {
    let end = at(HOURS * 3_600);
    let mut bars: Vec<Bar> = told.bars.iter().map(|(_, bar)| bar.clone()).collect();
    assert!(told.bars.iter().all(|(when, bar)| bar.end <= *when));
    if in_order {
        for coin in coins() {
            let own = bars.iter().filter(|bar| bar.symbol == coin);
            assert!(own.map(|bar| bar.end).is_sorted());
        }
    }
    bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    for bar in &mut bars {
        bar.backfill = false;
    }
    assert_eq!(bars, world.hours(start() - HOURLY_OVERLAP, end));
    let mut ids: Vec<i64> = told
        .items
        .iter()
        .map(|(_, i)| i.id.parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert!(
        ids.into_iter()
            .eq(world.articles.iter().map(|article| article.id))
    );
    let seen_when_told = |(when, item): &(Timestamp, NewsItem)| item.first_seen == *when;
    assert!(told.items.iter().all(seen_when_told));
}

fn calm() -> Trouble {
    Trouble {
        cuts: Vec::new(),
        silences: Vec::new(),
        failures: Vec::new(),
        latency_ms: 400,
    }
}

#[test]
fn in_calm_weather_hours_are_streamed_within_two_seconds() {
    let world = World::new(&[100, 5_000, 5_001]);
    let told = play(&world, &calm());
    check(&world, &told, true);
    // All but the hour in which the stream came up, of two coins.
    assert_eq!(told.streamed, 2 * (HOURS as u64 - 1));
    for (when, bar) in told.bars.iter().filter(|(_, bar)| bar.end > at(3_600)) {
        assert!(
            *when - bar.end <= TimeDelta::seconds(2),
            "{when} {}",
            bar.end
        );
    }
    for ((when, _), seconds) in told.items.iter().zip([100, 5_000, 5_001]) {
        assert!(*when - at(seconds) <= TimeDelta::seconds(1));
    }
}

#[test]
fn a_minute_without_the_feed_loses_nothing_and_doubles_nothing() {
    let story_while_away = [7_210, 7_235];
    let world = World::new(&story_while_away);
    // Over the end of an hour, streams and API alike.
    for from in [7_180, 7_200, 12_000, 12_030] {
        let trouble = Trouble {
            cuts: vec![(from, from + 60)],
            failures: vec![(from, from + 60)],
            ..calm()
        };
        check(&world, &play(&world, &trouble), true);
    }
}

#[test]
fn a_silent_stream_is_opened_again_and_its_hour_asked_for() {
    let world = World::new(&[9_000, 9_300]);
    // In the last minute of an hour, in the middle, and while an article comes.
    for silence in [9_550, 11_000, 8_999] {
        let trouble = Trouble {
            silences: vec![silence],
            ..calm()
        };
        let told = play(&world, &trouble);
        check(&world, &told, true);
        assert!(told.streamed >= 2 * (HOURS as u64 - 3), "{}", told.streamed);
    }
}

#[test]
fn while_the_api_is_away_whole_hours_are_told_all_the_same() {
    let world = World::new(&[]);
    let trouble = Trouble {
        failures: vec![(4_000, 15_000)],
        ..calm()
    };
    let told = play(&world, &trouble);
    check(&world, &told, true);
    let late = |(when, bar): &&(Timestamp, Bar)| *when - bar.end > HELD_MAX + TimeDelta::seconds(2);
    assert_eq!(told.bars.iter().skip(2).filter(late).count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn whatever_goes_wrong_nothing_is_lost_or_told_twice(
        cuts in prop::collection::vec((0_i64..20_000, 1_i64..4_000), 0..5),
        silences in prop::collection::vec(0_i64..17_000, 0..3),
        failures in prop::collection::vec((0_i64..20_000, 1_i64..4_000), 0..4),
        latency_ms in 0_i64..8_000,
        stories in prop::collection::vec(0_i64..20_000, 0..12),
    ) {
        // The last ten minutes are calm.
        let last = HOURS * 3_600 - 600;
        let spans = |spans: Vec<(i64, i64)>| -> Vec<(i64, i64)> {
            let span = |(from, length): (i64, i64)| (from, (from + length).min(last));
            spans.into_iter().map(span).collect()
        };
        let trouble = Trouble {
            cuts: spans(cuts),
            silences,
            failures: spans(failures),
            latency_ms,
        };
        let world = World::new(&stories);
        check(&world, &play(&world, &trouble), false);
    }
}
