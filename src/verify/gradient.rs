//! Gradient rules against central finite differences, in f64, under random cotangents.

use std::collections::HashMap;

use super::Failure;
use super::inputs::{make_inputs, named_rng, normal};
use crate::compile::backward;
use crate::error::ShapeError;
use crate::exec::evaluate;
use crate::graph::{Case, Graph, Value};
use crate::tensor::HostTensor;

/// Step of the central difference: its error is of the order of `h^2`, the rounding of f64 divided
/// by `h`; both are near 1e-10.
const STEP: f64 = 1e-5;
/// Allowed difference, relative to the largest gradient element or to one.
const TOLERANCE: f64 = 1e-6;

/// Checks the gradient rule of a case: for each float input, the gradient of a randomly weighted
/// sum of the first output. (A weighting by ones would let a wrong softmax gradient pass.)
///
/// # Errors
/// The first gradient that is wrong or missing.
pub fn check_gradient(case: &Case) -> Result<(), Failure> {
    let check = GradientCheck::new(case)?;
    for &(input, value) in &check.float_inputs {
        let constant = case.constants.contains(&input);
        match (check.gradient_of(value), constant) {
            (Some(gradient), _) => check.compare(input, gradient)?,
            (None, true) => {}
            (None, false) => {
                let message = "the rule gives none".to_owned();
                return Err(Failure::Gradient { input, message });
            }
        }
    }
    Ok(())
}

struct GradientCheck {
    /// The op alone, for finite differences.
    forward: Graph,
    output: Value,
    /// The op with its gradient nodes.
    graph: Graph,
    tensors: HashMap<String, HostTensor>,
    cotangent: Vec<f64>,
    float_inputs: Vec<(usize, Value)>,
    gradients: Vec<Option<Value>>,
}

impl GradientCheck {
    fn new(case: &Case) -> Result<Self, ShapeError> {
        let mut graph = Graph::default();
        let mut tensors = HashMap::new();
        let mut values = Vec::new();
        let mut float_inputs = Vec::new();
        for (i, tensor) in make_inputs(case).into_iter().enumerate() {
            let value = graph.source(&input_name(i), tensor.ty().clone());
            if tensor.ty().dtype.is_float() {
                float_inputs.push((i, value));
            }
            values.push(value);
            tensors.insert(input_name(i), tensor);
        }
        let output = graph.push_node(case.op.clone(), &values)?[0];
        let forward = graph.clone();
        let ty = graph.ty(output).clone();
        let mut rng = named_rng(&format!("{}/{}/cotangent", case.op.name(), case.name));
        let cotangent = normal(&ty, &mut rng);
        let seed = graph.source("cotangent", ty);
        let wrt: Vec<Value> = float_inputs.iter().map(|&(_, value)| value).collect();
        let gradients = backward(&mut graph, &[(output, seed)], &wrt)?;
        let weights = cotangent.floats().into_iter().map(f64::from).collect();
        tensors.insert("cotangent".to_owned(), cotangent);
        Ok(Self { forward, output, graph, tensors, cotangent: weights, float_inputs, gradients })
    }

    fn gradient_of(&self, value: Value) -> Option<Value> {
        let position = self.float_inputs.iter().position(|&(_, v)| v == value)?;
        self.gradients[position]
    }

    /// The weighted sum of the output, with input `input` replaced.
    fn loss(&self, input: usize, values: &[f64]) -> Result<f64, ShapeError> {
        let floats = HashMap::from([(input_name(input), values.to_vec())]);
        let output = evaluate(&self.forward, &floats, &self.tensors, &[self.output])?;
        Ok(output[0].iter().zip(&self.cotangent).map(|(y, dy)| y * dy).sum())
    }

    fn compare(&self, input: usize, gradient: Value) -> Result<(), Failure> {
        let (given, expected) = (self.graph.ty(gradient), self.tensors[&input_name(input)].ty());
        if given != expected {
            let message = format!("the rule gives a {given} for a {expected}");
            return Err(Failure::Gradient { input, message });
        }
        let got = &evaluate(&self.graph, &HashMap::new(), &self.tensors, &[gradient])?[0];
        let tensor = &self.tensors[&input_name(input)];
        let mut x: Vec<f64> = tensor.floats().into_iter().map(f64::from).collect();
        let mut expected = Vec::with_capacity(x.len());
        for i in 0..x.len() {
            let center = x[i];
            let h = STEP * center.abs().max(1.0);
            x[i] = center + h;
            let above = self.loss(input, &x)?;
            x[i] = center - h;
            let below = self.loss(input, &x)?;
            x[i] = center;
            expected.push((above - below) / (2.0 * h));
        }
        let scale = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
        let wrong = expected.iter().zip(got).position(|(e, g)| {
            // A NaN must count as wrong, so the comparison is for closeness.
            let close = (e - g).abs() <= TOLERANCE * scale;
            !close
        });
        match wrong {
            None => Ok(()),
            Some(i) => {
                let message = format!(
                    "element {i} is {:e}, finite differences say {:e}",
                    got[i], expected[i]
                );
                Err(Failure::Gradient { input, message })
            }
        }
    }
}

fn input_name(i: usize) -> String {
    format!("in{i}")
}
