//! Planted kernels: which may run without checks, and which may not.

use super::Auditor;
use super::analysis::follow;
use super::form::make;
use super::run::validator;
use super::types::Bound;
use crate::compile::{AuditCounts, Program, compile};
use crate::exec::DeviceOptions;
use crate::exec::gpu::adapter::{self, Opened};
use crate::graph::{Access, Caps, Graph};
use crate::ops::Scale;
use crate::tensor::TensorType;

/// Elements of `x` and `y`: one for each invocation of a workgroup.
const N: usize = 64;
const PROVED: AuditCounts = AuditCounts { proved: 1, by_data: 0, refused: 0 };
const BY_DATA: AuditCounts = AuditCounts { proved: 0, by_data: 1, refused: 0 };
const REFUSED: AuditCounts = AuditCounts { proved: 0, by_data: 0, refused: 1 };

/// A program of one dispatch that runs `text`, from `x` to `y`.
fn program(text: &str) -> Program {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([N]));
    let y = graph.push(Scale { factor: 2.0 }, &[x]).expect("shapes fit");
    graph.output("y", y);
    let mut program =
        compile("p", &graph, &Caps::webgpu_default(), &|_, _, _| 0).expect("it compiles");
    assert_eq!(program.dispatch_count(), 1);
    program.kernels[0].source = text.to_owned();
    program.steps[0].dispatches[0].workgroups = [1, 1, 1];
    program
}

/// What becomes of a program's only kernel on a device. A kernel has a proof if it is counted as
/// proved, and else has none.
fn audited(opened: &Opened, program: &Program) -> AuditCounts {
    let mut auditor = Auditor::new(&opened.info);
    let proofs = auditor.prove(opened, program).expect("the device works");
    let counts = auditor.counts();
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].is_some(), counts == PROVED);
    counts
}

/// A kernel with functions and variables before it, of a body that sees `i`, its invocation.
fn kernel(before: &str, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
{before}
@compute @workgroup_size({N})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
  let i = id.x;
  {body}
}}
"
    )
}

fn expect(expected: AuditCounts, kernels: &[(&str, &str)]) {
    for adapter in adapter::adapters() {
        let opened =
            adapter::open(&adapter, &DeviceOptions::default()).expect("the adapter can be opened");
        for (before, body) in kernels {
            let text = kernel(before, body);
            let got = audited(&opened, &program(&text));
            assert_eq!(got, expected, "{}: {before}\n{body}", opened.info);
        }
    }
}

#[test]
fn kernels_that_stay_inside_are_proved() {
    expect(
        PROVED,
        &[
            ("", "y[i] = 2.0 * x[i];"),
            ("", "y[63] = x[63];"),
            ("", "if i < 63u { y[i + 1u] = x[i]; }"),
            ("", "y[min(i + 5u, arrayLength(&y) - 1u)] = 1.0;"),
            ("", "for (var k = 0u; k < 5u; k++) { if k + i >= 64u { break; } y[i + k] = 1.0; }"),
            ("", "for (var k = 63i; k >= 0i; k--) { if k % 2i == 0i { continue; } y[k] = 1.0; }"),
            ("", "y[(7u * i) / (i + 1u)] = 1.0;"),
            // Data decide what is computed, and whether; not where.
            ("", "if x[i] > 0.0 { y[i] = 1.0; } else { y[63u - i] = 2.0; }"),
            ("", "if x[i] > 0.0 { return; } y[i] = 1.0;"),
            ("", "var best = 0u; if x[i] > 0.0 { best = i; } y[i] = f32(best);"),
            ("", "for (var k = 0u; k < 9u; k++) { if x[k] > 0.0 { continue; } y[k] = 1.0; }"),
            ("", "switch i { case 0u { y[0] = 1.0; } case 1u, 2u { y[i] = 1.0; } default { } }"),
            ("", "switch bitcast<u32>(x[i]) { case 0u { y[i] = 1.0; } default { y[0] = 1.0; } }"),
            ("", "var p: array<f32, 4>; p[i % 4u] = x[i]; y[i] = p[(i + 1u) % 4u];"),
            (
                "var<workgroup> w: array<f32, 64>;",
                "w[i] = x[i]; workgroupBarrier(); y[i] = w[63u - i];",
            ),
            (
                "fn at(k: u32) -> f32 { return x[k]; } fn next(k: u32) -> u32 { return (k + 1u) % 64u; }",
                "y[next(i)] = at(i) + at(next(i));",
            ),
            (
                "fn early(k: u32) -> f32 { if x[k] > 0.0 { return 1.0; } return x[k]; }",
                "y[i] = early(i);",
            ),
        ],
    );
}

#[test]
fn an_element_beyond_is_refused() {
    expect(
        REFUSED,
        &[
            ("", "y[i] = x[i + 1u];"),
            ("", "y[i + 1u] = x[i];"),
            ("", "y[i - 1u] = x[i];"),
            ("", "y[64] = x[i];"),
            ("", "y[i32(i) - 1] = x[i];"),
            ("", "if i == 63u { y[i + 1u] = 1.0; }"),
            ("", "if x[i] > 0.0 { y[i + 1u] = 1.0; }"),
            ("", "if x[i] > 0.0 { return; } y[i + 1u] = 1.0;"),
            ("", "if x[i] > 0.0 { y[i] = 1.0; } else { y[i + 1u] = 1.0; }"),
            ("", "for (var k = 0u; k <= 64u; k++) { y[k] = 1.0; }"),
            ("", "for (var k = 0u; k <= 64u; k++) { if x[0] > 0.0 { continue; } y[k] = 1.0; }"),
            (
                "",
                "switch bitcast<u32>(x[i]) { case 0u { y[i] = 1.0; } default { y[i + 1u] = 1.0; } }",
            ),
            ("", "var p: array<f32, 4>; p[i % 5u] = x[i]; y[i] = p[0];"),
            ("", "var p: array<f32, 4>; y[i] = p[i % 5u];"),
            ("", "let p = array<f32, 4>(); y[i] = p[i % 5u];"),
            ("", "let p = vec4<f32>(x[i]); y[i] = p[i % 5u];"),
            ("var<workgroup> w: array<f32, 64>;", "w[i + 1u] = x[i]; y[i] = w[0];"),
            (
                "var<workgroup> w: array<f32, 64>;",
                "w[i] = x[i]; workgroupBarrier(); y[i] = w[i + 1u];",
            ),
            ("var<private> p: array<f32, 4>;", "p[i % 5u] = x[i]; y[i] = p[0];"),
            ("fn at(k: u32) -> f32 { return x[k]; }", "y[i] = at(i + 1u);"),
            ("fn next(k: u32) -> u32 { return k + 1u; }", "y[next(i)] = 1.0;"),
            (
                "fn store(k: u32) { if x[0] > 0.0 { y[k] = 1.0; } }",
                "if x[i] > 0.0 { store(i + 1u); }",
            ),
            ("var<private> at: u32; fn next() { at += 1u; }", "at = i; next(); y[at] = 1.0;"),
        ],
    );
}

#[test]
fn loops_without_end_and_divisors_of_zero_are_refused() {
    expect(
        REFUSED,
        &[
            ("", "for (var k = 0u; k < 70000u; k++) { y[i] += 1.0; }"),
            (
                "",
                "for (var k = 0u; k < 300u; k++) { for (var j = 0u; j < 300u; j++) { y[i] += 1.0; } }",
            ),
            ("", "for (var k = 0u; k < 70000u; k += i) { y[i] += 1.0; }"),
            ("", "var k = 0u; loop { k += 2u; continuing { break if k == 7u; } } y[i] = 1.0;"),
            ("", "while i < 65u { y[i] += 1.0; }"),
            ("fn spin() { for (var k = 0u; k < 70000u; k++) { y[0] += 1.0; } }", "spin();"),
            ("", "y[(7u / (i - 3u)) % 64u] = 1.0;"),
            ("", "y[7u % (i - 3u)] = 1.0;"),
            ("", "y[i] = f32((vec2<u32>(7u) / vec2<u32>(1u, i)).x);"),
            ("", "y[i] = f32((i32(i) - 2147483647 - 1) / (i32(i) - 1));"),
        ],
    );
}

#[test]
fn what_data_decide_keeps_the_checks() {
    expect(
        BY_DATA,
        &[
            ("", "y[u32(x[i])] = 1.0;"),
            ("", "y[bitcast<u32>(x[i]) % 64u] = 1.0;"),
            ("", "y[min(bitcast<u32>(x[i]), 63u)] = 1.0;"),
            ("", "y[u32(f32(i))] = 1.0;"),
            ("", "var k = 0u; if x[i] > 0.0 { k = 1u; } y[k] = 1.0;"),
            ("", "let k = select(0u, 1u, x[i] > 0.0); y[k] = 1.0;"),
            ("", "var k = 0u; for (; k < 9u; k++) { if x[k] > 0.0 { break; } } y[k] = 1.0;"),
            ("", "for (var k = 0u; k < u32(x[0]); k++) { y[k] = 1.0; }"),
            ("", "for (var k = 0u; k < 9u; k++) { if x[k] > 0.0 { return; } }"),
            ("", "var k = 0u; loop { k++; continuing { break if x[k % 64u] > 0.0; } }"),
            ("", "y[i] = f32(7u / bitcast<u32>(x[i]));"),
            ("", "y[i] = f32(bitcast<i32>(x[i]) / (i32(i) + 1));"),
            ("", "var p: array<u32, 4>; p[0] = bitcast<u32>(x[i]); y[p[1]] = 1.0;"),
            ("", "var k = 0u; if x[i] > 0.0 { if i > 5u { k = 1u; } } y[k] = 1.0;"),
            (
                "",
                "var k = 0u; for (var j = 0u; j < 9u; j++) { if x[j] > 0.0 { continue; } k++; } y[k] = 1.0;",
            ),
            (
                "var<workgroup> w: array<u32, 64>;",
                "w[i] = i; workgroupBarrier(); y[w[63u - i]] = 1.0;",
            ),
            (
                "var<private> at: u32; fn set() { at = 1u; }",
                "if x[i] > 0.0 { set(); } y[at] = 1.0;",
            ),
            ("fn found() -> u32 { if x[0] > 0.0 { return 1u; } return 0u; }", "y[found()] = 1.0;"),
            ("fn store(k: u32) { y[k] = 1.0; }", "store(i); store(bitcast<u32>(x[i]));"),
            ("fn same(k: u32) -> u32 { return k; }", "y[same(bitcast<u32>(x[i]))] = 1.0;"),
            (
                "fn count(n: u32) { for (var k = 0u; k < n; k++) { y[0] += 1.0; } }",
                "count(bitcast<u32>(x[i]));",
            ),
            (
                "fn set(p: ptr<function, u32>) { *p = bitcast<u32>(x[0]); }",
                "var k = 0u; set(&k); y[k] = 1.0;",
            ),
        ],
    );
}

#[test]
fn what_other_lanes_have_counts_as_data() {
    for adapter in adapter::adapters() {
        let opened =
            adapter::open(&adapter, &DeviceOptions::default()).expect("the adapter can be opened");
        if opened.caps.subgroup_size.is_none() {
            continue;
        }
        for value in ["subgroupAdd(i)", "subgroupShuffle(i, 1u)", "subgroupBallot(i > 3u).x"] {
            let text = kernel("", &format!("let k = {value}; y[k] = 1.0;"));
            assert_eq!(audited(&opened, &program(&text)), BY_DATA, "{value}");
        }
        let text = kernel("", "y[i] = subgroupAdd(x[i]);");
        assert_eq!(audited(&opened, &program(&text)), PROVED);
    }
}

#[test]
fn textures_are_audited_up_to_the_rows_that_are_copied() {
    let text = |row: &str| {
        kernel("", &format!("y[i] = textureLoad(t, vec2<u32>(i, {row})).x;")).replace(
            "var<storage, read> x: array<f32>",
            "var t: texture_storage_2d<rgba32float, read>",
        )
    };
    for adapter in adapter::adapters() {
        let opened =
            adapter::open(&adapter, &DeviceOptions::default()).expect("the adapter can be opened");
        for (row, expected) in [
            ("2u", PROVED),
            ("3u", REFUSED),
            ("i / 32u", PROVED),
            ("i / 16u", REFUSED),
            ("i - 1u", REFUSED),
        ] {
            let mut program = program(&text(row));
            program.kernels[0].accesses[0] = Access::Texels;
            program.steps[0].dispatches[0].bindings[0].access = Access::Texels;
            assert_eq!(audited(&opened, &program), expected, "row {row} of 3");
        }
        let columns = text("0u").replace("vec2<u32>(i,", "vec2<u32>(i + 961u,");
        let mut program = program(&columns);
        program.kernels[0].accesses[0] = Access::Texels;
        program.steps[0].dispatches[0].bindings[0].access = Access::Texels;
        assert_eq!(audited(&opened, &program), REFUSED, "column 1024 of 1024");
    }
}

/// A kernel is proved for the workgroups and sizes that were audited, and for no others; one dispatch
/// that is not proved has all others of its kernel checked.
#[test]
fn a_proof_holds_for_its_workgroups_and_sizes() {
    let text = kernel("", "y[i] = x[i];");
    for adapter in adapter::adapters() {
        let opened =
            adapter::open(&adapter, &DeviceOptions::default()).expect("the adapter can be opened");
        let good = program(&text);
        let mut more = good.clone();
        more.steps[0].dispatches[0].workgroups = [2, 1, 1];
        let mut less = good.clone();
        less.steps[0].dispatches[0].bindings[1].region.bytes -= 4;
        let mut both = good.clone();
        both.steps.extend(less.steps.clone());
        let mut auditor = Auditor::new(&opened.info);
        for (program, proved) in
            [(&good, true), (&more, false), (&less, false), (&both, false), (&good, true)]
        {
            let proofs = auditor.prove(&opened, program).expect("the device works");
            assert_eq!(proofs[0].is_some(), proved);
        }
        assert_eq!(auditor.counts(), AuditCounts { proved: 1, by_data: 0, refused: 2 });
    }
}

/// Few devices multiply matrices of subgroups: that their kernels have an audit form, in which these
/// are tested, shows without one.
#[test]
fn matrices_of_subgroups_are_tested() {
    let text = include_str!("../../../../tests/kernels/cooperative_rows.wgsl");
    let module = naga::front::wgsl::parse_str(text).expect("a kernel");
    let mut validator = validator();
    let info = validator.validate(&module).expect("it is valid");
    let data = follow(&module, &info).expect("data decide no index");
    let bound = vec![Bound::Bytes(1 << 20); 8];
    let form = make(&module, &info, &data, &bound, text).expect("all can be tested");
    let matrices = form.tests.iter().filter(|test| test.starts_with("a matrix beyond"));
    assert!(matrices.count() >= 4, "{:?}", form.tests);
    validator.validate(&form.module).expect("the form is valid");
}
