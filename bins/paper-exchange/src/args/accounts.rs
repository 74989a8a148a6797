//! The accounts: their keys, their cash, what trading costs them.

use std::collections::BTreeSet;

use rawe_market::ExchangeConfig;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};

use super::{ExchangeArgs, ExchangeSection, SEED_DEFAULT};
use crate::account::Keys;
use crate::state::OtherAccount;

/// More basis points than this is a mistake: the whole price.
const BPS_MAX: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);
/// The dearest borrowing, basis points a year.
const BORROW_BPS_MAX: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);
/// The most cash an account may start with, USD.
const CASH_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

impl ExchangeArgs {
    pub(super) fn keys(&self) -> Keys {
        let defaults = Keys::default();
        let key = |key: &Option<SecretString>, default: SecretString| {
            key.clone()
                .filter(|key| !key.expose_secret().is_empty())
                .unwrap_or(default)
        };
        Keys {
            key_id: key(&self.key_id, defaults.key_id),
            secret_key: key(&self.secret_key, defaults.secret_key),
        }
    }

    pub(super) fn accounts(
        &self,
        file: &ExchangeSection,
        problems: &mut Vec<String>,
    ) -> Vec<OtherAccount> {
        let given = if self.account.is_empty() {
            &file.accounts
        } else {
            &self.account
        };
        let first = self.keys();
        let mut ids = BTreeSet::from([first.id().to_owned()]);
        let mut accounts = Vec::new();
        for (text, number) in given.iter().zip(1..) {
            match OtherAccount::read(text) {
                Some(account) if ids.insert(account.keys.id().to_owned()) => accounts.push(account),
                Some(account) => problems.push(format!(
                    "--account {number}: the key id {} is taken",
                    account.keys.id()
                )),
                // The text holds a secret: it is not repeated.
                None => problems.push(format!("--account {number} is not KEY:SECRET[:USD]")),
            }
        }
        accounts
    }

    pub(super) fn exchange(
        &self,
        file: &ExchangeSection,
        problems: &mut Vec<String>,
    ) -> ExchangeConfig {
        let defaults = ExchangeConfig::default();
        let mut number = |name: &str, flag: Option<Decimal>, in_file, default, max| {
            let value = flag.or(in_file).unwrap_or(default);
            if value < Decimal::ZERO || value > max {
                problems.push(format!("--{name} {value} must be between 0 and {max}"));
            }
            value
        };
        let participation_max = self.participation_max.or(file.participation_max);
        let part = participation_max.unwrap_or_default();
        number("participation-max", Some(part), None, part, Decimal::ONE);
        ExchangeConfig {
            cash: number("cash", self.cash, file.cash, defaults.cash, CASH_MAX),
            fee_bps_crypto: number(
                "fee-bps-crypto",
                self.fee_bps_crypto,
                file.fee_bps_crypto,
                defaults.fee_bps_crypto,
                BPS_MAX,
            ),
            half_spread_bps_stocks: number(
                "half-spread-bps-stocks",
                self.half_spread_bps_stocks,
                file.half_spread_bps_stocks,
                defaults.half_spread_bps_stocks,
                BPS_MAX,
            ),
            half_spread_bps_crypto: number(
                "half-spread-bps-crypto",
                self.half_spread_bps_crypto,
                file.half_spread_bps_crypto,
                defaults.half_spread_bps_crypto,
                BPS_MAX,
            ),
            fee_bps_stock_sales: number(
                "fee-bps-stock-sales",
                self.fee_bps_stock_sales,
                file.fee_bps_stock_sales,
                defaults.fee_bps_stock_sales,
                BPS_MAX,
            ),
            impact_bps: number(
                "impact-bps",
                self.impact_bps,
                file.impact_bps,
                defaults.impact_bps,
                BPS_MAX,
            ),
            borrow_bps_year: number(
                "borrow-bps-year",
                self.borrow_bps_year,
                file.borrow_bps_year,
                defaults.borrow_bps_year,
                BORROW_BPS_MAX,
            ),
            order_value_min: file.order_value_min.unwrap_or(defaults.order_value_min),
            short_equity_min: file.short_equity_min.unwrap_or(defaults.short_equity_min),
            shorting_enabled: file.shorting_enabled.unwrap_or(defaults.shorting_enabled),
            participation_max: participation_max.filter(|part| !part.is_zero()),
            seed: self.seed.or(file.seed).unwrap_or(SEED_DEFAULT),
        }
    }
}
