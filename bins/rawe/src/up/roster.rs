//! Who votes in this run: the founding five or the configured roster, plus one agent for each
//! `--profile`; and the configuration file that says so to all processes. A voter on the roster
//! that is neither a founder nor has a profile is somebody else's program and is not started here.

use std::path::{Path, PathBuf};

use agents::read_profile;
use anyhow::Context as _;
use rawe_agent::Profile;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{Roster, RosterAgent};
use rawe_runtime::{ConfigProblems, load_section};
use toml::{Table, Value};

use crate::run_folder::RunFolder;
use crate::up::demo;
use crate::up::options::UpArgs;

/// One agent to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentPlan {
    /// Its id, which is its name in logs.
    pub(crate) id: String,
    /// The word after `rawe run`.
    pub(crate) command: &'static str,
    /// Its profile, unless it is a founder with the built-in one.
    pub(crate) profile: Option<PathBuf>,
}

/// Who votes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RosterPlan {
    /// All voters.
    pub(crate) roster: Roster,
    /// Those to start here.
    pub(crate) agents: Vec<AgentPlan>,
    /// Votes needed.
    pub(crate) quorum: usize,
    /// The configuration file for all processes.
    pub(crate) config: Option<PathBuf>,
    /// Its content; empty without one.
    pub(crate) table: Table,
    /// Whether the demo's own settings are part of it.
    pub(crate) is_demo: bool,
}

/// Reads configuration and profiles; writes a configuration of the run if there are extra agents, or
/// if the demo is played.
pub(crate) fn plan(args: &UpArgs, folder: &RunFolder) -> anyhow::Result<RosterPlan> {
    let config = args.config.as_deref().map(absolute).transpose()?;
    let mut roster: Roster = load_section(config.as_deref(), "roster")?;
    if roster.is_empty() {
        roster = Roster::default();
    }
    let mut table = read_table(config.as_deref())?;
    let mut profiles = configured_files(&table, config.as_deref(), "profiles");
    let universe = configured_files(&table, config.as_deref(), "universe");
    let mut problems = Vec::new();
    for path in &args.profile {
        let path = absolute(path)?;
        match read_profile(&path) {
            Ok(profile) => join(&mut roster, &profile),
            Err(ConfigProblems(more)) => problems.extend(more),
        }
        profiles.push(path);
    }
    if !problems.is_empty() {
        return Err(ConfigProblems(problems).into());
    }
    let quorum = quorum(&table, roster.len());
    let agents = agents(&roster, &profiles);
    let is_demo = demo::is_demo(args, &table);
    if is_demo {
        demo::add(&mut table)?;
    }
    let config = if args.profile.is_empty() && !is_demo {
        config
    } else {
        let path = folder.file("rawe.toml");
        if !args.profile.is_empty() || config.is_some() {
            extend(&mut table, &roster, &profiles, &universe)?;
        }
        std::fs::write(&path, table.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
        Some(path)
    };
    Ok(RosterPlan {
        roster,
        agents,
        quorum,
        config,
        table,
        is_demo,
    })
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("finding {}", path.display()))
}

fn read_table(config: Option<&Path>) -> anyhow::Result<Table> {
    let Some(path) = config else {
        return Ok(Table::new());
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let table = toml::from_str(&text)
        .map_err(|error| ConfigProblems(vec![format!("{}: {error}", path.display())]))?;
    Ok(table)
}

/// Files that the configuration names for the agents; relative paths start at its folder.
fn configured_files(table: &Table, config: Option<&Path>, key: &str) -> Vec<PathBuf> {
    let base = config
        .and_then(Path::parent)
        .unwrap_or_else(|| Path::new("."));
    let named = table.get("agents").and_then(|agents| agents.get(key));
    named
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|path| base.join(path))
        .collect()
}

/// Adds the profile's agent to the roster, unless it is on it.
fn join(roster: &mut Roster, profile: &Profile) {
    if roster.by_id(&profile.id).is_none() {
        let (id, name) = (profile.id.clone(), profile.name.clone());
        roster.0.push(RosterAgent::new(id, name));
    }
}

fn quorum(table: &Table, voters: usize) -> usize {
    let configured = table
        .get("consensus")
        .and_then(|consensus| consensus.get("quorum"));
    configured
        .and_then(Value::as_integer)
        .and_then(|quorum| usize::try_from(quorum).ok())
        .unwrap_or(voters / 2 + 1)
}

fn agents(roster: &Roster, profiles: &[PathBuf]) -> Vec<AgentPlan> {
    let with_profile: Vec<(String, &PathBuf)> = profiles
        .iter()
        .filter_map(|path| {
            read_profile(path)
                .ok()
                .map(|read| (read.id.to_string(), path))
        })
        .collect();
    roster
        .0
        .iter()
        .filter_map(|agent| {
            let id = agent.id.to_string();
            let profile = with_profile
                .iter()
                .find(|(of, _)| *of == id)
                .map(|(_, path)| *path);
            let founder = FOUNDING_AGENTS.iter().find(|(founder, _)| *founder == id);
            let command = match (founder, profile) {
                (Some((founder, _)), _) => founder,
                (None, Some(_)) => "agent",
                (None, None) => return None,
            };
            Some(AgentPlan {
                id,
                command,
                profile: profile.cloned(),
            })
        })
        .collect()
}

/// Writes roster, profiles and tables of names into the configuration.
fn extend(
    table: &mut Table,
    roster: &Roster,
    profiles: &[PathBuf],
    universe: &[PathBuf],
) -> anyhow::Result<()> {
    let roster = Value::try_from(roster).context("writing the roster")?;
    table.insert("roster".to_owned(), roster);
    let listed = |files: &[PathBuf]| {
        let paths = files
            .iter()
            .map(|path| path.to_string_lossy().into_owned().into());
        Value::Array(paths.collect())
    };
    let agents = table
        .entry("agents")
        .or_insert_with(|| Value::Table(Table::new()));
    if let Some(agents) = agents.as_table_mut() {
        agents.insert("profiles".to_owned(), listed(profiles));
        if !universe.is_empty() {
            agents.insert("universe".to_owned(), listed(universe));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: UpArgs,
    }

    fn planned(given: &[&str], base: &Path) -> anyhow::Result<RosterPlan> {
        let args = Only::parse_from(std::iter::once("up").chain(given.iter().copied())).args;
        plan(
            &args,
            &RunFolder {
                path: base.to_owned(),
            },
        )
    }

    fn sixth(base: &Path) -> String {
        let founder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../config/personalities/balanced-arbitrator.toml"
        );
        let text = std::fs::read_to_string(founder)
            .unwrap()
            .replace("id = \"balanced-arbitrator\"", "id = \"my-agent\"")
            .replace("name = \"The Balanced Arbitrator\"", "name = \"Mine\"");
        let path = base.join("mine.toml");
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn without_anything_the_founding_five_vote_with_a_quorum_of_three() {
        let base = tempfile::tempdir().unwrap();
        let planned = planned(&[], base.path()).unwrap();
        assert_eq!(planned.roster, Roster::default());
        assert_eq!((planned.quorum, planned.is_demo), (3, true));
        let settings = std::fs::read_to_string(planned.config.unwrap()).unwrap();
        assert!(settings.contains("participation_max"), "{settings}");
        let commands: Vec<_> = planned.agents.iter().map(|agent| agent.command).collect();
        assert_eq!(commands, FOUNDING_AGENTS.map(|(id, _)| id));
    }

    #[test]
    fn a_sixth_agent_is_on_the_roster_of_all_processes() {
        let base = tempfile::tempdir().unwrap();
        let profile = sixth(base.path());
        let config = base.path().join("mine-rawe.toml");
        std::fs::write(&config, "[consensus]\nquorum = 5\n").unwrap();
        let config = config.to_string_lossy().into_owned();
        let planned = planned(&["--profile", &profile, "--config", &config], base.path()).unwrap();
        assert_eq!((planned.roster.len(), planned.quorum), (6, 5));
        let own = planned.agents.last().unwrap();
        assert_eq!((own.id.as_str(), own.command), ("my-agent", "agent"));
        let written = planned.config.unwrap();
        let read: Roster = load_section(Some(&written), "roster").unwrap();
        assert_eq!(read, planned.roster);
        let text = std::fs::read_to_string(&written).unwrap();
        assert!(text.contains("quorum = 5") && text.contains("mine.toml"));
    }

    #[test]
    fn a_voter_without_a_profile_is_not_ours_to_start() {
        let base = tempfile::tempdir().unwrap();
        let config = base.path().join("rawe.toml");
        let text = "[[roster]]\nid = \"python-one\"\nname = \"Python\"\n\
                    [[roster]]\nid = \"flux-follower\"\nname = \"The Flux Follower\"\n";
        std::fs::write(&config, text).unwrap();
        let config = config.to_string_lossy().into_owned();
        let planned = planned(&["--config", &config], base.path()).unwrap();
        assert_eq!(planned.roster.len(), 2);
        assert_eq!(planned.agents.len(), 1);
        assert_eq!(planned.quorum, 2);
    }
}
