//! README's commands: each one parses, and those that take no training are run.

use std::process::Command;

use verigrad::train::Recipe;

/// The commands in README's `sh` blocks, without comments.
fn commands() -> Vec<Vec<String>> {
    let readme = include_str!("../README.md");
    let mut in_shell = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            in_shell = line == "```sh";
        } else if in_shell {
            let code = line.split('#').next().unwrap_or_default();
            let words: Vec<String> = code.split_whitespace().map(str::to_owned).collect();
            if !words.is_empty() {
                commands.push(words);
            }
        }
    }
    commands
}

/// The arguments of a command that runs the binary.
fn arguments(command: &[String]) -> Option<Vec<String>> {
    match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cargo", "run", "--release"] => Some(Vec::new()),
        ["cargo", "run", "--release", "--", ..] => Some(command[4..].to_vec()),
        ["verigrad", ..] => Some(command[1..].to_vec()),
        _ => None,
    }
}

#[test]
fn the_commands_of_the_readme_exist() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |args: &[String]| {
        let output = Command::new(env!("CARGO_BIN_EXE_verigrad"))
            .args(args)
            .current_dir(folder.path())
            .env_remove("VERIGRAD_DATA")
            .output()
            .expect("the binary starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let mut seen = 0;
    for command in commands() {
        let Some(args) = arguments(&command) else {
            let known =
                ["cargo install --path .", "scripts/test", "cargo bench", "cargo run --example"];
            let text = command.join(" ");
            assert!(known.iter().any(|k| text.starts_with(k)), "what is {text:?}?");
            continue;
        };
        seen += 1;
        match args.first().map(String::as_str) {
            Some("summary" | "inspect" | "devices" | "recipes") => run(&args),
            // Training takes too long here: the name must exist, and the flags must parse.
            None => {}
            Some(subcommand) => {
                if subcommand == "train"
                    && let Some(name) = args.get(1).filter(|name| !name.starts_with("--"))
                {
                    Recipe::builtin(name, &[]).expect("a built-in recipe");
                }
                let mut with_help = args.clone();
                with_help.push("--help".to_owned());
                run(&with_help);
            }
        }
    }
    assert!(seen >= 8, "README shows {seen} commands of the binary");
}
