//! Tests of reading documents: all forms, odd ones, and any bytes at all.

use proptest::prelude::*;

use super::*;

const RSS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Wire</title>
<link>https://wire.test/</link><description>d</description>
<item><title>Apple &amp; partners rise</title><link>https://wire.test/1</link>
<guid isPermaLink="false">wire-1</guid><dc:creator>A. Writer</dc:creator>
<pubDate>Sun, 22 Nov 2026 10:00:00 GMT</pubDate>
<description><![CDATA[<p>Shares of <b>AAPL</b> rose.</p>]]></description></item>
<item><title>No id at all</title><link>https://wire.test/2</link></item>
</channel></rss>"#;

const ATOM: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><id>urn:blog</id>
<updated>2026-11-22T10:00:00Z</updated>
<entry><title type="html">Coins &lt;i&gt;fall&lt;/i&gt;</title><id>urn:1</id>
<updated>2026-11-22T11:00:00+01:00</updated><author><name>B</name></author>
<link href="https://blog.test/1"/><content type="html">Long &lt;b&gt;text&lt;/b&gt;</content></entry>
</feed>"#;

const JSON_FEED: &str = r#"{"version":"https://jsonfeed.org/version/1.1","title":"t","items":[
{"id":"j1","url":"https://j.test/1","title":"Bonds rally","content_text":"calm",
"date_published":"2026-11-22T10:00:00Z"}]}"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn rss_atom_and_json_feed_are_read() {
    let rss = read_syndication(RSS.as_bytes()).unwrap();
    assert_eq!(rss.len(), 2);
    assert_eq!(rss[0].id, "wire-1");
    assert_eq!(rss[0].headline, "Apple & partners rise");
    assert_eq!(rss[0].author, "A. Writer");
    assert_eq!(rss[0].link, "https://wire.test/1");
    assert_eq!(rss[0].published, Some(at("2026-11-22T10:00:00Z")));
    assert!(rss[0].text.contains("Shares of"), "{}", rss[0].text);
    assert_eq!((rss[1].id.as_str(), rss[1].published), ("", None));
    let atom = read_syndication(ATOM.as_bytes()).unwrap();
    assert_eq!(atom[0].headline, "Coins <i>fall</i>");
    assert_eq!(atom[0].published, Some(at("2026-11-22T10:00:00Z")));
    assert_eq!(atom[0].text, "Long <b>text</b>");
    let json = read_syndication(JSON_FEED.as_bytes()).unwrap();
    assert_eq!(
        (json[0].id.as_str(), json[0].headline.as_str()),
        ("j1", "Bonds rally")
    );
}

#[test]
fn what_is_no_feed_is_named_without_its_words() {
    for document in [
        "",
        "<html><body>secret</body></html>",
        "{\"secret\":1}",
        "secret",
        "<rss>",
    ] {
        if let Err(error) = read_syndication(document.as_bytes()) {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
    assert!(read_syndication(b"<html><body>x</body></html>").is_err());
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><rss version=\"2.0\">\
                <channel><title>&c;</title><item><title>&c;</title></item></channel></rss>";
    for draft in read_syndication(bomb.as_bytes()).unwrap_or_default() {
        assert!(draft.headline.len() < 20, "{}", draft.headline);
    }
    let deep = format!("<rss version=\"2.0\"><channel>{}", "<a>".repeat(200_000));
    let _read = read_syndication(deep.as_bytes());
}

#[test]
fn any_json_is_read_by_pointers() {
    let fields = JsonFields {
        items: "/data/posts".into(),
        id: Some("/meta/no".into()),
        published: Some("/when".into()),
        headline: Some("/title".into()),
        symbols: Some("/tickers".into()),
        ..JsonFields::default()
    };
    fields.check().unwrap();
    let document = r#"{"data":{"posts":[
        {"meta":{"no":17},"when":1795341600,"title":"A","tickers":["AAPL","BTC"]},
        {"meta":{},"when":"1795341600000","title":"B","tickers":"KO, PEP"},
        {"title":{"not":"text"}}, 7]}}"#;
    let drafts = read_json(document.as_bytes(), &fields).unwrap();
    assert_eq!(drafts.len(), 4);
    assert_eq!(drafts[0].id, "17");
    assert_eq!(drafts[0].published, drafts[1].published);
    assert_eq!(drafts[0].published, Some(at("2026-11-22T10:00:00Z")));
    assert_eq!(drafts[0].symbols, ["AAPL", "BTC"]);
    assert_eq!(drafts[1].symbols, ["KO", "PEP"]);
    assert_eq!(drafts[2], Draft::default());
    let refused = read_json(b"{\"data\":{}}", &fields);
    assert_eq!(refused, Err(DraftError::NoItems("/data/posts".into())));
    assert!(matches!(
        read_json(b"<html>", &fields),
        Err(DraftError::NoJson(_))
    ));
}

#[test]
fn pointers_are_checked_beforehand() {
    let bad = JsonFields {
        id: Some("id".into()),
        headline: Some("/title".into()),
        ..JsonFields::default()
    };
    let words = bad.check().unwrap_err().to_string();
    assert!(words.contains("fields.id 'id'"), "{words}");
    assert_eq!(JsonFields::default().check(), Err(JsonFieldsError::NoText));
}

#[test]
fn lines_of_standard_input_are_read() {
    let line = br#"{"id":"1","time":"2026-11-22T10:00:00Z","headline":"H","symbols":["BTC"]}"#;
    let draft = read_json_line(line).unwrap();
    assert_eq!((draft.id.as_str(), draft.headline.as_str()), ("1", "H"));
    assert_eq!(draft.symbols, ["BTC"]);
    for bad in ["", "[]", "7", "{", "headline"] {
        assert!(read_json_line(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn times_of_any_source_are_read() {
    for text in [
        "2026-11-22T10:00:00Z",
        "2026-11-22T05:00:00-05:00",
        "Sun, 22 Nov 2026 10:00:00 GMT",
        "Sun, 22 Nov 2026 05:00:00 -0500",
        "1795341600",
        " 1795341600000 ",
    ] {
        assert_eq!(time_of(text), Some(at("2026-11-22T10:00:00Z")), "{text}");
    }
    for text in ["", "7", "yesterday", "999999999999999999999", "-1"] {
        assert_eq!(time_of(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_document_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _feed = read_syndication(&bytes);
        let _json = read_json(&bytes, &JsonFields::default());
        let _line = read_json_line(&bytes);
    }

    #[test]
    fn no_broken_feed_panics(at in 0..RSS.len(), byte: u8, cut in 0..ATOM.len()) {
        let mut bytes = RSS.as_bytes().to_vec();
        bytes[at] = byte;
        let _changed = read_syndication(&bytes);
        let _cut = read_syndication(&ATOM.as_bytes()[..cut]);
    }

    #[test]
    fn no_text_is_a_time_that_panics(text in "(\\PC|[0-9]){0,24}") {
        let _time = time_of(&text);
    }
}
