//! The promises, checked from the engine's journal and the exchange's own book. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use paper_exchange::Book;
use rawe_alpaca::types as wire;
use rawe_core::{Heartbeat, Purpose};
use rawe_execution::gate::TradingState;
use rawe_execution::journal::{Intent, JournalEntry, Resolution};
use rust_decimal::Decimal;
use serde::Serialize;

use super::acts::Halted;
use super::settling::{Settled, Snapshot};

/// Units may differ by this much: fees in coin are rounded by either side.
const UNIT_TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 6);
/// Positions worth less than this cannot be sold, USD.
const DUST_USD: Decimal = Decimal::TWO;
/// An order that was on its way when the halt was confirmed may still arrive so much later.
const IN_FLIGHT: TimeDelta = TimeDelta::milliseconds(1_500);
/// The market's clock is set to the wall's twenty times a second, later on a busy machine: an order
/// is stamped with a time before it came.
const CLOCK_LAG: TimeDelta = TimeDelta::seconds(1);
/// The sources by which an operator halts.
const OPERATOR: [&str; 3] = ["bus", "file", "signal"];
/// How many examples of a broken promise are told.
const EXAMPLES: usize = 5;

/// A promise and whether it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Promise {
    /// What was promised.
    pub(crate) name: &'static str,
    /// Whether it held.
    pub(crate) held: bool,
    /// How much was looked at, or what was found.
    pub(crate) found: String,
    /// The first of what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) examples: Vec<String>,
}

fn promise(name: &'static str, looked_at: String, wrong: Vec<String>) -> Promise {
    Promise {
        name,
        held: wrong.is_empty(),
        found: if wrong.is_empty() {
            looked_at
        } else {
            format!("{} wrong", wrong.len())
        },
        examples: wrong.into_iter().take(EXAMPLES).collect(),
    }
}

/// The journal by what is asked of it.
struct Journal<'a> {
    intents: Vec<&'a Intent>,
    /// Intents that have no end yet, by id.
    unended: BTreeMap<&'a str, &'a Intent>,
    /// Ids that were intended again before their end.
    overlapping: Vec<&'a str>,
    /// The newest end of each id. An id whose order never was may be used again.
    resolved: HashMap<&'a str, &'a Resolution>,
    positions: BTreeMap<String, Decimal>,
}

impl<'a> Journal<'a> {
    fn of(entries: &'a [(i64, JournalEntry)]) -> Self {
        let mut journal = Self {
            intents: Vec::new(),
            unended: BTreeMap::new(),
            overlapping: Vec::new(),
            resolved: HashMap::new(),
            positions: BTreeMap::new(),
        };
        for (_, entry) in entries {
            match entry {
                JournalEntry::Intent(intent) => {
                    let id = intent.order.client_order_id.as_str();
                    journal.intents.push(intent);
                    journal.resolved.remove(id);
                    if journal.unended.insert(id, intent).is_some() {
                        journal.overlapping.push(id);
                    }
                }
                JournalEntry::Resolved {
                    client_order_id,
                    resolution,
                    ..
                } => {
                    let id = client_order_id.as_str();
                    journal.unended.remove(id);
                    journal.resolved.insert(id, resolution);
                }
                JournalEntry::Position(line) => {
                    let held = line.quantity + line.foreign_quantity;
                    journal.positions.insert(line.asset.without_slash(), held);
                }
                _ => {}
            }
        }
        journal
    }
}

fn is_open(order: &wire::Order) -> bool {
    !matches!(
        order.status,
        wire::OrderStatus::Filled
            | wire::OrderStatus::Canceled
            | wire::OrderStatus::Expired
            | wire::OrderStatus::Rejected
    )
}

/// Intents without an end whose orders do not work at the exchange, orders that work there without
/// an intent that is open, and positions that differ.
pub(crate) fn loose_ends(snapshot: &Snapshot) -> Vec<String> {
    let journal = Journal::of(&snapshot.entries);
    let orders = &snapshot.book.orders;
    let open: BTreeSet<&str> = orders
        .iter()
        .filter(|order| is_open(order))
        .map(|order| order.client_order_id.as_str())
        .collect();
    let unended: BTreeSet<&str> = journal.unended.keys().copied().collect();
    let mut loose: Vec<String> = unended
        .difference(&open)
        .map(|id| format!("{id} has no end and does not work at the exchange"))
        .collect();
    let unknown = open.difference(&unended);
    loose.extend(unknown.map(|id| format!("{id} works at the exchange and has ended here")));
    // What only protects a position may rest; everything else should come to its end by itself.
    let resting = journal.unended.iter();
    let resting = resting.filter(|(_, intent)| intent.purpose != Purpose::Stop);
    loose.extend(resting.map(|(id, intent)| format!("{id} ({}) still works", intent.purpose)));
    loose.extend(unequal(&journal, &snapshot.book));
    loose
}

/// Whatever is still held or works.
pub(crate) fn not_flat(snapshot: &Snapshot) -> Vec<String> {
    let journal = Journal::of(&snapshot.entries);
    let mut left: Vec<String> = snapshot
        .book
        .orders
        .iter()
        .filter(|order| is_open(order))
        .map(|order| format!("{} works", order.client_order_id))
        .collect();
    left.extend(lost(&journal));
    for position in &snapshot.book.positions {
        let worth = position.market_value.unwrap_or_default();
        if worth.abs() > DUST_USD {
            left.push(format!("{} {} is held", position.qty, position.symbol));
        }
    }
    left
}

fn lost(journal: &Journal<'_>) -> Vec<String> {
    let unended = journal.unended.iter();
    unended
        .map(|(id, intent)| {
            let asset = &intent.order.symbol;
            format!("{id} ({} {asset}) has no end", intent.purpose)
        })
        .collect()
}

fn unequal(journal: &Journal<'_>, book: &Book) -> Vec<String> {
    let mut held: BTreeMap<&str, (Decimal, Decimal)> = BTreeMap::new();
    for (asset, units) in &journal.positions {
        held.entry(asset).or_default().0 = *units;
    }
    for position in &book.positions {
        held.entry(&position.symbol).or_default().1 = position.qty;
    }
    held.into_iter()
        .filter(|(_, (ours, theirs))| (ours - theirs).abs() > UNIT_TOLERANCE)
        .map(|(asset, (ours, theirs))| {
            format!("{asset}: {ours} in the journal, {theirs} at the exchange")
        })
        .collect()
}

fn doubled(journal: &Journal<'_>, book: &Book) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for order in &book.orders {
        if !ids.insert(order.client_order_id.as_str()) {
            wrong.push(format!(
                "{} is twice at the exchange",
                order.client_order_id
            ));
        }
    }
    let mut decisions: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut openings: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for intent in &journal.intents {
        let id = intent.order.client_order_id.as_str();
        if !ids.contains(id) {
            continue;
        }
        let decision = intent.decision_id.to_string();
        decisions.entry(decision).or_default().insert(id);
        if intent.purpose == Purpose::Open {
            openings.entry(&intent.round_id).or_default().insert(id);
        }
    }
    let overlapping = journal.overlapping.iter();
    wrong.extend(overlapping.map(|id| format!("{id} was intended again before its end")));
    let twice = decisions.iter().filter(|(_, orders)| orders.len() > 1);
    wrong.extend(twice.map(|(id, orders)| format!("decision {id} has orders {orders:?}")));
    let twice = openings.iter().filter(|(_, orders)| orders.len() > 1);
    wrong.extend(twice.map(|(id, orders)| format!("round {id} opened {orders:?}")));
    wrong
}

fn unintended(journal: &Journal<'_>, book: &Book) -> Vec<String> {
    let intended: BTreeSet<&str> = journal
        .intents
        .iter()
        .map(|intent| intent.order.client_order_id.as_str())
        .collect();
    let orders = book.orders.iter();
    orders
        .filter(|order| !intended.contains(order.client_order_id.as_str()))
        .map(|order| format!("{} ({}) has no intent", order.client_order_id, order.symbol))
        .collect()
}

/// Ends that the exchange's book contradicts.
fn false_ends(journal: &Journal<'_>, book: &Book) -> Vec<String> {
    let orders: HashMap<&str, &wire::Order> = book
        .orders
        .iter()
        .map(|order| (order.client_order_id.as_str(), order))
        .collect();
    let mut wrong = Vec::new();
    for (id, resolution) in &journal.resolved {
        match (resolution, orders.get(id)) {
            (Resolution::Terminal(report), Some(order)) => {
                let filled = order.filled_qty.unwrap_or_default();
                if report.filled_quantity != filled {
                    let ours = report.filled_quantity;
                    wrong.push(format!("{id} filled {ours} here and {filled} there"));
                }
            }
            (Resolution::Terminal(_), None) => {
                wrong.push(format!("{id} has ended here and was never there"));
            }
            (Resolution::Rejected { .. } | Resolution::NeverSent { .. }, Some(order)) => {
                let status = &order.status;
                wrong.push(format!("{id} was given up here and is {status} there"));
            }
            (Resolution::Rejected { .. } | Resolution::NeverSent { .. }, None) => {}
        }
    }
    wrong.sort();
    wrong
}

/// Intents that were recorded, and orders that arrived, while trading was halted.
fn while_halted(settled: &Settled, halted: &[Halted]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut said: BTreeMap<&str, bool> = BTreeMap::new();
    for (number, entry) in &settled.flat.entries {
        match entry {
            // Each source has its own say; what the engine says of itself is over with its cause.
            JournalEntry::Control(record) if OPERATOR.contains(&record.source.as_str()) => {
                said.insert(&record.source, record.state == TradingState::Halted);
            }
            JournalEntry::Intent(intent) if said.values().any(|halted| *halted) => {
                wrong.push(format!(
                    "intent {} ({}, entry {number}) was made while halted",
                    intent.order.client_order_id, intent.purpose
                ));
            }
            _ => {}
        }
    }
    for order in &settled.flat.book.orders {
        let Some(at) = order.submitted_at else {
            continue;
        };
        let inside =
            |halted: &&Halted| at > halted.from + IN_FLIGHT && at < halted.until - CLOCK_LAG;
        if let Some(halted) = halted.iter().find(inside) {
            wrong.push(format!(
                "{} arrived at {at}, halted from {} to {}",
                order.client_order_id, halted.from, halted.until
            ));
        }
    }
    wrong
}

/// Messages that nobody can account for, in any of the engine's heartbeats.
fn unaccounted(beats: &[Heartbeat]) -> (String, Vec<String>) {
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for beat in beats {
        let sum = |prefix: &str| -> u64 {
            let counters = beat.counters.iter();
            counters
                .filter(|(name, _)| name.starts_with(prefix))
                .map(|(_, count)| *count)
                .sum()
        };
        let (received, applied, refused) = (sum("received"), sum("applied"), sum("refused."));
        let life = most.entry(&beat.boot_id).or_default();
        *life = received.max(*life);
        if received != applied + refused {
            wrong.push(format!(
                "{received} ≠ {applied} applied + {refused} refused"
            ));
        }
    }
    let received = most.values().sum::<u64>();
    let looks = beats.len();
    if received == 0 {
        wrong.push("not one vote was heard".to_owned());
    }
    (
        format!("{received} votes in {} lives, {looks} looks", most.len()),
        wrong,
    )
}

/// All promises.
pub(crate) fn promises(
    settled: &Settled,
    halted: &[Halted],
    beats: &[Heartbeat],
    troubles: &[String],
) -> Vec<Promise> {
    let journal = Journal::of(&settled.flat.entries);
    let before = Journal::of(&settled.before.entries);
    let book = &settled.flat.book;
    let orders = format!("{} orders", book.orders.len());
    let intents = format!("{} intents", journal.intents.len());
    let assets = format!("{} assets", before.positions.len());
    let (accounted, unaccounted) = unaccounted(beats);
    let asleep = if book.orders.is_empty() {
        vec!["not one order was taken".to_owned()]
    } else {
        Vec::new()
    };
    let stuck = if settled.resumed {
        Vec::new()
    } else {
        vec!["the engine did not trade again".to_owned()]
    };
    vec![
        promise("something was traded", orders.clone(), asleep),
        promise("no order twice", orders.clone(), doubled(&journal, book)),
        promise(
            "no order without an intent",
            orders,
            unintended(&journal, book),
        ),
        promise("no intent lost", intents.clone(), lost(&journal)),
        promise(
            "ends as at the exchange",
            intents,
            false_ends(&journal, book),
        ),
        promise(
            "exposure equal on both sides",
            assets,
            unequal(&before, &settled.before.book),
        ),
        promise(
            "no order while halted",
            format!("{} halts", halted.len()),
            while_halted(settled, halted),
        ),
        promise("every vote accounted for", accounted, unaccounted),
        promise(
            "the journal holds together",
            format!("{} entries", settled.flat.entries.len()),
            settled.audit.clone(),
        ),
        promise("it trades again", "resumed".to_owned(), stuck),
        promise(
            "flat at the end",
            "flat".to_owned(),
            not_flat(&settled.flat),
        ),
        promise("no panic", "none".to_owned(), troubles.to_vec()),
    ]
}
