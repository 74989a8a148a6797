//! Watchlists by id and by name, their refusals, and that they outlive a saved state.

use serde_json::{Value, json};

use crate::support::{Exchange, OPEN};

async fn ask(exchange: &Exchange, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map(|body| body.to_string());
    let path = format!("/v2/watchlists{path}");
    exchange.send(method, &path, body.as_deref()).await
}

fn symbols(list: &Value) -> Vec<&str> {
    let assets = list["assets"].as_array().unwrap();
    assets
        .iter()
        .map(|asset| asset["symbol"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn lists_are_made_changed_and_deleted_by_id_and_by_name() {
    let exchange = Exchange::start(OPEN).await;
    let content = json!({"name": "My first", "symbols": ["AAPL", "BTCUSD"]});
    let (status, made) = ask(&exchange, "POST", "", Some(content)).await;
    assert_eq!((status, symbols(&made)), (200, vec!["AAPL", "BTC/USD"]));
    let account = exchange.get("/v2/account").await;
    assert_eq!(made["account_id"], account["id"]);
    let by_id = format!("/{}", made["id"].as_str().unwrap());
    let by_name = ":by_name?name=My%20first";
    for path in [by_id.as_str(), by_name] {
        let (status, found) = ask(&exchange, "GET", path, None).await;
        assert_eq!((status, &found), (200, &made), "{path}");
    }
    let (_, all) = ask(&exchange, "GET", "", None).await;
    assert_eq!(all[0]["name"], "My first");
    assert!(all[0].get("assets").is_none(), "{all}");

    exchange.advance("2026-03-02T17:00:00Z").await;
    let (_, longer) = ask(&exchange, "POST", by_name, Some(json!({"symbol": "WHOLE"}))).await;
    assert_eq!(symbols(&longer), ["AAPL", "BTC/USD", "WHOLE"]);
    assert_ne!(longer["updated_at"], made["updated_at"]);
    for pair in ["BTC/USD", "AAPL"] {
        let (status, _) = ask(&exchange, "DELETE", &format!("{by_id}/{pair}"), None).await;
        assert_eq!(status, 200, "{pair}");
    }
    let (_, renamed) = ask(&exchange, "PUT", &by_id, Some(json!({"name": "Second"}))).await;
    assert_eq!(
        (&renamed["name"], symbols(&renamed)),
        (&json!("Second"), vec!["WHOLE"])
    );
    let new = json!({"symbols": ["HARD", "AAPL"]});
    let (_, filled) = ask(&exchange, "PUT", ":by_name?name=Second", Some(new)).await;
    assert_eq!(symbols(&filled), ["HARD", "AAPL"]);

    let state = exchange.get("/rawe/v1/state").await.to_string();
    assert_eq!(
        ask(&exchange, "DELETE", &by_id, None).await,
        (204, Value::Null)
    );
    assert_eq!(ask(&exchange, "GET", &by_id, None).await.0, 404);
    let (status, _) = exchange.send("POST", "/rawe/v1/state", Some(&state)).await;
    assert_eq!(status, 204);
    assert_eq!(ask(&exchange, "GET", &by_id, None).await.1, filled);
    let gone = ask(&exchange, "DELETE", ":by_name?name=Second", None).await;
    assert_eq!(gone.0, 204);
    exchange.stop().await;
}

#[tokio::test]
async fn refusals_leave_a_list_as_it_was() {
    let exchange = Exchange::start_shared(OPEN, None).await;
    let content = json!({"name": "kept", "symbols": ["AAPL"]});
    let (_, kept) = ask(&exchange, "POST", "", Some(content)).await;
    ask(&exchange, "POST", "", Some(json!({"name": "other"}))).await;
    let by_id = format!("/{}", kept["id"].as_str().unwrap());
    let long = "x".repeat(65);
    let cases = [
        ("POST", String::new(), json!({"name": "kept"}), 422),
        ("POST", String::new(), json!({"symbols": ["AAPL"]}), 422),
        ("POST", String::new(), json!({"name": long}), 422),
        (
            "POST",
            String::new(),
            json!({"name": "n", "symbols": ["NOPE"]}),
            422,
        ),
        ("POST", by_id.clone(), json!({"symbol": "AAPL"}), 422),
        ("POST", by_id.clone(), json!({"symbol": "NOPE"}), 422),
        ("POST", by_id.clone(), json!({"symbols": []}), 422),
        (
            "PUT",
            by_id.clone(),
            json!({"name": "other", "symbols": ["WHOLE"]}),
            422,
        ),
        (
            "PUT",
            by_id.clone(),
            json!({"name": "n", "symbols": ["HARD", "HARD"]}),
            422,
        ),
        ("PUT", by_id.clone(), json!({}), 422),
        ("DELETE", format!("{by_id}/WHOLE"), Value::Null, 404),
        ("GET", "/x".to_owned(), Value::Null, 422),
        ("GET", ":by_name".to_owned(), Value::Null, 422),
        ("GET", ":by_name?name=none".to_owned(), Value::Null, 404),
    ];
    for (method, path, body, expected) in cases {
        let given = (!body.is_null()).then(|| body.clone());
        let (status, answer) = ask(&exchange, method, &path, given).await;
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        assert!(answer["message"].is_string(), "{answer}");
        assert_eq!(ask(&exchange, "GET", &by_id, None).await.1, kept, "{body}");
    }
    let path = format!("/v2/watchlists{by_id}");
    let theirs = exchange
        .send_with_keys("GET", &path, None, "other", "other")
        .await;
    assert_eq!(theirs.0, 404, "lists belong to their account");
    exchange.stop().await;
}
