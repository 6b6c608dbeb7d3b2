//! `doctor` on the devices that are there: it asks for facts, checks ops and ends with a verdict.

use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::verify::{DoctorOptions, diagnose, render};

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
