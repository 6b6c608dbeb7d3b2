//! Whole graphs with and without fusion: the same results, on every device, and gradients that agree
//! with finite differences.

use std::collections::HashMap;
use std::sync::Arc;

use verigrad::compile::{Program, backward, compile, compile_unfused};
use verigrad::exec::gpu::adapters;
use verigrad::exec::{CpuExecutor, Executor, GpuExecutor, evaluate};
use verigrad::graph::{Activation, Graph, Op, Value};
use verigrad::ops::{
    Activate, ActivateGrad, BatchNorm, Binary, BinaryFunction, Conv2d, ConvGeometry, Dropout,
    GlobalAvgPool2d, Matmul, MaxPool2d, NormTail, PoolGeometry, Scale, View,
};
use verigrad::tensor::TensorType;

/// `loss seed -> gradients` of a small network, with its inputs.
struct Network {
    graph: Graph,
    floats: HashMap<String, Vec<f64>>,
    logits: Value,
    /// Sources and their gradients.
    gradients: Vec<(&'static str, Value)>,
}

/// Numbers in [-1, 1) that look random.
fn numbers(count: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(f32::from_bits(0x3f80_0000 | (state >> 9))) * 2.0 - 3.0
    };
    (0..count).map(|_| next()).collect()
}

/// Sources of a graph, with their values.
struct Sources {
    floats: HashMap<String, Vec<f64>>,
    seed: u32,
}

impl Sources {
    fn new(seed: u32) -> Self {
        Self { floats: HashMap::new(), seed }
    }

    /// Adds one: multiples of `scale` up to 64, values of f32, so that every device gets the same ones.
    fn add(&mut self, graph: &mut Graph, name: &str, dims: &[usize], scale: f64) -> Value {
        let ty = TensorType::f32(dims);
        let values = numbers(ty.elements(), self.seed).into_iter();
        self.seed += 1;
        self.floats.insert(name.to_owned(), values.map(|v| scale * (v * 64.0).round()).collect());
        graph.source(name, ty)
    }
}

/// `tanh(conv)`, then `tanh(conv(tanh(conv)) + x)`, a mean over the pixels, and a dense layer whose
/// result is added to another: every kind of tail that products take.
fn network() -> Network {
    let mut graph = Graph::default();
    let mut sources = Sources::new(1);
    let mut source = |graph: &mut Graph, name: &str, dims: &[usize], scale: f64| {
        sources.add(graph, name, dims, scale)
    };
    let x = source(&mut graph, "x", &[2, 6, 5, 3], 1.0 / 64.0);
    let w1 = source(&mut graph, "w1", &[3, 3, 3, 8], 1.0 / 256.0);
    let b1 = source(&mut graph, "b1", &[8], 1.0 / 256.0);
    let w2 = source(&mut graph, "w2", &[3, 3, 8, 8], 1.0 / 512.0);
    let w3 = source(&mut graph, "w3", &[3, 3, 8, 8], 1.0 / 512.0);
    let w4 = source(&mut graph, "w4", &[8, 8], 1.0 / 256.0);
    let w5 = source(&mut graph, "w5", &[8, 8], 1.0 / 256.0);
    let seed = source(&mut graph, "seed", &[2, 8], 1.0 / 64.0);
    let conv = Conv2d::new(ConvGeometry::new(1, 1));
    let tanh = Activate { function: Activation::Tanh };
    let mut push =
        |op: Arc<dyn Op>, inputs: &[Value]| graph.push_node(op, inputs).expect("shapes fit")[0];
    let (conv, tanh) = (Arc::new(conv), Arc::new(tanh));
    let stem = push(conv.clone(), &[x, w1]);
    let stem = push(Arc::new(Binary::BIAS), &[stem, b1]);
    let stem = push(tanh.clone(), &[stem]);
    let inner = push(conv.clone(), &[stem, w2]);
    let inner = push(tanh.clone(), &[inner]);
    let inner = push(conv, &[inner, w3]);
    let sum = push(Arc::new(Binary::ADD), &[inner, stem]);
    let block = push(tanh.clone(), &[sum]);
    let pooled = push(Arc::new(GlobalAvgPool2d {}), &[block]);
    let dense = push(Arc::new(Matmul::default()), &[pooled, w4]);
    let hidden = push(tanh, &[dense]);
    let dense = push(Arc::new(Matmul::default()), &[hidden, w5]);
    let logits = push(Arc::new(Binary::ADD), &[hidden, dense]);
    let names = ["x", "w1", "b1", "w2", "w3", "w4", "w5"];
    let wrt = [x, w1, b1, w2, w3, w4, w5];
    let wrt: Vec<(&'static str, Value)> = names.into_iter().zip(wrt).collect();
    Network::with_gradients(graph, sources.floats, (logits, seed), &wrt)
}

impl Network {
    /// The graph with the gradients of `sum(seed * logits)` with respect to `sources`; they and the
    /// logits are outputs.
    fn with_gradients(
        mut graph: Graph,
        floats: HashMap<String, Vec<f64>>,
        (logits, seed): (Value, Value),
        sources: &[(&'static str, Value)],
    ) -> Self {
        let wrt: Vec<Value> = sources.iter().map(|&(_, value)| value).collect();
        let found = backward(&mut graph, &[(logits, seed)], &wrt).expect("every op has a gradient");
        let gradients: Vec<(&str, Value)> = sources
            .iter()
            .zip(found)
            .map(|(&(name, _), gradient)| (name, gradient.expect("the loss depends on it")))
            .collect();
        graph.output("logits", logits);
        for (name, gradient) in &gradients {
            graph.output(&format!("d{name}"), *gradient);
        }
        Self { graph, floats, logits, gradients }
    }

    /// Every output of the program, by name.
    fn run(&self, executor: &mut dyn Executor, program: Program) -> HashMap<String, Vec<f64>> {
        let outputs = program.outputs.clone();
        let buffers: Vec<String> = program.buffers.iter().map(|b| b.name.clone()).collect();
        let id = executor.load(Arc::new(program)).expect("it fits");
        for (name, values) in &self.floats {
            #[expect(clippy::cast_possible_truncation, reason = "the values are those of f32")]
            let bytes: Vec<u8> = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
            executor.write(name, 0, &bytes).expect("the source is a buffer");
        }
        executor.run(id, 1).expect("it runs");
        let read = |(name, at): (&String, &verigrad::compile::OperandAt)| {
            let bytes = executor.read_now(&buffers[at.region.buffer]).expect("an output");
            let words = bytes[at.region.offset..][..at.region.bytes].chunks_exact(4);
            let floats = words.map(|w| f64::from(f32::from_le_bytes([w[0], w[1], w[2], w[3]])));
            (name.clone(), floats.collect())
        };
        let values = outputs.iter().map(read).collect();
        executor.unload_all();
        values
    }

    /// The gradient of `sum(seed * logits)` with respect to a source, by central differences in f64
    /// on the graph as it was written.
    fn differences(&self, name: &str) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let loss = |floats: &HashMap<String, Vec<f64>>| {
            let outputs = evaluate(&self.graph, floats, &HashMap::new(), &[self.logits]);
            let logits = &outputs.expect("every source is given")[0];
            logits.iter().zip(&floats["seed"]).map(|(y, dy)| y * dy).sum::<f64>()
        };
        let mut floats = self.floats.clone();
        let at = |floats: &mut HashMap<String, Vec<f64>>, i: usize, change: f64| {
            let values = floats.get_mut(name).expect("a source");
            let before = values[i];
            values[i] += change;
            let loss = loss(floats);
            floats.get_mut(name).expect("a source")[i] = before;
            loss
        };
        (0..self.floats[name].len())
            .map(|i| (at(&mut floats, i, STEP) - at(&mut floats, i, -STEP)) / (2.0 * STEP))
            .collect()
    }
}

fn close(what: &str, expected: &[f64], got: &[f64]) {
    // A chain of seven sums of at most 72 products each, in f32, relative to the largest element.
    const TOLERANCE: f64 = 7.0 * 6.0 * 8.5 * 5.96e-8;
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert_eq!(expected.len(), got.len(), "{what}");
    assert!(scale > 1e-3, "{what} is no test: all of it is near zero");
    for (i, (e, g)) in expected.iter().zip(got).enumerate() {
        assert!((e - g).abs() <= TOLERANCE * scale, "{what}[{i}]: {g}, expected {e}");
    }
}

/// The CPU, its reference and every adapter.
fn executors() -> Vec<Box<dyn Executor>> {
    let mut executors: Vec<Box<dyn Executor>> =
        vec![Box::new(CpuExecutor::new()), Box::new(CpuExecutor::reference())];
    for adapter in &adapters() {
        executors.push(Box::new(GpuExecutor::open(adapter).expect("the adapter opens")));
    }
    assert!(executors.len() > 2, "no GPU adapter; install one, e.g. mesa-vulkan-drivers");
    executors
}

#[test]
fn fusion_changes_no_result_and_no_gradient() {
    let network = network();
    let differences: Vec<(String, Vec<f64>)> = network
        .gradients
        .iter()
        .map(|(name, _)| (format!("d{name}"), network.differences(name)))
        .collect();
    for executor in &mut executors() {
        let caps = executor.caps().clone();
        let fused = compile("fused", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
        let plain = compile_unfused("plain", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
        let names =
            |program: &Program| program.steps.iter().map(|s| s.op.name()).collect::<Vec<_>>();
        // All that stays behind is what pooling keeps apart.
        let element_wise = ["activate", "activate_grad", "binary"];
        let left = names(&fused).into_iter().filter(|name| element_wise.contains(name)).count();
        let all = names(&plain).into_iter().filter(|name| element_wise.contains(name)).count();
        assert!(left <= 2 && all >= 10, "{left} element-wise steps of {all} are left");
        let device = executor.info().name.clone();
        let plain = network.run(executor.as_mut(), plain);
        let fused = network.run(executor.as_mut(), fused);
        assert_eq!(fused.len(), network.gradients.len() + 1);
        for (name, expected) in &plain {
            close(&format!("{device}: fused {name}"), expected, &fused[name]);
        }
        for (name, expected) in &differences {
            close(&format!("{device}: {name}"), expected, &fused[name]);
        }
    }
}

/// A pooled and flattened activation function. One in four elements is zero or negative zero, so
/// that windows hold equal maxima.
fn pooled(function: Activation, geometry: PoolGeometry) -> Network {
    let mut graph = Graph::default();
    let x = graph.source("x", TensorType::f32([2, 9, 8, 8]));
    let y = graph.push(Activate { function }, &[x]).expect("shapes fit");
    let [y, _] = graph.push_multi(MaxPool2d { geometry }, &[y]).expect("shapes fit");
    let flat = [2, graph.ty(y).elements() / 2];
    let logits = graph.push(View::reshape(flat), &[y]).expect("shapes fit");
    let seed = graph.source("seed", TensorType::f32(flat));
    let gradients = backward(&mut graph, &[(logits, seed)], &[x]).expect("every op has a gradient");
    let dx = gradients[0].expect("the result depends on x");
    graph.output("logits", logits);
    graph.output("dx", dx);
    let eighth = |v: f64| (v * 8.0).round();
    let x = numbers(2 * 9 * 8 * 8, 5).into_iter().map(eighth).enumerate();
    let x = x.map(|(i, v)| if i % 4 == 0 { v * 0.0 } else { v }).collect();
    let seed = numbers(flat[0] * flat[1], 6).into_iter().map(|v| (v * 64.0).round() / 64.0);
    let floats = HashMap::from([("x".to_owned(), x), ("seed".to_owned(), seed.collect())]);
    Network { graph, floats, logits, gradients: vec![("x", dx)] }
}

/// The derivative of a pooled function is taken at the maxima: of the same bits wherever each element
/// is in one window, or the derivative is zero or one.
#[test]
fn derivatives_of_pooled_functions_are_taken_at_the_maxima() {
    let apart = PoolGeometry::non_overlapping([2, 2]);
    let overlapping =
        PoolGeometry { stride: [2, 2], padding: [1; 4], ..PoolGeometry::non_overlapping([3, 3]) };
    let sparse = PoolGeometry {
        stride: [3, 2],
        padding: [1, 1, 0, 0],
        ..PoolGeometry::non_overlapping([2, 1])
    };
    let functions = Activation::ALL.into_iter().filter(|f| f.derivative_from_output());
    let functions: Vec<Activation> = functions.skip(1).collect();
    assert_eq!(functions[0], Activation::Relu);
    for executor in &mut executors() {
        let caps = executor.caps().clone();
        for (geometry, overlaps) in [(&apart, false), (&sparse, false), (&overlapping, true)] {
            for &function in &functions {
                let network = pooled(function, geometry.clone());
                let moved = compile("moved", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
                let plain = compile_unfused("plain", &network.graph, &caps, &|_, _, _| 0);
                let plain = plain.expect("it fits");
                let [before, after] = [&plain, &moved].map(|program| {
                    let step = program.steps.iter().find(|step| step.op.name() == "activate_grad");
                    step.expect("it is there").outputs[0].ty.elements()
                });
                assert!(after <= before / 2, "{after} of {before} elements");
                let what = format!("{}: {function:?} {geometry:?}", executor.info().name);
                let plain = network.run(executor.as_mut(), plain);
                let moved = network.run(executor.as_mut(), moved);
                if overlaps && !matches!(function, Activation::Relu | Activation::Relu6) {
                    close(&what, &plain["dx"], &moved["dx"]);
                } else {
                    // Equal numbers are equal bits, up to the sign of zero.
                    assert_eq!(plain["dx"], moved["dx"], "{what}");
                }
            }
        }
    }
}

/// `dense(relu(norm(conv(pool(relu(norm(conv)))))))`, with each norm by the statistics of its batch.
fn normalized() -> Network {
    let mut graph = Graph::default();
    let mut sources = Sources::new(21);
    let mut source =
        |graph: &mut Graph, name: &str, dims: &[usize]| sources.add(graph, name, dims, 1.0 / 64.0);
    let names = ["x", "w1", "gamma1", "beta1", "w2", "gamma2", "beta2", "w3"];
    let dims: [&[usize]; 8] =
        [&[4, 8, 8, 3], &[3, 3, 3, 8], &[8], &[8], &[3, 3, 8, 12], &[12], &[12], &[12, 8]];
    let wrt: Vec<Value> =
        names.iter().zip(dims).map(|(name, dims)| source(&mut graph, name, dims)).collect();
    let seed = source(&mut graph, "seed", &[64, 8]);
    let &[x, w1, gamma1, beta1, w2, gamma2, beta2, w3] = &wrt[..] else { unreachable!() };
    let conv = || Conv2d::new(ConvGeometry::new(1, 1));
    let norm = || BatchNorm { epsilon: 1e-3, tail: NormTail::default() };
    let relu = || Activate { function: Activation::Relu };
    let y = graph.push(conv(), &[x, w1]).expect("shapes fit");
    let [y, mean, _] = graph.push_multi(norm(), &[y, gamma1, beta1]).expect("shapes fit");
    graph.output("mean", mean);
    let y = graph.push(relu(), &[y]).expect("shapes fit");
    let geometry = PoolGeometry::non_overlapping([2, 2]);
    let [y, _] = graph.push_multi(MaxPool2d { geometry }, &[y]).expect("shapes fit");
    let y = graph.push(conv(), &[y, w2]).expect("shapes fit");
    let [y, ..] = graph.push_multi::<3>(norm(), &[y, gamma2, beta2]).expect("shapes fit");
    let y = graph.push(relu(), &[y]).expect("shapes fit");
    let y = graph.push(View::reshape([64, 12]), &[y]).expect("shapes fit");
    let logits = graph.push(Matmul::default(), &[y, w3]).expect("shapes fit");
    let wrt: Vec<(&'static str, Value)> = names.into_iter().zip(wrt).collect();
    Network::with_gradients(graph, sources.floats, (logits, seed), &wrt)
}

/// Products in front of batch norms collect their statistics, and poolings behind them normalize; the
/// results and gradients are those of the ops one by one.
#[test]
fn norms_are_taken_apart() {
    let network = normalized();
    for executor in &mut executors() {
        let caps = executor.caps().clone();
        let fused = compile("fused", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
        let plain = compile_unfused("plain", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
        let count = |name: &str| fused.steps.iter().filter(|s| s.op.name() == name).count();
        let names = ["product_statistics", "batch_norm_max_pool2d", "batch_norm_inference"];
        assert_eq!(names.map(count), [2, 1, 1]);
        assert_eq!(["batch_norm", "max_pool2d", "activate"].map(count), [0; 3]);
        let device = executor.info().name.clone();
        let plain = network.run(executor.as_mut(), plain);
        let fused = network.run(executor.as_mut(), fused);
        assert_eq!(fused.len(), network.gradients.len() + 2);
        for (name, expected) in &plain {
            close(&format!("{device}: {name}"), expected, &fused[name]);
        }
    }
}

/// `relu(dropout(x) f'(value) rows - (2 b + bias))`: a tree of element-wise ops of every kind.
fn element_wise(function: Activation) -> Network {
    let mut graph = Graph::default();
    let mut sources = Sources::new(11);
    let mut source =
        |graph: &mut Graph, name: &str, dims: &[usize]| sources.add(graph, name, dims, 1.0 / 64.0);
    let [x, value, b] = ["x", "value", "b"].map(|name| source(&mut graph, name, &[40, 52]));
    let rows = source(&mut graph, "rows", &[40, 1]);
    let bias = source(&mut graph, "bias", &[52]);
    let step = graph.source("step", TensorType::u32([1]));
    let mut push =
        |op: Arc<dyn Op>, inputs: &[Value]| graph.push_node(op, inputs).expect("shapes fit")[0];
    let masked = push(Arc::new(Dropout { rate: 0.25, seed: 3, stream: 1 }), &[x, step]);
    let left = push(Arc::new(ActivateGrad { function }), &[value, masked]);
    let left = push(Arc::new(Binary::MULTIPLY), &[left, rows]);
    let right = push(Arc::new(Scale { factor: 2.0 }), &[b]);
    let right = push(Arc::new(Binary::BIAS), &[right, bias]);
    let subtract = Binary { function: BinaryFunction::Subtract, per_column: false };
    let difference = push(Arc::new(subtract), &[left, right]);
    let logits = push(Arc::new(Activate { function }), &[difference]);
    graph.output("logits", logits);
    Network { graph, floats: sources.floats, logits, gradients: Vec::new() }
}

/// Element-wise ops become one step, which moves less and computes the same.
#[test]
fn element_wise_ops_become_one_step() {
    for executor in &mut executors() {
        let caps = executor.caps().clone();
        for function in [Activation::Relu, Activation::Tanh, Activation::Gelu] {
            let network = element_wise(function);
            let joined = compile("joined", &network.graph, &caps, &|_, _, _| 0).expect("it fits");
            let plain = compile_unfused("plain", &network.graph, &caps, &|_, _, _| 0);
            let plain = plain.expect("it fits");
            assert_eq!([joined.steps.len(), plain.steps.len()], [1, 7]);
            assert_eq!(
                joined.steps[0].op.title(),
                "scale+binary+dropout+activate_grad+binary+binary+activate"
            );
            assert!(3 * joined.cost().bytes < plain.cost().bytes, "three inputs, one output");
            assert_eq!(joined.cost().flop, plain.cost().flop);
            assert!(!caps.kernels || joined.dispatch_count() == 1);
            let what = format!("{}: {function:?}", executor.info().name);
            let plain = network.run(executor.as_mut(), plain);
            let joined = network.run(executor.as_mut(), joined);
            close(&what, &plain["logits"], &joined["logits"]);
        }
    }
}
