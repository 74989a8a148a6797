//! Single rules of a live feed's mind: when a stream counts as mute, what is told and what is left
//! out. Whole worlds are in the parent.

use super::*;

#[test]
fn a_stream_that_never_says_anything_is_opened_again_ever_more_seldom() {
    let mut mind = following();
    let mut restarts = Vec::new();
    mind.apply(Seen::Up(Channel::Crypto), start());
    for minutes in 0..600 {
        let now = start() + TimeDelta::minutes(minutes);
        let acts = mind.apply(Seen::Time, now);
        if acts.contains(&Act::Restart(Channel::Crypto)) {
            restarts.push(minutes);
            mind.apply(Seen::Down(Channel::Crypto), now);
            mind.apply(Seen::Up(Channel::Crypto), now);
        }
    }
    assert_eq!(restarts[..6], [5, 15, 35, 75, 155, 275]);
}

#[test]
fn a_market_of_hours_is_not_mute_between_them() {
    let (mut mind, mut restarts, mut streamed) = (following(), Vec::new(), 0);
    mind.apply(Seen::Up(Channel::Crypto), start());
    // Each hour is streamed as one bar when it is over; the API answers at once.
    for minutes in 1..600 {
        let now = start() + TimeDelta::minutes(minutes);
        let mut seen = VecDeque::from([Seen::Time]);
        if now.timestamp() % 3_600 == 0 {
            let hour = minute(now - TimeDelta::hours(1), 100.0);
            seen.extend(coins().map(|coin| Seen::Minute(coin, hour.clone())));
        }
        while let Some(event) = seen.pop_front() {
            for act in mind.apply(event, now + TimeDelta::seconds(2)) {
                match act {
                    Act::AskBars(question) => seen.push_back(Seen::Bars(question, Some(vec![]))),
                    Act::Restart(channel) => {
                        restarts.push(minutes);
                        seen.extend([Seen::Down(channel), Seen::Up(channel)]);
                    }
                    Act::Count(counter, n) if counter == "bars_streamed" => streamed += n,
                    _ => {}
                }
            }
        }
    }
    // Until two hours have told how often it speaks.
    assert!(
        restarts.iter().all(|minutes| *minutes <= 100),
        "{restarts:?}"
    );
    assert!(streamed >= 2 * 6, "{streamed}");
}

#[test]
fn an_article_with_an_earlier_date_is_not_missed_before_it_appears() {
    let mut mind = following();
    mind.apply(Seen::Up(Channel::News), at(0));
    let question = NewsQuestion {
        from: at(0),
        through: at(600),
    };
    for (updated, restarts) in [(599, false), (500, true)] {
        let late = NewsArticle {
            updated_at: at(updated),
            ..article(updated, at(300))
        };
        let acts = mind.apply(Seen::Articles(question.clone(), Some(vec![late])), at(600));
        assert_eq!(
            acts.contains(&Act::Restart(Channel::News)),
            restarts,
            "{updated}"
        );
    }
}

#[test]
fn a_source_may_say_so_much_within_an_hour_and_history_is_not_counted() {
    let mut mind = following();
    let mut told = |ids: std::ops::Range<i64>, source: &str, published: i64, now: i64| {
        let articles = ids.map(|id| NewsArticle {
            source: source.to_owned(),
            ..article(id, at(published))
        });
        let question = NewsQuestion {
            from: at(0),
            through: at(now),
        };
        let seen = Seen::Articles(question, Some(articles.collect()));
        let (mut items, mut over) = (0, 0);
        for act in mind.apply(seen, at(now)) {
            match act {
                Act::Deliver(_, news) => items += news.len(),
                Act::Count(counter, n) if counter == "news_dropped_over_rate" => over += n,
                _ => {}
            }
        }
        (items, over)
    };
    assert_eq!(told(0..100, "wire", 1, 10_000), (100, 0));
    assert_eq!(told(100..200, "wire", 9_999, 10_000), (60, 40));
    // What was one too many stays so; others may still speak.
    assert_eq!(told(100..200, "wire", 9_999, 10_001), (0, 0));
    assert_eq!(told(200..203, "other", 9_999, 10_001), (3, 0));
    assert_eq!(told(300..310, "wire", 10_300, 10_300), (5, 5));
}

#[test]
fn a_known_article_and_an_edited_one_are_not_told_again() {
    let mut mind = following();
    mind.articles.add(7, start());
    for acts in [
        mind.apply(Seen::Article(Box::new(article(7, at(5)))), at(10)),
        mind.apply(Seen::Article(Box::new(article(8, at(9)))), at(10)),
        mind.apply(Seen::Article(Box::new(article(8, at(11)))), at(12)),
    ]
    .iter()
    .enumerate()
    {
        let (place, acts) = acts;
        let told = acts.iter().any(|act| matches!(act, Act::Deliver(..)));
        assert_eq!(told, place == 1, "{acts:?}");
    }
}
