//! What a live feed does next: what is streamed and what is answered in, what is asked for and what
//! is delivered out. No I/O and no clock: the same events at the same times give the same acts.
//!
//! Streams are fast and forget what was said while they were down; the REST API is slow and knows
//! everything. So bars and articles come from the streams while these are up, and whenever one came
//! up or went down the API is asked for what may have been missed; it is also asked after every
//! hour and every few minutes, as an audit. An hour counts as streamed only if the stream was up
//! for all of it. Everything is delivered once: bars by symbol and end, articles by id.

mod events;
mod hours;
mod inquiry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rawe_alpaca::types::{BarData, NewsArticle};
use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Bar, Symbol, Timeframe, Timestamp};

use crate::allowance::Allowance;
use crate::alpaca_items::{ItemFault, item_from_alpaca};
use crate::bar_times::spans_between;
use crate::groups::Group;
use crate::intake::FRESH;
use crate::{KnownArticles, SymbolMap};
pub use events::{Act, BarQuestion, Channel, Delivered, NewsQuestion, Seen};
use hours::{Hours, hour_of};
use inquiry::{Inquiry, Line};

/// How far back bars are asked for again, to find those that came late: hourly ones.
const HOURLY_OVERLAP: TimeDelta = TimeDelta::hours(3);
/// The same for daily ones: a long weekend.
const DAILY_OVERLAP: TimeDelta = TimeDelta::days(4);
/// How far back articles are asked for again.
const NEWS_OVERLAP: TimeDelta = TimeDelta::minutes(15);
/// When bars are asked for after one should have ended: the agents scan two seconds after it.
const AFTER_BAR_END: [TimeDelta; 3] = [
    TimeDelta::milliseconds(300),
    TimeDelta::milliseconds(1_200),
    TimeDelta::seconds(10),
];
/// When an hour of streamed minutes is told: its last minute has come by then.
const SETTLED: TimeDelta = TimeDelta::milliseconds(1_500);
/// How long a streamed hour waits for the API's word on what was before it.
const HELD_MAX: TimeDelta = TimeDelta::seconds(60);
/// How often the API is asked at least while the stream is up.
const AUDIT_EVERY: TimeDelta = TimeDelta::minutes(5);
/// No minute of any symbol for longer than this is a gap.
const GAP_MIN: TimeDelta = TimeDelta::minutes(3);
/// Silence in open markets after which a stream is opened again, at least: doubled while it says
/// nothing, and twice its pause for one that tells its bars less often than every minute.
const MUTE_AFTER: TimeDelta = TimeDelta::minutes(5);
/// The longest such silence: a market of hours pauses for one.
const MUTE_AFTER_MAX: TimeDelta = TimeDelta::hours(2);
/// How much later than it was published the stream may tell an article.
const TOLD_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// How often time passes at least.
const TICK: TimeDelta = TimeDelta::seconds(15);

/// A live feed's mind.
#[derive(Debug)]
pub struct Following {
    groups: Vec<Group>,
    map: SymbolMap,
    poll: TimeDelta,
    memory: TimeDelta,
    lines: BTreeMap<Channel, Line>,
    hours: Hours,
    bars: BTreeSet<(Timestamp, Symbol)>,
    articles: KnownArticles,
    bar_inquiries: Vec<Inquiry>,
    /// `None` when the news API is no source.
    news_inquiry: Option<Inquiry>,
    /// Of each source of articles.
    allowances: BTreeMap<String, Allowance>,
    per_hour_max: u32,
}

impl Following {
    /// Follows `groups`, and at most so many articles of each source within an hour, if any; asks
    /// every `poll` while no stream is up, and remembers what was delivered for `memory`, which must
    /// be longer than a week.
    pub fn new(
        groups: Vec<Group>,
        articles_per_hour_max: Option<u32>,
        map: SymbolMap,
        poll: TimeDelta,
        memory: TimeDelta,
        delivered: Delivered,
    ) -> Self {
        Self {
            bar_inquiries: vec![Inquiry::new(delivered.bars_through); groups.len()],
            news_inquiry: articles_per_hour_max.map(|_| Inquiry::new(delivered.news_through)),
            allowances: BTreeMap::new(),
            per_hour_max: articles_per_hour_max.unwrap_or(0),
            groups,
            map,
            poll,
            memory,
            lines: BTreeMap::new(),
            hours: Hours::default(),
            bars: delivered.bars,
            articles: delivered.articles,
        }
    }

    /// The streams that are of use: of hourly bars, and of articles.
    pub fn channels(&self) -> Vec<Channel> {
        let hourly = |class| {
            let mut groups = self.groups.iter();
            groups.any(|group| group.class == class && group.timeframe == Timeframe::Hour)
        };
        let mut channels = Vec::new();
        channels.extend(hourly(AssetClass::UsEquity).then_some(Channel::Stocks));
        channels.extend(hourly(AssetClass::Crypto).then_some(Channel::Crypto));
        channels.extend(self.news_inquiry.map(|_| Channel::News));
        channels
    }

    /// The groups followed.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Whether no question is open.
    pub fn is_idle(&self) -> bool {
        let inquiries = self.bar_inquiries.iter().chain(&self.news_inquiry);
        !inquiries.into_iter().any(|inquiry| inquiry.open)
    }

    /// When to say that time has passed, at the latest.
    pub fn due(&self, now: Timestamp) -> Timestamp {
        let inquiries = self.bar_inquiries.iter().chain(&self.news_inquiry);
        let asked = inquiries.filter(|i| !i.open).map(|i| i.next);
        // An hour that is held although it has settled is looked at again a little later.
        let settled = self.hours.first_end().map(|end| match end + SETTLED {
            settled if settled > now => settled,
            _ => now + SETTLED,
        });
        asked
            .chain(settled)
            .chain([now + TICK])
            .min()
            .unwrap_or(now + TICK)
    }

    /// Takes in what happened at `now`; times never go back.
    pub fn apply(&mut self, seen: Seen, now: Timestamp) -> Vec<Act> {
        let mut acts = Vec::new();
        match seen {
            Seen::Time => {}
            Seen::Up(channel) => self.up(channel, now),
            Seen::Down(channel) => self.down(channel, now),
            Seen::Minute(symbol, minute) => self.minute(symbol, minute, now, &mut acts),
            Seen::Article(article) => {
                if let Some(line) = self.lines.get_mut(&Channel::News) {
                    line.heard = Some(now);
                }
                self.take_articles(&[*article], now, &mut acts);
            }
            Seen::Bars(question, Some(bars)) => self.bars_answered(&question, bars, now, &mut acts),
            Seen::Bars(question, None) => {
                if let Some(inquiry) = self.bar_inquiries.get_mut(question.group) {
                    inquiry.failed(now);
                }
            }
            Seen::Articles(question, Some(articles)) => {
                self.articles_answered(&question, &articles, now, &mut acts);
            }
            Seen::Articles(_, None) => {
                if let Some(inquiry) = &mut self.news_inquiry {
                    inquiry.failed(now);
                }
            }
        }
        self.tell_hours(now, &mut acts);
        self.notice_silence(now, &mut acts);
        self.ask(now, &mut acts);
        self.bars.retain(|(end, _)| *end >= now - self.memory);
        self.articles.forget_before(now - self.memory);
        acts
    }

    fn up(&mut self, channel: Channel, now: Timestamp) {
        let before = self.lines.get(&channel);
        let line = Line {
            up: Some(now),
            heard: None,
            newest_minute: None,
            gap_through: None,
            told: before.and_then(|line| line.told),
            mute_after: before.map_or(MUTE_AFTER, |line| line.mute_after),
        };
        self.lines.insert(channel, line);
        self.hurry(channel, now);
    }

    fn down(&mut self, channel: Channel, now: Timestamp) {
        if let Some(line) = self.lines.get_mut(&channel) {
            line.up = None;
        }
        self.hurry(channel, now);
    }

    /// What the channel may have missed is asked for.
    fn hurry(&mut self, channel: Channel, now: Timestamp) {
        for (group, inquiry) in self.groups.iter().zip(&mut self.bar_inquiries) {
            if channel_of(group) == Some(channel) {
                inquiry.hurry(now);
            }
        }
        if let (Channel::News, Some(inquiry)) = (channel, &mut self.news_inquiry) {
            inquiry.hurry(now);
        }
    }

    fn minute(&mut self, symbol: Symbol, minute: BarData, now: Timestamp, acts: &mut Vec<Act>) {
        if let Some(line) = self.lines.get_mut(&bars_channel(symbol.class())) {
            line.heard = Some(now);
            // Several symbols tell the same minute: only a later one says how often they come.
            if line.told.is_none_or(|told| told < minute.t) {
                let pause = line.told.map_or(TimeDelta::zero(), |told| minute.t - told);
                line.mute_after = (pause * 2).clamp(MUTE_AFTER, MUTE_AFTER_MAX);
                line.told = Some(minute.t);
            }
            if line
                .newest_minute
                .is_some_and(|newest| minute.t > newest + GAP_MIN)
            {
                line.gap_through = Some(minute.t);
            }
            line.newest_minute = line.newest_minute.max(Some(minute.t));
        }
        let Some(span) = hour_of(&symbol, minute.t) else {
            acts.push(count("minutes_dropped_outside_session", 1));
            return;
        };
        if self.bars.contains(&(span.end, symbol.clone())) {
            // Its hour has been told: the next bar brings the price.
            acts.push(count("minutes_dropped_late", 1));
            return;
        }
        acts.push(count("minutes_received", 1));
        self.hours.add(symbol, span.end, minute);
    }

    /// Tells the hours that are over and were streamed as a whole.
    fn tell_hours(&mut self, now: Timestamp, acts: &mut Vec<Act>) {
        while let Some(end) = self.hours.first_end().filter(|end| *end + SETTLED <= now) {
            let gap = |group: &Group, inquiry: &Inquiry| {
                // The hour before this one has not been asked about since it ended.
                let overdue = inquiry.answered < end - TimeDelta::hours(1);
                overdue && channel_of(group).is_some_and(|c| self.lines.contains_key(&c))
            };
            let groups = self.groups.iter().zip(&self.bar_inquiries);
            let held = groups
                .into_iter()
                .any(|(group, inquiry)| gap(group, inquiry));
            if held && now < end + HELD_MAX {
                return;
            }
            let taken = self.hours.take_through(end);
            let (whole, parts): (Vec<Bar>, Vec<Bar>) =
                taken.into_iter().partition(|bar| self.is_whole(bar));
            self.deliver_bars(whole, "bars_streamed", now, acts);
            for part in parts {
                acts.push(count("bars_streamed_in_part", 1));
                self.hurry(bars_channel(part.symbol.class()), now);
            }
        }
    }

    /// Whether an hour was streamed from its first minute to its last: the stream was up all the
    /// time, was not silent for minutes, and has told somebody's last minute.
    fn is_whole(&self, bar: &Bar) -> bool {
        let Some(line) = self.lines.get(&bars_channel(bar.symbol.class())) else {
            return false;
        };
        line.up.is_some_and(|up| up <= bar.start)
            && line.heard.is_some_and(|heard| heard >= bar.end)
            && line.gap_through.is_none_or(|through| through <= bar.start)
    }

    fn deliver_bars(&mut self, bars: Vec<Bar>, counter: &str, now: Timestamp, acts: &mut Vec<Act>) {
        let mut fresh: Vec<Bar> = Vec::new();
        for mut bar in bars {
            if self.bars.insert((bar.end, bar.symbol.clone())) {
                bar.backfill = bar.end < now - FRESH;
                fresh.push(bar);
            }
        }
        if fresh.is_empty() {
            return;
        }
        fresh.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
        acts.push(count(counter, fresh.len() as u64));
        acts.push(Act::Deliver(fresh, Vec::new()));
    }

    fn bars_answered(
        &mut self,
        question: &BarQuestion,
        bars: Vec<Bar>,
        now: Timestamp,
        acts: &mut Vec<Act>,
    ) {
        let next = self.next_bars(question.group, now);
        if let Some(inquiry) = self.bar_inquiries.get_mut(question.group) {
            inquiry.succeeded(question.through, now, next);
        }
        let missed = |bar: &&Bar| {
            let due =
                bar.end + HELD_MAX < now && !self.bars.contains(&(bar.end, bar.symbol.clone()));
            due && self.is_whole(bar)
        };
        let missed = bars.iter().filter(missed).count();
        if missed > 0 {
            acts.push(count("bars_missed_by_stream", missed as u64));
        }
        // An hour that is being put together and was streamed as a whole is told from its minutes
        // unless the API's bar came first: either is the same hour, and only one is told.
        self.deliver_bars(bars, "bars_polled", now, acts);
    }

    /// When to ask a group's bars again.
    fn next_bars(&self, group: usize, now: Timestamp) -> Timestamp {
        let Some(group) = self.groups.get(group) else {
            return now + self.poll;
        };
        let line = channel_of(group).and_then(|channel| self.lines.get(&channel));
        let streamed = line.and_then(|line| line.up);
        let pause = if streamed.is_some() {
            self.poll.max(AUDIT_EVERY)
        } else {
            self.poll
        };
        let around = (now - TimeDelta::minutes(1), now + pause);
        let spans = spans_between(group.class, group.timeframe, around.0, around.1);
        let asked = spans.into_iter().flat_map(|span| {
            // What was streamed as a whole is only audited.
            let whole = streamed.is_some_and(|up| up <= span.start);
            let times = if whole {
                &AFTER_BAR_END[2..]
            } else {
                &AFTER_BAR_END[..]
            };
            times.iter().map(move |after| span.end + *after)
        });
        let soon = asked.filter(|instant| *instant > now);
        soon.chain([now + pause]).min().unwrap_or(now + pause)
    }

    fn articles_answered(
        &mut self,
        question: &NewsQuestion,
        articles: &[NewsArticle],
        now: Timestamp,
        acts: &mut Vec<Act>,
    ) {
        let line = self.lines.get(&Channel::News).copied();
        let up = line.and_then(|line| line.up);
        let pause = if up.is_some() {
            self.poll.max(AUDIT_EVERY)
        } else {
            self.poll
        };
        if let Some(inquiry) = &mut self.news_inquiry {
            inquiry.succeeded(question.through, now, now + pause);
        }
        let missed = articles.iter().filter(|article| {
            // One published with an earlier date than it appeared is told when it appears.
            let fell_due = article.created_at.max(article.updated_at) + TOLD_WITHIN < now;
            let while_up = up.is_some_and(|up| up < article.created_at);
            fell_due && while_up && !self.articles.contains(article.id)
        });
        let missed = missed.count();
        if missed > 0 {
            acts.push(count("news_missed_by_stream", missed as u64));
            acts.push(Act::Restart(Channel::News));
        }
        self.take_articles(articles, now, acts);
    }

    fn take_articles(&mut self, articles: &[NewsArticle], now: Timestamp, acts: &mut Vec<Act>) {
        let mut items = Vec::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for article in articles {
            if self.articles.contains(article.id) {
                *counts.entry("news_dropped_known".to_owned()).or_default() += 1;
                continue;
            }
            let outcome = item_from_alpaca(article, now, &self.map).and_then(|mut item| {
                // Noted although it may be one too many: it shall not come back later as new.
                let updated_at = article.updated_at.max(now - FRESH);
                self.articles.add(article.id, updated_at);
                item.backfill = item.published < now - FRESH;
                // History comes at once, whatever it was; it triggers nothing.
                let allowance = self.allowances.entry(item.source.clone()).or_default();
                if item.backfill || allowance.allows(self.per_hour_max, now) {
                    Ok(item)
                } else {
                    Err(ItemFault::OverRate)
                }
            });
            match outcome {
                Ok(item) => items.push(item),
                Err(fault) => {
                    let counter = format!("news_dropped_{}", fault.name());
                    *counts.entry(counter).or_default() += 1;
                }
            }
        }
        acts.push(count("news_received", articles.len() as u64));
        acts.extend(
            counts
                .into_iter()
                .map(|(counter, n)| Act::Count(counter, n)),
        );
        if !items.is_empty() {
            items.sort_by(|a, b| (a.published, &a.id).cmp(&(b.published, &b.id)));
            acts.push(Act::Deliver(Vec::new(), items));
        }
    }

    /// Has a stream opened again that says nothing while its market is open.
    fn notice_silence(&mut self, now: Timestamp, acts: &mut Vec<Act>) {
        let calendar = MarketCalendar::nyse();
        for (channel, line) in &mut self.lines {
            let opened = match channel {
                Channel::Crypto => Some(Timestamp::MIN_UTC),
                Channel::Stocks => calendar.session_at(now).map(|session| session.open),
                // No article for hours is no sign of anything; the audit knows better.
                Channel::News => None,
            };
            let (Some(opened), Some(up)) = (opened, line.up) else {
                continue;
            };
            let since = line.heard.unwrap_or(up).max(up).max(opened);
            if now - since >= line.mute_after {
                acts.push(count("streams_mute", 1));
                acts.push(Act::Restart(*channel));
                // From here on it does not count as up, even if nobody says so.
                line.up = None;
                line.mute_after = (line.mute_after * 2).min(MUTE_AFTER_MAX);
            }
        }
    }

    fn ask(&mut self, now: Timestamp, acts: &mut Vec<Act>) {
        let groups = self.groups.iter().zip(&mut self.bar_inquiries);
        for (place, (group, inquiry)) in groups.enumerate() {
            if inquiry.is_due(now) {
                let overlap = match group.timeframe {
                    Timeframe::Hour => HOURLY_OVERLAP,
                    Timeframe::Day => DAILY_OVERLAP,
                };
                acts.push(Act::AskBars(BarQuestion {
                    group: place,
                    after: inquiry.answered - overlap,
                    through: now,
                }));
            }
        }
        if let Some(inquiry) = &mut self.news_inquiry
            && inquiry.is_due(now)
        {
            acts.push(Act::AskArticles(NewsQuestion {
                from: inquiry.answered - NEWS_OVERLAP,
                through: now,
            }));
        }
    }
}

/// The stream of a group's bars; there is none for days.
fn channel_of(group: &Group) -> Option<Channel> {
    match (group.timeframe, group.class) {
        (Timeframe::Day, _) => None,
        (Timeframe::Hour, class) => Some(bars_channel(class)),
    }
}

/// The stream of a class's minutes.
fn bars_channel(class: AssetClass) -> Channel {
    match class {
        AssetClass::UsEquity => Channel::Stocks,
        AssetClass::Crypto => Channel::Crypto,
    }
}

fn count(counter: &str, n: u64) -> Act {
    Act::Count(counter.to_owned(), n)
}
