//! The rooms of `src/ops/` and `shaders/`: each op in the folder of its family, in files whose
//! names say what is in them.

use std::collections::BTreeSet;

use verigrad::ops::entries;

use super::{files, read, relative, report};

/// Folders of `src/ops/` and of `shaders/`: those of ops, and what ops are made with.
const FAMILIES: &[&str] = &[
    "elementwise",
    "batch",
    "norm",
    "product",
    "rows",
    "loss",
    "pool",
    "resize",
    "layout",
    "update",
    "analysis",
    "kit",
];
/// Files of `src/ops/` beside the families.
const BESIDE: &[&str] = &["mod.rs", "registry.rs"];
/// Folders of `shaders/` beside the families: pieces for all of them, and what is no op.
const SHADERS_BESIDE: &[&str] = &["common", "bench", "probe"];
/// Words of file names, each with others for the same that are not used.
const ONE_WORD: &[(&str, &[&str])] = &[("cpu", &["host"]), ("gpu", &["lowering", "lowerings"])];
/// Files that include a shader of another family, each with the shader and the reason.
const BORROWED: &[(&str, &str, &str)] = &[
    ("loss/accuracy.rs", "rows/argmax.wgsl", "the prediction is the largest of a row"),
    ("product/gemm/mod.rs", "layout/pad_zeros.wgsl", "odd columns are filled up to fours"),
    ("product/conv2d/padded.rs", "layout/copy_runs.wgsl", "channels of zeros are left out"),
    ("product/matmul/parts.rs", "layout/copy_runs.wgsl", "columns that no binding begins with"),
    ("update/optimizer/partial_sums.rs", "layout/copy_words.wgsl", "sums of parts in one row"),
];
/// Ops without a shader of their name, each with the reason.
const NO_SHADER_OF_ITS_NAME: &[(&str, &str)] = &[
    ("augment_batch", "two kernels: augment_decide, augment_pixels"),
    (
        "batch_norm",
        "its kernels are named for their steps: batch_norm_statistics, _combine, _apply",
    ),
    ("batch_norm_grad", "likewise: batch_norm_grad_sums, _combine, _apply; or _chunks, _rows"),
    ("batch_norm_inference", "shares batch_norm_apply"),
    ("concat", "shares copy_runs"),
    ("gather_batch", "its kernels: gather_images, gather_labels, gather_row_label, gather_words"),
    ("global_norm", "two kernels: global_norm_partial, global_norm_total"),
    ("guarded", "the kernels of the op that it guards, behind a test of the flag"),
    (
        "histogram",
        "its kernels are named for their steps: histogram_clear, _magnitudes, _bounds, _bins",
    ),
    ("hypergradient", "two kernels: hypergradient_partial, hypergradient_total"),
    ("log_softmax", "shares softmax"),
    ("log_softmax_grad", "shares softmax_grad"),
    ("mix_batch", "three kernels: mix_decide, mix_images, mix_targets"),
    ("pack", "says where data lie; shares copy_words where they must move"),
    ("product_statistics", "shares batch_norm_statistics"),
    ("reduce", "two kernels: reduce_serial, reduce_tree"),
    ("slice", "shares copy_runs"),
    ("sum_columns", "shares the kernels of reduce"),
    ("sum_rows", "shares the kernels of reduce"),
    ("view", "says where data lie; shares copy_words where they must move"),
];

/// What is wrong with the names of files below `src/ops/`.
fn misplaced_rust(paths: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let all: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    for path in paths {
        let parts: Vec<&str> = path.split('/').collect();
        let [folders @ .., file] = &parts[..] else { continue };
        let known = match folders.first() {
            None => BESIDE.contains(file),
            Some(family) => FAMILIES.contains(family),
        };
        if !known {
            wrong.push(format!(
                "src/ops/{path}: neither in a family's folder nor one of {BESIDE:?}"
            ));
            continue;
        }
        for depth in 1..=folders.len() {
            let module = format!("{}/mod.rs", folders[..depth].join("/"));
            if !all.contains(module.as_str()) {
                wrong.push(format!("src/ops/{path}: there is no {module}"));
            }
        }
        let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
        if all.contains(format!("{stem}.rs").as_str())
            && all.contains(format!("{stem}/mod.rs").as_str())
        {
            wrong.push(format!("src/ops/{stem}: a file and a folder"));
        }
        let last = stem.rsplit('/').next().unwrap_or_default();
        for (word, others) in ONE_WORD {
            let other = others.iter().find(|other| last.split('_').any(|part| part == **other));
            if let Some(other) = other {
                wrong.push(format!("src/ops/{stem}: {word} is the word for {other}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// What is wrong with the folders of shaders, given for each file below `src/ops/` the shaders that
/// it includes, as paths below `shaders/`.
fn misplaced_shaders(included: &[(String, Vec<String>)], shaders: &[String]) -> Vec<String> {
    let folder = |path: &str| path.split_once('/').map(|(first, _)| first.to_owned());
    let known = |name: &str| FAMILIES.contains(&name) || SHADERS_BESIDE.contains(&name);
    let homeless = shaders.iter().filter(|path| !folder(path).is_some_and(|name| known(&name)));
    let mut wrong: Vec<String> =
        homeless.map(|path| format!("shaders/{path}: not in a family's folder")).collect();
    for (rust, shaders) in included {
        let family = folder(rust);
        for shader in shaders {
            let room = folder(shader);
            let of_all = |room: &str| room == "common" || room == "kit";
            let borrowed = BORROWED.iter().any(|(by, what, _)| by == rust && what == shader);
            if room != family && !room.as_deref().is_some_and(of_all) && !borrowed {
                wrong.push(format!("src/ops/{rust} includes shaders/{shader} of another family"));
            }
        }
    }
    wrong
}

/// Ops that have neither a shader of their name nor a reason, and reasons that none needs.
fn without_shader(ops: &[&str], shaders: &[String]) -> Vec<String> {
    let has_shader = |op: &str| {
        shaders.iter().any(|path| path.rsplit('/').next() == Some(&format!("{op}.wgsl")))
    };
    let listed = |op: &str| NO_SHADER_OF_ITS_NAME.iter().any(|(name, _)| *name == op);
    let missing = ops.iter().filter(|op| !has_shader(op) && !listed(op));
    let missing =
        missing.map(|op| format!("{op}: no shader of its name, and no reason in the list"));
    let stale = NO_SHADER_OF_ITS_NAME.iter().map(|(op, _)| *op);
    let stale = stale.filter(|op| has_shader(op) || !ops.contains(op));
    missing.chain(stale.map(|op| format!("{op}: no longer needs its reason"))).collect()
}

fn below(directory: &str, extension: &str) -> Vec<String> {
    let prefix = format!("{directory}/");
    let all = files(directory, extension).into_iter().map(|path| relative(&path));
    all.filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// The shaders that a file includes, as paths below `shaders/`.
fn included_by(text: &str) -> Vec<String> {
    let names = text.split("include_str!(\"").skip(1).filter_map(|part| part.split('"').next());
    names.filter_map(|name| name.split_once("shaders/").map(|(_, path)| path.to_owned())).collect()
}

#[test]
fn every_file_of_the_ops_is_in_its_room() {
    report("rooms of the ops", &misplaced_rust(&below("src/ops", "rs")));
}

#[test]
fn every_shader_is_in_the_room_of_its_ops() {
    let included: Vec<(String, Vec<String>)> = files("src/ops", "rs")
        .iter()
        .map(|path| (relative(path).trim_start_matches("src/ops/").to_owned(), read(path)))
        .map(|(path, text)| (path, included_by(&text)))
        .collect();
    report("rooms of the shaders", &misplaced_shaders(&included, &below("shaders", "wgsl")));
}

#[test]
fn every_op_has_a_shader_of_its_name_or_a_reason() {
    let ops: Vec<&str> = entries().map(|entry| entry.name).collect();
    report("shaders of the ops", &without_shader(&ops, &below("shaders", "wgsl")));
}

#[test]
fn planted_files_in_wrong_rooms_are_found() {
    let tree = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        misplaced_rust(&paths)
    };
    let right = ["mod.rs", "registry.rs", "norm/mod.rs", "norm/batch_norm/mod.rs", "pool/mod.rs"];
    let parts = ["norm/batch_norm/cpu.rs", "norm/batch_norm/tail.rs", "pool/max/mod.rs"];
    assert_eq!(tree(&[&right[..], &parts].concat()), [""; 0]);
    for (wrong, part) in [
        ("scale.rs", "neither in a family"),
        ("vision/mod.rs", "neither in a family"),
        ("norm/lrn/gpu.rs", "there is no norm/lrn/mod.rs"),
        ("norm/batch_norm.rs", "a file and a folder"),
        ("norm/batch_norm/host.rs", "cpu is the word for host"),
        ("norm/batch_norm/host/mod.rs", "cpu is the word for host"),
        ("pool/max_host.rs", "cpu is the word for host"),
        ("pool/lowering.rs", "gpu is the word for lowering"),
    ] {
        let found = tree(&[&right[..], &parts, &[wrong]].concat());
        assert!(found.iter().any(|line| line.contains(part)), "{wrong}: {found:?}");
    }
}

#[test]
fn planted_shaders_in_wrong_rooms_are_found() {
    let shaders = ["norm/apply.wgsl", "common/exp.wgsl"].map(str::to_owned);
    let user = |rust: &str| vec![(rust.to_owned(), shaders.to_vec())];
    assert_eq!(misplaced_shaders(&user("norm/batch_norm/gpu.rs"), &shaders), [""; 0]);
    let found = misplaced_shaders(&user("pool/max.rs"), &shaders);
    assert_eq!(found, ["src/ops/pool/max.rs includes shaders/norm/apply.wgsl of another family"]);
    let found = misplaced_shaders(&[], &["scale.wgsl".to_owned()]);
    assert_eq!(found, ["shaders/scale.wgsl: not in a family's folder"]);
    let found = without_shader(&["apply", "exp", "scale"], &shaders);
    assert!(found.iter().any(|line| line.starts_with("scale: no shader")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("view: no longer")), "{found:?}");
}
