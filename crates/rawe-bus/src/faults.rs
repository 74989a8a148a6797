//! What the bus on Redis does when Redis dies, hangs, refuses or comes back: with a real server,
//! really killed.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::testing::{RedisServer, free_port};
use crate::{Bus, BusError, BusEvent, EntryId, RedisBus, StreamAppend, Subscription, describe_url};

const SOON: Duration = Duration::from_secs(15);
/// What every call promises when the server is away.
const FAILS_WITHIN: Duration = Duration::from_millis(2_500);
const CHANNEL: &str = "signals";

async fn next(subscription: &mut Subscription) -> BusEvent {
    timeout(SOON, subscription.events.recv())
        .await
        .expect("an event in time")
        .expect("an event")
}

async fn expect_gap(subscription: &mut Subscription) -> String {
    match next(subscription).await {
        BusEvent::Gap { reason, .. } => reason,
        other => panic!("expected a gap, got {other:?}"),
    }
}

/// Publishes until a message gets through, and checks that the subscription delivers it.
async fn flows(bus: &RedisBus, subscription: &mut Subscription, text: &str) {
    let deadline = Instant::now() + SOON;
    while let Err(error) = bus.publish(CHANNEL, text.as_bytes()).await {
        assert!(
            Instant::now() < deadline,
            "publishing does not recover: {error}"
        );
    }
    assert_eq!(
        next(subscription).await,
        BusEvent::Message(text.as_bytes().to_vec())
    );
}

async fn publish_fails_fast(bus: &RedisBus) {
    let began = Instant::now();
    let error = bus.publish(CHANNEL, b"nobody").await.unwrap_err();
    assert!(
        matches!(error, BusError::Unavailable(_)) && error.is_retryable(),
        "{error}"
    );
    assert!(
        began.elapsed() < FAILS_WITHIN,
        "failed after {:?}",
        began.elapsed()
    );
}

async fn up_and_flowing(server: &RedisServer) -> (RedisBus, Subscription) {
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    let mut subscription = bus.subscribe(CHANNEL, 100).await;
    assert_eq!(next(&mut subscription).await, BusEvent::Up);
    flows(&bus, &mut subscription, "before").await;
    (bus, subscription)
}

#[tokio::test]
async fn a_killed_server_is_a_gap_and_its_return_is_up() {
    let mut server = RedisServer::start().unwrap();
    let (bus, mut subscription) = up_and_flowing(&server).await;
    for round in ["first", "second"] {
        server.kill().unwrap();
        expect_gap(&mut subscription).await;
        for _ in 0..3 {
            publish_fails_fast(&bus).await;
        }
        server.restart().unwrap();
        // One gap for the whole outage, however often connecting failed meanwhile.
        assert_eq!(next(&mut subscription).await, BusEvent::Up);
        flows(&bus, &mut subscription, round).await;
    }
}

#[tokio::test]
async fn a_restart_nobody_noticed_costs_no_message() {
    let mut server = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    server.restart().unwrap();
    bus.publish(CHANNEL, b"first after the restart")
        .await
        .unwrap();
    server.restart().unwrap();
    assert!(bus.fields("status").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_killed_connection_comes_back() {
    let server = RedisServer::start().unwrap();
    let (bus, mut subscription) = up_and_flowing(&server).await;
    server
        .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
        .unwrap();
    expect_gap(&mut subscription).await;
    assert_eq!(next(&mut subscription).await, BusEvent::Up);
    flows(&bus, &mut subscription, "after").await;
    server
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .unwrap();
    flows(&bus, &mut subscription, "after the second").await;
}

#[tokio::test]
async fn a_frozen_server_is_noticed_by_the_ping_deadline() {
    let server = RedisServer::start().unwrap();
    let (bus, mut subscription) = up_and_flowing(&server).await;
    server.pause().unwrap();
    let frozen = Instant::now();
    let reason = expect_gap(&mut subscription).await;
    assert!(
        frozen.elapsed() < Duration::from_secs(10),
        "noticed after {:?}",
        frozen.elapsed()
    );
    assert!(reason.contains("no answer"), "{reason}");
    publish_fails_fast(&bus).await;
    server.resume().unwrap();
    // What was tried while the server was frozen may be delivered late: at most once, not never.
    loop {
        match next(&mut subscription).await {
            BusEvent::Up => break,
            BusEvent::Gap { .. } => {}
            BusEvent::Message(text) => panic!("a message before the link was up: {text:?}"),
        }
    }
    bus.publish(CHANNEL, b"after").await.unwrap();
    while next(&mut subscription).await != BusEvent::Message(b"after".to_vec()) {}
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let port = free_port().unwrap();
    let bus = RedisBus::open(&format!("redis://127.0.0.1:{port}")).unwrap();
    let mut subscription = bus.subscribe(CHANNEL, 100).await;
    expect_gap(&mut subscription).await;
    assert!(matches!(bus.ping().await, Err(BusError::Unavailable(_))));
    publish_fails_fast(&bus).await;
    let began = Instant::now();
    let read = bus
        .read(&[("s", EntryId::START)], 1, Duration::from_millis(10))
        .await;
    assert!(matches!(read, Err(BusError::Unavailable(_))), "{read:?}");
    assert!(began.elapsed() < FAILS_WITHIN);
    let _server = RedisServer::start_on(port, &[]).unwrap();
    assert_eq!(next(&mut subscription).await, BusEvent::Up);
    flows(&bus, &mut subscription, "late").await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_never_shown() {
    let server = RedisServer::start_with(&["--requirepass", "right-canary"]).unwrap();
    for url in [server.url_for("", "wrong-canary"), server.url()] {
        let error = RedisBus::connect(&url).await.unwrap_err();
        assert!(
            matches!(error, BusError::Refused(_)) && !error.is_retryable(),
            "{error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let wrong = RedisBus::open(&server.url_for("", "wrong-canary")).unwrap();
    let mut subscription = wrong.subscribe(CHANNEL, 10).await;
    let reason = expect_gap(&mut subscription).await;
    assert!(
        reason.contains("refused") && !reason.contains("canary"),
        "{reason}"
    );
    let right = RedisBus::connect(&server.url_for("", "right-canary"))
        .await
        .unwrap();
    assert!(!format!("{right:?} {}", right.describe()).contains("canary"));
}

#[tokio::test]
async fn a_user_may_do_what_its_rights_allow() {
    let server = RedisServer::start().unwrap();
    let rights = [
        "resetchannels",
        "&signals",
        "~rawe:*",
        "-@all",
        "+ping",
        "+publish",
        "+xadd",
    ];
    let user = ["ACL", "SETUSER", "agent", "on", ">secret"];
    server
        .command(&[&user[..], &rights[..], &["+multi", "+exec"]].concat())
        .unwrap();
    let bus = RedisBus::connect(&server.url_for("agent", "secret"))
        .await
        .unwrap();
    bus.publish(CHANNEL, b"allowed").await.unwrap();
    let append = |stream| StreamAppend {
        stream,
        payloads: vec![b"{}".to_vec()],
        length_max: 10,
    };
    bus.append(&[append("rawe:acks")]).await.unwrap();
    let refused = [
        bus.publish("elsewhere", b"x").await.unwrap_err(),
        bus.append(&[append("other")]).await.unwrap_err(),
        bus.fields("rawe:status").await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, BusError::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn streams_survive_and_readers_recover() {
    let mut server = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    let append = || StreamAppend {
        stream: "s",
        payloads: vec![b"{}".to_vec()],
        length_max: 10,
    };
    bus.append(&[append()]).await.unwrap();
    let all = [("s", EntryId::START)];
    let block = Duration::from_millis(20);
    assert_eq!(bus.read(&all, 10, block).await.unwrap()["s"].len(), 1);
    server.restart().unwrap();
    // The idle connection of the reader died with the old server; that is not the caller's affair.
    assert_eq!(bus.read(&all, 10, block).await.unwrap()["s"].len(), 1);
    server.pause().unwrap();
    let began = Instant::now();
    assert!(matches!(
        bus.read(&all, 10, block).await,
        Err(BusError::Unavailable(_))
    ));
    assert!(began.elapsed() < FAILS_WITHIN);
    server.resume().unwrap();
    assert_eq!(bus.read(&all, 10, block).await.unwrap()["s"].len(), 1);
}

#[tokio::test]
async fn a_reader_that_stops_waiting_spoils_nothing() {
    let server = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    let nothing_yet = [("s", EntryId::START)];
    for _ in 0..20 {
        let reading = bus.read(&nothing_yet, 1, Duration::from_millis(300));
        assert!(timeout(Duration::from_millis(5), reading).await.is_err());
    }
    let append = StreamAppend {
        stream: "s",
        payloads: vec![b"{}".to_vec()],
        length_max: 10,
    };
    bus.append(&[append]).await.unwrap();
    assert_eq!(bus.read(&nothing_yet, 1, SOON).await.unwrap()["s"].len(), 1);
}

#[tokio::test]
async fn foreign_entries_are_named_not_misread() {
    let server = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    server.command(&["XADD", "s", "1-1", "other", "x"]).unwrap();
    let error = bus.range("s", EntryId::START, None, 10).await.unwrap_err();
    assert!(
        matches!(&error, BusError::Protocol(text) if text.contains("1-1")),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_not_mistaken_for_one_with() {
    let server = RedisServer::start().unwrap();
    let url = server.url().replace("redis://", "rediss://");
    let error = RedisBus::connect(&url).await.unwrap_err();
    assert!(matches!(error, BusError::Unavailable(_)), "{error:?}");
}

#[test]
fn urls_are_described_without_their_passwords() {
    let table = [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
        ("redis://:canary@host/", "redis://host"),
        (
            "rediss://agent:canary@host:7000/2",
            "rediss://agent@host:7000/2",
        ),
        ("redis://host?password=canary", "redis://host"),
        ("canary", "an unreadable URL"),
    ];
    for (url, described) in table {
        assert_eq!(describe_url(url), described);
    }
    for bad in ["http://u:canary@host", "redis://host:canary", "canary", ""] {
        let error = RedisBus::open(bad).unwrap_err();
        assert!(matches!(error, BusError::Url { .. }), "{error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
