//! A whole set played into the panels that the protocols read: hours for crypto, sessions for
//! stocks. One pass of the engine per cut.

use rawe_core::{AssetClass, Bar, NewsItem, Timestamp};

use crate::direction::crypto::HourlyPanel;
use crate::direction::stocks::{Cut, SessionPanel, Sessions};
use crate::walk::{Event, Walk, events, scans_at_bar_closes};

/// Plays the crypto of a set by the hour. `progress` hears of every event.
pub fn play_hours(
    mut walk: Walk,
    items: &[NewsItem],
    bars: &[Bar],
    mut progress: impl FnMut(),
) -> HourlyPanel {
    let crypto: Vec<Bar> = bars
        .iter()
        .filter(|bar| bar.symbol.class() == AssetClass::Crypto)
        .cloned()
        .collect();
    let scans = scans_at_bar_closes(items, &crypto);
    let mut panel = HourlyPanel::default();
    let mut ended: Vec<Bar> = Vec::new();
    for event in events(items, &crypto, &scans) {
        match event {
            Event::Item(item) => {
                walk.item(item);
            }
            Event::Bar(bar) => {
                walk.bar(bar);
                ended.push(bar.clone());
            }
            Event::Scan(at, class) => {
                panel.push(walk.scan(at, class), &ended);
                ended.clear();
            }
        }
        progress();
    }
    panel
}

/// Plays the stocks of a set with daily bars, one scan per session at the cut.
pub fn play_sessions(
    mut walk: Walk,
    items: &[NewsItem],
    bars: &[Bar],
    cut: Cut,
    mut progress: impl FnMut(),
) -> SessionPanel {
    let sessions = Sessions::of(bars);
    let decisions = sessions.decisions(items, cut);
    let class = AssetClass::UsEquity;
    let scans: Vec<(Timestamp, AssetClass)> =
        decisions.iter().map(|(_, at)| (*at, class)).collect();
    let mut places = decisions.iter().map(|(place, _)| *place);
    let mut panel = SessionPanel::new(sessions);
    for event in events(items, bars, &scans) {
        match event {
            Event::Item(item) => {
                walk.item(item);
            }
            Event::Bar(bar) => walk.bar(bar),
            Event::Scan(at, class) => {
                let scan = walk.scan(at, class);
                if let Some(place) = places.next() {
                    panel.push(place, scan);
                }
            }
        }
        progress();
    }
    panel
}
