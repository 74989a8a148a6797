//! A wire between a client and a server that can be cut or held: whoever talks through it sees
//! connections end and fail, or fall silent and come back with everything that was said meanwhile.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the wire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It carries.
    Carries,
    /// It is cut: open connections end, new ones end at once.
    Cut,
    /// It holds everything back.
    Holds,
}

/// The wire; cut for good when dropped.
pub(crate) struct Proxy {
    /// Where clients connect.
    pub(crate) url: String,
    wire: watch::Sender<Wire>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A wire to `server`, `address:port`.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (wire, seen) = watch::channel(Wire::Carries);
        let server = server.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *seen.borrow() != Wire::Cut
                    && let Ok(server) = TcpStream::connect(&server).await
                {
                    tokio::spawn(connection(client, server, seen.clone()));
                }
            }
        });
        Self {
            url,
            wire,
            accepting,
        }
    }

    /// From now on the wire does this; returns how many connections were open.
    pub(crate) fn set(&self, wire: Wire) -> usize {
        // Each connection listens twice, once for each direction, and once for its end.
        let open = self.wire.receiver_count().saturating_sub(1) / 3;
        self.wire.send_replace(wire);
        open
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(client: TcpStream, server: TcpStream, mut wire: watch::Receiver<Wire>) {
    // A socket that refuses the option is only slower.
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let ways = (wire.clone(), wire.clone());
    tokio::select! {
        () = carry(from_client, to_server, ways.0) => {}
        () = carry(from_server, to_client, ways.1) => {}
        // An error means that the test has ended.
        _ = wire.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

/// Carries one way until the other end is gone.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut wire: watch::Receiver<Wire>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let open = wire.wait_for(|wire| *wire != Wire::Holds).await.is_ok();
        if !open || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
