//! Making keys: one, or one for everybody with a configuration that demands them.

use std::collections::BTreeMap;
use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::Context as _;
use rawe_core::signing::{KEY_BYTES, PublicKey, SigningKey};
use rawe_core::{AgentId, Roster, RosterAgent};
use rawe_runtime::load_section;
use toml::{Table, Value};

use super::files::{PRIVATE, PUBLIC, make_folder, random, write_new};
use super::redis_users;
use super::{AllArgs, InitArgs, NewArgs};

/// Who may resume, reduce and flatten; no voter may have this id.
pub(super) const OPERATOR: &str = "operator";
/// The configuration that is made.
const CONFIG_FILE: &str = "rawe.toml";

/// One new key.
pub(super) fn new(args: &NewArgs) -> anyhow::Result<()> {
    AgentId::new(&args.agent)?;
    make_folder(&args.out)?;
    let path = args.out.join(format!("{}.pem", args.agent));
    let public = make_key(&path)?;
    println!("{}  key id {}", path.display(), public.id());
    if args.agent == OPERATOR {
        println!("For [consensus] of rawe.toml, beside those that are there:\n");
        println!("operator_keys = [\"{public}\"]");
    } else {
        println!(
            "For the [[roster]] table of {} in rawe.toml, beside the old key until the agent runs \
             with the new one:\n",
            args.agent
        );
        println!("public_keys = [\"{public}\"]");
    }
    Ok(())
}

/// Keys for everybody in one folder.
pub(super) fn all(args: &AllArgs) -> anyhow::Result<()> {
    let roster = roster_of(args.config.as_deref())?;
    make_folder(&args.out)?;
    let place = |name: &str| args.out.join(format!("{name}.pem"));
    let config = args.out.join(CONFIG_FILE);
    make_all(&roster, args.config.as_deref(), place, &config)?;
    println!(
        "{} private keys are in {}; {} has the public ones and demands signatures.\n\
         Every agent: --signing-key {}   Engine and agents: the same --deployment\n\
         All at once: RAWE_SIGNING_KEY_FILE={} rawe up --config {}",
        roster.len() + 1,
        args.out.display(),
        config.display(),
        args.out.display(),
        args.out.display(),
        config.display()
    );
    Ok(())
}

/// Everything for a first start; nothing if it is there.
pub(super) fn init(args: &InitArgs) -> anyhow::Result<()> {
    let out = &args.redis.out;
    let config = out.join("config").join(CONFIG_FILE);
    if config.exists() {
        println!("{} is there: nothing to do", config.display());
        return Ok(());
    }
    let roster = roster_of(args.redis.config.as_deref())?;
    let place = |name: &str| out.join(name).join(format!("{name}.pem"));
    for name in names(&roster) {
        make_folder(&out.join(name))?;
    }
    make_folder(&out.join("config"))?;
    // The configuration is written last: half a start begins again, and says what is in the way.
    redis_users::make(&args.redis, &roster, |user| {
        out.join(user).join("redis.url")
    })?;
    make_all(&roster, args.redis.config.as_deref(), place, &config)?;
    if let Some(owner) = &args.owner {
        give_away(out, owner)?;
    }
    println!("keys, users of Redis and {} are made", config.display());
    Ok(())
}

fn names(roster: &Roster) -> Vec<&str> {
    let voters = roster.0.iter().map(|agent| agent.id.as_str());
    voters.chain([OPERATOR]).collect()
}

/// The roster of a configuration, or the founding one.
pub(super) fn roster_of(config: Option<&Path>) -> anyhow::Result<Roster> {
    let listed: Vec<RosterAgent> = load_section(config, "roster")?;
    let roster = if listed.is_empty() {
        Roster::default()
    } else {
        Roster(listed)
    };
    anyhow::ensure!(
        !names(&roster)
            .split_last()
            .is_some_and(|(_, voters)| voters.contains(&OPERATOR)),
        "a voter on the [[roster]] is called '{OPERATOR}'; give it another id"
    );
    Ok(roster)
}

fn make_key(path: &Path) -> anyhow::Result<PublicKey> {
    let seed = random::<KEY_BYTES>()?;
    write_new(path, &SigningKey::pem_of_seed(&seed), PRIVATE)?;
    Ok(SigningKey::from_seed(&seed)?.public().clone())
}

fn make_all(
    roster: &Roster,
    old: Option<&Path>,
    place: impl Fn(&str) -> std::path::PathBuf,
    config: &Path,
) -> anyhow::Result<()> {
    let mut keys = BTreeMap::new();
    for name in names(roster) {
        keys.insert(name.to_owned(), make_key(&place(name))?);
    }
    let text = configuration(roster, old, &keys)?;
    write_new(config, &text, PUBLIC)
}

/// The configuration with everybody's keys in it, and signatures demanded.
fn configuration(
    roster: &Roster,
    old: Option<&Path>,
    keys: &BTreeMap<String, PublicKey>,
) -> anyhow::Result<String> {
    let mut table = match old {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?
        }
        None => Table::new(),
    };
    let consensus = table
        .entry("consensus")
        .or_insert_with(|| Value::Table(Table::new()));
    if let (Some(consensus), Some(operator)) = (consensus.as_table_mut(), keys.get(OPERATOR)) {
        consensus.insert("auth".to_owned(), "required".into());
        let operators = vec![Value::from(operator.to_string())];
        consensus.insert("operator_keys".to_owned(), Value::Array(operators));
    }
    let voters = roster.0.iter().map(|agent| {
        let mut voter = Table::new();
        voter.insert("id".to_owned(), agent.id.as_str().into());
        voter.insert("name".to_owned(), agent.name.as_str().into());
        if let Some(key) = keys.get(agent.id.as_str()) {
            voter.insert("public_key".to_owned(), key.to_string().into());
        }
        Value::Table(voter)
    });
    table.insert("roster".to_owned(), Value::Array(voters.collect()));
    Ok(format!(
        "# Made by `rawe keys`: every vote and every word of the operator must be signed.\n{table}"
    ))
}

/// Gives everything below `folder` to another user.
fn give_away(folder: &Path, owner: &str) -> anyhow::Result<()> {
    let ids = owner.split_once(':').and_then(|(user, group)| {
        let ids: (u32, u32) = (user.parse().ok()?, group.parse().ok()?);
        Some(ids)
    });
    let (user, group) =
        ids.with_context(|| format!("--owner '{owner}': use two numbers, as in 10001:10001"))?;
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            give_away(&path, owner)?;
        }
        chown(&path, Some(user), Some(group))
            .with_context(|| format!("giving {} to {owner}", path.display()))?;
    }
    Ok(())
}
