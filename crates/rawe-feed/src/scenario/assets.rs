//! The twenty assets: tickers and names are borrowed, every number and subject is made up.

use rawe_core::{AssetClass, Symbol};

/// One asset of the generated market.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) ticker: &'static str,
    /// As people write it.
    pub(super) name: &'static str,
    /// First price, USD.
    pub(super) price: f64,
    /// Standard deviation of a day's log return without stories.
    pub(super) daily_sigma: f64,
    /// Mean volume of a full hour, shares or coins.
    pub(super) hourly_volume: f64,
    /// What its stories are about: two or three words each that no other asset's subject shares.
    pub(super) subjects: [&'static str; 5],
}

impl Asset {
    pub(super) fn symbol(&self) -> Option<Symbol> {
        Symbol::new(self.ticker).ok()
    }

    pub(super) fn class(&self) -> AssetClass {
        if self.ticker.contains('/') {
            AssetClass::Crypto
        } else {
            AssetClass::UsEquity
        }
    }

    /// The ticker as cashtags write it: `BTC` for the pair.
    pub(super) fn cashtag(&self) -> &'static str {
        self.ticker.split('/').next().unwrap_or(self.ticker)
    }
}

const fn asset(
    ticker: &'static str,
    name: &'static str,
    (price, daily_sigma, hourly_volume): (f64, f64, f64),
    subjects: [&'static str; 5],
) -> Asset {
    Asset {
        ticker,
        name,
        price,
        daily_sigma,
        hourly_volume,
        subjects,
    }
}

/// All assets.
pub(super) static ASSETS: [Asset; 20] = [
    asset(
        "AAPL",
        "Apple",
        (236.0, 0.015, 7.2e6),
        [
            "handset replacement cycle",
            "wearables lineup",
            "tablet refresh",
            "app storefront fees",
            "assembly partners",
        ],
    ),
    asset(
        "AMZN",
        "Amazon",
        (219.0, 0.017, 5.4e6),
        [
            "parcel network",
            "marketplace sellers",
            "warehouse robots",
            "membership bundle",
            "grocery delivery",
        ],
    ),
    asset(
        "BA",
        "Boeing",
        (178.0, 0.019, 1.3e6),
        [
            "jet deliveries schedule",
            "widebody backlog",
            "airframe inspections",
            "freighter program",
            "cabin suppliers",
        ],
    ),
    asset(
        "BTC/USD",
        "Bitcoin",
        (94_000.0, 0.026, 620.0),
        [
            "spot fund inflows",
            "miner reserves",
            "halving models",
            "treasury holders",
            "exchange balances",
        ],
    ),
    asset(
        "DIS",
        "Disney",
        (111.0, 0.015, 1.4e6),
        [
            "theme park bookings",
            "streaming bundle",
            "summer film slate",
            "cruise ships",
            "sports channel",
        ],
    ),
    asset(
        "ETH/USD",
        "Ethereum",
        (3_350.0, 0.032, 9_800.0),
        [
            "staking queue",
            "rollup upgrade",
            "gas fees",
            "validator set",
            "token issuance",
        ],
    ),
    asset(
        "GOOGL",
        "Alphabet",
        (192.0, 0.017, 4.1e6),
        [
            "search advertising",
            "video creators",
            "mapping data",
            "assistant rollout",
            "robotaxi pilots",
        ],
    ),
    asset(
        "INTC",
        "Intel",
        (21.0, 0.026, 9.6e6),
        [
            "foundry customers",
            "laptop processors",
            "process node",
            "fab construction",
            "server roadmap",
        ],
    ),
    asset(
        "JPM",
        "JPMorgan",
        (243.0, 0.013, 1.5e6),
        [
            "lending book",
            "trading desk",
            "card spending",
            "deposit base",
            "branch network",
        ],
    ),
    asset(
        "KO",
        "Coca-Cola",
        (62.0, 0.009, 2.1e6),
        [
            "zero sugar range",
            "bottling partners",
            "stadium sales",
            "vending machines",
            "flavour launches",
        ],
    ),
    asset(
        "META",
        "Meta",
        (602.0, 0.020, 2.0e6),
        [
            "short video feed",
            "smart glasses",
            "messaging ads",
            "creator payouts",
            "headset line",
        ],
    ),
    asset(
        "MSFT",
        "Microsoft",
        (424.0, 0.014, 3.0e6),
        [
            "office assistant seats",
            "cloud regions",
            "game pass",
            "security suite",
            "developer tools",
        ],
    ),
    asset(
        "NVDA",
        "Nvidia",
        (137.0, 0.027, 2.8e7),
        [
            "accelerator shipments",
            "data centre racks",
            "networking switches",
            "packaging capacity",
            "inference chips",
        ],
    ),
    asset(
        "PFE",
        "Pfizer",
        (26.5, 0.014, 5.2e6),
        [
            "vaccine season",
            "oncology pipeline",
            "trial readout",
            "patent calendar",
            "obesity pill",
        ],
    ),
    asset(
        "QQQ",
        "the Nasdaq 100",
        (516.0, 0.012, 5.0e6),
        [
            "growth stock rotation",
            "software spending",
            "options positioning",
            "megacap earnings",
            "semiconductor cycle",
        ],
    ),
    asset(
        "SPY",
        "the S&P 500",
        (589.0, 0.009, 7.5e6),
        [
            "soft landing hopes",
            "payroll numbers",
            "index rebalancing",
            "buyback window",
            "household spending",
        ],
    ),
    asset(
        "TSLA",
        "Tesla",
        (402.0, 0.031, 1.3e7),
        [
            "delivery numbers",
            "battery plant",
            "charging network",
            "driver assistance",
            "compact model",
        ],
    ),
    asset(
        "UNH",
        "UnitedHealth",
        (511.0, 0.016, 6.5e5),
        [
            "medical cost trend",
            "advantage enrolment",
            "clinic network",
            "pharmacy benefit",
            "premium filings",
        ],
    ),
    asset(
        "WMT",
        "Walmart",
        (91.0, 0.012, 2.6e6),
        [
            "back to school aisle",
            "private label",
            "curbside pickup",
            "store remodels",
            "holiday baskets",
        ],
    ),
    asset(
        "XOM",
        "Exxon",
        (107.0, 0.014, 2.3e6),
        [
            "refinery runs",
            "shale wells",
            "offshore platform",
            "pipeline flows",
            "chemicals unit",
        ],
    ),
];
