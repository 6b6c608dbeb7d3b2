//! Snapshots of generated kernels, one or two per family, in `tests/kernels/`: what a change of a
//! generator does to a kernel shows in the diff, where it can be read.
//!
//! After a change that is meant, `VERIGRAD_BLESS=1 cargo test --test kernels` writes them anew.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use verigrad::compile::{check_kernel, kernel_files};
use verigrad::graph::{Caps, Case, Lowering, Signature};
use verigrad::ops::find;
use verigrad::verify::{lowerings, single_step};

/// WebGPU's default limits, and nothing beyond.
fn webgpu() -> Caps {
    Caps::webgpu_default()
}

/// A GPU with subgroups of 32 and cooperative matrices.
fn gpu() -> Caps {
    Caps {
        max_invocations: 1024,
        max_workgroup_storage: 49_152,
        subgroup_size: Some(32),
        f16: true,
        cooperative_size: Some(16),
        ..Caps::webgpu_default()
    }
}

/// A software GPU: subgroups of 8.
fn software() -> Caps {
    Caps { subgroup_size: Some(8), ..Caps::webgpu_default() }
}

/// A kernel that is kept.
struct Snapshot {
    /// Stem of its file.
    file: &'static str,
    /// Registry name of the op, and the name of its case.
    case: (&'static str, &'static str),
    /// What the device offers.
    caps: fn() -> Caps,
    /// How the variant's name starts; the first such variant counts.
    variant: &'static str,
    /// Name of the kernel within the lowering.
    kernel: &'static str,
}

/// Every family of generated kernels.
const SNAPSHOTS: &[Snapshot] = &[
    Snapshot {
        file: "tiled_rows",
        case: ("conv2d", "tile_32_64"),
        caps: webgpu,
        variant: "tiled",
        kernel: "tiled_rows",
    },
    Snapshot {
        file: "tiled_columns",
        case: ("conv2d_weight_grad", "tile_32_64"),
        caps: webgpu,
        variant: "tiled",
        kernel: "tiled_columns",
    },
    Snapshot {
        file: "pipelined_rows",
        case: ("conv2d", "bench_mnist_conv2"),
        caps: gpu,
        variant: "pipelined_128x64",
        kernel: "pipelined_rows",
    },
    Snapshot {
        file: "pipelined_columns",
        case: ("conv2d_weight_grad", "bench_mnist_conv2"),
        caps: gpu,
        variant: "pipelined_128x64",
        kernel: "pipelined_columns",
    },
    Snapshot {
        file: "subgroup_rows",
        case: ("conv2d", "tile_32_64"),
        caps: software,
        variant: "subgroup",
        kernel: "subgroup_rows",
    },
    Snapshot {
        file: "subgroup_columns",
        case: ("conv2d_weight_grad", "tile_32_64"),
        caps: software,
        variant: "subgroup",
        kernel: "subgroup_columns",
    },
    Snapshot {
        file: "cooperative_rows",
        case: ("matmul", "nn_64x16x128"),
        caps: gpu,
        variant: "cooperative",
        kernel: "cooperative_rows",
    },
    Snapshot {
        file: "winograd_2_tiles",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_2",
        kernel: "winograd_tiles",
    },
    Snapshot {
        file: "winograd_2_weights",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_2",
        kernel: "winograd_weights",
    },
    Snapshot {
        file: "winograd_2_output",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_2",
        kernel: "winograd_output",
    },
    Snapshot {
        file: "winograd_4_tiles",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_4",
        kernel: "winograd_tiles",
    },
    Snapshot {
        file: "winograd_4_weights",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_4",
        kernel: "winograd_weights",
    },
    Snapshot {
        file: "winograd_4_output",
        case: ("conv2d", "tile_64_32_padded"),
        caps: webgpu,
        variant: "winograd_4",
        kernel: "winograd_output",
    },
    Snapshot {
        file: "elementwise_chain",
        case: ("elementwise_chain", "masked_relu_grad_vec4"),
        caps: webgpu,
        variant: "",
        kernel: "elementwise_chain",
    },
    Snapshot {
        file: "few_channels",
        case: ("conv2d", "first_layer_1"),
        caps: software,
        variant: "subgroup_few_channels",
        kernel: "conv2d_few_channels_forward",
    },
    Snapshot {
        file: "depthwise",
        case: ("conv2d", "depthwise_8_strided"),
        caps: webgpu,
        variant: "depthwise",
        kernel: "depthwise_conv2d",
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels")
}

/// The lowering and the position of the kernel in it.
fn find_kernel(snapshot: &Snapshot) -> (Case, Signature, Lowering, usize) {
    let (op, name) = snapshot.case;
    let caps = (snapshot.caps)();
    let cases = find(op).unwrap_or_else(|| panic!("no op {op}")).cases_for(&caps);
    let mut seen = BTreeSet::new();
    for case in cases.into_iter().filter(|case| case.name.contains(name)) {
        let (sig, all) = lowerings(&case, &caps).expect("cases have valid shapes");
        for lowering in all {
            let kernel = lowering.kernels.iter().position(|k| k.name == snapshot.kernel);
            if let Some(kernel) = kernel.filter(|_| lowering.variant.starts_with(snapshot.variant))
            {
                return (case, sig, lowering, kernel);
            }
            let kernels = lowering.kernels.iter().map(|k| k.name.as_str());
            let kernels = kernels.collect::<Vec<_>>().join(", ");
            seen.insert(format!("{}: {}: {kernels}", case.name, lowering.variant));
        }
    }
    let seen: Vec<String> = seen.into_iter().collect();
    panic!("{}: {op} {name} has no such kernel, but:\n{}", snapshot.file, seen.join("\n"))
}

/// What the op generates, as `inspect --wgsl` writes it; valid on the device that it is for.
fn generated(snapshot: &Snapshot) -> String {
    let (case, sig, lowering, kernel) = find_kernel(snapshot);
    let checked = check_kernel(&lowering.kernels[kernel], &(snapshot.caps)());
    checked.unwrap_or_else(|error| panic!("{}: {error}", snapshot.file));
    let program = single_step(&case.name, &case.op, &sig, &lowering, 0);
    kernel_files(&program).swap_remove(kernel).text
}

/// The first line that differs, in both texts.
fn first_difference(kept: &str, now: &str) -> String {
    let (mut kept, mut now) = (kept.lines(), now.lines());
    for line in 1.. {
        let pair = (kept.next(), now.next());
        if pair.0 != pair.1 || pair.0.is_none() {
            let shown = |text: Option<&str>| text.unwrap_or("(the end)").to_owned();
            return format!(
                "line {line}\n    kept: {}\n    now:  {}",
                shown(pair.0),
                shown(pair.1)
            );
        }
    }
    String::new()
}

#[test]
fn generated_kernels_are_as_they_were() {
    let bless = std::env::var_os("VERIGRAD_BLESS").is_some_and(|value| value == "1");
    let mut differences = Vec::new();
    for snapshot in SNAPSHOTS {
        let path = folder().join(format!("{}.wgsl", snapshot.file));
        let now = generated(snapshot);
        // Where Git turned line ends into those of Windows.
        let kept = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        if kept != now && bless {
            fs::create_dir_all(folder()).expect("a folder");
            fs::write(&path, &now).expect("the file can be written");
        } else if kept != now {
            differences.push(format!(
                "  {}.wgsl: {}",
                snapshot.file,
                first_difference(&kept, &now)
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} generated kernels are not as in tests/kernels/:\n{}\nWhere this is meant, \
         `VERIGRAD_BLESS=1 cargo test --test kernels` writes them anew; read the diff.",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn every_file_is_the_snapshot_of_a_kernel() {
    let known: BTreeSet<String> = SNAPSHOTS.iter().map(|s| format!("{}.wgsl", s.file)).collect();
    let there = fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("an entry"));
    let there: BTreeSet<String> =
        there.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(there, known);
}
