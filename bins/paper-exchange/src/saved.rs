//! The state of all accounts as JSON: kept in a file over a restart, or taken and put back through
//! `/rawe/v1/state`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use rawe_market::{Exchange, Snapshot};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::configurations::Configurations;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::watchlists::Watchlists;

/// All accounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedState {
    accounts: Vec<SavedAccount>,
}

/// One account; whose keys have this id.
#[derive(Debug, Serialize, Deserialize)]
struct SavedAccount {
    key_id: String,
    configurations: Configurations,
    watchlists: Watchlists,
    book: Snapshot,
}

impl ExchangeState {
    /// Everything that a restart would lose.
    pub(crate) fn saved(&self) -> SavedState {
        let saved = |account: &Arc<Account>| SavedAccount {
            key_id: account.keys.id().to_owned(),
            configurations: account.configurations().clone(),
            watchlists: account.watchlists().clone(),
            book: account.exchange().snapshot(),
        };
        SavedState {
            accounts: self.accounts.all().map(saved).collect(),
        }
    }

    /// Takes up a state: all accounts or none.
    pub(crate) fn restore(&self, saved: &SavedState) -> anyhow::Result<()> {
        let mut books = Vec::new();
        let mut clocks = Vec::new();
        for account in self.accounts.all() {
            let id = account.keys.id();
            let found = saved.accounts.iter().find(|saved| saved.key_id == id);
            let Some(found) = found else {
                bail!(
                    "the saved state has no account with the key id {id}; start with its accounts"
                );
            };
            clocks.push(found.book.now());
            let book = Exchange::restore(Arc::clone(&self.data), found.book.clone())?;
            books.push((account, book, found));
        }
        if clocks.windows(2).any(|pair| pair.first() != pair.last()) {
            bail!("the accounts of the saved state stand at different times; save it again");
        }
        for (account, book, saved) in books {
            account.put(book);
            *account.configurations() = saved.configurations.clone();
            *account.watchlists() = saved.watchlists.clone();
        }
        self.clock.send_replace(self.now());
        Ok(())
    }

    /// Takes up the state of a file, if there is one.
    pub(crate) fn restore_file(&self, path: &Path) -> anyhow::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let what = || format!("taking up the state in {}", path.display());
        let text = std::fs::read(path).with_context(what)?;
        let saved: SavedState = serde_json::from_slice(&text).with_context(what)?;
        self.restore(&saved).with_context(what)?;
        let (path, now) = (path.display(), self.now().to_rfc3339());
        tracing::info!(event = "state_restored", %path, now, "goes on where it was left");
        Ok(())
    }

    /// Writes the state to a file: whole, or not at all.
    pub(crate) fn save_file(&self, path: &Path) -> anyhow::Result<()> {
        let what = || format!("saving the state to {}", path.display());
        let text = serde_json::to_vec(&self.saved()).with_context(what)?;
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).with_context(what)?;
        std::fs::rename(&beside, path).with_context(what)?;
        tracing::info!(event = "state_saved", path = %path.display(), "the state is saved");
        Ok(())
    }
}

pub(crate) async fn get(State(state): State<Arc<ExchangeState>>) -> Json<SavedState> {
    Json(state.saved())
}

pub(crate) async fn post(
    State(state): State<Arc<ExchangeState>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<StatusCode> {
    let unreadable =
        |reason: String| ApiRefusal::malformed(format!("send what GET answered: {reason}"));
    let body = body.map_err(|rejection| unreadable(rejection.body_text()))?;
    let saved: SavedState =
        serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    state.restore(&saved).map_err(|error| {
        ApiRefusal::coded(StatusCode::CONFLICT, 40_910_000, format!("{error:#}"))
    })?;
    Ok(StatusCode::NO_CONTENT)
}
