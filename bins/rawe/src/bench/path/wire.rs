//! The least of Redis's protocol that a generator and a bare relay need, on a plain socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;

/// How much is read at once.
const CHUNK: usize = 1 << 16;

/// A reader of whole replies.
pub(super) struct Replies {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// One reply's last text, or a number's text.
pub(super) struct Reply<'a> {
    pub(super) last: &'a [u8],
}

/// Connects to this machine's port.
pub(super) fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes one command.
pub(super) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    // Writing to a vector does not fail.
    let _infallible = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _infallible = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

impl Replies {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
        }
    }

    /// Sends a command and returns its reply's last text.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        command(&mut out, words);
        self.stream.write_all(&out)?;
        Ok(self.next()?.last.to_vec())
    }

    /// The next reply, when it is whole.
    pub(super) fn next(&mut self) -> io::Result<Reply<'_>> {
        loop {
            let whole = self.buffer.get(self.start..self.end).and_then(parse);
            if let Some((_, last, used)) = whole {
                let from = self.start;
                self.start += used;
                let range = from + last.start..from + last.end;
                let last = self.buffer.get(range).unwrap_or_default();
                return Ok(Reply { last });
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.stream.read(room)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}

/// A line's range without its end, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let length = bytes.get(at..)?.iter().position(|byte| *byte == b'\r')?;
    let next = at + length + 2;
    (next <= bytes.len()).then_some((at..at + length, next))
}

fn number(bytes: &[u8], range: Range<usize>) -> Option<usize> {
    let text = std::str::from_utf8(bytes.get(range)?).ok()?;
    Some(text.parse::<i64>().ok()?.try_into().unwrap_or(0))
}

fn parse(bytes: &[u8]) -> Option<(u8, Range<usize>, usize)> {
    let kind = *bytes.first()?;
    let (head, mut at) = line(bytes, 1)?;
    if kind == b'$' {
        let length = number(bytes, head)?;
        return (at + length + 2 <= bytes.len()).then_some((
            kind,
            at..at + length,
            at + length + 2,
        ));
    }
    if kind != b'*' {
        return Some((kind, head, at));
    }
    let mut last = 0..0;
    for _ in 0..number(bytes, head)? {
        let (_, range, used) = parse(bytes.get(at..)?)?;
        last = at + range.start..at + range.end;
        at += used;
    }
    Some((kind, last, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_replies_are_read_and_parts_waited_for() {
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n:1\r\n";
        let (kind, last, used) = parse(message).unwrap();
        assert_eq!((kind, &message[last]), (b'*', &b"hello"[..]));
        assert_eq!(parse(&message[used..]).map(|(kind, ..)| kind), Some(b':'));
        for cut in 0..used {
            assert!(parse(&message[..cut]).is_none(), "{cut}");
        }
        let mut out = Vec::new();
        command(&mut out, &[b"PING"]);
        assert_eq!(out, b"*1\r\n$4\r\nPING\r\n");
    }
}
