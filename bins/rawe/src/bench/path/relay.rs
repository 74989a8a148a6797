//! The bare relay: what is left of an engine when it parses nothing, checks nothing and remembers
//! only a count for each asset. It is the floor beside which the engine is measured.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};

use super::endpoint::text_of;
use super::packages;
use super::wire::{Replies, command, connect};

/// What the relay is told; not for people.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RelayArgs {
    /// Port of Redis on this machine
    #[arg(long)]
    pub(super) redis_port: u16,
    /// Port of the order endpoint on this machine
    #[arg(long)]
    pub(super) endpoint_port: u16,
    /// Channel to listen to
    #[arg(long)]
    pub(super) channel: String,
    /// Relay with the engine's libraries
    #[arg(long)]
    packages: bool,
}

/// Relays until Redis closes the connection.
pub(crate) fn relay(args: &RelayArgs) -> anyhow::Result<()> {
    if args.packages {
        return packages::relay(args);
    }
    let mut endpoint = connect(args.endpoint_port)?;
    let mut answers = endpoint.try_clone()?;
    // Answers are read away, so that the endpoint never waits.
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while matches!(answers.read(&mut chunk), Ok(count) if count > 0) {}
    });
    let mut stream = connect(args.redis_port)?;
    let mut subscribe = Vec::new();
    command(&mut subscribe, &[b"SUBSCRIBE", args.channel.as_bytes()]);
    stream.write_all(&subscribe)?;
    let mut replies = Replies::new(stream);
    let mut counts: HashMap<Vec<u8>, u8> = HashMap::new();
    let mut post = Vec::new();
    loop {
        let Ok(reply) = replies.next() else {
            return Ok(());
        };
        let Some(asset) = text_of(reply.last, "financial_asset") else {
            continue;
        };
        let count = counts.entry(asset.to_vec()).or_insert(0);
        *count = count.saturating_add(1);
        if *count == 3 {
            let asset = String::from_utf8_lossy(asset);
            let body = format!(
                "{{\"symbol\":\"{asset}\",\"qty\":\"1\",\"side\":\"buy\",\"type\":\"market\",\
                 \"time_in_force\":\"day\",\"client_order_id\":\"rawe-relay-{asset}\"}}"
            );
            post.clear();
            write!(
                post,
                "POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            endpoint.write_all(&post)?;
        }
    }
}
