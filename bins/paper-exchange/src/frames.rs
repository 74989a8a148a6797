//! Frames of clients, read in one way by all websockets of the exchange.

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};

/// The client is gone, or is let go.
pub(crate) struct Gone;

/// The next message, whichever frame it comes in; none if there is nothing to answer to. Nothing is
/// lost when the future is dropped.
pub(crate) async fn heard(socket: &mut WebSocket) -> Result<Option<Bytes>, Gone> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => Ok(Some(Bytes::from(text))),
        Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes)),
        // Pings are answered by the socket itself.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
    }
}
