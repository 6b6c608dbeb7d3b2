//! `inspect --wgsl`: kernels as files, and what keeps them from being written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use verigrad::compile::Program;

use super::{fails, stderr, stdout, verigrad};

/// Few examples on the first GPU, with the best guesses: nothing is run.
const INSPECT: [&str; 10] = [
    "inspect",
    "digits",
    "--device",
    "0",
    "--picks",
    "none",
    "--set",
    "data.train_size=64",
    "--set",
    "data.test_size=64",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    INSPECT.iter().chain(more).copied().collect()
}

/// The texts of all files of a folder, by name.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let text = |path| fs::read_to_string(path).expect("a text");
    entries.map(|e| (e.file_name().to_string_lossy().into_owned(), text(e.path()))).collect()
}

fn validate(name: &str, text: &str) {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|error| format!("{name}: {}", error.emit_to_string(text)))
        .expect("WGSL");
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all());
    let validated = validator.validate(&module);
    validated.map_err(|error| format!("{name}: {}", error.emit_to_string(text))).expect("valid");
}

#[test]
fn kernels_are_written_as_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = verigrad(folder.path(), &with(&["--json"]));
    let program: Program = serde_json::from_slice(&output.stdout).expect("a Program");
    let output = verigrad(folder.path(), &with(&["--wgsl", "out/kernels"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let line = format!("{} kernels in out/kernels", program.kernels.len());
    assert!(stdout(&output).contains(&line), "no {line} in {}", stdout(&output));

    let kernels = folder.path().join("out/kernels");
    let mut files = contents(&kernels);
    let index = files.remove("index.txt").expect("an index");
    let mut bodies: Vec<&str> = Vec::new();
    for (name, text) in &files {
        validate(name, text);
        assert!(index.contains(name.as_str()), "no {name} in:\n{index}");
        let (header, body) = text.split_once("\n\n").expect("a header");
        assert!(header.lines().all(|line| line.starts_with("//")), "{header}");
        bodies.push(body);
    }
    let mut expected: Vec<&str> = program.kernels.iter().map(|k| k.source.as_str()).collect();
    bodies.sort_unstable();
    expected.sort_unstable();
    assert!(bodies == expected, "the texts are not those that the device compiles");
    let dispatches = index.lines().filter(|line| line.ends_with(".wgsl")).count();
    assert_eq!(dispatches, program.dispatch_count());

    let conv = files.iter().find(|(name, _)| name.contains("-conv1-conv2d-"));
    let (_, conv) = conv.expect("a convolution");
    for part in [
        "// conv2d, variant ",
        "attributes  {",
        "input 1     f32",
        "binding 0   input ",
        "workgroups",
    ] {
        assert!(conv.contains(part), "no {part:?} in:\n{conv}");
    }
    // Every step that runs a kernel is named in its file.
    for (index, step) in program.steps.iter().enumerate() {
        for dispatch in &step.dispatches {
            let source = &program.kernels[dispatch.kernel].source;
            let text = files.values().find(|text| text.ends_with(source)).expect("a file");
            let caller = format!("step {index}, {}\n", step.scope);
            assert!(text.contains(&caller), "no {caller} in:\n{text}");
        }
    }

    // Again, over files of an earlier call: of a longer step, with one more.
    let stale = "999-conv9-conv2d-tiled-1.wgsl";
    fs::write(kernels.join(stale), "").expect("a file");
    fails(folder.path(), &with(&["--wgsl", "out/kernels"]), 1, &[stale, "new or an empty folder"]);
    fs::write(kernels.join("index.txt"), format!("{index} {stale}\n")).expect("a file");
    let output = verigrad(folder.path(), &with(&["--wgsl", "out/kernels"]));
    assert!(output.status.success(), "{}", stderr(&output));
    files.insert("index.txt".to_owned(), index);
    assert!(contents(&kernels) == files, "the same files again");
}

#[test]
fn what_keeps_kernels_from_being_written_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let mut cpu = with(&["--wgsl", "kernels"]);
    cpu[3] = "cpu";
    fails(folder, &cpu, 2, &["--wgsl", "runs no WGSL", "GPU", "verigrad devices"]);
    assert!(!folder.join("kernels").exists());
    fs::write(folder.join("a-file"), "mine").expect("a file");
    fails(folder, &with(&["--wgsl", "a-file"]), 1, &["a-file", "is a file"]);
    fails(
        folder,
        &with(&["--wgsl", "a-file/kernels"]),
        1,
        &["a-file/kernels", "cannot be written"],
    );
    fs::create_dir(folder.join("mine")).expect("a folder");
    fs::write(folder.join("mine/thesis.txt"), "mine").expect("a file");
    fails(folder, &with(&["--wgsl", "mine"]), 1, &["thesis.txt", "new or an empty folder"]);
    assert_eq!(contents(&folder.join("mine")).len(), 1, "nothing is written beside it");
    fails(folder, &with(&["--wgsl", "kernels", "--json"]), 2, &["--wgsl", "--json"]);
}
