//! Groups of orders, replacing, and listings that show them.

use serde_json::{Value, json};

use crate::support::{Answer, Exchange, NIGHT, OPEN, dec};

fn bracket() -> Value {
    json!({"symbol": "AAPL", "qty": 10, "side": "buy", "type": "market", "time_in_force": "gtc",
        "order_class": "bracket", "take_profit": {"limit_price": 200.5},
        "stop_loss": {"stop_price": "90", "limit_price": "89"}})
}

async fn replace(exchange: &Exchange, id: &Value, change: &Value) -> Answer {
    let path = format!("/v2/orders/{}", id.as_str().unwrap());
    exchange
        .send("PATCH", &path, Some(&change.to_string()))
        .await
}

#[tokio::test]
async fn a_bracket_is_answered_with_its_legs_and_listed_both_ways() {
    let exchange = Exchange::start(OPEN).await;
    let order = exchange.take(&bracket()).await;
    assert_eq!(order["order_class"], "bracket");
    assert_eq!(order["group_role"], "entry");
    assert_eq!(order["group_id"], order["id"]);
    let legs = order["legs"].as_array().unwrap();
    let shown: Vec<_> = legs
        .iter()
        .map(|leg| {
            (
                &leg["type"],
                &leg["side"],
                &leg["status"],
                &leg["group_role"],
            )
        })
        .collect();
    assert_eq!(
        serde_json::to_value(shown).unwrap(),
        json!([
            ["limit", "sell", "new", "take_profit"],
            ["stop_limit", "sell", "held", "stop_loss"]
        ])
    );
    assert_eq!(dec(&legs[0]["limit_price"]).to_string(), "200.5");
    assert_eq!(dec(&legs[1]["stop_price"]).to_string(), "90");
    // Flat: the legs are orders like any other, and a held one counts as closed.
    let ids = |listed: &Value| -> Vec<String> {
        let orders = listed.as_array().unwrap().iter();
        orders
            .map(|o| o["group_role"].as_str().unwrap().to_owned())
            .collect()
    };
    for (query, expected) in [
        ("status=open", vec!["take_profit"]),
        ("status=closed&direction=asc", vec!["entry", "stop_loss"]),
        (
            "status=all&direction=asc",
            vec!["entry", "take_profit", "stop_loss"],
        ),
        ("status=all&nested=True", vec!["entry"]),
        ("status=open&nested=true", vec!["take_profit"]),
    ] {
        let listed = exchange.get(&format!("/v2/orders?{query}")).await;
        assert_eq!(ids(&listed), expected, "{query}");
    }
    let path = format!("/v2/orders/{}", order["id"].as_str().unwrap());
    assert!(exchange.get(&path).await["legs"].is_null());
    let nested = exchange.get(&format!("{path}?nested=true")).await;
    assert_eq!(nested["legs"].as_array().unwrap().len(), 2);
    // All are cancelled with the first, and none is told twice.
    let (status, results) = exchange.send("DELETE", "/v2/orders", None).await;
    assert_eq!(status, 207);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(result["status"], 200);
        assert_eq!(result["body"]["status"], "canceled");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn groups_that_lack_something_are_malformed() {
    let exchange = Exchange::start(OPEN).await;
    let cases = [
        (
            json!({"take_profit": null}),
            "bracket orders require take_profit.limit_price",
        ),
        (
            json!({"stop_loss": null}),
            "bracket orders require stop_loss.stop_price",
        ),
        (
            json!({"stop_loss": {"limit_price": 3}}),
            "stop_loss.stop_price is required",
        ),
        (
            json!({"order_class": "simple"}),
            "simple orders require no take_profit",
        ),
        (json!({"order_class": "oto"}), "oto orders require one of"),
        (json!({"order_class": "mleg"}), "invalid order_class: mleg"),
        (
            json!({"trail_price": "1"}),
            "market orders require no trail price",
        ),
        (
            json!({"type": "trailing_stop", "order_class": "", "take_profit": null,
                "stop_loss": null}),
            "trailing stop orders must specify one of",
        ),
    ];
    for (changes, words) in cases {
        let mut order = bracket();
        for (name, value) in changes.as_object().unwrap() {
            order[name] = value.clone();
        }
        let (status, body) = exchange.order(&order).await;
        assert_eq!((status, &body["code"]), (422, &json!(40_010_001)), "{body}");
        assert!(
            body["message"].as_str().unwrap().starts_with(words),
            "{body}"
        );
    }
    exchange.stop().await;
}

#[tokio::test]
async fn a_replaced_order_names_its_successor() {
    let exchange = Exchange::start(OPEN).await;
    let order = json!({"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit",
        "limit_price": "50", "time_in_force": "day", "client_order_id": "first"});
    let old = exchange.take(&order).await;
    let change = json!({"qty": 5, "limit_price": 51.5, "client_order_id": "second"});
    let (status, new) = replace(&exchange, &old["id"], &change).await;
    assert_eq!(status, 200, "{new}");
    assert_eq!(new["replaces"], old["id"]);
    assert_eq!(new["client_order_id"], "second");
    assert_eq!(
        (dec(&new["qty"]), dec(&new["limit_price"])),
        (5.into(), "51.5".parse().unwrap())
    );
    let old = exchange
        .get(&format!("/v2/orders/{}", old["id"].as_str().unwrap()))
        .await;
    assert_eq!(old["status"], "replaced");
    assert_eq!(old["replaced_by"], new["id"]);
    assert!(old["replaced_at"].is_string());
    for (change, status, code, words) in [
        (
            json!({"qty": "5"}),
            403,
            40_310_000,
            "order parameters are not changed",
        ),
        (
            json!({"client_order_id": "first", "qty": 6}),
            422,
            40_010_001,
            "client_order_id must",
        ),
        (
            json!({"stop_price": "5"}),
            422,
            40_010_001,
            "limit orders require no stop price",
        ),
    ] {
        let (got, body) = replace(&exchange, &new["id"], &change).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{body}");
        assert!(
            body["message"].as_str().unwrap().starts_with(words),
            "{body}"
        );
    }
    let (status, body) = replace(&exchange, &old["id"], &json!({"qty": "7"})).await;
    assert_eq!((status, &body["code"]), (422, &json!(42_210_000)), "{body}");
    exchange.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_open_cannot_be_replaced() {
    let exchange = Exchange::start(NIGHT).await;
    let order = json!({"symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit",
        "limit_price": "50", "time_in_force": "opg"});
    // Between the close and seven in the evening no auction takes orders.
    assert_eq!(exchange.order(&order).await.0, 422);
    let mut order = order;
    order["time_in_force"] = json!("day");
    let waiting = exchange.take(&order).await;
    assert_eq!(waiting["status"], "accepted");
    let (status, body) = replace(&exchange, &waiting["id"], &json!({"qty": "7"})).await;
    assert_eq!(status, 422);
    assert_eq!(body["message"], "unable to replace order in current state");
    exchange.stop().await;
}

#[tokio::test]
async fn listings_begin_or_end_at_an_order() {
    let exchange = Exchange::start(OPEN).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let order = json!({"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit",
            "limit_price": "50", "time_in_force": "day", "client_order_id": number.to_string()});
        let taken = exchange.take(&order).await;
        ids.push(taken["id"].as_str().unwrap().to_owned());
    }
    let listed = async |query: String| -> Vec<String> {
        let listed = exchange
            .get(&format!("/v2/orders?direction=asc&{query}"))
            .await;
        let orders = listed.as_array().unwrap().iter();
        orders
            .map(|order| order["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(format!("after_order_id={}", ids[2])).await, ids[3..]);
    assert_eq!(
        listed(format!("before_order_id={}", ids[2])).await,
        ids[..2]
    );
    assert_eq!(
        listed("asset_class=us_option,us_equity".to_owned()).await,
        ids
    );
    assert!(listed("asset_class=crypto".to_owned()).await.is_empty());
    let both = format!(
        "/v2/orders?after_order_id={}&before_order_id={}",
        ids[0], ids[4]
    );
    assert_eq!(exchange.send("GET", &both, None).await.0, 422);
    for bad in [
        "after_order_id=x",
        "after_order_id=7a0d6a1b-1111-4111-8111-111111111111",
    ] {
        let (status, _) = exchange
            .send("GET", &format!("/v2/orders?{bad}"), None)
            .await;
        assert!(status == 422 || status == 404, "{bad}: {status}");
    }
    exchange.stop().await;
}
