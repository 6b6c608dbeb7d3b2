//! What README and the pages of docs/ show: commands parse, and those that take no training are run;
//! recipes parse; links lead somewhere.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use verigrad::train::Recipe;

/// A Markdown file of the repository.
struct Document {
    /// Path from the root of the repository.
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path));
        Self { text: text.unwrap_or_else(|error| panic!("{}: {error}", path.display())), path }
    }

    /// The blocks of a language, with the lines that the text has between its fences.
    fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut inside = None;
        for line in self.text.lines() {
            match (line.strip_prefix("```"), inside.as_mut()) {
                (Some(_), Some((found, block))) => {
                    if *found == language {
                        blocks.push(std::mem::take(block));
                    }
                    inside = None;
                }
                (Some(found), None) => inside = Some((found, String::new())),
                (None, Some((_, block))) => *block += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        blocks
    }

    /// The text without its blocks.
    fn prose(&self) -> String {
        let mut in_block = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.starts_with("```");
            in_block ^= fence;
            !fence && !in_block
        });
        outside.collect::<Vec<_>>().join("\n")
    }

    /// The commands in `sh` blocks, without comments and where their output goes.
    fn commands(&self) -> Vec<Vec<String>> {
        let lines = self.blocks("sh").join("");
        lines
            .lines()
            .map(|line| words(line.split(['#', '>']).next().unwrap_or_default()))
            .filter(|words| !words.is_empty())
            .collect()
    }

    /// Code within sentences.
    fn code_spans(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Targets of links and pictures, without those to other servers.
    fn relative_links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
    }

    /// The anchors of its headings, as forges make them.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of docs/.
fn pages() -> Vec<Document> {
    let folder = fs::read_dir(root().join("docs")).expect("docs/ is part of the repository");
    let names = folder.map(|entry| entry.expect("its entries can be read").file_name());
    let mut paths: Vec<PathBuf> = names.map(|name| Path::new("docs").join(name)).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.into_iter().map(Document::read).collect()
}

/// README and the pages of docs/: what users read.
fn manuals() -> Vec<Document> {
    std::iter::once(Document::read("README.md")).chain(pages()).collect()
}

/// What those read who work on the code, and the list of changes.
fn others() -> [Document; 3] {
    ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(Document::read)
}

/// The arguments of a command that runs the binary.
fn arguments(command: &[String]) -> Option<Vec<String>> {
    match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cargo", "run", "--release"] => Some(Vec::new()),
        ["cargo", "run", "--release", "--", ..] => Some(command[4..].to_vec()),
        ["verigrad", ..] => Some(command[1..].to_vec()),
        [variable, ..] if variable.contains('=') => arguments(&command[1..]),
        _ => None,
    }
}

/// Runs the binary in an empty folder and demands success.
fn run(args: &[String]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder.path())
        .env_remove("VERIGRAD_DATA")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Demands that arguments parse: the last one asks for help, so that nothing is done.
fn parse(args: &[String]) {
    run(&[args, &["--help".to_owned()]].concat());
}

#[test]
fn the_commands_of_the_readme_exist() {
    let mut seen = 0;
    for command in Document::read("README.md").commands() {
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
                parse(&args);
            }
        }
    }
    assert!(seen >= 8, "README shows {seen} commands of the binary");
}

#[test]
fn the_commands_of_all_pages_parse() {
    let commands = |document: &Document| {
        let spans = document.code_spans();
        let spans = spans.iter().map(|span| words(span)).filter(|words| words.len() > 1);
        let all: Vec<_> = document.commands().into_iter().chain(spans).collect();
        all.iter().filter_map(|command| arguments(command)).collect::<Vec<_>>()
    };
    let documents = manuals().into_iter().chain([Document::read("CONTRIBUTING.md")]);
    let all: BTreeSet<Vec<String>> = documents.flat_map(|document| commands(&document)).collect();
    for args in &all {
        // A span may name a command without saying which one.
        if args.first().is_some_and(|name| name != "COMMAND") {
            parse(args);
        }
    }
    assert!(all.len() >= 40, "the pages show {} commands of the binary", all.len());
}

/// What sections belong to on a page that shows no whole recipe before them.
const SOME_RECIPE: &str = r#"
name = "some"
epochs = 10
batch_size = 64
data = { dataset = "cifar10", validation = 0.1, normalization = "per-channel" }
optimizer = { type = "adamw", learning_rate = 1e-3 }
layers = [{ type = "flatten" }, { type = "dense" }]
"#;

/// A block is a recipe, or sections of the recipe before it on the page: others, or in the place of its own.
#[test]
fn the_recipes_of_all_pages_parse() {
    let mut seen = 0;
    for document in manuals() {
        let mut recipe = SOME_RECIPE.to_owned();
        for block in document.blocks("toml") {
            seen += 1;
            let is_whole = block.starts_with("name = ");
            let mut whole = table(&recipe);
            whole.extend(table(&block));
            let text = if is_whole { block } else { whole.to_string() };
            let origin = document.path.display().to_string();
            if let Err(error) = Recipe::parse(&origin, &text, &[]) {
                panic!("{error}\n{text}");
            }
            if is_whole {
                recipe = text;
            }
        }
    }
    assert!(seen > 0, "the pages show no recipe");
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Files and folders of the repository, which pages name in code spans, without `.rs` at times. Those
/// of the op that CONTRIBUTING adds as an example are not there.
#[test]
fn the_files_that_pages_name_are_there() {
    const FOLDERS: [&str; 8] =
        ["assets/", "benches/", "docs/", "examples/", "scripts/", "shaders/", "src/", "tests/"];
    let is_path = |span: &str| {
        FOLDERS.iter().any(|folder| span.starts_with(folder))
            && !span.contains([' ', '*', '{', '\n'])
            && !span.contains("square")
    };
    let mut missing = Vec::new();
    for document in manuals().into_iter().chain(others()) {
        let spans = document.code_spans();
        for path in spans.iter().filter(|span| is_path(span)) {
            let exists = |path: &str| root().join(path).exists();
            if !exists(path) && !exists(&format!("{path}.rs")) {
                missing.push(format!("{}: {path}", document.path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "there is no such file:\n{}", missing.join("\n"));
}

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    for document in manuals().into_iter().chain(others()) {
        for link in document.relative_links() {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = document.path.parent().unwrap_or(Path::new(""));
            let target = if path.is_empty() { document.path.clone() } else { folder.join(path) };
            let has_heading = |target| Document::read(target).anchors().contains(heading);
            if !root().join(&target).exists() || !(heading.is_empty() || has_heading(target)) {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// The messages that the page on troubles goes by are what the program says: each part between the names and
/// numbers, which are dots there, is in its text.
#[test]
fn the_messages_of_the_page_on_troubles_are_said() {
    let mut sources = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src/ is part of the repository") {
            let path = entry.expect("its entries can be read").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => {
                    sources += &fs::read_to_string(path).expect("a source");
                }
                _ => {}
            }
        }
    }
    // A text that goes on in the next line, and words that are chosen.
    let said = sources.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = Document::read("docs/troubleshooting.md");
    let prose = page.prose();
    let paragraphs = prose.split("\n\n").map(|text| text.replace('\n', " "));
    let messages: Vec<String> = paragraphs
        .filter_map(|text| Some(text.strip_prefix("**`")?.split_once("`**")?.0.to_owned()))
        .collect();
    assert!(messages.len() >= 20, "{} messages", messages.len());
    let mut unknown = Vec::new();
    for message in &messages {
        for part in message.split("...") {
            let part = part.trim_matches(|c: char| !c.is_alphanumeric());
            if !said.contains(part) {
                unknown.push(format!("{message}: {part}"));
            }
        }
    }
    assert!(unknown.is_empty(), "nothing says:\n{}", unknown.join("\n"));
}
