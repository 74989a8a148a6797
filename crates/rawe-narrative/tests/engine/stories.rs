//! A small made-up stream: stories told in many words become narratives, with their ids, names,
//! ratings, merges and deaths.

use crate::made::{Dice, bar, item, minute};
use rawe_core::{AssetClass, Timeframe};
use rawe_narrative::{EngineConfig, NarrativeEffect, NarrativeEngine, Rating};

/// Three stories; every item tells one in some of its words.
const STORIES: [(&str, &[&str]); 3] = [
    (
        "AAPL",
        &[
            "iphone",
            "foxconn",
            "factory",
            "strike",
            "zhengzhou",
            "workers",
            "shipment",
        ],
    ),
    (
        "BTC/USD",
        &[
            "halving",
            "miners",
            "hashrate",
            "subsidy",
            "reward",
            "difficulty",
            "asic",
        ],
    ),
    (
        "XOM",
        &[
            "pipeline",
            "refinery",
            "leak",
            "texas",
            "regulator",
            "crude",
            "spill",
        ],
    ),
];

fn telling(dice: &mut Dice, story: usize) -> String {
    let mut text = String::new();
    for _ in 0..4 {
        text = text + dice.pick(STORIES[story].1) + " ";
    }
    // Words that have nothing to do with it.
    text + &format!("aside{} aside{}", dice.roll(300), dice.roll(300))
}

#[test]
fn tellings_of_one_story_become_one_narrative() {
    let mut dice = Dice(3);
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    for (symbol, _) in STORIES {
        engine.apply_bar(&bar(symbol, minute(0), Timeframe::Hour, 100.0));
    }
    let mut told: Vec<(usize, String)> = Vec::new();
    let mut effects = Vec::new();
    for n in 0..600 {
        let story = usize::try_from(dice.roll(3)).unwrap();
        let text = telling(&mut dice, story);
        let symbols = [STORIES[story].0];
        effects.extend(engine.apply_item(&item(&format!("i{n}"), minute(n), "x", &symbols, &text)));
        told.push((story, engine.last_narrative_id().unwrap().to_owned()));
    }
    // Each story's tellings are in one narrative, and no narrative tells two.
    for story in 0..3 {
        let ids: Vec<&str> = told
            .iter()
            .filter(|(s, _)| *s == story)
            .map(|(_, id)| engine.resolve(id))
            .collect();
        let most = ids
            .iter()
            .max_by_key(|id| ids.iter().filter(|i| i == id).count())
            .unwrap();
        let share = ids.iter().filter(|id| id == &most).count() as f64 / ids.len() as f64;
        assert!(share > 0.9, "story {story}: {share}");
        let others = told.iter().filter(|(s, _)| *s != story);
        let wrong = others.filter(|(_, id)| engine.resolve(id) == *most).count();
        assert!(wrong < 20, "story {story} took {wrong} of the others");
    }
    // Rises are told once each, with name, rating and asset.
    let risen: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            NarrativeEffect::Risen {
                name,
                rating,
                assets,
                headline,
                ..
            } => Some((name, rating, assets, headline)),
            _ => None,
        })
        .collect();
    for (symbol, words) in STORIES {
        let (name, rating, _, headline) = risen
            .iter()
            .find(|(_, _, assets, _)| assets.first().is_some_and(|a| a.as_str() == symbol))
            .unwrap_or_else(|| panic!("{symbol} never rose: {risen:?}"));
        assert!(name.split(' ').all(|word| words.contains(&word)));
        assert!(words.iter().any(|word| headline.contains(word)));
        assert_ne!(**rating, Rating::NotRated);
    }
    // The scan names them.
    let snapshot = engine.scan(minute(600), AssetClass::UsEquity);
    for (symbol, features) in &snapshot.assets {
        let brief = features.narrative.as_ref().unwrap();
        let story = STORIES
            .iter()
            .position(|(s, _)| *s == symbol.as_str())
            .unwrap();
        assert!(
            STORIES[story]
                .1
                .iter()
                .any(|word| brief.name.contains(word)),
            "{brief:?}"
        );
        assert_eq!(brief.item_ids.len(), 5);
        assert!(brief.belief_penetration > 0.0);
    }
}

#[test]
fn ids_come_from_the_founding_item_and_vanished_ids_stay_as_aliases() {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut ids = Vec::new();
    let mut merged = 0;
    let mut dice = Dice(5);
    for n in 0..500 {
        // Two halves of one story that hardly share words at first.
        let half: &[&str] = match (n < 100, n % 2) {
            (true, 0) => &["merger", "antitrust", "brussels"],
            (true, _) => &["takeover", "commission", "hearing"],
            _ => &[
                "merger",
                "antitrust",
                "brussels",
                "takeover",
                "commission",
                "hearing",
            ],
        };
        let text = format!(
            "{} {} {} w{}",
            dice.pick(half),
            dice.pick(half),
            dice.pick(half),
            n % 9
        );
        for effect in engine.apply_item(&item(&format!("n{n}"), minute(n), "x", &[], &text)) {
            if let NarrativeEffect::Merged { from, into, .. } = effect {
                assert_eq!(engine.resolve(&from), engine.resolve(&into));
                merged += 1;
            }
        }
        ids.extend(engine.last_narrative_id().map(str::to_owned));
    }
    assert!(merged > 0);
    let alive: Vec<String> = engine.narratives().into_iter().map(|n| n.id).collect();
    for id in &ids {
        assert!(
            alive.contains(&engine.resolve(id).to_owned()),
            "{id} is lost"
        );
        assert!(id.starts_with("nv-") && id.len() == 13);
    }
    let mut other = NarrativeEngine::new(EngineConfig::default());
    other.apply_item(&item("n0", minute(9), "x", &[], "quite another text"));
    let mut again = NarrativeEngine::new(EngineConfig::default());
    again.apply_item(&item("n0", minute(0), "x", &[], "yet another one"));
    assert_eq!(other.last_narrative_id(), again.last_narrative_id());
}

#[test]
fn a_copy_spreads_a_story_but_does_not_confirm_it() {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    for n in 0..20 {
        let text = format!("RT @friend{n}: factory strike in zhengzhou http://t.co/{n}");
        engine.apply_item(&item(&format!("c{n}"), minute(n), "x", &["AAPL"], &text));
    }
    let states = engine.narratives();
    assert_eq!(states.len(), 1);
    assert_eq!((states[0].items, states[0].independent_items), (20, 1));
    assert_eq!(states[0].rating, Rating::NotRated);
}

#[test]
fn a_story_dies_after_five_days_of_silence() {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    engine.apply_bar(&bar("AAPL", minute(0), Timeframe::Hour, 1.0));
    engine.apply_item(&item(
        "a",
        minute(0),
        "x",
        &["AAPL"],
        "factory strike zhengzhou",
    ));
    let brief = |engine: &mut NarrativeEngine, at| {
        engine.scan(at, AssetClass::UsEquity).assets[0]
            .1
            .narrative
            .is_some()
    };
    assert!(brief(&mut engine, minute(48 * 60)));
    assert!(
        !brief(&mut engine, minute(48 * 60 + 1)),
        "weight counts for 48 hours"
    );
    let five_days = 5 * 24 * 60;
    engine.apply_item(&item(
        "b",
        minute(five_days),
        "x",
        &[],
        "refinery pipeline leak",
    ));
    assert_eq!(engine.narratives().len(), 2);
    engine.apply_item(&item(
        "c",
        minute(five_days + 1),
        "x",
        &[],
        "earnings season begins",
    ));
    assert_eq!(
        engine.narratives().len(),
        2,
        "the first one is dead, the third was born"
    );
    let mut died = 0;
    for n in 0..500 {
        let text = format!("refinery pipeline leak {n}");
        let at = minute(five_days + 2 + n);
        for effect in engine.apply_item(&item(&format!("d{n}"), at, "x", &[], &text)) {
            died += usize::from(matches!(effect, NarrativeEffect::Died { .. }));
        }
    }
    assert_eq!(died, 1);
}
