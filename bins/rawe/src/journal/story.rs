//! The sentences of `rawe why`: a round from its votes to its outcome, and an order from its
//! intent to its end. Pure.

use chrono::TimeDelta;
use rawe_core::decision::Absence;
use rawe_core::{
    ClosedTrade, Direction, ExitReason, Hindsight, Purpose, RoundRecord, RoundVote, SignalType,
    Timestamp,
};
use rawe_execution::broker::{OrderKind, OrderStatus};
use rawe_execution::gate::TradingState;
use rawe_execution::journal::ControlRecord;
use rawe_journal::{Attempt, JournalOrder};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;

use super::orders::{amount_text, fate, report_text, side_text};
use super::{money, span_text, time_text};
use crate::up::sentences::{decision, display_name};

/// A fill that comes so soon was not waited for.
const NO_WAIT: TimeDelta = TimeDelta::seconds(60);
/// What a vote counts for where heads are counted, millionths.
const EQUAL_VOICE: u64 = 1_000_000;

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
    // An exit by the standing votes has nothing but its reason, and the head says it.
    let reason = if head.ends_with(&round.reason) {
        String::new()
    } else {
        format!(": {}", round.reason)
    };
    let mut lines = vec![
        format!("{}  {head}", time_text(round.closed)),
        format!("  outcome    {}{reason}", round.outcome),
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
        // Nobody was asked to vote here, so nobody's silence is told either.
        lines.push("  votes      none: the standing votes of a held position decided".to_owned());
        return lines;
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
    let counts = if vote.weight_millionths == EQUAL_VOICE {
        String::new()
    } else {
        let voices = vote.weight_millionths as f64 / EQUAL_VOICE as f64;
        format!(", counts {voices:.2}")
    };
    format!(
        "{}: {why}{story}; strength {:.2}, proposes {}, expects {}{counts}",
        display_name(&vote.agent),
        vote.strength,
        money(vote.size),
        money(Decimal::from_f64(vote.expected_profit).unwrap_or_default())
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

/// Who had said what about trading when a round was refused because of it.
pub(super) fn control_line(control: &ControlRecord) -> String {
    let state = match control.state {
        TradingState::Active => "allowed",
        TradingState::Reducing => "only orders that shrink a position",
        TradingState::Halted => "halted",
    };
    format!(
        "  trading    {state} since {} by {}: {}",
        time_text(control.at),
        control.source,
        control.reason
    )
}

/// What a near miss would have made.
pub(super) fn hindsight_line(hindsight: &Hindsight) -> String {
    let word = if hindsight.gross_bp < 0.0 {
        "lost"
    } else {
        "made"
    };
    format!(
        "  looking back, {} from ${} to ${} in {} would have {word} {:.0} basis points before \
         costs",
        hindsight.direction,
        hindsight.entry_price,
        hindsight.exit_price,
        span_text(hindsight.judged_at - hindsight.entered_at),
        hindsight.gross_bp.abs()
    )
}

/// The story of an order, line by line, in the order of market time.
pub(super) fn order_story(order: &JournalOrder) -> Vec<String> {
    let intent = &order.intent;
    let mut lines = vec![
        format!(
            "  order      {} to {}: {} {} of {}{}",
            intent.order.client_order_id,
            intent.purpose,
            side_text(order),
            amount_text(intent.order.amount),
            intent.order.symbol,
            kind_text(intent.order.kind)
        ),
        intent.leg_of.as_ref().map_or_else(
            || {
                format!(
                    "  {}  on record before it was sent (void after {})",
                    time_text(intent.decided_at),
                    time_text(intent.void_after)
                )
            },
            |opening| {
                format!(
                    "  {}  an exit of {opening}: the broker made it when it took that order, and \
                     it works once all of that has filled; the end of one exit ends the other",
                    time_text(intent.decided_at)
                )
            },
        ),
    ];
    let mut life: Vec<(Timestamp, String)> = Vec::new();
    for attempt in &order.attempts {
        life.push((attempt.at, attempt_text(attempt)));
    }
    for heard in &order.reports {
        let text = format!(
            "the broker: {} (its id {})",
            report_text(&heard.report),
            heard.report.broker_order_id
        );
        life.push((heard.at, text));
    }
    for fill in &order.fills {
        let fee = if fill.fee_quantity.is_zero() {
            money(fill.fee)
        } else {
            let coins = fill.fee_quantity.normalize();
            format!("{} ({coins} kept in coin)", money(fill.fee))
        };
        let text = format!(
            "{} changed hands at ${}, fee {fee}",
            fill.quantity.normalize(),
            fill.price.round_dp(6).normalize()
        );
        life.push((fill.at, text));
    }
    life.sort_by_key(|(at, _)| *at);
    lines.extend(
        life.into_iter()
            .map(|(at, text)| format!("  {}  {text}", time_text(at))),
    );
    lines.extend(patience(order));
    lines.push(format!("  came to    {}", fate(order)));
    lines
}

/// What an order had to wait for, if it did not fill at once and whole.
fn patience(order: &JournalOrder) -> Option<String> {
    let asset = &order.intent.order.symbol;
    if order.intent.purpose == Purpose::Stop {
        return None;
    }
    let taken = order.reports.first()?.at;
    let Some((first, last)) = order.fills.first().zip(order.fills.last()) else {
        let status = order.reports.last()?.report.status;
        let (waits, is) = match (order.end.is_some(), status) {
            (false, _) => ("waits", "is"),
            (true, OrderStatus::Rejected) => return None,
            (true, _) => ("waited", "was"),
        };
        return Some(format!(
            "  {waits:<10} at the broker, and nothing has filled: trading in {asset} {is} halted, or \
             nobody {is} on the other side"
        ));
    };
    let late = first.at - taken;
    let waited = (late > NO_WAIT).then(|| {
        format!(
            "  waited     {} for its first fill: trading in {asset} was halted, or nobody was on the \
             other side",
            span_text(late)
        )
    });
    let parts = (order.fills.len() > 1).then(|| {
        format!(
            "  in parts   {} within {}: an order takes only a part of what trades",
            order.fills.len(),
            span_text(last.at - first.at)
        )
    });
    match (waited, parts) {
        (Some(waited), Some(parts)) => Some(format!("{waited}\n{parts}")),
        (waited, parts) => waited.or(parts),
    }
}

fn kind_text(kind: OrderKind) -> String {
    match kind {
        OrderKind::Market => String::new(),
        OrderKind::Stop { stop } => format!(" once it trades at ${}", stop.normalize()),
        OrderKind::StopLimit { stop, limit } => format!(
            " at ${} or better once it trades at ${}",
            limit.normalize(),
            stop.normalize()
        ),
        OrderKind::Limit { limit } => format!(" at ${} or better", limit.normalize()),
        OrderKind::WithExits { stop, target } => {
            let target = target.map_or_else(String::new, |target| {
                format!(" or at a profit at ${}", target.normalize())
            });
            format!(
                ", and once all of it has filled to leave it at a loss at ${}{target}: the broker \
                 makes an order of its own of each",
                stop.normalize()
            )
        }
    }
}

fn attempt_text(attempt: &Attempt) -> String {
    let times = match attempt.attempt {
        1 => "sent".to_owned(),
        2 => "sent once more under the same id".to_owned(),
        number => format!("sent for the {number}th time"),
    };
    let outcome = &attempt.outcome;
    let meaning = match outcome.split([':', ' ']).next().unwrap_or_default() {
        "unknown" => "; in doubt, so the broker is asked for it before anything else",
        "duplicate" => "; the broker had it already, so it is looked up",
        _ => "",
    };
    format!("{times}: {outcome}{meaning}")
}

/// What a trade made, and why it ended.
pub(super) fn trade_lines(trade: &ClosedTrade) -> Vec<String> {
    let word = if trade.realised.is_sign_negative() {
        "lost"
    } else {
        "made"
    };
    vec![
        format!(
            "  left       after {}, because {}",
            span_text(trade.closed_at - trade.opened_at),
            exit_text(trade.reason)
        ),
        format!(
            "  {word}       {} net of {} fees: {} {} from ${} to ${}",
            money(trade.realised.abs()),
            money(trade.fees),
            trade.direction,
            trade.quantity.normalize(),
            trade.entry_price.round_dp(6).normalize(),
            trade.exit_price.round_dp(6).normalize()
        ),
    ]
}

/// Why a position ended, for a person.
pub(super) fn exit_text(reason: ExitReason) -> &'static str {
    match reason {
        ExitReason::SoftExit => "nobody who voted for it stands by it any more",
        ExitReason::OpposingQuorum => "a quorum voted against it",
        ExitReason::DisasterStop => "the price went against it as far as it may",
        ExitReason::Target => "the price reached its target",
        ExitReason::MaximumHold => "it was held as long as it may be",
        ExitReason::RatingCollapse => "the rating of its story collapsed",
        ExitReason::GapClosed => "the gap between story and price closed",
        ExitReason::Flatten => "the operator said flatten",
        ExitReason::External => "somebody else closed it at the broker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_is_told_in_words() {
        let (stop, limit) = (Decimal::from(80), Decimal::from(110));
        for (target, expected) in [
            (
                Some(limit),
                ", and once all of it has filled to leave it at a loss at $80 or at a profit at \
                 $110: the broker makes an order of its own of each",
            ),
            (
                None,
                ", and once all of it has filled to leave it at a loss at $80: the broker makes an \
                 order of its own of each",
            ),
        ] {
            assert_eq!(kind_text(OrderKind::WithExits { stop, target }), expected);
        }
        assert_eq!(kind_text(OrderKind::Limit { limit }), " at $110 or better");
    }
}
