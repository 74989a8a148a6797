//! The repository's own texts, as the tidy tests read them.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of ours.
pub(super) struct Source {
    /// Relative to the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// The numbered lines that are neither comments nor below the file's own tests.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The workspace's folder.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A manifest, parsed; an empty one if there is none.
pub(super) fn manifest(path: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(path)).unwrap_or_default();
    toml::from_str(&text).unwrap()
}

/// All Rust sources of the workspace.
pub(super) fn rust_sources() -> Vec<Source> {
    let sources = collect(&["crates", "bins", "tests"], &["rs"]);
    assert!(sources.len() > 50, "only {} sources found", sources.len());
    sources
}

/// All texts of the workspace that people edit.
pub(super) fn text_sources() -> Vec<Source> {
    let folders = ["crates", "bins", "tests", "config", "docs", ".ci"];
    let mut sources = collect(&folders, &["rs", "toml", "md", "sh", "yml", "py", ""]);
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Dockerfile",
        "rawe.sh",
    ] {
        let text = fs::read_to_string(root().join(name)).unwrap_or_default();
        sources.push(Source {
            path: name.to_owned(),
            text,
        });
    }
    sources
}

fn collect(folders: &[&str], extensions: &[&str]) -> Vec<Source> {
    let root = root();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if path.is_dir() && name != "target" {
                waiting.push(path);
                continue;
            }
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            if extensions.contains(&extension) {
                let path = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
