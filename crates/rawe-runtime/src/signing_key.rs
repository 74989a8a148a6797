//! Secrets in files: private keys to sign with, and bus URLs that hold a password. A file that
//! others can read is refused, so that a key which was laid out carelessly is not used for long.

use std::path::{Path, PathBuf};

use rawe_core::signing::SigningKey;
use secrecy::{ExposeSecret, SecretString};

use crate::ConfigProblems;

/// The mode bits of everybody but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Reads a private key: a PEM file as `rawe keys` makes it or, if `path` is a folder, the file
/// `<name>.pem` in it.
///
/// # Errors
/// When it cannot be read, can be read by others, or holds no Ed25519 key; with what to do.
pub fn read_signing_key(path: &Path, name: &str) -> Result<SigningKey, ConfigProblems> {
    let file = key_file(path, name);
    let text = read_secret(&file).map_err(|problem| {
        ConfigProblems(vec![format!(
            "cannot use the signing key {}: {problem}",
            file.display()
        )])
    })?;
    SigningKey::from_pem(text.expose_secret()).map_err(|error| {
        ConfigProblems(vec![format!(
            "cannot use the signing key {}: {error}",
            file.display()
        )])
    })
}

fn key_file(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() {
        path.join(format!("{name}.pem"))
    } else {
        path.to_owned()
    }
}

/// A Redis URL as given on a command line or in a variable; `@FILE` stands for the file's text, so
/// that its password is in no list of processes and in no environment.
///
/// # Errors
/// When the file cannot be read, or can be read by others.
pub fn redis_url(text: &str) -> Result<String, String> {
    let Some(file) = text.strip_prefix('@') else {
        return Ok(text.to_owned());
    };
    let secret =
        read_secret(Path::new(file)).map_err(|problem| format!("cannot read {file}: {problem}"))?;
    Ok(secret.expose_secret().trim().to_owned())
}

fn read_secret(file: &Path) -> Result<SecretString, String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(format!(
                "others can read or write it (mode {mode:04o}); run: chmod 600 {}",
                file.display()
            ));
        }
    }
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    Ok(SecretString::from(text))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_read_from_a_private_file_or_a_folder_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flux-follower.pem");
        let pem = SigningKey::pem_of_seed(&[3; 32]);
        write(&file, &pem).unwrap();
        set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let error = read_signing_key(&file, "x").unwrap_err().to_string();
        assert!(
            error.contains("0640") && error.contains("chmod 600"),
            "{error}"
        );
        set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let by_file = read_signing_key(&file, "x").unwrap();
        let by_folder = read_signing_key(folder.path(), "flux-follower").unwrap();
        assert_eq!(by_file.public(), by_folder.public());
        let absent = read_signing_key(folder.path(), "x")
            .unwrap_err()
            .to_string();
        assert!(absent.contains("x.pem"), "{absent}");
        write(&file, "no key").unwrap();
        let error = read_signing_key(&file, "x").unwrap_err().to_string();
        assert!(
            error.contains("rawe keys new") && !error.contains("no key,"),
            "{error}"
        );
    }

    #[test]
    fn a_url_may_lie_in_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engine.url");
        let given = format!("@{}", file.display());
        assert!(redis_url(&given).is_err(), "absent");
        write(&file, "redis://engine:secret@redis:6379\n").unwrap();
        set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(redis_url(&given).unwrap_err().contains("chmod"));
        set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            redis_url(&given).unwrap(),
            "redis://engine:secret@redis:6379"
        );
        assert_eq!(redis_url("redis://h").unwrap(), "redis://h");
        assert_eq!(redis_url("").unwrap(), "");
    }
}
