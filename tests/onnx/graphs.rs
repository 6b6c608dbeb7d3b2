//! Graphs that layers of recipes do not make: other ops, and ops that have no form in ONNX.

use std::collections::{BTreeMap, HashMap};

use verigrad::error::ShapeError;
use verigrad::exec::evaluate;
use verigrad::graph::{Activation, Graph, Origin, Value};
use verigrad::ops::{
    Activate, BatchNormInference, Binary, BinaryFunction, Broadcast, Cast, Concat, Conv2d,
    ConvGeometry, GlobalAvgPool2d, LogSoftmax, Matmul, MaxPool2d, NormTail, Over, PoolGeometry,
    Scale, Softmax, View,
};
use verigrad::tensor::{DType, HostTensor, TensorType};

pub const IMAGES: usize = 4;
pub const IMAGE: [usize; 3] = [5, 4, 3];
pub const CLASSES: usize = 6;

/// A graph from images to logits.
pub struct Own {
    pub graph: Graph,
    pub ends: [Value; 2],
}

type Made = Result<Own, ShapeError>;

impl Own {
    fn new(make: impl FnOnce(&mut Graph, Value) -> Result<Value, ShapeError>) -> Made {
        let mut graph = Graph::default();
        graph.set_scope("mine");
        let [h, w, c] = IMAGE;
        let images = graph.source("images", TensorType::f32([IMAGES, h, w, c]));
        let logits = make(&mut graph, images)?;
        Ok(Self { graph, ends: [images, logits] })
    }

    /// Numbers for all sources but the images.
    pub fn weights(
        &self,
        numbers: impl Fn(&str, usize) -> Vec<f32>,
    ) -> BTreeMap<String, HostTensor> {
        let mut weights = BTreeMap::new();
        for value in self.graph.values().filter(|value| *value != self.ends[0]) {
            let Origin::Source(name) = self.graph.origin(value) else { continue };
            let ty = self.graph.ty(value);
            let mut values = numbers(name, ty.elements());
            if name == "variance" || name == "divisor" {
                values.iter_mut().for_each(|value| *value = value.abs() + 0.5);
            }
            let tensor = HostTensor::from_f32(ty.shape.clone(), &values).expect("as many");
            weights.insert(name.clone(), tensor);
        }
        weights
    }

    /// What comes out for images of bytes.
    pub fn probabilities(&self, images: &[u8], weights: &BTreeMap<String, HostTensor>) -> Vec<f32> {
        let wide = |tensor: &HostTensor| tensor.f32s().iter().map(|&x| f64::from(x)).collect();
        let mut floats: HashMap<String, Vec<f64>> =
            weights.iter().map(|(name, tensor)| (name.clone(), wide(tensor))).collect();
        floats.insert("images".to_owned(), images.iter().map(|&x| f64::from(x)).collect());
        let logits = evaluate(&self.graph, &floats, &HashMap::new(), &self.ends[1..]);
        let logits = logits.expect("it runs").remove(0);
        let mut probabilities = Vec::new();
        for row in logits.chunks(CLASSES) {
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|logit| (logit - largest).exp()).sum();
            assert!(sum > 1.01, "one class is sure: {row:?}");
            #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
            probabilities.extend(row.iter().map(|logit| ((logit - largest).exp() / sum) as f32));
        }
        probabilities
    }
}

fn column(function: BinaryFunction) -> Binary {
    Binary { function, per_column: true }
}

/// Ops with tails of their own, functions of two numbers, softmax between layers, transposed weights.
pub fn other_ops() -> Made {
    Own::new(|graph, images| {
        let mut weight = |name: &str, dims: &[usize]| graph.source(name, TensorType::f32(dims));
        let vectors = ["bias", "factor", "offset", "gamma", "beta", "mean", "variance"];
        let [bias, factor, offset, gamma, beta, mean, variance] =
            vectors.map(|name| weight(name, &[7]));
        let [first, second] = ["first", "second"].map(|name| weight(name, &[2, 3, 3, 7]));
        let divisor = weight("divisor", &[1]);
        let hidden = weight("hidden", &[9, 2 * 4 * 2 * 7]);
        let [hidden_bias, last_bias] =
            [("hidden_bias", 9), ("last_bias", CLASSES)].map(|(name, n)| weight(name, &[n]));
        let [last, shortcut] =
            [("last", 9), ("shortcut", 112)].map(|(name, n)| weight(name, &[n, CLASSES]));

        let x = graph.push(Scale { factor: 1.0 / 128.0 }, &[images])?;
        let convolution = Conv2d::new(ConvGeometry::default());
        let other = graph.push(convolution.clone(), &[x, second])?;
        let activation = Activation::Tanh;
        let op = Conv2d { bias: true, residual: true, activation, ..convolution };
        let x = graph.push(op, &[x, first, bias, other])?;
        let x = graph.push(column(BinaryFunction::Multiply), &[x, factor])?;
        let x = graph.push(column(BinaryFunction::Subtract), &[x, offset])?;
        // Read twice: it must not become a part of the convolution.
        let biased = graph.push(Binary::BIAS, &[other, bias])?;
        let x = graph.push(Binary::MULTIPLY, &[x, biased])?;
        let tail = NormTail { residual: true, activation: Activation::Silu };
        let norm = BatchNormInference { epsilon: 0.1, tail };
        let x = graph.push(norm, &[x, gamma, beta, mean, variance, other])?;
        let x = graph
            .push(Binary { function: BinaryFunction::Divide, per_column: false }, &[x, divisor])?;
        let soft = graph.push(Softmax {}, &[x])?;
        let logarithm = graph.push(LogSoftmax {}, &[x])?;
        let x = graph.push(Concat { axis: 2 }, &[soft, logarithm])?;
        let x = graph.push(Cast { to: DType::F32 }, &[x])?;
        let pool = PoolGeometry { stride: [1, 1], ..PoolGeometry::non_overlapping([1, 1]) };
        let [x, _index] = graph.push_multi(MaxPool2d { geometry: pool }, &[x])?;
        let flat = graph.push(View::reshape([IMAGES, 2 * 4 * 2 * 7]), &[x])?;
        let op = Matmul { transpose_b: true, bias: true, activation, ..Matmul::default() };
        let x = graph.push(op, &[flat, hidden, hidden_bias])?;
        let direct = graph.push(Matmul::default(), &[flat, shortcut])?;
        let op = Matmul { bias: true, residual: true, ..Matmul::default() };
        graph.push(op, &[x, last, last_bias, direct])
    })
}

/// Graphs, and what the error for each must say.
pub fn without_form() -> Vec<(Made, Vec<&'static str>)> {
    let dense = |graph: &mut Graph, x: Value| {
        let weights = graph.source("w", TensorType::f32([3, CLASSES]));
        graph.push(Matmul::default(), &[x, weights])
    };
    let unknown = Own::new(|graph, images| {
        let rows = graph.push(GlobalAvgPool2d {}, &[images])?;
        let one = graph.source("one", TensorType::f32([1]));
        let repeat = Broadcast { shape: [IMAGES, 3].into(), over: Over::All, scale: 1.0 };
        let many = graph.push(repeat, &[one])?;
        let sum = graph.push(Binary::ADD, &[rows, many])?;
        dense(graph, sum)
    });
    let alone = Own::new(|graph, images| {
        let rows = graph.push(GlobalAvgPool2d {}, &[images])?;
        let weights = graph.source("w", TensorType::f32([3, CLASSES]));
        let weights = graph.push(Activate { function: Activation::Relu }, &[weights])?;
        graph.push(Matmul::default(), &[rows, weights])
    });
    let batch = Own::new(|graph, images| {
        let rows = graph.push(View::reshape([2 * IMAGES, 30]), &[images])?;
        let rows = graph.push(View::reshape([IMAGES, 60]), &[rows])?;
        let weights = graph.source("w", TensorType::f32([60, CLASSES]));
        graph.push(Matmul::default(), &[rows, weights])
    });
    let each = Own::new(|graph, images| {
        let rows = graph.push(GlobalAvgPool2d {}, &[images])?;
        let each = graph.source("each", TensorType::f32([IMAGES, 3]));
        let rows = graph.push(Binary::ADD, &[rows, each])?;
        dense(graph, rows)
    });
    vec![
        (unknown, vec!["broadcast", "no operators of ONNX"]),
        (alone, vec!["activate", "computes with w alone"]),
        (batch, vec!["view", "cannot become [8, 30]"]),
        (each, vec!["binary", "each has a number for each example"]),
    ]
}
