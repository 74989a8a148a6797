#!/usr/bin/env python3
"""Drives a paper exchange with Alpaca's official Python SDK, unchanged but for the URL.

    python3 tests/alpaca_py.py http://127.0.0.1:8460 [http://127.0.0.1:8461]

The second address, if given, is where the REST calls go: something that listens in. Needs `alpaca-py` and an exchange that waits for a pacer (`--paced`), with a second account `other`
with the secret `other`. Everything the SDK answers has passed the SDK's own models. What is said
goes to standard output as a transcript; any disagreement ends the program with 1.
"""

import json
import sys
import threading
import time
import urllib.request
from datetime import date, datetime, timedelta, timezone

from alpaca.common.exceptions import APIError
from alpaca.data.enums import CryptoFeed, DataFeed
from alpaca.data.historical import (
    CryptoHistoricalDataClient,
    NewsClient,
    StockHistoricalDataClient,
)
from alpaca.data.live import CryptoDataStream, NewsDataStream, StockDataStream
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestBarRequest,
    CryptoLatestOrderbookRequest,
    CryptoLatestQuoteRequest,
    CryptoLatestTradeRequest,
    CryptoQuoteRequest,
    CryptoSnapshotRequest,
    CryptoTradesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
    UpdateWatchlistRequest,
)
from alpaca.trading.stream import TradingStream

BASE = sys.argv[1].rstrip("/")
SOCKETS = BASE.replace("http", "ws", 1)
REST = sys.argv[-1].rstrip("/")
KEYS = ("paper", "paper")
# How long anything may take that comes by itself, seconds.
SOON = 60


def say(what, value=""):
    print(f"{what:<44} {value}", flush=True)


def check(what, holds, seen=""):
    if not holds:
        raise SystemExit(f"FAILED: {what}: {seen}")


def admin(path, body=None):
    request = urllib.request.Request(
        f"{BASE}/rawe/v1/{path}",
        data=None if body is None else json.dumps(body).encode(),
        method="GET" if body is None else "POST",
    )
    with urllib.request.urlopen(request, timeout=SOON) as answer:
        return json.load(answer)


def advance(**wish):
    return datetime.fromisoformat(admin("clock", wish)["now"].replace("Z", "+00:00"))


def to(instant):
    return advance(now=instant.astimezone(timezone.utc).isoformat())


def refused(what, status, code, words, act):
    """The act must be refused with this status, code and beginning of the message."""
    try:
        act()
    except APIError as error:
        body = json.loads(str(error))
        check(what, error.status_code == status, (error.status_code, body))
        check(what, body.get("code") == code, body)
        check(what, body["message"].startswith(words), body)
        say(f"refused: {what}", f"{status} {code} {body['message']}")
        return
    raise SystemExit(f"FAILED: {what} was not refused")


def until(what, holds):
    deadline = time.monotonic() + SOON
    while not holds():
        check(f"{what} within {SOON} s", time.monotonic() < deadline)
        time.sleep(0.02)


market = admin("market")
STOCKS = [name for name in market["symbols"] if "/" not in name][:3]
COIN = next(name for name in market["symbols"] if "/" in name)
STOCK = STOCKS[0]
trading = TradingClient(*KEYS, url_override=REST, paper=True)


def open_market():
    """Half an hour into a session that has hours to go."""
    clock = trading.get_clock()
    if clock.is_open and clock.next_close - clock.timestamp > timedelta(hours=5):
        return clock.timestamp
    return to(clock.next_open + timedelta(minutes=30))


def price():
    request = StockLatestTradeRequest(symbol_or_symbols=STOCK)
    return stocks.get_stock_latest_trade(request)[STOCK].price


stocks = StockHistoricalDataClient(*KEYS, url_override=REST)
coins = CryptoHistoricalDataClient(*KEYS, url_override=REST)
news = NewsClient(*KEYS, url_override=REST)


def title(article):
    """Posts have no headline."""
    return (article.headline or article.summary)[:60]


def account_and_market():
    account = trading.get_account()
    check("the account is active", account.status.value == "ACTIVE", account)
    check("amounts are texts", isinstance(account.cash, str), account.cash)
    say("get_account", f"{account.account_number} cash {account.cash} x{account.multiplier}")
    other = TradingClient("other", "other", url_override=REST).get_account()
    check("accounts are apart", other.id != account.id, other)
    say("get_account (second keys)", f"{other.account_number} cash {other.cash}")
    wrong = TradingClient("paper", "wrong", url_override=REST)
    refused("wrong keys", 401, None, "unauthorized.", wrong.get_account)

    settings = trading.get_account_configurations()
    settings.suspend_trade = True
    check("set", trading.set_account_configurations(settings).suspend_trade)
    check("told", trading.get_account().trade_suspended_by_user)
    order = MarketOrderRequest(symbol=STOCK, qty=1, side=OrderSide.BUY,
                               time_in_force=TimeInForce.DAY)
    words = "new orders are rejected by user request"
    refused("an order while suspended", 403, 40310000, words, lambda: trading.submit_order(order))
    settings.suspend_trade = False
    trading.set_account_configurations(settings)
    say("get/set_account_configurations", f"multiplier up to {settings.max_margin_multiplier}")

    days = trading.get_calendar(GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 12, 1)))
    shown = [f"{day.date:%m-%d} {day.open:%H:%M}-{day.close:%H:%M}" for day in days]
    check("Thanksgiving is none, its Friday half a day", shown[:2] == [
        "11-25 09:30-16:00", "11-27 09:30-13:00"], shown)
    say("get_calendar", ", ".join(shown))
    winter, summer = (trading.get(f"/calendar", {"start": day, "end": day})[0]
                      for day in ("2026-03-06", "2026-07-06"))
    check("session hours", winter["session_open"] == "0400" == summer["session_open"], winter)
    clock = trading.get_clock()
    check("the clock is in New York", clock.timestamp.utcoffset() != timedelta(0), clock)
    say("get_clock", f"{clock.timestamp:%Y-%m-%d %H:%M %z} open {clock.is_open}")

    assets = trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    check("coins", all(asset.min_order_size for asset in assets), assets)
    fractional = trading.get_all_assets(GetAssetsRequest(attributes="fractional_eh_enabled"))
    check("attributes", {asset.asset_class for asset in fractional} == {AssetClass.US_EQUITY})
    one = trading.get_asset(STOCK)
    check("by id", trading.get_asset(one.id).symbol == STOCK)
    check("a pair with its slash", trading.get_asset(COIN).symbol == COIN)
    refused("an unknown asset", 404, 40410000, "asset not found", lambda: trading.get_asset("NOPE"))
    say("get_all_assets, get_asset", f"{len(fractional)} stocks, {len(assets)} coins")


def simple_orders():
    open_market()
    market_order = MarketOrderRequest(symbol=STOCK, qty=10, side=OrderSide.BUY,
                                      time_in_force=TimeInForce.DAY, client_order_id="py-1")
    bought = trading.submit_order(market_order)
    check("filled", bought.status == OrderStatus.FILLED and bought.filled_qty == "10", bought)
    paid = bought.filled_avg_price
    say("submit_order market", f"{bought.status.value} {bought.filled_qty} at {paid}")
    words = "client_order_id must be unique"
    refused("an id used before", 422, 40010001, words, lambda: trading.submit_order(market_order))
    check("by client id", trading.get_order_by_client_id("py-1").id == bought.id)
    dollars = trading.submit_order(MarketOrderRequest(
        symbol=COIN, notional=500, side=OrderSide.BUY, time_in_force=TimeInForce.GTC))
    check("a notional has no qty", dollars.qty is None and float(dollars.notional) == 500, dollars)
    say("submit_order notional", f"{dollars.filled_qty} {COIN}")

    now = price()
    far, near = round(now * 0.5, 2), round(now * 0.6, 2)
    limit = trading.submit_order(LimitOrderRequest(
        symbol=STOCK, qty=4, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=far))
    check("rests", limit.status == OrderStatus.NEW, limit)
    new = trading.replace_order_by_id(limit.id, ReplaceOrderRequest(qty=5, limit_price=near))
    old = trading.get_order_by_id(limit.id)
    check("replaced", (old.status, old.replaced_by) == (OrderStatus.REPLACED, new.id), old)
    check("replaces", new.replaces == limit.id and float(new.limit_price) == near, new)
    say("replace_order_by_id", f"{old.status.value}, the new one {new.status.value}")
    refused("a replacement that changes nothing", 403, 40310000, "order parameters are not changed",
            lambda: trading.replace_order_by_id(new.id, ReplaceOrderRequest(qty=5)))
    refused("what is replaced already", 422, 42210000, "unable to replace order",
            lambda: trading.replace_order_by_id(limit.id, ReplaceOrderRequest(qty=6)))
    trading.cancel_order_by_id(new.id)
    check("cancelled", trading.get_order_by_id(new.id).status == OrderStatus.CANCELED)
    refused("a cancel after the end", 422, 42210000, 'order is already in "canceled"',
            lambda: trading.cancel_order_by_id(new.id))
    say("cancel_order_by_id", "canceled")

    resting = [
        StopOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.DAY,
                         stop_price=far),
        StopLimitOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL,
                              time_in_force=TimeInForce.GTC, stop_price=near, limit_price=far),
        TrailingStopOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL,
                                 time_in_force=TimeInForce.DAY, trail_percent=20),
        LimitOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.DAY,
                          limit_price=round(now * 2, 2), extended_hours=True),
        LimitOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.CLS,
                          limit_price=round(now * 2, 2)),
    ]
    placed = [trading.submit_order(order) for order in resting]
    trail = placed[2]
    check("the trail", float(trail.hwm) > float(trail.stop_price) and trail.trail_percent, trail)
    say("submit_order stop, stop_limit, trailing, ...", [order.status.value for order in placed])
    listed = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=[STOCK],
                                                 side=OrderSide.SELL, limit=3))
    check("three of five, newest first", [o.id for o in listed] == [o.id for o in placed[:1:-1]])
    held = trading.get_open_position(STOCK)
    check("held", float(held.qty) - float(held.qty_available) == 5, held)
    say("get_orders", f"{len(listed)} of {len(placed)}; {held.qty_available} of {held.qty} free")
    kill = trading.submit_order(LimitOrderRequest(
        symbol=STOCK, qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.FOK,
        limit_price=round(now * 2, 2)))
    check("fill or kill", kill.status == OrderStatus.CANCELED, kill)
    say("submit_order fok", kill.status.value)
    cancelled = trading.cancel_orders()
    check("all cancelled", {(c.status, c.body["status"]) for c in cancelled} == {(200, "canceled")},
          cancelled)
    say("cancel_orders", f"207: {len(cancelled)} x 200")


def refusals():
    def order(**fields):
        given = {"symbol": STOCK, "qty": 1, "side": OrderSide.BUY,
                 "time_in_force": TimeInForce.DAY, **fields}
        kind = LimitOrderRequest if "limit_price" in given else MarketOrderRequest
        return lambda: trading.submit_order(kind(**given))

    sub_penny = round(price() * 0.5, 0) + 0.001
    refused("a fraction until cancelled", 422, 42210000, "fractional orders must be DAY orders",
            order(qty=0.5, time_in_force=TimeInForce.GTC))
    refused("a fractional short", 422, 42210000, "fractional orders cannot be sold short",
            order(symbol=STOCKS[1], qty=0.5, side=OrderSide.SELL))
    refused("a tenth of a cent", 422, 42210000, "invalid limit_price", order(limit_price=sub_penny))
    refused("too dear", 403, 40310000, "insufficient buying power", order(qty=10_000_000))
    refused("more than is held", 403, 40310000, "insufficient qty available",
            order(qty=11, side=OrderSide.SELL))
    refused("an unknown symbol", 422, 42210000, 'asset "NOPE" not found', order(symbol="NOPE"))
    refused("a coin for the day", 422, 42210000, "invalid crypto time_in_force", order(symbol=COIN))
    trading.submit_order(LimitOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL,
                                           time_in_force=TimeInForce.DAY,
                                           limit_price=round(price() * 2, 2)))
    refused("a trade with oneself", 403, 40310000, "potential wash trade detected", order())
    trading.cancel_orders()
    refused("an unknown order", 404, 40410000, "order not found",
            lambda: trading.get_order_by_id("904837e3-3b76-47ec-b432-046db621571b"))
    refused("an id that is none", 422, 40010001, "order_id is not a UUID",
            lambda: trading.get("/orders/x"))


def groups():
    open_market()
    now = price()
    bracket = trading.submit_order(LimitOrderRequest(
        symbol=STOCK, qty=3, side=OrderSide.BUY, time_in_force=TimeInForce.GTC,
        limit_price=round(now * 1.02, 2), order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=round(now * 1.5, 2)),
        stop_loss=StopLossRequest(stop_price=round(now * 0.5, 2))))
    gain, loss = bracket.legs
    check("the exits", [gain.status, loss.status] == [OrderStatus.NEW, OrderStatus.HELD], bracket)
    exits = f"{gain.status.value} {loss.status.value}"
    say("submit_order bracket", f"{bracket.status.value}, exits {exits}")
    nested = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True))
    found = next(order for order in nested if order.id == bracket.id)
    check("nested", [leg.id for leg in found.legs] == [gain.id, loss.id], found)
    again = trading.get_order_by_id(bracket.id, GetOrderByIdRequest(nested=True))
    check("nested by id", len(again.legs) == 2, again)
    change = ReplaceOrderRequest(stop_price=round(now * 0.6, 2))
    tighter = trading.replace_order_by_id(loss.id, change)
    check("a leg", (tighter.replaces, tighter.status) == (loss.id, OrderStatus.HELD), tighter)
    trading.cancel_order_by_id(gain.id)
    ended = trading.get_order_by_id(tighter.id)
    check("one cancels the other", ended.status == OrderStatus.CANCELED, ended)
    say("cancel one exit", "the other is canceled")
    oco = trading.submit_order(LimitOrderRequest(
        symbol=STOCK, qty=3, side=OrderSide.SELL, time_in_force=TimeInForce.GTC,
        order_class=OrderClass.OCO, limit_price=round(now * 1.5, 2),
        take_profit=TakeProfitRequest(limit_price=round(now * 1.5, 2)),
        stop_loss=StopLossRequest(stop_price=round(now * 0.5, 2), limit_price=round(now * 0.4, 2))))
    check("oco", oco.legs[0].type == OrderType.STOP_LIMIT, oco)
    oto = trading.submit_order(MarketOrderRequest(
        symbol=STOCKS[1], qty=2, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
        order_class=OrderClass.OTO,
        stop_loss=StopLossRequest(stop_price=0.5)))
    check("oto", len(oto.legs) == 1, oto)
    say("submit_order oco, oto", f"{oco.order_class.value} {oto.order_class.value}")
    trading.cancel_orders()


def positions():
    held = {position.symbol: position for position in trading.get_all_positions()}
    check("held", {STOCK, COIN.replace("/", "")} <= set(held), held)
    say("get_all_positions", {name: position.qty for name, position in held.items()})
    before = float(trading.get_open_position(STOCK).qty)
    part = trading.close_position(STOCK, ClosePositionRequest(percentage="50"))
    check("half", float(part.filled_qty) == before / 2, part)
    part = trading.close_position(STOCK, ClosePositionRequest(qty="1"))
    check("one", float(part.filled_qty) == 1, part)
    say("close_position", f"half of {before:g}, then 1")
    trading.submit_order(LimitOrderRequest(symbol=STOCK, qty=1, side=OrderSide.SELL,
                                           time_in_force=TimeInForce.DAY,
                                           limit_price=round(price() * 2, 2)))
    closed = trading.close_all_positions(cancel_orders=False)
    codes = {one.symbol: (one.status, getattr(one.body, "code", None)) for one in closed}
    check("what an order holds stays", codes[STOCK] == (403, 40310000), codes)
    say("close_all_positions", f"207: {sorted(status for status, _ in codes.values())}")
    closed = trading.close_all_positions(cancel_orders=True)
    check("the rest", [answer.status for answer in closed] == [200], closed)
    check("flat", trading.get_all_positions() == [])
    say("close_all_positions(cancel_orders=True)", "207: [200]")
    refused("a position that is none", 404, 40410000, "position does not exist",
            lambda: trading.get_open_position(STOCK))


def watchlists():
    made = trading.create_watchlist(CreateWatchlistRequest(name="tried", symbols=STOCKS[:2]))
    check("made", [asset.symbol for asset in made.assets] == STOCKS[:2], made)
    again = CreateWatchlistRequest(name="tried", symbols=[])
    refused("a name twice", 422, 40010001, "watchlist name must be unique",
            lambda: trading.create_watchlist(again))
    longer = trading.add_asset_to_watchlist_by_id(made.id, COIN)
    check("added", longer.assets[-1].symbol == COIN, longer)
    shorter = trading.remove_asset_from_watchlist_by_id(made.id, COIN)
    check("removed", len(shorter.assets) == 2, shorter)
    changed = UpdateWatchlistRequest(name="kept", symbols=STOCKS)
    check("changed", len(trading.update_watchlist_by_id(made.id, changed).assets) == 3)
    check("listed", [entry.name for entry in trading.get_watchlists()] == ["kept"])
    by_name = trading.get("/watchlists:by_name", {"name": "kept"})
    check("by name", by_name["id"] == str(trading.get_watchlist_by_id(made.id).id), by_name)
    trading.delete_watchlist_by_id(made.id)
    refused("a list that is gone", 404, 40410000, "watchlist not found",
            lambda: trading.get_watchlist_by_id(made.id))
    say("watchlists: create, get, update, delete", f"{', '.join(STOCKS)} and back")


def history():
    for request in (None, GetPortfolioHistoryRequest(period="1D", timeframe="5Min"),
                    GetPortfolioHistoryRequest(period="1M", timeframe="1D")):
        told = trading.get_portfolio_history(request)
        check("parallel", len(told.timestamp) == len(told.equity) == len(told.profit_loss), told)
        check("numbers", all(isinstance(value, float) for value in told.equity), told)
        check("never after now", all(at <= trading.get_clock().timestamp.timestamp()
                                     for at in told.timestamp), told)
    shown = f"{len(told.timestamp)} x {told.timeframe}, base {told.base_value}"
    say("get_portfolio_history", shown)
    rows = trading.get("/account/activities/FILL", {"page_size": 5})
    seen = [row["id"] for row in rows]
    while rows:
        rows = trading.get("/account/activities/FILL", {"page_size": 5, "page_token": seen[-1]})
        seen += [row["id"] for row in rows]
    fills = admin("book")["fills"]
    check("each fill once", len(seen) == len(set(seen)) == len(fills), (len(seen), len(fills)))
    fees = trading.get("/account/activities", {"activity_types": "CFEE"})
    check("fees of coins", all(row["activity_type"] == "CFEE" for row in fees) and fees, fees)
    say("/account/activities", f"{len(seen)} fills, {len(fees)} fees, page by page")


def market_data():
    now = trading.get_clock().timestamp
    start = now - timedelta(days=10)
    hour, day = TimeFrame.Hour, TimeFrame.Day
    request = {"symbol_or_symbols": STOCKS, "timeframe": hour, "start": start}
    bars = stocks.get_stock_bars(StockBarsRequest(**request))
    check("bars of all", set(bars.data) == set(STOCKS), set(bars.data))
    check("no look-ahead", max(bar.timestamp for bar in bars[STOCK]) < now)
    say("get_stock_bars 1Hour", {name: len(rows) for name, rows in bars.data.items()})
    few = stocks.get_stock_bars(StockBarsRequest(**request, limit=7))
    check("a limit counts all", sum(map(len, few.data.values())) == 7, few)
    for length in (TimeFrame(4, TimeFrameUnit.Hour), day, TimeFrame.Week, TimeFrame.Month):
        other = stocks.get_stock_bars(StockBarsRequest(symbol_or_symbols=STOCK, timeframe=length,
                                                       start=now - timedelta(days=60)))
        check("put together", other[STOCK], length)
        say(f"get_stock_bars {length.value}", len(other[STOCK]))
    one = StockLatestBarRequest(symbol_or_symbols=STOCK, feed=DataFeed.IEX)
    say("get_stock_latest_bar", stocks.get_stock_latest_bar(one)[STOCK].close)
    quote = stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=STOCK))[STOCK]
    check("a spread", quote.bid_price < quote.ask_price, quote)
    say("get_stock_latest_quote", f"{quote.bid_price} / {quote.ask_price}")
    say("get_stock_latest_trade", price())
    request = {"symbol_or_symbols": STOCKS, "start": start}
    trades = stocks.get_stock_trades(StockTradesRequest(**request))
    quotes = stocks.get_stock_quotes(StockQuotesRequest(**request))
    check("as many", all(len(trades[name]) == len(quotes[name]) > 0 for name in STOCKS))
    say("get_stock_trades, get_stock_quotes", len(trades[STOCK]))
    snapshot = stocks.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=STOCKS))[STOCK]
    check("days", snapshot.previous_daily_bar.timestamp < snapshot.daily_bar.timestamp, snapshot)
    say("get_stock_snapshot", f"{snapshot.latest_trade.price}, day from {snapshot.daily_bar.open}")

    one, many = stocks.get(f"/stocks/{STOCK}/snapshot"), f"/stocks/snapshots"
    check("the path of one stock", one.pop("symbol") == STOCK
          and one == stocks.get(many, {"symbols": STOCK})[STOCK], one)
    for what in ("bars", "trades", "quotes"):
        newest = stocks.get(f"/stocks/{STOCK}/{what}/latest")[what[:-1]]
        page = stocks.get(f"/stocks/{STOCK}/{what}", {"start": start.isoformat(), "limit": 3,
                                                      "timeframe": "1Hour"})
        check(what, len(page[what]) == 3 and page["next_page_token"] and newest["t"], page)
    say(f"/v2/stocks/{STOCK}/bars, trades, quotes, ...", "the same")

    request = CryptoBarsRequest(symbol_or_symbols=COIN, timeframe=hour, start=start)
    bars = coins.get_crypto_bars(request)
    check("coins never close", len(bars[COIN]) == 240, len(bars[COIN]))
    say("get_crypto_bars", len(bars[COIN]))
    request = {"symbol_or_symbols": COIN, "start": start}
    check("trades", coins.get_crypto_trades(CryptoTradesRequest(**request))[COIN])
    quotes = coins.get_crypto_quotes(CryptoQuoteRequest(**request), feed=CryptoFeed.US)
    check("quotes", quotes[COIN])
    latest = {"symbol_or_symbols": COIN}
    trade = coins.get_crypto_latest_trade(CryptoLatestTradeRequest(**latest))[COIN]
    quote = coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(**latest))[COIN]
    check("between", quote.bid_price < trade.price < quote.ask_price, quote)
    check("a bar", coins.get_crypto_latest_bar(CryptoLatestBarRequest(**latest))[COIN])
    book = coins.get_crypto_latest_orderbook(CryptoLatestOrderbookRequest(**latest))[COIN]
    check("a book", book.bids[0].price < book.asks[0].price, book)
    snapshot = coins.get_crypto_snapshot(CryptoSnapshotRequest(**latest))[COIN]
    check("a snapshot", snapshot.daily_bar, snapshot)
    say("crypto: latest, trades, quotes, snapshot", f"{quote.bid_price} / {quote.ask_price}")

    page = news.get_news(NewsRequest(limit=30))
    articles = page.data["news"]
    check("news", articles and max(article.updated_at for article in articles) <= now, page)
    say("get_news", f"{len(articles)}: {title(articles[0])}")


def streams():
    to(trading.get_clock().next_open + timedelta(minutes=45))
    names = ("bars", "quotes", "trades", "days", "halts", "coins", "books", "news", "orders")
    told = {name: [] for name in names}

    def into(name):
        async def handler(message):
            told[name].append(message)
        return handler

    stock_stream = StockDataStream(*KEYS, url_override=f"{SOCKETS}/v2/iex")
    stock_stream.subscribe_bars(into("bars"), *STOCKS)
    stock_stream.subscribe_quotes(into("quotes"), STOCK)
    stock_stream.subscribe_trades(into("trades"), STOCK)
    stock_stream.subscribe_daily_bars(into("days"), STOCK)
    stock_stream.subscribe_trading_statuses(into("halts"), "*")
    coin_stream = CryptoDataStream(*KEYS, url_override=f"{SOCKETS}/v1beta3/crypto/us")
    coin_stream.subscribe_bars(into("coins"), "*")
    coin_stream.subscribe_orderbooks(into("books"), COIN)
    news_stream = NewsDataStream(*KEYS, url_override=f"{SOCKETS}/v1beta1/news")
    news_stream.subscribe_news(into("news"), "*")
    order_stream = TradingStream(*KEYS, url_override=f"{SOCKETS}/stream")
    order_stream.subscribe_trade_updates(into("orders"))
    running = [stock_stream, coin_stream, news_stream, order_stream]
    threads = [threading.Thread(target=stream.run, daemon=True) for stream in running]
    for thread in threads:
        thread.start()

    # The clock moves until each stream has told something: they subscribe when they are ready.
    def moved():
        admin("halts", {"symbol": STOCKS[2], "minutes": 10})
        advance(step_bars=1)
        order = MarketOrderRequest(symbol=COIN, notional=10, side=OrderSide.BUY,
                                   time_in_force=TimeInForce.GTC)
        trading.submit_order(order)
        time.sleep(0.2)
        return all(told.values()) and halted()

    # A stream that is ready in the middle of it hears only that trading goes on.
    def halted():
        return [status for status in told["halts"] if status.status_code == "H"]

    until("something on every stream", moved)
    now = trading.get_clock().timestamp
    bar = told["bars"][-1]
    check("never ahead", bar.timestamp < now, bar)
    check("orders", told["orders"][-1].order.symbol == COIN, told["orders"][-1])
    say("StockDataStream (MessagePack)", f"bar {bar.symbol} {bar.timestamp:%H:%M} {bar.close}")
    halt = halted()[0]
    check("a halt", halt.symbol == STOCKS[2], halt)
    say("StockDataStream: a halt", f"{halt.symbol} {halt.status_message}, {halt.reason_message}")
    say("CryptoDataStream", f"{told['coins'][-1].symbol}, book {told['books'][-1].asks[0].price}")
    say("NewsDataStream", title(told["news"][-1]))
    say("TradingStream", [getattr(u.event, "value", u.event) for u in told["orders"][-2:]])

    second = StockDataStream(*KEYS, url_override=f"{SOCKETS}/v2/iex")
    try:
        import asyncio
        asyncio.run(second._start_ws())
    except ValueError as error:
        check("one connection a stream", "connection limit exceeded" in str(error), error)
        say("refused: a second StockDataStream", error)
    else:
        raise SystemExit("FAILED: a second connection was let in")
    stock_stream.unsubscribe_bars(*STOCKS)
    for stream in running:
        stream.stop()
    for thread in threads:
        thread.join(SOON)
        check("the streams end", not thread.is_alive())


for part in (account_and_market, simple_orders, refusals, groups, positions, watchlists, history,
             market_data, streams):
    part()
print("all is well")
