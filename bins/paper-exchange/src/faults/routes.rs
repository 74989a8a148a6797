//! `/rawe/v1/faults`: GET tells the plan and its counts, POST replaces the plan, DELETE empties it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde::{Deserialize, Serialize};

use super::{FaultCounts, FaultPlan, FaultRule};
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;

/// A rule and what has come of it since it was set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleReport {
    /// The rule.
    #[serde(flatten)]
    pub rule: FaultRule,
    /// How often it could have struck.
    pub matched: u64,
    /// How often it did.
    pub injected: u64,
}

/// The plan at work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultReport {
    /// Decides every draw.
    pub seed: u64,
    /// The rules.
    pub rules: Vec<RuleReport>,
    /// How often each kind has struck since the start, also under earlier plans.
    pub injected: FaultCounts,
}

pub(crate) async fn report(State(state): State<Arc<ExchangeState>>) -> Json<FaultReport> {
    Json(state.faults.report())
}

pub(crate) async fn set(
    State(state): State<Arc<ExchangeState>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<FaultReport>> {
    let body = body.map_err(|rejection| ApiRefusal::malformed(rejection.body_text()))?;
    let plan: FaultPlan = serde_json::from_slice(&body).map_err(|error| {
        ApiRefusal::malformed(format!("send {{\"seed\": 1, \"rules\": [...]}}: {error}"))
    })?;
    if let Some(problem) = plan.problems().first() {
        return Err(ApiRefusal::malformed(problem.clone()));
    }
    tracing::info!(
        event = "faults_set",
        rules = plan.rules.len(),
        "a plan of faults was set"
    );
    state.faults.set(plan);
    Ok(Json(state.faults.report()))
}

pub(crate) async fn clear(State(state): State<Arc<ExchangeState>>) -> Json<FaultReport> {
    tracing::info!(event = "faults_set", rules = 0, "no faults from now on");
    state.faults.set(FaultPlan::default());
    Json(state.faults.report())
}
