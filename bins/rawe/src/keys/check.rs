//! Looking at keys: what a private file's public half is, and whether configuration and files fit.

use std::path::Path;

use rawe_consensus::ConsensusConfig;
use rawe_core::signing::{Authentication, PublicKey};
use rawe_runtime::{ConfigProblems, load_section, read_signing_key};
use serde_json::json;

use super::make::{OPERATOR, roster_of};
use super::{CheckArgs, ShowArgs};

/// Prints the public halves.
pub(super) fn show(args: &ShowArgs) -> anyhow::Result<()> {
    for file in &args.files {
        let key = read_signing_key(file, "")?;
        let (public, id) = (key.public(), key.public().id());
        if args.json {
            let shown = json!({"file": file, "public_key": public, "key_id": id});
            println!("{shown}");
        } else {
            println!("{}  public_key = \"{public}\"  key id {id}", file.display());
        }
    }
    Ok(())
}

/// One owner of keys.
struct Owner {
    name: String,
    keys: Vec<PublicKey>,
    /// Whether the private file fits; `None` without a file to look at.
    fits: Option<bool>,
}

/// Checks a configuration's keys, and the private files when a folder is given.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let config = Some(args.config.as_path());
    let roster = roster_of(config)?;
    let consensus: ConsensusConfig = load_section(config, "consensus")?;
    let mut problems = consensus.check(&roster).err().unwrap_or_default();
    let voters = roster
        .0
        .iter()
        .map(|agent| (agent.id.to_string(), agent.keys()));
    let operator = (OPERATOR.to_owned(), consensus.operator_keys.clone());
    let mut owners = Vec::new();
    for (name, keys) in voters.chain([operator]) {
        let fits = args
            .keys
            .as_deref()
            .and_then(|folder| fits(folder, &name, &keys, &mut problems));
        owners.push(Owner { name, keys, fits });
    }
    tell(args.json, consensus.auth, &owners, &problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigProblems(problems).into())
    }
}

fn fits(folder: &Path, name: &str, keys: &[PublicKey], problems: &mut Vec<String>) -> Option<bool> {
    let file = folder.join(format!("{name}.pem"));
    if !file.exists() {
        return None;
    }
    match read_signing_key(&file, name) {
        Ok(key) if keys.contains(key.public()) => return Some(true),
        Ok(key) => problems.push(format!(
            "{} has the public key {}, which {name} does not have in the configuration; add it to \
             its public_keys",
            file.display(),
            key.public()
        )),
        Err(ConfigProblems(more)) => problems.extend(more),
    }
    Some(false)
}

fn tell(json: bool, auth: Authentication, owners: &[Owner], problems: &[String]) {
    if json {
        let owners = owners.iter().map(|owner| {
            let ids = owner.keys.iter().map(PublicKey::id);
            json!({"name": owner.name, "key_ids": ids.collect::<Vec<_>>(), "file_fits": owner.fits})
        });
        let owners: Vec<_> = owners.collect();
        println!(
            "{}",
            json!({"auth": auth, "owners": owners, "problems": problems})
        );
        return;
    }
    for owner in owners {
        let ids: Vec<&str> = owner.keys.iter().map(PublicKey::id).collect();
        let keys = if ids.is_empty() {
            "no key".to_owned()
        } else {
            ids.join(", ")
        };
        let file = match owner.fits {
            Some(true) => "; its private file fits",
            Some(false) => "; its private file does not fit",
            None => "",
        };
        println!("{:<24} {keys}{file}", owner.name);
    }
    let auth = match auth {
        Authentication::Off => "off: signatures are not looked at",
        Authentication::Optional => "optional: who has a key must sign",
        Authentication::Required => "required: everybody must sign",
    };
    println!("consensus.auth is {auth}");
}
