//! Before anything is started, every process is asked to check its configuration, so that a person
//! is told all problems at once, of all processes.

use rawe_runtime::ConfigProblems;
use tokio::process::Command;

use crate::up::supervisor::{ChildPlan, EXIT_BAD_CONFIGURATION};

/// Asks all of them.
///
/// # Errors
/// [`ConfigProblems`] with every problem, each once.
pub(crate) async fn check(children: &[ChildPlan]) -> anyhow::Result<()> {
    let mut problems: Vec<String> = Vec::new();
    for child in children {
        let answer = Command::new(&child.program)
            .args(&child.arguments)
            .envs(child.variables.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
            .env_remove(rawe_runtime::LIFELINE_VARIABLE)
            .output()
            .await?;
        if answer.status.code() == Some(EXIT_BAD_CONFIGURATION) {
            for problem in problems_of(&String::from_utf8_lossy(&answer.stderr)) {
                // Sections are read by several processes, which then say the same.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigProblems(problems).into())
    }
}

/// The problems a process wrote: `name: bad configuration: problem`, or a list below a heading.
fn problems_of(text: &str) -> Vec<String> {
    let listed: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .map(str::to_owned)
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let alone = text
        .split_once("bad configuration: ")
        .map_or(text, |(_, problem)| problem);
    vec![alone.trim().to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_or_many() {
        let one = "market-feed: bad configuration: feed.nwes: unknown field\n";
        assert_eq!(problems_of(one), ["feed.nwes: unknown field"]);
        let two = "x: bad configuration, 2 problems:\n  - a is 9\n  - b is 0\n";
        assert_eq!(problems_of(two), ["a is 9", "b is 0"]);
    }
}
