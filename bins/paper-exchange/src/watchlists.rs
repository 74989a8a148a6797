//! `/v2/watchlists`: named lists of assets in the order in which their owner put them, found by id
//! or by name. They are kept and told; nothing else looks at them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use rawe_core::Timestamp;
use rawe_market::asset::stable_uuid;
use rawe_market::{MarketData, OrderRefusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::account::{Account, Caller};
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::views;

/// The longest name, characters.
const NAME_CHARS_MAX: usize = 64;
/// The most lists of an account.
const LISTS_MAX: usize = 200;

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watchlist {
    id: Uuid,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Crypto with its slash.
    symbols: Vec<String>,
}

/// The lists of an account, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watchlists {
    /// How many were ever made: what ids are made from.
    made: u64,
    lists: Vec<Watchlist>,
}

/// The list that a request names: by the id in its path, or by `?name=`.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    Id(Uuid),
    Name(String),
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRefusal> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(mut named)| named.remove("id"));
        if let Some(id) = id {
            let read = Uuid::parse_str(&id).map_err(|_| {
                ApiRefusal::malformed(format!("watchlist_id is not a UUID: {id:.40}"))
            })?;
            return Ok(Self::Id(read));
        }
        let Ok(params) = Params::from_request_parts(parts, state).await;
        let name = params.text("name");
        let name = name.ok_or_else(|| ApiRefusal::malformed("name is required"))?;
        Ok(Self::Name(name.to_owned()))
    }
}

impl Which {
    fn is(&self, list: &Watchlist) -> bool {
        match self {
            Self::Id(id) => list.id == *id,
            Self::Name(name) => list.name == *name,
        }
    }

    fn unknown(&self) -> ApiRefusal {
        let called = match self {
            Self::Id(id) => id.to_string(),
            Self::Name(name) => format!("{name:.64}"),
        };
        OrderRefusal::not_found(format!("watchlist not found for {called}")).into()
    }
}

/// A new list, or what changes about one.
#[derive(Debug, Deserialize)]
struct Content {
    name: Option<String>,
    symbols: Option<Vec<String>>,
}

/// One more asset.
#[derive(Debug, Deserialize)]
struct Addition {
    symbol: String,
}

fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Answer<T> {
    let body = body.map_err(|rejection| ApiRefusal::malformed(rejection.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiRefusal::malformed(format!("request body format is invalid: {error}")))
}

/// The asset's own spelling.
fn symbol_of(data: &MarketData, name: &str) -> Answer<String> {
    let asset = data.find(name).and_then(|index| data.asset(index));
    let unknown = || OrderRefusal::unprocessable(format!("asset \"{name:.40}\" not found")).into();
    asset
        .map(|asset| asset.symbol.to_string())
        .ok_or_else(unknown)
}

/// The assets of a list: each of the market's, none twice.
fn symbols_of(data: &MarketData, names: &[String]) -> Answer<Vec<String>> {
    let mut symbols = Vec::new();
    for name in names {
        add(&mut symbols, symbol_of(data, name)?)?;
    }
    Ok(symbols)
}

fn add(symbols: &mut Vec<String>, symbol: String) -> Answer<()> {
    if symbols.contains(&symbol) {
        return Err(ApiRefusal::malformed(format!("duplicate symbol: {symbol}")));
    }
    symbols.push(symbol);
    Ok(())
}

impl Watchlists {
    /// A name that may be given to another list.
    fn free_name(&self, name: &str) -> Answer<String> {
        let count = name.chars().count();
        if count == 0 || count > NAME_CHARS_MAX {
            return Err(ApiRefusal::malformed(format!(
                "watchlist name must be between 1 and {NAME_CHARS_MAX} characters"
            )));
        }
        if self.lists.iter().any(|list| list.name == name) {
            return Err(ApiRefusal::malformed("watchlist name must be unique"));
        }
        Ok(name.to_owned())
    }

    fn find(&self, which: &Which) -> Answer<usize> {
        let found = self.lists.iter().position(|list| which.is(list));
        found.ok_or_else(|| which.unknown())
    }
}

/// A list as it is answered; in listings without its assets.
fn view(data: &MarketData, owner: Uuid, list: &Watchlist, with_assets: bool) -> Value {
    let mut view = json!({
        "id": list.id,
        "account_id": owner,
        "name": list.name,
        "created_at": list.created_at,
        "updated_at": list.updated_at,
    });
    if let Some(fields) = view.as_object_mut().filter(|_| with_assets) {
        let assets = list.symbols.iter().filter_map(|symbol| {
            let asset = data.asset(data.find(symbol)?)?;
            serde_json::to_value(views::asset(asset)).ok()
        });
        fields.insert("assets".to_owned(), assets.collect());
    }
    view
}

fn owner_of(account: &Account) -> Uuid {
    account.exchange().account().id
}

pub(crate) async fn list_all(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
) -> Json<Value> {
    let owner = owner_of(&account);
    let watchlists = account.watchlists();
    let views = watchlists.lists.iter();
    Json(
        views
            .map(|list| view(&state.data, owner, list, false))
            .collect(),
    )
}

pub(crate) async fn create(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Value>> {
    let content: Content = read(body)?;
    let symbols = symbols_of(&state.data, &content.symbols.unwrap_or_default())?;
    let (owner, now) = (owner_of(&account), state.now());
    let mut watchlists = account.watchlists();
    let name = watchlists.free_name(&content.name.unwrap_or_default())?;
    if watchlists.lists.len() >= LISTS_MAX {
        return Err(ApiRefusal::malformed(format!(
            "an account may have {LISTS_MAX} watchlists; delete one"
        )));
    }
    watchlists.made += 1;
    let made = Watchlist {
        id: stable_uuid(&format!("watchlist:{owner}:{}", watchlists.made)),
        name,
        created_at: now,
        updated_at: now,
        symbols,
    };
    let view = view(&state.data, owner, &made, true);
    watchlists.lists.push(made);
    Ok(Json(view))
}

pub(crate) async fn get_one(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    which: Which,
) -> Answer<Json<Value>> {
    let owner = owner_of(&account);
    let watchlists = account.watchlists();
    let found = watchlists.lists.iter().find(|list| which.is(list));
    let found = found.ok_or_else(|| which.unknown())?;
    Ok(Json(view(&state.data, owner, found, true)))
}

/// Changes a list, which is told what the others are, and answers it; refused, it stays as it was.
fn change(
    state: &ExchangeState,
    account: &Account,
    which: &Which,
    act: impl FnOnce(&mut Watchlist, &Watchlists) -> Answer<()>,
) -> Answer<Json<Value>> {
    let (owner, now) = (owner_of(account), state.now());
    let mut watchlists = account.watchlists();
    let place = watchlists.find(which)?;
    let before = watchlists.lists.remove(place);
    let mut after = before.clone();
    after.updated_at = now;
    let done = act(&mut after, &watchlists);
    let list = if done.is_ok() { after } else { before };
    let view = view(&state.data, owner, &list, true);
    watchlists.lists.insert(place, list);
    done.map(|()| Json(view))
}

/// Gives a list another name, or other assets, or both.
pub(crate) async fn update(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    which: Which,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Value>> {
    let content: Content = read(body)?;
    if content.name.is_none() && content.symbols.is_none() {
        return Err(ApiRefusal::malformed("name or symbols is required"));
    }
    change(&state, &account, &which, |list, others| {
        if let Some(name) = &content.name {
            list.name = others.free_name(name)?;
        }
        if let Some(names) = &content.symbols {
            list.symbols = symbols_of(&state.data, names)?;
        }
        Ok(())
    })
}

/// Puts one more asset at the end of a list.
pub(crate) async fn add_asset(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    which: Which,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Value>> {
    let addition: Addition = read(body)?;
    let symbol = symbol_of(&state.data, &addition.symbol)?;
    change(&state, &account, &which, |list, _| {
        add(&mut list.symbols, symbol)
    })
}

pub(crate) async fn remove_asset(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    which: Which,
    Path(named): Path<HashMap<String, String>>,
) -> Answer<Json<Value>> {
    let name = named.get("symbol").map_or("", String::as_str);
    let symbol = symbol_of(&state.data, name)?;
    change(&state, &account, &which, |list, _| {
        let listed = list.symbols.len();
        list.symbols.retain(|other| *other != symbol);
        if list.symbols.len() == listed {
            let words = format!("symbol not found in watchlist: {symbol}");
            return Err(OrderRefusal::not_found(words).into());
        }
        Ok(())
    })
}

pub(crate) async fn delete(Caller(account): Caller, which: Which) -> Answer<StatusCode> {
    let mut watchlists = account.watchlists();
    let found = watchlists.find(&which)?;
    watchlists.lists.remove(found);
    Ok(StatusCode::NO_CONTENT)
}
