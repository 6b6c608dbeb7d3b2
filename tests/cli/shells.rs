//! What shells and systems want of a program: completions, manual pages, a version.

use super::*;

/// The build script, whose own tests run here.
#[path = "../../build.rs"]
#[expect(dead_code, reason = "cargo calls it")]
#[allow(clippy::print_stdout, reason = "so it speaks with cargo")]
mod build_script;

#[test]
fn every_shell_gets_its_completions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (shell, part) in [
        ("bash", "complete -F _verigrad"),
        ("zsh", "#compdef verigrad"),
        ("fish", "complete -c verigrad"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[verigrad]"),
    ] {
        // What is asked for is printed also where there is to be silence.
        let output = verigrad(folder.path(), &["completions", shell, "--quiet"]);
        let script = stdout(&output);
        assert!(output.status.success() && script.contains(part), "{shell}: {}", stderr(&output));
        for word in ["cross-validate", "set-grid"] {
            assert!(script.contains(word), "{shell} completes no {word}");
        }
        assert!(!script.contains("\\u{"), "{shell}: nothing is escaped");
    }
    fails(folder.path(), &["completions", "cmd"], 2, &["bash", "zsh"]);
}

/// bash itself completes: a command, and an option of it.
#[cfg(unix)]
#[test]
fn bash_takes_its_script() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = stdout(&verigrad(folder.path(), &["completions", "bash"]));
    fs::write(folder.path().join("script.sh"), script).expect("a file");
    let ask = "source ./script.sh; COMP_WORDS=(verigrad cross-v); COMP_CWORD=1; _verigrad verigrad cross-v \
               verigrad; echo ${COMPREPLY[@]}; COMP_WORDS=(verigrad sweep --set-g); COMP_CWORD=2; \
               _verigrad verigrad --set-g sweep; echo ${COMPREPLY[@]}";
    let output = Command::new("bash").args(["-c", ask]).current_dir(folder.path()).output();
    let output = output.expect("bash is there");
    assert_eq!(stdout(&output), "cross-validate\n--set-grid\n", "{}", stderr(&output));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = verigrad(folder.path(), &["man", "pages/man1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let pages = folder.path().join("pages/man1");
    let read = |name: &str| fs::read_to_string(pages.join(name)).expect(name);
    assert!(read("verigrad.1").contains(".TH verigrad 1") && read("verigrad.1").contains("sweep"));
    assert!(read("verigrad-train.1").contains("resume"), "{}", read("verigrad-train.1"));
    // Commands below commands, too.
    assert!(read("verigrad-weights-export.1").contains("verigrad weights export"));
    let count = fs::read_dir(&pages).expect("a folder").count();
    assert!(stdout(&output).starts_with(&format!("{count} pages in")), "{}", stdout(&output));
    assert!(!pages.join("verigrad-help.1").exists());
    fs::write(folder.path().join("file"), "").expect("a file");
    fails(folder.path(), &["man", "file/man1"], 1, &["file/man1"]);
}

#[test]
fn the_version_may_name_its_commit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = stdout(&verigrad(folder.path(), &["--version"]));
    let version = format!("verigrad {}", env!("CARGO_PKG_VERSION"));
    let rest = told.trim_end().strip_prefix(&version).expect("name and version");
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    let is_hash = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
    assert!(rest.is_empty() || commit.is_some_and(is_hash), "{told}");
}
