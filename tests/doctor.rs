//! `doctor` on the devices that are there: it asks for facts, checks ops and ends with a verdict.

use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::verify::{DoctorOptions, OpReport, diagnose, diagnose_in_parallel, render};

#[test]
fn doctor_tells_facts_and_a_verdict() {
    let adapters = adapters();
    assert!(!adapters.is_empty(), "no GPU adapter; install one, e.g. mesa-vulkan-drivers");
    for adapter in &adapters {
        let mut executor = GpuExecutor::open(adapter).expect("the adapter opens");
        let options = DoctorOptions { filter: "sum_".to_owned(), ..DoctorOptions::default() };
        let report = diagnose(&mut executor, &options, &mut |_| {});
        let text = render(&report);
        println!("{text}");
        assert!(report.is_healthy(), "{text}");
        let unanswered = report.facts.iter().find(|fact| fact.value.contains("could not"));
        assert_eq!(unanswered, None);
        for question in ["loops", "NaN != NaN", "fma(a, b, c)", "subgroup size"] {
            assert!(report.facts.iter().any(|fact| fact.name == question), "{question}: {text}");
        }
        assert!(text.contains(&executor.info().name));
    }
}

/// On several devices at once: what is found is the same, in the same order, and each op has its verdict
/// as soon as its last case is done.
#[test]
fn doctor_in_parallel_finds_the_same() {
    let Some(adapter) = adapters().into_iter().next() else {
        panic!("no GPU adapter; install one, e.g. mesa-vulkan-drivers");
    };
    let options = DoctorOptions { filter: "scale".to_owned(), ..DoctorOptions::default() };
    let mut executor = GpuExecutor::open(&adapter).expect("the adapter opens");
    let alone = diagnose(&mut executor, &options, &mut |_| {});
    let (mut verdicts, mut done) = (Vec::new(), 0);
    let open = || GpuExecutor::open(&adapter);
    let together = diagnose_in_parallel(&open, 3, &options, &mut |progress| {
        done += 1;
        assert_eq!(progress.done, done);
        verdicts.extend(progress.verdict.cloned());
    });
    let together = together.expect("the adapter opens");
    let timeless = |ops: &[OpReport]| -> Vec<OpReport> {
        ops.iter().map(|op| OpReport { seconds: 0.0, ..op.clone() }).collect()
    };
    assert!(together.is_healthy() && together.ops.len() > 1, "{}", render(&together));
    assert_eq!(timeless(&together.ops), timeless(&alone.ops));
    assert_eq!(together.facts, alone.facts);
    let mut sorted = verdicts.clone();
    let place = |op: &OpReport| together.ops.iter().position(|other| other.op == op.op);
    sorted.sort_by_key(place);
    assert_eq!(timeless(&sorted), timeless(&together.ops));
}

#[test]
fn an_exact_name_selects_one_op() {
    let filter = "conv2d".to_owned();
    let options = DoctorOptions { filter, exact: true, quick: true, large: false };
    let mut executor = verigrad::exec::CpuExecutor::new();
    let report = diagnose(&mut executor, &options, &mut |_| {});
    let names: Vec<&str> = report.ops.iter().map(|op| op.op.as_str()).collect();
    assert_eq!(names, ["conv2d"]);
}
