//! Profiles as a trace in Chrome's format, for `chrome://tracing` and Perfetto.
//!
//! The format: "Trace Event Format", <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use serde_json::{Value, json};

use crate::compile::Program;
use crate::exec::RunProfile;

/// Row of the host in the trace.
const HOST: u32 = 1;
/// Row of the device in the trace.
const DEVICE: u32 = 2;
/// Idle time between two runs in the trace, in seconds: they are timed one by one.
const GAP: f64 = 1e-4;

/// A trace of runs of a program, one after another: what the host did, and each dispatch of the
/// device with the layer, op, variant, FLOP and bytes of its step.
pub fn chrome_trace(program: &Program, device: &str, runs: &[RunProfile]) -> Value {
    let name = |thread: u32, name: &str| json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": {"name": name}});
    let mut events = vec![name(HOST, "host"), name(DEVICE, device)];
    let mut origin = 0.0;
    for (number, run) in runs.iter().enumerate() {
        let mut end = origin;
        for span in &run.host {
            let name = span.phase.name();
            events.push(event(
                HOST,
                name,
                origin + span.start,
                span.seconds,
                json!({"run": number}),
            ));
            end = f64::max(end, origin + span.start + span.seconds);
        }
        for span in &run.device {
            let Some(step) = program.steps.get(span.step) else { continue };
            let cost = step.cost();
            let args = json!({
                "run": number,
                "step": span.step,
                "dispatch": span.dispatch,
                "scope": step.scope,
                "op": step.op.title(),
                "variant": step.variant,
                "flop": cost.flop,
                "bytes": cost.bytes,
            });
            events.push(event(DEVICE, &step.op.title(), origin + span.start, span.seconds, args));
            end = f64::max(end, origin + span.start + span.seconds);
        }
        origin = end + GAP;
    }
    json!({"displayTimeUnit": "ms", "traceEvents": events})
}

/// A complete event; times are in microseconds.
fn event(thread: u32, name: &str, start: f64, seconds: f64, args: Value) -> Value {
    json!({
        "ph": "X", "name": name, "pid": 1, "tid": thread,
        "ts": 1e6 * start, "dur": 1e6 * seconds, "args": args,
    })
}
