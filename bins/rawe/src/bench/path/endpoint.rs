//! A broker that takes every order: the few answers of Alpaca's trading API that an engine asks for,
//! from one thread a connection. It notes the arrival of each order and may answer late. Orders are
//! taken and never filled; who asks for one again is told that it was cancelled.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use rawe_runtime::wall_now;

use super::board::Board;

/// The orders taken, by our id: what was posted, and the number it got.
type Taken = Arc<Mutex<HashMap<Vec<u8>, (Vec<u8>, u64)>>>;

/// How much is read at once.
const CHUNK: usize = 1 << 14;
/// The end of a request's head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A listening endpoint; its threads end with the process.
pub(super) struct Endpoint {
    port: u16,
    delay_us: Arc<AtomicU64>,
}

impl Endpoint {
    pub(super) fn start(board: Arc<Board>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let delay_us = Arc::new(AtomicU64::new(0));
        let shared = delay_us.clone();
        let taken = Taken::default();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (board, delay) = (board.clone(), shared.clone());
                let taken = taken.clone();
                std::thread::spawn(move || serve(stream, &board, &delay, &taken));
            }
        });
        Ok(Self { port, delay_us })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Orders are answered so much later from now on; they are noted at once.
    pub(super) fn answer_after(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.delay_us.store(micros, Ordering::Relaxed);
    }
}

/// Answers one connection until it closes; whatever breaks it is the other side's matter.
fn serve(mut stream: TcpStream, board: &Board, delay_us: &AtomicU64, taken: &Taken) {
    let _fast_anyway = stream.set_nodelay(true);
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let arrived = board.now();
        buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        while let Some((head, body, used)) = request(&buffer) {
            let is_order = head.starts_with("POST /v2/orders");
            if is_order {
                board.ordered(text_of(body, "symbol").unwrap_or_default(), arrived);
                let id = text_of(body, "client_order_id").unwrap_or_default();
                let order = (body.to_vec(), arrived);
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.insert(id.to_vec(), order);
                drop(taken);
                pause(delay_us.load(Ordering::Relaxed));
            }
            let (code, text) = answer(&head, body, arrived, taken);
            let response = format!(
                "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
            buffer.drain(..used);
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a broker that answers late, on a thread of its own"
)]
fn pause(micros: u64) {
    if micros > 0 {
        std::thread::sleep(Duration::from_micros(micros));
    }
}

/// The head and body of a whole request, and its length.
fn request(buffer: &[u8]) -> Option<(String, &[u8], usize)> {
    let end = buffer
        .windows(HEAD_END.len())
        .position(|four| four == HEAD_END)?;
    let head = String::from_utf8_lossy(buffer.get(..end)?).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let from = end + HEAD_END.len();
    Some((head, buffer.get(from..from + length)?, from + length))
}

/// The text of a field in a JSON body, without reading the body.
pub(super) fn text_of<'a>(body: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let quoted = format!("\"{field}\"");
    let at = body
        .windows(quoted.len())
        .position(|part| part == quoted.as_bytes())?;
    let rest = body.get(at + quoted.len()..)?;
    let begin = rest.iter().position(|byte| *byte == b'"')? + 1;
    let rest = rest.get(begin..)?;
    rest.get(..rest.iter().position(|byte| *byte == b'"')?)
}

fn answer(head: &str, body: &[u8], number: u64, taken: &Taken) -> (&'static str, String) {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let path = target.split('?').next().unwrap_or("");
    let ok = "200 OK";
    match (method, path) {
        ("POST", "/v2/orders") => (ok, order(body, number, "accepted")),
        ("GET", "/v2/orders:by_client_order_id") if known(target, taken).is_some() => {
            let (body, number) = known(target, taken).unwrap_or_default();
            (ok, order(&body, number, "canceled"))
        }
        ("GET", "/v2/account") => (ok, ACCOUNT.to_owned()),
        ("GET", "/v2/clock") => (ok, clock()),
        ("GET", "/v2/orders" | "/v2/positions") => (ok, "[]".to_owned()),
        ("GET", path) if path.starts_with("/v2/assets/") => (ok, asset(path)),
        _ => (
            "404 Not Found",
            r#"{"code":40410000,"message":"order not found"}"#.to_owned(),
        ),
    }
}

const ACCOUNT: &str = r#"{"id":"e6fe16f3-64a4-4921-8928-cadf02f92f98","account_number":"BENCH","status":"ACTIVE","currency":"USD","cash":"10000000000","equity":"10000000000","last_equity":"10000000000","buying_power":"40000000000","non_marginable_buying_power":"10000000000","portfolio_value":"10000000000","pattern_day_trader":false,"trading_blocked":false,"transfers_blocked":false,"account_blocked":false,"shorting_enabled":true,"multiplier":"4","daytrade_count":0}"#;

fn clock() -> String {
    let now = wall_now();
    let at = |hours| (now + TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Nanos, true);
    format!(
        r#"{{"timestamp":"{}","is_open":true,"next_open":"{}","next_close":"{}"}}"#,
        at(0),
        at(20),
        at(6)
    )
}

fn asset(path: &str) -> String {
    let symbol = path.rsplit('/').next().unwrap_or("");
    format!(
        r#"{{"id":"904837e3-3b76-47ec-b432-046db621571b","class":"us_equity","exchange":"NASDAQ","symbol":"{symbol}","status":"active","tradable":true,"marginable":true,"shortable":true,"easy_to_borrow":true,"fractionable":true}}"#
    )
}

/// The order that a look-up asks for.
fn known(target: &str, taken: &Taken) -> Option<(Vec<u8>, u64)> {
    let id = target
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("client_order_id="))?;
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    taken.get(id.as_bytes()).cloned()
}

/// The order as it was posted, never filled: positions would be another benchmark's matter.
fn order(body: &[u8], number: u64, status: &str) -> String {
    let text = |field: &str, default: &str| {
        text_of(body, field).map_or_else(
            || default.to_owned(),
            |text| String::from_utf8_lossy(text).into_owned(),
        )
    };
    let at = wall_now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let amount = |field: &str| {
        text_of(body, field).map_or_else(
            || "null".to_owned(),
            |text| format!("\"{}\"", String::from_utf8_lossy(text)),
        )
    };
    let canceled = if status == "canceled" {
        format!("\"{at}\"")
    } else {
        "null".to_owned()
    };
    format!(
        r#"{{"id":"61e69015-8549-4bfd-b9c3-{:012x}","client_order_id":"{}","created_at":"{at}","updated_at":"{at}","submitted_at":"{at}","filled_at":null,"expired_at":null,"canceled_at":{canceled},"failed_at":null,"asset_id":"904837e3-3b76-47ec-b432-046db621571b","symbol":"{}","asset_class":"us_equity","notional":{},"qty":{},"filled_qty":"0","filled_avg_price":null,"order_class":"","type":"{}","side":"{}","time_in_force":"{}","limit_price":null,"stop_price":null,"status":"{status}","extended_hours":false,"legs":null}}"#,
        number & 0xffff_ffff_ffff,
        text("client_order_id", "x"),
        text("symbol", "?"),
        amount("notional"),
        amount("qty"),
        text("type", "market"),
        text("side", "buy"),
        text("time_in_force", "day"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_cut_and_answers_are_json() {
        let bytes =
            b"POST /v2/orders HTTP/1.1\r\ncontent-length: 18\r\n\r\n{\"symbol\":\"AAAAB\"}GET";
        let (head, body, used) = request(bytes).unwrap();
        assert_eq!(
            (used, text_of(body, "symbol")),
            (bytes.len() - 3, Some(&b"AAAAB"[..]))
        );
        assert!(request(&bytes[..used - 1]).is_none());
        for head in [
            &head,
            "GET /v2/account H",
            "GET /v2/clock H",
            "GET /v2/assets/AAAAA H",
        ] {
            let (code, text) = answer(head, body, 7, &Taken::default());
            assert_eq!(code, "200 OK");
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }

    #[test]
    fn an_order_is_echoed_as_it_was_posted_and_found_again() {
        let body = br#"{"symbol":"AAAAB","notional":"12.5","client_order_id":"rawe-x"}"#;
        let taken = Taken::default();
        taken
            .lock()
            .unwrap()
            .insert(b"rawe-x".to_vec(), (body.to_vec(), 7));
        let read = |head: &str| {
            let (code, text) = answer(head, body, 7, &taken);
            (
                code,
                serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            )
        };
        let (_, posted) = read("POST /v2/orders H");
        assert_eq!(
            (&posted["notional"], &posted["qty"]),
            (&"12.5".into(), &().into())
        );
        assert_eq!(posted["status"], "accepted");
        let path = "GET /v2/orders:by_client_order_id?client_order_id=";
        let (_, found) = read(&format!("{path}rawe-x H"));
        assert_eq!(
            (&found["id"], &found["status"]),
            (&posted["id"], &"canceled".into())
        );
        assert_eq!(read(&format!("{path}rawe-y H")).0, "404 Not Found");
    }
}
