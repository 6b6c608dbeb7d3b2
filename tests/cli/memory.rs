//! The memory that a run takes is the memory that it planned.

use std::fs;

use super::{stderr, verigrad};
use verigrad::train::RunDir;

/// A run of a step on drawn digits: options of the recipe, and its layers.
struct Run {
    name: &'static str,
    set: &'static [&'static str],
    layers: &'static [&'static str],
}

const DENSE: &str = "{ type = \"dense\" }";
const FLATTEN: &str = "{ type = \"flatten\" }";

/// Each has one thing that is large: the rest is what every process takes.
const RUNS: [Run; 5] = [
    Run { name: "least", set: &[], layers: &[FLATTEN, DENSE] },
    Run { name: "data", set: &["data.train_size=150000"], layers: &[FLATTEN, DENSE] },
    Run {
        name: "weights",
        set: &[],
        layers: &[
            FLATTEN,
            "{ type = \"dense\", units = 3000, activation = \"relu\" }",
            "{ type = \"dense\", units = 3000, activation = \"relu\" }",
            DENSE,
        ],
    },
    Run {
        name: "activations",
        set: &["batch_size=600"],
        layers: &[
            "{ type = \"activation\", function = \"sigmoid\" }",
            "{ type = \"conv2d\", out_channels = 24, kernel_size = 1 }",
            "{ type = \"activation\", function = \"silu\" }",
            "{ type = \"dropout\", rate = 0.5 }",
            FLATTEN,
            DENSE,
        ],
    },
    Run {
        name: "scratch",
        set: &["batch_size=256"],
        layers: &[
            "{ type = \"conv2d\", out_channels = 64, kernel_size = 3, padding = \"same\" }",
            "{ type = \"conv2d\", out_channels = 64, kernel_size = 3, padding = \"same\" }",
            "{ type = \"global_avg_pool2d\" }",
            DENSE,
        ],
    },
];

/// Bytes that a run planned, and those that its process held at most.
fn planned_and_held(run: &Run) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "name = \"{}\"\nepochs = 1\nbatch_size = 32\nlayers = [\n{}\n]\n[data]\ndataset = \
         \"synthetic-digits\"\ntrain_size = 600\ntest_size = 64\n[budget]\nsteps = 2\n",
        run.name,
        run.layers.join(",\n")
    );
    fs::write(folder.path().join("recipe.toml"), text).expect("a recipe");
    let mut args = vec!["train", "recipe.toml", "--device", "cpu", "-v"];
    args.extend(run.set.iter().flat_map(|set| ["--set", set]));
    let output = verigrad(folder.path(), &args);
    assert!(output.status.success(), "{}: {}", run.name, stderr(&output));
    let dir = folder.path().join("runs").join(format!("{}-1", run.name));
    let result = RunDir::open(&dir).expect("a run").result().expect("readable").expect("it ended");
    let log = stderr(&output);
    let held = log.lines().find_map(|line| {
        let (before, _) = line.split_once(" bytes at most")?;
        before.rsplit(' ').next()?.parse().ok()
    });
    #[expect(clippy::cast_precision_loss, reason = "bytes, far below 2^53")]
    let planned = (result.planned_bytes + result.planned_host_bytes) as f64;
    (planned, held.expect("Linux tells it"))
}

/// What every process takes shows in the smallest run, and is taken off the others.
#[test]
#[cfg(target_os = "linux")]
fn what_a_run_takes_was_planned() {
    let [least, runs @ ..] = &RUNS;
    let (least_planned, least_held) = planned_and_held(least);
    for run in runs {
        let (planned, held) = planned_and_held(run);
        let (planned, held) = (planned - least_planned, held - least_held);
        let mebibytes = [planned, held].map(|bytes| bytes / f64::from(1 << 20));
        println!("{}: {:.1} MiB planned, {:.1} MiB held", run.name, mebibytes[0], mebibytes[1]);
        assert!(planned > 40e6, "{}: too small to tell", run.name);
        assert!((held / planned - 1.0).abs() < 0.1, "{}: {mebibytes:?} MiB", run.name);
    }
}
