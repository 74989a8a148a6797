//! A history on stage: played to an instant, and from there on as often as wanted with other items.

use std::collections::{BTreeMap, BTreeSet};

use rawe_agent::{Expert, Profile};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timestamp};
use rawe_narrative::{EngineConfig, NarrativeEngine};

use super::AttackTarget;
use super::plants::{Hiding, plant};
use crate::walk::scans_at_bar_closes;

/// Engine and experts at one instant.
#[derive(Clone)]
struct Scene {
    engine: NarrativeEngine,
    experts: BTreeMap<Symbol, Vec<Expert>>,
    /// Each asset's votes at its last scan: long or not, by agent.
    long: BTreeMap<Symbol, Vec<bool>>,
    /// Next item, bar and scan.
    item: usize,
    bar: usize,
    scan: usize,
}

/// A history, played to some instant.
pub(super) struct Stage<'a> {
    profiles: &'a [Profile],
    items: &'a [NewsItem],
    bars: &'a [Bar],
    scans: &'a [(Timestamp, AssetClass)],
    source: String,
    played_until: Timestamp,
    scene: Scene,
}

/// The scans of a history, as live agents scan.
pub(super) fn scans_of(items: &[NewsItem], bars: &[Bar]) -> Vec<(Timestamp, AssetClass)> {
    scans_at_bar_closes(items, bars)
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        config: EngineConfig,
        profiles: &'a [Profile],
        items: &'a [NewsItem],
        bars: &'a [Bar],
        scans: &'a [(Timestamp, AssetClass)],
    ) -> Self {
        let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
        for item in items {
            *sources.entry(&item.source).or_default() += 1;
        }
        let busiest = sources.into_iter().max_by_key(|(_, count)| *count);
        Self {
            profiles,
            items,
            bars,
            scans,
            source: busiest
                .map(|(source, _)| source.to_owned())
                .unwrap_or_default(),
            played_until: Timestamp::MIN_UTC,
            scene: Scene {
                engine: NarrativeEngine::new(config),
                experts: BTreeMap::new(),
                long: BTreeMap::new(),
                item: 0,
                bar: 0,
                scan: 0,
            },
        }
    }

    /// Instants of scans evenly spread over the history behind its first `warmup` share.
    pub(super) fn candidates(&self, warmup: f64, count: usize) -> Vec<Timestamp> {
        let instants: Vec<Timestamp> = {
            let all: BTreeSet<Timestamp> = self.scans.iter().map(|(at, _)| *at).collect();
            all.into_iter().collect()
        };
        let length = instants.len();
        // A share of a count: far below what f64 holds exactly.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0..length"
        )]
        let first = (length as f64 * warmup.clamp(0.0, 1.0)) as usize;
        let step = ((length - first) / count.max(1)).max(1);
        instants.into_iter().skip(first).step_by(step).collect()
    }

    /// Plays the history up to and with this instant.
    pub(super) fn play_until(&mut self, until: Timestamp) {
        let mut scene = self.scene.clone();
        self.play(&mut scene, &[], until);
        self.scene = scene;
        self.played_until = until;
    }

    /// The asset, if there is one, on which no agent is long at `at` without any planting; the
    /// `turn` chooses among several.
    pub(super) fn target(&self, at: Timestamp, turn: usize) -> Option<AttackTarget> {
        let mut scene = self.scene.clone();
        let before = scene.item;
        self.play(&mut scene, &[], at);
        let real_items = scene.item - before;
        let quiet: Vec<Symbol> = scene
            .long
            .iter()
            .filter(|(_, long)| !long.iter().any(|long| *long))
            .map(|(symbol, _)| symbol.clone())
            .collect();
        let symbol = quiet.get(turn % quiet.len().max(1))?.clone();
        Some(AttackTarget {
            symbol,
            at,
            real_items,
        })
    }

    /// Which agents are long on the target at its scan after `count` planted items.
    pub(super) fn long_votes(
        &self,
        target: &AttackTarget,
        hiding: Hiding,
        accounts: usize,
        count: usize,
    ) -> Vec<bool> {
        let hours = (target.at - self.played_until).num_hours();
        let source = &self.source;
        let plants = plant(
            &target.symbol,
            hiding,
            accounts,
            count,
            target.at,
            hours,
            source,
        );
        let mut scene = self.scene.clone();
        self.play(&mut scene, &plants, target.at);
        let silent = || vec![false; self.profiles.len()];
        scene
            .long
            .get(&target.symbol)
            .cloned()
            .unwrap_or_else(silent)
    }

    /// Plays on to `until`: bars, then items, then scans of the same instant.
    fn play(&self, scene: &mut Scene, plants: &[NewsItem], until: Timestamp) {
        let mut plants = plants.iter().peekable();
        loop {
            let bar = self.bars.get(scene.bar).filter(|bar| bar.end <= until);
            let item = self
                .items
                .get(scene.item)
                .filter(|item| item.first_seen <= until);
            let scan = self.scans.get(scene.scan).filter(|(at, _)| *at <= until);
            let plant = plants.peek().filter(|item| item.first_seen <= until);
            let next = [
                bar.map(|bar| (bar.end, 0)),
                item.map(|item| (item.first_seen, 1)),
                plant.map(|item| (item.first_seen, 2)),
                scan.map(|(at, _)| (*at, 3)),
            ];
            match next.into_iter().flatten().min() {
                Some((_, 0)) => {
                    if let Some(bar) = bar {
                        scene.engine.apply_bar(bar);
                    }
                    scene.bar += 1;
                }
                Some((_, 1)) => {
                    if let Some(item) = item {
                        scene.engine.apply_item(item);
                    }
                    scene.item += 1;
                }
                Some((_, 2)) => {
                    if let Some(item) = plants.next() {
                        scene.engine.apply_item(item);
                    }
                }
                Some(_) => {
                    if let Some((at, class)) = scan {
                        self.scan(scene, *at, *class);
                    }
                    scene.scan += 1;
                }
                None => return,
            }
        }
    }

    fn scan(&self, scene: &mut Scene, at: Timestamp, class: AssetClass) {
        let snapshot = scene.engine.scan(at, class);
        for (symbol, features) in &snapshot.assets {
            let experts = scene
                .experts
                .entry(symbol.clone())
                .or_insert_with(|| self.profiles.iter().map(Expert::new).collect());
            let long = experts
                .iter_mut()
                .zip(self.profiles)
                .map(|(expert, profile)| {
                    let value = expert.evaluate(at, features, snapshot.nvx);
                    value.is_some_and(|e| e > profile.vote_threshold)
                })
                .collect();
            scene.long.insert(symbol.clone(), long);
        }
    }
}
