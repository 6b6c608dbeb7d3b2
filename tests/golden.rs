//! The reference code of the ops against PyTorch: every kernel is checked against the reference,
//! and the reference against the fixtures of `assets/golden/make_golden.py`.

#[path = "golden/fixture.rs"]
mod fixture;

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::sync::Arc;

use fixture::{Case, Data, Family, Tensor};
use verigrad::compile::backward;
use verigrad::exec::evaluate;
use verigrad::graph::{Graph, Op, Value};
use verigrad::ops;
use verigrad::tensor::TensorType;

/// Allowed error, relative to the largest expected element of the tensor.
///
/// Both sides compute in f64, in another order. A sum of `n` terms is off by at most `n 2^-53`
/// times the sum of their magnitudes, with `n < 2^8` here; the worst cancellation in the fixtures
/// is that of `batch_norm` at a mean of 1000 and a deviation of 1, 2^10; and a few such steps
/// follow each other, 2^2. That gives 2^-33. A rounding to f32 anywhere costs up to 2^-24, 512
/// times as much, so that it cannot hide.
const RELATIVE_ERROR: f64 = 1.0 / 8_589_934_592.0;

/// Ops that must occur in the fixtures, as a case or in the gradient of one.
const REQUIRED: &[&str] = &[
    "accumulate",
    "activate",
    "activate_grad",
    "adam",
    "argmax",
    "attack_step",
    "avg_pool2d",
    "avg_pool2d_grad",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_inference",
    "binary",
    "class_weights",
    "clip_by_norm",
    "clip_by_value",
    "concat",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "correct_count",
    "dropout",
    "gather_batch",
    "fake_quantize",
    "global_avg_pool2d",
    "global_avg_pool2d_grad",
    "global_norm",
    "hypergradient",
    "learning_rate",
    "local_response_norm",
    "local_response_norm_grad",
    "log_softmax",
    "log_softmax_grad",
    "masked_mean",
    "masked_mean_grad",
    "matmul",
    "max_pool2d",
    "max_pool2d_grad",
    "mean_squared_error",
    "pack",
    "pad_zeros",
    "reduce",
    "reduce_max_grad",
    "resize_bilinear",
    "resize_bilinear_grad",
    "rms_prop",
    "running_average",
    "sgd",
    "slice",
    "soft_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "softmax_grad",
    "sum_columns",
    "sum_rows",
    "view",
    "weight_average",
];

/// Ops that PyTorch has no equivalent of, or only as part of others (its gradient scaler): counters,
/// logs, what skips an update, zeros between tensors; ops that do at once what others with fixtures do one by one; chains, whose reference is that of their members, and the parts of batch
/// norms, which `tests/fusion.rs` compares with the whole. Augmentation has fixtures of its own
/// (`src/ops/batch/augment/tests.rs`), loss scaling is tested as a whole (`tests/mixed_precision.rs`), counts
/// against those of the host (`tests/training.rs`); bins of histograms lie elsewhere than PyTorch's.
const WITHOUT_FIXTURE: &[&str] = &[
    "advance",
    "augment_batch",
    "batch_norm_max_pool2d",
    "cast",
    "clear_gaps",
    "confusion_matrix",
    "elementwise_chain",
    "end_step",
    "fill",
    "gather_rows",
    "guarded",
    "histogram",
    "mean_cross_entropy",
    "mix_batch",
    "product_statistics",
    "record",
    "sums_of_rows",
    "tally_batch",
    "unscale",
    "update_loss_scale",
];

/// Checks the outputs and the gradients that the op's rule gives; notes the ops that ran.
fn check(
    case: &Case,
    op: Arc<dyn Op>,
    tensor: &impl Fn(&str) -> Option<Tensor>,
    covered: &mut BTreeSet<&'static str>,
) -> Result<(), String> {
    let named = |kind: &str, i: usize| tensor(&format!("{}/{kind}{i}", case.name));
    let expected = |kind, i| named(kind, i).ok_or(format!("{kind}{i} is missing"));
    let mut graph = Graph::default();
    let (mut floats, mut others) = (HashMap::new(), HashMap::new());
    let mut source = |graph: &mut Graph, name: String, tensor: Tensor| {
        let value = graph.source(&name, tensor.ty);
        match tensor.data {
            Data::Float(values) => _ = floats.insert(name, values),
            Data::Other(tensor) => _ = others.insert(name, tensor),
        }
        value
    };

    let mut inputs = Vec::new();
    for i in 0..case.inputs {
        inputs.push(source(&mut graph, format!("in{i}"), expected("in", i)?));
    }
    let outputs = graph.push_node(op, &inputs).map_err(|error| error.to_string())?;
    if outputs.len() != case.outputs {
        return Err(format!("has {} outputs, the fixture {}", outputs.len(), case.outputs));
    }
    let mut pairs = Vec::new();
    for &o in &case.checked_outputs {
        pairs.push((format!("output {o}"), expected("out", o)?, outputs[o]));
    }

    let mut seeds = Vec::new();
    for (o, &output) in outputs.iter().enumerate() {
        if let Some(dy) = named("dy", o) {
            seeds.push((output, source(&mut graph, format!("dy{o}"), dy)));
        }
    }
    let wrt: Vec<Value> = case.gradients.iter().map(|&i| inputs[i]).collect();
    let gradients = backward(&mut graph, &seeds, &wrt).map_err(|error| error.to_string())?;
    for (&i, gradient) in case.gradients.iter().zip(gradients) {
        let gradient = gradient.ok_or(format!("input {i} gets no gradient"))?;
        pairs.push((format!("gradient of input {i}"), expected("dx", i)?, gradient));
    }

    let wanted: Vec<Value> = pairs.iter().map(|&(.., value)| value).collect();
    let results = evaluate(&graph, &floats, &others, &wanted).map_err(|error| error.to_string())?;
    covered.extend(graph.nodes().iter().map(|node| node.op.name()));
    for ((what, expected, value), got) in pairs.into_iter().zip(results) {
        compare(&expected, graph.ty(value), &got).map_err(|error| format!("{what} {error}"))?;
    }
    Ok(())
}

/// Compares a result with what PyTorch made of it. Integers are held exactly by f64.
fn compare(expected: &Tensor, ty: &TensorType, got: &[f64]) -> Result<(), String> {
    if expected.ty != *ty {
        return Err(format!("is a {ty}, PyTorch's is a {}", expected.ty));
    }
    let (expected, relative) = match &expected.data {
        Data::Float(values) => (values.clone(), RELATIVE_ERROR),
        Data::Other(tensor) => (tensor.u32s().iter().map(|&v| f64::from(v)).collect(), 0.0),
    };
    if expected.is_empty() || expected.len() != got.len() {
        return Err(format!("has {} elements, PyTorch's {}", got.len(), expected.len()));
    }
    let finite = expected.iter().filter(|value| value.is_finite());
    let allowed = relative * finite.fold(0.0_f64, |scale, value| scale.max(value.abs()));
    for (i, (&expected, &got)) in expected.iter().zip(got).enumerate() {
        let agrees = if expected.is_finite() {
            (expected - got).abs() <= allowed
        } else {
            expected == got || (expected.is_nan() && got.is_nan())
        };
        if !agrees {
            return Err(format!(
                "element {i} is {got:e}, PyTorch says {expected:e} (allowed error {allowed:.1e})"
            ));
        }
    }
    Ok(())
}

#[test]
fn the_reference_agrees_with_pytorch() {
    let mut failures = Vec::new();
    let mut covered = BTreeSet::new();
    let mut total = 0;
    for family in Family::all() {
        let cases = family.cases();
        let tensor = family.tensors();
        let gradients = cases.iter().filter(|case| !case.gradients.is_empty()).count();
        println!("{}: {} cases, {gradients} of them with gradients", family.name, cases.len());
        assert!(!cases.is_empty(), "{} has no cases", family.name);
        for case in &cases {
            total += 1;
            let result = match ops::find(&case.op) {
                None => Err("no such op".to_owned()),
                Some(entry) => (entry.from_attributes)(case.attributes.clone())
                    .map_err(|error| error.to_string())
                    .and_then(|op| check(case, op, &tensor, &mut covered)),
            };
            if let Err(error) = result {
                failures.push(format!("{}/{} ({}): {error}", family.name, case.name, case.op));
            }
        }
    }
    announce(&format!("{total} cases, {} ops", covered.len()));
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    let without: BTreeSet<_> = WITHOUT_FIXTURE.iter().copied().collect();
    let unknown: Vec<_> = ops::entries()
        .map(|op| op.name)
        .filter(|n| !covered.contains(n) && !without.contains(n))
        .collect();
    assert!(unknown.is_empty(), "no fixture runs {unknown:?}, and none is excused");
    let missing: Vec<_> = REQUIRED.iter().filter(|name| !covered.contains(**name)).collect();
    assert!(missing.is_empty(), "no fixture runs {missing:?}");
}

/// The comparison itself: what it must refuse.
#[test]
fn wrong_results_are_noticed() {
    let ty = TensorType::f32([3]);
    let expected = |values: &[f64]| Tensor { ty: ty.clone(), data: Data::Float(values.to_vec()) };
    let numbers = expected(&[1.0, -2.0, 4.0]);
    assert!(compare(&numbers, &ty, &[1.0, -2.0, 4.0 + 1e-12]).is_ok());
    let rounded_to_f32 = 4.0 * (1.0 + f64::from(f32::EPSILON) / 2.0);
    assert!(compare(&numbers, &ty, &[1.0, -2.0, rounded_to_f32]).is_err());
    assert!(compare(&numbers, &ty, &[1.0, f64::NAN, 4.0]).is_err());
    assert!(compare(&numbers, &ty, &[1.0, -2.0]).is_err());
    assert!(compare(&numbers, &TensorType::f32([1, 3]), &[1.0, -2.0, 4.0]).is_err());
    let special = expected(&[f64::NAN, f64::INFINITY, 0.0]);
    assert!(compare(&special, &ty, &[f64::NAN, f64::INFINITY, 0.0]).is_ok());
    assert!(compare(&special, &ty, &[f64::NAN, f64::NEG_INFINITY, 0.0]).is_err());
    assert!(compare(&special, &ty, &[0.0, f64::INFINITY, 0.0]).is_err());
}

/// Prints a line even where the test passes: cargo captures only the print macros.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
