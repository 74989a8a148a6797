//! The users of Redis: from the template in `config/redis` to a file that Redis reads, and one URL
//! file for each user. Only hashes of the passwords stand in the former.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use rawe_core::Roster;
use ring::digest::{SHA256, digest};

use super::RedisArgs;
use super::files::{PRIVATE, PUBLIC, make_folder, random, write_new};
use super::make::roster_of;

const TEMPLATE: &str = include_str!("../../../../config/redis/users.acl");
/// The file that Redis reads.
const ACL_FILE: &str = "users.acl";

/// Users and passwords in one folder.
pub(super) fn redis(args: &RedisArgs) -> anyhow::Result<()> {
    let roster = roster_of(args.config.as_deref())?;
    make_folder(&args.out)?;
    make(args, &roster, |user| args.out.join(format!("{user}.url")))?;
    println!(
        "redis-server --aclfile {0}/{ACL_FILE}\n\
         Each process: --redis-url @{0}/<process>.url, as in\n  \
         consensus-engine --redis-url @{0}/consensus-engine.url\n  \
         rawe status --redis-url @{0}/reader.url",
        args.out.display()
    );
    Ok(())
}

/// Makes the file for Redis and each user's URL file, `place`d by name.
pub(super) fn make(
    args: &RedisArgs,
    roster: &Roster,
    place: impl Fn(&str) -> PathBuf,
) -> anyhow::Result<()> {
    let mut acl = String::new();
    for line in lines(roster, &args.channel) {
        let Some(user) = line.split(' ').nth(1).filter(|_| line.contains(PASSWORD)) else {
            acl += &format!("{line}\n");
            continue;
        };
        let password = HEXLOWER.encode(&random::<24>()?);
        let hash = HEXLOWER.encode(digest(&SHA256, password.as_bytes()).as_ref());
        acl += &format!("{}\n", line.replace(PASSWORD, &format!("#{hash}")));
        let url = format!("redis://{user}:{password}@{}\n", args.address);
        let file = place(user);
        if let Some(folder) = file.parent() {
            make_folder(folder)?;
        }
        write_new(&file, &url, PRIVATE)?;
    }
    let folder = place("redis");
    let folder = folder.parent().unwrap_or(&args.out);
    make_folder(folder)?;
    write_new(&folder.join(ACL_FILE), &acl, PUBLIC)
}

const PASSWORD: &str = "{password}";

/// The template's lines without comments, one for each agent.
fn lines(roster: &Roster, channel: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in TEMPLATE.lines() {
        let line = line.replace("{channel}", channel);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.contains("{agent}") {
            let agents = roster.0.iter();
            lines.extend(agents.map(|agent| line.replace("{agent}", agent.id.as_str())));
        } else {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voter_has_a_line_and_nothing_is_left_open() {
        let lines = lines(&Roster::default(), "votes");
        assert_eq!(lines.len(), 5 + 5);
        assert_eq!(lines.first().map(String::as_str), Some("user default off"));
        for line in &lines[1..] {
            assert!(line.contains(" on {password} resetchannels ") && line.contains(" -@all "));
            assert!(
                !line.contains("{agent}") && !line.contains("{channel}"),
                "{line}"
            );
            assert!(!line.contains("+@") && !line.contains(" ~"), "{line}");
            let speaks = line.contains("+publish");
            assert!(!speaks || !line.contains("+subscribe"), "{line}");
            assert_eq!(speaks, line.contains("rawe:snapshot:"), "{line}");
        }
    }
}
