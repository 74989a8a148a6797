//! The tables of the journal, as SQL: what each version of the schema creates. Nothing is run here.
//!
//! Every kind of event has a table, `log_fills` for fills, with the two columns that matter to the
//! engine: `seq`, one count over all tables, and `record`, the event as JSON. Beside it stands a
//! view for people, `fills`, whose columns are taken out of the record when they are read. They
//! cost nothing when it is written; as computed columns of the table they would, because SQLite
//! works out even virtual ones at each insertion. Only what millions of rounds are filtered by is
//! stored.

/// Events by the names of their views. Rounds are two: decisions and near misses.
pub const EVENT_TABLES: [&str; 12] = [
    "decisions",
    "near_misses",
    "intents",
    "submissions",
    "reports",
    "fills",
    "resolutions",
    "trades",
    "positions",
    "weight_changes",
    "hindsight",
    "control_actions",
];

/// Tables in which rows may grow old: not needed by a starting engine, archived by `compact`.
pub(crate) const AGING_TABLES: [&str; 2] = ["near_misses", "hindsight"];

/// What stands in the way of changing or deleting rows of an event's table.
pub(crate) fn guards(table: &str) -> String {
    format!(
        "CREATE TRIGGER {table}_keep BEFORE UPDATE ON log_{table}
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER {table}_stay BEFORE DELETE ON log_{table}
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;"
    )
}

/// A text in the record.
fn text(name: &str, path: &str) -> String {
    format!("record ->> '$.{path}' AS {name}")
}

/// A number in the record. Exact decimals are in the record itself.
fn real(name: &str, path: &str) -> String {
    format!("CAST(record ->> '$.{path}' AS REAL) AS {name}")
}

/// A whole number in the record.
fn integer(name: &str, path: &str) -> String {
    format!("CAST(record ->> '$.{path}' AS INTEGER) AS {name}")
}

/// A time in the record, in one form that sorts.
fn time(name: &str, path: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', record ->> '$.{path}') AS {name}")
}

/// The table of an event, its guards and its view. `stored` are columns beside the record.
fn table(name: &str, stored: &[&str], columns: &[String]) -> String {
    let (mut kept, mut shown) = (String::new(), String::new());
    for column in stored {
        kept = kept + column + " TEXT NOT NULL, ";
        shown = shown + column + ", ";
    }
    format!(
        "CREATE TABLE log_{name} (
    seq INTEGER PRIMARY KEY, {kept}record TEXT NOT NULL
) STRICT;
CREATE VIEW {name} AS SELECT
    seq, {shown}{},
    record
    FROM log_{name};
{}",
        columns.join(",\n    "),
        guards(name)
    )
}

fn rounds(name: &str) -> String {
    table(
        name,
        &["asset", "outcome"],
        &[
            time("at", "closed"),
            time("opened", "opened"),
            text("round_id", "round_id"),
            text("reason", "reason"),
            text("direction", "direction"),
            integer("quorum", "quorum"),
            real("effective_votes", "effective_votes"),
            text("purpose", "purpose"),
            real("notional", "notional"),
            real("expected_profit", "expected_profit"),
            text("decision_id", "decision_id"),
            text("client_order_id", "client_order_id"),
        ],
    )
}

fn orders() -> [String; 3] {
    [
        table(
            "intents",
            &[],
            &[
                time("at", "decided_at"),
                text("client_order_id", "order.client_order_id"),
                text("decision_id", "decision_id"),
                text("round_id", "round_id"),
                text("asset", "order.symbol"),
                text("purpose", "purpose"),
                text("side", "order.side"),
                real("notional", "order.amount.notional"),
                real("quantity", "order.amount.quantity"),
                text("kind", "order.kind.type"),
                real("stop_price", "order.kind.stop"),
                real("limit_price", "order.kind.limit"),
                text("time_in_force", "order.time_in_force"),
                time("void_after", "void_after"),
            ],
        ),
        table(
            "submissions",
            &[],
            &[
                time("at", "at"),
                text("client_order_id", "client_order_id"),
                integer("attempt", "attempt"),
                text("outcome", "outcome"),
            ],
        ),
        table(
            "reports",
            &[],
            &[
                time("at", "at"),
                text("client_order_id", "report.client_order_id"),
                text("broker_order_id", "report.broker_order_id"),
                text("asset", "report.symbol"),
                text("side", "report.side"),
                text("status", "report.status"),
                real("filled_quantity", "report.filled_quantity"),
                real("filled_average_price", "report.filled_average_price"),
            ],
        ),
    ]
}

fn ends() -> [String; 2] {
    [
        table(
            "fills",
            &[],
            &[
                time("at", "at"),
                text("client_order_id", "client_order_id"),
                text("asset", "asset"),
                text("purpose", "purpose"),
                text("direction", "direction"),
                real("quantity", "quantity"),
                real("price", "price"),
                real("fee_quantity", "fee_quantity"),
                real("fee", "fee"),
            ],
        ),
        table(
            "resolutions",
            &[],
            &[
                time("at", "at"),
                text("client_order_id", "client_order_id"),
                text("resolution", "resolution.resolution"),
                text("message", "resolution.message"),
                text("reason", "resolution.reason"),
            ],
        ),
    ]
}

fn results() -> [String; 2] {
    [
        table(
            "trades",
            &[],
            &[
                time("at", "closed_at"),
                time("opened_at", "opened_at"),
                text("opened_by", "opened_by"),
                text("closed_by", "closed_by"),
                text("opening_round", "opening_round"),
                text("closing_round", "closing_round"),
                text("asset", "asset"),
                text("direction", "direction"),
                real("quantity", "quantity"),
                real("entry_price", "entry_price"),
                real("exit_price", "exit_price"),
                real("fees", "fees"),
                real("realised", "realised"),
                text("reason", "reason"),
            ],
        ),
        table(
            "positions",
            &[],
            &[
                time("at", "at"),
                text("asset", "asset"),
                real("quantity", "quantity"),
                real("entry_price", "entry_price"),
                real("stop_price", "stop_price"),
                real("foreign_quantity", "foreign_quantity"),
                text("cause", "cause"),
            ],
        ),
    ]
}

fn judgements() -> [String; 3] {
    [
        table(
            "weight_changes",
            &[],
            &[
                time("at", "at"),
                text("trade", "trade"),
                text("reason", "reason"),
            ],
        ),
        table(
            "hindsight",
            &[],
            &[
                time("at", "judged_at"),
                text("round_id", "round_id"),
                text("asset", "asset"),
                text("direction", "direction"),
                time("entered_at", "entered_at"),
                real("entry_price", "entry_price"),
                real("exit_price", "exit_price"),
                real("gross_bp", "gross_bp"),
            ],
        ),
        table(
            "control_actions",
            &[],
            &[
                time("at", "at"),
                text("state", "state"),
                integer("flatten", "flatten"),
                text("source", "source"),
                text("reason", "reason"),
            ],
        ),
    ]
}

/// Questions that people ask, ready to be selected from.
const VIEWS: &str = "
CREATE VIEW rounds AS
    SELECT seq, at, opened, asset, outcome, round_id, reason, direction, quorum, effective_votes,
        purpose, notional, expected_profit, decision_id, client_order_id, record FROM decisions
    UNION ALL
    SELECT seq, at, opened, asset, outcome, round_id, reason, direction, quorum, effective_votes,
        purpose, notional, expected_profit, decision_id, client_order_id, record FROM near_misses;
CREATE VIEW votes AS
    SELECT r.seq, r.at, r.round_id, r.asset, r.outcome,
        v.value ->> '$.agent' AS agent, v.value ->> '$.direction' AS direction,
        v.value ->> '$.strength' AS strength, CAST(v.value ->> '$.size' AS REAL) AS size,
        v.value ->> '$.expected_profit' AS expected_profit,
        v.value ->> '$.signal_type' AS signal_type, v.value ->> '$.signal_id' AS signal_id,
        v.value ->> '$.narrative_id' AS narrative_id,
        (v.value ->> '$.weight_millionths') / 1e6 AS weight
    FROM rounds r, json_each(r.record, '$.votes') v;
CREATE VIEW absences AS
    SELECT r.seq, r.at, r.round_id, r.asset, r.outcome, a.key AS agent, a.value AS why
    FROM rounds r, json_each(r.record, '$.absences') a;
CREATE VIEW orders AS
    SELECT i.seq, i.at, i.client_order_id, i.asset, i.purpose, i.side, i.kind, i.notional,
        i.quantity, i.round_id, i.decision_id, s.attempts, r.status, r.broker_order_id,
        f.quantity AS filled_quantity, f.price AS filled_price, f.fee, e.resolution
    FROM intents i
    LEFT JOIN (SELECT client_order_id, count(*) AS attempts FROM submissions GROUP BY 1) s
        ON s.client_order_id = i.client_order_id
    LEFT JOIN (SELECT client_order_id, status, broker_order_id, max(seq) FROM reports GROUP BY 1) r
        ON r.client_order_id = i.client_order_id
    LEFT JOIN (SELECT client_order_id, sum(quantity) AS quantity, sum(fee) AS fee,
            sum(quantity * price) / sum(quantity) AS price FROM fills GROUP BY 1) f
        ON f.client_order_id = i.client_order_id
    LEFT JOIN (SELECT client_order_id, resolution, max(seq) FROM resolutions GROUP BY 1) e
        ON e.client_order_id = i.client_order_id;
CREATE VIEW open_positions AS
    SELECT seq, at, asset, quantity, entry_price, stop_price, foreign_quantity, cause FROM (
        SELECT max(seq) AS seq, at, asset, quantity, entry_price, stop_price, foreign_quantity,
            cause FROM positions GROUP BY asset)
    WHERE quantity <> 0;
CREATE VIEW missed AS
    SELECT h.seq, h.at, h.asset, h.direction, n.outcome, h.gross_bp, h.entered_at, h.entry_price,
        h.exit_price, h.round_id, n.reason
    FROM hindsight h LEFT JOIN near_misses n ON n.round_id = h.round_id;
CREATE VIEW weights AS
    SELECT w.seq, w.at, a.key AS agent, a.value / 1e6 AS weight,
        w.record -> '$.trades' ->> a.key AS trades, w.trade, w.reason
    FROM weight_changes w, json_each(w.record, '$.weights_millionths') a;
";

/// Everything that version 2 of the schema creates.
pub(crate) fn version_2() -> String {
    let tables = [rounds("decisions"), rounds("near_misses")];
    let all: Vec<String> = tables
        .into_iter()
        .chain(orders())
        .chain(ends())
        .chain(results())
        .chain(judgements())
        .collect();
    format!("{}\n{VIEWS}", all.join("\n"))
}
