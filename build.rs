//! Finds out which commit is built, for `verigrad --version`: from the crate's package, else from the
//! repository that a release is built in. Without either, the version stands alone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    // A debug build would be built anew after each commit, for one line.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = packaged(&root).or_else(|| {
        let found = is_release.then(|| checked_out(&root)).flatten()?;
        for file in &found.files {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        Some(found.commit)
    });
    let version = match commit {
        Some(commit) => format!("{version} ({})", &commit[..commit.len().min(12)]),
        None => version,
    };
    println!("cargo::rustc-env=VERIGRAD_VERSION={version}");
}

/// The commit that `cargo package` wrote into the crate.
fn packaged(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    rest.split('"').nth(1).and_then(hash)
}

/// A commit that is checked out, and the files that change when another one is.
struct Found {
    commit: String,
    files: Vec<PathBuf>,
}

/// The commit of the repository that `root` is the root of.
fn checked_out(root: &Path) -> Option<Found> {
    let dot_git = root.join(".git");
    // In a work tree beside the repository, it is a file that says where the rest is.
    let git = match fs::read_to_string(&dot_git) {
        Ok(text) => root.join(text.strip_prefix("gitdir:")?.trim()),
        Err(_) => dot_git,
    };
    let common = match fs::read_to_string(git.join("commondir")) {
        Ok(text) => git.join(text.trim()),
        Err(_) => git.clone(),
    };
    let head = git.join("HEAD");
    let text = fs::read_to_string(&head).ok()?;
    let Some(reference) = text.trim().strip_prefix("ref: ") else {
        return Some(Found { commit: hash(&text)?, files: vec![head] });
    };
    let (loose, packed) = (common.join(reference), common.join("packed-refs"));
    let commit = match fs::read_to_string(&loose) {
        Ok(text) => hash(&text),
        Err(_) => {
            let text = fs::read_to_string(&packed).ok()?;
            let line = text.lines().find_map(|line| line.strip_suffix(reference));
            hash(line?)
        }
    };
    // The log tells of each commit, also of the first one behind packed references.
    let files = [head, git.join("logs/HEAD"), loose, packed];
    let files = files.into_iter().filter(|file| file.exists()).collect();
    Some(Found { commit: commit?, files })
}

/// The hash of a commit, where the text is one.
fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    fn commit(root: &Path) -> Option<String> {
        checked_out(root).map(|found| found.commit)
    }

    #[test]
    fn the_commit_of_a_repository_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        assert_eq!(commit(root), None, "no repository");
        write(&root.join(".git/HEAD"), "ref: refs/heads/main\n");
        assert_eq!(commit(root), None, "no commit yet");
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/main\n");
        write(&root.join(".git/packed-refs"), &packed);
        assert_eq!(commit(root).as_deref(), Some(COMMIT));
        let other = COMMIT.replace('0', "f");
        write(&root.join(".git/refs/heads/main"), &format!("{other}\n"));
        assert_eq!(commit(root), Some(other), "newer than what is packed");
        write(&root.join(".git/HEAD"), &format!("{COMMIT}\n"));
        assert_eq!(commit(root).as_deref(), Some(COMMIT), "no branch");
        // A work tree beside it.
        let tree = root.join("tree");
        write(&tree.join(".git"), "gitdir: ../.git/worktrees/tree\n");
        write(&root.join(".git/worktrees/tree/HEAD"), "ref: refs/heads/main\n");
        write(&root.join(".git/worktrees/tree/commondir"), "../..\n");
        assert_eq!(commit(&tree), Some(COMMIT.replace('0', "f")));
        write(&root.join(".git/HEAD"), "nonsense\n");
        assert_eq!(commit(root), None);
    }

    #[test]
    fn the_commit_of_a_package_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(".cargo_vcs_info.json");
        assert_eq!(packaged(folder.path()), None);
        let text = format!(
            "{{\n  \"git\": {{\n    \"sha1\": \"{COMMIT}\"\n  }},\n  \"path_in_vcs\": \"\"\n}}"
        );
        write(&file, &text);
        assert_eq!(packaged(folder.path()).as_deref(), Some(COMMIT));
        write(&file, "{ \"git\": {} }");
        assert_eq!(packaged(folder.path()), None);
    }
}
