//! Cases of the matrix product.

use super::Matmul;
use crate::graph::{Activation, Case, Fill};
use crate::tensor::TensorType;

/// Adds the products of which something of the result's shape is a further input.
fn tails(cases: &mut Vec<Case>, [transpose_a, transpose_b]: [bool; 2], [m, k, n]: [usize; 3]) {
    let a = if transpose_a { [k, m] } else { [m, k] };
    let b = if transpose_b { [n, k] } else { [k, n] };
    let plain = Matmul { transpose_a, transpose_b, ..Matmul::default() };
    let name = |tail: &str| {
        let t = |transposed| if transposed { "t" } else { "n" };
        format!("{tail}_{}{}_{m}x{k}x{n}", t(transpose_a), t(transpose_b))
    };
    let case = |tail: &str, op: Matmul| Case::new(name(tail), op).normal(a).normal(b);
    let small = m * k * n < 1 << 13;
    let with_gradient = |case: Case| if small { case } else { case.forward_only() };
    let residual = Matmul { residual: true, ..plain.clone() };
    cases.push(with_gradient(case("residual", residual).normal([m, n])));
    // Functions without a bound: results of others do not tell how large the sums were.
    for activation in [Activation::Relu, Activation::LeakyRelu] {
        let op = Matmul { bias: true, residual: true, activation, ..plain.clone() };
        let tail = format!("residual_{activation:?}").to_lowercase();
        cases.push(with_gradient(case(&tail, op.clone()).normal([n]).normal([m, n])));
        let non_finite = case(&format!("non_finite_{tail}"), op).normal([n]);
        let residual = (TensorType::f32([m, n]), Fill::Special);
        cases.push(non_finite.input(residual.0, residual.1).forward_only());
    }
    for (residual, function) in [(false, Activation::Relu), (true, Activation::Sigmoid)] {
        let op = Matmul { residual, derivative: Some(function), ..plain.clone() };
        let y = || TensorType::f32([m, n]);
        for (kind, added, values) in [
            ("", Fill::Normal, Fill::Uniform(0.0, 1.0)),
            ("non_finite_", Fill::Special, Fill::Special),
        ] {
            let case = case(&format!("{kind}derivative_{function:?}").to_lowercase(), op.clone());
            let case = if residual { case.input(y(), added) } else { case };
            cases.push(case.input(y(), values).forward_only());
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (transpose_a, transpose_b) in [(false, false), (false, true), (true, false), (true, true)] {
        for [m, k, n] in
            [[1, 1, 1], [3, 5, 7], [16, 8, 32], [17, 33, 65], [20, 36, 68], [64, 16, 128]]
        {
            let a = if transpose_a { [k, m] } else { [m, k] };
            let b = if transpose_b { [n, k] } else { [k, n] };
            let op = Matmul { transpose_a, transpose_b, ..Matmul::default() };
            let (ta, tb) =
                (if transpose_a { "t" } else { "n" }, if transpose_b { "t" } else { "n" });
            cases.push(Case::new(format!("{ta}{tb}_{m}x{k}x{n}"), op).normal(a).normal(b));
        }
    }
    // Tiles of every size with tails; columns and terms of classifiers, which do not come in fours.
    for [m, k, n] in [[130, 36, 132], [1030, 130, 132], [130, 84, 10], [33, 10, 84], [70, 6, 3]] {
        let case = Case::new(format!("nn_{m}x{k}x{n}"), Matmul::default());
        cases.push(case.normal([m, k]).normal([k, n]).forward_only());
    }
    for [m, k, n] in [[130, 36, 132], [84, 130, 10], [10, 600, 84]] {
        let op = Matmul { transpose_a: true, ..Matmul::default() };
        let case = Case::new(format!("tn_{m}x{k}x{n}"), op);
        cases.push(case.normal([k, m]).normal([k, n]).forward_only());
    }
    for activation in Activation::ALL.into_iter().filter(|a| a.derivative_from_output()) {
        let op = Matmul { bias: true, activation, ..Matmul::default() };
        let name = format!("bias_{}", serde_json::json!(activation).as_str().unwrap_or_default());
        cases.push(Case::new(name, op).normal([9, 12]).normal([12, 20]).normal([20]));
    }
    // Not finite behind the product, whose variants may make a NaN of an infinity.
    for activation in [Activation::Relu6, Activation::Sigmoid, Activation::Tanh] {
        let op = Matmul { bias: true, residual: true, activation, ..Matmul::default() };
        for n in [20, 7] {
            let name = format!("non_finite_residual_{activation:?}_{n}").to_lowercase();
            let case = Case::new(name, op.clone()).normal([9, 12]).normal([12, n]).normal([n]);
            let residual = (TensorType::f32([9, n]), Fill::Special);
            cases.push(case.input(residual.0, residual.1).forward_only());
            let op = Matmul { derivative: Some(activation), ..Matmul::default() };
            let name = format!("non_finite_derivative_{activation:?}_{n}").to_lowercase();
            let case = Case::new(name, op).normal([9, 12]).normal([12, n]);
            let value = (TensorType::f32([9, n]), Fill::Special);
            cases.push(case.input(value.0, value.1).forward_only());
        }
    }
    let relu = Matmul { bias: true, activation: Activation::Relu, ..Matmul::default() };
    let case = Case::new("nan_bias_relu", relu).normal([9, 12]).normal([12, 20]);
    let bias = (0..20_u8).map(|i| if i % 3 == 1 { f32::NAN } else { f32::from(i) });
    cases.push(case.input(TensorType::f32([20]), Fill::Floats(bias.collect())).forward_only());
    for transpose in [[false, false], [false, true], [true, false]] {
        for n in [20, 7] {
            tails(&mut cases, transpose, [9, 12, n]);
        }
    }
    // Tiles of workgroup memory, blocks of columns, and shares of a sum that are added at the end.
    for sizes in [[130, 36, 132], [70, 132, 400], [10, 600, 84]] {
        tails(&mut cases, [false, false], sizes);
    }
    tails(&mut cases, [true, false], [84, 3000, 10]);
    // Long in one dimension alone, as weights are that no binding holds.
    tails(&mut cases, [false, true], [4, 20, 300]);
    tails(&mut cases, [true, false], [300, 4, 20]);
    let non_finite = |dims: [usize; 2]| (TensorType::f32(dims), Fill::Special);
    let (a, fill) = non_finite([6, 9]);
    cases.push(
        Case::new("non_finite", Matmul::default()).input(a, fill).normal([9, 8]).forward_only(),
    );
    for [m, k, n] in [[128, 1600, 128], [128, 784, 256], [512, 512, 512]] {
        let case = Case::new(format!("bench_{m}x{k}x{n}"), Matmul::default());
        cases.push(case.normal([m, k]).normal([k, n]).bench());
    }
    // Longer than software devices let a loop run.
    let long = Matmul { bias: true, activation: Activation::Relu, ..Matmul::default() };
    for n in [1, 8, 9] {
        let case = Case::new(format!("long_sum_{n}"), long.clone()).normal([2, 70_000]);
        cases.push(case.normal([70_000, n]).normal([n]).forward_only());
    }
    let input_grad = Matmul { transpose_b: true, ..Matmul::default() };
    let case = Case::new("bench_input_grad_128x128x1600", input_grad);
    cases.push(case.normal([128, 128]).normal([1600, 128]).bench());
    let weight_grad = Matmul { transpose_a: true, ..Matmul::default() };
    let case = Case::new("bench_weight_grad_1600x128x128", weight_grad);
    cases.push(case.normal([128, 1600]).normal([128, 128]).bench());
    cases
}
