//! Alpaca's REST API: wire types shared with the paper exchange, trading and data clients.
