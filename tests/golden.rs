//! The reference code of the ops against PyTorch: every kernel is checked against the reference,
//! and the reference against the fixtures of `assets/golden/make_golden.py`.

#[path = "golden/fixture.rs"]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fixture::{Case, Data, Family, Tensor};
use verigrad::graph::{Graph, HostInput, HostIo, HostOutput, Op, Origin, Value, Vjp};
use verigrad::ops;

/// Allowed error, relative to the largest expected element of the tensor.
///
/// Both sides compute in f64, in another order. A sum of `n` terms is off by at most `n 2^-53`
/// times the sum of their magnitudes, with `n < 2^8` here; the worst cancellation in the fixtures
/// is that of `batch_norm` at a mean of 1000 and a deviation of 1, 2^10; and a few such steps
/// follow each other, 2^2. That gives 2^-33. A rounding to f32 anywhere costs up to 2^-24, 512
/// times as much, so that it cannot hide.
const RELATIVE_ERROR: f64 = 1.0 / (1_u64 << 33) as f64;

/// Ops that must occur in the fixtures, as a case or in the gradient of one.
const REQUIRED: &[&str] = &[
    "activate",
    "activate_grad",
    "adam",
    "argmax",
    "avg_pool2d",
    "avg_pool2d_grad",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_inference",
    "binary",
    "clip_by_norm",
    "clip_by_value",
    "concat",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "correct_count",
    "dropout",
    "gather_batch",
    "global_avg_pool2d",
    "global_avg_pool2d_grad",
    "global_norm",
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
];

/// Runs the f64 reference of an op.
fn execute(op: &dyn Op, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
    let types: Vec<_> = inputs.iter().map(|tensor| tensor.ty.clone()).collect();
    let output_types = op.infer(&types).map_err(|error| error.to_string())?;
    let mut outputs: Vec<Tensor> = output_types.iter().map(Tensor::unwritten).collect();
    let mut in_place = BTreeSet::new();
    for &(output, input) in op.aliases() {
        if outputs[output].ty != inputs[input].ty {
            return Err(format!("output {output} has another type than input {input}"));
        }
        outputs[output] = inputs[input].clone();
        in_place.insert(input);
    }
    let read = inputs.iter().enumerate().map(|(i, tensor)| {
        let gone = in_place.contains(&i);
        let data = match &tensor.data {
            Data::Float(values) => HostInput::Float(if gone { &[] } else { values }),
            Data::U32(values) => HostInput::U32(if gone { &[] } else { values }),
            Data::U8(values) => HostInput::U8(values),
        };
        (data, &tensor.ty)
    });
    let written = outputs.iter_mut().zip(&output_types).map(|(tensor, ty)| {
        let data = match &mut tensor.data {
            Data::Float(values) => HostOutput::Float(values),
            Data::U32(values) => HostOutput::U32(values),
            Data::U8(_) => panic!("no op makes bytes"),
        };
        (data, ty)
    });
    op.reference_f64(&mut HostIo::new(read.collect(), written.collect()));
    Ok(outputs)
}

/// Whether two floats agree, given the largest error of their tensor.
fn agrees(expected: f64, got: f64, allowed: f64) -> bool {
    if expected.is_finite() {
        (expected - got).abs() <= allowed
    } else {
        expected == got || (expected.is_nan() && got.is_nan())
    }
}

/// Compares a result with what PyTorch made of it.
fn compare(expected: &Tensor, got: &Tensor) -> Result<(), String> {
    if expected.ty != got.ty {
        return Err(format!("is {}, PyTorch's is {}", got.ty, expected.ty));
    }
    match (&expected.data, &got.data) {
        (Data::Float(expected), Data::Float(got)) => {
            let finite = expected.iter().filter(|value| value.is_finite());
            let scale = finite.fold(0.0_f64, |scale, value| scale.max(value.abs()));
            let allowed = RELATIVE_ERROR * scale;
            let pairs = expected.iter().zip(got);
            match pairs.enumerate().find(|(_, (e, g))| !agrees(**e, **g, allowed)) {
                None => Ok(()),
                Some((i, (expected, got))) => Err(format!(
                    "element {i} is {got:e}, PyTorch says {expected:e} (allowed {allowed:.1e})"
                )),
            }
        }
        (Data::U32(expected), Data::U32(got)) => {
            match expected.iter().zip(got).position(|(expected, got)| expected != got) {
                None => Ok(()),
                Some(i) => Err(format!("element {i} is {}, PyTorch says {}", got[i], expected[i])),
            }
        }
        _ => Err("holds another type of elements".to_owned()),
    }
}

/// Checks the outputs, then the gradients that the op's rule gives; notes the ops that ran.
fn check(
    case: &Case,
    op: &Arc<dyn Op>,
    tensor: &impl Fn(&str) -> Option<Tensor>,
    covered: &mut BTreeSet<&'static str>,
) -> Result<(), String> {
    let named = |kind: &str, i: usize| tensor(&format!("{}/{kind}{i}", case.name));
    let expected = |kind, i| named(kind, i).ok_or(format!("{kind}{i} is missing"));
    let inputs = (0..case.inputs).map(|i| expected("in", i)).collect::<Result<Vec<_>, _>>()?;
    let outputs = execute(&**op, &inputs.iter().collect::<Vec<_>>())?;
    covered.insert(op.name());
    if outputs.len() != case.outputs {
        return Err(format!("has {} outputs, the fixture {}", outputs.len(), case.outputs));
    }
    for &o in &case.checked_outputs {
        compare(&expected("out", o)?, &outputs[o]).map_err(|e| format!("output {o} {e}"))?;
    }
    if case.gradients.is_empty() {
        return Ok(());
    }

    let mut graph = Graph::default();
    let mut known: BTreeMap<Value, Tensor> = BTreeMap::new();
    let sources: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(i, input)| graph.source(&format!("in{i}"), input.ty.clone()))
        .collect();
    known.extend(sources.iter().copied().zip(inputs));
    let made = graph.push_node(op.clone(), &sources).map_err(|e| e.to_string())?;
    known.extend(made.iter().copied().zip(outputs));
    let mut cotangents = vec![None; made.len()];
    for (o, cotangent) in cotangents.iter_mut().enumerate() {
        if let Some(dy) = named("dy", o) {
            let value = graph.source(&format!("dy{o}"), dy.ty.clone());
            known.insert(value, dy);
            *cotangent = Some(value);
        }
    }
    let Some(&Origin::Node { node, .. }) = made.first().map(|&value| graph.origin(value)) else {
        return Err("has no outputs".to_owned());
    };
    let wanted = (0..case.inputs).map(|i| case.gradients.contains(&i)).collect();
    let mut vjp = Vjp::new(&mut graph, node, cotangents, wanted);
    op.vjp(&mut vjp).map_err(|error| error.to_string())?;
    let gradients = vjp.into_gradients();
    for node in &graph.nodes()[1..] {
        let operands: Vec<&Tensor> = node.inputs.iter().map(|value| &known[value]).collect();
        let results = execute(&*node.op, &operands)?;
        covered.insert(node.op.name());
        known.extend(node.outputs.iter().copied().zip(results));
    }
    for &i in &case.gradients {
        let gradient = gradients[i].ok_or(format!("input {i} gets no gradient"))?;
        compare(&expected("dx", i)?, &known[&gradient])
            .map_err(|error| format!("gradient of input {i} {error}"))?;
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
                    .and_then(|op| check(case, &op, &tensor, &mut covered)),
            };
            if let Err(error) = result {
                failures.push(format!("{}/{} ({}): {error}", family.name, case.name, case.op));
            }
        }
    }
    println!("{total} cases, {} ops", covered.len());
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    let missing: Vec<_> = REQUIRED.iter().filter(|name| !covered.contains(**name)).collect();
    assert!(missing.is_empty(), "no fixture runs {missing:?}");
}
