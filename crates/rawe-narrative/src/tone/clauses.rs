//! What of a text's tone belongs to one name in it: the clause around the name, and the part the
//! name plays there.

use std::ops::Range;

use super::scorer::Sense;
use crate::lexicon::Entry;

/// Where the name's own clause says nothing, words around count exp(-distance / this).
const REACH_TOKENS: f64 = 8.0;
/// A tail behind a colon ("...: Smith, Jones Securities") is no longer than this.
const TAIL_TOKENS: usize = 8;
/// What is told before such a colon has at least so many words.
const TOLD_WORDS: usize = 3;

/// The sum of `values` that belongs to `names` (ranges of places among the senses; an empty one is
/// a name that has no sense of its own). A clause counts once. `None` if there is no name.
pub(super) fn sum(
    senses: &[Sense],
    values: &[f64],
    names: impl Iterator<Item = Range<usize>>,
) -> Option<f64> {
    let mut total = None;
    let mut counted_to = 0;
    for name in names {
        let (part, clause) = name_sum(senses, values, &name);
        if total.is_none() || clause.start >= counted_to {
            total = Some(total.unwrap_or(0.0) + part);
        }
        counted_to = counted_to.max(clause.end);
    }
    total
}

/// What belongs to one name, and the clause it stands in.
fn name_sum(senses: &[Sense], values: &[f64], name: &Range<usize>) -> (f64, Range<usize>) {
    let entry = |place: usize| senses.get(place).and_then(|sense| sense.entry());
    let is =
        |place: Option<usize>, role: fn(&Entry) -> bool| place.and_then(entry).is_some_and(role);
    let cuts = |place: usize| is(Some(place), |e| e.cuts);
    let start = (0..name.start).rev().find(|place| cuts(*place));
    let start = start.map_or(0, |cut| cut + 1);
    let end = (name.end..senses.len()).find(|place| cuts(*place));
    let end = end.unwrap_or(senses.len());
    let clause = start..end;
    // "with the Acme": an article between does not hide the partner.
    let before = name.start.checked_sub(1);
    let partner = is(before, |e| e.partner)
        || is(before, |e| e.article) && is(name.start.checked_sub(2), |e| e.partner);
    let next = Some(name.end);
    if partner || is(next, |e| e.agent) || only_tells(senses, name) {
        return (0.0, clause);
    }
    // Who buys is not praised by the word.
    let deal = is(next, |e| e.deal).then_some(name.end);
    let value = |place: usize| {
        let value = values.get(place).filter(|_| deal != Some(place));
        value.copied().unwrap_or(0.0)
    };
    let own: f64 = clause.clone().map(value).sum();
    let said = own != 0.0 || clause.clone().any(|place| is(Some(place), |e| e.still));
    if said {
        return (own, clause);
    }
    let around = (0..values.len())
        .map(|place| {
            let distance =
                clause.start.saturating_sub(place) + (place + 1).saturating_sub(clause.end);
            value(place) * (-(distance as f64) / REACH_TOKENS).exp()
        })
        .sum();
    (around, clause)
}

/// Whether the name stands in a short tail behind a colon, where headlines say who told it.
fn only_tells(senses: &[Sense], name: &Range<usize>) -> bool {
    let tail_start = senses.len().saturating_sub(TAIL_TOKENS + 1);
    let colon = (0..name.start).find(|place| {
        senses
            .get(*place)
            .and_then(|sense| sense.entry())
            .is_some_and(|e| e.colon)
    });
    colon.is_some_and(|colon| colon >= tail_start.max(TOLD_WORDS))
}
