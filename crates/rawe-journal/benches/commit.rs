//! What a commit costs: the journal itself, and the variants that were decided against, each over
//! the same two records, a round of five votes and its intent. The variants take the records as
//! ready JSON; the journal makes it.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion makes functions without documentation"
)]

use std::time::{Duration, Instant};

use chrono::{TimeDelta, TimeZone as _, Utc};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rawe_core::decision::RoundVote;
use rawe_core::{
    AgentId, DecisionId, Direction, Purpose, RoundOutcome, RoundRecord, SignalType, Symbol,
};
use rawe_execution::broker::{Amount, OrderKind, OrderRequest, Side, TimeInForce};
use rawe_execution::journal::{Intent, Journal as _, JournalEntry};
use rawe_journal::{Durability, Filter, JournalReader, SqliteJournal};
use rusqlite::Connection;
use rust_decimal::Decimal;

fn round(outcome: RoundOutcome) -> RoundRecord {
    let at = Utc.with_ymd_and_hms(2026, 5, 4, 13, 35, 0).unwrap();
    let asset = Symbol::new("TSLA").unwrap();
    let agents = [
        "alpha-aggressor",
        "balanced-arbitrator",
        "conservative-guardian",
        "flux-follower",
        "topological-observer",
    ];
    let vote = |agent: &&str| RoundVote {
        agent: AgentId::new(agent).unwrap(),
        direction: Direction::Short,
        timestamp: at,
        signal_id: Some("019df07f-ca80-7327-85ae-30bcf996852b".to_owned()),
        signal_type: SignalType::NarrativeLeads,
        strength: 0.410_559_322_593_6,
        size: "2364.62".parse().unwrap(),
        expected_profit: -8.861_798_037_065,
        narrative_id: "nv-ivjjw24b7z".to_owned(),
        weight_millionths: 1_000_000,
    };
    let decision_id = DecisionId::derive("bench", &asset, Purpose::Open, None);
    RoundRecord {
        round_id: rawe_core::identity::round_id(&asset, at),
        asset,
        opened: at,
        closed: at,
        outcome,
        reason: "5 of 5 voted short, 0 against, and 3 must agree".to_owned(),
        direction: Some(Direction::Short),
        quorum: 3,
        votes: agents.iter().map(vote).collect(),
        absences: std::collections::BTreeMap::new(),
        equivocated: Vec::new(),
        effective_votes: Some(2.5),
        purpose: Some(Purpose::Open),
        notional: Some("2364.62".parse().unwrap()),
        expected_profit: Some(8.86),
        client_order_id: Some(decision_id.client_order_id()),
        decision_id: Some(decision_id),
    }
}

fn pair() -> [JournalEntry; 2] {
    let round = round(RoundOutcome::Opened);
    let intent = Intent {
        decision_id: round.decision_id.clone().unwrap(),
        round_id: round.round_id.clone(),
        purpose: Purpose::Open,
        order: OrderRequest {
            client_order_id: round.client_order_id.clone().unwrap(),
            symbol: round.asset.clone(),
            side: Side::Sell,
            closes: false,
            amount: Amount::Quantity(Decimal::from(4)),
            time_in_force: TimeInForce::Day,
            kind: OrderKind::Market,
        },
        decided_at: round.closed,
        void_after: round.closed + TimeDelta::seconds(60),
    };
    [
        JournalEntry::Round(Box::new(round)),
        JournalEntry::Intent(intent),
    ]
}

/// Prints quantiles of single calls: on a busy machine a mean tells of its neighbours.
fn quantiles(name: &str, mut call: impl FnMut()) {
    let mut took: Vec<Duration> = (0..2_000)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 1_000].as_secs_f64() * 1e6;
    eprintln!(
        "{name:<24} p10 {:>8.1} us   p50 {:>8.1} us   p99 {:>8.1} us   p99.9 {:>8.1} us",
        at(100),
        at(500),
        at(990),
        at(999)
    );
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    let decided = pair();
    let missed = JournalEntry::Round(Box::new(round(RoundOutcome::NoQuorum)));
    for (mode, durability) in [
        ("written", Durability::Written),
        ("synced", Durability::Synced),
    ] {
        let folder = tempfile::tempdir_in(std::env::temp_dir()).unwrap();
        let path = folder.path().join("journal.sqlite");
        let mut journal = SqliteJournal::open(&path, durability).unwrap();
        group.bench_function(format!("{mode}/round_and_intent"), |bencher| {
            bencher.iter(|| journal.commit(&decided).unwrap());
        });
        quantiles(mode, || journal.commit(&decided).unwrap());
        group.bench_function(format!("{mode}/near_miss"), |bencher| {
            bencher.iter(|| journal.commit(std::slice::from_ref(&missed)).unwrap());
        });
        let hundred = vec![missed.clone(); 100];
        group.bench_function(format!("{mode}/hundred_near_misses"), |bencher| {
            bencher.iter(|| journal.commit(&hundred).unwrap());
        });
    }
    group.finish();
}

/// One way to lay out the file.
struct Variant {
    name: &'static str,
    pragmas: &'static str,
    /// Further statements once the tables are there.
    indices: &'static str,
    one_table: bool,
    vote_rows: bool,
}

/// Columns for people in the table itself instead of in a view.
const COMPUTED_COLUMNS: &str = "
    ALTER TABLE decisions ADD COLUMN round_id TEXT AS (record ->> '$.round_id') VIRTUAL;
    ALTER TABLE decisions ADD COLUMN reason TEXT AS (record ->> '$.reason') VIRTUAL;
    ALTER TABLE decisions ADD COLUMN closed TEXT AS (record ->> '$.closed') VIRTUAL;
    ALTER TABLE decisions ADD COLUMN direction TEXT AS (record ->> '$.direction') VIRTUAL;
    ALTER TABLE decisions ADD COLUMN notional REAL AS (record ->> '$.notional') VIRTUAL;
    ALTER TABLE intents ADD COLUMN purpose TEXT AS (record ->> '$.purpose') VIRTUAL;
    ALTER TABLE intents ADD COLUMN side TEXT AS (record ->> '$.order.side') VIRTUAL;";

const PLAIN: Variant = Variant {
    name: "plain",
    pragmas: "",
    indices: "",
    one_table: false,
    vote_rows: false,
};

const ONE_INDEX: &str = "CREATE INDEX i1 ON intents (id);";
const FOUR_INDICES: &str = "CREATE INDEX i1 ON intents (id); CREATE INDEX i2 ON intents (asset);
    CREATE INDEX r1 ON decisions (id); CREATE INDEX r2 ON decisions (asset);";

const VARIANTS: [Variant; 13] = [
    PLAIN,
    Variant {
        name: "computed_columns",
        indices: COMPUTED_COLUMNS,
        ..PLAIN
    },
    Variant {
        name: "one_table",
        one_table: true,
        ..PLAIN
    },
    Variant {
        name: "vote_rows",
        vote_rows: true,
        ..PLAIN
    },
    Variant {
        name: "one_index",
        indices: ONE_INDEX,
        ..PLAIN
    },
    Variant {
        name: "four_indices",
        indices: FOUR_INDICES,
        ..PLAIN
    },
    Variant {
        name: "page_1024",
        pragmas: "PRAGMA page_size = 1024;",
        ..PLAIN
    },
    Variant {
        name: "page_2048",
        pragmas: "PRAGMA page_size = 2048;",
        ..PLAIN
    },
    Variant {
        name: "page_8192",
        pragmas: "PRAGMA page_size = 8192;",
        ..PLAIN
    },
    Variant {
        name: "page_16384",
        pragmas: "PRAGMA page_size = 16384;",
        ..PLAIN
    },
    Variant {
        name: "autocheckpoint_1000",
        pragmas: "PRAGMA wal_autocheckpoint = 1000;",
        ..PLAIN
    },
    Variant {
        name: "synchronous_off",
        pragmas: "PRAGMA wal_autocheckpoint = 1000;
        PRAGMA synchronous = OFF;",
        ..PLAIN
    },
    Variant {
        name: "mmap",
        pragmas: "PRAGMA mmap_size = 268435456;",
        ..PLAIN
    },
];

fn layouts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layout");
    let [round, intent] = pair();
    let round = serde_json::to_string(&round).unwrap();
    let intent = serde_json::to_string(&intent).unwrap();
    for variant in VARIANTS {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("journal.sqlite")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA wal_autocheckpoint = 0; {}
                 PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {0}
                 CREATE TABLE decisions (seq INTEGER PRIMARY KEY, id TEXT, asset TEXT, record TEXT);
                 CREATE TABLE intents (seq INTEGER PRIMARY KEY, id TEXT, asset TEXT, record TEXT);
                 CREATE TABLE votes (seq INTEGER PRIMARY KEY, round INTEGER, agent TEXT,
                    direction TEXT, strength REAL, size TEXT, expected REAL, signal TEXT);
                 {}",
                variant.pragmas, variant.indices
            ))
            .unwrap();
        let mut seq = 0_i64;
        group.bench_function(variant.name, |bencher| {
            bencher.iter_batched(
                || {
                    seq += 1;
                    // Ids are hashes: spread over an index, as decisions' are.
                    let id = seq.wrapping_mul(0x5851_f42d_4c95_7f2d);
                    (seq, format!("rawe-{id:016x}aaaa"))
                },
                |(seq, id)| commit(&connection, &variant, seq, &id, (&round, &intent)),
                BatchSize::PerIteration,
            );
        });
        let name = variant.name;
        quantiles(name, || {
            seq += 1;
            let id = seq.wrapping_mul(0x5851_f42d_4c95_7f2d);
            let id = format!("rawe-{id:016x}aaaa");
            commit(&connection, &variant, seq, &id, (&round, &intent));
        });
    }
    group.finish();
}

fn commit(
    connection: &Connection,
    variant: &Variant,
    seq: i64,
    id: &str,
    (round, intent): (&str, &str),
) {
    let run = |statement: &str| {
        connection
            .prepare_cached(statement)
            .unwrap()
            .execute([])
            .unwrap()
    };
    run("BEGIN IMMEDIATE");
    for (number, (table, record)) in [("decisions", round), ("intents", intent)]
        .into_iter()
        .enumerate()
    {
        let table = if variant.one_table {
            "decisions"
        } else {
            table
        };
        let query = format!("INSERT INTO {table} (seq, id, asset, record) VALUES (?1, ?2, ?3, ?4)");
        let seq = seq * 2 + i64::try_from(number).unwrap();
        let mut statement = connection.prepare_cached(&query).unwrap();
        statement.execute((seq, id, "TSLA", record)).unwrap();
    }
    if variant.vote_rows {
        for vote in 0..5 {
            let mut statement = connection
                .prepare_cached("INSERT INTO votes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
                .unwrap();
            statement
                .execute((
                    seq * 5 + vote,
                    seq,
                    "alpha-aggressor",
                    "short",
                    0.41,
                    "2364.62",
                    -8.86,
                    "019df07f-ca80-7327-85ae-30bcf996852b",
                ))
                .unwrap();
        }
    }
    run("COMMIT");
}

/// What a start and a question cost beside many near misses: `RAWE_BENCH_NEAR_MISSES`, else
/// 100,000.
fn history(_: &mut Criterion) {
    let count = std::env::var("RAWE_BENCH_NEAR_MISSES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000_usize);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let mut missed = round(RoundOutcome::NoQuorum);
    missed.votes.truncate(2);
    let mut batch = vec![JournalEntry::Round(Box::new(missed)); 999];
    batch.extend(pair());
    timed("writing them", || {
        for _ in 0..count / 1_000 {
            journal.commit(&batch).unwrap();
        }
    });
    drop(journal);
    let bytes = path.metadata().unwrap().len();
    eprintln!("{count} near misses, {} MB", bytes / 1_000_000);
    let journal = timed("opening for writing", || {
        SqliteJournal::open(&path, Durability::Written).unwrap()
    });
    let history = timed("history", || journal.history().unwrap());
    assert_eq!(history.len(), 2 * (count / 1_000));
    let reader = timed("opening for reading", || {
        JournalReader::open(&path).unwrap()
    });
    timed("newest 20 rounds", || {
        let filter = Filter {
            limit: Some(20),
            ..Filter::default()
        };
        reader.rounds(&filter).unwrap()
    });
    timed("all outcomes counted", || {
        reader.outcomes(&Filter::default()).unwrap()
    });
    timed("an id that nobody has", || {
        reader.rounds_named("nobody").unwrap()
    });
    timed("the newest order", || {
        let filter = Filter {
            limit: Some(1),
            ..Filter::default()
        };
        reader.orders(&filter, None).unwrap()
    });
}

fn timed<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = call();
    eprintln!(
        "{what:<24} {:>10.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    answer
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50);
    targets = journal, layouts, history
}
criterion_main!(benches);
