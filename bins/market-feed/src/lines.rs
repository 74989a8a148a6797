//! Standard input as a source: one JSON object a line, as in our files of news.

use std::io::{self, BufRead, BufReader, Read};

use rawe_feed::drafts::read_json_line;
use rawe_runtime::Heart;
use tokio::sync::mpsc;

use crate::web::Told;

/// The longest line read, in bytes; longer ones are passed over.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads lines until the input ends or nobody listens, on a thread of its own: a read of standard
/// input cannot be cancelled, and must not hold up the process's end.
pub(crate) fn follow(place: usize, heart: Heart, told: mpsc::Sender<Told>) {
    std::thread::spawn(move || {
        let lines = read(io::stdin().lock(), place, &heart, &told);
        match lines {
            Ok(lines) => tracing::info!(
                event = "source_ended",
                source = "stdin",
                lines,
                "standard input has ended"
            ),
            Err(error) => tracing::warn!(
                event = "source_failed",
                source = "stdin",
                error = %error,
                "reading standard input failed; nothing more comes from it"
            ),
        }
    });
}

/// Reads to the end; returns how many lines there were.
fn read(
    input: impl Read,
    place: usize,
    heart: &Heart,
    told: &mpsc::Sender<Told>,
) -> io::Result<u64> {
    let mut input = BufReader::new(input);
    let (mut line, mut lines) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = (&mut input)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += 1;
        let whole = line.ends_with(b"\n") || (read as u64) < LINE_BYTES_MAX;
        if !whole {
            skip_line(&mut input)?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read_json_line(&line) {
            Ok(draft) if whole => {
                let drafts = vec![draft];
                let source = place;
                if told.blocking_send(Told { source, drafts }).is_err() {
                    return Ok(lines);
                }
            }
            _ => heart.add("news_dropped_unreadable", 1),
        }
    }
}

/// Passes over the rest of a line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (found, used) = match input.fill_buf()? {
            [] => return Ok(()),
            bytes => match bytes.iter().position(|byte| *byte == b'\n') {
                Some(place) => (true, place + 1),
                None => (false, bytes.len()),
            },
        };
        input.consume(used);
        if found {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_what_is_none_is_passed_over() {
        let long = format!("{{\"headline\":\"{}\"}}", "x".repeat(3 << 20));
        let text = format!(
            "{{\"headline\":\"one\"}}\n\n{long}\nrubbish\n[]\r\n{{\"id\":\"2\",\"text\":\"two\"}}"
        );
        let heart = Heart::new("market-feed", None, rawe_runtime::new_boot_id());
        let (sender, mut receiver) = mpsc::channel(16);
        let lines = read(text.as_bytes(), 3, &heart, &sender).unwrap();
        drop(sender);
        let mut heard = Vec::new();
        while let Some(told) = receiver.blocking_recv() {
            assert_eq!(told.source, 3);
            heard.extend(
                told.drafts
                    .into_iter()
                    .map(|draft| draft.headline + &draft.text),
            );
        }
        assert_eq!(heard, ["one", "two"]);
        assert_eq!(lines, 6);
        assert_eq!(
            heart.snapshot().counters.get("news_dropped_unreadable"),
            Some(&3)
        );
    }
}
