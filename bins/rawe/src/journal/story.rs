//! The sentences of `rawe why`: a round from its votes to its outcome, and an order from its
//! intent to its end. Pure.

use rawe_core::decision::Absence;
use rawe_core::{Direction, RoundRecord, RoundVote, SignalType, Timestamp};
use rawe_execution::broker::OrderReport;
use rawe_journal::JournalOrder;

use super::orders::{amount_text, fate, report_text, side_text};
use super::time_text;
use crate::up::sentences::{decision, display_name};

/// A report with the market time when it was heard.
pub(super) type Heard = (Timestamp, OrderReport);

/// The story of a round, line by line.
pub(super) fn round_story(round: &RoundRecord) -> Vec<String> {
    let head = if round.outcome.is_decision() {
        decision(round)
    } else {
        format!(
            "{}: nothing was traded, {}",
            round.asset,
            round.outcome.meaning()
        )
    };
    let mut lines = vec![
        format!("{}  {head}", time_text(round.closed)),
        format!("  outcome    {}: {}", round.outcome, round.reason),
        format!("  round      {}", round.round_id),
    ];
    for direction in [Direction::Long, Direction::Short] {
        let votes = round.votes.iter();
        for vote in votes.filter(|vote| vote.direction == direction) {
            lines.push(format!(
                "  {:<10} {}",
                direction.to_string(),
                vote_text(vote)
            ));
        }
    }
    if round.votes.is_empty() {
        lines.push("  votes      none: the standing votes of a held position decided".to_owned());
    }
    for (agent, absence) in &round.absences {
        lines.push(format!(
            "  no vote    {}: {}",
            display_name(agent),
            absence_text(*absence)
        ));
    }
    for agent in &round.equivocated {
        lines.push(format!(
            "  both ways  {} voted long and short",
            display_name(agent)
        ));
    }
    lines.push(needed(round));
    if let Some(advice) = round.outcome.advice() {
        lines.push(format!("  to do      {advice}"));
    }
    lines
}

fn needed(round: &RoundRecord) -> String {
    let worth = round.effective_votes.map_or_else(String::new, |worth| {
        format!("; the agents' recent views are worth {worth:.1} independent ones")
    });
    format!("  needed     {} agreeing votes{worth}", round.quorum)
}

fn vote_text(vote: &RoundVote) -> String {
    let why = match vote.signal_type {
        SignalType::NarrativeLeads => "the story runs ahead of the price",
        SignalType::CapitalLeads => "the price moves without the story",
        SignalType::Divergence => "story and price point different ways",
    };
    let story = if vote.narrative_id.is_empty() || vote.signal_type == SignalType::CapitalLeads {
        String::new()
    } else {
        format!(" (story {})", vote.narrative_id)
    };
    format!(
        "{}: {why}{story}; strength {:.2}, proposes ${}, expects ${:.2}",
        display_name(&vote.agent),
        vote.strength,
        vote.size.round_dp(2).normalize(),
        vote.expected_profit
    )
}

fn absence_text(absence: Absence) -> &'static str {
    match absence {
        Absence::Abstained => "looked and has no view",
        Absence::Silent => "alive, but did not look at this instant",
        Absence::Dead => "no heartbeat; is it running?",
        Absence::Unknown => "speaks the original format, which has no heartbeat",
        Absence::NotEligible => "the asset is not its to trade",
    }
}

/// The story of an order, line by line.
pub(super) fn order_story(order: &JournalOrder, heard: &[Heard]) -> Vec<String> {
    let intent = &order.intent;
    let mut lines = vec![format!(
        "  order      {} to {}: {} {} {}",
        intent.order.client_order_id,
        intent.purpose,
        side_text(order),
        amount_text(intent.order.amount),
        intent.order.symbol
    )];
    lines.push(format!(
        "  {}  on record before it was sent (void after {})",
        time_text(intent.decided_at),
        time_text(intent.void_after)
    ));
    for (at, report) in heard {
        lines.push(format!(
            "  {}  the broker: {} (its id {})",
            time_text(*at),
            report_text(report),
            report.broker_order_id
        ));
    }
    lines.push(format!("  came to    {}", fate(order)));
    lines
}
