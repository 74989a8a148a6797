//! Alpaca's data streams as events of the feed.

use anyhow::Context;
use rawe_alpaca::{DataEndpoint, DataNews, DataPatience, DataStream, Settings};
use rawe_core::{AssetClass, Symbol};
use rawe_feed::following::{Channel, Following, Seen};
use tokio::sync::mpsc;

use super::Event;

/// Opens the stream of a channel.
pub(super) fn open(
    settings: &Settings,
    channel: Channel,
    symbols: &[Symbol],
    mind: &Following,
) -> anyhow::Result<DataStream> {
    let of_class = |class| {
        let groups = mind.groups().iter().filter(|group| group.class == class);
        let symbols = groups.flat_map(|group| group.symbols.iter().cloned());
        symbols.collect::<Vec<Symbol>>()
    };
    let (endpoint, symbols) = match channel {
        Channel::Stocks => (
            DataEndpoint::Stocks(settings.stock_feed.clone()),
            of_class(AssetClass::UsEquity),
        ),
        Channel::Crypto => (DataEndpoint::Crypto, of_class(AssetClass::Crypto)),
        Channel::News => (DataEndpoint::News, symbols.to_vec()),
    };
    let stream = DataStream::start(settings, endpoint, &symbols, DataPatience::default());
    stream.context("setting up a stream of market data")
}

/// Passes on what a stream tells until nobody listens.
pub(super) async fn forward(channel: Channel, mut stream: DataStream, events: mpsc::Sender<Event>) {
    loop {
        let seen = match stream.next().await {
            DataNews::Connected => Seen::Up(channel),
            DataNews::Disconnected { .. } => Seen::Down(channel),
            DataNews::Bar { symbol, bar } => Seen::Minute(symbol, bar),
            DataNews::Article(article) => Seen::Article(article),
        };
        if events.send(Event::Streamed(seen)).await.is_err() {
            return;
        }
    }
}
