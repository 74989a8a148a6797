//! Names, tickers and phrases in texts as people write them.

use super::*;
use chrono::DateTime;
use proptest::prelude::*;

fn item(headline: &str, text: &str, given: &[&str]) -> NewsItem {
    NewsItem {
        id: String::new(),
        published: DateTime::default(),
        first_seen: DateTime::default(),
        source: String::new(),
        register: rawe_core::Register::Social,
        author: None,
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: given.iter().map(|s| Symbol::new(s).unwrap()).collect(),
        headline: headline.to_owned(),
        text: text.to_owned(),
        backfill: false,
    }
}

fn linked(text: &str, given: &[&str]) -> Vec<String> {
    let mut buffer = LinkBuffer::default();
    let known = |s: &Symbol| !matches!(s.as_str(), "UNKN" | "GOOG" | "FB" | "BTC/USDT");
    Universe::shipped().link(&item("", text, given), known, &mut buffer);
    buffer.symbols().iter().map(ToString::to_string).collect()
}

#[test]
fn links_symbols_tickers_and_names() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("nothing here", &[], &[]),
        ("up again", &["AAPL"], &["AAPL"]),
        ("$aapl and $BTC, $UNKN", &[], &["AAPL", "BTC/USD"]),
        ("Apple beats Microsoft", &["MSFT"], &["MSFT", "AAPL"]),
        ("AT&T and S&P 500", &[], &["T", "SPY"]),
        ("AT&amp;T, JPMorgan Chase fined", &[], &["T", "JPM"]),
        ("Bitcoin Cash forks", &[], &["BCH/USD"]),
        ("eth is a suffix, ETH is not", &[], &["ETH/USD"]),
        // Tickers.
        (
            "$BRK.B $BTC-USD $ETHUSD $DOGE.X $BTC/USD",
            &[],
            &["BRK.B", "BTC/USD", "ETH/USD", "DOGE/USD"],
        ),
        ("$TSLA700c, A$AP, US$5, $bitcoin", &[], &["TSLA", "BTC/USD"]),
        ("(NYSE: GE) NASDAQ:COST", &[], &["GE", "COST"]),
        (
            "$FB and $GOOG by their old symbols",
            &[],
            &["META", "GOOGL"],
        ),
        // Words that are also names.
        ("an apple a day, Apple pie, target price", &[], &[]),
        ("Apple's margins, non-Apple phones, iPhones", &[], &["AAPL"]),
        ("$AAPL price Target 150, Target raised", &[], &["AAPL"]),
        ("Target and Walmart cut prices", &[], &["WMT", "TGT"]),
        ("V for victory, ALL in, IT jobs, A+", &[], &[]),
        ("Visa application denied", &[], &[]),
        ("Visa raises card fees", &[], &["V"]),
        ("the Gap widened; Gap closes stores", &[], &["GPS"]),
        ("Ford recalls trucks; Harrison Ford lands", &[], &["F"]),
        ("fires in the Amazon rainforest", &[], &[]),
        ("Shell cuts oil output, shell company", &[], &["SHEL"]),
        ("Meta shares slide, so meta", &[], &["META"]),
        // Boundaries: a longer name that does not fit leaves the shorter one.
        ("Apple increases prices", &[], &["AAPL"]),
        ("Applebee's, www.Apple.com, https://x.co/Tesla", &[], &[]),
        ("@apple @applesupport joe@apple.com", &[], &["AAPL"]),
        ("#BankOfAmerica #bitcoin", &[], &["BAC", "BTC/USD"]),
        (
            "Coca Cola and Coca-Cola and McDonald\u{2019}s",
            &[],
            &["KO", "MCD"],
        ),
        // Capitals say nothing where all is capitals.
        ("WE EAT APPLE PIE AND AN APPLE TODAY", &[], &[]),
        ("EVERYTHING ABOUT APPLE STOCK TODAY", &[], &["AAPL"]),
        ("$AAPL TO THE MOON WITH APPLE TODAY", &[], &["AAPL"]),
        ("LOVE GE AND ALL OF IT FOR NOW IN THE CAR", &[], &[]),
    ];
    for (text, given, expected) in cases {
        let mut found = linked(text, given);
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn says_where_it_is_named() {
    let item = item("Apple up;", "then $TSLA, Apple", &["MSFT"]);
    let mentions = Universe::shipped().mentions(&item, &|_| true);
    let joined = format!("{}{}", item.headline, item.text);
    let named: Vec<_> = mentions
        .iter()
        .map(|m| (m.symbol.as_str(), m.range().map(|r| joined.get(r).unwrap())))
        .collect();
    assert_eq!(
        named,
        [
            ("MSFT", None),
            ("AAPL", Some("Apple")),
            ("TSLA", Some("$TSLA")),
            ("AAPL", Some("Apple")),
        ]
    );
}

#[test]
fn a_company_is_linked_by_the_symbol_that_is_known() {
    let only = |text: &str, symbol: &str| {
        let known = |s: &Symbol| s.as_str() == symbol;
        Universe::shipped().mentions(&item("", text, &[]), &known)
    };
    for (text, symbol) in [
        ("Google", "GOOG"),
        ("$GOOGL", "GOOG"),
        ("Facebook", "FB"),
        ("Bitcoin", "BTC/USDT"),
        ("$BTC", "BTC/USDT"),
    ] {
        let mentions = only(text, symbol);
        assert_eq!(mentions.len(), 1, "{text}");
        assert_eq!(mentions[0].symbol.as_str(), symbol);
    }
    let given = item("", "Google rises", &["GOOG"]);
    let mentions = Universe::shipped().mentions(&given, &|_| true);
    assert!(mentions.iter().all(|m| m.symbol.as_str() == "GOOG"));
}

#[test]
fn the_shipped_tables_are_whole() {
    // English words that must never be a name in any case and without context.
    const STOP_WORDS: &str = "a all an and any are as at be best big but by can car cat coke day eat fast \
        five for from gap get go good has he if in is it its key low may me meta more new next no not \
        now of on one open or our out path run sea see shell she so snap square sun target team that the \
        they this time to trade two up us visa was we well what will win with you zoom";
    let universe = Universe::of(&universe::SHIPPED).unwrap();
    assert!(
        universe.symbols().len() >= 700,
        "{}",
        universe.symbols().len()
    );
    assert!(universe.names() > 2_500);
    for name in universe.all_names() {
        let free = name.case == Case::Any && name.context == Context::Free;
        let asset = matches!(name.meaning, Meaning::Asset(_));
        if asset && free {
            let lower = name.text.to_lowercase();
            assert!(lower.len() > 1, "{lower}");
            assert!(
                !STOP_WORDS.split_whitespace().any(|w| w == lower),
                "{lower}"
            );
        }
    }
    for (symbol, title) in [
        ("AAPL", "Apple"),
        ("BTC/USD", "Bitcoin"),
        ("SPY", "SPDR S&P 500"),
    ] {
        assert_eq!(universe.title(&Symbol::new(symbol).unwrap()), Some(title));
    }
    for pair in [
        "BTC", "ETH", "LTC", "BCH", "DOGE", "LINK", "AAVE", "UNI", "AVAX", "DOT", "SOL", "SHIB",
    ] {
        let pair = Symbol::new(&format!("{pair}/USD")).unwrap();
        assert!(universe.title(&pair).is_some(), "{pair}");
    }
}

#[test]
fn refuses_malformed_tables_with_the_line() {
    let cases = [
        ("", 0, "empty"),
        ("AAPL\tApple\tany", 1, "first line"),
        ("symbol\tname\trule\tcontext\nAAPL Apple any", 2, "tabs"),
        (
            "symbol\tname\trule\tcontext\n# x\naapl\tApple\tany",
            3,
            "not a symbol",
        ),
        (
            "symbol\tname\trule\tcontext\nAAPL\tApple\tsometimes",
            2,
            "no rule",
        ),
        (
            "symbol\tname\trule\tcontext\nAAPL\tApple\tany\tfruit",
            2,
            "+context",
        ),
        (
            "symbol\tname\trule\tcontext\nA\tx y\tany\nB\tX Y\tany",
            3,
            "already",
        ),
        (
            "symbol\tname\trule\tcontext\n-\tx\tany",
            2,
            "without a symbol",
        ),
        (
            "symbol\tname\trule\tcontext\nQQQQ\tR\tsame",
            2,
            "give QQQQ a name",
        ),
        ("symbol\tname\trule\tcontext\nA\t\tany", 2, "bytes"),
        (
            "symbol\tname\trule\tcontext\nA\tb\tany+context\t=",
            2,
            "needs words",
        ),
    ];
    for (table, line, problem) in cases {
        let error = Universe::of(&[("mine.tsv", table)]).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(problem), "{error}");
        assert!(error.to_string().starts_with("mine.tsv"), "{error}");
    }
}

#[test]
fn a_users_table_extends_and_replaces() {
    let table = "symbol\tname\trule\tcontext\nACME\tAcme Rockets\tany\nACME\tIPHONE\tany\n";
    let universe = Universe::shipped_with(&[("mine.tsv", table)]).unwrap();
    let text = item("", "acme rockets and the iPhone and Apple", &[]);
    let mentions = universe.mentions(&text, &|_| true);
    let symbols: Vec<&str> = mentions.iter().map(|m| m.symbol.as_str()).collect();
    assert_eq!(symbols, ["ACME", "ACME", "AAPL"]);
    assert_ne!(universe, *Universe::shipped());
}

proptest! {
    #[test]
    fn any_text_is_read_and_every_mention_lies_in_it(
        headline in "\\PC{0,80}",
        words in proptest::collection::vec(
            prop_oneof![
                Just("Apple"), Just("$"), Just("Target"), Just("é"), Just("@"), Just("'s"),
                Just("NYSE:"), Just("bitcoin"), Just("TSLA"), Just(" "), Just("/"), Just("🚀"),
                Just("."), Just("’"), Just("Gap")
            ],
            0..60,
        ),
    ) {
        let item = item(&headline, &words.concat(), &[]);
        let joined = format!("{}{}", item.headline, item.text);
        for mention in Universe::shipped().mentions(&item, &|_| true) {
            let range = mention.range().unwrap();
            prop_assert!(joined.get(range).is_some());
        }
    }

    #[test]
    fn any_table_is_read_or_refused(table in "(symbol\tname\trule\tcontext\n)?[A-Z/\\-\t=a-z+\n ]{0,200}") {
        let _ = Universe::of(&[("t", &table)]);
    }
}
