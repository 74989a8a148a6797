//! The figures of `rawe bench path`: each part of each run, and the ratios of engine to relay.

use serde::Serialize;

use super::load::Sent;
use super::subject::Kind;

/// One part of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Part {
    messages: u64,
    rounds: u64,
    /// Rounds that ended without an order.
    lost: u64,
    messages_a_second: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    /// Processor time for each message, microseconds, where the system tells.
    cpu_us: Option<f64>,
}

impl Part {
    pub(super) fn of(sent: &Sent, processor_secs: Option<f64>) -> Self {
        let at = |share: f64| {
            let count = sent.latencies.len();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rank between 1 and the count"
            )]
            let rank = (count as f64 * share).ceil() as usize;
            let value = sent.latencies.get(rank.clamp(1, count.max(1)) - 1);
            value.map_or(0.0, |nanos| *nanos as f64 / 1e3)
        };
        let messages = sent.messages.max(1) as f64;
        Self {
            messages: sent.messages,
            rounds: sent.rounds,
            lost: sent.rounds.saturating_sub(sent.decided),
            messages_a_second: messages / sent.elapsed.as_secs_f64().max(1e-9),
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
            cpu_us: processor_secs.map(|secs| secs * 1e6 / messages),
        }
    }
}

/// One run of one subject.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SubjectRun {
    pub(super) paced: Part,
    pub(super) flat: Part,
    pub(super) slow: Part,
    pub(super) held: Part,
    pub(super) peak_kib: Option<u64>,
    pub(super) duplicates: u64,
    pub(super) early: u64,
}

impl SubjectRun {
    /// One line while it goes on.
    pub(super) fn line(&self) -> String {
        format!(
            "p50 {:.0} us, p99 {:.0} us; flat out {:.0} messages/s at {:.1} us; broker late: p50 {:.0} us; lost {}",
            self.paced.p50_us,
            self.paced.p99_us,
            self.flat.messages_a_second,
            self.flat.cpu_us.unwrap_or(0.0),
            self.slow.p50_us,
            self.lost()
        )
    }

    fn lost(&self) -> u64 {
        self.paced.lost + self.flat.lost + self.slow.lost + self.held.lost
    }
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PathReport {
    rate: f64,
    votes: u8,
    durability: &'static str,
    relay: Vec<SubjectRun>,
    engine: Vec<SubjectRun>,
}

/// One row of the table: its name, and the figure in a run.
type Row = (&'static str, fn(&SubjectRun) -> f64);

const ROWS: [Row; 9] = [
    ("publish to order, p50, us", |run| run.paced.p50_us),
    ("publish to order, p99, us", |run| run.paced.p99_us),
    ("CPU a message, paced, us", |run| {
        run.paced.cpu_us.unwrap_or(0.0)
    }),
    ("messages/s, flat out", |run| run.flat.messages_a_second),
    ("CPU a message, flat out, us", |run| {
        run.flat.cpu_us.unwrap_or(0.0)
    }),
    ("p50 with a broker 20 ms late, us", |run| run.slow.p50_us),
    ("CPU with 5,000 held proposals, us", |run| {
        run.held.cpu_us.unwrap_or(0.0)
    }),
    ("peak memory, MiB", |run| {
        run.peak_kib.unwrap_or(0) as f64 / 1024.0
    }),
    ("rounds lost", |run| run.lost() as f64),
];

impl PathReport {
    pub(super) fn new(rate: f64, votes: u8, durability: &'static str) -> Self {
        Self {
            rate,
            votes,
            durability,
            relay: Vec::new(),
            engine: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, kind: Kind, run: SubjectRun) {
        match kind {
            Kind::Relay => self.relay.push(run),
            Kind::Engine => self.engine.push(run),
        }
    }

    /// Medians [least .. most] of both, and the median ratio of runs that followed each other.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} messages/s, {} votes a round, journal {}, {} runs in turn\n\n{:<36} {:>26} {:>26} {:>8} {:>10}\n",
            self.rate,
            self.votes,
            self.durability,
            self.engine.len(),
            "median [least .. most]",
            "relay",
            "engine",
            "ratio",
            "best ratio"
        );
        for (name, figure) in ROWS {
            let relay: Vec<f64> = self.relay.iter().map(figure).collect();
            let engine: Vec<f64> = self.engine.iter().map(figure).collect();
            let pairs = relay.iter().zip(&engine);
            let ratios: Vec<f64> = pairs.map(|(relay, engine)| engine / relay).collect();
            text += &format!(
                "{name:<36} {:>26} {:>26} {:>8.2} {:>10.2}\n",
                spread(&relay),
                spread(&engine),
                median(&ratios),
                least(&engine) / least(&relay)
            );
        }
        let held: Vec<f64> = self.engine.iter().filter_map(held_ratio).collect();
        let late = self
            .engine
            .iter()
            .map(|run| run.slow.p50_us / run.paced.p50_us);
        let late: Vec<f64> = late.collect();
        let wrong: u64 = self
            .engine
            .iter()
            .map(|run| run.duplicates + run.early)
            .sum();
        text += &format!(
            "\nengine with 5,000 held proposals: {:.2} times its CPU without\n\
             engine with a broker 20 ms late: {:.2} times its p50 without\n\
             orders twice or without a quorum: {wrong}\n",
            median(&held),
            median(&late)
        );
        text
    }
}

fn held_ratio(run: &SubjectRun) -> Option<f64> {
    Some(run.held.cpu_us? / run.flat.cpu_us?)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    let values = sorted(values);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(values: &[f64]) -> f64 {
    sorted(values).first().copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> String {
    let values = sorted(values);
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return "-".to_owned();
    };
    let middle = values.get(values.len() / 2).unwrap_or(first);
    let digits = usize::from(*middle < 100.0);
    format!("{middle:.digits$} [{first:.digits$} .. {last:.digits$}]")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ranks_and_ratios_are_what_they_say() {
        let sent = Sent {
            messages: 300,
            rounds: 100,
            decided: 98,
            elapsed: Duration::from_secs(2),
            latencies: (1..=98).map(|n| n * 1_000).collect(),
        };
        let part = Part::of(&sent, Some(0.003));
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
        assert!(
            part.lost == 2 && near(part.messages_a_second, 150.0),
            "{part:?}"
        );
        assert!(
            near(part.p50_us, 49.0) && near(part.p99_us, 98.0),
            "{part:?}"
        );
        assert!(near(part.max_us, 98.0) && part.cpu_us.is_some_and(|us| near(us, 10.0)));
        let run = SubjectRun {
            paced: part.clone(),
            flat: part.clone(),
            slow: part.clone(),
            held: part,
            peak_kib: Some(2048),
            duplicates: 0,
            early: 0,
        };
        let mut report = PathReport::new(1000.0, 3, "written");
        report.add(Kind::Relay, run.clone());
        report.add(Kind::Engine, run);
        let table = report.table();
        assert!(
            table.contains("1.00") && table.contains("without a quorum: 0"),
            "{table}"
        );
    }
}
