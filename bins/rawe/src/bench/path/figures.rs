//! The figures of `rawe bench path`: each part of each run, and the ratios to the relay's.

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
    relay: Vec<SubjectRun>,
    compared: Vec<Compared>,
}

/// The runs of what is measured beside the relay: the engine in one mode of its journal, or the
/// relay of the packages.
#[derive(Clone, Debug, Serialize)]
struct Compared {
    subject: String,
    runs: Vec<SubjectRun>,
    /// Of it to the relay, by figure.
    ratios: Vec<Ratio>,
}

/// How many times the relay's figure another one's is.
#[derive(Clone, Debug, Serialize)]
struct Ratio {
    figure: &'static str,
    /// The middle one of the runs that followed each other; missing where the relay has nothing.
    median: Option<f64>,
    /// Best run to best run.
    best: Option<f64>,
}

/// One row of the table: its name, the figure in a run, and whether more of it is better.
struct Row {
    name: &'static str,
    figure: fn(&SubjectRun) -> Option<f64>,
    more_is_better: bool,
}

impl Row {
    const fn less(name: &'static str, figure: fn(&SubjectRun) -> Option<f64>) -> Self {
        Self {
            name,
            figure,
            more_is_better: false,
        }
    }

    fn of(&self, runs: &[SubjectRun]) -> Vec<f64> {
        let figures = runs.iter().map(|run| (self.figure)(run));
        figures.map(|value| value.unwrap_or(f64::NAN)).collect()
    }

    fn best(&self, values: &[f64]) -> Option<f64> {
        let values = sorted(values);
        let best = if self.more_is_better {
            values.last()
        } else {
            values.first()
        };
        best.copied()
    }

    fn ratio(&self, relay: &[SubjectRun], other: &[SubjectRun]) -> Ratio {
        let (relay, other) = (self.of(relay), self.of(other));
        let pairs = relay.iter().zip(&other);
        let ratios: Vec<f64> = pairs.map(|(relay, other)| other / relay).collect();
        let best = self.best(&other).zip(self.best(&relay));
        let finite = |value: f64| value.is_finite().then_some(value);
        Ratio {
            figure: self.name,
            median: median(&ratios).and_then(finite),
            best: best.and_then(|(other, relay)| finite(other / relay)),
        }
    }
}

const ROWS: [Row; 9] = [
    Row::less("publish to order, p50, us", |run| Some(run.paced.p50_us)),
    Row::less("publish to order, p99, us", |run| Some(run.paced.p99_us)),
    Row::less("CPU a message, paced, us", |run| run.paced.cpu_us),
    Row {
        name: "messages/s, flat out",
        figure: |run| Some(run.flat.messages_a_second),
        more_is_better: true,
    },
    Row::less("CPU a message, flat out, us", |run| run.flat.cpu_us),
    Row::less("p50 with a broker 20 ms late, us", |run| {
        Some(run.slow.p50_us)
    }),
    Row::less("CPU with 5,000 held proposals, us", |run| run.held.cpu_us),
    Row::less("peak memory, MiB", |run| {
        Some(run.peak_kib? as f64 / 1024.0)
    }),
    Row::less("rounds lost", |run| Some(run.lost() as f64)),
];

impl PathReport {
    pub(super) fn new(rate: f64, votes: u8) -> Self {
        Self {
            rate,
            votes,
            relay: Vec::new(),
            compared: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, kind: Kind, run: SubjectRun) {
        if kind == Kind::Relay {
            return self.relay.push(run);
        }
        let subject = kind.to_string();
        let place = self.compared.iter().position(|of| of.subject == subject);
        match place.and_then(|place| self.compared.get_mut(place)) {
            Some(compared) => compared.runs.push(run),
            None => self.compared.push(Compared {
                subject,
                runs: vec![run],
                ratios: Vec::new(),
            }),
        }
        for compared in &mut self.compared {
            let rows = ROWS.iter();
            let ratios = rows.map(|row| row.ratio(&self.relay, &compared.runs));
            compared.ratios = ratios.collect();
        }
    }

    /// For each subject medians [least .. most] of the relay and of it, and their ratios.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} messages/s, {} votes a round, {} runs in turn; median [least .. most]\n",
            self.rate,
            self.votes,
            self.relay.len()
        );
        for compared in &self.compared {
            text += &format!(
                "\n{:<34} {:>23} {:>23} {:>7} {:>7}\n",
                compared.subject, "the relay", "this", "ratio", "of best"
            );
            for (row, ratio) in ROWS.iter().zip(&compared.ratios) {
                text += &format!(
                    "{:<34} {:>23} {:>23} {:>7} {:>7}\n",
                    row.name,
                    spread(&row.of(&self.relay)),
                    spread(&row.of(&compared.runs)),
                    times(ratio.median),
                    times(ratio.best)
                );
            }
            text += &compared.closing();
        }
        text
    }
}

impl Compared {
    /// What it is compared with itself, and what must not be.
    fn closing(&self) -> String {
        let held: Vec<f64> = self.runs.iter().filter_map(held_ratio).collect();
        let runs = self.runs.iter();
        let late: Vec<f64> = runs.map(|run| run.slow.p50_us / run.paced.p50_us).collect();
        let runs = self.runs.iter();
        let wrong: u64 = runs.map(|run| run.duplicates + run.early).sum();
        format!(
            "with 5,000 held proposals {} times its own CPU, with a broker 20 ms late {} times its \
             own p50;\norders twice or without a quorum: {wrong}\n",
            times(median(&held)),
            times(median(&late))
        )
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn held_ratio(run: &SubjectRun) -> Option<f64> {
    Some(run.held.cpu_us? / run.flat.cpu_us?)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> Option<f64> {
    let values = sorted(values);
    values.get(values.len() / 2).copied()
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
        let mut report = PathReport::new(1000.0, 3);
        let mut faster = run.clone();
        faster.flat.messages_a_second *= 2.0;
        faster.paced.p50_us /= 2.0;
        report.add(Kind::Relay, run.clone());
        report.add(Kind::Engine("written"), run.clone());
        report.add(Kind::Engine("synced"), run.clone());
        report.add(Kind::Relay, run.clone());
        report.add(Kind::Engine("written"), faster);
        report.add(Kind::Engine("synced"), run.clone());
        report.add(Kind::Packages, run);
        let table = report.table();
        assert!(
            table.contains("journal written") && table.contains("journal synced"),
            "{table}"
        );
        assert!(table.contains("relay of the packages"), "{table}");
        assert!(table.contains("without a quorum: 0"), "{table}");
        let written = &report.compared[0];
        assert_eq!(written.runs.len(), 2);
        let best = |place: usize| written.ratios[place].best.unwrap();
        // The best is the least time, and the most messages.
        assert!(near(best(0), 0.5) && near(best(3), 2.0), "{table}");
        assert!(near(report.compared[1].ratios[0].best.unwrap(), 1.0));
        assert!(report.compared[1].ratios[8].best.unwrap() > 0.99);
    }
}
