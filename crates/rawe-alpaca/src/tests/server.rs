//! A server that answers what it was told, byte for byte, or misbehaves as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// An answer.
    Answer(u16, String),
    /// An answer with more headers, each with its line end.
    Headed(u16, &'static str, String),
    /// The request is read and the connection closed.
    Drop,
    /// The request is read and the connection reset.
    Reset,
    /// The request is read and never answered.
    Silence,
    /// Half of an answer, then closed.
    Half(u16, String),
    /// Bytes that are not HTTP.
    Rubbish,
    /// A redirect to the same server.
    Redirect(u16),
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "a script reads better without references"
)]
pub(crate) fn answer(status: u16, body: impl ToString) -> Play {
    Play::Answer(status, body.to_string())
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and target, such as `GET /v2/clock`.
    pub(crate) line: String,
    /// All of the head.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// The scripted server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Plays the script, one entry a request; what comes after it is answered with 500.
    pub(crate) async fn playing(script: impl IntoIterator<Item = Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&record)));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head_lower = head.to_lowercase();
            let length: usize = head_lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                let line = head
                    .lines()
                    .next()?
                    .trim_end_matches(" HTTP/1.1")
                    .to_owned();
                return Some(Seen {
                    line,
                    head: head.to_owned(),
                    body: body.to_owned(),
                });
            }
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Mutex<VecDeque<Play>>>,
    record: Arc<Mutex<Vec<Seen>>>,
) {
    let Some(seen) = read_request(&mut stream).await else {
        return;
    };
    record.lock().unwrap().push(seen);
    let play = script
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or_else(|| answer(500, "{}"));
    let head = |status: u16, length: usize| {
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let bytes = match play {
        Play::Answer(status, body) => {
            // A 204 has no body by definition.
            if status == 204 {
                head(status, 0)
            } else {
                head(status, body.len()) + &body
            }
        }
        Play::Headed(status, headers, body) => {
            let head = head(status, body.len());
            head.trim_end().to_owned() + "\r\n" + headers + "\r\n" + &body
        }
        Play::Half(status, body) => head(status, body.len()) + &body[..body.len() / 2],
        Play::Rubbish => "this is not http at all\r\n\r\n".to_owned(),
        Play::Redirect(status) => {
            format!("HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
        }
        Play::Drop => String::new(),
        Play::Reset => {
            stream.set_zero_linger().unwrap();
            String::new()
        }
        Play::Silence => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            String::new()
        }
    };
    let _ = stream.write_all(bytes.as_bytes()).await;
}
