//! What every bus promises, checked on each of them: the one in memory and the one on Redis.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::testing::RedisServer;
use crate::{
    Bus, BusEvent, EntryId, Lease, LeaseHolder, MemoryBus, RedisBus, StreamAppend, Subscription,
};

const SOON: Duration = Duration::from_secs(10);
const PLENTY: usize = 1_000;

async fn next(subscription: &mut Subscription) -> BusEvent {
    timeout(SOON, subscription.events.recv())
        .await
        .expect("an event in time")
        .expect("an event")
}

async fn append(bus: &dyn Bus, stream: &str, payloads: &[&str]) -> EntryId {
    let payloads = payloads
        .iter()
        .map(|payload| payload.as_bytes().to_vec())
        .collect();
    let append = StreamAppend {
        stream,
        payloads,
        length_max: 100_000,
    };
    *bus.append(&[append]).await.unwrap().first().unwrap()
}

fn texts(entries: &[crate::Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| String::from_utf8(entry.payload.clone()).unwrap())
        .collect()
}

async fn keeps_every_promise(bus: &dyn Bus) {
    bus.ping().await.unwrap();
    delivers_messages_in_order(bus).await;
    drops_the_oldest_and_counts(bus).await;
    ranges_over_streams(bus).await;
    appends_to_several_streams(bus).await;
    reads_what_is_there_and_waits_for_what_is_not(bus).await;
    trims_only_what_is_too_much(bus).await;
    clears_streams_and_keeps_counting(bus).await;
    keeps_fields_of_hashes(bus).await;
    leases_to_one_at_a_time(bus).await;
    serves_a_thread_of_its_own(bus).await;
}

/// While the thread works, this one serves no link at all.
async fn serves_a_thread_of_its_own(bus: &dyn Bus) {
    let separate = bus.separate().unwrap();
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(append(separate.as_ref(), "beside", &["from a thread"]))
    });
    let id = worker.join().unwrap();
    let entries = bus.range("beside", EntryId::START, None, PLENTY).await;
    let entries = entries.unwrap();
    assert_eq!(texts(&entries), ["from a thread"]);
    assert_eq!(entries.first().map(|entry| entry.id), Some(id));
}

async fn leases_to_one_at_a_time(bus: &dyn Bus) {
    let asking = |boot, holder| LeaseHolder { boot, holder };
    let (long, short) = (Duration::from_mins(1), Duration::from_millis(1));
    let take = |boot, holder, ttl| bus.lease("desk", asking(boot, holder), ttl);
    let token_of = |lease| match lease {
        Lease::Held { token } => token,
        Lease::Taken { .. } => panic!("not held: {lease:?}"),
    };
    let first = token_of(take("boot-1", "host a", long).await.unwrap());
    assert_eq!(
        token_of(take("boot-1", "host a", long).await.unwrap()),
        first
    );
    let Lease::Taken {
        holder,
        token,
        left,
    } = take("boot-2", "host b", long).await.unwrap()
    else {
        panic!("two hold it");
    };
    assert_eq!((holder.as_str(), token), ("host a", first));
    assert!(left > Duration::from_secs(50) && left <= long, "{left:?}");
    let other = bus.lease("other", asking("boot-2", "host b"), long).await;
    token_of(other.unwrap());
    // Another start of the same holder takes it over, and the one before has it no more.
    let second = token_of(take("boot-3", "host a", long).await.unwrap());
    assert!(second > first, "{second} after {first}");
    bus.release_lease("desk", "boot-1").await.unwrap();
    assert!(matches!(
        take("boot-2", "host b", long).await.unwrap(),
        Lease::Taken { .. }
    ));
    bus.release_lease("desk", "boot-3").await.unwrap();
    let third = token_of(take("boot-2", "host b", short).await.unwrap());
    assert!(third > second);
    // Not renewed in time: free.
    let fourth = timeout(SOON, async {
        loop {
            if let Lease::Held { token } = take("boot-4", "host c", long).await.unwrap() {
                return token;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(fourth.await.unwrap() > third);
}

async fn delivers_messages_in_order(bus: &dyn Bus) {
    // Nobody listens: no error.
    bus.publish("quiet", b"lost").await.unwrap();
    let mut first = bus.subscribe("signals", PLENTY).await;
    let mut second = bus.subscribe("signals", PLENTY).await;
    let mut other = bus.subscribe("others", PLENTY).await;
    for subscription in [&mut first, &mut second, &mut other] {
        assert_eq!(next(subscription).await, BusEvent::Up);
    }
    let bytes: Vec<u8> = (0..=255).collect();
    for number in 0_u8..50 {
        bus.publish("signals", &[number]).await.unwrap();
    }
    bus.publish("signals", &bytes).await.unwrap();
    bus.publish("others", b"for others").await.unwrap();
    for subscription in [&mut first, &mut second] {
        for number in 0_u8..50 {
            assert_eq!(next(subscription).await, BusEvent::Message(vec![number]));
        }
        assert_eq!(next(subscription).await, BusEvent::Message(bytes.clone()));
    }
    assert_eq!(
        next(&mut other).await,
        BusEvent::Message(b"for others".to_vec())
    );
}

async fn drops_the_oldest_and_counts(bus: &dyn Bus) {
    let mut slow = bus.subscribe("flood", 10).await;
    assert_eq!(next(&mut slow).await, BusEvent::Up);
    let mut marker = bus.subscribe("flood", PLENTY).await;
    assert_eq!(next(&mut marker).await, BusEvent::Up);
    for number in 0_u16..500 {
        bus.publish("flood", &number.to_be_bytes()).await.unwrap();
    }
    // The quick reader has the last message, so the slow one's queue has had all of them too.
    while next(&mut marker).await != BusEvent::Message(499_u16.to_be_bytes().to_vec()) {}
    let (mut received, mut lost, mut gaps) = (0, 0, 0);
    loop {
        match next(&mut slow).await {
            BusEvent::Message(payload) => {
                received += 1;
                if payload == 499_u16.to_be_bytes() {
                    break;
                }
            }
            BusEvent::Gap { lost: dropped, .. } => {
                lost += dropped;
                gaps += 1;
            }
            BusEvent::Up => panic!("the link never dropped"),
        }
    }
    assert_eq!(
        received + lost,
        500,
        "every message is delivered or counted"
    );
    assert!(
        gaps >= 1 && lost >= 400,
        "a queue of 10 keeps about 10: {gaps} gaps, {lost} lost"
    );
}

async fn ranges_over_streams(bus: &dyn Bus) {
    assert_eq!(bus.last("range").await.unwrap(), None);
    assert!(
        bus.range("range", EntryId::START, None, PLENTY)
            .await
            .unwrap()
            .is_empty()
    );
    let second = append(bus, "range", &["a", "b"]).await;
    let fourth = append(bus, "range", &["c", "d"]).await;
    assert!(EntryId::START < second && second < fourth);
    let all = bus
        .range("range", EntryId::START, None, PLENTY)
        .await
        .unwrap();
    assert_eq!(texts(&all), ["a", "b", "c", "d"]);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    let table = [
        (EntryId::START, None, 3, vec!["a", "b", "c"]),
        (EntryId::START, Some(second), PLENTY, vec!["a", "b"]),
        (second, None, PLENTY, vec!["c", "d"]),
        (second, Some(fourth), 1, vec!["c"]),
        (second, Some(second), PLENTY, vec![]),
        (fourth, None, PLENTY, vec![]),
    ];
    for (after, through, count, expected) in table {
        let found = bus.range("range", after, through, count).await.unwrap();
        assert_eq!(
            texts(&found),
            expected,
            "after {after}, through {through:?}, {count}"
        );
    }
    let last = bus.last("range").await.unwrap().unwrap();
    assert_eq!((last.id, last.payload), (fourth, b"d".to_vec()));
}

async fn appends_to_several_streams(bus: &dyn Bus) {
    assert!(bus.append(&[]).await.unwrap().is_empty());
    let with = |stream, payloads: &[&[u8]]| StreamAppend {
        stream,
        payloads: payloads.iter().map(|payload| payload.to_vec()).collect(),
        length_max: PLENTY,
    };
    let appends = [
        with("left", &[b"1", b"2"]),
        with("none", &[]),
        with("right", &[b"3"]),
    ];
    let ids = bus.append(&appends).await.unwrap();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[1], EntryId::START);
    assert_eq!(bus.last("left").await.unwrap().unwrap().id, ids[0]);
    assert_eq!(bus.last("right").await.unwrap().unwrap().id, ids[2]);
    assert_eq!(bus.last("none").await.unwrap(), None);
    assert_eq!(
        bus.append(&[with("none", &[])]).await.unwrap(),
        [EntryId::START]
    );
}

async fn reads_what_is_there_and_waits_for_what_is_not(bus: &dyn Bus) {
    let short = Duration::from_millis(50);
    let began = Instant::now();
    assert!(
        bus.read(&[("later", EntryId::START)], 10, short)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        began.elapsed() >= short,
        "an empty answer takes the whole time"
    );
    let nothing = bus.read(&[("later", EntryId::START)], 10, Duration::ZERO);
    assert!(
        timeout(SOON, nothing)
            .await
            .expect("zero does not wait")
            .unwrap()
            .is_empty()
    );

    let seen = append(bus, "here", &["old", "new"]).await;
    let streams = [("here", EntryId::START), ("later", EntryId::START)];
    let found = bus.read(&streams, 1, SOON).await.unwrap();
    assert_eq!(texts(&found["here"]), ["old"]);
    assert!(!found.contains_key("later"));

    let began = Instant::now();
    let streams = [("here", seen), ("later", EntryId::START)];
    let reading = bus.read(&streams, 10, SOON);
    let writing = async {
        tokio::time::sleep(short).await;
        append(bus, "later", &["woken"]).await
    };
    let (found, _) = tokio::join!(reading, writing);
    assert_eq!(texts(&found.unwrap()["later"]), ["woken"]);
    assert!(began.elapsed() < SOON / 2, "the append ends the waiting");
}

async fn trims_only_what_is_too_much(bus: &dyn Bus) {
    let payloads = |from: u32, to: u32| (from..to).map(|n| n.to_be_bytes().to_vec()).collect();
    let stream = "trimmed";
    for hundred in 0..30 {
        let payloads = payloads(hundred * 100, (hundred + 1) * 100);
        bus.append(&[StreamAppend {
            stream,
            payloads,
            length_max: 1_000,
        }])
        .await
        .unwrap();
    }
    let kept = bus
        .range(stream, EntryId::START, None, 10_000)
        .await
        .unwrap();
    // About 1000: Redis trims whole nodes of its tree (100 entries by default).
    assert!(
        (1_000..=1_200).contains(&kept.len()),
        "{} entries kept",
        kept.len()
    );
    assert_eq!(kept.last().unwrap().payload, 2_999_u32.to_be_bytes());
}

async fn clears_streams_and_keeps_counting(bus: &dyn Bus) {
    let old = append(bus, "cleared", &["a", "b"]).await;
    bus.clear_streams(&["cleared", "never there"])
        .await
        .unwrap();
    bus.clear_streams(&[]).await.unwrap();
    assert_eq!(bus.last("cleared").await.unwrap(), None);
    let new = append(bus, "cleared", &["c"]).await;
    assert!(
        new > old,
        "a reader that holds the old id {old} must see {new}"
    );
    let found = bus.read(&[("cleared", old)], 10, SOON).await.unwrap();
    assert_eq!(texts(&found["cleared"]), ["c"]);
}

async fn keeps_fields_of_hashes(bus: &dyn Bus) {
    assert!(bus.fields("status").await.unwrap().is_empty());
    bus.set_field("status", "a", b"1").await.unwrap();
    bus.set_field("status", "b", &[0, 255]).await.unwrap();
    bus.set_field("status", "a", b"2").await.unwrap();
    let fields = bus.fields("status").await.unwrap();
    assert_eq!(fields["a"], b"2");
    assert_eq!(fields["b"], [0, 255]);
    assert_eq!(fields.len(), 2);
    // The state of an agent, compressed, is some megabytes.
    let megabytes: Vec<u8> = (0_u32..2_000_000).flat_map(u32::to_be_bytes).collect();
    bus.set_field("state", "s", &megabytes).await.unwrap();
    assert_eq!(bus.fields("state").await.unwrap()["s"], megabytes);
}

#[tokio::test]
async fn the_bus_in_memory_keeps_its_promises() {
    let bus = MemoryBus::new();
    keeps_every_promise(&bus).await;
    assert_eq!(
        (bus.kind(), bus.describe().as_str()),
        ("embedded", "in memory")
    );
}

#[tokio::test]
async fn clones_in_memory_share_one_bus() {
    let bus = MemoryBus::new();
    append(&bus, "s", &["x"]).await;
    assert!(bus.clone().last("s").await.unwrap().is_some());
}

#[tokio::test]
async fn the_bus_on_redis_keeps_its_promises() {
    let server = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&server.url()).await.unwrap();
    keeps_every_promise(&bus).await;
    assert_eq!((bus.kind(), bus.describe()), ("redis", server.url()));
}
