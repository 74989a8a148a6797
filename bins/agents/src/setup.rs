//! What an agent is told at its start: arguments, the `[agents]` section of `rawe.toml`, profiles.
//! Everything wrong with them is reported at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use rawe_agent::{CollectiveRules, Profile, VoterConfig};
use rawe_core::Roster;
use rawe_narrative::SentimentModel;
use rawe_narrative::linking::Universe;
use rawe_runtime::{CommonArgs, ConfigProblems, load_section, read_signing_key};
use serde::Deserialize;

use crate::signer::Signer;
use crate::tone_model::read_tone_model;

/// The name of the model of tone that needs no file.
const LEXICON: &str = "lexicon";

/// The arguments of an agent.
#[derive(Args, Clone, Debug)]
pub struct AgentArgs {
    /// What all processes take.
    #[command(flatten)]
    pub common: CommonArgs,

    /// Personality to run, a TOML file as in config/personalities
    #[arg(long, value_name = "FILE", env = "RAWE_PROFILE")]
    pub profile: Option<PathBuf>,

    /// Days of history the agent must have seen before it speaks [default: 120]
    #[arg(long, value_name = "DAYS", env = "RAWE_WARMUP_DAYS")]
    pub warmup_days: Option<u32>,

    /// Sign votes with this private key, a PEM file that only you can read; or with AGENT.pem in
    /// this folder. `rawe keys new` makes one
    #[arg(long, value_name = "FILE", env = "RAWE_SIGNING_KEY_FILE")]
    pub signing_key: Option<PathBuf>,

    /// Name of the deployment for which votes are signed: the consensus engine's
    #[arg(
        long,
        value_name = "NAME",
        env = "RAWE_DEPLOYMENT",
        default_value = "local"
    )]
    pub deployment: String,

    /// Keep no snapshot, and use none: rebuild the state from the whole history at every start
    #[arg(long, env = "RAWE_NO_SNAPSHOT")]
    pub no_snapshot: bool,
}

impl AgentArgs {
    /// What signs this agent's messages; `None` when no key was given.
    ///
    /// # Errors
    /// A key that cannot be used.
    pub(crate) fn signer(&self, agent: &str) -> Result<Option<Signer>, ConfigProblems> {
        // An empty variable, as compose files leave them, is no file.
        let given = self.signing_key.as_deref();
        let Some(path) = given.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(None);
        };
        let key = read_signing_key(path, agent)?;
        Ok(Some(Signer::new(key, &self.deployment)))
    }

    /// Whether snapshots are kept and used.
    ///
    /// # Errors
    /// The problems of the configuration file.
    pub fn snapshots_kept(&self) -> Result<bool, ConfigProblems> {
        let section: AgentsSection = section_of(self, "agents")?;
        Ok(section.snapshot && !self.no_snapshot)
    }
}

/// The `[agents]` section of `rawe.toml`. It must be the same for all agents of a collective, so
/// that they agree on which class of assets is open.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentsSection {
    /// Days of history an agent must have seen before it speaks, 0..=3650.
    pub warmup_days: u32,
    /// Profile files of roster agents that are not founding ones, or replace one; relative paths
    /// start at the configuration file's folder.
    pub profiles: Vec<PathBuf>,
    /// Tables of names by which texts speak of assets, besides the shipped ones; relative paths start
    /// at the configuration file's folder.
    pub universe: Vec<PathBuf>,
    /// What scores the tone of texts: `lexicon`, or a file of `rawe train`, a relative path of which
    /// starts at the configuration file's folder.
    pub tone_model: String,
    /// Whether an agent keeps a snapshot of its state in Redis, and starts from it.
    pub snapshot: bool,
    /// How the collective's paper record is kept; without a quorum here, that of `[consensus]`.
    pub collective: CollectiveRules,
}

impl Default for AgentsSection {
    fn default() -> Self {
        Self {
            warmup_days: 120,
            profiles: Vec::new(),
            universe: Vec::new(),
            tone_model: LEXICON.to_owned(),
            snapshot: true,
            collective: CollectiveRules::default(),
        }
    }
}

/// The one key of the `[consensus]` section an agent needs; the others are the engine's.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct ConsensusQuorum {
    #[serde(default)]
    quorum: Option<usize>,
}

/// Longest warm-up accepted, days.
const WARMUP_DAYS_MAX: u32 = 3_650;

/// Reads a profile file.
///
/// # Errors
/// All problems of the file, each with its name.
pub fn read_profile(path: &Path) -> Result<Profile, ConfigProblems> {
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigProblems(vec![format!("cannot read the profile {file}: {error}")])
    })?;
    Profile::from_toml(&text).map_err(|error| {
        let problems = error.problems();
        ConfigProblems(
            problems
                .into_iter()
                .map(|problem| format!("{file}: {problem}"))
                .collect(),
        )
    })
}

/// The profile to run: the file given; for a founding agent else the one of `rawe.toml` with its
/// id; else the embedded one.
///
/// # Errors
/// All problems of the file; a founding agent whose file has another id; no profile at all.
pub fn load_profile(founding: Option<&str>, args: &AgentArgs) -> Result<Profile, ConfigProblems> {
    if let Some(path) = args
        .profile
        .as_deref()
        .filter(|path| !path.as_os_str().is_empty())
    {
        let profile = read_profile(path)?;
        return match founding {
            Some(id) if profile.id.as_str() != id => Err(ConfigProblems(vec![format!(
                "{}: id is {}, but this is {id}; start rawe-agent for another personality",
                path.display(),
                profile.id
            )])),
            _ => Ok(profile),
        };
    }
    let Some(id) = founding else {
        return Err(ConfigProblems(vec![
            "no profile given; set --profile FILE".to_owned(),
        ]));
    };
    let configured = configured_profiles(args).unwrap_or_default();
    configured
        .into_iter()
        .find(|profile| profile.id.as_str() == id)
        .or_else(|| Profile::founding_by_id(id))
        .ok_or_else(|| ConfigProblems(vec![format!("there is no founding agent '{id}'")]))
}

/// The voter's configuration for a profile.
///
/// # Errors
/// All problems of the configuration file and of the profiles it names.
pub fn load_voter(profile: Profile, args: &AgentArgs) -> Result<VoterConfig, ConfigProblems> {
    let mut problems = Vec::new();
    let section: AgentsSection = kept(section_of(args, "agents"), &mut problems);
    let roster: Roster = kept(section_of(args, "roster"), &mut problems);
    let consensus: ConsensusQuorum = kept(section_of(args, "consensus"), &mut problems);
    let configured = kept(profiles_of(&section, args), &mut problems);
    let mut rules = section.collective;
    rules.quorum = rules.quorum.or(consensus.quorum);
    problems.extend(
        rules
            .problems()
            .into_iter()
            .map(|problem| format!("agents.collective.{problem}")),
    );
    let warmup_days = args.warmup_days.unwrap_or(section.warmup_days);
    if warmup_days > WARMUP_DAYS_MAX {
        problems.push(format!(
            "warm-up of {warmup_days} days; it must be at most {WARMUP_DAYS_MAX} (--warmup-days \
             or agents.warmup_days)"
        ));
    }
    // Sections share the whole file's problems: tell each once.
    let mut told: Vec<String> = Vec::new();
    problems.retain(|problem| {
        let new = !told.contains(problem);
        if new {
            told.push(problem.clone());
        }
        new
    });
    if !problems.is_empty() {
        return Err(ConfigProblems(problems));
    }
    let collective = collective_of(&roster, &configured);
    if roster.by_id(&profile.id).is_none() {
        tracing::warn!(
            event = "agent_not_on_roster",
            agent = %profile.id,
            "{} is not on the roster: the consensus engine will refuse its votes",
            profile.id
        );
    }
    Ok(VoterConfig {
        profile,
        collective,
        rules,
        warmup_days,
    })
}

/// The names by which texts speak of assets: the shipped tables and those of `agents.universe`.
///
/// # Errors
/// Files that cannot be read, and the first bad line of them.
pub(crate) fn load_universe(args: &AgentArgs) -> Result<Arc<Universe>, ConfigProblems> {
    let section: AgentsSection = section_of(args, "agents")?;
    if section.universe.is_empty() {
        return Ok(Universe::shipped());
    }
    let folder = args.common.config.as_deref().and_then(Path::parent);
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    for path in &section.universe {
        let path = folder.map_or_else(|| path.clone(), |folder| folder.join(path));
        let title = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => tables.push((title, text)),
            Err(error) => problems.push(format!("cannot read agents.universe {title}: {error}")),
        }
    }
    if !problems.is_empty() {
        return Err(ConfigProblems(problems));
    }
    let tables: Vec<(&str, &str)> = tables
        .iter()
        .map(|(title, text)| (title.as_str(), text.as_str()))
        .collect();
    Universe::shipped_with(&tables)
        .map(Arc::new)
        .map_err(|error| ConfigProblems(vec![error.to_string()]))
}

/// The model of tone of `agents.tone_model`; `None` is the lexicon.
///
/// # Errors
/// A file that cannot be read or is no model.
pub(crate) fn load_tone_model(
    args: &AgentArgs,
) -> Result<Option<Arc<dyn SentimentModel>>, ConfigProblems> {
    let section: AgentsSection = section_of(args, "agents")?;
    if section.tone_model == LEXICON {
        return Ok(None);
    }
    let folder = args.common.config.as_deref().and_then(Path::parent);
    let path = folder.unwrap_or(Path::new("")).join(&section.tone_model);
    let model = read_tone_model(&path).map_err(|error| {
        ConfigProblems(vec![format!(
            "cannot use agents.tone_model: {error:#}; or write \"lexicon\""
        )])
    })?;
    Ok(Some(model))
}

/// The personalities of the roster, as far as they are known: a voter in another language has no
/// profile, and the paper record does without it.
fn collective_of(roster: &Roster, configured: &[Profile]) -> Vec<Profile> {
    let known = |id: &str| {
        let own = configured
            .iter()
            .find(|profile| profile.id.as_str() == id)
            .cloned();
        own.or_else(|| Profile::founding_by_id(id))
    };
    let collective: Vec<Profile> = roster
        .0
        .iter()
        .filter_map(|agent| known(agent.id.as_str()))
        .collect();
    if collective.len() < roster.len() {
        tracing::warn!(
            event = "collective_incomplete",
            known = collective.len(),
            roster = roster.len(),
            "some roster agents have no profile here (agents.profiles): the paper record that \
             opens classes of assets does without their votes"
        );
    }
    collective
}

fn section_of<T>(args: &AgentArgs, section: &str) -> Result<T, ConfigProblems>
where
    T: serde::de::DeserializeOwned + Default,
{
    load_section(args.common.config.as_deref(), section)
}

fn configured_profiles(args: &AgentArgs) -> Result<Vec<Profile>, ConfigProblems> {
    profiles_of(&section_of(args, "agents")?, args)
}

fn profiles_of(section: &AgentsSection, args: &AgentArgs) -> Result<Vec<Profile>, ConfigProblems> {
    let folder = args.common.config.as_deref().and_then(Path::parent);
    let mut problems = Vec::new();
    let mut profiles = Vec::new();
    for path in &section.profiles {
        let path = folder.map_or_else(|| path.clone(), |folder| folder.join(path));
        match read_profile(&path) {
            Ok(profile) => profiles.push(profile),
            Err(ConfigProblems(more)) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        Ok(profiles)
    } else {
        Err(ConfigProblems(problems))
    }
}

fn kept<T: Default>(result: Result<T, ConfigProblems>, problems: &mut Vec<String>) -> T {
    result.unwrap_or_else(|ConfigProblems(more)| {
        problems.extend(more);
        T::default()
    })
}

#[cfg(test)]
mod tests;
