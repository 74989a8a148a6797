//! The signal of one vote, from one asset's features and the expert's value.

use rawe_core::{
    ArbitrageSignal, AssetClass, Direction, ProposedTrade, Symbol, Timeframe, Timestamp,
};
use rawe_narrative::AssetFeatures;

use crate::profile::Profile;
use crate::proposal::{Scores, confidence, evidence, rating, risk_score, shortened};
use crate::record::OwnRecord;
use crate::sizing::{MoveForecast, Unmet, proposal_size, size_factor, sizing_volatility};

/// The vote of a value: its sign, if it is beyond the threshold.
pub fn vote_of(expert: f64, threshold: f64) -> Option<Direction> {
    if expert.abs() > threshold {
        Direction::of_sign(expert)
    } else {
        None
    }
}

/// All that goes into a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) symbol: &'a Symbol,
    pub(crate) timeframe: Timeframe,
    pub(crate) nvx: f64,
    pub(crate) features: &'a AssetFeatures,
    pub(crate) expert: f64,
    /// How the agent's own votes have done in the asset's class.
    pub(crate) record: OwnRecord,
    /// Round-trip cost, as a share.
    pub(crate) cost: f64,
}

impl Draft<'_> {
    /// The signal; `None` if the expert is within its threshold or a strict flag forbids the vote.
    /// Its id and sender are added by the voter.
    pub(crate) fn signal(&self, instant: Timestamp) -> Option<ArbitrageSignal> {
        let Self {
            profile,
            symbol,
            features,
            expert,
            ..
        } = *self;
        let direction = vote_of(expert, profile.vote_threshold)?;
        let scores = Scores::of(features);
        let signal_type = scores.signal_type();
        let expected_move = self.expected_move();
        let unmet = Unmet::of(
            profile,
            signal_type,
            rating(features),
            expected_move,
            self.cost,
        );
        if unmet.forbids(profile) {
            return None;
        }
        let risk_score = risk_score(features);
        let factor = size_factor(profile, unmet, risk_score);
        let win_probability = self.record.win_probability();
        let volatility = sizing_volatility(symbol.class(), features);
        let size = proposal_size(profile, volatility, win_probability, factor);
        let size_usd: f64 = size.try_into().unwrap_or(0.0);
        let expected_profit = size_usd * (expected_move - self.cost);
        let narrative = features.narrative.as_ref();
        let narrative_id = narrative.map_or_else(|| "none".to_owned(), |n| shortened(&n.id));
        let metadata = ProposedTrade {
            agent_name: profile.name.clone(),
            financial_asset: symbol.clone(),
            direction,
            size,
            expected_profit,
            risk_score,
            timestamp: Some(instant),
            narrative_id: Some(narrative_id.clone()),
            strategy: Some(profile.lens.strategy().to_owned()),
            confidence: Some(confidence(expert, profile.vote_threshold)),
            horizon_secs: Some(whole_seconds(profile.lens.horizon_hours())),
            metadata: evidence(self.nvx, features, scores, expert, profile.vote_threshold),
        };
        Some(ArbitrageSignal {
            timestamp: instant,
            narrative_id,
            financial_asset: symbol.clone(),
            signal_type,
            strength: expert.abs().min(1.0),
            expected_profit,
            risk_score,
            metadata,
            version: rawe_core::signal::SIGNAL_VERSION,
            signal_id: None,
            agent: None,
            ttl_ms: Some(profile.signal_ttl_ms),
            signature: None,
            timestamp_was_naive: false,
        })
    }

    /// What the agent's own record lets it expect of this expert value, before costs.
    fn expected_move(&self) -> f64 {
        let bars_a_day = match (self.symbol.class(), self.timeframe) {
            (_, Timeframe::Day) => 1.0,
            (AssetClass::Crypto, Timeframe::Hour) => 24.0,
            (AssetClass::UsEquity, Timeframe::Hour) => 7.0,
        };
        let days = self.profile.lens.horizon_hours() / 24.0;
        let forecast = MoveForecast {
            strength: self.expert.abs(),
            slope: self.record.slope(),
            sigma: self.features.sigma.unwrap_or(0.0),
            bars: (days * bars_a_day).max(1.0),
        };
        forecast.expected_move()
    }
}

fn whole_seconds(hours: f64) -> u64 {
    // Validated: half-lives are positive and finite; a year bounds what a proposal may claim.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=31536000 before the cast"
    )]
    let seconds = (hours * 3_600.0).clamp(0.0, 31_536_000.0) as u64;
    seconds
}
