//! The `[[feed.sources]]` tables and `rss:URL` sources, checked and made into what is asked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rawe_alpaca::StockFeed;
use rawe_core::{Register, Symbol};
use rawe_feed::drafts::JsonFields;
use rawe_feed::intake::SourceRules;
use rawe_feed::register_of;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::args::{FeedSettings, NewsSource};
use crate::web::{Form, WebSource};

/// Seconds between two questions to a source unless told otherwise.
const POLL_SECS_DEFAULT: u64 = 300;
/// The shortest pause that is polite.
const POLL_SECS_MIN: u64 = 30;
/// The longest pause: a day.
const POLL_SECS_MAX: u64 = 86_400;
/// Items of a source within an hour unless told otherwise.
const ITEMS_PER_HOUR_DEFAULT: u32 = 120;
/// The most that may be allowed.
pub(crate) const ITEMS_PER_HOUR_MAX: u32 = 100_000;
/// The name of standard input as a source.
const STDIN: &str = "stdin";
/// The longest name of a source, in characters.
const NAME_CHARS_MAX: usize = 60;

/// How a source's documents are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormName {
    /// RSS, Atom or JSON Feed.
    #[default]
    Rss,
    /// Any JSON, read by `fields`.
    Json,
}

/// One `[[feed.sources]]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceSection {
    name: String,
    url: String,
    form: FormName,
    fields: Option<JsonFields>,
    poll_secs: Option<u64>,
    trust_percent: Option<u8>,
    items_per_hour_max: Option<u32>,
    register: Option<Register>,
    symbols: Vec<Symbol>,
    headers: BTreeMap<String, String>,
}

/// An address on the web.
pub(crate) fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("'{text}' is no address: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(format!(
            "'{text}' is no address that starts with http:// or https://"
        ))
    }
}

/// The stock feed of a name; Alpaca's own are words of letters and underscores.
pub(crate) fn stock_feed_named(name: Option<&str>, problems: &mut Vec<String>) -> StockFeed {
    match name {
        None | Some("" | "iex") => StockFeed::Iex,
        Some("sip") => StockFeed::Sip,
        Some(name) if name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            StockFeed::Named(name.to_owned())
        }
        Some(name) => {
            problems.push(format!(
                "stock_feed '{name:.40}' is no feed; write iex, sip or boats"
            ));
            StockFeed::Iex
        }
    }
}

/// All sources on the web: those of `news` first.
pub(crate) fn web_sources(
    news: &[NewsSource],
    sections: &[SourceSection],
    problems: &mut Vec<String>,
) -> Vec<WebSource> {
    let of_news = news.iter().filter_map(|source| match source {
        NewsSource::Rss(url) => Some(SourceSection {
            name: url.host_str().unwrap_or_default().to_owned(),
            url: url.to_string(),
            ..SourceSection::default()
        }),
        _ => None,
    });
    let all: Vec<SourceSection> = of_news.chain(sections.iter().cloned()).collect();
    let mut names = BTreeSet::from([STDIN.to_owned()]);
    let mut sources = Vec::new();
    for section in &all {
        if !names.insert(section.name.clone()) {
            let name = &section.name;
            problems.push(format!(
                "two sources are called '{name}'; give each a name of its own in [[feed.sources]]"
            ));
        }
        sources.extend(section.checked(problems));
    }
    sources
}

impl SourceSection {
    fn checked(&self, problems: &mut Vec<String>) -> Option<WebSource> {
        let mut own = Vec::new();
        if self.name.is_empty() || self.name.chars().count() > NAME_CHARS_MAX {
            own.push(format!(
                "has no name of at most {NAME_CHARS_MAX} characters"
            ));
        }
        let url = web_url(&self.url).map_err(|problem| own.push(problem)).ok();
        let poll_secs = self.poll_secs.unwrap_or(POLL_SECS_DEFAULT);
        if !(POLL_SECS_MIN..=POLL_SECS_MAX).contains(&poll_secs) {
            own.push(format!(
                "poll_secs {poll_secs} is not {POLL_SECS_MIN} to {POLL_SECS_MAX}"
            ));
        }
        let items_per_hour_max = self.items_per_hour_max.unwrap_or(ITEMS_PER_HOUR_DEFAULT);
        if !(1..=ITEMS_PER_HOUR_MAX).contains(&items_per_hour_max) {
            own.push(format!(
                "items_per_hour_max is not 1 to {ITEMS_PER_HOUR_MAX}"
            ));
        }
        if self
            .trust_percent
            .is_some_and(|trust| !(1..=100).contains(&trust))
        {
            own.push("trust_percent is not 1 to 100".to_owned());
        }
        let form = self.form(&mut own);
        let headers = self.headers(&mut own);
        let rules = SourceRules {
            name: self.name.clone(),
            register: self.register.unwrap_or_else(|| register_of(&self.name)),
            trust_percent: self.trust_percent.filter(|trust| *trust < 100),
            items_per_hour_max,
            symbols: self.symbols.clone(),
            undated_is_new: false,
        };
        let is_good = own.is_empty();
        let name = &self.name;
        let told = own
            .into_iter()
            .map(|problem| format!("source '{name}': {problem}"));
        problems.extend(told);
        Some(WebSource {
            rules,
            url: url.filter(|_| is_good)?,
            form,
            pause: TimeDelta::seconds(i64::try_from(poll_secs).ok()?),
            headers,
        })
    }

    fn form(&self, problems: &mut Vec<String>) -> Form {
        match (self.form, &self.fields) {
            (FormName::Rss, None) => return Form::Syndication,
            (FormName::Rss, Some(_)) => {
                problems.push("fields are for form = \"json\" only".to_owned());
            }
            (FormName::Json, None) => {
                problems.push("form = \"json\" needs fields: where its parts are".to_owned());
            }
            (FormName::Json, Some(fields)) => {
                if let Err(problem) = fields.check() {
                    problems.push(problem.to_string());
                }
                return Form::Json(fields.clone());
            }
        }
        Form::Syndication
    }

    /// The headers; a value `env:NAME` is that variable's, so that no key lies in the file.
    fn headers(&self, problems: &mut Vec<String>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = match value.strip_prefix("env:") {
                None => Some(value.clone()),
                Some(variable) => {
                    let value = std::env::var(variable)
                        .ok()
                        .filter(|value| !value.is_empty());
                    if value.is_none() {
                        problems.push(format!("header {name} needs {variable}, which is not set"));
                    }
                    value
                }
            };
            let Some(value) = value else {
                continue;
            };
            let header = HeaderName::try_from(name).ok();
            match header.zip(HeaderValue::try_from(value).ok()) {
                Some((name, mut value)) => {
                    value.set_sensitive(true);
                    headers.insert(name, value);
                }
                None => problems.push(format!("header '{name}' cannot be sent")),
            }
        }
        headers
    }
}

impl FeedSettings {
    /// The rules of all sources on the web, and of standard input after them.
    pub(crate) fn source_rules(&self) -> Vec<SourceRules> {
        let stdin = SourceRules {
            name: STDIN.to_owned(),
            register: Register::News,
            trust_percent: None,
            items_per_hour_max: ITEMS_PER_HOUR_MAX,
            symbols: Vec::new(),
            undated_is_new: true,
        };
        let web = self.web.iter().map(|source| source.rules.clone());
        web.chain([stdin]).collect()
    }
}
