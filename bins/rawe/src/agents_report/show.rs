//! The texts and the JSON of `rawe agents`. Tables fit a hundred columns.

use rawe_core::AgentId;
use serde_json::{Value, json};

use super::likeness::Likeness;
use super::record::{EQUAL, Record, Records};
use crate::journal::time_text;

/// How many changes of a weight are printed for people; JSON has them all.
const CHANGES_SHOWN: usize = 40;

fn voices(millionths: u64) -> String {
    format!("{:.2}", millionths as f64 / EQUAL as f64)
}

fn or_dash<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// Everyone's record, how alike they are, and what their votes are worth.
pub(super) fn all_as_text(records: &Records, likeness: &Likeness) -> String {
    if records.all().is_empty() {
        return "the journal has no votes yet\n".to_owned();
    }
    let mut text = format!(
        "{} rounds of votes, {} of which led to an order; {} closed trades; {} changes of weights\n\n",
        records.rounds,
        records.decisions,
        records.trades,
        records.changes.len()
    );
    text += &format!(
        "{:<25} {:>6} {:>6} {:>6} {:>7} {:>6} {:>6} {:>10} {:>5} {:>6} {:>6}\n",
        "voter",
        "votes",
        "rounds",
        "agreed",
        "against",
        "absent",
        "trades",
        "P&L USD",
        "hits",
        "earned",
        "counts"
    );
    for (place, (agent, record)) in records.all().iter().enumerate() {
        text += &format!(
            "{:<25} {:>6} {:>6} {:>6} {:>7} {:>6} {:>6} {:>10} {:>5} {:>6} {:>6}\n",
            label(place, agent),
            record.votes,
            record.rounds,
            record.agreed,
            record.dissented,
            record.absences(),
            record.trades,
            format!("{:.2}", record.realised),
            or_dash(record.hit_rate(), |rate| format!("{:.0} %", rate * 100.0)),
            voices(record.weight_earned),
            or_dash(record.weight_counted, voices),
        );
    }
    text += "\n";
    text += &how_weights_count(records);
    text += "\n";
    text += &matrix(records, likeness);
    text
}

fn label(place: usize, agent: &AgentId) -> String {
    let name: String = agent.as_str().chars().take(22).collect();
    format!("{:>2} {name}", place + 1)
}

fn how_weights_count(records: &Records) -> String {
    let counted = |record: &Record| record.weight_counted.unwrap_or(EQUAL);
    let differ = |record: &Record| counted(record) != EQUAL;
    let mut text = if records.all().values().any(differ) {
        "Votes count for what was earned (voting = \"earned\").\n".to_owned()
    } else if records
        .all()
        .values()
        .any(|record| record.weight_earned != EQUAL)
    {
        "Votes count by heads; `earned` is what they would count for under voting = \"earned\".\n"
            .to_owned()
    } else {
        "All voices are equal so far.\n".to_owned()
    };
    if records.weight_short > 0 {
        text += &format!(
            "{} rounds had the heads and not the weight (WEIGHT_SHORT).\n",
            records.weight_short
        );
    }
    text
}

fn matrix(records: &Records, likeness: &Likeness) -> String {
    let agents: Vec<&AgentId> = records.agents().collect();
    // Ten fit a hundred columns; a larger roster's matrix is in the JSON.
    let shown = agents.len().min(10);
    let what = if likeness.source == "stances" {
        "scans"
    } else {
        "instants"
    };
    let mut text = format!(
        "correlation of {} over {} {what}\n{:<25}",
        likeness.source, likeness.compared, ""
    );
    for place in 0..shown {
        text += &format!(" {:>6}", place + 1);
    }
    text += "\n";
    for (place, agent) in agents.iter().enumerate() {
        text += &format!("{:<25}", label(place, agent));
        for other in agents.iter().take(shown) {
            let value = if agent == other {
                Some(1.0)
            } else {
                likeness.of(agent, other)
            };
            text += &format!(" {:>6}", or_dash(value, |value| format!("{value:.2}")));
        }
        text += "\n";
    }
    text += &match likeness.effective() {
        Some(effective) => format!(
            "the {} voters are worth {effective:.2} independent votes\n",
            agents.len()
        ),
        None => "too little is known to say how many independent votes they are worth\n".to_owned(),
    };
    if let Some((at, effective)) = records.effective {
        text += &format!(
            "the engine reckoned with {effective:.2} in its newest round ({})\n",
            time_text(at)
        );
    }
    text
}

/// One voter's record and the history of its weight.
pub(super) fn one_as_text(records: &Records, agent: &AgentId) -> String {
    let Some(record) = records.all().get(agent) else {
        return String::new();
    };
    let absent: Vec<String> = record
        .absent
        .iter()
        .map(|(cause, count)| format!("{} {count}", name_of(cause)))
        .collect();
    let mut text = format!(
        "{agent}\n  {} votes in {} rounds: {} agreed, {} against, {} both ways\n  \
         absent from {}{}\n  \
         {} trades credited, {:.2} USD, {} on the side that gained\n  \
         weight earned {}, counted {}\n",
        record.votes,
        record.rounds,
        record.agreed,
        record.dissented,
        record.equivocated,
        record.absences(),
        if absent.is_empty() {
            String::new()
        } else {
            format!(" ({})", absent.join(", "))
        },
        record.trades,
        record.realised,
        or_dash(record.hit_rate(), |rate| format!("{:.0} %", rate * 100.0)),
        voices(record.weight_earned),
        or_dash(record.weight_counted, voices),
    );
    if records.changes.is_empty() {
        text += "no change of weights yet: none of its trades has been closed\n";
        return text;
    }
    let hidden = records.changes.len().saturating_sub(CHANGES_SHOWN);
    if hidden > 0 {
        text += &format!("  ({hidden} older changes are in --json)\n");
    }
    text += &format!(
        "\n{:<19}  {:>6}  {:>6}  why\n",
        "market time", "weight", "trades"
    );
    for change in records.changes.iter().skip(hidden) {
        let weight = change.weights_millionths.get(agent).copied();
        let trades = change.trades.get(agent).copied();
        text += &format!(
            "{:<19}  {:>6}  {:>6}  {}\n",
            time_text(change.at),
            or_dash(weight, voices),
            or_dash(trades, |trades| trades.to_string()),
            change.reason
        );
    }
    text
}

/// The name of a kind of absence, as the records have it.
fn name_of(cause: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(cause).ok();
    let name = name.as_ref().and_then(Value::as_str);
    name.unwrap_or("unknown").replace('_', " ")
}

/// Everything as one JSON object.
pub(super) fn all_as_json(records: &Records, likeness: &Likeness) -> Value {
    let agents: Vec<&AgentId> = records.agents().collect();
    let mut pairs = Vec::new();
    for (place, one) in agents.iter().enumerate() {
        for other in agents.iter().skip(place + 1) {
            pairs.push(json!({
                "agents": [one, other],
                "correlation": likeness.of(one, other),
            }));
        }
    }
    let record = |(agent, record): (&AgentId, &Record)| with_rate(agent, record);
    json!({
        "rounds": records.rounds,
        "decisions": records.decisions,
        "weight_short": records.weight_short,
        "trades": records.trades,
        "agents": records.all().iter().map(record).collect::<Vec<_>>(),
        "likeness": {
            "source": likeness.source,
            "compared": likeness.compared,
            "pairs": pairs,
            "effective_votes": likeness.effective(),
        },
        "effective_votes_recorded": records.effective.map(|(_, effective)| effective),
    })
}

fn with_rate(agent: &AgentId, record: &Record) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("agent".to_owned(), json!(agent));
        object.insert("hit_rate".to_owned(), json!(record.hit_rate()));
    }
    value
}

/// One voter as one JSON object.
pub(super) fn one_as_json(records: &Records, agent: &AgentId) -> Value {
    let changes = records.changes.iter().map(|change| {
        json!({
            "at": change.at,
            "weight_millionths": change.weights_millionths.get(agent),
            "score_millionths": change.scores_millionths.get(agent),
            "trades": change.trades.get(agent),
            "trade": change.trade,
            "reason": change.reason,
        })
    });
    let changes: Vec<Value> = changes.collect();
    let mut value = records
        .all()
        .get(agent)
        .map_or(Value::Null, |record| with_rate(agent, record));
    if let Some(object) = value.as_object_mut() {
        object.insert("changes".to_owned(), Value::Array(changes));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::likeness::{Votes, from_votes};
    use super::super::record::tests::{id, round};
    use super::*;
    use rawe_core::Direction;

    fn records() -> Records {
        let mut records = Records::default();
        let votes = [(
            "a-very-long-name-of-an-agent-indeed",
            Direction::Long,
            EQUAL,
        )];
        records.round(&round(1, &votes));
        records
    }

    #[test]
    fn the_table_fits_a_hundred_columns() {
        let records = records();
        let text = all_as_text(&records, &from_votes(Votes::default(), &records));
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(text.contains("All voices are equal so far."), "{text}");
    }

    #[test]
    fn one_voter_has_its_history() {
        let mut records = records();
        let d = id("d");
        assert!(one_as_text(&records, &d).contains("abstained 1"));
        for number in 0..50_u64 {
            records.weights(&rawe_core::WeightChange {
                at: round(1, &[]).closed,
                trade: None,
                weights_millionths: [(d.clone(), EQUAL + number)].into(),
                trades: [(d.clone(), number)].into(),
                scores_millionths: [(d.clone(), 5)].into(),
                reason: format!("because of {number}"),
            });
        }
        let text = one_as_text(&records, &d);
        assert!(
            text.contains("because of 49") && !text.contains("because of 9\n"),
            "{text}"
        );
        let value = one_as_json(&records, &d);
        assert_eq!(value["changes"].as_array().map(Vec::len), Some(50));
        assert_eq!(value["weight_earned"], json!(EQUAL + 49));
        let all = all_as_text(&records, &from_votes(Votes::default(), &records));
        assert!(all.contains("Votes count by heads"), "{all}");
    }
}
