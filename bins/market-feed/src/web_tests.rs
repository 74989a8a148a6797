//! Sources on the web against a local server: only what changed, as seldom as it asks, and no
//! document that harms.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap as Headers, StatusCode as Code};
use axum::response::{IntoResponse, Response as Answer};
use rawe_core::Register;
use tokio::time::{Instant, timeout};

use super::*;

const RSS: &str = r#"<rss version="2.0"><channel><title>t</title>
<item><title>Coins &amp; bonds rise</title><guid>1</guid></item></channel></rss>"#;

/// One answer: status, headers, body.
type Scripted = (Code, Vec<(&'static str, String)>, Vec<u8>);

/// The requests that came, and the answers that go out; the last one again and again.
#[derive(Default)]
struct Script {
    asked: Vec<(Instant, Headers)>,
    answers: VecDeque<Scripted>,
}

type Shared = Arc<Mutex<Script>>;

async fn answer(State(script): State<Shared>, headers: Headers) -> Answer {
    let mut script = script.lock().unwrap();
    script.asked.push((Instant::now(), headers));
    let answer = if script.answers.len() > 1 {
        script.answers.pop_front()
    } else {
        script.answers.front().cloned()
    };
    let (code, headers, body) = answer.unwrap();
    let mut answer = (code, body).into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

/// Serves the answers and follows them; what was told, and what was asked.
async fn serve(
    answers: Vec<Scripted>,
    form: Form,
    headers: HeaderMap,
) -> (mpsc::Receiver<Told>, Shared, Heart) {
    let script = Arc::new(Mutex::new(Script {
        answers: answers.into(),
        ..Script::default()
    }));
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/feed?key=canary", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let source = WebSource {
        rules: SourceRules {
            name: "wire".into(),
            register: Register::News,
            trust_percent: None,
            items_per_hour_max: 10,
            symbols: Vec::new(),
            undated_is_new: false,
        },
        url: url.parse().unwrap(),
        form,
        pause: TimeDelta::milliseconds(30),
        headers,
    };
    let heart = Heart::new("market-feed", None, rawe_runtime::new_boot_id());
    let (sender, told) = mpsc::channel(64);
    tokio::spawn(follow(5, source, heart.clone(), sender));
    (told, script, heart)
}

async fn next(told: &mut mpsc::Receiver<Told>) -> Option<Told> {
    timeout(Duration::from_secs(10), told.recv())
        .await
        .expect("an answer in time")
}

fn ok(headers: &[(&'static str, &str)], body: &str) -> Scripted {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    (Code::OK, headers.collect(), body.as_bytes().to_vec())
}

fn code(code: u16) -> Scripted {
    (Code::from_u16(code).unwrap(), Vec::new(), Vec::new())
}

#[tokio::test]
async fn only_what_changed_is_asked_for_and_a_source_that_is_gone_is_left() {
    let date = "Sun, 22 Nov 2026 10:00:00 GMT";
    let answers = vec![
        ok(&[("etag", "\"a\""), ("last-modified", date)], RSS),
        code(304),
        ok(&[], RSS),
        code(410),
    ];
    let (mut told, script, _) = serve(answers, Form::Syndication, HeaderMap::new()).await;
    let first = next(&mut told).await.unwrap();
    assert_eq!((first.source, first.drafts.len()), (5, 1));
    assert_eq!(first.drafts[0].headline, "Coins & bonds rise");
    assert!(next(&mut told).await.unwrap().drafts.is_empty());
    assert_eq!(next(&mut told).await.unwrap().drafts.len(), 1);
    assert!(next(&mut told).await.is_none());
    let script = script.lock().unwrap();
    let asked: Vec<&Headers> = script.asked.iter().map(|(_, headers)| headers).collect();
    assert_eq!(asked.len(), 4);
    let header = |place: usize, name: &str| asked[place].get(name).map(|v| v.to_str().unwrap());
    assert!(header(0, "user-agent").unwrap().starts_with("rawe/"));
    for (place, etag, since) in [
        (0, None, None),
        (1, Some("\"a\""), Some(date)),
        (2, Some("\"a\""), Some(date)),
        (3, None, None),
    ] {
        assert_eq!(header(place, "if-none-match"), etag, "{place}");
        assert_eq!(header(place, "if-modified-since"), since, "{place}");
    }
}

#[tokio::test]
async fn failures_of_every_kind_are_waited_out_as_long_as_asked() {
    let busy = (
        Code::TOO_MANY_REQUESTS,
        vec![("retry-after", "1".to_owned())],
        Vec::new(),
    );
    let large = ok(&[], &"x".repeat(DOCUMENT_BYTES_MAX + 1));
    let answers = vec![busy, code(500), ok(&[], "<html>"), large, ok(&[], RSS)];
    let (mut told, script, heart) = serve(answers, Form::Syndication, HeaderMap::new()).await;
    assert_eq!(next(&mut told).await.unwrap().drafts.len(), 1);
    assert_eq!(heart.snapshot().counters.get("sources_failed"), Some(&4));
    let script = script.lock().unwrap();
    assert!(script.asked[1].0 - script.asked[0].0 >= Duration::from_secs(1));
}

#[tokio::test]
async fn json_is_read_by_its_pointers_and_keys_are_not_sent_on() {
    let fields = JsonFields {
        items: "/posts".into(),
        id: Some("/id".into()),
        headline: Some("/title".into()),
        ..JsonFields::default()
    };
    let elsewhere = vec![("location", "/elsewhere".to_owned())];
    let answers = vec![
        (Code::FOUND, elsewhere, Vec::new()),
        ok(&[], r#"{"posts":[{"id":7,"title":"Rates fall"}]}"#),
    ];
    let mut headers = HeaderMap::new();
    headers.insert("x-key", "canary".parse().unwrap());
    let (mut told, script, heart) = serve(answers, Form::Json(fields), headers).await;
    let drafts = next(&mut told).await.unwrap().drafts;
    assert_eq!(
        (drafts[0].id.as_str(), drafts[0].headline.as_str()),
        ("7", "Rates fall")
    );
    // With a key, a way elsewhere is a failure and not followed.
    assert_eq!(heart.snapshot().counters.get("sources_failed"), Some(&1));
    let script = script.lock().unwrap();
    assert!(
        script
            .asked
            .iter()
            .all(|(_, headers)| headers["x-key"] == "canary")
    );
}

#[tokio::test]
async fn a_source_that_is_away_is_named_without_its_keys() {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let error = reqwest::get("http://127.0.0.1:9/?key=canary").await;
    let words = WebError::from(error.unwrap_err()).to_string();
    assert!(!words.contains("canary"), "{words}");
}
